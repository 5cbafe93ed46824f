//! Writes an app to a file.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use futures_util::future::try_join_all;
use serde::Serialize;

use super::form::{self, Counts, FORMAT, Header, LINE_BYTES_MAX, Line, PeerType, VERSION};
use super::reading::Place;
use super::{FormReader, Progress};
use crate::deadline::Deadline;
use crate::domain::{App, Color, Conversation, SdkAppId, UserId, UserKey};
use crate::error::Error;
use crate::store::transfer::{AppCounts, GoneMember, Snapshot};
use crate::store::{Connection, Partitions};

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The lines of an app, behind a place. The lines of each schema show one moment of it. Those of several schemas are merged in the
/// order of a file.
pub struct AppLines<'c>(Vec<SchemaLines<'c>>);

impl<'c> AppLines<'c> {
    pub(super) fn behind(snapshots: Vec<Snapshot<'c>>, after: &Place) -> Self {
        let lines = |snapshot| {
            let (after, page) = (after.clone(), VecDeque::new());
            SchemaLines { snapshot, after, page }
        };
        Self(snapshots.into_iter().map(lines).collect())
    }

    /// The next line, without the last one of a file.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, Error> {
        for schema in &mut self.0 {
            schema.fill_page().await?;
        }
        let unread = self.0.iter_mut().filter(|schema| !schema.page.is_empty());
        let first = unread.min_by(|a, b| a.first_place().cmp(&b.first_place()));
        Ok(first.and_then(|schema| schema.page.pop_front()).map(|(_, line)| line))
    }

    pub(super) async fn end(self) -> Result<(), Error> {
        for schema in self.0 {
            schema.snapshot.end().await?;
        }
        Ok(())
    }
}

/// The lines of one schema.
struct SchemaLines<'c> {
    snapshot: Snapshot<'c>,
    after: Place,
    page: VecDeque<(Place, Line)>,
}

impl<'c> SchemaLines<'c> {
    /// The lines about one user.
    async fn of_user(mut snapshot: Snapshot<'c>, user_id: &UserId) -> Result<Self, Error> {
        let gone = snapshot.gone_account(user_id.as_str()).await?;
        let user = snapshot.user(user_id.as_str()).await?;
        let gone = gone.iter().map(|gone| Line::Gone(gone.into()));
        let user = user.iter().map(|user| Line::User(user.into()));
        let page = gone.chain(user).map(with_place).collect();
        Ok(Self { snapshot, after: Place::End, page })
    }

    async fn fill_page(&mut self) -> Result<(), Error> {
        while self.page.is_empty() && self.after != Place::End {
            self.read_page().await?;
        }
        Ok(())
    }

    fn first_place(&self) -> Option<&Place> {
        self.page.front().map(|(place, _)| place)
    }

    /// Reads the next lines of a kind, or goes on to the next kind.
    async fn read_page(&mut self) -> Result<(), Error> {
        let last = std::mem::replace(&mut self.after, Place::End);
        let next_kind = match last {
            Place::Header => {
                let page = self.snapshot.gone(None).await?;
                self.page.extend(page.iter().map(|gone| with_place(Line::Gone(gone.into()))));
                Place::ChatGroup(String::new())
            }
            Place::Gone(directory_revision, kind, id) => {
                let after =
                    GoneMember { member: member(kind, id)?, is_gone: true, directory_revision };
                let page = self.snapshot.gone(Some(&after)).await?;
                self.page.extend(page.iter().map(|gone| with_place(Line::Gone(gone.into()))));
                Place::ChatGroup(String::new())
            }
            Place::ChatGroup(id) => {
                let page = self.snapshot.chat_groups(Some(&id)).await?;
                self.page
                    .extend(page.iter().map(|group| with_place(Line::ChatGroup(group.into()))));
                Place::User(String::new())
            }
            Place::User(id) => {
                let page = self.snapshot.users(Some(&id)).await?;
                self.page.extend(page.iter().map(|user| with_place(Line::User(user.into()))));
                Place::End
            }
            Place::End => Place::End,
        };
        self.after = self.page.back().map_or(next_kind, |(place, _)| place.clone());
        Ok(())
    }
}

fn with_place(line: Line) -> (Place, Line) {
    (Place::of(&line), line)
}

