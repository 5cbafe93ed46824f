//! `earmark verify` names every inconsistency of the database, and nothing else.

use testkit::postgres::Database;
use testkit::{APP, Service};

use crate::EARMARK;

/// Without these constraints, the statements of [`FLAWS`] succeed.
const DROP_CHECKS: &str = "
    ALTER TABLE users
        DROP CONSTRAINT users_app, DROP CONSTRAINT users_marked_in_room,
        DROP CONSTRAINT users_grouped_in_room, DROP CONSTRAINT users_pinned_in_room;
    ALTER TABLE conversations
        DROP CONSTRAINT conversations_user, DROP CONSTRAINT conversations_kind_known,
        DROP CONSTRAINT conversations_marked_holds_place, DROP CONSTRAINT conversations_has_position;
    DROP INDEX conversations_position;
    ALTER TABLE contact_groups
        DROP CONSTRAINT contact_groups_user, DROP CONSTRAINT contact_groups_name_once,
        DROP CONSTRAINT contact_groups_id_positive;";

/// A user, a statement that corrupts its rows, and what `verify` prints. Each user has one marked and pinned conversation,
/// `friend`, in contact group 1, `work`. `$` stands for the `WHERE` clause with the user.
const FLAWS: [(&str, &str, &[&str]); 24] = [
    ("fewer", "UPDATE users SET marked = 0 $", &["marked: counted are 0, there are 1"]),
    (
        "more",
        "UPDATE users SET grouped = 2, grouped_max = 2 $",
        &["grouped: counted are 2, there are 1"],
    ),
    (
        "unpinned",
        "UPDATE conversations SET pin_position = NULL $",
        &["pinned: counted are 1, there are 0"],
    ),
    (
        "over",
        "UPDATE users SET marked_max = 0 $",
        &["marked: counted are 1, there are 1, room was for 0"],
    ),
    (
        "lost",
        "DELETE FROM conversations $",
        &[
            "rows: counted are 1",
            "marked: counted are 1",
            "grouped: counted are 1",
            "pinned: counted are 1",
        ],
    ),
    (
        "orphan",
        "DELETE FROM users $",
        &["conversations of a user without a row", "contact groups of a user without a row"],
    ),
    (
        "appless",
        "UPDATE users SET sdk_app_id = 7 $; UPDATE conversations SET sdk_app_id = 7 $; UPDATE contact_groups SET sdk_app_id = 7 $",
        &["the user of no app"],
    ),
    (
        "deleted",
        "INSERT INTO gone VALUES (1400000001, 1, 'deleted', TRUE, 1); UPDATE apps SET directory_revision = 1",
        &["deleted, but something is kept"],
    ),
    (
        "revived",
        "INSERT INTO gone VALUES (1400000001, 1, 'revived', TRUE, 1); INSERT INTO accounts VALUES (1400000001, 'revived'); DELETE FROM conversations $; DELETE FROM contact_groups $; DELETE FROM users $",
        &["gone, but in the directory"],
    ),
    (
        "left-later",
        "INSERT INTO gone VALUES (1400000001, 1, 'left-later', FALSE, 2)",
        &["left at directory revision 2, the app is at 1"],
    ),
    (
        "placeless",
        "UPDATE conversations SET holds_place = FALSE $; UPDATE users SET marked = 0 $",
        &["conversation 1 friend: marked, but without a place"],
    ),
    (
        "unordered",
        "UPDATE conversations SET position = NULL $",
        &["conversation 1 friend: marked or grouped, but without a position"],
    ),
    (
        "newer",
        "UPDATE conversations SET changed_revision = 9 $",
        &["conversation 1 friend: changed at revision 9, the user is at 3"],
    ),
    (
        "remembered",
        "UPDATE conversations SET standard_mark = 0, group_ids = '{}', pin_position = NULL $; UPDATE users SET grouped = 0, pinned = 0, forgotten_revision = 3 $",
        &["conversation 1 friend: empty since revision 3, forgotten is all until 3"],
    ),
    (
        "kind",
        "UPDATE conversations SET kind = 3 $",
        &["conversation 3 friend: neither one-to-one nor group"],
    ),
    ("nobody", "UPDATE conversations SET peer_id = '' $", &["conversation 1 : no other end"]),
    ("groupless", "DELETE FROM contact_groups $", &["conversation 1 friend: in groups {1}"]),
    (
        "twice-in",
        "UPDATE conversations SET group_ids = '{1,1}' $",
        &["conversation 1 friend: in groups {1,1}"],
    ),
    (
        "position",
        "UPDATE conversations SET position = 9 $",
        &["conversation 1 friend: position 9, the next one is 3"],
    ),
    (
        "pin",
        "UPDATE conversations SET pin_position = 3 $",
        &["conversation 1 friend: position 3, the next one is 3"],
    ),
    (
        "zero",
        "UPDATE conversations SET position = 0 $",
        &["conversation 1 friend: position 0, the next one is 3"],
    ),
    ("number", "UPDATE users SET next_group_id = 1 $", &["contact group 1: the next number is 1"]),
    (
        "names",
        "UPDATE users SET next_group_id = 3 $; INSERT INTO contact_groups VALUES (1400000001, 'names', 2, 'work')",
        &["group name work: 2 times"],
    ),
    (
        "positions",
        "UPDATE users SET row_count = 2, marked = 2, marked_max = 2 $; INSERT INTO conversations SELECT sdk_app_id, user_id, 2, peer_id, 1, '', TRUE, '{}', position, NULL, 1, 1 FROM conversations $",
        &["position 1: 2 times"],
    ),
];

