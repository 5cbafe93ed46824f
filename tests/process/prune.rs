//! `earmark prune` removes conversations that have been empty for long enough, and nothing else.

use testkit::MARK_CONTACT;
use testkit::postgres::Database;

use crate::EARMARK;

fn prune(database: &Database, arguments: &[&str]) -> String {
    EARMARK.on(&database.url, ["prune"]).args(arguments).run().expect_success()
}

#[test]
fn old_empty_conversations_are_removed_while_the_service_runs() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    let unmark = |user: &str| {
        let body = format!(
            r#"{{"From_Account":"{user}","MarkItem":[{{"OptType":1,"ContactItem":{{"Type":1,"To_Account":"empty"}},"ClearMark":[0,1,2,3]}}]}}"#
        );
        client.must_call(MARK_CONTACT, &body);
    };
    // More users than prune locks at once.
    let users: Vec<_> = (0..230).map(|nr| format!("user{nr}")).collect();
    for user in &users {
        client.must_mark(user, "empty");
        client.must_mark(user, "marked");
        unmark(user);
    }
    assert_eq!(prune(&database, &[]), "removed 0 empty conversations of 0 users\n");
    let days = "extract(epoch FROM now())::bigint - 24 * 3600 *";
    database.connect().run(&format!("UPDATE conversations SET changed_at = {days} 10"));
    let young =
        format!("UPDATE conversations SET changed_at = {days} 9 + 3600 WHERE user_id = 'user7'");
    database.connect().run(&young);
    assert_eq!(prune(&database, &[]), "removed 0 empty conversations of 0 users\n");
    assert_eq!(
        prune(&database, &["--history-days", "9"]),
        "removed 229 empty conversations of 229 users\n"
    );
    assert_eq!(database.connect().number("SELECT count(*) FROM conversations"), 231);
    client.must_mark("user0", "empty");
    let verified = EARMARK.verify(&database.url);
    assert_eq!(verified.expect_success(), "230 users, 232 conversations: nothing is broken\n");
    service.process.stop();
}

#[test]
fn a_bad_number_of_days_and_a_missing_schema_are_named() {
    let database = Database::create();
    let no_history = EARMARK.on(&database.url, ["prune", "--history-days", "0"]).run();
    no_history.expect_failure(&["--history-days"]);
    let no_schema = EARMARK.on(&database.url, ["prune"]).run();
    no_schema.expect_failure(&["earmark migrate"]);
}
