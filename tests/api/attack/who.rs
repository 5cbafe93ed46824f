//! Who may call: every kind of caller tries every command.

use earmark::deadline::Deadline;
use earmark::domain::{SdkAppId, SecretKey};
use earmark::http::{Console, OperatorToken, Operators};
use earmark::service::{AppChange, update_app};

use super::calls::{READING, body, prepare};
use crate::support::document;
use crate::support::*;

const OTHER: i64 = APP + 1;
const OTHER_KEY: &str = "the-key-of-another-app-0123456789";
const DISABLED: i64 = APP + 2;
const UNKNOWN: i64 = APP + 9;
/// The app's keys after two rotations. The first key, `KEY`, is not valid any more.
const PREVIOUS_KEY: &str = "the-previous-key-0123456789abcdef";
const NEW_KEY: &str = "the-current-key-0123456789abcdefg";

/// A name for the caller, the caller's query, and the code of the refusal.
type Caller = (&'static str, String, Code);

/// Callers who may not call.
fn refused_callers() -> Vec<Caller> {
    [callers_without_a_usersig(), callers_with_a_bad_usersig(), callers_who_are_no_admins()]
        .concat()
}

fn callers_without_a_usersig() -> Vec<Caller> {
    let sig = user_sig(NEW_KEY, APP, ADMIN);
    let without_app = format!("identifier={ADMIN}&usersig={sig}");
    vec![
        ("no query", String::new(), SdkAppIdMissing),
        ("no app", without_app.clone(), SdkAppIdMissing),
        ("an app without a number", format!("sdkappid=&{without_app}"), SdkAppIdInvalid),
        ("an app of another kind", format!("sdkappid={APP}.0&{without_app}"), SdkAppIdInvalid),
        ("no identifier", format!("sdkappid={APP}&usersig={sig}"), CallerMissing),
        ("no UserSig", format!("sdkappid={APP}&identifier={ADMIN}"), CallerMissing),
        ("an empty UserSig", query_of(APP, ADMIN, ""), UserSigEmpty),
    ]
}

fn callers_with_a_bad_usersig() -> Vec<Caller> {
    let admin_with = |sig: &str| query_of(APP, ADMIN, sig);
    let good = user_sig(NEW_KEY, APP, ADMIN);
    let two_apps = format!("{good}&sdkappid={APP}");
    let unknown = user_sig(NEW_KEY, UNKNOWN, ADMIN);
    let disabled = user_sig(KEY, DISABLED, ADMIN);
    let no_key = user_sig("key-of-no-app-0123456789", APP, ADMIN);
    let other_key = user_sig(OTHER_KEY, APP, ADMIN);
    let other_admin = user_sig(OTHER_KEY, OTHER, "boss");
    let old_key = user_sig(KEY, APP, ADMIN);
    let other_user = user_sig(NEW_KEY, APP, "user");
    let other_app = user_sig(NEW_KEY, OTHER, ADMIN);
    let expired = user_sig_from(0, NEW_KEY, APP, ADMIN);
    let expired_previous = user_sig_from(0, PREVIOUS_KEY, APP, ADMIN);
    vec![
        ("an unknown app", query_of(UNKNOWN, ADMIN, &unknown), UnknownApp),
        ("two apps in the query", query_of(OTHER, ADMIN, &two_apps), UserSigForged),
        ("a disabled app", query_of(DISABLED, ADMIN, &disabled), AppDisabled),
        ("a broken UserSig", admin_with(&good[1..]), UserSigUnreadable),
        ("a key of no app", admin_with(&no_key), UserSigForged),
        ("another app's key", admin_with(&other_key), UserSigForged),
        ("another app's admin", query_of(APP, "boss", &other_admin), UserSigForged),
        ("a key that was rotated twice", admin_with(&old_key), UserSigForged),
        ("another user's UserSig", admin_with(&other_user), UserSigOfOtherUser),
        ("an admin's UserSig", query_of(APP, "user", &good), UserSigOfOtherUser),
        ("a UserSig for another app", admin_with(&other_app), UserSigOfOtherApp),
        ("an expired UserSig", admin_with(&expired), UserSigExpired),
        ("an expired UserSig of the previous key", admin_with(&expired_previous), UserSigExpired),
    ]
}

fn callers_who_are_no_admins() -> Vec<Caller> {
    let with_own_sig = |name, identifier| -> Caller {
        (name, query_of(APP, identifier, &user_sig(NEW_KEY, APP, identifier)), NotAdmin)
    };
    let space = user_sig(NEW_KEY, APP, "administrator ");
    vec![
        with_own_sig("a user", "user"),
        with_own_sig("a name that only another app has as an admin", "boss"),
        with_own_sig("a removed admin", "former"),
        with_own_sig("the admin in capitals", "Administrator"),
        ("the admin with a space", query_of(APP, "administrator+", &space), NotAdmin),
    ]
}

fn admins() -> Vec<(&'static str, String)> {
    let of = |key, identifier| query_of(APP, identifier, &user_sig(key, APP, identifier));
    vec![
        ("the admin", of(NEW_KEY, ADMIN)),
        ("the admin with the previous key", of(PREVIOUS_KEY, ADMIN)),
        ("the second admin", of(NEW_KEY, "second")),
    ]
}

/// Starts a service with an app whose keys and admins have changed, another app, and a disabled app.
async fn start() -> TestApp {
    let app = TestApp::start().await;
    app.add_app(OTHER, OTHER_KEY).await;
    app.add_app(DISABLED, KEY).await;
    let change = async |number, change| {
        let (partitions, number) = (app.partitions.clone(), SdkAppId::new(number).unwrap());
        on_runtime(async move {
            update_app(&partitions, number, change, None, Deadline::of_a_request()).await
        })
        .await
        .unwrap()
        .unwrap();
    };
    change(OTHER, AppChange::AddAdmin("boss".to_owned())).await;
    change(DISABLED, set_disabled(true)).await;
    for key in [PREVIOUS_KEY, NEW_KEY] {
        let key = SecretKey::parse(key).unwrap();
        change(APP, AppChange::RotateKey { key, force: true }).await;
    }
    for admin in ["second", "former"] {
        change(APP, AppChange::AddAdmin(admin.to_owned())).await;
    }
    change(APP, AppChange::RemoveAdmin("former".to_owned())).await;
    let (_, admin) = admins().swap_remove(0);
    prepare(admins().len(), "a text", async |command, body| {
        let answer = app.call_as(command, &admin, body).await;
        answer.assert_code(Ok);
        answer
    })
    .await;
    app
}

#[actix_web::test]
async fn the_calls_of_callers_who_are_no_admins_are_refused_and_change_nothing() {
    let app = start().await;
    let before = app.all_rows().await;
    for (caller, query, code) in refused_callers() {
        for command in document::commands() {
            let is_of_directory = !command.starts_with("recentcontact/");
            let code = if code == NotAdmin && is_of_directory { NotAdminOfDirectory } else { code };
            let answer = app.call_as(command, &query, body(command, 0)).await;
            assert_eq!(answer.code(), code, "{caller}: {answer}");
        }
        assert_eq!(app.all_rows().await, before, "{caller}");
    }
}

/// The same bodies have an effect if an admin sends them, so the test above would notice a call that is not refused.
#[actix_web::test]
async fn the_calls_of_admins_succeed_and_have_an_effect() {
    let app = start().await;
    for (number, (caller, query)) in admins().into_iter().enumerate() {
        for command in document::commands() {
            let before = app.all_rows().await;
            let answer = app.call_as(command, &query, body(command, number)).await;
            answer.assert_ok();
            let has_changed = app.all_rows().await != before;
            assert_eq!(has_changed, !READING.contains(&command), "{command} by {caller}");
        }
    }
}

/// An admin of an app may not use the admin API, and the operators' token is no UserSig.
#[actix_web::test]
async fn admins_of_apps_may_not_use_the_admin_api() {
    let mut app = start().await;
    let token = "operator-token-of-the-attacks";
    let operators = Operators::WithToken(OperatorToken::parse(token).unwrap());
    let front = Front { console: Console::On, operators, ..Front::default() };
    let at = app.start_front(front).await;
    let before = app.all_rows().await;
    let sig = user_sig(NEW_KEY, APP, ADMIN);
    let json = "content-type: application/json\r\n";
    for (line, body) in [
        ("GET /admin/v1/apps", ""),
        ("POST /admin/v1/apps", r#"{"sdkappid":5}"#),
        ("GET /admin/v1/apps/1400000001", ""),
        ("PATCH /admin/v1/apps/1400000001", r#"{"directory":"strict"}"#),
        ("POST /admin/v1/apps/1400000001/rotate-key", "{}"),
        ("DELETE /admin/v1/apps/1400000001/keys/1", ""),
        ("PUT /admin/v1/apps/1400000001/admins/user", ""),
        ("DELETE /admin/v1/apps/1400000001/admins/second", ""),
    ] {
        for shown in [&sig, NEW_KEY, ADMIN, ""] {
            for at in [at.api, at.admin.unwrap()] {
                let headers = format!("{json}authorization: Bearer {shown}\r\n");
                let asked = format!("{line}?{}", query_of(APP, ADMIN, &sig));
                for headers in [json, &headers] {
                    let page = Page::ask(at, "h", &asked, headers, body).await;
                    assert_eq!(page.status, 401, "{line}: {page:?}");
                }
            }
        }
    }
    assert_eq!(app.all_rows().await, before);
    let query = query_of(APP, ADMIN, token);
    app.call_as(GET, &query, body(GET, 0)).await.assert_code(UserSigUnreadable);
}
