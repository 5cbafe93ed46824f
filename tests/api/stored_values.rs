//! A stored value that the rules do not know fails the request. It never becomes another value.

use earmark::deadline::Deadline;
use earmark::domain::SdkAppId;
use earmark::service::load_app;
use earmark::store::schema;

use crate::support::*;

/// Without these constraints every value can be stored.
const DROP_CHECKS: &str = "
    ALTER TABLE users DROP CONSTRAINT users_marked_in_room, DROP CONSTRAINT users_rows_counted,
        DROP CONSTRAINT users_forgotten_before_now;
    ALTER TABLE conversations DROP CONSTRAINT conversations_kind_known;
    ALTER TABLE contact_groups DROP CONSTRAINT contact_groups_id_positive;
    ALTER TABLE apps DROP CONSTRAINT apps_limits_sane, DROP CONSTRAINT apps_edition_known";

/// Corrupts the state of a user who has one conversation: marked, pinned, in a contact group. Then the call must fail.
async fn check(app: &TestApp, corrupt: &str, fails: &str) {
    for user in ["bad", "good"] {
        app.call_ok(CREATE, create(user, "work", peers(0, 1))).await;
        app.call_ok(TOP, top(user, 1, peers(0, 1))).await;
        app.mark(user, [set("peer0", 3)]).await.assert_ok();
    }
    let statement = format!("{corrupt} WHERE user_id = 'bad'");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&app.db).await.unwrap();
    for (user, expected) in [("bad", InternalError), ("good", Ok)] {
        let body = match fails {
            CREATE => create(user, "more", peers(0, 1)),
            DEL => del(user, "work"),
            SEARCH => search(user, peers(0, 1)),
            _ => serde_json::json!({ "From_Account": user }),
        };
        app.call(fails, body).await.assert_code(expected);
    }
    for table in ["conversations", "contact_groups", "users"] {
        let clear = format!("DELETE FROM {table}");
        sqlx::query(sqlx::AssertSqlSafe(clear)).execute(&app.db).await.unwrap();
    }
}

#[actix_web::test]
async fn corrupt_state_fails_the_requests_of_its_user() {
    let app = TestApp::start().await;
    sqlx::raw_sql(DROP_CHECKS).execute(&app.db).await.unwrap();
    for column in ["revision", "next_position", "next_group_id", "row_count", "marked"] {
        check(&app, &format!("UPDATE users SET {column} = -1"), CREATE).await;
    }
    for reads in [GET, GET_LIST, SEARCH] {
        check(&app, "UPDATE conversations SET pin_position = -1", reads).await;
        check(&app, "UPDATE conversations SET changed_at = -1", reads).await;
        check(&app, "UPDATE conversations SET group_ids = '{-1}'", reads).await;
    }
    check(&app, "UPDATE conversations SET position = -1", SEARCH).await;
    check(&app, "UPDATE conversations SET kind = 3", GET).await;
    check(&app, "UPDATE conversations SET group_ids = '{-1}'", DEL).await;
    check(&app, "UPDATE contact_groups SET group_id = -1", GET).await;
    check(&app, "UPDATE contact_groups SET group_id = -1", DEL).await;
}

/// The error and its causes.
fn text<T>(result: Result<T, earmark::error::Error>) -> String {
    result.err().map_or_else(String::new, |error| format!("{:#}", anyhow::Error::from(error)))
}

#[actix_web::test]
async fn a_corrupt_app_or_migration_is_an_error_that_names_the_column() {
    let app = TestApp::start().await;
    sqlx::raw_sql(DROP_CHECKS).execute(&app.db).await.unwrap();
    for (corrupt, expected) in [
        ("UPDATE apps SET pinned_max = -1", "apps.pinned_max: -1 is out of range"),
        ("UPDATE apps SET edition = 'gold'", "apps.edition: must be one of trial"),
        ("UPDATE apps SET secret_key = 'short'", "apps.secret_key: must be at least 16 bytes"),
    ] {
        let restore = "UPDATE apps SET pinned_max = 50, edition = 'premium', secret_key = $1";
        sqlx::query(corrupt).execute(&app.db).await.unwrap();
        let (store, id) = (app.partitions.shared().clone(), SdkAppId::new(APP).unwrap());
        let load = async move { load_app(&store, id, Deadline::of_a_request()).await };
        let text = text(on_runtime(load).await);
        assert!(text.contains(expected), "{corrupt}: {text}");
        sqlx::query(restore).bind(KEY).execute(&app.db).await.unwrap();
    }

    let unknown =
        "INSERT INTO refinery_schema_history (version, name, checksum) VALUES (99, 'later', 'x')";
    sqlx::query(unknown).execute(&app.db).await.unwrap();
    let store = app.partitions.shared().clone();
    let plan = async move { schema::plan(&store, Deadline::of_a_request()).await };
    let text = text(on_runtime(plan).await);
    assert!(text.contains("refinery_schema_history.checksum"), "{text}");
}

#[actix_web::test]
async fn each_limit_is_stored_in_its_own_column() {
    let app = TestApp::start().await;
    let mut limits = app.app().await.limits;
    let limits: Vec<_> = limits.named().iter().map(|(name, _)| *name).collect();
    let wanted: Vec<_> = (101..).zip(&limits).map(|(nr, name)| format!("{name}={nr}")).collect();
    app.change(set_limits(&wanted.iter().map(String::as_str).collect::<Vec<_>>())).await;
    assert_eq!(app.app().await.limits.to_string(), wanted.join(" "));
    for (nr, name) in (101..).zip(&limits) {
        let column = format!("SELECT {}_max FROM apps", name.replace('-', "_"));
        let stored: i32 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(column)).fetch_one(&app.db).await.unwrap();
        assert_eq!(stored, nr, "{name}");
    }
}
