//! Says whether two sides hold the same: two files, or a file and a database.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io::BufRead;

use anyhow::{Context, bail};
use serde::Serialize;

use super::difference::{Ignored, account_differences, user_differences};
use super::export::{self, AppLines};
use super::form::{Header, Line, PeerType};
use super::reading::Place;
use super::{FormReader, Progress};
use crate::domain::{App, SdkAppId};
use crate::error::Error;
use crate::store::Connection;

/// Differences that the result names.
const NAMED_MAX: usize = 1000;

/// One side of a comparison.
pub enum Side<'c> {
    File { name: String, reader: FormReader<Box<dyn BufRead>> },
    App { header: Header, lines: AppLines<'c> },
}

/// A difference between the first and the second side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub about: String,
    pub difference: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    pub users: u64,
    pub conversations: u64,
    /// All of them; `differences` has the first thousand.
    pub difference_count: u64,
    pub differences: Vec<Difference>,
}

impl Display for Comparison {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { users, conversations, difference_count, differences } = self;
        write!(out, "{users} users, {conversations} conversations: ")?;
        match difference_count {
            0 => write!(out, "no difference")?,
            count => write!(out, "{count} differences")?,
        }
        for Difference { about, difference } in differences {
            write!(out, "\n{about}: {difference}")?;
        }
        match difference_count - differences.len() as u64 {
            0 => Ok(()),
            more => write!(out, "\nand {more} more"),
        }
    }
}

impl Comparison {
    fn add(&mut self, about: &str, difference: impl Display) {
        self.difference_count += 1;
        if self.differences.len() < NAMED_MAX {
            let (about, difference) = (about.to_owned(), difference.to_string());
            self.differences.push(Difference { about, difference });
        }
    }
}

impl<'c> Side<'c> {
    /// The app as it is stored at this moment.
    pub async fn of_app(app: &App, connections: &'c mut [Connection]) -> Result<Self, Error> {
        let mut snapshots = export::snapshots(connections, app.sdk_app_id).await?;
        let header = export::header(app, &mut snapshots).await?;
        Ok(Self::App { header, lines: AppLines::behind(snapshots, &Place::Header) })
    }

    /// The app that a file is of.
    pub fn app(&self) -> anyhow::Result<SdkAppId> {
        SdkAppId::new(self.header().app).context("the app of the file")
    }

    fn header(&self) -> &Header {
        match self {
            Self::File { reader, .. } => &reader.header,
            Self::App { header, .. } => header,
        }
    }

    /// The next line, without the last one.
    async fn next(&mut self) -> anyhow::Result<Option<Line>> {
        match self {
            Self::App { lines, .. } => Ok(lines.next().await?),
            Self::File { name, reader } => {
                match reader.next_line().context("cannot read the file")? {
                    None | Some(Ok((_, Line::End(_)))) => Ok(None),
                    Some(Ok((_, line))) => Ok(Some(line)),
                    Some(Err(problem)) => bail!("{name}: {problem}"),
                }
            }
        }
    }
}

/// Reads both sides to their ends. They are of the same kinds in the same order, so a few lines of each are in memory, and all who
/// are gone.
pub async fn compare(
    mut first: Side<'_>,
    mut second: Side<'_>,
    ignored: &[Ignored],
) -> anyhow::Result<Comparison> {
    let mut found =
        Comparison { users: 0, conversations: 0, difference_count: 0, differences: Vec::new() };
    compare_marks(first.header(), second.header(), &mut found);
    let mut progress = Progress::new("users", first.header().counts.users);
    let (mut left, mut right) = (first.next().await?, second.next().await?);
    let (mut gone_left, mut gone_right) = (BTreeMap::new(), BTreeMap::new());
    while let Some(Line::Gone(gone)) = left {
        gone_left.insert((gone.kind, gone.id), gone.is_gone);
        left = first.next().await?;
    }
    while let Some(Line::Gone(gone)) = right {
        gone_right.insert((gone.kind, gone.id), gone.is_gone);
        right = second.next().await?;
    }
    compare_gone(&gone_left, &gone_right, &mut found);
    drop((gone_left, gone_right));
    loop {
        let place = |line: &Option<Line>| line.as_ref().map(Place::of);
        let (takes_left, takes_right) = match (place(&left), place(&right)) {
            (None, None) => return Ok(found),
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(one), Some(other)) => (one <= other, other <= one),
        };
        let one = if takes_left { left.take() } else { None };
        let other = if takes_right { right.take() } else { None };
        progress.add(matches!(one, Some(Line::User(_))).into());
        compare_lines(one, other, ignored, &mut found);
        if takes_left {
            left = first.next().await?;
        }
        if takes_right {
            right = second.next().await?;
        }
    }
}

fn compare_marks(first: &Header, second: &Header, found: &mut Comparison) {
    if first.marks != second.marks {
        found.add("marks", "their names or colors differ");
    }
}

fn compare_gone(
    first: &BTreeMap<(PeerType, String), bool>,
    second: &BTreeMap<(PeerType, String), bool>,
    found: &mut Comparison,
) {
    let is_gone = |side: &BTreeMap<_, _>, key| side.get(key).copied().unwrap_or(false);
    let only_second = second.keys().filter(|key| !first.contains_key(*key));
    for key in first.keys().chain(only_second) {
        let kind = match key.0 {
            PeerType::User => "user",
            PeerType::Group => "chat group",
        };
        let about = format!("{kind} {:?}", key.1);
        match (is_gone(first, key), is_gone(second, key)) {
            (true, false) => found.add(&about, "is deleted only in the first"),
            (false, true) => found.add(&about, "is deleted only in the second"),
            _ => {}
        }
    }
}

fn compare_lines(
    first: Option<Line>,
    second: Option<Line>,
    ignored: &[Ignored],
    found: &mut Comparison,
) {
    for line in [&first, &second].into_iter().flatten().take(1) {
        if let Line::User(user) = line {
            found.users += 1;
            found.conversations += user.conversations.len() as u64;
        }
    }
    match (first, second) {
        (Some(Line::User(one)), Some(Line::User(other))) => {
            let about = format!("user {:?}", one.id);
            for difference in account_differences(one.account.as_ref(), other.account.as_ref()) {
                found.add(&about, difference);
            }
            for difference in user_differences(&one, &other, ignored) {
                found.add(&about, difference);
            }
        }
        (Some(one), Some(other)) if one != other => {
            found.add(&Place::of(&one).about(), "its type or its name differs");
        }
        (Some(one), None) => found.add(&Place::of(&one).about(), "is only in the first"),
        (None, Some(other)) => found.add(&Place::of(&other).about(), "is only in the second"),
        (Some(_), Some(_)) | (None, None) => {}
    }
}