fn fill(database: &Database) -> Service {
    let service = EARMARK.start_on(database);
    let client = service.client();
    for user in FLAWS.iter().map(|(user, ..)| *user).chain(["fine"]) {
        client.must_mark(user, "friend");
        for (command, body) in [
            (
                "recentcontact/top",
                r#""OperationType":1,"RecentContactItem":[{"Type":1,"To_Account":"friend"}]"#,
            ),
            (
                "recentcontact/create_contact_group",
                r#""GroupContactItem":[{"GroupName":"work","ContactItem":[{"Type":1,"To_Account":"friend"}]}]"#,
            ),
        ] {
            let body = format!(r#"{{"From_Account":"{user}",{body}}}"#);
            let answer = client.call(command, &body).unwrap();
            assert!(answer.body.contains(r#""ResultCode":0"#), "{answer:?}");
        }
    }
    service
}

#[test]
fn verify_names_each_flaw_with_its_user_and_nothing_else() {
    let database = Database::create();
    let service = fill(&database);
    let users = FLAWS.len() + 1;
    let all_is_well = format!("{users} users, {users} conversations: nothing is broken\n");
    assert_eq!(EARMARK.verify(&database.url).expect_success(), all_is_well);
    service.process.stop();

    let mut sql = database.connect();
    sql.run(DROP_CHECKS);
    for (user, flaw, _) in FLAWS {
        sql.run(&flaw.replace('$', &format!("WHERE user_id = '{user}'")));
    }
    let exit = EARMARK.verify(&database.url);
    let mut expected = 0;
    for (user, _, problems) in FLAWS {
        let lines: Vec<_> =
            exit.stdout.lines().filter(|line| line.contains(&format!("user {user:?}:"))).collect();
        assert_eq!(lines.len(), problems.len(), "{user}: {lines:?}");
        for problem in problems {
            assert!(lines.iter().any(|line| line.contains(problem)), "{problem} in {lines:?}");
        }
        expected += problems.len();
    }
    assert_eq!(exit.stdout.lines().count(), expected, "{}", exit.stdout);
    let app = format!("app {APP}, user \"fewer\": ");
    assert!(exit.stdout.contains(&app), "{}", exit.stdout);
    exit.expect_failure(&[&format!("{expected} problems found")]);
}

#[test]
fn verify_refuses_a_database_without_a_schema() {
    EARMARK.verify(&Database::create().url).expect_failure(&["earmark migrate"]);
}
