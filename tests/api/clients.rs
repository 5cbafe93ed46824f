//! Requests as real clients send them, unusual ones included. The service answers each of them.

use std::fmt::Write;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use crate::support::*;

const SAMPLE: &str = r#"{"From_Account":"user0","MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user1"},"SetMark":[1,2,3],"CustomMark":"abcd"}]}"#;
const NO_SHAPE: &str = "missing, must be an array";

/// The bytes of a request that asks for its connection to be closed.
fn request(method: &str, target: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {target} HTTP/1.1\r\nHost: localhost:18443\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").into()
}

fn target(command: &str) -> String {
    format!("/v4/{command}?{}", query())
}

#[actix_web::test]
async fn the_headers_of_every_client_are_accepted() {
    let app = TestApp::start().await;
    for headers in [
        // PHP, Python: no Content-Type at all.
        "",
        "User-Agent: GuzzleHttp/7\r\nContent-Type: application/json\r\n",
        "User-Agent: okhttp/4.12.0\r\nContent-Type: application/json; charset=utf-8\r\nAccept-Encoding: gzip\r\n",
        "User-Agent: curl/8\r\nAccept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        "content-type: application/json\r\naccept: */*\r\n",
        "Accept: application/json, text/plain, */*\r\nContent-Type: application/json\r\nUser-Agent: axios/0.24.0\r\n",
        "Content-Type: text/xml; charset=latin1\r\nAccept: text/html\r\n",
        "Content-Type: ;;;\r\n",
        "Content-Type: multipart/form-data\r\nContent-Encoding: identity\r\n",
    ] {
        let bytes = request("POST", &target(MARK_CONTACT), headers, SAMPLE);
        raw(app.addresses.api, &bytes).await.assert_ok();
    }
}

#[actix_web::test]
async fn an_answer_is_not_compressed_unless_asked_for() {
    let app = TestApp::start().await;
    let bytes = request("POST", &target(MARK_CONTACT), "", SAMPLE);
    let answer = raw_text(app.addresses.api, &bytes).await.to_lowercase();
    assert!(!answer.contains("content-encoding"), "{answer}");
}

#[actix_web::test]
async fn the_query_may_have_any_order_and_encoding() {
    let app = TestApp::start().await;
    let sig = user_sig(KEY, APP, ADMIN);
    let encoded: String = sig.replace('*', "%2A").replace('-', "%2d").replace('_', "%5F");
    for query in [
        format!("sdkappid={APP}&identifier={ADMIN}&usersig={sig}&random=7&contenttype=json"),
        format!("random=-7&usersig={sig}&sdkappid={APP}&identifier={ADMIN}&contenttype=json"),
        format!("contenttype=json&identifier={ADMIN}&random=8&usersig={sig}&sdkappid={APP}"),
        format!("usersig={encoded}&identifier=%61dministrator&sdkappid=%31400000001"),
        format!("&&sdkappid={APP}&=&identifier={ADMIN}&x=y&usersig={sig}&"),
        format!("sdkappid={APP}&identifier={ADMIN}&usersig={sig}&random=179538456976457760000"),
        format!("sdkappid={APP}&identifier={ADMIN}&usersig={sig}&random=5500000000.5&random="),
        format!("sdkappid={APP}&identifier={ADMIN}&usersig={sig}&contenttype=xml&random=%ff"),
        format!("sdkappid={APP}&identifier={ADMIN}&usersig={sig}"),
    ] {
        app.call_as(MARK_CONTACT, &query, SAMPLE).await.assert_ok();
    }
}

#[actix_web::test]
async fn an_identifier_is_decoded_like_a_form_field() {
    let app = TestApp::start().await;
    app.change(earmark::service::AppChange::AddAdmin("a b+c".to_owned())).await;
    let sig = user_sig(KEY, APP, "a b+c");
    for identifier in ["a+b%2Bc", "a%20b%2bc"] {
        let query = query_of(APP, identifier, &sig);
        app.call_as(MARK_CONTACT, &query, SAMPLE).await.assert_ok();
    }
}

#[actix_web::test]
async fn a_request_may_be_sent_again() {
    let app = TestApp::start().await;
    let bytes = request("POST", &target(MARK_CONTACT), "", SAMPLE);
    for _ in 0..4 {
        raw(app.addresses.api, &bytes).await.assert_items([Ok]);
    }
    assert_eq!(app.revision_and_count("user0").await, (1, 1));
}

