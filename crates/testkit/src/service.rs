//! A running `earmark serve`, and a client of its API.

use std::io;
use std::net::SocketAddr;

use crate::{
    APP, Answer, Connection, Earmark, Process, SECRET_KEY, request, request_with, wait_until,
};

pub const MARK_CONTACT: &str = "recentcontact/mark_contact";

/// A service that listens.
#[derive(Debug)]
pub struct Service {
    pub process: Process,
    pub api: SocketAddr,
    pub admin: SocketAddr,
    earmark: Earmark,
}

impl Service {
    #[track_caller]
    pub(crate) fn listening(process: Process, earmark: Earmark) -> Self {
        let line = process.stderr.line("listening on");
        let address = |name| field(&line, name).parse().unwrap();
        Self { api: address("api"), admin: address("admin"), process, earmark }
    }

    /// The HTTP status of a path of the admin listener.
    #[track_caller]
    pub fn admin_status(&self, path: &str) -> u16 {
        request(self.admin, "GET", path, "").unwrap().status
    }

    /// Waits until the service notices that it can serve. It checks itself once a second.
    #[track_caller]
    pub fn wait_until_ready(&self) {
        wait_until("the service is ready", || self.admin_status("/readyz") == 200);
    }

    #[track_caller]
    pub fn wait_until_not_ready(&self) {
        wait_until("the service is not ready", || self.admin_status("/readyz") == 503);
    }

    /// A client that calls as the administrator of [`APP`].
    pub fn client(&self) -> Client {
        Client { address: self.api, user_sig: self.earmark.user_sig(SECRET_KEY) }
    }
}

/// The value of a field in a log line of either format.
#[track_caller]
fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let forms = [format!("{name}="), format!("\"{name}\":")];
    let value = line
        .split([' ', ',', '{', '}'])
        .find_map(|word| forms.iter().find_map(|form| word.strip_prefix(form.as_str())));
    value.unwrap_or_else(|| panic!("{name} in {line}")).trim_matches('"')
}

/// A client of the API that calls as an administrator of [`APP`].
#[derive(Clone, Debug)]
pub struct Client {
    pub address: SocketAddr,
    pub user_sig: String,
}

impl Client {
    /// The path and query of a command, such as [`MARK_CONTACT`].
    pub fn path(&self, command: &str) -> String {
        let user_sig = &self.user_sig;
        format!("/v4/{command}?sdkappid={APP}&identifier=administrator&usersig={user_sig}")
    }

    pub fn call(&self, command: &str, body: &str) -> io::Result<Answer> {
        request(self.address, "POST", &self.path(command), body)
    }

    /// Calls a command, and checks that its `ErrorCode` is 0.
    #[track_caller]
    pub fn must_call(&self, command: &str, body: &str) -> Answer {
        let answer = self.call(command, body).unwrap();
        assert_eq!(answer.code(), 0, "{command}: {answer:?}");
        answer
    }

    #[track_caller]
    pub fn must_import(&self, user: &str) {
        self.must_call("im_open_login_svc/account_import", &format!(r#"{{"UserID":"{user}"}}"#));
    }

    pub fn mark(&self, user: &str, peer: &str) -> io::Result<Answer> {
        self.call(MARK_CONTACT, &mark_body(user, peer))
    }

    /// Marks, and checks that the mark was acknowledged.
    #[track_caller]
    pub fn must_mark(&self, user: &str, peer: &str) {
        let answer = self.mark(user, peer).unwrap();
        assert!(answer.is_marked(), "{answer:?}");
    }

    /// Sends a mark on an open connection, and does not wait for the answer.
    pub fn send_mark(&self, connection: &mut Connection, user: &str, peer: &str) {
        connection.send("POST", &self.path(MARK_CONTACT), &mark_body(user, peer)).unwrap();
    }

    /// The body of the user's first page.
    #[track_caller]
    pub fn marks(&self, user: &str) -> String {
        let body = format!(r#"{{"From_Account":"{user}"}}"#);
        self.must_call("recentcontact/get_contact_group", &body).body
    }

    /// Reads from the native API. The path is below `/v1/apps/{app}`.
    #[track_caller]
    pub fn read(&self, path: &str) -> Answer {
        let headers = format!("host: test\r\nauthorization: Bearer {}\r\n", self.user_sig);
        request_with(self.address, "GET", &format!("/v1/apps/{APP}{path}"), &headers, "").unwrap()
    }

    /// The user's cursor of this moment.
    #[track_caller]
    pub fn cursor(&self, user: &str) -> String {
        let answer = self.read(&format!("/users/{user}"));
        answer.json()["cursor"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    /// What is different for the user since a cursor.
    #[track_caller]
    pub fn changes(&self, user: &str, since: &str) -> Answer {
        self.read(&format!("/users/{user}/changes?since={since}"))
    }

    /// The `ErrorCode` that a mark is answered with.
    #[track_caller]
    pub fn mark_code(&self) -> u64 {
        self.mark("coded", "peer").unwrap().code()
    }
}

/// The body of a `mark_contact` that sets bit 0 of one conversation.
pub fn mark_body(user: &str, peer: &str) -> String {
    format!(
        r#"{{"From_Account":"{user}","MarkItem":[{{"OptType":1,"ContactItem":{{"Type":1,"To_Account":"{peer}"}},"SetMark":[0]}}]}}"#
    )
}
