//! The wall clock of a service jumps forwards and back while the service runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testkit::postgres::Database;
use testkit::{
    APP, Client, Program, SECRET_KEY, Scratch, not_installed, request, text, wait_until,
};

use crate::EARMARK;
use crate::load::Plan;
use crate::stand::{addresses, prepare, quiet, round, seeds};

const CALLS: usize = 80;
const HOUR: i64 = 3600;

/// A wall clock that a test can set. Only the processes that a test starts with it use it.
struct Clock {
    library: PathBuf,
    scratch: Scratch,
}

impl Clock {
    /// If the library is missing, says so and returns `None`.
    fn new() -> Option<Self> {
        let folders = fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
        let library = folders
            .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
            .find(|library| library.exists());
        if library.is_none() {
            not_installed("libfaketime (the Debian package `libfaketime`)");
        }
        let clock = Self { library: library?, scratch: Scratch::create() };
        clock.set(0);
        Some(clock)
    }

    /// Sets the clock this many seconds after the real time, or before it.
    fn set(&self, seconds: i64) {
        let next = self.scratch.write("next", format!("{seconds:+}s\n"));
        fs::rename(next, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.scratch.join("offset")
    }

    /// Starts the program with this clock. The monotonic clock stays real, because nothing can set it on a real machine either.
    fn of(&self, program: Program) -> Program {
        let path = |path: &Path| text(path);
        program
            .env("LD_PRELOAD", path(&self.library))
            .env("FAKETIME_TIMESTAMP_FILE", path(&self.file()))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}

/// The `Timestamp` of each conversation of a user, oldest mark first.
fn timestamps(client: &Client, user: &str) -> Vec<i64> {
    let body = format!(r#"{{"From_Account":"{user}"}}"#);
    let page = client.must_call("recentcontact/get_contact_group", &body).json();
    let items = page["ContactItem"].as_array().unwrap();
    items.iter().map(|item| item["Timestamp"].as_i64().unwrap()).collect()
}

#[test]
fn a_clock_jump_loses_no_call_and_distorts_no_duration() {
    let Some(clock) = Clock::new() else { return };
    let database = Database::create();
    prepare(&database.url);
    let seed = seeds(1)[0];
    let services: Vec<_> = (0..2).map(|_| EARMARK.start(clock.of(quiet(&database.url)))).collect();
    let plan = Plan { seed, users: 6, clients: 6, calls: usize::MAX };
    let began = Instant::now();
    round("clock jumps", &database.url, plan, addresses(&services), |load| {
        for seconds in [300, -300, 3 * HOUR, -3 * HOUR, 30 * 24 * HOUR, 0] {
            clock.set(seconds);
            load.wait_for_calls(CALLS);
        }
        assert_eq!(load.history.counts().1, 0, "a call was not answered");
        load.time_to_recover()
    })
    .unwrap();
    // The service measures durations with the monotonic clock, so no duration is hours long or negative.
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
fn user_sigs_and_timestamps_use_the_wall_clock() {
    let Some(clock) = Clock::new() else { return };
    let database = Database::create();
    prepare(&database.url);
    let service = EARMARK.start(clock.of(quiet(&database.url)));
    let short = EARMARK.command(["sig", APP, "--lifetime-s", "600"]);
    let user_sig =
        short.env("EARMARK_SECRET_KEY", SECRET_KEY).run().expect_success().trim().to_owned();
    let day_long = service.client();
    let client = Client { user_sig, ..day_long.clone() };
    client.must_import("user");

    client.must_mark("user", "now");
    clock.set(HOUR);
    assert_eq!(client.mark("user", "late").unwrap().code(), 70001, "the UserSig has expired");
    day_long.must_mark("user", "later");
    clock.set(-HOUR);
    client.must_mark("user", "earlier");

    // The conversations are in the order of the calls, and not of their timestamps.
    let times = timestamps(&client, "user");
    let [now, later, earlier] = times[..] else { panic!("{times:?}") };
    let about = |seconds: i64| seconds - 60..seconds + 60;
    assert!(about(HOUR).contains(&(later - now)), "{times:?}");
    assert!(about(-HOUR).contains(&(earlier - now)), "{times:?}");
}

#[test]
fn the_rate_limit_does_not_use_the_wall_clock() {
    const RATE: u32 = 20;
    let Some(clock) = Clock::new() else { return };
    let database = Database::create();
    prepare(&database.url);
    let limit = format!("calls-per-second={RATE}");
    EARMARK.app(&database.url, &["set", APP, "--limit", &limit]).expect_success();
    let service = EARMARK.start(clock.of(quiet(&database.url)));
    let client = service.client();
    client.must_import("user");

    let (began, mut served) = (Instant::now(), 0);
    for nr in 0..300 {
        clock.set(nr * HOUR);
        served += u32::from(client.mark("user", "friend").unwrap().code() == 0);
    }
    let elapsed = began.elapsed().as_secs_f64();
    let most = f64::from(RATE) * (elapsed + 1.0) + 1.0;
    assert!(f64::from(served) <= most, "{served} calls in {elapsed} s");

    clock.set(-300 * HOUR);
    let set = Instant::now();
    wait_until("a call is served", || client.mark("user", "friend").unwrap().code() == 0);
    assert!(set.elapsed() < Duration::from_secs(5), "no call was served for {:?}", set.elapsed());
}
