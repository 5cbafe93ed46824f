//! `earmark prune` removes conversations that have been empty for long, and nothing else.

use crate::support::{Database, Program, Service};

fn prune(database: &Database, arguments: &[&str]) -> String {
    let program = Program::earmark(["prune"]).args(arguments);
    program.env("EARMARK_DATABASE_URL", &database.url).run().printed()
}

#[test]
fn what_has_been_empty_for_long_is_removed_while_the_service_runs() {
    let database = Database::new();
    let service = Service::on(&database);
    let client = service.client();
    let unmark = |user: &str| {
        let body = format!(
            r#"{{"From_Account":"{user}","MarkItem":[{{"OptType":1,"ContactItem":{{"Type":1,"To_Account":"empty"}},"ClearMark":[0,1,2,3]}}]}}"#
        );
        assert!(client.call("mark_contact", &body).unwrap().body.contains(r#""ErrorCode":0"#));
    };
    // More users than are locked at once.
    let users: Vec<_> = (0..230).map(|nr| format!("user{nr}")).collect();
    for user in &users {
        client.must_mark(user, "empty");
        client.must_mark(user, "marked");
        unmark(user);
    }
    assert_eq!(prune(&database, &[]), "removed 0 empty conversations of 0 users\n");
    let days = "extract(epoch FROM now())::bigint - 24 * 3600 *";
    database.connect().run(&format!("UPDATE conversations SET changed_at = {days} 10"));
    let young = format!("UPDATE conversations SET changed_at = {days} 9 WHERE user_id = 'user7'");
    database.connect().run(&young);
    assert_eq!(prune(&database, &[]), "removed 0 empty conversations of 0 users\n");
    assert_eq!(
        prune(&database, &["--history-days", "9"]),
        "removed 229 empty conversations of 229 users\n"
    );
    assert_eq!(database.connect().number("SELECT count(*) FROM conversations"), 231);
    client.must_mark("user0", "empty");
    let verified = Program::earmark(["verify"]).env("EARMARK_DATABASE_URL", &database.url).run();
    assert_eq!(verified.printed(), "230 users, 232 conversations: nothing is broken\n");
    service.process.stop();
}

#[test]
fn a_number_of_days_that_cannot_be_is_named() {
    let database = Database::new();
    let program = Program::earmark(["prune", "--history-days", "0"]);
    program.env("EARMARK_DATABASE_URL", &database.url).run().refused(&["--history-days"]);
    let ended = Program::earmark(["prune"]).env("EARMARK_DATABASE_URL", &database.url).run();
    ended.refused(&["earmark migrate"]);
}
