//! Which partition a session is for, and on which server that partition is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::SecretString;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::open::ConnectError;
use super::session::Usage;
use super::texts::ask_identity;

/// The schema of a partition, if there are several.
pub(in crate::store) fn schema_name(number: u16) -> String {
    format!("partition_{number}")
}

/// What the row of `partition_identity` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Identity {
    pub(in crate::store) database_id: String,
    pub(in crate::store) count: u16,
}

/// A server, as Citus names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

/// Where Citus has a partition. Shared by the pools of all threads.
#[derive(Debug, Clone)]
pub(in crate::store) struct Place(Arc<RwLock<Node>>);

impl Place {
    pub(in crate::store) fn new(node: Node) -> Self {
        Self(Arc::new(RwLock::new(node)))
    }

    pub(in crate::store) fn node(&self) -> Node {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// New sessions are opened there. The fence closes the others as soon as one of the new has learned that its server is another
    /// one. Until then the old server forwards their statements.
    pub(in crate::store) fn move_to(&self, node: Node) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = node;
    }
}

/// The partition that the sessions of a pool work in.
#[derive(Debug, Clone)]
pub(in crate::store) struct Partition {
    pub(in crate::store) number: u16,
    /// `None` while the partition is being created.
    identity: Option<Identity>,
    /// `None` without Citus.
    pub(in crate::store) place: Option<Place>,
}

impl Partition {
    pub(in crate::store) fn new(
        number: u16,
        identity: Option<Identity>,
        place: Option<Place>,
    ) -> Self {
        Self { number, identity, place }
    }

    pub(super) fn is(&self, number: u16, identity: &Identity) -> bool {
        self.number == number && self.identity.as_ref() == Some(identity)
    }

    pub(super) fn is_checked(&self) -> bool {
        self.identity.is_some()
    }

    /// Checks that the session is in this partition and in no other, since an address, and a partition map, may lead anywhere. Checks
    /// as well that the server that has its rows keeps what it acknowledges.
    pub(super) async fn check(
        &self,
        connection: &mut PgConnection,
        usage: &mut Usage,
        allows_unsafe: bool,
    ) -> Result<(), ConnectError> {
        let Some(expected) = &self.identity else { return Ok(()) };
        let asked = sqlx::raw_sql(ask_identity(self.number)).fetch_optional(connection);
        let row = usage.wait(asked).await?;
        let other = || ConnectError::OtherPartition(self.number);
        let row = row.ok_or_else(other)?;
        let found = Identity {
            database_id: row.try_get("database_id")?,
            count: u16::try_from(row.try_get::<i32, _>("count")?).unwrap_or_default(),
        };
        if found != *expected || row.try_get::<i32, _>("number")? != i32::from(self.number) {
            return Err(other());
        }
        if !row.try_get::<bool, _>("is_crash_safe")? && !allows_unsafe {
            return Err(ConnectError::NotCrashSafe);
        }
        // Without Citus, the session is with this server, and whether it has our settings is checked again and again.
        if self.place.is_some() && !row.try_get::<bool, _>("is_durable")? {
            return Err(ConnectError::NotDurable(self.number));
        }
        Ok(())
    }
}

/// Reads the URL of a partition from the map; `None` if the map does not name the partition. The error quotes no URL.
pub(super) async fn read_map(file: &Path, number: u16) -> Result<Option<SecretString>, String> {
    let name = || format!("the partition map {}", file.display());
    let text = tokio::fs::read_to_string(file).await;
    let text = text.map_err(|error| format!("cannot read {}: {error}", name()))?;
    let urls = parse_map(&text).map_err(|problem| format!("{} {problem}", name()))?;
    Ok(urls.get(&number).cloned())
}

/// Parses `{"0-2": "postgres://…", "3": "postgres://…"}`. The error is the rest of a sentence.
fn parse_map(text: &str) -> Result<BTreeMap<u16, SecretString>, String> {
    const FORM: &str =
        r#"must be JSON of the form {"0-2": "postgres://user@host/database", "3": "postgres://…"}"#;
    // serde_json's own errors quote values, which may hold passwords.
    let ranges: BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|_| FORM.to_owned())?;
    let mut urls = BTreeMap::new();
    for (range, url) in ranges {
        let (first, last) = range.split_once('-').unwrap_or((&range, &range));
        let numbers = first.trim().parse::<u16>().ok().zip(last.trim().parse::<u16>().ok());
        let (first, last) = numbers.filter(|(first, last)| first <= last).ok_or_else(|| {
            format!("has the key {range:?}: expected a number or a range like 0-2")
        })?;
        for number in first..=last {
            if urls.insert(number, url.as_str().into()).is_some() {
                return Err(format!("names partition {number} twice"));
            }
        }
    }
    Ok(urls)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[(u16, &str)], &str>) {
        let found = parse_map(text).map(|urls| {
            let plain =
                |(number, url): (u16, SecretString)| (number, url.expose_secret().to_owned());
            urls.into_iter().map(plain).collect::<Vec<_>>()
        });
        let own = |urls: &[(u16, &str)]| -> Vec<(u16, String)> {
            urls.iter().map(|(number, url)| (*number, (*url).to_owned())).collect()
        };
        assert_eq!(found, expected.map(own).map_err(str::to_owned), "{text}");
    }

    #[test]
    fn a_map_names_a_url_for_each_number_of_a_range() {
        check("{}", Ok(&[]));
        check(r#"{"0-1": "a", "3": "b"}"#, Ok(&[(0, "a"), (1, "a"), (3, "b")]));
    }

    #[test]
    fn what_is_wrong_with_a_map_is_said_without_its_urls() {
        const FORM: &str = r#"must be JSON of the form {"0-2": "postgres://user@host/database", "3": "postgres://…"}"#;
        check("postgres://user:secret@host", Err(FORM));
        check(r#"["secret"]"#, Err(FORM));
        check(r#"{"0": 1}"#, Err(FORM));
        check(r#"{"0-1": "a", "1": "b"}"#, Err("names partition 1 twice"));
        check(r#"{"x": "a"}"#, Err(r#"has the key "x": expected a number or a range like 0-2"#));
        check(
            r#"{"2-1": "a"}"#,
            Err(r#"has the key "2-1": expected a number or a range like 0-2"#),
        );
    }
}
