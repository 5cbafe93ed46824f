//! Writes users of the original to a file.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::ops::Bound;
use std::path::Path;

use anyhow::{Context, bail};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Serialize;

use super::read::read_user;
use super::{FAILURES_MAX, Missing, NAMED_MAX, Original, USERS_AT_ONCE, UserError};
use crate::domain::{SdkAppId, UserId};
use crate::transfer::Progress;
use crate::transfer::export::{Begun, FormWriter, create};
use crate::transfer::form::{Counts, FORMAT, Header, Line, User, VERSION};
use crate::transfer::reading::Place;

/// What a pull has written, and what not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// In the file, also those of earlier runs.
    pub users: u64,
    pub conversations: u64,
    /// Users whom the service does not know.
    pub unknown_count: u64,
    /// The first thousand of them.
    pub unknown: Vec<String>,
    pub missing_count: u64,
    /// The first thousand.
    pub missing: Vec<Missing>,
}

impl Display for Pulled {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { users, conversations, unknown_count, missing_count, .. } = self;
        write!(
            out,
            "{users} users, {conversations} conversations; {unknown_count} users unknown to the source; \
             {missing_count} missing"
        )?;
        for user in &self.unknown {
            write!(out, "\nunknown: {user:?}")?;
        }
        for Missing { user, reason } in &self.missing {
            write!(out, "\nmissing: user {user:?}: {reason}")?;
        }
        Ok(())
    }
}

/// Reads ids of users, one per line.
pub fn read_users(reader: impl std::io::BufRead) -> anyhow::Result<BTreeSet<String>> {
    let mut users = BTreeSet::new();
    for (nr, line) in reader.lines().enumerate() {
        let line = line.context("cannot read the users")?;
        let user = line.trim_end_matches('\r');
        if user.is_empty() {
            continue;
        }
        UserId::parse(user, u32::MAX)
            .map_err(|problem| anyhow::anyhow!("line {}: the user {problem}", nr + 1))?;
        users.insert(user.to_owned());
    }
    if users.is_empty() {
        bail!("there is no user in it");
    }
    Ok(users)
}

/// Reads these users from the service, and writes them to a file: a new one, or the rest of one whose pull was interrupted.
pub async fn pull(
    original: &Original,
    sdk_app_id: SdkAppId,
    users: &BTreeSet<String>,
    path: &Path,
    resumes: bool,
) -> anyhow::Result<Pulled> {
    let named = || path.display().to_string();
    let mut run = Run::new(users.len());
    let (file, Begun { place, counts, .. }, rest) = if resumes {
        run.go_on(original, sdk_app_id, users, path).await?
    } else {
        (create(path)?, Begun::new(users.len()), users.iter().collect())
    };
    let mut writer = FormWriter::new(&file, counts);
    if !resumes {
        writer.header(&header(sdk_app_id, users.len()))?;
    }
    run.skip(users.len() - rest.len());
    let done = run.pull(original, &rest, &mut writer).await;
    run.report.users = writer.counts.users;
    run.report.conversations = writer.counts.conversations;
    if let Err(cause) = done {
        writer.flush()?;
        let (done, total) = (run.done, users.len());
        return Err(cause.context(format!(
            "the pull has stopped: {done} of {total} users are done, those that could be read are in {}; \
             --resume goes on with the rest",
            named()
        )));
    }
    if place != Place::End {
        writer.end()?;
    }
    file.sync_all().with_context(|| format!("cannot write {}", named()))?;
    Ok(run.report)
}

fn header(sdk_app_id: SdkAppId, users: usize) -> Header {
    Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        app: sdk_app_id.number(),
        directory_revision: 0,
        marks: Vec::new(),
        counts: Counts { users: users as u64, ..Counts::default() },
    }
}

struct Run {
    report: Pulled,
    progress: Progress,
    /// Users who are in the file, unknown or missing.
    done: usize,
    /// Users in a row who could not be read.
    failures: usize,
}

impl Run {
    fn new(total: usize) -> Self {
        let report = Pulled {
            users: 0,
            conversations: 0,
            unknown_count: 0,
            unknown: Vec::new(),
            missing_count: 0,
            missing: Vec::new(),
        };
        Self { report, progress: Progress::new("users", total as u64), done: 0, failures: 0 }
    }

