//! Writes a file into an app.
//!
//! A line is stored whole or not at all. Lines of one kind share transactions, as writes of the service do. What is stored already
//! is left alone, so an import that was interrupted is run again from the beginning.

mod report;
mod users;

use std::io::BufRead;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::sleep;

pub use report::{Changes, Report};

use super::form::{self, FieldProblem, Line, PeerType};
use super::reading::{Numbered, Place};
use super::{FileProblem, FormReader, Progress};
use crate::audit::{Action, Operator};
use crate::deadline::Deadline;
use crate::domain::{
    App, ChatGroup, Color, MarkBit, MarkName, MarkNames, NamedMark, SdkAppId, UserId,
};
use crate::error::Error;
use crate::service::{self, AppChange};
use crate::store::transfer::{self as rows, GoneMember};
use crate::store::{Partitions, Store, Tx};
use users::FileUser;

/// Lines that share a transaction.
const BATCH_LINES: usize = 500;
/// Conversations that share a transaction, if it is of more than one user.
const BATCH_CONVERSATIONS: usize = 5000;
/// How often a transaction is tried that the database gave up, because another writer held a lock for too long, for example.
const TRIES: u32 = 3;
/// Between two of them.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// How long a change of the directory may take to reach all partitions.
const COPY_TIME: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct Options {
    /// Roll everything back, and only say what would change.
    pub dry_run: bool,
    /// Import nothing but this user, who must be in the file.
    pub user: Option<UserId>,
    /// The time of the import, in Unix seconds.
    pub now: u64,
    /// Who imports, for the audit trail.
    pub operator: Operator,
}

impl Options {
    fn take(&self, line: &Line) -> bool {
        let Some(wanted) = self.user.as_ref().map(UserId::as_str) else { return true };
        match line {
            Line::Gone(gone) => gone.kind == PeerType::User && gone.id == wanted,
            Line::ChatGroup(_) => false,
            Line::User(user) => user.id == wanted,
            Line::End(_) => true,
        }
    }
}

/// Imports a file into an app that exists. What does not fit is in the report; an error ends the import.
pub async fn import(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    reader: impl BufRead,
    options: Options,
) -> anyhow::Result<Report> {
    let app = service::load_app(partitions.shared(), sdk_app_id, Deadline::of_a_request()).await?;
    let app = app.with_context(|| format!("there is no app {sdk_app_id}"))?;
    let mut file = FormReader::open(reader)?;
    let entry = begin(partitions, sdk_app_id, &options).await?;
    let progress = Progress::new("users", file.header.counts.users);
    let report = Report::new(options.dry_run);
    let batch = Batch::default();
    let mut import =
        Import { partitions, app, options, report, progress, batch, has_found_user: false };
    if import.options.user.is_none() {
        import.marks(&file.header.marks).await?;
    }
    let mut number = 1;
    let stopped = |line: u64| {
        format!(
            "the import has stopped at line {line}; what it has stored is whole, so run it again"
        )
    };
    while let Some(line) = file.next_line().context("cannot read the file")? {
        if let Ok((at, _)) = &line {
            number = *at;
        }
        import.take(line).await.with_context(|| stopped(number))?;
    }
    import.flush().await.with_context(|| stopped(number))?;
    if let Some(user) = &import.options.user {
        if !import.has_found_user {
            bail!("the file has no user {:?}", user.as_str());
        }
    } else {
        let revision = file.header.directory_revision;
        import.raise_directory_revision(revision).await.with_context(|| stopped(number))?;
    }
    let report = import.report;
    if let Some(entry) = entry {
        service::finish(partitions, entry, report.document()).await;
    }
    Ok(report)
}

/// Writes the entry of the audit trail, unless nothing is to be stored. Returns its number.
async fn begin(
    partitions: &Partitions,
    app: SdkAppId,
    options: &Options,
) -> Result<Option<i64>, Error> {
    if options.dry_run {
        return Ok(None);
    }
    let entry = options.operator.did(Action::Import).in_app(app);
    let entry = match &options.user {
        Some(user) => entry.about(user.as_str()),
        None => entry,
    };
    service::begin(partitions, &entry, Deadline::of_a_request()).await.map(Some)
}

struct Import<'s> {
    partitions: &'s Partitions,
    app: App,
    options: Options,
    report: Report,
    progress: Progress,
    batch: Batch,
    has_found_user: bool,
}

