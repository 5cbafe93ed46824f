//! `earmark export`, `import`, `compare`, `pull` and `push`.

use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{BufRead, BufReader, stdin, stdout};
use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;

use super::{check_schema, connect, operator, unix_now};
use crate::config::{CompareArgs, ExportArgs, ImportArgs, Output, PullArgs, PushArgs};
use crate::deadline::Deadline;
use crate::domain::{App, SdkAppId, UserId};
use crate::service;
use crate::store::{Partitions, Store};
use crate::transfer::FormReader;
use crate::transfer::compare::{Side, compare};
use crate::transfer::export::{self, What};
use crate::transfer::form::Counts;
use crate::transfer::import::{self, Options};
use crate::transfer::original::{self, Original};

#[derive(Serialize)]
#[serde(transparent)]
struct Exported(Counts);

impl Display for Exported {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Counts { gone, chat_groups, users, conversations } = self.0;
        write!(
            out,
            "{users} users, {conversations} conversations, {chat_groups} chat groups, {gone} deletions"
        )
    }
}

pub(super) async fn load_app(store: &Store, sdk_app_id: SdkAppId) -> anyhow::Result<App> {
    let app = service::load_app(store, sdk_app_id, Deadline::of_a_request()).await?;
    app.with_context(|| format!("there is no app {sdk_app_id}"))
}

fn user(given: Option<&str>) -> anyhow::Result<Option<UserId>> {
    given.map(|user| UserId::parse(user, u32::MAX)).transpose().context("--user")
}

pub(super) async fn export(settings: &ExportArgs, output: Output) -> anyhow::Result<()> {
    let partitions = connect(&settings.database).await?;
    check_schema(&partitions).await?;
    let app = load_app(partitions.shared(), settings.sdk_app_id).await?;
    let user = user(settings.user.as_deref())?;
    let what = user.as_ref().map_or(What::All, What::User);
    let counts = match &settings.out {
        None => return export_to_stdout(&partitions, &app, what, output).await,
        Some(path) if settings.resume => export::resume(&partitions, &app, path).await?,
        Some(path) => export::export_to(&partitions, &app, what, path).await?,
    };
    output.print(&Exported(counts))
}

/// Writes the file to standard output, which has no room for the result then.
pub(super) async fn export_to_stdout(
    partitions: &Partitions,
    app: &App,
    what: What<'_>,
    output: Output,
) -> anyhow::Result<()> {
    if output == Output::Json {
        bail!("--output json: standard output has the file; use `earmark export --out FILE`");
    }
    let (_, counts) = export::export(partitions, app, what, stdout().lock()).await?;
    tracing::info!("exported {}", Exported(counts));
    Ok(())
}

/// A file, or standard input.
pub(super) fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(stdin())));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Box::new(BufReader::with_capacity(256 << 10, file)))
}

pub(super) async fn import(settings: &ImportArgs, output: Output) -> anyhow::Result<()> {
    let file = open(&settings.file)?;
    let partitions = connect(&settings.database).await?;
    check_schema(&partitions).await?;
    let options = Options {
        dry_run: settings.dry_run,
        user: user(settings.user.as_deref())?,
        now: unix_now(),
        operator: operator(),
    };
    let imported = import::import(&partitions, settings.sdk_app_id, file, options).await;
    let report = imported.with_context(|| settings.file.display().to_string())?;
    output.print(&report)?;
    match report.problem_count {
        0 => Ok(()),
        count => bail!("{count} problems: what they name was not imported"),
    }
}

pub(super) async fn compare_sides(settings: &CompareArgs, output: Output) -> anyhow::Result<()> {
    let side = |path: &Path| -> anyhow::Result<Side<'static>> {
        let name = path.display().to_string();
        let reader = FormReader::open(open(path)?).with_context(|| name.clone())?;
        Ok(Side::File { name, reader })
    };
    let first = side(&settings.first)?;
    let compared = if let Some(second) = &settings.second {
        compare(first, side(second)?, &settings.ignore).await?
    } else {
        let partitions = connect(&settings.database).await?;
        check_schema(&partitions).await?;
        let sdk_app_id = settings.app.map_or_else(|| first.app(), Ok)?;
        let app = load_app(partitions.shared(), sdk_app_id).await?;
        let mut connections = partitions.connections(Deadline::of_a_request()).await?;
        let second = Side::of_app(&app, &mut connections).await?;
        compare(first, second, &settings.ignore).await?
    };
    output.print(&compared)?;
    match compared.difference_count {
        0 => Ok(()),
        count => bail!("{count} differences"),
    }
}

pub(super) async fn pull(settings: &PullArgs, output: Output) -> anyhow::Result<()> {
    let users = original::read_users(open(&settings.users)?);
    let users = users.with_context(|| format!("--users {}", settings.users.display()))?;
    let source = Original::new(settings.access()?, unix_now());
    let (app, out) = (settings.sdk_app_id(), &settings.out);
    let pulled = original::pull(&source, app, &users, out, settings.resume).await?;
    output.print(&pulled)?;
    match pulled.missing_count {
        0 => Ok(()),
        count => bail!("{count} users are missing in {}", settings.out.display()),
    }
}

pub(super) async fn push(settings: &PushArgs, output: Output) -> anyhow::Result<()> {
    let file = open(&settings.file)?;
    let target = Original::new(settings.access()?, unix_now());
    let pushed = original::push(&target, file).await;
    let pushed = pushed.with_context(|| settings.file.display().to_string())?;
    output.print(&pushed)?;
    match pushed.missing_count {
        0 => Ok(()),
        count => bail!("{count} problems: what they name was not pushed"),
    }
}