#[actix_web::test]
async fn null_means_absent_and_an_empty_value_means_empty() {
    let app = TestApp::start().await;
    for (fields, code) in [
        (json!({ "ClearMark": null, "SetMark": [1], "CustomMark": null }), Ok),
        (json!({ "ClearMark": [], "SetMark": [], "CustomMark": "" }), Ok),
        (json!({ "ClearMark": null, "SetMark": null, "CustomMark": null }), BadParameter),
        (json!({}), BadParameter),
    ] {
        let mut item = json!({ "OptType": 1, "ContactItem": { "Type": 1, "To_Account": "user1", "ToGroupId": "" } });
        item.as_object_mut().unwrap().append(&mut fields.as_object().unwrap().clone());
        let answer = app.mark("user0", [item]).await;
        answer.assert_code(code);
    }
    for (command, body, code) in [
        (MARK_CONTACT, json!({ "From_Account": null, "MarkItem": [] }), BadParameter),
        (MARK_CONTACT, json!({ "From_Account": "user0", "MarkItem": null }), BadParameter),
        (MARK_CONTACT, json!({ "From_Account": "user0", "MarkItem": [null] }), BadParameter),
        (ACCOUNT_IMPORT, json!({ "Identifier": "user0", "Nick": "", "FaceUrl": "" }), Ok),
        (ACCOUNT_IMPORT, json!({ "UserID": null }), BadAccountParameter),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "Accounts": null, "AccountList": [{ "UserID": "user0", "Nick": null }] }),
            Ok,
        ),
    ] {
        app.call(command, &body).await.assert_code(code);
    }
}

