//! Makes users of the original the same as those of a file.
//!
//! Each user is read first, and only what differs is sent. So a push that was interrupted is run again.

use std::fmt::{self, Display, Formatter};
use std::io::BufRead;

use anyhow::Context;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;

use super::sync::push_user;
use super::{FAILURES_MAX, Missing, NAMED_MAX, Original, USERS_AT_ONCE, UserError};
use crate::transfer::form::{Line, User};
use crate::transfer::{FileProblem, FormReader, Progress};

/// What a push has done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Pushed {
    /// Users to whom something was sent.
    pub changed: u64,
    /// Users who had the same state already.
    pub unchanged: u64,
    /// Contact groups that have another id than in the file: the service chooses ids.
    pub renumbered: u64,
    /// Chat groups and deletions of the file, which are not pushed.
    pub not_pushed: u64,
    pub missing_count: u64,
    /// The first thousand.
    pub missing: Vec<Missing>,
}

impl Display for Pushed {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { changed, unchanged, renumbered, not_pushed, missing_count, .. } = self;
        write!(
            out,
            "{changed} users changed, {unchanged} unchanged; {renumbered} contact groups have another id; \
             {not_pushed} chat groups and deletions are not pushed; {missing_count} missing"
        )?;
        for Missing { user, reason } in &self.missing {
            write!(out, "\nmissing: user {user:?}: {reason}")?;
        }
        Ok(())
    }
}

impl Pushed {
    fn add_missing(&mut self, user: &str, reason: String) {
        tracing::warn!("user {user:?}, missing: {reason}");
        self.missing_count += 1;
        if self.missing.len() < NAMED_MAX {
            self.missing.push(Missing { user: user.to_owned(), reason });
        }
    }
}

/// Sends the users of a file.
pub async fn push(original: &Original, reader: impl BufRead) -> anyhow::Result<Pushed> {
    let mut file = FormReader::open(reader)?;
    let mut progress = Progress::new("users", file.header.counts.users);
    let mut report = Pushed::default();
    let (mut last, mut failures) = (None, 0);
    loop {
        let (users, problems) = next_users(&mut file, &mut report)?;
        for problem in problems {
            report.add_missing(&problem.about.clone(), problem.to_string());
        }
        if users.is_empty() {
            return Ok(report);
        }
        let ids: Vec<String> = users.iter().map(|user| user.id.clone()).collect();
        let sent = stream::iter(users).map(|user| async move { push_user(original, &user).await });
        let sent: Vec<_> = sent.buffered(USERS_AT_ONCE).collect().await;
        for (id, sent) in ids.iter().zip(sent) {
            let stopped = || {
                let last = last.as_ref().map_or("none".to_owned(), |last| format!("{last:?}"));
                format!(
                    "the push has stopped at user {id:?}, the last one that is done is {last}; run it again, it sends \
                     only what differs"
                )
            };
            match sent {
                Ok(sent) => {
                    failures = 0;
                    report.changed += u64::from(sent.calls > 0);
                    report.unchanged += u64::from(sent.calls == 0);
                    report.renumbered += sent.renumbered;
                    for reason in sent.refused {
                        report.add_missing(id, reason);
                    }
                }
                Err(UserError::Fatal(cause)) => {
                    return Err(anyhow::anyhow!(cause).context(stopped()));
                }
                Err(UserError::OnlyThis(cause)) => {
                    failures += 1;
                    if failures >= FAILURES_MAX {
                        let many =
                            format!("{FAILURES_MAX} users in a row failed, the last: {cause}");
                        return Err(anyhow::anyhow!(many).context(stopped()));
                    }
                    report.add_missing(id, cause);
                }
            }
            last = Some(id.clone());
            progress.add(1);
        }
    }
}

/// The next users of the file, as many as are sent at the same time.
fn next_users<R: BufRead>(
    file: &mut FormReader<R>,
    report: &mut Pushed,
) -> anyhow::Result<(Vec<User>, Vec<FileProblem>)> {
    let (mut users, mut problems) = (Vec::new(), Vec::new());
    while users.len() < USERS_AT_ONCE {
        match file.next_line().context("cannot read the file")? {
            None => break,
            Some(Ok((_, Line::User(user)))) => users.push(user),
            Some(Ok((_, Line::Gone(_) | Line::ChatGroup(_)))) => report.not_pushed += 1,
            Some(Ok((_, Line::End(_)))) => {}
            Some(Err(problem)) => problems.push(problem),
        }
    }
    Ok((users, problems))
}
