//! The list of a user's conversations: filters, orders and pages.

use serde_json::{Value, json};

use super::{Ask, Reply, changes, ids};
use crate::support::*;

async fn list(app: &TestApp, query: &str) -> Reply {
    Ask::get(format!("/users/user0/conversations?{query}")).send(app).await
}

/// The conversations of all pages, and the cursor that all of them show.
async fn all_pages(app: &TestApp, query: &str) -> (Vec<Value>, String) {
    let mut page = list(app, query).await.ok();
    let cursor = page["cursor"].as_str().unwrap().to_owned();
    let mut conversations = Vec::new();
    loop {
        conversations.extend(page["conversations"].as_array().unwrap().clone());
        assert_eq!(page["cursor"], cursor);
        let Some(next) = page["next"].as_str() else { return (conversations, cursor) };
        page = list(app, &format!("{query}&page={next}")).await.ok();
    }
}

async fn listed(app: &TestApp, query: &str) -> Vec<String> {
    let (all, _) = all_pages(app, query).await;
    all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// Conversations of each kind: with bits, with a custom mark, in a contact group, pinned, empty again, and with a chat group.
async fn filled() -> TestApp {
    let app = TestApp::start().await;
    app.mark("user0", [change_bits(&user("bits"), &[0, 40], &[])]).await.assert_ok();
    app.mark("user0", [set("unread", 1), custom("custom", "a text")]).await.assert_ok();
    app.mark("user0", [change_bits(&chat_group("room"), &[0, 1, 63], &[])]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "work/1", [user("grouped"), user("bits")])).await;
    app.call_ok(TOP, top("user0", 1, [user("pinned"), user("bits")])).await;
    app.mark("user0", [set("empty", 0)]).await.assert_ok();
    app.mark("user0", [clear("empty", 0)]).await.assert_ok();
    app
}

#[actix_web::test]
async fn filters_pass_what_they_say() {
    let app = filled().await;
    for (query, expected) in [
        ("", vec!["bits", "unread", "custom", "room", "grouped", "pinned"]),
        ("any=favorite", vec!["bits", "room"]),
        ("any=favorite,unread", vec!["bits", "unread", "room"]),
        ("any=0,1", vec!["bits", "unread", "room"]),
        ("any=63", vec!["room"]),
        ("all=favorite,40", vec!["bits"]),
        ("all=favorite,unread", vec!["room"]),
        ("none=favorite", vec!["unread", "custom", "grouped", "pinned"]),
        ("any=favorite&none=63", vec!["bits"]),
        ("group=work%2F1", vec!["bits", "grouped"]),
        ("pinned=true", vec!["bits", "pinned"]),
        ("pinned=false", vec!["unread", "custom", "room", "grouped"]),
        ("custom=present", vec!["custom"]),
        ("custom=absent", vec!["bits", "unread", "room", "grouped", "pinned"]),
        ("custom_equals=a+text", vec!["custom"]),
        ("custom_equals=a", vec![]),
        ("type=group", vec!["room"]),
        ("type=user&any=unread", vec!["unread"]),
    ] {
        assert_eq!(listed(&app, query).await, expected, "{query}");
        assert_eq!(listed(&app, &format!("limit=1&{query}")).await, expected, "pages of {query}");
    }
}

#[actix_web::test]
async fn orders_are_those_that_their_names_say() {
    let app = filled().await;
    app.mark("user0", [set("unread", 2)]).await.assert_ok();
    for (order, expected) in [
        ("first_marked", ["bits", "unread", "custom", "room", "grouped", "pinned"]),
        ("last_changed", ["unread", "bits", "pinned", "grouped", "room", "custom"]),
        ("pinned", ["bits", "pinned", "unread", "grouped", "room", "custom"]),
    ] {
        for limit in 1..=6 {
            let query = format!("order={order}&limit={limit}");
            assert_eq!(listed(&app, &query).await, expected, "{query}");
        }
    }
}

#[actix_web::test]
async fn conversations_of_one_sort_key_are_all_on_the_pages() {
    let app = TestApp::start().await;
    // One revision for all, and no position.
    app.call_ok(TOP, top("user0", 1, peers(0, 30))).await;
    app.call_ok(TOP, top("user0", 2, peers(0, 5))).await;
    app.mark("user0", (0..20).map(|nr| set(&format!("other{nr}"), 0))).await.assert_ok();
    for order in ["first_marked", "last_changed", "pinned"] {
        for limit in [1, 7, 45] {
            let mut found = listed(&app, &format!("order={order}&limit={limit}")).await;
            assert_eq!(found.len(), 45, "{order}");
            found.sort_unstable();
            found.dedup();
            assert_eq!(found.len(), 45, "{order}");
        }
    }
}

