//! A running `earmark serve` with an app on it, and a caller.

use std::net::SocketAddr;

use super::{Answer, Connection, Database, Ended, Program, Running, request};

/// The app that the tests call.
pub(crate) const APP: &str = "1400000001";
/// Its secret key.
pub(crate) const KEY: &str = "the-secret-key-of-the-process-tests";

/// A service that listens.
pub(crate) struct Service {
    pub(crate) process: Running,
    pub(crate) api: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Service {
    /// Makes the schema and the app, then serves.
    pub(crate) fn on(database: &Database) -> Self {
        prepare(&database.url);
        Self::start(serve(&database.url))
    }

    /// Waits until it listens.
    #[track_caller]
    pub(crate) fn start(program: Program) -> Self {
        Self::listening(program.start())
    }

    #[track_caller]
    pub(crate) fn listening(process: Running) -> Self {
        let line = process.stderr.line("listening on");
        let address = |name| field(&line, name).parse().unwrap();
        Self { api: address("api"), admin: address("admin"), process }
    }

    pub(crate) fn client(&self) -> Client {
        Client { address: self.api, sig: sig(KEY) }
    }
}

/// `serve` on free ports.
pub(crate) fn serve(url: &str) -> Program {
    Program::earmark(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .env("EARMARK_DATABASE_URL", url)
}

/// `app` on this database.
pub(crate) fn app(url: &str, arguments: &[&str]) -> Ended {
    Program::earmark(["app"]).args(arguments).env("EARMARK_DATABASE_URL", url).run()
}

pub(crate) fn migrate(url: &str) -> Ended {
    Program::earmark(["migrate"]).env("EARMARK_DATABASE_URL", url).run()
}

/// The schema, and the app.
#[track_caller]
pub(crate) fn prepare(url: &str) {
    migrate(url).printed();
    let limit = "calls-per-second=0";
    app(url, &["create", APP, "--directory", "open", "--secret-key", KEY, "--limit", limit])
        .printed();
}

/// A UserSig of the app's admin.
pub(crate) fn sig(key: &str) -> String {
    let made = Program::earmark(["sig", APP]).env("EARMARK_SECRET_KEY", key).run();
    made.printed().trim().to_owned()
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

/// A caller of the API.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) sig: String,
}

impl Client {
    pub(crate) fn path(&self, command: &str) -> String {
        let sig = &self.sig;
        format!("/v4/recentcontact/{command}?sdkappid={APP}&identifier=administrator&usersig={sig}")
    }

    pub(crate) fn call(&self, command: &str, body: &str) -> std::io::Result<Answer> {
        request(self.address, "POST", &self.path(command), body)
    }

    pub(crate) fn mark(&self, user: &str, peer: &str) -> std::io::Result<Answer> {
        self.call("mark_contact", &mark_body(user, peer))
    }

    /// Marks, which must go well.
    #[track_caller]
    pub(crate) fn must_mark(&self, user: &str, peer: &str) {
        let answer = self.mark(user, peer).unwrap();
        assert!(is_marked(&answer), "{answer:?}");
    }

    /// Marks over https; the body of the answer.
    pub(crate) fn mark_over_https(
        &self,
        host: &str,
        https: reqwest::ClientBuilder,
    ) -> Result<String, reqwest::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("https://{host}:{}{}", self.address.port(), self.path("mark_contact"));
        runtime.block_on(async {
            let https = https.build().unwrap();
            https.post(url).body(mark_body("user", "friend")).send().await?.text().await
        })
    }

    /// Sends a mark on a kept connection, without waiting for its answer.
    pub(crate) fn send_mark(&self, connection: &mut Connection, user: &str, peer: &str) {
        connection.send("POST", &self.path("mark_contact"), &mark_body(user, peer)).unwrap();
    }

    /// Everything that the service has for a user's first page.
    #[track_caller]
    pub(crate) fn marks(&self, user: &str) -> String {
        let body = format!(r#"{{"From_Account":"{user}"}}"#);
        let answer = self.call("get_contact_group", &body).unwrap();
        assert!(answer.body.contains(r#""ErrorCode":0"#), "{answer:?}");
        answer.body
    }

    /// The code at the top of the answer to a mark.
    #[track_caller]
    pub(crate) fn mark_code(&self) -> u64 {
        let answer = self.mark("coded", "peer").unwrap();
        code(&answer)
    }
}

pub(crate) fn mark_body(user: &str, peer: &str) -> String {
    format!(
        r#"{{"From_Account":"{user}","MarkItem":[{{"OptType":1,"ContactItem":{{"Type":1,"To_Account":"{peer}"}},"SetMark":[0]}}]}}"#
    )
}

/// The mark is acknowledged: the request and its item.
pub(crate) fn is_marked(answer: &Answer) -> bool {
    answer.status == 200 && code(answer) == 0 && answer.body.contains(r#""ResultCode":0"#)
}

#[track_caller]
pub(crate) fn code(answer: &Answer) -> u64 {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    body["ErrorCode"].as_u64().unwrap()
}
