//! Faults on demand: how a caller sees each kind, and who has none.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::postgres::Database;
use testkit::{APP, Answer, Client, Dev, MARK_CONTACT, Scratch, mark_body, request_with, text};

use crate::EARMARK;

struct Stand {
    dev: Dev,
    client: Client,
    _scratch: Scratch,
}

impl Stand {
    fn start() -> Self {
        let scratch = Scratch::create();
        let dev = EARMARK.start_dev(&scratch);
        Self { client: dev.client(), dev, _scratch: scratch }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let Dev { address, token, .. } = &self.dev;
        let headers = format!(
            "host: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
        );
        request_with(*address, method, &format!("/admin/v1/{path}"), &headers, body).unwrap()
    }

    /// Asks for a fault, and returns how the service shows it.
    #[track_caller]
    fn fault(&self, fault: &Value) -> Value {
        let answer = self.ask("POST", "faults", &fault.to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    fn faults(&self) -> Value {
        self.ask("GET", "faults", "").json()["faults"].clone()
    }

    fn mark(&self) -> Answer {
        self.client.mark("user", "friend").unwrap()
    }

    fn codes<const N: usize>(&self) -> [u64; N] {
        [(); N].map(|()| self.mark().code())
    }

    fn stop(self) {
        self.dev.process.stop();
    }
}

#[test]
fn a_fault_with_a_code_comes_once_and_writes_nothing() {
    let stand = Stand::start();
    let fault = stand.fault(&json!({ "call": "mark_contact", "code": 50005 }));
    assert_eq!(
        fault,
        json!({ "id": 1, "call": "mark_contact", "code": 50005, "times": 1, "hits": 0 })
    );
    assert_eq!(stand.faults(), json!([fault]));

    let failed = stand.mark();
    assert_eq!((failed.status, failed.code()), (200, 50005));
    assert!(failed.body.contains("/admin/v1/faults"), "{failed:?}");
    assert!(!stand.client.marks("user").contains("friend"));

    assert_eq!(stand.faults(), json!([]));
    assert!(stand.mark().is_marked());
    stand.stop();
}

#[test]
fn a_fault_comes_as_often_as_it_is_asked_for() {
    let stand = Stand::start();
    stand.fault(&json!({ "call": "mark_contact", "code": 50004, "times": 2 }));
    assert_eq!(stand.codes(), [50004]);
    assert_eq!(stand.faults()[0]["times"], 1);
    assert_eq!(stand.faults()[0]["hits"], 1);
    assert_eq!(stand.codes(), [50004, 0, 0]);
    stand.stop();
}

#[test]
fn a_fault_comes_for_a_share_of_the_calls_until_it_is_deleted() {
    let stand = Stand::start();
    let fault = stand.fault(&json!({ "call": "all", "code": 60007, "share": 0.5 }));
    assert_eq!(fault["share"], 0.5);
    assert_eq!(stand.codes(), [0, 60007, 0, 60007, 0]);
    let limited = stand.mark();
    assert_eq!((limited.code(), limited.headers("retry-after")), (60007, vec!["1"]));

    assert_eq!(stand.faults()[0]["hits"], 3);
    assert_eq!(stand.ask("DELETE", "faults/1", "").status, 204);
    assert_eq!(stand.codes(), [0, 0, 0]);
    stand.stop();
}

#[test]
fn a_fault_of_the_native_api_has_the_status_of_its_code() {
    let stand = Stand::start();
    for (code, status, kind) in [
        (50004, 500, "internal"),
        (50005, 503, "unavailable"),
        (60007, 429, "rate"),
        (60016, 403, "forbidden"),
        (70001, 401, "unauthorized"),
        (70020, 404, "not-found"),
        (50002, 400, "bad-request"),
    ] {
        stand.fault(&json!({ "call": "v1_get_user", "code": code }));
        let answer = stand.client.read("/users/user");
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (status, &json!(code)), "{answer:?}");
        assert_eq!(problem["type"], format!("urn:earmark:problem:{kind}"));
    }
    assert_eq!(stand.client.read("/users/user").status, 200);
    stand.stop();
}

#[test]
fn a_delayed_call_is_answered_later() {
    let stand = Stand::start();
    stand.fault(&json!({ "call": "mark_contact", "delay_ms": 300 }));
    let begun = Instant::now();
    assert!(stand.mark().is_marked());
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    stand.stop();
}

#[test]
fn a_cut_call_gets_no_answer_and_was_run_or_not_as_asked() {
    let stand = Stand::start();
    for (when, is_stored) in [("before", false), ("after", true)] {
        stand.fault(&json!({ "call": "mark_contact", "cut": when }));
        let (user, friend) = (format!("user-{when}"), format!("friend-{when}"));
        let error = stand.client.mark(&user, &friend).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{when}: {error}");
        let marks = stand.client.marks(&user);
        assert_eq!(marks.contains(&friend), is_stored, "{when}: {marks}");
        stand.client.must_mark(&user, &friend);
    }
    stand.stop();
}

#[test]
fn a_fault_of_one_call_and_app_leaves_the_others_alone() {
    let stand = Stand::start();
    stand.fault(&json!({ "call": "mark_contact", "app": 7, "code": 50004 }));
    stand.fault(&json!({ "call": "top", "app": 1_400_000_001, "code": 50004 }));
    assert_eq!(stand.codes(), [0]);
    stand.fault(&json!({ "call": "mark_contact", "app": 1_400_000_001, "code": 50005 }));
    assert_eq!(stand.codes(), [50005, 0]);
    assert_eq!(stand.faults().as_array().unwrap().len(), 2);

    assert_eq!(stand.ask("DELETE", "faults", "").status, 204);
    assert_eq!(stand.faults(), json!([]));
    stand.stop();
}

#[test]
fn a_caller_without_credentials_uses_up_no_fault() {
    let stand = Stand::start();
    stand.fault(&json!({ "call": "all", "code": 50004 }));
    let stranger = Client { user_sig: "wrong".to_owned(), ..stand.client.clone() };
    assert_eq!(stranger.mark_code(), 70003);
    assert_eq!(stand.codes(), [50004, 0]);
    stand.stop();
}

#[test]
fn of_two_faults_the_older_comes_first() {
    let stand = Stand::start();
    stand.fault(&json!({ "call": "all", "code": 50004 }));
    stand.fault(&json!({ "call": "mark_contact", "code": 50005, "times": 2 }));
    assert_eq!(stand.codes(), [50004, 50005, 50005, 0]);
    stand.stop();
}

#[test]
fn a_bad_fault_is_refused_with_the_field_and_what_was_expected() {
    let stand = Stand::start();
    for (body, field, words) in [
        ("[]", "body", "must be an object"),
        ("{}", "call", "must be a string"),
        (r#"{"call":"mark","code":50004}"#, "call", "must be all or one of mark_contact, "),
        (r#"{"call":"mark","code":50004}"#, "call", "v1_get_user"),
        (r#"{"call":"all"}"#, "body", "exactly one of code, delay_ms and cut"),
        (r#"{"call":"all","code":50004,"cut":"after"}"#, "body", "exactly one of"),
        (r#"{"call":"all","code":0}"#, "code", "ErrorCode"),
        (r#"{"call":"all","code":-1}"#, "code", "ErrorCode"),
        (r#"{"call":"all","code":51008}"#, "code", "ErrorCode"),
        (r#"{"call":"all","code":"50004"}"#, "code", "must be an integer"),
        (r#"{"call":"all","delay_ms":60001}"#, "delay_ms", "0 to 60000"),
        (r#"{"call":"all","delay_ms":-1}"#, "delay_ms", "0 to 60000"),
        (r#"{"call":"all","cut":"now"}"#, "cut", "before or after"),
        (r#"{"call":"all","cut":"after","times":0}"#, "times", "1 to 1000000"),
        (r#"{"call":"all","cut":"after","times":1000001}"#, "times", "1 to 1000000"),
        (r#"{"call":"all","cut":"after","share":0}"#, "share", "from 0.000001 to 1"),
        (r#"{"call":"all","cut":"after","share":1.01}"#, "share", "from 0.000001 to 1"),
        (r#"{"call":"all","cut":"after","share":"all"}"#, "share", "a number from"),
        (r#"{"call":"all","cut":"after","share":1,"times":1}"#, "body", "times and share"),
        (r#"{"call":"all","cut":"after","app":0}"#, "app", "positive integer"),
        (r#"{"call":"all","cut":"after","user":"u"}"#, "user", "no such field"),
    ] {
        let answer = stand.ask("POST", "faults", body);
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{body}");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(words), "{body}: {detail}");
    }
    assert_eq!(stand.ask("DELETE", "faults/1", "").status, 404);
    assert_eq!(stand.ask("PUT", "faults", "{}").status, 405);
    assert_eq!(stand.faults(), json!([]));
    stand.stop();
}

#[test]
fn there_are_at_most_a_hundred_faults() {
    let stand = Stand::start();
    let fault = json!({ "call": "v1_get_user", "delay_ms": 60_000 });
    for _ in 0..100 {
        stand.fault(&fault);
    }
    let one_more = stand.ask("POST", "faults", &fault.to_string());
    assert_eq!(one_more.status, 409);
    assert!(one_more.body.contains("100 faults"), "{one_more:?}");
    assert_eq!(stand.ask("DELETE", "faults/50", "").status, 204);
    assert_eq!(stand.fault(&fault)["id"], 101);
    stand.stop();
}

#[test]
fn faults_need_the_token() {
    let stand = Stand::start();
    let headers = "host: localhost\r\ncontent-type: application/json\r\n";
    let body = r#"{"call":"all","code":50004}"#;
    let answer = request_with(stand.dev.address, "POST", "/admin/v1/faults", headers, body);
    assert_eq!(answer.unwrap().status, 401);
    assert_eq!(stand.codes(), [0]);
    stand.stop();
}

#[test]
fn serve_has_no_faults() {
    let (scratch, database) = (Scratch::create(), Database::create());
    EARMARK.prepare(&database.url);
    let token = "operator-token-of-the-process-tests";
    let file = text(&scratch.write("token", token));
    let serve = EARMARK.serve(&database.url).args(["--console", "--operator-token-file", &file]);
    let service = EARMARK.start(serve);
    let headers = format!(
        "host: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    );
    for at in [service.api, service.admin] {
        for (method, path) in
            [("GET", "faults"), ("POST", "faults"), ("DELETE", "faults"), ("DELETE", "faults/1")]
        {
            let body = r#"{"call":"all","code":50004}"#;
            let path = format!("/admin/v1/{path}");
            let answer = request_with(at, method, &path, &headers, body).unwrap();
            assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
            assert!(answer.body.contains("no such path"), "{answer:?}");
        }
    }
    let marked = service.client().call(MARK_CONTACT, &mark_body("user", "friend")).unwrap();
    assert!(marked.is_marked(), "app {APP}: {marked:?}");
    service.process.stop();
}