/// Lines that wait for their transaction. They are of one kind.
#[derive(Default)]
struct Batch {
    gone: Vec<GoneMember>,
    chat_groups: Vec<ChatGroup>,
    users: Vec<FileUser>,
    conversations: usize,
}

impl Import<'_> {
    async fn take(&mut self, line: Numbered) -> anyhow::Result<()> {
        let (number, line) = match line {
            Ok(line) => line,
            Err(problem) => {
                self.report.add_problem(problem);
                return Ok(());
            }
        };
        if !self.options.take(&line) {
            self.progress.add(matches!(line, Line::User(_)).into());
            return Ok(());
        }
        let about = Place::of(&line).about();
        let limits = self.app.limits;
        match line {
            Line::Gone(gone) => {
                self.progress.add(0);
                let Some(gone) = self.fitting(number, &about, gone.checked(&limits)) else {
                    return Ok(());
                };
                // Those of one directory revision have left together.
                let revision = |gone: &GoneMember| gone.directory_revision;
                if self.batch.gone.last().map(revision) != Some(revision(&gone)) {
                    self.flush().await?;
                }
                self.batch.gone.push(gone);
            }
            Line::ChatGroup(group) => {
                if !self.batch.gone.is_empty() {
                    self.flush().await?;
                }
                let group = self.fitting(number, &about, group.checked(&limits));
                self.batch.chat_groups.extend(group);
            }
            Line::User(user) => {
                if self.batch.users.is_empty() {
                    self.flush().await?;
                }
                self.progress.add(1);
                self.has_found_user = true;
                if let Some(user) = self.fitting(number, &about, user.checked(&limits)) {
                    self.batch.conversations += user.conversations.len();
                    self.batch.users.push(FileUser { line: number, user });
                } else {
                    self.report.users.refused += 1;
                }
            }
            Line::End(_) => {}
        }
        let Batch { gone, chat_groups, users, conversations } = &self.batch;
        let lines = gone.len().max(chat_groups.len()).max(users.len());
        if lines >= BATCH_LINES || *conversations >= BATCH_CONVERSATIONS {
            self.flush().await?;
        }
        Ok(())
    }

    fn fitting<T>(
        &mut self,
        line: u64,
        about: &str,
        checked: Result<T, Vec<FieldProblem>>,
    ) -> Option<T> {
        match checked {
            Ok(fitting) => Some(fitting),
            Err(problems) => {
                for problem in problems {
                    self.report.add_problem(FileProblem::new(line, about, problem));
                }
                None
            }
        }
    }

    /// Stores the lines that wait.
    async fn flush(&mut self) -> anyhow::Result<()> {
        let Batch { gone, chat_groups, users, .. } = std::mem::take(&mut self.batch);
        if !gone.is_empty() {
            let least = gone.iter().map(|gone| gone.directory_revision).max().unwrap_or_default();
            let (app, now) = (self.app.clone(), self.options.now);
            let (partitions, app_id) = (self.partitions, self.app.sdk_app_id);
            for (schema, gone) in partitions.group_by_member(app_id, gone, |gone| &gone.member) {
                let saved = self
                    .write(
                        schema,
                        |saved: &rows::Saved| *saved != rows::Saved::default(),
                        async |tx| rows::save_gone(tx, &app, &gone, least, now).await,
                    )
                    .await?;
                self.report.gone.add(saved, gone.len());
            }
        }
        if !chat_groups.is_empty() {
            let sdk_app_id = self.app.sdk_app_id;
            let saved = self
                .write(
                    self.partitions.shared(),
                    |saved: &rows::Saved| *saved != rows::Saved::default(),
                    async |tx| rows::save_chat_groups(tx, sdk_app_id, &chat_groups).await,
                )
                .await?;
            self.report.chat_groups.add(saved, chat_groups.len());
        }
        if !users.is_empty() {
            let app = self.app.clone();
            let parts = self.partitions.group(users, |file| users::key(&app, &file.user));
            for (number, users) in parts {
                let outcome = self
                    .write(
                        &self.partitions.each()[number],
                        |outcome: &users::Outcome| outcome.has_written,
                        async |tx| users::save(tx, &app, &users).await,
                    )
                    .await?;
                self.report.add_users(outcome, users.len());
            }
        }
        Ok(())
    }

    /// Runs a transaction in a schema, again if the database gave it up. To run it twice does no harm. Then copies what has
    /// changed in the directory.
    async fn write<T>(
        &self,
        schema: &Store,
        has_written: impl Fn(&T) -> bool,
        write: impl AsyncFn(&mut Tx<'_>) -> Result<T, Error>,
    ) -> anyhow::Result<T> {
        let done = self.write_here(schema, has_written, write).await?;
        if !self.options.dry_run {
            let (app, deadline) = (self.app.sdk_app_id, Deadline::within(COPY_TIME));
            service::copy_directory(self.partitions, schema, app, deadline).await?;
        }
        Ok(done)
    }

    async fn write_here<T>(
        &self,
        schema: &Store,
        has_written: impl Fn(&T) -> bool,
        write: impl AsyncFn(&mut Tx<'_>) -> Result<T, Error>,
    ) -> anyhow::Result<T> {
        let is_kept = |done: &T| !self.options.dry_run && has_written(done);
        for _ in 1..TRIES {
            match rows::write(schema, is_kept, async |tx| write(tx).await).await {
                Err(error @ (Error::Unavailable(_) | Error::InDoubt(_))) => {
                    let cause = error.with_causes();
                    tracing::warn!(cause, "a transaction is tried again");
                    sleep(RETRY_PAUSE).await;
                }
                done => return Ok(done?),
            }
        }
        Ok(rows::write(schema, is_kept, async |tx| write(tx).await).await?)
    }

    /// The names of marks: those of the file replace others of the same bit.
    async fn marks(&mut self, marks: &[form::Mark]) -> anyhow::Result<()> {
        let mut names = MarkNames::default();
        for (nr, mark) in marks.iter().enumerate() {
            if let Err(FieldProblem { field, reason }) = add_mark(&mut names, mark) {
                let field = format!("marks[{nr}].{field}");
                let problem = FieldProblem::new(field, reason);
                self.report.add_problem(FileProblem::new(1, "the header", problem));
            }
        }
        for (bit, mark) in self.app.marks.iter() {
            let is_named = names.iter().any(|(other, _)| other == bit);
            if !is_named && !names.insert(bit, mark.clone()) {
                let name = mark.name.as_str();
                let reason =
                    format!("{name:?} is the name of bit {} of the app already", bit.number());
                let problem = FieldProblem::new("marks", reason);
                self.report.add_problem(FileProblem::new(1, "the header", problem));
                return Ok(());
            }
        }
        if names == self.app.marks {
            return Ok(());
        }
        let old = |bit| self.app.marks.iter().find(|(other, _)| *other == bit);
        let changed = names.iter().filter(|new| old(new.0) != Some(*new)).count();
        self.report.marks = changed as u64;
        if !self.options.dry_run {
            let change = AppChange::NameMarks(names);
            let deadline = Deadline::of_a_request();
            let by = Some(&self.options.operator);
            let updated =
                service::update_app(self.partitions, self.app.sdk_app_id, change, by, deadline);
            if updated.await?.is_none() {
                bail!("app {} has just been deleted", self.app.sdk_app_id);
            }
        }
        Ok(())
    }

    /// Readers of changes know the app's directory revision of the file already.
    async fn raise_directory_revision(&mut self, revision: u64) -> anyhow::Result<()> {
        let sdk_app_id = self.app.sdk_app_id;
        for schema in self.partitions.schemas() {
            self.write(
                schema,
                |is_raised: &bool| *is_raised,
                async |tx| rows::set_directory_revision(tx, sdk_app_id, revision).await,
            )
            .await?;
        }
        Ok(())
    }
}

fn add_mark(names: &mut MarkNames, mark: &form::Mark) -> Result<(), FieldProblem> {
    let refuse = |field: &'static str| {
        move |problem: crate::domain::Problem| FieldProblem::new(field, problem.to_string())
    };
    let bit = MarkBit::parse(mark.bit.into()).and_then(MarkNames::check_bit);
    let bit = bit.map_err(refuse("bit"))?;
    let name = MarkName::parse(&mark.name).map_err(refuse("name"))?;
    let color = mark.color.as_deref().map(Color::parse).transpose();
    let color = color.map_err(refuse("color"))?;
    if names.insert(bit, NamedMark { name, color }) {
        Ok(())
    } else {
        Err(FieldProblem::new("name", "is the name of two bits"))
    }
}
