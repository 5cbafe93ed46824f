//! `/metrics`: what it counts, and that callers cannot add series.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::Method;
use earmark::domain::SecretKey;
use earmark::metrics::LABELLED_APPS_MAX;
use earmark::service::AppChange;
use serde_json::json;

use crate::support::document;
use crate::support::*;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");

/// The series that counts the answers to a call with this code.
fn requests(call: &str, code: Code) -> String {
    format!(r#"earmark_requests_total{{call="{call}",code="{}"}}"#, code.number())
}

/// The series of a time of a secret key.
fn key_series(time: &str, key: &str) -> String {
    format!(r#"earmark_app_key_{time}_timestamp_seconds{{app="1400000001",key="{key}"}}"#)
}

/// Everything that a service exposes: the value of each series, by its name with labels, and the type of each metric.
struct Exposed {
    series: BTreeMap<String, String>,
    types: BTreeMap<String, String>,
}

impl Exposed {
    async fn of(app: &TestApp) -> Self {
        let answer = app.metrics().await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        let types = body.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let series = body.lines().filter(|line| line.contains(' ') && !line.starts_with('#'));
        let pair = |line: &str| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.to_owned())
        };
        let words = |line: &str| {
            let (name, kind) = line.split_once(' ').unwrap();
            (name.to_owned(), kind.to_owned())
        };
        Self { series: series.map(pair).collect(), types: types.map(words).collect() }
    }

    #[track_caller]
    fn value(&self, series: &str) -> u64 {
        let value = self.series.get(series);
        value.unwrap_or_else(|| panic!("{series} in {:?}", self.series)).parse().unwrap()
    }

    /// The names of the labels of each metric, without the label `le` of a histogram.
    fn labels(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut labels: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for series in self.series.keys() {
            let (name, pairs) = series.split_once('{').unwrap_or((series, ""));
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|suffix| name.strip_suffix(suffix))
                .find(|base| self.types.contains_key(*base))
                .unwrap_or(name);
            let names = pairs
                .trim_end_matches('}')
                .split(',')
                .filter_map(|pair| pair.split_once('=').map(|(name, _)| name.to_owned()));
            labels.entry(base.to_owned()).or_default().extend(names.filter(|name| name != "le"));
        }
        labels
    }
}

#[actix_web::test]
async fn the_documented_metrics_are_those_that_are_exposed() {
    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    // The rate limit refuses the later calls, so that its series exist, too. The last use of the key is shown once it is
    // stored and the app is loaded again.
    until(async || {
        app.mark("user0", [set("user1", 0)]).await;
        let metrics = app.metrics().await;
        metrics.contains("earmark_rate_limited_total{")
            && metrics.contains(&key_series("last_used", "newest"))
            && metrics.contains("earmark_app_bytes{")
    })
    .await;
    let exposed = Exposed::of(&app).await;
    let labels = exposed.labels();
    let found: BTreeMap<_, _> = exposed
        .types
        .iter()
        .map(|(name, kind)| (name.clone(), (kind.clone(), labels[name].clone())))
        .collect();
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let documented: BTreeMap<_, _> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let labels = cells[2].split(',').map(|label| label.trim().trim_matches('`').to_owned());
            let labels = labels.filter(|label| !label.is_empty()).collect();
            (cells[0].trim_matches('`').to_owned(), (cells[1].to_owned(), labels))
        })
        .collect();
    assert_eq!(documented, found);
}