#[actix_web::test]
async fn shapes_that_only_some_clients_send_are_refused_with_their_path() {
    let app = TestApp::start().await;
    let with = |list| {
        format!(
            r#"{{"From_Account":"user0","MarkItem":[{{"OptType":1,"ContactItem":{{"Type":1,"To_Account":"user1"}},{list}}}]}}"#
        )
    };
    let one = r#"{"From_Account":"user0","MarkItem":{"OptType":1}}"#;
    for (command, body, code, info) in [
        // A PHP array with gaps.
        (MARK_CONTACT, with(r#""SetMark":{"1":1,"2":2}"#), BadParameter, "MarkItem[0].SetMark: must be an array, got an object".to_owned()),
        (MARK_CONTACT, one.to_owned(), BadParameter, "MarkItem: must be an array, got an object".to_owned()),
        (MARK_CONTACT, with(r#""SetMark":["1"]"#), BadParameter, "MarkItem[0].SetMark[0]: must be an integer, got a string".to_owned()),
        (MARK_CONTACT, with(r#""SetMark":1"#), BadParameter, "MarkItem[0].SetMark: must be an array, got an integer".to_owned()),
        // Bodies of generated clients.
        (MARK_CONTACT, r#"{"From_Account":"user0","ContactId":"user1","MarkType":1}"#.to_owned(), BadParameter, format!("MarkItem: {NO_SHAPE}")),
        (MARK_CONTACT, r#"{"from_account":"user0"}"#.to_owned(), BadParameter, "From_Account: missing, must be a string".to_owned()),
        (MARK_CONTACT, r#"{"From_Account":"user0","MarkItem":[{"OptType":1,"SetMark":[1],"ContactItem":{"To_Account":"user1"}}]}"#.to_owned(), BadParameter, "MarkItem[0].ContactItem.Type: missing, must be an integer".to_owned()),
        (MARK_CONTACT, r#"{"From_Account":"user0","MarkItem":[{"OptType":1,"SetMark":[1],"ContactItem":{"Type":2,"ToGroupid":"g"}}]}"#.to_owned(), BadParameter, "MarkItem[0].ContactItem.ToGroupId: missing, must be a string".to_owned()),
        (MARK_CONTACT, r#"{"From_Account":"user0","MarkItem":[{"OptType":1,"SetMark":[1],"ContactItem":[{"Type":1,"To_Account":"user1"}]}]}"#.to_owned(), BadParameter, "MarkItem[0].ContactItem: must be an object, got an array".to_owned()),
        (ACCOUNT_IMPORT, r#"{"UserID":762488}"#.to_owned(), AccountNotString, "UserID: an account must be a string, got an integer".to_owned()),
        (ACCOUNT_CHECK, r#"{"CheckItem":[{"UserId":"user1"}]}"#.to_owned(), BadAccountParameter, "CheckItem[0].UserID: missing, must be a string".to_owned()),
    ] {
        app.call(command, body).await.assert_refused(code, &info);
    }
}

#[actix_web::test]
async fn the_answer_to_a_post_without_a_body_names_the_smallest_body() {
    let app = TestApp::start().await;
    let info = "the body is not JSON: it is empty, the least is {}";
    let empty = request("POST", &target(MARK_CONTACT), "", "");
    raw(app.addresses.api, &empty).await.assert_refused(BodyNotJson, info);
    let no_length = format!(
        "POST {} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
        target(MARK_CONTACT)
    );
    raw(app.addresses.api, no_length.as_bytes()).await.assert_refused(BodyNotJson, info);
}

#[actix_web::test]
async fn a_get_with_a_body_is_served_as_a_post() {
    let app = TestApp::start().await;
    app.import("user1").await;
    let body = r#"{"CheckItem": [{"UserID": "user1"}, {"UserID": "stranger"}]}"#;
    let bytes =
        request("GET", &target(ACCOUNT_CHECK), "User-Agent: python-requests/2.34.2\r\n", body);
    let answer = raw(app.addresses.api, &bytes).await;
    assert_eq!(answer["ResultItem"][0]["AccountStatus"], "Imported", "{answer}");
    let url = format!("http://{}{}", app.addresses.api, target(MARK_CONTACT));
    app.send(Method::GET, &url, SAMPLE.into()).await.assert_ok();
}

#[actix_web::test]
async fn escaped_characters_are_decoded() {
    let app = TestApp::start().await;
    let body = r#"{ "From_Account" : "\u0075ser0", "MarkItem" : [ { "OptType" : 2, "ContactItem" : { "Type" : 1, "To_Account" : "\u4e2d\u6587" }, "CustomMark" : "\ud83d\ude42\/\n\"" } ] }"#;
    let answer = app.call(MARK_CONTACT, body).await;
    assert_eq!(answer["ResultItem"][0]["ContactItem"]["To_Account"], "中文", "{answer}");
    assert_eq!(app.marks("user0").await, [marked("中文", 0, "🙂/\n\"")]);

    // 256 bytes when decoded, although more in the body.
    let escaped = r"\ud83d\ude42".repeat(64);
    let body = SAMPLE.replace("abcd", &escaped);
    app.call(MARK_CONTACT, body).await.assert_ok();
    assert_eq!(app.marks("user0").await[1].custom, "🙂".repeat(64));
}

#[actix_web::test]
async fn one_connection_carries_good_and_bad_requests() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    let path = target(MARK_CONTACT);
    for (target, body, code) in [
        (path.as_str(), SAMPLE, Ok),
        (&path, "{", BodyNotJson),
        ("/nowhere", "", UnknownCommand),
        ("/v4/recentcontact/mark_contact", SAMPLE, SdkAppIdMissing),
        (&path, "", BodyNotJson),
        (&path, SAMPLE, Ok),
    ] {
        let length = body.len();
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        read_one(&mut stream).await.assert_code(code);
    }
}

/// Reads one answer from a connection that stays open.
async fn read_one(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .parse::<usize>()
                .unwrap();
            if body.len() == length {
                return Answer::from_bytes(&bytes);
            }
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "closed after {text:?}");
    }
}

#[actix_web::test]
async fn after_an_unread_body_the_answer_announces_that_the_connection_closes() {
    let app = TestApp::start().await;
    for (method, target) in [("POST", "/nowhere"), ("PUT", "/v4/recentcontact/mark_contact")] {
        let length = (1 << 20) + 1;
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n{SAMPLE}"
        );
        let answer = raw_text(app.addresses.api, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

/// The client keeps its side of the connection open, and goes on sending after the end of our stream. The service does not
/// read on for ever.
#[actix_web::test]
async fn after_an_unread_body_the_stream_ends_at_once_and_the_service_reads_on() {
    let app = TestApp::start().await;
    let request =
        format!("POST /nowhere HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n\r\n", 8 << 20);
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(3), stream.read_to_end(&mut answer)).await;
    ended.expect("the stream does not end").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    stream.write_all(&vec![b' '; 4 << 20]).await.unwrap();
    let send_slowly = async {
        let mut every = interval(Duration::from_millis(100));
        while stream.write_all(b" ").await.is_ok() {
            every.tick().await;
        }
    };
    timeout(Duration::from_secs(10), send_slowly).await.expect("the service reads on for ever");
}

#[actix_web::test]
async fn a_body_may_come_in_chunks_and_in_pieces() {
    let app = TestApp::start().await;
    let mut chunked = format!(
        "POST {} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        target(MARK_CONTACT)
    );
    for chunk in SAMPLE.as_bytes().chunks(7) {
        write!(chunked, "{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap())
            .unwrap();
    }
    chunked += "0\r\n\r\n";
    raw(app.addresses.api, chunked.as_bytes()).await.assert_ok();

    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    for piece in request("POST", &target(MARK_CONTACT), "", SAMPLE).chunks(50) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    read_one(&mut stream).await.assert_ok();
}

#[actix_web::test]
async fn a_client_that_expects_100_continue_gets_it() {
    let app = TestApp::start().await;
    let length = SAMPLE.len();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        target(MARK_CONTACT)
    );
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(go_on, *b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(SAMPLE.as_bytes()).await.unwrap();
    read_one(&mut stream).await.assert_ok();
}

#[actix_web::test]
async fn a_body_that_is_too_large_is_read_to_the_end_so_that_the_client_sees_the_answer() {
    let app = TestApp::start().await;
    let info = "the body must be at most 1048576 bytes";
    for size in [(1 << 20) + 1, 5 << 20, 20 << 20, 60 << 20] {
        let bytes = request("POST", &target(MARK_CONTACT), "", &" ".repeat(size));
        raw(app.addresses.api, &bytes).await.assert_refused(BadRequest, info);
    }
    let mut chunked = format!(
        "POST {} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        target(MARK_CONTACT)
    )
    .into_bytes();
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
    chunked.extend(chunk.repeat(20).as_bytes());
    chunked.extend(b"0\r\n\r\n");
    raw(app.addresses.api, &chunked).await.assert_refused(BadRequest, info);
    // The service still serves the next request.
    app.call(MARK_CONTACT, SAMPLE).await.assert_ok();
}
