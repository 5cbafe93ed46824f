//! Apps move from one database to another: `earmark export`, `import` and `compare`.

mod compare;
mod export;
mod import;
mod interrupted;
mod partitions;
mod pull;
mod push;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use testkit::postgres::Database;
use testkit::{APP, Client, Exit, Scratch, Service, request_with, text};

use crate::EARMARK;

/// A call of the native API that must succeed.
#[track_caller]
fn native(client: &Client, method: &str, path: &str, body: &str) {
    let headers = format!("host: test\r\nauthorization: Bearer {}\r\n", client.user_sig);
    let path = format!("/v1/apps/{APP}{path}");
    let answer = request_with(client.address, method, &path, &headers, body).unwrap();
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

/// Everything that an app can hold: marks of all kinds, contact groups that were renamed, ordered and deleted, pins, emptied
/// conversations, accounts that left and came back, chat groups.
fn fill(client: &Client) {
    native(client, "PUT", "/marks/40", r##"{"name":"vip","color":"#c00"}"##);
    native(client, "PUT", "/marks/63", r#"{"name":"last"}"#);
    let account = r#"{"UserID":"alice","Nick":"Ällice","FaceUrl":"https://a/b"}"#;
    client.must_call("im_open_login_svc/account_import", account);
    for user in ["only-account", "leaves", "returns"] {
        client.must_import(user);
        client.must_mark("alice", user);
    }
    client.must_mark("leaves", "alice");
    for group in ["team", "closed", "again"] {
        let body = format!(r#"{{"Type":"Public","GroupId":"{group}","Name":"n {group}"}}"#);
        client.must_call("group_open_http_svc/create_group", &body);
    }
    fill_marks(client);
    fill_contact_groups(client);
    for user in ["leaves", "returns"] {
        let body = format!(r#"{{"DeleteItem":[{{"UserID":"{user}"}}]}}"#);
        client.must_call("im_open_login_svc/account_delete", &body);
    }
    client.must_import("returns");
    for group in ["closed", "again"] {
        let body = format!(r#"{{"GroupId":"{group}"}}"#);
        client.must_call("group_open_http_svc/destroy_group", &body);
    }
    let again = r#"{"Type":"Private","GroupId":"again","Name":"new"}"#;
    client.must_call("group_open_http_svc/create_group", again);
    client.must_mark("\\u4e2d\\u6587", "x");
    client.must_mark("zoe", "alice");
}

fn fill_marks(client: &Client) {
    let bob = r#"{"Type":1,"To_Account":"bob"}"#;
    let emptied = r#"{"Type":1,"To_Account":"emptied"}"#;
    let closed = r#"{"Type":2,"ToGroupId":"closed"}"#;
    for item in [
        format!(
            r#"{{"OptType":3,"ContactItem":{bob},"SetMark":[0,63],"CustomMark":"a \"text\"\n中"}}"#
        ),
        format!(r#"{{"OptType":1,"ContactItem":{closed},"SetMark":[3]}}"#),
        format!(r#"{{"OptType":1,"ContactItem":{emptied},"SetMark":[1]}}"#),
        format!(r#"{{"OptType":1,"ContactItem":{emptied},"ClearMark":[1]}}"#),
    ] {
        let body = format!(r#"{{"From_Account":"alice","MarkItem":[{item}]}}"#);
        client.must_call("recentcontact/mark_contact", &body);
    }
}

fn fill_contact_groups(client: &Client) {
    for (name, peer) in [("work", "bob"), ("old", "carol"), ("friends", "carol")] {
        let body = format!(
            r#"{{"From_Account":"alice","GroupContactItem":[{{"GroupName":"{name}","ContactItem":[{{"Type":1,"To_Account":"{peer}"}}]}}]}}"#
        );
        client.must_call("recentcontact/create_contact_group", &body);
    }
    let old = r#"{"From_Account":"alice","GroupName":["old"]}"#;
    client.must_call("recentcontact/del_contact_group", old);
    let renamed = r#"{"name":"close friends","position":0}"#;
    native(client, "PATCH", "/users/alice/groups/friends", renamed);
    for pin in [r#"{"Type":1,"To_Account":"pinned"}"#, r#"{"Type":2,"GroupId":"team"}"#] {
        let body =
            format!(r#"{{"From_Account":"alice","OperationType":1,"RecentContactItem":[{pin}]}}"#);
        client.must_call("recentcontact/top", &body);
    }
}

/// A database with an app that holds everything, and its service.
fn filled() -> (Database, Service) {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    fill(&service.client());
    (database, service)
}

fn empty() -> Database {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    database
}

/// The lines of the app.
#[track_caller]
fn exported(database: &Database) -> String {
    EARMARK.on(&database.url, ["export", APP]).run().expect_success()
}

fn import(database: &Database, file: &Path, arguments: &[&str]) -> Exit {
    EARMARK.on(&database.url, ["import", APP, &text(file)]).args(arguments).run()
}

/// Imports lines, and returns how it ended.
fn import_lines(database: &Database, lines: &str, arguments: &[&str]) -> Exit {
    let scratch = Scratch::create();
    import(database, &scratch.write("app.ndjson", lines), arguments)
}

fn compare(database: Option<&Database>, files: &[&PathBuf], arguments: &[&str]) -> Exit {
    let files = files.iter().map(|file| text(file));
    let command = EARMARK.command(["compare"]).args(files).args(arguments);
    match database {
        None => command.run(),
        Some(database) => command.env("EARMARK_DATABASE_URL", &database.url).run(),
    }
}

/// Lines of an app with these users, each a name and a number of conversations.
fn lines_of(users: &[(&str, usize)]) -> String {
    let total: usize = users.iter().map(|(_, length)| length).sum();
    let counts =
        format!(r#"{{"gone":0,"chat_groups":0,"users":{},"conversations":{total}}}"#, users.len());
    let mut lines = format!(
        r#"{{"format":"earmark","version":1,"app":{APP},"directory_revision":0,"marks":[],"counts":{counts}}}"#
    );
    for (user, length) in users {
        let conversation = |nr| {
            format!(
                r#"{{"type":"user","id":"peer{nr:06}","marks":[0],"position":{nr},"holds_place":true,"changed_at":1700000000,"revision":1}}"#
            )
        };
        let conversations: Vec<_> = (1..=*length).map(conversation).collect();
        let (next, rows) = (length + 1, conversations.join(","));
        lines += &[
            &format!("\n{{\"user\":{{\"id\":\"{user}\",\"revision\":1,\"forgotten_revision\":0,"),
            &*format!("\"groups_revision\":0,\"next_position\":{next},\"next_group_id\":1,"),
            &format!("\"contact_groups\":[],\"conversations\":[{rows}]}}}}"),
        ]
        .concat();
    }
    lines + &format!("\n{{\"end\":{counts}}}\n")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

#[test]
fn an_app_is_the_same_after_a_round_trip_through_a_file() {
    let (source, service) = filled();
    let file = exported(&source);
    let target = empty();

    let report = import_lines(&target, &file, &[]).expect_success();

    assert!(report.contains("users: 6 new, 0 changed, 0 unchanged; "), "{report}");
    assert_eq!(exported(&target), file, "byte for byte");
    EARMARK.verify(&target.url).expect_success();
    let moved = EARMARK.start(EARMARK.serve(&target.url));
    let (old, new) = (service.client(), moved.client());
    for user in ["alice", "zoe"] {
        assert_eq!(new.marks(user), old.marks(user));
        for path in ["", "/conversations", "/groups"].map(|part| format!("/users/{user}{part}")) {
            assert_eq!(new.read(&path).body, old.read(&path).body, "{path}");
        }
        let list = format!(r#"{{"From_Account":"{user}"}}"#);
        let list = |client: &Client| client.must_call("recentcontact/get_list", &list).body;
        assert_eq!(list(&new), list(&old));
    }
    for client in [&old, &new] {
        let left = client.mark("leaves", "x").unwrap();
        assert_eq!(left.code(), 50001, "a deleted account stays deleted: {left:?}");
        let body = r#"{"From_Account":"alice","GroupContactItem":[{"GroupName":"next"}]}"#;
        let created = client.must_call("recentcontact/create_contact_group", body);
        assert!(created.body.contains(r#""GroupId":4"#), "ids go on: {created:?}");
    }
    service.process.stop();
    moved.process.stop();
}
