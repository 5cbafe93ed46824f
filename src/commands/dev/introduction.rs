//! What `dev` says when it is ready: to people, and to programs.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::super::unix_now;
use super::apps::ADMIN;
use crate::domain::{App, SecretKey};
use crate::http::user_sig::UserSig;

const SIG_LIFETIME_S: u64 = 180 * 24 * 3600;
const READ: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const MARK: &str = r#"{"From_Account":"user0","MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user1"},"SetMark":[0,32],"CustomMark":"abcd"}]}"#;

pub(super) struct Introduction<'a> {
    /// Where a client on this machine finds the service.
    pub(super) url: SocketAddr,
    pub(super) listen: SocketAddr,
    pub(super) app: &'a App,
    /// The token for the admin API and the console.
    pub(super) token: &'a SecretKey,
    pub(super) key_file: &'a Path,
    /// PostgreSQL, and how to look inside.
    pub(super) about: &'a str,
}

/// The line of `--json`. Programs read it, so a field keeps its name and its meaning.
#[derive(Serialize)]
struct Line<'a> {
    url: String,
    listen: SocketAddr,
    app: i64,
    admin: &'a str,
    key: &'a str,
    user_sig: String,
    token: &'a str,
}

impl Introduction<'_> {
    fn user_sig(&self) -> String {
        let App { sdk_app_id, key, .. } = self.app;
        UserSig::sign(&key.secret, *sdk_app_id, ADMIN, unix_now(), SIG_LIFETIME_S)
    }

    pub(super) fn json(&self) -> String {
        let line = Line {
            url: format!("http://{}", self.url),
            listen: self.listen,
            app: self.app.sdk_app_id.number(),
            admin: ADMIN,
            key: self.app.key.secret.reveal(),
            user_sig: self.user_sig(),
            token: self.token.reveal(),
        };
        // Texts and numbers can always be written as JSON.
        serde_json::to_string(&line).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        let Self { url, app, about, .. } = self;
        let (number, sig) = (app.sdk_app_id, self.user_sig());
        let curl = |command: &str, body: &str| {
            format!(
                "curl 'http://{url}/v4/recentcontact/{command}?sdkappid={number}\
                 &identifier={ADMIN}&usersig={sig}&random=1&contenttype=json' -d '{body}'"
            )
        };
        format!(
            "earmark listens on http://{url}\n\
             \x20 console on http://{url}/console?token={}\n\
             \x20 app {number}, admin {ADMIN}, secret key in {}\n\
             \x20 {about}\n\
             \n\
             Mark a conversation of user0:\n\
             \n\
             {}\n\
             \n\
             Read back what user0 has:\n\
             \n\
             {}\n\
             \n\
             In a second terminal, hear of each change of user0:\n\
             \n\
             curl --no-buffer 'http://{url}/v1/apps/{number}/users/user0/events' -H 'Authorization: Bearer {sig}'\n",
            self.token.reveal(),
            self.key_file.display(),
            curl("mark_contact", MARK),
            curl("get_contact_group", READ),
        )
    }
}
