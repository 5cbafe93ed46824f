//! Whatever is sent, the answer is JSON that names the code and the place.

use serde_json::{Value, json};

use crate::support::*;

/// What `mark_contact` says to a body, on one line.
async fn refusal(app: &TestApp, body: impl ToString) -> String {
    let answer = app.call(MARK_CONTACT, body).await;
    let (code, info) = failure(&answer);
    format!("{code} {info}")
}

/// One good item, with the value at `path` replaced, or removed by `None`.
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
async fn a_wrong_type_is_named_at_every_level() {
    let app = TestApp::start().await;
    let item = |path: &[&str], value| item_with(path, Some(value)).to_string();
    for (body, expected) in [
        ("[]".to_owned(), "50002 body: must be an object, got an array"),
        ("null".to_owned(), "50002 body: must be an object, got null"),
        ("7".to_owned(), "50002 body: must be an object, got an integer"),
        (r#""{}""#.to_owned(), "50002 body: must be an object, got a string"),
        (
            mark_contact("user0", json!({ "0": set("user1", 0) })).to_string(),
            "50002 MarkItem: must be an array, got an object",
        ),
        (mark_contact("user0", "[]").to_string(), "50002 MarkItem: must be an array, got a string"),
        (
            mark_contact("user0", [json!([])]).to_string(),
            "50002 MarkItem[0]: must be an object, got an array",
        ),
        (
            mark_contact("user0", [json!(null)]).to_string(),
            "50002 MarkItem[0]: must be an object, got null",
        ),
        (
            item(&["OptType"], json!("3")),
            "50002 MarkItem[1].OptType: must be an integer, got a string",
        ),
        (
            item(&["OptType"], json!(3.0)),
            "50002 MarkItem[1].OptType: must be an integer, got a number that is not an integer",
        ),
        (
            item(&["OptType"], json!([3])),
            "50002 MarkItem[1].OptType: must be an integer, got an array",
        ),
        (
            item(&["ContactItem"], json!("user1")),
            "50002 MarkItem[1].ContactItem: must be an object, got a string",
        ),
        (
            item(&["ContactItem"], json!([user("user1")])),
            "50002 MarkItem[1].ContactItem: must be an object, got an array",
        ),
        (
            item(&["ContactItem", "Type"], json!("1")),
            "50002 MarkItem[1].ContactItem.Type: must be an integer, got a string",
        ),
        (
            item(&["ContactItem", "Type"], json!(true)),
            "50002 MarkItem[1].ContactItem.Type: must be an integer, got a boolean",
        ),
        (
            item(&["SetMark"], json!(1)),
            "50002 MarkItem[1].SetMark: must be an array, got an integer",
        ),
        (
            item(&["SetMark"], json!("1,2")),
            "50002 MarkItem[1].SetMark: must be an array, got a string",
        ),
        (
            item(&["SetMark"], json!([1, "2"])),
            "50002 MarkItem[1].SetMark[1]: must be an integer, got a string",
        ),
        (
            item(&["ClearMark"], json!({ "0": 1 })),
            "50002 MarkItem[1].ClearMark: must be an array, got an object",
        ),
        (
            item(&["ClearMark"], json!([[1]])),
            "50002 MarkItem[1].ClearMark[0]: must be an integer, got an array",
        ),
        (
            item(&["ClearMark"], json!([null])),
            "50002 MarkItem[1].ClearMark[0]: must be an integer, got null",
        ),
        (
            item(&["CustomMark"], json!(7)),
            "50002 MarkItem[1].CustomMark: must be a string, got an integer",
        ),
        (
            item(&["CustomMark"], json!(["x"])),
            "50002 MarkItem[1].CustomMark: must be a string, got an array",
        ),
    ] {
        assert_eq!(refusal(&app, body).await, expected);
    }
    assert_eq!(app.state_rows().await, 0, "what fails as a whole has written nothing");
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
        let expected = format!("60015 From_Account: an account must be a string, got {kind}");
        assert_eq!(refusal(&app, body).await, expected);
        let body = item_with(&["ContactItem", "To_Account"], Some(value));
        let expected = format!(
            "60015 MarkItem[1].ContactItem.To_Account: an account must be a string, got {kind}"
        );
        assert_eq!(refusal(&app, body).await, expected);
    }
    // A chat group is not an account.
    let body = mark_contact(
        "user0",
        [json!({ "OptType": 1, "ContactItem": { "Type": 2, "ToGroupId": 7 }, "SetMark": [1] })],
    );
    assert_eq!(
        refusal(&app, body).await,
        "50002 MarkItem[0].ContactItem.ToGroupId: must be a string, got an integer"
    );
}

#[actix_web::test]
async fn what_is_missing_or_null_is_named() {
    let app = TestApp::start().await;
    for absent in [None, Some(Value::Null)] {
        for (path, expected) in [
            (&["OptType"][..], "OptType: missing, must be an integer"),
            (&["ContactItem"], "ContactItem: missing, must be an object"),
            (&["ContactItem", "Type"], "ContactItem.Type: missing, must be an integer"),
            (&["ContactItem", "To_Account"], "ContactItem.To_Account: missing, must be a string"),
        ] {
            let said = refusal(&app, item_with(path, absent.clone())).await;
            assert_eq!(said, format!("50002 MarkItem[1].{expected}"));
        }
    }
    assert_eq!(refusal(&app, "{}").await, "50002 From_Account: missing, must be a string");
    let body = json!({ "From_Account": "user0", "MarkItems": [] });
    assert_eq!(refusal(&app, body).await, "50002 MarkItem: missing, must be an array");
}

