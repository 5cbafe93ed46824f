//! Who may call the native API.

use actix_web::http::Method;
use earmark::domain::UserAccess;

use super::{Ask, set_user_access};
use crate::support::*;

#[actix_web::test]
async fn a_user_reads_only_their_own_state_and_only_if_the_app_lets_them() {
    let mut app = TestApp::start().await;
    let own = || Ask::get("/users/user0").by("user0");
    own().send(&app).await.assert_problem(403, "forbidden", None);
    for access in [UserAccess::Read, UserAccess::Write] {
        app.change(set_user_access(access)).await;
        // A service that has not read the app yet.
        let address = app.start_another().await;
        own().send_at(&app, address).await.ok();
        let other = Ask::get("/users/user1").by("user0").send_at(&app, address).await;
        other.assert_problem(403, "forbidden", None);
    }
}

#[actix_web::test]
async fn a_caller_without_a_valid_user_sig_is_refused() {
    let app = TestApp::start().await;
    let get = || Ask::get("/users/user0");
    let forged = user_sig("another-secret-key-0123456789", APP, ADMIN);
    for ask in [
        get().without("Authorization"),
        get().with("Authorization", "Basic dXNlcjpwYXNz"),
        get().with("Authorization", "Bearer"),
        get().with("Authorization", "Bearer nonsense"),
        get().with("Authorization", format!("Bearer {forged}")),
    ] {
        ask.send(&app).await.assert_problem(401, "unauthorized", None);
    }
    get()
        .with("Authorization", format!("bearer {}", user_sig(KEY, APP, ADMIN)))
        .send(&app)
        .await
        .ok();
}

#[actix_web::test]
async fn unknown_paths_and_methods_are_problems() {
    let app = TestApp::start().await;
    Ask::get("/nothing").send(&app).await.assert_problem(404, "not-found", None);
    Ask::new(Method::POST, "/users/user0").send(&app).await.assert_problem(405, "method", None);
}
