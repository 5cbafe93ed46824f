//! The form of a file: one JSON object per line. docs/data-form.md describes it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `format` in the header.
pub const FORMAT: &str = "earmark";
/// `version` in the header. It grows if an older binary could not read a newer file.
pub const VERSION: u64 = 1;
/// Longest line, in bytes. It bounds the memory for a user.
pub const LINE_BYTES_MAX: usize = 32 << 20;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub format: String,
    pub version: u64,
    /// The `sdkappid` of the app.
    pub app: i64,
    pub directory_revision: u64,
    /// The app's own names of marks, by bit.
    pub marks: Vec<Mark>,
    /// What the app held when the file was begun.
    pub counts: Counts,
}

/// A name of a mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    pub bit: u8,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

/// Numbers of lines by kind, and of conversations in the lines of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub gone: u64,
    pub chat_groups: u64,
    pub users: u64,
    pub conversations: u64,
}

impl Counts {
    /// Counts a line; the last one is none.
    pub fn add(&mut self, line: &Line) {
        match line {
            Line::Gone(_) => self.gone += 1,
            Line::ChatGroup(_) => self.chat_groups += 1,
            Line::User(user) => {
                self.users += 1;
                self.conversations += user.conversations.len() as u64;
            }
            Line::End(_) => {}
        }
    }
}

/// A line after the first. The lines of a kind stand together, the kinds in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    Gone(Gone),
    ChatGroup(ChatGroup),
    User(User),
    /// The last line: what the file holds. Without it, the file is not complete.
    End(Counts),
}

/// An account or a chat group that has left, or left and came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    #[serde(rename = "type")]
    pub kind: PeerType,
    pub id: String,
    pub is_gone: bool,
    /// The app's directory revision of that change. The lines are in this order, then by type and id.
    pub directory_revision: u64,
}

/// What an id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerType {
    User,
    /// A chat group.
    Group,
}

/// A chat group, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatGroup {
    pub id: String,
    #[serde(rename = "type")]
    pub group_type: String,
    pub name: String,
}

/// A user with an account, with state, or both; by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub id: String,
    /// Absent: the user has no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// 0: the user never had state.
    pub revision: u64,
    pub forgotten_revision: u64,
    pub groups_revision: u64,
    pub next_position: u32,
    pub next_group_id: u32,
    /// By id.
    pub contact_groups: Vec<ContactGroup>,
    /// By type and id.
    pub conversations: Vec<Conversation>,
}

/// What is absent is not known, and an import leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub face_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactGroup {
    pub id: u32,
    pub name: String,
    /// The place in the user's own order, from 1; absent if the user has not ordered the contact groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// The user's revision when the contact group got its name.
    pub name_revision: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    #[serde(rename = "type")]
    pub kind: PeerType,
    pub id: String,
    /// The bits that are set, lowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<u8>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub custom: Box<str>,
    /// Ids of contact groups, lowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// The order of first marks and first contact groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// The order of pins; absent if it is not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_position: Option<u32>,
    /// It was marked at some time.
    #[serde(default, skip_serializing_if = "is_false")]
    pub holds_place: bool,
    /// Unix seconds.
    pub changed_at: u64,
    /// The user's revision of the last change.
    pub revision: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What is wrong with a line: the path of the field, which may be empty, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    pub field: String,
    pub reason: String,
}

impl FieldProblem {
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

impl Header {
    /// Reads the first line. A file of another format or of a newer version is named as such.
    pub fn parse(line: &[u8]) -> Result<Self, FieldProblem> {
        let value: Value = parse(line)?;
        let format = value.get("format").and_then(Value::as_str);
        if format != Some(FORMAT) {
            return Err(FieldProblem::new("format", format!("must be {FORMAT:?}")));
        }
        match value.get("version").and_then(Value::as_u64) {
            Some(VERSION) => parse(line),
            Some(newer @ VERSION..) => Err(FieldProblem::new(
                "version",
                format!(
                    "is {newer}, and this binary knows versions up to {VERSION}: use a newer one"
                ),
            )),
            _ => Err(FieldProblem::new("version", format!("must be {VERSION}"))),
        }
    }
}

impl Line {
    pub fn parse(line: &[u8]) -> Result<Self, FieldProblem> {
        parse(line)
    }
}

fn parse<'l, T: Deserialize<'l>>(line: &'l [u8]) -> Result<T, FieldProblem> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let problem = |error: &serde_json::Error| {
        // The line is known already; serde_json counts lines of its own.
        let text = error.to_string();
        let at = format!(" at line {} column {}", error.line(), error.column());
        let text = text.strip_suffix(&at).unwrap_or(&text).to_owned();
        format!("{text} (column {})", error.column())
    };
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        FieldProblem::new(path, problem(error.inner()))
    })?;
    json.end().map_err(|error| FieldProblem::new("", problem(&error)))?;
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the document, each in one line.
    fn examples() -> Vec<String> {
        let document = include_str!("../../docs/data-form.md");
        let blocks =
            document.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
        blocks.map(|block| block.lines().map(str::trim_start).collect()).collect()
    }

    #[test]
    fn the_examples_of_the_document_are_read_and_written_as_they_are() {
        let examples = examples();
        let header = Header::parse(examples[0].as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&header).unwrap(), examples[0]);
        let mut kinds = Vec::new();
        for example in &examples[1..] {
            let line = Line::parse(example.as_bytes()).unwrap();
            assert_eq!(serde_json::to_string(&line).unwrap(), *example);
            kinds.push(example.split('"').nth(1).unwrap());
        }
        assert_eq!(kinds, ["gone", "chat_group", "user", "end"]);
    }

    #[track_caller]
    fn check(line: &str, field: &str, reason: &str) {
        let problem = Line::parse(line.as_bytes()).unwrap_err();
        assert_eq!((problem.field.as_str(), problem.reason.as_str()), (field, reason), "{line}");
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_field() {
        check("{}", "", "expected value (column 2)");
        check(
            r#"{"users":{}}"#,
            "",
            "unknown variant `users`, expected one of `gone`, `chat_group`, `user`, `end` (column 8)",
        );
        let gone = r#"{"gone":{"type":"user","id":"a","is_gone":true,"directory_revision":1}}"#;
        assert!(Line::parse(gone.as_bytes()).is_ok());
        check(
            &gone.replace("\"user\"", "\"robot\""),
            "gone.type",
            "unknown variant `robot`, expected `user` or `group` (column 23)",
        );
        check(
            &gone.replace(":1}", ":-1}"),
            "gone.directory_revision",
            "invalid value: integer `-1`, expected u64 (column 70)",
        );
        check(&gone.replace("\"id\"", "\"type\""), "gone", "duplicate field `type` (column 29)");
        check(&format!("{gone}{gone}"), "", "trailing characters (column 72)");
    }
}
