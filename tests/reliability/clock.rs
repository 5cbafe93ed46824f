//! The wall clock of a service is set while it runs, forwards and back, as after a long pause of a machine or by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::load::Plan;
use crate::stand::{addresses, prepare, quiet, round, seeds};
use crate::support::{
    APP, Client, Database, KEY, Program, Scratch, Service, app, code, eventually, request, text,
};

const CALLS: usize = 80;
const HOUR: i64 = 3600;

/// A clock that can be set, of the processes that were given it.
struct Clock {
    library: PathBuf,
    scratch: Scratch,
}

impl Clock {
    /// `None`, and a word, where the library is missing.
    fn new() -> Option<Self> {
        let folders = fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
        let library = folders
            .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
            .find(|library| library.exists());
        if library.is_none() {
            println!("skipped: this needs libfaketime (the Debian package `faketime`)");
        }
        let clock = Self { library: library?, scratch: Scratch::new() };
        clock.set(0);
        Some(clock)
    }

    /// So many seconds before or after what it really is.
    fn set(&self, seconds: i64) {
        let next = self.scratch.write("next", format!("{seconds:+}s\n"));
        fs::rename(next, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.scratch.join("offset")
    }

    /// Time that only ever goes on stays as it is: the kernel does not set that clock either.
    fn of(&self, program: Program) -> Program {
        let path = |path: &Path| text(path);
        program
            .env("LD_PRELOAD", path(&self.library))
            .env("FAKETIME_TIMESTAMP_FILE", path(&self.file()))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}

fn json(client: &Client, command: &str, body: &str) -> Value {
    serde_json::from_str(&client.call(command, body).unwrap().body).unwrap()
}

/// The service's `Timestamp` of what `user` has, oldest mark first.
fn timestamps(client: &Client, user: &str) -> Vec<i64> {
    let page = json(client, "get_contact_group", &format!(r#"{{"From_Account":"{user}"}}"#));
    let items = page["ContactItem"].as_array().unwrap();
    items.iter().map(|item| item["Timestamp"].as_i64().unwrap()).collect()
}

fn import(client: &Client, user: &str) {
    let path = client.path("x").replace("recentcontact/x", "im_open_login_svc/account_import");
    let imported = request(client.address, "POST", &path, &format!(r#"{{"UserID":"{user}"}}"#));
    assert_eq!(code(&imported.unwrap()), 0);
}

#[test]
fn a_clock_that_is_set_loses_nothing_and_hurries_nothing() {
    let Some(clock) = Clock::new() else { return };
    let database = Database::new();
    prepare(&database.url);
    let seed = seeds(1)[0];
    let services: Vec<_> = (0..2).map(|_| Service::start(clock.of(quiet(&database.url)))).collect();
    let plan = Plan { seed, users: 6, clients: 6, calls: usize::MAX };
    let began = Instant::now();
    round("a clock that is set", &database.url, plan, addresses(&services), |load| {
        for seconds in [300, -300, 3 * HOUR, -3 * HOUR, 30 * 24 * HOUR, 0] {
            clock.set(seconds);
            load.wait_for_calls(CALLS);
        }
        assert_eq!(load.history.counts().1, 0, "every call was answered");
        load.time_to_recover()
    })
    .unwrap();
    // What takes time is measured by the clock that cannot be set: no call, commit or wait has taken hours, or less than none.
    let took = began.elapsed().as_secs_f64() * 16.0;
    for service in &services {
        let metrics = request(service.admin, "GET", "/metrics", "").unwrap().body;
        let sums = metrics.lines().filter(|line| line.contains("_seconds_sum"));
        let sums: Vec<f64> = sums.map(|line| number(line.rsplit(' ').next().unwrap())).collect();
        assert!(sums.len() > 3 && sums.iter().all(|sum| (0.0..took).contains(sum)), "{metrics}");
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

#[test]
fn a_user_sig_and_timestamps_go_by_the_wall_clock() {
    let Some(clock) = Clock::new() else { return };
    let database = Database::new();
    prepare(&database.url);
    let service = Service::start(clock.of(quiet(&database.url)));
    let short = Program::earmark(["sig", APP, "--lifetime-s", "600"]);
    let sig = short.env("EARMARK_SECRET_KEY", KEY).run().printed().trim().to_owned();
    let for_long = service.client();
    let client = Client { sig, ..for_long.clone() };
    import(&client, "user");

    client.must_mark("user", "now");
    clock.set(HOUR);
    assert_eq!(code(&client.mark("user", "late").unwrap()), 70001, "expired");
    for_long.must_mark("user", "later");
    clock.set(-HOUR);
    client.must_mark("user", "earlier");

    // The order is that of the calls, whatever the clock said.
    let times = timestamps(&client, "user");
    let [now, later, earlier] = times[..] else { panic!("{times:?}") };
    let about = |seconds: i64| seconds - 60..seconds + 60;
    assert!(about(HOUR).contains(&(later - now)), "{times:?}");
    assert!(about(-HOUR).contains(&(earlier - now)), "{times:?}");
}

#[test]
fn a_rate_does_not_go_by_the_wall_clock() {
    const RATE: u32 = 20;
    let Some(clock) = Clock::new() else { return };
    let database = Database::new();
    prepare(&database.url);
    let limit = format!("calls-per-second={RATE}");
    app(&database.url, &["set", APP, "--limit", &limit]).printed();
    let service = Service::start(clock.of(quiet(&database.url)));
    let client = service.client();
    import(&client, "user");

    let (began, mut served) = (Instant::now(), 0);
    for nr in 0..300 {
        clock.set(nr * HOUR);
        served += u32::from(code(&client.mark("user", "friend").unwrap()) == 0);
    }
    let elapsed = began.elapsed().as_secs_f64();
    let most = f64::from(RATE) * (elapsed + 1.0) + 1.0;
    assert!(f64::from(served) <= most, "{served} calls in {elapsed} s");

    clock.set(-300 * HOUR);
    let set = Instant::now();
    eventually("a call is served again", || {
        (code(&client.mark("user", "friend").unwrap()) == 0).then_some(())
    });
    assert!(set.elapsed() < Duration::from_secs(5), "locked out for {:?}", set.elapsed());
}
