//! The request log and traces: what they say, what they never say, and that nobody waits for whoever reads them.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    APP, Answer, Client, Collector, Connection, Database, LONG, Service, code, eventually,
    is_marked, mark_body, prepare, request, serve,
};

/// The lines of the log about requests.
fn request_lines(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["target"] == "earmark::request").collect()
}

/// Runs a few requests, good and bad, and says what the log said.
fn log_with(settings: &[&str]) -> String {
    let database = Database::new();
    prepare(&database.url);
    let program = serve(&database.url).args(["--log-format", "json"]).args(settings);
    let service = Service::start(program);
    let client = service.client();
    client.must_mark("a-user-of-ours", "a-friend-of-theirs");
    assert_eq!(code(&client.call("mark_contact", "{}").unwrap()), 50002);
    let forged = Client { sig: "a-forged-signature".to_owned(), ..client.clone() };
    assert_eq!(forged.mark_code(), 70003);
    assert_eq!(code(&client.call("nothing", "{}").unwrap()), 60009);
    let log = service.process.stop().stderr;
    for secret in
        [client.sig.as_str(), "a-forged-signature", "a-user-of", "a-friend-of", "usersig="]
    {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    log
}

#[test]
fn each_request_has_a_line_that_names_nobody() {
    let log = log_with(&["--log-requests", "all"]);
    let lines = request_lines(&log);
    let told = |line: &Value| {
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
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!((&lines[0]["items"], &lines[0]["refused"]), (&Value::from(1), &Value::from(0)));
    assert!(
        lines.iter().all(|line| line["us"].is_u64() && line["request_id"].is_string()),
        "{log}"
    );
}

#[test]
fn the_request_log_can_be_for_errors_alone_or_off() {
    let codes = |log: &str| {
        request_lines(log).iter().map(|line| line["code"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&log_with(&[])), [50002, 70003, 60009]);
    assert_eq!(codes(&log_with(&["--log-requests", "none"])), Vec::<u64>::new());
    let warnings = ["--log", "warn,earmark::commands=info", "--log-requests", "all"];
    assert_eq!(codes(&log_with(&warnings)), [50002, 70003, 60009]);
}

/// The id in the head of an answer to a request whose head has these lines.
fn id_of(client: &Client, lines: &str) -> (String, Answer) {
    let mut connection = Connection::open(client.address).unwrap();
    let (path, body) = (client.path("mark_contact"), mark_body("user", "friend"));
    connection.send_with("POST", &path, &format!("host: test\r\n{lines}"), &body).unwrap();
    let (head, answer) = connection.head_and_answer().unwrap();
    let ids: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).collect();
    assert_eq!(ids.len(), 1, "{head}");
    (ids[0].to_owned(), answer)
}

/// 36 characters: hex digits in five parts.
fn is_uuid(id: &str) -> bool {
    id.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && id.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[test]
fn a_request_has_one_id_in_its_answer_in_the_log_and_in_the_text_of_a_fault() {
    let database = Database::new();
    prepare(&database.url);
    let settings = ["--log-format", "json", "--log-requests", "all"];
    let service = Service::start(serve(&database.url).args(settings));
    let client = service.client();
    let (made, _) = id_of(&client, "");
    assert!(is_uuid(&made), "{made}");
    assert_ne!(id_of(&client, "").0, made);
    assert_eq!(id_of(&client, "X-Request-Id: mine-1.A_b\r\n").0, "mine-1.A_b");
    for bad in ["", "a b", "a\"b", "{}", &"x".repeat(65), "<script>"] {
        let (id, _) = id_of(&client, &format!("X-Request-Id: {bad}\r\n"));
        assert!(is_uuid(&id) && id != bad, "{bad}: {id}");
    }

    // What no request can bring about.
    database.connect().run("UPDATE users SET next_position = 2147483647");
    let mut connection = Connection::open(client.address).unwrap();
    let body = mark_body("user", "one-more");
    let headers = "host: test\r\nX-Request-Id: faulty\r\n";
    connection.send_with("POST", &client.path("mark_contact"), headers, &body).unwrap();
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
fn a_log_that_nobody_reads_stops_nobody() {
    let database = Database::new();
    prepare(&database.url);
    // It listens before it is read no more.
    let service = Service::listening(serve(&database.url).start_unread_after("listening on"));
    let client = service.client();
    let mut connection = Connection::open(service.api).unwrap();
    let begun = Instant::now();
    let mut sent = 0;
    // A pipe takes 64 KiB, and the queue its lines: after that they are dropped.
    while metric(&service, "earmark_log_lines_dropped_total") == 0 {
        assert!(begun.elapsed() < LONG, "nothing was dropped after {sent} requests");
        (0..500).for_each(|_| connection.send("POST", "/v4/nothing", "").unwrap());
        (0..500).for_each(|_| assert_eq!(code(&connection.answer().unwrap()), 60009));
        sent += 500;
        client.must_mark("user", &format!("friend-{sent}"));
    }
    client.must_mark("user", "last");
    let asked = Instant::now();
    service.process.stop_unread();
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[test]
fn traces_come_to_the_collector() {
    let (database, collector) = (Database::new(), Collector::start());
    prepare(&database.url);
    let settings = ["--otlp-endpoint", &collector.url, "--otlp-sample-ratio", "1"];
    let service = Service::start(serve(&database.url).args(settings));
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
    let received = eventually("the spans come", || {
        let received = collector.received();
        expected.iter().all(|name| contains(&received, name)).then_some(received)
    });
    for word in ["mark_contact", "service.version", "earmark"] {
        assert!(contains(&received, word), "{word}");
    }
    for secret in ["a-user-of-ours", service.client().sig.as_str()] {
        assert!(!contains(&received, secret), "{secret}");
    }
    service.process.stop();
}

#[test]
fn the_standard_variable_names_the_collector_as_well() {
    let (database, collector) = (Database::new(), Collector::start());
    prepare(&database.url);
    let program = serve(&database.url)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .env("EARMARK_OTLP_SAMPLE_RATIO", "1");
    let service = Service::start(program);
    service.client().must_mark("user", "friend");
    eventually("the spans come", || contains(&collector.received(), "transaction").then_some(()));
    service.process.stop();
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Marks at this collector, then stops; nothing of it may take long.
#[track_caller]
fn works_with_collector(url: &str) {
    let database = Database::new();
    prepare(&database.url);
    let settings = ["--otlp-endpoint", url, "--otlp-sample-ratio", "1"];
    let service = Service::start(serve(&database.url).args(settings));
    let (client, begun) = (service.client(), Instant::now());
    // More spans than may wait: whoever waited for them to be sent would wait for many times three seconds.
    std::thread::scope(|scope| {
        for caller in 0..16 {
            let client = &client;
            scope.spawn(move || {
                let mut connection = Connection::open(client.address).unwrap();
                for _ in 0..100 {
                    client.send_mark(&mut connection, &format!("user-{caller}"), "friend");
                    assert!(is_marked(&connection.answer().unwrap()));
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
fn a_collector_that_hangs_slows_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // It takes the beginning of a request, and then says nothing.
        tell.send(stream.read(&mut [0; 64]).unwrap()).unwrap();
        std::thread::park();
    });
    works_with_collector(&url);
    assert!(told.try_recv().is_ok_and(|length| length > 0), "it was asked");
}

#[test]
fn a_collector_that_is_not_there_slows_nobody() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    works_with_collector(&format!("http://{free}"));
}