/// A snapshot of each schema.
pub(super) async fn snapshots(
    connections: &mut [Connection],
    sdk_app_id: SdkAppId,
) -> Result<Vec<Snapshot<'_>>, Error> {
    try_join_all(connections.iter_mut().map(|one| Snapshot::begin(one, sdk_app_id))).await
}

fn member(kind: PeerType, id: String) -> Result<Conversation, Error> {
    let kind = match kind {
        PeerType::User => 1,
        PeerType::Group => 2,
    };
    Conversation::stored(kind, id).map_err(|problem| Error::Internal(problem.into()))
}

/// The header of the file of these snapshots.
pub(super) async fn header(app: &App, snapshots: &mut [Snapshot<'_>]) -> Result<Header, Error> {
    let counts = try_join_all(snapshots.iter_mut().map(Snapshot::counts)).await?;
    let counts = counts.into_iter().fold(AppCounts::default(), AppCounts::plus);
    let AppCounts { directory_revision, gone, chat_groups, users, conversations } = counts;
    let counts = Counts { gone, chat_groups, users, conversations };
    Ok(header_with(app, directory_revision, counts))
}

fn header_with(app: &App, directory_revision: u64, counts: Counts) -> Header {
    let mark = |(bit, mark): (crate::domain::MarkBit, &crate::domain::NamedMark)| form::Mark {
        bit: bit.number(),
        name: mark.name.as_str().to_owned(),
        color: mark.color.as_ref().map(|color| Color::as_str(color).to_owned()),
    };
    Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        app: app.sdk_app_id.number(),
        directory_revision,
        marks: app.marks.iter().map(mark).collect(),
        counts,
    }
}

/// Writes lines, and counts them.
pub(super) struct FormWriter<W: Write> {
    out: BufWriter<W>,
    line: Vec<u8>,
    pub(super) counts: Counts,
}

impl<W: Write> FormWriter<W> {
    pub(super) fn new(out: W, counts: Counts) -> Self {
        Self { out: BufWriter::with_capacity(BUFFER_BYTES, out), line: Vec::new(), counts }
    }

    pub(super) fn header(&mut self, header: &Header) -> anyhow::Result<()> {
        self.write(header, "the header")
    }

    pub(super) fn line(&mut self, line: &Line) -> anyhow::Result<()> {
        self.counts.add(line);
        self.write(line, &Place::of(line).about())
    }

    /// Writes the last line, and everything that was kept back.
    pub(super) fn end(mut self) -> anyhow::Result<(W, Counts)> {
        self.line(&Line::End(self.counts))?;
        let out = self.out.into_inner().map_err(std::io::IntoInnerError::into_error);
        Ok((out.context("cannot write the file")?, self.counts))
    }

    /// Writes everything that was kept back.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.out.flush().context("cannot write the file")
    }

    fn write(&mut self, value: &impl Serialize, about: &str) -> anyhow::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        if self.line.len() > LINE_BYTES_MAX {
            bail!("{about} does not fit into a line of {LINE_BYTES_MAX} bytes");
        }
        self.line.push(b'\n');
        self.out.write_all(&self.line).context("cannot write the file")
    }
}

/// Which users to export.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    All,
    User(&'a UserId),
}

/// Writes an app, as it is at this moment.
pub async fn export<W: Write>(
    partitions: &Partitions,
    app: &App,
    what: What<'_>,
    out: W,
) -> anyhow::Result<(W, Counts)> {
    let deadline = Deadline::of_a_request();
    let mut connections = match what {
        What::All => partitions.connections(deadline).await?,
        What::User(user_id) => {
            let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: user_id.clone() };
            vec![partitions.of_user(&key).connection(deadline).await?]
        }
    };
    let mut snapshots = snapshots(&mut connections, app.sdk_app_id).await?;
    let (header, mut lines) = match what {
        What::All => {
            let header = header(app, &mut snapshots).await?;
            (header, AppLines::behind(snapshots, &Place::Header))
        }
        What::User(user_id) => {
            let mut snapshot = snapshots.pop().context("no snapshot")?;
            // Not by `header`, which counts the whole app.
            let directory_revision = snapshot.directory_revision().await?;
            let lines = SchemaLines::of_user(snapshot, user_id).await?;
            let mut counts = Counts::default();
            lines.page.iter().for_each(|(_, line)| counts.add(line));
            (header_with(app, directory_revision, counts), AppLines(vec![lines]))
        }
    };
    let mut writer = FormWriter::new(out, Counts::default());
    writer.header(&header)?;
    write(&mut lines, &mut writer, header.counts.users).await?;
    lines.end().await?;
    writer.end()
}

