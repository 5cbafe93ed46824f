//! The request log and traces: what they contain, what they never contain, and that a slow reader does not slow down requests.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::postgres::Database;
use testkit::{
    APP, Client, Collector, Connection, MARK_CONTACT, Service, TIMEOUT, eventually, mark_body,
    request, wait_until,
};

use crate::EARMARK;

/// The log lines about requests.
fn request_lines(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["target"] == "earmark::request").collect()
}

/// Sends a few good and bad requests, and returns the log.
fn log_with(settings: &[&str]) -> String {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let program = EARMARK.serve(&database.url).args(["--log-format", "json"]).args(settings);
    let service = EARMARK.start(program);
    let client = service.client();
    client.must_mark("a-user-of-ours", "a-friend-of-theirs");
    assert_eq!(client.call(MARK_CONTACT, "{}").unwrap().code(), 50002);
    let forged = Client { user_sig: "a-forged-signature".to_owned(), ..client.clone() };
    assert_eq!(forged.mark_code(), 70003);
    assert_eq!(client.call("recentcontact/nothing", "{}").unwrap().code(), 60009);
    let log = service.process.stop().stderr;
    for secret in
        [client.user_sig.as_str(), "a-forged-signature", "a-user-of", "a-friend-of", "usersig="]
    {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    log
}

#[test]
fn each_request_has_a_log_line_without_user_ids() {
    let log = log_with(&["--log-requests", "all"]);
    let lines = request_lines(&log);
    let fields = |line: &Value| {
        (line["call"].clone(), line["code"].clone(), line["level"].clone(), line["app"].clone())
    };
    let app: u64 = APP.parse().unwrap();
    let expected = [
        ("mark_contact", 0, "INFO", Value::from(app)),
        ("mark_contact", 50002, "WARN", Value::from(app)),
        ("mark_contact", 70003, "WARN", Value::from(app)),
        ("unknown", 60009, "WARN", Value::Null),
    ];
    let expected = expected.map(|(call, code, level, app)| {
        (Value::from(call), Value::from(code), Value::from(level), app)
    });
    assert_eq!(lines.iter().map(fields).collect::<Vec<_>>(), expected);
    assert_eq!((&lines[0]["items"], &lines[0]["refused"]), (&Value::from(1), &Value::from(0)));
    assert!(
        lines.iter().all(|line| line["us"].is_u64() && line["request_id"].is_string()),
        "{log}"
    );
}

#[test]
fn the_request_log_can_be_limited_to_errors_or_turned_off() {
    let codes = |log: &str| {
        request_lines(log).iter().map(|line| line["code"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&log_with(&[])), [50002, 70003, 60009]);
    assert_eq!(codes(&log_with(&["--log-requests", "none"])), Vec::<u64>::new());
    let warnings = ["--log", "warn,earmark::commands=info", "--log-requests", "all"];
    assert_eq!(codes(&log_with(&warnings)), [50002, 70003, 60009]);
}

/// Sends a request with these headers, and returns the request id of its answer.
fn id_of(client: &Client, headers: &str) -> String {
    let mut connection = Connection::open(client.address).unwrap();
    let (path, body) = (client.path(MARK_CONTACT), mark_body("user", "friend"));
    connection.send_with("POST", &path, &format!("host: test\r\n{headers}"), &body).unwrap();
    let answer = connection.answer().unwrap();
    let [id] = answer.headers("x-request-id")[..] else { panic!("not one request id: {answer:?}") };
    id.to_owned()
}

/// 36 characters: hex digits in five parts.
fn is_uuid(id: &str) -> bool {
    id.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && id.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[test]
fn a_request_id_is_in_the_answer_in_the_log_and_in_internal_errors() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let settings = ["--log-format", "json", "--log-requests", "all"];
    let service = EARMARK.start(EARMARK.serve(&database.url).args(settings));
    let client = service.client();
    let made = id_of(&client, "");
    assert!(is_uuid(&made), "{made}");
    assert_ne!(id_of(&client, ""), made);
    assert_eq!(id_of(&client, "X-Request-Id: mine-1.A_b\r\n"), "mine-1.A_b");
    for bad in ["", "a b", "a\"b", "{}", &"x".repeat(65), "<script>"] {
        let id = id_of(&client, &format!("X-Request-Id: {bad}\r\n"));
        assert!(is_uuid(&id) && id != bad, "{bad}: {id}");
    }

    // No request can bring about this state. It makes the next mark fail.
    database.connect().run("UPDATE users SET next_position = 2147483647");
    let mut connection = Connection::open(client.address).unwrap();
    let body = mark_body("user", "one-more");
    let headers = "host: test\r\nX-Request-Id: faulty\r\n";
    connection.send_with("POST", &client.path(MARK_CONTACT), headers, &body).unwrap();
    let answer = connection.answer().unwrap();
    assert!(
        answer.body.contains("50004") && answer.body.contains("(request faulty)"),
        "{answer:?}"
    );
    let log = service.process.stop().stderr;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about = |id: &str| lines.iter().filter(|line| line["request_id"] == id).count();
    assert_eq!((about(&made), about("mine-1.A_b"), about("faulty")), (1, 1, 2), "{log}");
}

/// The value of a metric.
fn metric(service: &Service, name: &str) -> u64 {
    let metrics = request(service.admin, "GET", "/metrics", "").unwrap().body;
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} in {metrics}"))
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_log_that_is_not_read_does_not_block_requests() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    // We stop reading the log after this line.
    let service =
        EARMARK.listening(EARMARK.serve(&database.url).start_unread_after("listening on"));
    let client = service.client();
    let mut connection = Connection::open(service.api).unwrap();
    let begun = Instant::now();
    let mut sent = 0;
    // The pipe holds 64 KiB and the queue some lines. When both are full, the service drops lines.
    while metric(&service, "earmark_log_lines_dropped_total") == 0 {
        assert!(begun.elapsed() < TIMEOUT, "nothing was dropped after {sent} requests");
        (0..500).for_each(|_| connection.send("POST", "/v4/nothing", "").unwrap());
        (0..500).for_each(|_| assert_eq!(connection.answer().unwrap().code(), 60009));
        sent += 500;
        client.must_mark("user", &format!("friend-{sent}"));
    }
    client.must_mark("user", "last");
    let asked = Instant::now();
    service.process.stop_without_reading();
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[test]
fn traces_are_sent_to_the_collector() {
    let (database, collector) = (Database::create(), Collector::start());
    EARMARK.prepare(&database.url);
    let settings = ["--otlp-endpoint", &collector.url, "--otlp-sample-ratio", "1"];
    let service = EARMARK.start(EARMARK.serve(&database.url).args(settings));
    service.client().must_mark("a-user-of-ours", "friend");
    service.client().marks("a-user-of-ours");
    let expected = [
        "request",
        "queue",
        "transaction",
        "database",
        "conversations marked",
        "users locked",
        "conversations and contact groups loaded",
        "state saved",
    ];
    let received = eventually("the spans arrive", || {
        let received = collector.received();
        expected.iter().all(|name| contains(&received, name)).then_some(received)
    });
    for word in ["mark_contact", "service.version", "earmark"] {
        assert!(contains(&received, word), "{word}");
    }
    for secret in ["a-user-of-ours", service.client().user_sig.as_str()] {
        assert!(!contains(&received, secret), "{secret}");
    }
    service.process.stop();
}

#[test]
fn the_standard_variable_can_name_the_collector() {
    let (database, collector) = (Database::create(), Collector::start());
    EARMARK.prepare(&database.url);
    let program = EARMARK
        .serve(&database.url)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .env("EARMARK_OTLP_SAMPLE_RATIO", "1");
    let service = EARMARK.start(program);
    service.client().must_mark("user", "friend");
    wait_until("the spans arrive", || contains(&collector.received(), "transaction"));
    service.process.stop();
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Checks that marks and a stop are fast with this collector.
#[track_caller]
fn check_is_fast_with_collector(url: &str) {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let settings = ["--otlp-endpoint", url, "--otlp-sample-ratio", "1"];
    let service = EARMARK.start(EARMARK.serve(&database.url).args(settings));
    let (client, begun) = (service.client(), Instant::now());
    // More spans than the queue holds. A request that waited for them to be sent would wait for several times three seconds.
    std::thread::scope(|scope| {
        for user in 0..16 {
            let client = &client;
            scope.spawn(move || {
                let mut connection = Connection::open(client.address).unwrap();
                for _ in 0..100 {
                    client.send_mark(&mut connection, &format!("user-{user}"), "friend");
                    assert!(connection.answer().unwrap().is_marked());
                }
            });
        }
    });
    service.process.stop();
    let took = begun.elapsed();
    println!("1600 marks and the stop took {took:?}");
    assert!(took < Duration::from_secs(25), "{took:?}");
}

#[test]
fn a_collector_that_hangs_does_not_slow_requests() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // This collector reads the beginning of a request, and never answers.
        sender.send(stream.read(&mut [0; 64]).unwrap()).unwrap();
        std::thread::park();
    });
    check_is_fast_with_collector(&url);
    assert!(receiver.try_recv().is_ok_and(|length| length > 0), "no trace was sent");
}

#[test]
fn a_collector_that_does_not_listen_does_not_slow_requests() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check_is_fast_with_collector(&format!("http://{free}"));
}
