//! Texts with a meaning in SQL, formats, JSON or Unicode. The service stores every text unchanged in every place, and
//! confuses no text with another one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::*;

/// Texts that were chosen by hand.
const CHOSEN: &[&str] = &[
    "'",
    "''",
    "\"",
    "`",
    ";",
    "--",
    "/*",
    "*/",
    "\\",
    "\\\\",
    "\\'",
    "$1",
    "$$",
    ":a",
    "?",
    "%",
    "_",
    "%s%n",
    "{}",
    "{0}",
    "{",
    "}",
    ",",
    "{a,b}",
    "{NULL}",
    "NULL",
    "null",
    "\"null\"",
    "true",
    "0",
    "-0",
    "1e1",
    "' OR 1=1 --",
    "'; DROP TABLE users; --",
    "\\x41",
    "E'\\\\'",
    "(a,b)",
    "&",
    "<b>",
    "&amp;",
    "../..",
    "~",
    "#",
    "=1+1",
    "\t",
    "\n",
    "\r\n",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\\u0041",
    "\\n",
    " ",
    "  ",
    " a",
    "a ",
    "a",
    "A",
    // Two spellings of one letter, and letters that some languages treat as equal.
    "é",
    "e\u{301}",
    "É",
    "ß",
    "ss",
    "ẞ",
    "ı",
    "i",
    "İ",
    "I",
    "ﬁ",
    "fi",
    "Å",
    "\u{212b}",
    "Ω",
    "\u{2126}",
    // Directions, joiners, marks, code points that are no characters, and the limits of the ranges.
    "\u{202e}abc",
    "\u{200b}",
    "\u{200d}",
    "\u{feff}",
    "\u{fe0f}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{fdd0}",
    "\u{d7ff}",
    "\u{e000}",
    "👩‍👩‍👧",
    "🇩🇪",
    "\u{10ffff}",
    "a\u{300}\u{301}\u{302}",
];

/// The chosen texts, and some of every plane of Unicode. All are short enough for every field: 32 bytes.
fn texts() -> Vec<String> {
    let of_planes = (0..=16).flat_map(|plane| {
        let first = u32::from(plane == 0) * 0x3042;
        [0x1_0000 * plane + first, 0x1_0000 * plane + 0xfffd, 0x1_0000 * plane + 0xfffe]
            .into_iter()
            .filter_map(char::from_u32)
            .map(String::from)
    });
    let all: BTreeSet<String> =
        CHOSEN.iter().map(|text| (*text).to_owned()).chain(of_planes).collect();
    all.into_iter().collect()
}

#[actix_web::test]
async fn a_text_is_stored_unchanged_in_every_field() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let texts = texts();
    for text in &texts {
        let item = |contact_item: Value| json!({ "OptType": 2, "ContactItem": contact_item, "CustomMark": text });
        let items = [item(user(text)), item(chat_group(text))];
        app.mark(text, items).await.assert_ok();
        app.call_ok(CREATE, create(text, text, [user(text), chat_group(text)])).await;
        app.call_ok(TOP, top(text, 1, [user(text)])).await;
    }
    for text in &texts {
        assert_eq!(app.contact_groups(text).await, [(text.clone(), 1)], "{text:?}");
        for contact_item in [user(text), chat_group(text)] {
            let shown = app.search_one(text, &contact_item).await;
            assert_eq!(peer_of(&shown), text);
            assert_eq!(shown["CustomMark"], **text);
        }
    }
    let stored: Vec<[String; 4]> = sqlx::query_as(
        "SELECT c.user_id, c.peer_id, c.custom_mark, g.name FROM conversations c
        JOIN contact_groups g USING (sdk_app_id, user_id)",
    )
    .fetch_all(&app.db)
    .await
    .unwrap()
    .into_iter()
    .map(|row: (String, String, String, String)| [row.0, row.1, row.2, row.3])
    .collect();
    assert_eq!(stored.len(), 2 * texts.len());
    assert!(
        stored.iter().all(|[user, peer, custom, name]| [peer, custom, name]
            .iter()
            .all(|text| *text == user))
    );
    let users: BTreeSet<_> = stored.iter().map(|[user, ..]| user.clone()).collect();
    assert_eq!(users.into_iter().collect::<Vec<_>>(), texts);
}

#[actix_web::test]
async fn the_texts_of_one_user_are_distinguished_byte_for_byte() {
    let app = TestApp::with_limits(&["groups=1000"]).await;
    let texts = texts();
    for text in &texts {
        let item = json!({ "OptType": 2, "ContactItem": user(text), "CustomMark": text });
        app.mark("user0", [item]).await.assert_ok();
        app.call_ok(CREATE, create("user0", text, EMPTY)).await;
    }
    let marks = app.marks("user0").await;
    let expected: Vec<_> = texts.iter().map(|text| marked(text, 0, text)).collect();
    assert_eq!(marks, expected);
    let names: BTreeSet<String> =
        app.contact_groups("user0").await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), texts);
}

#[actix_web::test]
async fn the_names_in_the_directory_are_stored_unchanged() {
    let app = TestApp::start().await;
    for text in texts() {
        let account = json!({ "UserID": text, "Nick": text, "FaceUrl": text });
        app.call_ok(ACCOUNT_IMPORT, account).await;
    }
    let stored: Vec<(String, String, String)> =
        sqlx::query_as("SELECT user_id, nick, face_url FROM accounts")
            .fetch_all(&app.db)
            .await
            .unwrap();
    assert!(stored.iter().all(|(user, nick, face)| user == nick && user == face));
    let users: BTreeSet<_> = stored.into_iter().map(|(user, ..)| user).collect();
    assert_eq!(users.into_iter().collect::<Vec<_>>(), texts());

    let short: Vec<_> = texts().into_iter().filter(|text| text.len() <= 30).collect();
    for (nr, text) in short.iter().enumerate() {
        let body = json!({ "Type": "Public", "GroupId": format!("g{nr:03}"), "Name": text });
        app.call_ok(CREATE_CHAT_GROUP, body).await;
    }
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM chat_groups ORDER BY group_id")
        .fetch_all(&app.db)
        .await
        .unwrap();
    assert_eq!(names, short);
}
