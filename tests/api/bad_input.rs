//! Bad requests: the answer is JSON, and names the code and the place of the mistake.

use serde_json::{Value, json};

use crate::support::*;

/// The call is refused because its body is not JSON. What follows in the text is from the JSON parser.
#[track_caller]
fn assert_not_json(answer: &Answer) {
    answer.assert_code(BodyNotJson);
    assert!(answer.info().starts_with("the body is not JSON: "), "{answer}");
}

/// A body with a valid item in which the value at `path` is replaced, or removed by `None`.
fn item_with(path: &[&str], value: Option<Value>) -> Value {
    let mut item = json!({
        "OptType": 3,
        "ContactItem": { "Type": 1, "To_Account": "user1", "ToGroupId": "group1" },
        "SetMark": [1, 2], "ClearMark": [3], "CustomMark": "abcd",
    });
    let (last, parents) = path.split_last().unwrap();
    let mut at = &mut item;
    for name in parents {
        at = &mut at[*name];
    }
    match value {
        Some(value) => at[*last] = value,
        None => drop(at.as_object_mut().unwrap().remove(*last)),
    }
    mark_contact("user0", [set("user2", 1), item])
}

#[actix_web::test]
async fn an_integer_may_be_written_in_any_way_and_a_type_as_text() {
    let app = TestApp::start().await;
    let item = |more: &str| {
        format!(r#"{{"From_Account":"user0","MarkItem":[{{"OptType":1,"SetMark":[0],{more}}}]}}"#)
    };
    for contact_item in [
        r#""ContactItem":{"Type":1.0,"To_Account":"a"}"#,
        r#""ContactItem":{"Type":1e0,"To_Account":"a"}"#,
        r#""ContactItem":{"Type":"1","To_Account":"a"}"#,
        r#""ContactItem":{"type":1,"To_Account":"a"}"#,
        r#""ContactItem":{"Type":"2","ToGroupId":"a"}"#,
    ] {
        app.call(MARK_CONTACT, item(contact_item)).await.assert_items([Ok]);
    }
    let body = item(r#""ContactItem":{"Type":1,"To_Account":"a"}"#);
    app.call(MARK_CONTACT, body.replace("[0]", "[32.0, 3e1]")).await.assert_items([Ok]);
    for (bits, problem) in [
        ("[1.5]", "must be an integer, got a number that is not an integer"),
        ("[64.0]", "64 is not a bit (0..63)"),
        ("[\"1\"]", "must be an integer, got a string"),
        ("[1e300]", "must be an integer, got a number that is not an integer"),
    ] {
        let answer = app.call(MARK_CONTACT, body.replace("[0]", bits)).await;
        answer.assert_refused(BadParameter, &format!("MarkItem[0].SetMark[0]: {problem}"));
    }
    let text = item(r#""ContactItem":{"Type":"3","To_Account":"a"}"#);
    let info = "MarkItem[0].ContactItem.Type: must be an integer, got a string";
    app.call(MARK_CONTACT, text).await.assert_refused(BadParameter, info);
}

#[actix_web::test]
async fn a_wrong_type_is_refused_with_its_path_at_every_level() {
    let app = TestApp::start().await;
    let item = |path: &[&str], value| item_with(path, Some(value)).to_string();
    for (body, expected) in [
        ("[]".to_owned(), "body: must be an object, got an array"),
        ("null".to_owned(), "body: must be an object, got null"),
        ("7".to_owned(), "body: must be an object, got an integer"),
        (r#""{}""#.to_owned(), "body: must be an object, got a string"),
        (
            mark_contact("user0", json!({ "0": set("user1", 0) })).to_string(),
            "MarkItem: must be an array, got an object",
        ),
        (mark_contact("user0", "[]").to_string(), "MarkItem: must be an array, got a string"),
        (
            mark_contact("user0", [json!([])]).to_string(),
            "MarkItem[0]: must be an object, got an array",
        ),
        (
            mark_contact("user0", [json!(null)]).to_string(),
            "MarkItem[0]: must be an object, got null",
        ),
        (item(&["OptType"], json!("3")), "MarkItem[1].OptType: must be an integer, got a string"),
        (
            item(&["OptType"], json!(3.5)),
            "MarkItem[1].OptType: must be an integer, got a number that is not an integer",
        ),
        (item(&["OptType"], json!([3])), "MarkItem[1].OptType: must be an integer, got an array"),
        (
            item(&["ContactItem"], json!("user1")),
            "MarkItem[1].ContactItem: must be an object, got a string",
        ),
        (
            item(&["ContactItem"], json!([user("user1")])),
            "MarkItem[1].ContactItem: must be an object, got an array",
        ),
        (
            item(&["ContactItem", "Type"], json!("3")),
            "MarkItem[1].ContactItem.Type: must be an integer, got a string",
        ),
        (
            item(&["ContactItem", "Type"], json!(true)),
            "MarkItem[1].ContactItem.Type: must be an integer, got a boolean",
        ),
        (item(&["SetMark"], json!(1)), "MarkItem[1].SetMark: must be an array, got an integer"),
        (item(&["SetMark"], json!("1,2")), "MarkItem[1].SetMark: must be an array, got a string"),
        (
            item(&["SetMark"], json!([1, "2"])),
            "MarkItem[1].SetMark[1]: must be an integer, got a string",
        ),
        (
            item(&["ClearMark"], json!({ "0": 1 })),
            "MarkItem[1].ClearMark: must be an array, got an object",
        ),
        (
            item(&["ClearMark"], json!([[1]])),
            "MarkItem[1].ClearMark[0]: must be an integer, got an array",
        ),
        (
            item(&["ClearMark"], json!([null])),
            "MarkItem[1].ClearMark[0]: must be an integer, got null",
        ),
        (
            item(&["CustomMark"], json!(7)),
            "MarkItem[1].CustomMark: must be a string, got an integer",
        ),
        (
            item(&["CustomMark"], json!(["x"])),
            "MarkItem[1].CustomMark: must be a string, got an array",
        ),
    ] {
        app.call(MARK_CONTACT, body).await.assert_refused(BadParameter, expected);
    }
    assert_eq!(app.state_rows().await, 0, "a refused call writes nothing");
}

#[actix_web::test]
async fn an_account_that_is_not_a_string_has_a_code_of_its_own() {
    let app = TestApp::start().await;
    for (value, kind) in [
        (json!(762_488), "an integer"),
        (json!(7.5), "a number that is not an integer"),
        (json!(false), "a boolean"),
        (json!(["user0"]), "an array"),
        (json!({ "UserID": "user0" }), "an object"),
    ] {
        let body = json!({ "From_Account": value, "MarkItem": [set("user1", 0)] });
        let info = format!("From_Account: an account must be a string, got {kind}");
        app.call(MARK_CONTACT, body).await.assert_refused(AccountNotString, &info);
        let body = item_with(&["ContactItem", "To_Account"], Some(value));
        let path = "MarkItem[1].ContactItem.To_Account";
        let info = format!("{path}: an account must be a string, got {kind}");
        app.call(MARK_CONTACT, body).await.assert_refused(AccountNotString, &info);
    }
    // A chat group is not an account.
    let body = mark_contact(
        "user0",
        [json!({ "OptType": 1, "ContactItem": { "Type": 2, "ToGroupId": 7 }, "SetMark": [1] })],
    );
    let info = "MarkItem[0].ContactItem.ToGroupId: must be a string, got an integer";
    app.call(MARK_CONTACT, body).await.assert_refused(BadParameter, info);
}

#[actix_web::test]
async fn a_missing_or_null_field_is_refused_with_its_path() {
    let app = TestApp::start().await;
    for absent in [None, Some(Value::Null)] {
        for (path, expected) in [
            (&["OptType"][..], "OptType: missing, must be an integer"),
            (&["ContactItem"], "ContactItem: missing, must be an object"),
            (&["ContactItem", "Type"], "ContactItem.Type: missing, must be an integer"),
            (&["ContactItem", "To_Account"], "ContactItem.To_Account: missing, must be a string"),
        ] {
            let answer = app.call(MARK_CONTACT, item_with(path, absent.clone())).await;
            answer.assert_refused(BadParameter, &format!("MarkItem[1].{expected}"));
        }
    }
    let answer = app.call(MARK_CONTACT, "{}").await;
    answer.assert_refused(BadParameter, "From_Account: missing, must be a string");
    let body = json!({ "From_Account": "user0", "MarkItems": [] });
    let answer = app.call(MARK_CONTACT, body).await;
    answer.assert_refused(BadParameter, "MarkItem: missing, must be an array");
}

#[actix_web::test]
async fn a_number_out_of_range_is_refused_at_every_size() {
    let app = TestApp::start().await;
    let opt_type = "OptType: must be 1 (standard mark), 2 (custom mark) or 3 (both)";
    let kind = "ContactItem.Type: must be 1 (one-to-one) or 2 (group)";
    for number in [
        "0",
        "4",
        "-1",
        "255",
        "256",
        "257",
        "4294967297",
        "18446744073709551615",
        "-9223372036854775808",
    ] {
        let body = item_with(&["OptType"], Some(json!("§"))).to_string().replace("\"§\"", number);
        let answer = app.call(MARK_CONTACT, body).await;
        answer.assert_refused(BadParameter, &format!("MarkItem[1].{opt_type}"));
        let body = item_with(&["ContactItem", "Type"], Some(json!("§"))).to_string();
        if number != "2" {
            let answer = app.call(MARK_CONTACT, body.replace("\"§\"", number)).await;
            answer.assert_refused(BadParameter, &format!("MarkItem[1].{kind}"));
        }
    }
    for number in ["1.5", "-0.5", "18446744073709551616", "-9223372036854775809", "1e300"] {
        let body = item_with(&["SetMark"], Some(json!(["§"]))).to_string().replace("\"§\"", number);
        let info =
            "MarkItem[1].SetMark[0]: must be an integer, got a number that is not an integer";
        app.call(MARK_CONTACT, body).await.assert_refused(BadParameter, info);
    }
    for not_json in ["1e999", "01", "+1", "0x1", "NaN", "-", ".5", "1."] {
        let body =
            item_with(&["SetMark"], Some(json!(["§"]))).to_string().replace("\"§\"", not_json);
        assert_not_json(&app.call(MARK_CONTACT, body).await);
    }
}

#[actix_web::test]
async fn a_repeated_field_is_refused_and_an_unknown_field_is_ignored() {
    let app = TestApp::start().await;
    let good = mark_contact("user0", [custom("user1", "x")]).to_string();
    for (name, more, path) in [
        ("\"From_Account\"", "\"From_Account\":\"user1\",", "From_Account"),
        ("\"MarkItem\"", "\"MarkItem\":null,", "MarkItem"),
        ("\"OptType\"", "\"OptType\":2,", "MarkItem[0].OptType"),
        ("\"Type\"", "\"Type\":1,", "MarkItem[0].ContactItem.Type"),
        ("\"To_Account\"", "\"\\u0054o_Account\":\"y\",", "MarkItem[0].ContactItem.To_Account"),
        ("\"CustomMark\"", "\"CustomMark\":\"y\",", "MarkItem[0].CustomMark"),
    ] {
        let body = good.replace(name, &format!("{more}{name}"));
        let info = format!("{path}: must not be given twice");
        app.call(MARK_CONTACT, body).await.assert_refused(BadParameter, &info);
    }
    let body =
        good.replace("\"OptType\"", "\"\":1,\"x\":[],\"x\":{\"y\":[[]]},\"opttype\":9,\"OptType\"");
    app.call(MARK_CONTACT, body).await.assert_items([Ok]);
}

#[actix_web::test]
async fn a_body_that_is_not_json_is_refused() {
    let app = TestApp::start().await;
    for body in [
        "",
        " ",
        "{",
        "}",
        "nul",
        "nothing",
        "{'From_Account':'x'}",
        "{\"From_Account\":\"user0\",}",
        "{}{}",
        "{} x",
        "\u{feff}",
        "// no\n{}",
        "From_Account=user0",
        "<xml/>",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\u{1}\"",
        "[1,]",
        "\0",
    ] {
        assert_not_json(&app.call(MARK_CONTACT, body).await);
    }
}

#[actix_web::test]
async fn bytes_that_are_not_utf8_are_refused_in_every_place() {
    let app = TestApp::start().await;
    let url = format!("http://{}/v4/{MARK_CONTACT}?{}", app.addresses.api, query());
    let good = mark_contact("user0", [custom("user1", "§")]).to_string();
    for bytes in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe4\xb8"] {
        for (from, to) in good.split_once('§').into_iter().chain([("", ""), ("{\"", "\":1}")]) {
            let body = [from.as_bytes(), bytes, to.as_bytes()].concat();
            let answer = app.send(actix_web::http::Method::POST, &url, body).await;
            answer.assert_code(BodyNotJson);
        }
    }
    assert_eq!(app.state_rows().await, 0);
}

#[actix_web::test]
async fn deep_nesting_is_refused() {
    let app = TestApp::start().await;
    for (open, close, depth) in [
        ("[", "]", 200),
        ("[", "", 500_000),
        ("{\"a\":", "}", 200),
        ("{\"a\":", "", 150_000),
        ("[{\"MarkItem\":", "", 50_000),
    ] {
        for body in [
            open.repeat(depth) + &close.repeat(depth),
            format!("{{\"MarkItem\":{}", open.repeat(depth)),
            format!("{{\"Unknown\":{}{}}}", open.repeat(depth), close.repeat(depth)),
        ] {
            assert!(body.len() <= 1024 * 1024);
            assert_not_json(&app.call(MARK_CONTACT, body).await);
        }
    }
}

#[actix_web::test]
async fn the_nul_character_is_refused_before_it_reaches_the_database() {
    let app = TestApp::start().await;
    let refused = |answer: &Answer, path: &str| {
        let info = format!("{path}: must not contain the NUL character");
        answer.assert_refused(BadParameter, &info);
    };
    for text in ["\0", "a\0", "\0b", "a\0b"] {
        let body = mark_contact(text, [set("user1", 0)]);
        refused(&app.call(MARK_CONTACT, body).await, "From_Account");
        let body = mark_contact("user0", [set(text, 0)]);
        refused(&app.call(MARK_CONTACT, body).await, "MarkItem[0].ContactItem.To_Account");
        let body = mark_contact("user0", [change_bits(&chat_group(text), &[0], &[])]);
        refused(&app.call(MARK_CONTACT, body).await, "MarkItem[0].ContactItem.ToGroupId");
        let body = mark_contact("user0", [custom("user1", text)]);
        refused(&app.call(MARK_CONTACT, body).await, "MarkItem[0].CustomMark");
    }
}

#[actix_web::test]
async fn every_other_character_is_stored_unchanged() {
    let app = TestApp::start().await;
    for text in [
        "\u{1}\u{7f}",
        "'; DROP TABLE users; --",
        "%s{}\\",
        " \t\r\n ",
        "\u{feff}\u{202e}\u{ffff}",
        "e\u{301}",
        "👩‍👩‍👧",
        "{\"a\":1}",
    ] {
        let answer = app.mark(text, [custom(text, text)]).await;
        assert_eq!(answer["ResultItem"][0]["ContactItem"]["To_Account"], text);
        assert_eq!(app.marks(text).await, [marked(text, 0, text)]);
    }
}

#[actix_web::test]
async fn bytes_that_are_not_http_are_answered_with_status_400() {
    let app = TestApp::start().await;
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST /v4 HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        let answer = raw_text(app.addresses.api, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    }
    // The service still serves the next request.
    app.mark("user0", [set("user1", 0)]).await.assert_ok();
}