    /// Opens the file of a pull that was interrupted, and finds the users who are still to be read.
    ///
    /// Users may not be in the file although later ones are. The service did not know them, or it did not answer; the file does not
    /// tell. So they are asked for again, and the file is cut before the first of them whom the service knows, or who cannot be read.
    async fn go_on<'u>(
        &mut self,
        original: &Original,
        sdk_app_id: SdkAppId,
        users: &'u BTreeSet<String>,
        path: &Path,
    ) -> anyhow::Result<(File, Begun, Vec<&'u String>)> {
        let named = || path.display().to_string();
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let mut file = opened.with_context(|| format!("cannot open {}", named()))?;
        let mut absent: BTreeSet<&String> = users.iter().collect();
        let begun = Begun::find(BufReader::new(&file), sdk_app_id, |line| {
            if let Line::User(user) = line {
                absent.remove(&user.id);
            }
            true
        });
        let mut begun = begun.with_context(named)?;
        let mut rest: Vec<_> = match &begun.place {
            Place::User(last) => {
                users.range::<String, _>((Bound::Excluded(last), Bound::Unbounded)).collect()
            }
            Place::End => return Ok((file, begun, Vec::new())),
            Place::Header | Place::Gone(..) | Place::ChatGroup(_) => users.iter().collect(),
        };
        let skipped = absent.into_iter().take_while(|user| rest.first() != Some(user));
        if let Some(first) = self.first_known(original, &skipped.collect::<Vec<_>>()).await? {
            file.rewind()?;
            let is_before = |line: &Line| !matches!(line, Line::User(user) if user.id > *first);
            begun =
                Begun::find(BufReader::new(&file), sdk_app_id, is_before).with_context(named)?;
            rest = users.range::<String, _>(first..).collect();
        }
        file.set_len(begun.offset).with_context(|| format!("cannot write {}", named()))?;
        file.seek(SeekFrom::End(0))?;
        Ok((file, begun, rest))
    }

    async fn first_known<'u>(
        &mut self,
        original: &Original,
        users: &[&'u String],
    ) -> anyhow::Result<Option<&'u String>> {
        let mut reads = read_all(original, users);
        while let Some((id, read)) = reads.next().await {
            match read {
                Ok(None) => self.note_unknown(id),
                Ok(Some(_)) | Err(UserError::OnlyThis(_)) => return Ok(Some(id)),
                Err(UserError::Fatal(cause)) => bail!("user {id:?}: {cause}"),
            }
        }
        Ok(None)
    }

    /// Users who need not be read.
    fn skip(&mut self, count: usize) {
        self.done += count;
        self.progress.add(count as u64);
    }

    fn note_unknown(&mut self, id: &str) {
        tracing::warn!("the source does not know user {id:?}");
        self.report.unknown_count += 1;
        if self.report.unknown.len() < NAMED_MAX {
            self.report.unknown.push(id.to_owned());
        }
    }

    async fn pull<W: Write>(
        &mut self,
        original: &Original,
        users: &[&String],
        writer: &mut FormWriter<W>,
    ) -> anyhow::Result<()> {
        let mut reads = read_all(original, users);
        while let Some((id, read)) = reads.next().await {
            match read {
                Ok(Some(user)) => {
                    self.failures = 0;
                    writer.line(&Line::User(user))?;
                }
                Ok(None) => {
                    self.failures = 0;
                    self.note_unknown(id);
                }
                Err(UserError::Fatal(cause)) => bail!("user {id:?}: {cause}"),
                Err(UserError::OnlyThis(reason)) => {
                    self.failures += 1;
                    if self.failures >= FAILURES_MAX {
                        self.done -= self.failures - 1;
                        bail!(
                            "{FAILURES_MAX} users in a row could not be read, the last: {reason}"
                        );
                    }
                    tracing::warn!("user {id:?} is missing: {reason}");
                    self.report.missing_count += 1;
                    if self.report.missing.len() < NAMED_MAX {
                        self.report.missing.push(Missing { user: id.clone(), reason });
                    }
                }
            }
            self.done += 1;
            self.progress.add(1);
        }
        Ok(())
    }
}

/// Reads several users at the same time, and yields them in their order.
fn read_all<'u>(
    original: &Original,
    users: &[&'u String],
) -> impl Stream<Item = (&'u String, Result<Option<User>, UserError>)> {
    let reads =
        users.iter().map(move |user| async move { (*user, read_user(original, user).await) });
    stream::iter(reads).buffered(USERS_AT_ONCE)
}
