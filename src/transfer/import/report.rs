//! What an import has done, or would do.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;
use serde_json::{Value, json};

use super::users::Outcome;
use crate::store::transfer::Saved;
use crate::transfer::FileProblem;

/// Problems that the report names. All of them are in the log.
const NAMED_PROBLEMS_MAX: usize = 1000;

/// Numbers of lines by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Changes {
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub refused: u64,
}

impl Changes {
    pub(super) fn add(&mut self, saved: Saved, lines: usize) {
        self.new += saved.new;
        self.changed += saved.changed;
        self.unchanged += lines as u64 - saved.new - saved.changed;
    }
}

impl Display for Changes {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { new, changed, unchanged, refused } = self;
        write!(out, "{new} new, {changed} changed, {unchanged} unchanged")?;
        if *refused > 0 { write!(out, ", {refused} refused") } else { Ok(()) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing was stored.
    pub dry_run: bool,
    /// Names of marks that are new or changed.
    pub marks: u64,
    /// Accounts and chat groups that have left or come back.
    pub gone: Changes,
    pub chat_groups: Changes,
    pub users: Changes,
    /// In the lines of users that are new or changed.
    pub conversations: u64,
    /// All of them; `problems` has the first thousand.
    pub problem_count: u64,
    pub problems: Vec<FileProblem>,
}

impl Report {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            marks: 0,
            gone: Changes::default(),
            chat_groups: Changes::default(),
            users: Changes::default(),
            conversations: 0,
            problem_count: 0,
            problems: Vec::new(),
        }
    }

    /// For the audit trail: numbers, and nothing of users.
    pub(super) fn document(&self) -> Value {
        json!({
            "marks": self.marks, "gone": self.gone, "chat_groups": self.chat_groups, "users": self.users,
            "conversations": self.conversations, "problem_count": self.problem_count,
        })
    }

    pub(super) fn add_problem(&mut self, problem: FileProblem) {
        tracing::warn!("not imported: {problem}");
        self.problem_count += 1;
        if self.problems.len() < NAMED_PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    pub(super) fn add_users(&mut self, outcome: Outcome, lines: usize) {
        let Outcome { new, changed, conversations, problems, refused, .. } = outcome;
        self.users.new += new;
        for (user, differences) in &changed {
            if self.dry_run {
                tracing::info!("user {user:?} would change: {}", differences.join(", "));
            }
        }
        let changed = changed.len() as u64;
        self.users.changed += changed;
        self.users.refused += refused;
        self.users.unchanged += lines as u64 - new - changed - refused;
        self.conversations += conversations;
        for problem in problems {
            self.add_problem(problem);
        }
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            write!(out, "nothing was stored; an import would have stored: ")?;
        }
        write!(out, "users: {}; {} conversations", self.users, self.conversations)?;
        write!(out, "; chat groups: {}", self.chat_groups)?;
        write!(out, "; deletions: {}; names of marks: {} new or changed", self.gone, self.marks)?;
        for problem in &self.problems {
            write!(out, "\n{problem}")?;
        }
        match self.problem_count - self.problems.len() as u64 {
            0 => Ok(()),
            more => write!(out, "\nand {more} more problems, which are in the log"),
        }
    }
}
