//! Apps move between databases with one partition and with four, which may be on two servers.

use std::fs;

use testkit::postgres::{Database, TwoServers};
use testkit::{APP, Client, Program, SECRET_KEY, Scratch, text, wait_until};

use super::{compare, empty, exported, fill, filled, import_lines, lines_of, read};
use crate::EARMARK;

/// A database with four partitions and the app.
enum Divided {
    OnOneServer(Database),
    OnTwoServers(TwoServers),
}

impl Divided {
    fn on_one_server() -> Self {
        Self::OnOneServer(Database::create()).prepared()
    }

    /// `None` on a machine without PostgreSQL's programs.
    fn on_two_servers() -> Option<Self> {
        Some(Self::OnTwoServers(TwoServers::start()?).prepared())
    }

    fn prepared(self) -> Self {
        self.run(&["migrate", "--partitions", "4"]);
        let create = ["app", "create", APP, "--directory", "open", "--secret-key", SECRET_KEY];
        self.run(&[&create[..], &["--limit", "calls-per-second=0"]].concat());
        self
    }

    fn url(&self) -> String {
        match self {
            Self::OnOneServer(database) => database.url.clone(),
            Self::OnTwoServers(servers) => servers.first.url(),
        }
    }

    fn knowing_places(&self, program: Program) -> Program {
        match self {
            Self::OnOneServer(_) => program,
            Self::OnTwoServers(servers) => servers.with_map(program),
        }
    }

    fn command(&self, arguments: &[&str]) -> Program {
        self.knowing_places(EARMARK.on(&self.url(), arguments))
    }

    /// Runs a command, which must succeed, and returns its output.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        self.command(arguments).run().expect_success()
    }

    #[track_caller]
    fn exported(&self) -> String {
        self.run(&["export", APP])
    }

    #[track_caller]
    fn import(&self, lines: &str) -> String {
        let scratch = Scratch::create();
        let report = self.run(&["import", APP, &text(&scratch.write("app.ndjson", lines))]);
        self.run(&["verify"]);
        report
    }

    /// Makes calls to a service on this database.
    fn call(&self, calls: impl FnOnce(&Client)) {
        let service = EARMARK.start(self.knowing_places(EARMARK.serve(&self.url())));
        calls(&service.client());
        service.process.stop();
    }
}

/// Both kinds of databases with four partitions; only the first on a machine without PostgreSQL's programs.
fn both() -> impl Iterator<Item = Divided> {
    [Divided::on_one_server()].into_iter().chain(Divided::on_two_servers())
}

/// The lines about users and chat groups.
fn about_users(file: &str) -> Vec<&str> {
    let kinds = ["{\"user\":", "{\"chat_group\":"];
    file.lines().filter(|line| kinds.iter().any(|kind| line.starts_with(kind))).collect()
}

/// Checks that two files say the same. Each partition counts the deletions in its own directory, so the numbers of the same deletions
/// may differ: `compare` ignores them.
#[track_caller]
fn assert_same(left: &str, right: &str) {
    assert_eq!(about_users(left), about_users(right), "byte for byte");
    let scratch = Scratch::create();
    let files = [("left", left), ("right", right)];
    let files = files.map(|(name, lines)| scratch.write(name, lines));
    let compared = compare(None, &files.each_ref(), &[]).expect_success();
    assert!(compared.contains("no difference"), "{compared}");
}

#[test]
fn an_app_is_the_same_after_a_round_trip_through_four_partitions() {
    let (source, service) = filled();
    service.process.stop();
    let file = exported(&source);
    for divided in both() {
        let report = divided.import(&file);

        assert!(report.contains("users: 6 new, 0 changed, 0 unchanged; "), "{report}");
        let of_divided = divided.exported();
        assert_same(&of_divided, &file);
        let again = divided.import(&file);
        assert!(again.contains("users: 0 new, 0 changed, 6 unchanged; "), "{again}");
        let back = empty();
        import_lines(&back, &of_divided, &[]).expect_success();
        assert_same(&exported(&back), &file);
        divided.call(|client| {
            assert_eq!(client.mark("leaves", "x").unwrap().code(), 50001);
            client.must_mark("zoe", "new");
        });
        assert_ne!(divided.exported(), file);
    }
}

#[test]
fn an_app_is_the_same_after_a_round_trip_from_four_partitions() {
    for divided in both() {
        divided.call(fill);
        let file = divided.exported();
        let single = empty();

        import_lines(&single, &file, &[]).expect_success();

        let of_single = exported(&single);
        assert_same(&of_single, &file);
        let other = Divided::on_one_server();
        other.import(&of_single);
        assert_same(&other.exported(), &of_single);
    }
}

#[test]
fn an_interrupted_export_from_four_partitions_goes_on_where_it_was_cut() {
    let divided = Divided::on_one_server();
    divided.call(fill);
    let scratch = Scratch::create();
    let path = scratch.join("app.ndjson");
    divided.run(&["export", APP, "--out", &text(&path)]);
    let whole = read(&path);
    let header = whole.lines().next().unwrap().len() + 1;
    for cut in (header..=whole.len()).step_by(397) {
        fs::write(&path, &whole.as_bytes()[..cut]).unwrap();
        divided.run(&["export", APP, "--out", &text(&path), "--resume"]);
        assert_eq!(read(&path), whole, "cut at {cut}");
    }
}

#[test]
fn a_killed_import_into_four_partitions_leaves_whole_users_and_is_run_again() {
    let divided = Divided::on_one_server();
    let names: Vec<_> = (0..10_000).map(|nr| format!("user{nr:05}")).collect();
    let users: Vec<_> = names.iter().map(|name| (name.as_str(), 5)).collect();
    let lines = lines_of(&users);
    let scratch = Scratch::create();
    let file = text(&scratch.write("app.ndjson", &lines));
    let process = divided.command(&["import", APP, &file]).start();
    let Divided::OnOneServer(database) = &divided else { unreachable!() };
    let mut sql = database.connect();
    let stored = "SELECT count(*) FROM partition_3.users";
    wait_until("some users are stored", || sql.number(stored) > 100);
    process.kill();

    wait_until("its sessions have ended", || {
        sql.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == 1
    });
    let halfway = sql.number(stored);
    assert!(halfway < 2000, "it was killed too late");
    divided.run(&["verify"]);
    divided.import(&lines);
    assert_eq!(divided.exported(), lines);
}
