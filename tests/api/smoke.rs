//! A few quick tests whose names contain `smoke`, to be run on databases of every kind.

use serde_json::json;

use crate::support::*;

#[actix_web::test]
async fn smoke_a_mark_is_stored_bit_63_included() {
    let app = TestApp::start().await;
    let item = json!({ "OptType": 3, "ContactItem": user("user1"), "SetMark": [0, 63], "CustomMark": "abcd" });
    app.mark("user0", [item]).await.assert_ok();
    assert_eq!(app.marks("user0").await, [marked("user1", 1 << 63 | 1, "abcd")]);
}

#[actix_web::test]
async fn smoke_an_imported_account_is_found() {
    let app = TestApp::start().await;
    app.import("user1").await;
    let check = json!({ "CheckItem": [{ "UserID": "user1" }, { "UserID": "stranger" }] });
    let answer = app.call(ACCOUNT_CHECK, check).await;
    assert_eq!(answer["ResultItem"][0]["AccountStatus"], "Imported");
    assert_eq!(answer["ResultItem"][1]["AccountStatus"], "NotImported");
}

#[actix_web::test]
async fn smoke_each_test_has_a_database_of_its_own() {
    let apps = [TestApp::start().await, TestApp::start().await];
    apps[0].mark("user0", [set("user1", 0)]).await.assert_ok();
    assert_eq!((apps[0].marked_count("user0").await, apps[1].marked_count("user0").await), (1, 0));
}