#[actix_web::test]
async fn a_conversation_is_listed_as_it_is_shown_alone() {
    let app = filled().await;
    let (all, _) = all_pages(&app, "limit=2").await;
    for listed in all {
        let (kind, id) = (listed["type"].as_str().unwrap(), listed["id"].as_str().unwrap());
        let alone = Ask::get(format!("/users/user0/conversations/{kind}/{id}")).send(&app).await;
        assert_eq!(alone.ok(), listed);
    }
}

#[actix_web::test]
async fn what_changes_while_pages_are_read_is_told_since_their_cursor() {
    let app = TestApp::start().await;
    app.mark("user0", ["a", "b", "c", "d"].map(|peer| set(peer, 0))).await.assert_ok();
    let first = list(&app, "limit=2").await;
    assert_eq!(first.revision, Some(1));
    let first = first.ok();
    app.mark("user0", [clear("a", 0), set("c", 1)]).await.assert_ok();

    let next = first["next"].as_str().unwrap();
    let second = list(&app, &format!("limit=2&page={next}")).await;

    assert_eq!(second.revision, Some(1), "the client has not seen the change of the first page");
    let second = second.ok();
    assert_eq!(ids(&second["conversations"]), ["c", "d"]);
    assert_eq!(second["cursor"], first["cursor"]);
    let told = changes(&app, "user0", second["cursor"].as_str().unwrap()).await.ok();
    assert_eq!(told["removed"], json!([{ "type": "user", "id": "a" }]));
    assert_eq!(ids(&told["conversations"]), ["c"]);
}

#[actix_web::test]
async fn a_page_of_another_list_is_refused() {
    let app = filled().await;
    app.mark("user1", [set("a", 0), set("b", 0)]).await.assert_ok();
    let next = list(&app, "limit=1&any=favorite").await.ok()["next"].as_str().unwrap().to_owned();
    list(&app, &format!("limit=5&any=favorite&page={next}")).await.ok();
    list(&app, &format!("limit=5&any=0&page={next}")).await.ok();
    let cut = &next[..next.len() - 1];
    for query in [
        format!("limit=1&page={next}"),
        format!("any=favorite&order=pinned&page={next}"),
        format!("any=unread&page={next}"),
        format!("any=favorite&page={cut}"),
        "page=".to_owned(),
        "page=x".to_owned(),
    ] {
        list(&app, &query).await.assert_problem(400, "bad-request", Some("/page"));
    }
    let of_another = format!("/users/user1/conversations?any=favorite&page={next}");
    let reply = Ask::get(of_another).send(&app).await;
    reply.assert_problem(400, "bad-request", Some("/page"));
}

#[actix_web::test]
async fn parameters_are_checked() {
    let app = TestApp::with_limits(&["page-items=10"]).await;
    for (query, field) in [
        ("any=nonsense", "/any"),
        ("all=64", "/all"),
        ("none=favorite,", "/none"),
        ("any=", "/any"),
        ("any=favorite&any=unread", "/any"),
        ("pinned=yes", "/pinned"),
        ("custom=x", "/custom"),
        ("custom_equals=%00", "/custom_equals"),
        ("type=room", "/type"),
        ("order=newest", "/order"),
        ("limit=0", "/limit"),
        ("limit=11", "/limit"),
        ("limit=x", "/limit"),
        ("grup=work", "/grup"),
    ] {
        list(&app, query).await.assert_problem(400, "bad-request", Some(field));
    }
    list(&app, "group=unknown").await.assert_problem(404, "not-found", None);
    list(&app, "limit=10").await.ok();
}

#[actix_web::test]
async fn deleted_peers_and_deleted_users_are_not_listed() {
    let app = filled().await;
    app.import("bits").await;
    app.import("user0").await;
    app.delete_account("bits").await;
    assert_eq!(listed(&app, "any=favorite").await, ["room"]);
    app.delete_account("user0").await;
    list(&app, "").await.assert_problem(404, "not-found", None);
}
