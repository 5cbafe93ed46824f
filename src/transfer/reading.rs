//! Reads a file line by line, with bounded memory, and checks its order and its end.

use std::fmt::{self, Display, Formatter};
use std::io::{self, BufRead, Read};

use anyhow::Context;
use serde::Serialize;

use super::form::{Counts, FieldProblem, Header, LINE_BYTES_MAX, Line, PeerType};

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileProblem {
    /// From 1.
    pub line: u64,
    /// Of what the line is about: `user alice`, for example. Empty if it cannot be read.
    pub about: String,
    /// The path of the field; empty if it is the whole line.
    pub field: String,
    pub reason: String,
}

impl Display for FileProblem {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "line {}", self.line)?;
        if !self.about.is_empty() {
            write!(out, ", {}", self.about)?;
        }
        if !self.field.is_empty() {
            write!(out, ", {}", self.field)?;
        }
        write!(out, ": {}", self.reason)
    }
}

impl FileProblem {
    pub fn new(line: u64, about: impl Into<String>, problem: FieldProblem) -> Self {
        let FieldProblem { field, reason } = problem;
        Self { line, about: about.into(), field, reason }
    }
}

/// Where a line stands among the lines: its kind, then what orders those of its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Header,
    Gone(u64, PeerType, String),
    ChatGroup(String),
    User(String),
    End,
}

impl Place {
    pub(super) fn of(line: &Line) -> Self {
        match line {
            Line::Gone(gone) => Self::Gone(gone.directory_revision, gone.kind, gone.id.clone()),
            Line::ChatGroup(group) => Self::ChatGroup(group.id.clone()),
            Line::User(user) => Self::User(user.id.clone()),
            Line::End(_) => Self::End,
        }
    }

    /// For people.
    pub(super) fn about(&self) -> String {
        match self {
            Self::Header => "the header".to_owned(),
            Self::Gone(_, PeerType::User, id) => format!("gone user {id:?}"),
            Self::Gone(_, PeerType::Group, id) => format!("gone chat group {id:?}"),
            Self::ChatGroup(id) => format!("chat group {id:?}"),
            Self::User(id) => format!("user {id:?}"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// A file that is read.
pub struct FormReader<R> {
    lines: Lines<R>,
    pub header: Header,
    last: Place,
    counts: Counts,
    has_problems: bool,
    is_over: bool,
}

/// A line with its number, or what is wrong with it.
pub(super) type Numbered = Result<(u64, Line), FileProblem>;

impl<R: BufRead> FormReader<R> {
    /// Reads the header.
    pub fn open(reader: R) -> anyhow::Result<Self> {
        let mut lines = Lines::new(reader);
        let line = lines.next().context("cannot read the file")?;
        let header = match line {
            None => Err(FieldProblem::new("", "the file is empty")),
            Some(Err(too_long)) => Err(too_long),
            Some(Ok(line)) => Header::parse(line),
        };
        let header = header.map_err(|problem| {
            anyhow::anyhow!("this is no file of earmark: {}", FileProblem::new(1, "", problem))
        })?;
        let (last, counts) = (Place::Header, Counts::default());
        Ok(Self { lines, header, last, counts, has_problems: false, is_over: false })
    }

    /// What was read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes up to the last line break.
    pub(super) fn offset(&self) -> u64 {
        self.lines.offset
    }

    /// The last line had no line break, or there was none.
    pub(super) fn is_cut(&self) -> bool {
        self.lines.is_cut
    }

    /// The next line. After a problem, the lines behind it can still be read. `None` is the end; before it, a file that ends too
    /// early is a problem.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Numbered>> {
        let found = self.read()?;
        self.has_problems |= matches!(found, Some(Err(_)));
        Ok(found)
    }

    fn read(&mut self) -> io::Result<Option<Numbered>> {
        let parsed = self.lines.next()?.map(|line| line.and_then(Line::parse));
        let number = self.lines.number;
        let problem = |about: String, field: &str, reason: String| {
            Ok(Some(Err(FileProblem::new(number, about, FieldProblem::new(field, reason)))))
        };
        let parsed = match parsed {
            None if self.is_over => return Ok(None),
            None => {
                self.is_over = true;
                let reason = "the file ends before its last line, `end`: it is not complete";
                return problem(String::new(), "", reason.to_owned());
            }
            Some(parsed) => parsed,
        };
        let line = match parsed {
            Ok(line) => line,
            Err(error) => return Ok(Some(Err(FileProblem::new(number, "", error)))),
        };
        let place = Place::of(&line);
        if place <= self.last {
            let reason = format!("must not come after {}", self.last.about());
            return problem(place.about(), "", reason);
        }
        self.last = place;
        self.counts.add(&line);
        if let Line::End(counts) = &line {
            self.is_over = true;
            if *counts != self.counts && !self.has_problems {
                let reason = format!("says {counts:?}, but there were {:?}", self.counts);
                return problem("the end".to_owned(), "end", reason);
            }
        }
        Ok(Some(Ok((number, line))))
    }
}

/// Lines of at most [`LINE_BYTES_MAX`] bytes.
pub(super) struct Lines<R> {
    reader: R,
    /// Of the line that was read last.
    number: u64,
    /// Bytes up to the last line break.
    offset: u64,
    /// The last line had no line break, or there was none.
    is_cut: bool,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, offset: 0, is_cut: false, bytes: Vec::new() }
    }

    /// The next line, without its line break. One that is too long is skipped.
    pub(super) fn next(&mut self) -> io::Result<Option<Result<&[u8], FieldProblem>>> {
        self.bytes.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        let length = self.reader.by_ref().take(limit).read_until(b'\n', &mut self.bytes)?;
        self.is_cut = self.bytes.pop_if(|last| *last == b'\n').is_none();
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        if !self.is_cut {
            self.offset += length as u64;
        }
        if self.bytes.len() <= LINE_BYTES_MAX {
            return Ok(Some(Ok(&self.bytes)));
        }
        self.bytes = Vec::new();
        self.reader.skip_until(b'\n')?;
        self.is_cut = false;
        let reason = format!("the line is longer than {LINE_BYTES_MAX} bytes");
        Ok(Some(Err(FieldProblem::new("", reason))))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, repeat};

    use super::*;

    /// The lengths of lines, or what is wrong with them, of a file that begins with so many spaces.
    fn lengths(spaces: u64) -> Vec<Result<usize, String>> {
        let file = repeat(b' ').take(spaces).chain(&b"\nabc\nd"[..]);
        let mut lines = Lines::new(BufReader::new(file));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push(line.map(<[u8]>::len).map_err(|problem| problem.reason));
        }
        found
    }

    #[test]
    fn a_line_that_is_too_long_is_a_problem_and_those_behind_it_are_read() {
        let max = LINE_BYTES_MAX as u64;
        assert_eq!(lengths(max), [Ok(LINE_BYTES_MAX), Ok(3), Ok(1)]);
        let too_long = Err("the line is longer than 33554432 bytes".to_owned());
        for length in [max + 1, max + 2, 2 * max] {
            assert_eq!(lengths(length), [too_long.clone(), Ok(3), Ok(1)], "{length}");
        }
    }
}
