//! `earmark audit`: lists what operators have changed.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};
use serde_json::Value;
use time::OffsetDateTime;

use super::{check_schema, connect, joined, unix_now};
use crate::audit::{Recorded, Wanted};
use crate::config::{AuditArgs, Output};
use crate::deadline::Deadline;
use crate::http::audit_document;
use crate::service;

/// Entries, newest first, and one more if there are more.
struct Entries {
    entries: Vec<Recorded>,
    limit: u32,
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        audit_document(&self.entries, self.limit).serialize(serializer)
    }
}

impl Display for Entries {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if self.entries.is_empty() {
            return out.write_str("no changes");
        }
        joined(out, self.entries.iter().take(limit).map(Line))?;
        match self.entries.iter().take(limit).next_back() {
            Some(last) if self.entries.len() > limit => {
                write!(out, "\nthere are more: add --before {}", last.number)
            }
            _ => Ok(()),
        }
    }
}

struct Line<'a>(&'a Recorded);

impl Display for Line<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Recorded { number, at, operator, role, origin, action, .. } = self.0;
        write!(out, "#{number} {} {action}", time_of(*at))?;
        if let Some(app) = self.0.app {
            write!(out, " {app}")?;
        }
        if let Some(target) = &self.0.target {
            write!(out, " {target:?}")?;
        }
        write!(out, ", by {operator} from {origin}, role {role}")?;
        if let Some(id) = &self.0.request_id {
            write!(out, ", request {id}")?;
        }
        let parsed = |text: &Option<String>| {
            text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
        };
        match (parsed(&self.0.before), parsed(&self.0.after)) {
            (Value::Null, Value::Null) => Ok(()),
            (Value::Null, after) => write!(out, "\n  {after}"),
            (before, Value::Null) => write!(out, "\n  before: {before}"),
            (before, after) => differences(out, &before, &after),
        }
    }
}

/// A line for each field that has changed.
fn differences(out: &mut Formatter<'_>, before: &Value, after: &Value) -> fmt::Result {
    for (name, now) in after.as_object().into_iter().flatten() {
        match (&before[name], now) {
            (Value::Object(was), Value::Object(now)) => {
                for (inner, now) in now {
                    let was = was.get(inner).unwrap_or(&Value::Null);
                    write!(out, "\n  {name}.{inner}: {was} -> {now}")?;
                }
            }
            (was, now) => write!(out, "\n  {name}: {was} -> {now}")?,
        }
    }
    Ok(())
}

/// Like `2026-11-30 09:27:14Z`.
fn time_of(at: u64) -> String {
    let at = i64::try_from(at).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let Some(at) = at else { return "unknown".to_owned() };
    let (day, time) = (at.date(), at.time());
    let (year, month) = (day.year(), u8::from(day.month()));
    format!(
        "{year}-{month:02}-{:02} {:02}:{:02}:{:02}Z",
        day.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

pub(super) async fn run(settings: &AuditArgs, output: Output) -> anyhow::Result<()> {
    let partitions = connect(&settings.database).await?;
    check_schema(&partitions).await?;
    let wanted = Wanted {
        app: settings.app,
        since: settings.since(unix_now()),
        before: settings.before,
        // One more says whether there are more.
        limit: settings.limit + 1,
    };
    let entries = service::load_audit(&partitions, wanted, Deadline::of_a_request()).await?;
    output.print(&Entries { entries, limit: settings.limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_utc() {
        assert_eq!(time_of(1_795_996_801), "2026-11-30 00:00:01Z");
        assert_eq!(time_of(u64::MAX), "unknown");
    }
}