#[actix_web::test]
async fn a_number_out_of_range_is_refused_whatever_its_size() {
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
        assert_eq!(refusal(&app, body).await, format!("50002 MarkItem[1].{opt_type}"));
        let body = item_with(&["ContactItem", "Type"], Some(json!("§"))).to_string();
        if number != "2" {
            let said = refusal(&app, body.replace("\"§\"", number)).await;
            assert_eq!(said, format!("50002 MarkItem[1].{kind}"));
        }
    }
    for number in ["1e3", "1.5", "-0.0", "18446744073709551616", "-9223372036854775809", "1e300"] {
        let body = item_with(&["SetMark"], Some(json!(["§"]))).to_string().replace("\"§\"", number);
        let expected =
            "50002 MarkItem[1].SetMark[0]: must be an integer, got a number that is not an integer";
        assert_eq!(refusal(&app, body).await, expected, "{number}");
    }
    for not_json in ["1e999", "01", "+1", "0x1", "NaN", "-", ".5", "1."] {
        let body =
            item_with(&["SetMark"], Some(json!(["§"]))).to_string().replace("\"§\"", not_json);
        let said = refusal(&app, body).await;
        assert!(said.starts_with("60003 the body is not JSON: "), "{not_json}: {said}");
    }
}

#[actix_web::test]
async fn a_name_that_is_given_twice_is_refused_and_an_unknown_one_is_not() {
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
        assert_eq!(refusal(&app, body).await, format!("50002 {path}: must not be given twice"));
    }
    let body =
        good.replace("\"OptType\"", "\"\":1,\"x\":[],\"x\":{\"y\":[[]]},\"opttype\":9,\"OptType\"");
    assert_eq!(codes(&app.call(MARK_CONTACT, body).await), (0, vec![0]));
}

#[actix_web::test]
async fn what_is_not_json_is_said_to_be_none() {
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
        "\u{feff}{}",
        "// no\n{}",
        "From_Account=user0",
        "<xml/>",
        "\"\\ud800\"",
        "\"\\x\"",
        "\"\u{1}\"",
        "[1,]",
        "\0",
    ] {
        let said = refusal(&app, body).await;
        assert!(said.starts_with("60003 the body is not JSON: "), "{body:?}: {said}");
    }
}

#[actix_web::test]
async fn bytes_that_are_not_utf8_are_refused_wherever_they_stand() {
    let app = TestApp::start().await;
    let url = format!("http://{}/v4/{MARK_CONTACT}?{}", app.addresses.api, query());
    let good = mark_contact("user0", [custom("user1", "§")]).to_string();
    for bytes in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe4\xb8"] {
        for (from, to) in good.split_once('§').into_iter().chain([("", ""), ("{\"", "\":1}")]) {
            let body = [from.as_bytes(), bytes, to.as_bytes()].concat();
            let answer = app.send(actix_web::http::Method::POST, &url, body).await.json;
            assert_eq!(failure(&answer).0, 60003, "{answer}");
        }
    }
    assert_eq!(app.state_rows().await, 0);
}

#[actix_web::test]
async fn deep_nesting_is_refused_and_harms_nobody() {
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
            let said = refusal(&app, body).await;
            assert!(said.starts_with("60003 the body is not JSON: "), "{said}");
        }
    }
}

#[actix_web::test]
async fn nul_is_refused_before_the_database_does_it() {
    let app = TestApp::start().await;
    let nul = "must not contain the NUL character";
    for text in ["\0", "a\0", "\0b", "a\0b"] {
        let body = mark_contact(text, [set("user1", 0)]);
        assert_eq!(refusal(&app, body).await, format!("50002 From_Account: {nul}"));
        let body = mark_contact("user0", [set(text, 0)]);
        assert_eq!(
            refusal(&app, body).await,
            format!("50002 MarkItem[0].ContactItem.To_Account: {nul}")
        );
        let body = mark_contact("user0", [change(&group(text), &[0], &[])]);
        assert_eq!(
            refusal(&app, body).await,
            format!("50002 MarkItem[0].ContactItem.ToGroupId: {nul}")
        );
        let body = mark_contact("user0", [custom("user1", text)]);
        assert_eq!(refusal(&app, body).await, format!("50002 MarkItem[0].CustomMark: {nul}"));
    }
}

#[actix_web::test]
async fn every_other_character_is_kept_as_it_is() {
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
        let answer = app.call(MARK_CONTACT, mark_contact(text, [custom(text, text)])).await;
        assert_eq!(answer["ResultItem"][0]["ContactItem"]["To_Account"], text);
        assert_eq!(app.marks(text).await, [marked(text, 0, text)]);
    }
}

#[actix_web::test]
async fn a_request_that_is_no_http_is_told_so() {
    let app = TestApp::start().await;
    for bytes in [
        &b"hello\r\n\r\n"[..],
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST /v4 HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ] {
        let answer = raw_text(app.addresses.api, bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    }
    assert_eq!(
        app.mark("user0", vec![set("user1", 0)]).await,
        (0, vec![0]),
        "the next one is served"
    );
}
