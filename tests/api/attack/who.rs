//! Who may do what, cell by cell: every caller against every command.

use earmark::deadline::Deadline;
use earmark::domain::{SdkAppId, SecretKey};
use earmark::http::{Console, OperatorToken, Operators};
use earmark::service::{AppChange, update_app};

use super::calls::{READING, body, prepare};
use crate::support::*;

const OTHER: i64 = APP + 1;
const OTHER_KEY: &str = "the-key-of-another-app-0123456789";
const DISABLED: i64 = APP + 2;
/// The app's keys after two rotations: the first of all, `KEY`, is gone.
const PREVIOUS_KEY: &str = "the-key-in-its-grace-0123456789abc";
const NEW_KEY: &str = "the-key-of-today-0123456789abcdef";

/// Who calls, and what they are answered: on `recentcontact`, and elsewhere.
type Caller = (&'static str, String, (u64, u64));

/// Everybody who may not call, in the order of the front door.
fn refused() -> Vec<Caller> {
    let good = user_sig(NEW_KEY, APP, ADMIN);
    let without_app = format!("identifier={ADMIN}&usersig={good}");
    let of = |name, code, app, identifier, sig: &str| -> Caller {
        (name, query_of(app, identifier, sig), (code, code))
    };
    let no_admin = |name, identifier| -> Caller {
        let sig = user_sig(NEW_KEY, APP, identifier);
        (name, query_of(APP, identifier, &sig), (50003, 60010))
    };
    let unknown = APP + 9;
    vec![
        ("nobody", String::new(), (60012, 60012)),
        ("no app", without_app.clone(), (60012, 60012)),
        ("an app without a number", format!("sdkappid=&{without_app}"), (60006, 60006)),
        ("an app of another kind", format!("sdkappid={APP}.0&{without_app}"), (60006, 60006)),
        ("no identifier", format!("sdkappid={APP}&usersig={good}"), (60004, 60004)),
        ("no UserSig", format!("sdkappid={APP}&identifier={ADMIN}"), (60004, 60004)),
        of("an empty UserSig", 70002, APP, ADMIN, ""),
        of("an unknown app", 70020, unknown, ADMIN, &user_sig(NEW_KEY, unknown, ADMIN)),
        of("an app that comes first", 70009, OTHER, ADMIN, &format!("{good}&sdkappid={APP}")),
        of("a disabled app", 60016, DISABLED, ADMIN, &user_sig(KEY, DISABLED, ADMIN)),
        of("a broken UserSig", 70003, APP, ADMIN, &good[1..]),
        of(
            "a key of nobody's",
            70009,
            APP,
            ADMIN,
            &user_sig("nobody's-key-0123456789", APP, ADMIN),
        ),
        of("another app's key", 70009, APP, ADMIN, &user_sig(OTHER_KEY, APP, ADMIN)),
        of("another app's admin", 70009, APP, "boss", &user_sig(OTHER_KEY, OTHER, "boss")),
        of("a key that is gone", 70009, APP, ADMIN, &user_sig(KEY, APP, ADMIN)),
        of("another user's UserSig", 70013, APP, ADMIN, &user_sig(NEW_KEY, APP, "user")),
        of("an admin's UserSig", 70013, APP, "user", &good),
        of("a UserSig for another app", 70014, APP, ADMIN, &user_sig(NEW_KEY, OTHER, ADMIN)),
        of("an expired UserSig", 70001, APP, ADMIN, &user_sig_from(0, NEW_KEY, APP, ADMIN)),
        of(
            "one of the key in its grace, expired",
            70001,
            APP,
            ADMIN,
            &user_sig_from(0, PREVIOUS_KEY, APP, ADMIN),
        ),
        no_admin("a user", "user"),
        no_admin("a name that only another app has as an admin", "boss"),
        no_admin("who was an admin", "former"),
        no_admin("the admin in capitals", "Administrator"),
        (
            "the admin with a space",
            query_of(APP, "administrator+", &user_sig(NEW_KEY, APP, "administrator ")),
            (50003, 60010),
        ),
    ]
}

fn allowed() -> Vec<(&'static str, String)> {
    let of = |key, identifier| query_of(APP, identifier, &user_sig(key, APP, identifier));
    vec![
        ("the admin", of(NEW_KEY, ADMIN)),
        ("the admin with the key in its grace", of(PREVIOUS_KEY, ADMIN)),
        ("the second admin", of(NEW_KEY, "second")),
    ]
}

/// The app with its history, another app, and one that is disabled.
async fn start() -> TestApp {
    let app = TestApp::start().await;
    app.add_app(OTHER, OTHER_KEY).await;
    app.add_app(DISABLED, KEY).await;
    let change = async |number, change| {
        let (store, number) = (app.store.clone(), SdkAppId::new(number).unwrap());
        on_runtime(
            async move { update_app(&store, number, change, Deadline::of_a_request()).await },
        )
        .await
        .unwrap()
        .unwrap();
    };
    change(OTHER, AppChange::AddAdmin("boss".to_owned())).await;
    change(DISABLED, disabled(true)).await;
    for key in [PREVIOUS_KEY, NEW_KEY] {
        change(APP, AppChange::RotateKey(SecretKey::parse(key).unwrap())).await;
    }
    for admin in ["second", "former"] {
        change(APP, AppChange::AddAdmin(admin.to_owned())).await;
    }
    change(APP, AppChange::RemoveAdmin("former".to_owned())).await;
    let (_, admin) = allowed().swap_remove(0);
    prepare(allowed().len(), "a text", async |command, body| {
        let answer = app.ask(command, &admin, body).await;
        assert_eq!(outcome(&answer).0, 0, "{command}: {answer}");
        answer
    })
    .await;
    app
}

/// Every command, from the one list of them that is published.
fn commands() -> Vec<String> {
    let mut commands: Vec<_> = document::calls().map(|(command, _)| command).collect();
    commands.sort();
    let mut known = COMMANDS.to_vec();
    known.sort_unstable();
    assert_eq!(commands, known);
    commands
}

#[actix_web::test]
async fn whoever_may_not_call_is_told_so_and_changes_nothing() {
    let app = start().await;
    let before = app.all_rows().await;
    for (caller, query, (code, code_elsewhere)) in refused() {
        for command in commands() {
            let expected =
                if command.starts_with("recentcontact/") { code } else { code_elsewhere };
            let answer = app.ask(&command, &query, body(&command, 0)).await;
            assert_eq!(failure(&answer).0, expected, "{command} by {caller}: {answer}");
        }
        assert_eq!(app.all_rows().await, before, "{caller}");
    }
}

/// The bodies above are no idle ones: whoever may call changes something with each.
#[actix_web::test]
async fn whoever_may_call_does_what_the_command_does() {
    let app = start().await;
    for (number, (caller, query)) in allowed().into_iter().enumerate() {
        for command in commands() {
            let before = app.all_rows().await;
            let answer = app.ask(&command, &query, body(&command, number)).await;
            let (code, items) = outcome(&answer);
            let is_good = code == 0 && items.iter().all(|code| *code == 0);
            assert!(is_good, "{command} by {caller}: {answer}");
            let has_changed = app.all_rows().await != before;
            assert_eq!(has_changed, !READING.contains(&&*command), "{command} by {caller}");
        }
    }
}

/// Whoever may use the API may not use the operators', nor the other way round. The operators' token has no scope.
#[actix_web::test]
async fn admins_of_apps_are_no_operators() {
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
        ("POST /admin/v1/apps/1400000001/retire-key", "{}"),
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
    assert_eq!(app.ask(GET, &query, body(GET, 0)).await["ErrorCode"], 70003);
}