async fn write<W: Write>(
    lines: &mut AppLines<'_>,
    writer: &mut FormWriter<W>,
    users: u64,
) -> anyhow::Result<()> {
    let mut progress = Progress::new("users", users);
    progress.add(writer.counts.users);
    while let Some(line) = lines.next().await? {
        writer.line(&line)?;
        progress.add(matches!(line, Line::User(_)).into());
    }
    Ok(())
}

/// Writes an app to a new file. Other users of the machine cannot read it.
pub async fn export_to(
    partitions: &Partitions,
    app: &App,
    what: What<'_>,
    path: &Path,
) -> anyhow::Result<Counts> {
    let (file, counts) = export(partitions, app, what, create(path)?).await?;
    file.sync_all().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(counts)
}

/// Creates a file that other users of the machine cannot read.
pub(super) fn create(path: &Path) -> anyhow::Result<File> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    created.with_context(|| {
        format!("cannot create {} (--resume goes on with a file that exists)", path.display())
    })
}

/// Goes on with a file whose export was interrupted. Its rest shows a later moment than its beginning.
pub async fn resume(partitions: &Partitions, app: &App, path: &Path) -> anyhow::Result<Counts> {
    let named = || path.display().to_string();
    let opened = OpenOptions::new().read(true).write(true).open(path);
    let mut file = opened.with_context(|| format!("cannot open {}", named()))?;
    let Begun { place, counts, offset, users } =
        Begun::find(BufReader::with_capacity(BUFFER_BYTES, &file), app.sdk_app_id, |_| true)
            .with_context(named)?;
    if place == Place::End {
        tracing::info!("{} is complete already", named());
        return Ok(counts);
    }
    file.set_len(offset).with_context(|| format!("cannot write {}", named()))?;
    file.seek(SeekFrom::End(0))?;
    let mut connections = partitions.connections(Deadline::of_a_request()).await?;
    let snapshots = snapshots(&mut connections, app.sdk_app_id).await?;
    let mut lines = AppLines::behind(snapshots, &place);
    let mut writer = FormWriter::new(&file, counts);
    write(&mut lines, &mut writer, users).await?;
    lines.end().await?;
    let (_, counts) = writer.end()?;
    file.sync_all().with_context(|| format!("cannot write {}", named()))?;
    Ok(counts)
}

/// The beginning of a file.
pub(super) struct Begun {
    /// Of the last whole line.
    pub(super) place: Place,
    pub(super) counts: Counts,
    /// Bytes of the whole lines.
    pub(super) offset: u64,
    /// As the header counts them.
    users: u64,
}

impl Begun {
    /// Nothing is written yet.
    pub(super) fn new(users: usize) -> Self {
        let (place, counts) = (Place::Header, Counts::default());
        Self { place, counts, offset: 0, users: users as u64 }
    }

    /// Stops before the first line that `accepts` does not accept.
    pub(super) fn find(
        file: impl BufRead,
        sdk_app_id: SdkAppId,
        mut accepts: impl FnMut(&Line) -> bool,
    ) -> anyhow::Result<Self> {
        let mut reader = FormReader::open(file)?;
        if reader.header.app != sdk_app_id.number() {
            bail!("the file is of app {}, not of {sdk_app_id}", reader.header.app);
        }
        if reader.is_cut() {
            bail!("the file has only a part of the header: remove it, and begin again");
        }
        let mut begun = Self {
            place: Place::Header,
            counts: Counts::default(),
            offset: reader.offset(),
            users: reader.header.counts.users,
        };
        loop {
            let line = reader.next_line()?;
            let Some(line) = line.filter(|_| !reader.is_cut()) else { return Ok(begun) };
            let (_, line) = line.map_err(|problem| anyhow::anyhow!("{problem}"))?;
            if !accepts(&line) {
                return Ok(begun);
            }
            begun.place = Place::of(&line);
            (begun.counts, begun.offset) = (reader.counts(), reader.offset());
        }
    }
}