/// The service creates the series of a call together with its route, before the first request. So this test notices a
/// route that the OpenAPI document does not have.
#[actix_web::test]
async fn every_call_that_is_served_is_documented() {
    let app = TestApp::start().await;
    // Once the service has answered, its routes exist.
    app.call("recentcontact/nothing", "{}").await.assert_code(UnknownCommand);
    let exposed = Exposed::of(&app).await;
    let served: BTreeSet<_> = exposed
        .series
        .keys()
        .filter_map(|series| series.strip_prefix(r#"earmark_requests_total{call=""#))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let documented = document::commands().map(|command| command.split_once('/').unwrap().1);
    let native = document::native_calls();
    let native = native.iter().map(String::as_str).chain(["v1_preflight", "v1_unknown"]);
    assert_eq!(served, documented.chain(["unknown"]).chain(native).collect());
}

#[actix_web::test]
async fn requests_are_counted_by_call_and_code_and_app_and_their_items_by_outcome() {
    let app = TestApp::with_limits(&["marked=1", "calls-per-second=0"]).await;
    // All calls use one UserSig. A new one would differ, because it contains the second in which it was made.
    let (good, wrong) = (query(), query_of(APP, ADMIN, "nonsense"));
    let two = mark_contact("a", [set("x", 0), set("y", 0)]);
    app.call_as(MARK_CONTACT, &good, two).await.assert_items([Ok, ConversationsFull]);
    let one = mark_contact("b", [set("x", 0)]);
    app.call_as(MARK_CONTACT, &good, one).await.assert_items([Ok]);
    app.call_as(MARK_CONTACT, &good, json!({})).await.assert_code(BadParameter);
    app.call_as(CREATE, &good, create("b", "g", [user("x"), user("y")])).await.assert_ok();
    app.call_as(GET, &wrong, "{}").await.assert_code(UserSigUnreadable);
    app.call_as("recentcontact/nothing", &good, "{}").await.assert_code(UnknownCommand);

    let exposed = Exposed::of(&app).await;
    for (call, code, expected) in [
        ("mark_contact", Ok, 2),
        ("mark_contact", BadParameter, 1),
        ("get_contact_group", UserSigUnreadable, 1),
        ("unknown", UnknownCommand, 1),
        // Alerts need these series before the first such answer.
        ("get_list", InternalError, 0),
        ("get_list", DatabaseTimeout, 0),
    ] {
        assert_eq!(exposed.value(&requests(call, code)), expected, "{call} {code:?}");
    }
    for (series, expected) in [
        (r#"earmark_request_duration_seconds_count{call="mark_contact"}"#, 3),
        (r#"earmark_items_total{call="mark_contact",outcome="ok"}"#, 2),
        (r#"earmark_items_total{call="mark_contact",outcome="refused"}"#, 1),
        (r#"earmark_items_total{call="create_contact_group",outcome="ok"}"#, 2),
        (r#"earmark_app_requests_total{app="1400000001"}"#, 5),
        (r#"earmark_cache_lookups_total{cache="user_sig",result="hit"}"#, 3),
        (r#"earmark_cache_lookups_total{cache="user_sig",result="miss"}"#, 2),
        (r#"earmark_cache_lookups_total{cache="app",result="miss"}"#, 1),
        ("earmark_commit_requests_sum", 3),
        ("earmark_requests_in_flight", 0),
        ("earmark_database_connections_max", 14),
    ] {
        assert_eq!(exposed.value(series), expected, "{series}");
    }
}

#[actix_web::test]
async fn each_valid_key_has_its_times_until_it_is_retired() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let load_until = async |is_loaded: &dyn Fn(&Exposed) -> bool| {
        until(async || {
            // The key of a caller without a valid UserSig is not used.
            app.call_as(GET, &query_of(APP, ADMIN, "nonsense"), "{}").await;
            is_loaded(&Exposed::of(&app).await)
        })
        .await;
        Exposed::of(&app).await
    };
    let has = |exposed: &Exposed, time: &str, key: &str| {
        exposed.series.contains_key(&key_series(time, key))
    };
    let first = load_until(&|exposed| has(exposed, "created", "newest")).await;
    assert!(!has(&first, "created", "previous") && !has(&first, "last_used", "newest"));
    let created = first.value(&key_series("created", "newest"));
    assert!(created.abs_diff(unix_now()) < 60, "{created}");

    app.mark("u", [set("p", 0)]).await.assert_ok();
    let used = load_until(&|exposed| has(exposed, "last_used", "newest")).await;
    assert!(used.value(&key_series("last_used", "newest")) >= created);

    let key = SecretKey::parse("another-secret-key-0123456789abcdef").unwrap();
    app.change(AppChange::RotateKey { key, force: false }).await;
    let rotated = load_until(&|exposed| has(exposed, "last_used", "previous")).await;
    assert!(has(&rotated, "created", "newest") && !has(&rotated, "last_used", "newest"));
    assert_eq!(rotated.value(&key_series("created", "previous")), created);

    let id = app.app().await.previous_key.unwrap().id;
    app.change(AppChange::RetireKey { id }).await;
    let retired = load_until(&|exposed| !has(exposed, "created", "previous")).await;
    assert!(has(&retired, "created", "newest") && !has(&retired, "last_used", "previous"));
}

#[actix_web::test]
async fn calls_above_the_rate_limit_are_counted_by_app() {
    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    let mut refused = 0_u64;
    for _ in 0..10 {
        let answer = app.call(GET, json!({ "From_Account": "a" })).await;
        refused += u64::from(answer.code() == TooManyCalls);
    }
    let exposed = Exposed::of(&app).await;
    let counted = exposed.value(r#"earmark_rate_limited_total{app="1400000001"}"#);
    assert!(refused > 0 && counted == refused, "{counted} of {refused}");
}

#[actix_web::test]
async fn invented_paths_apps_and_users_add_no_series() {
    let app = TestApp::start().await;
    app.mark("user0", [set("user1", 0)]).await.assert_ok();
    let send = async |number: u32| {
        let path = format!("recentcontact/{number}\"}}{{x=");
        let query = query_of(2_000_000_000 + i64::from(number), &format!("admin{number}"), "sig");
        // Unknown apps share a rate of look-ups.
        app.call_as(MARK_CONTACT, &query, "{}").await.assert_one_of(&[UnknownApp, TooManyCalls]);
        let url = format!("http://{}/v4/recentcontact/p{number}?x={number}", app.addresses.api);
        app.send(Method::POST, &url, path.into_bytes()).await.assert_code(UnknownCommand);
    };
    send(0).await;
    let without_rate = |exposed: Exposed| -> BTreeSet<String> {
        let is_other = |series: &String| *series != requests("mark_contact", TooManyCalls);
        exposed.series.into_keys().filter(is_other).collect()
    };
    let before = without_rate(Exposed::of(&app).await);
    for number in 1..2000 {
        send(number).await;
    }
    let after = Exposed::of(&app).await;
    assert_eq!(after.value(&requests("unknown", UnknownCommand)), 2000);
    assert_eq!(without_rate(after), before);
}

#[actix_web::test]
async fn apps_above_the_maximum_share_a_label() {
    let app = TestApp::start().await;
    let apps = i64::try_from(LABELLED_APPS_MAX).unwrap() + 3;
    for number in 1..=apps {
        app.add_app(number, KEY).await;
        let query = query_of(number, ADMIN, &user_sig(KEY, number, ADMIN));
        // The service has not seen the app, and its look-up may have to wait for its turn.
        until(async || app.call_as(GET, &query, r#"{"From_Account":"a"}"#).await.code() == Ok)
            .await;
    }
    let exposed = Exposed::of(&app).await;
    let labelled = exposed.series.keys().filter(|s| s.starts_with("earmark_app_requests_total{"));
    assert_eq!(labelled.count(), LABELLED_APPS_MAX + 1);
    assert_eq!(exposed.value(r#"earmark_app_requests_total{app="other"}"#), 3);
}
