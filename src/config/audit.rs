//! The arguments of `earmark audit`.

use std::time::Duration;

use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::DatabaseArgs;
use crate::domain::SdkAppId;
use crate::limits::AUDIT_ENTRIES_MAX;

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Only changes of this app.
    #[arg(long, value_name = "SDKAPPID")]
    pub app: Option<SdkAppId>,

    /// Only changes since then: an age such as `7d`, `24h` or `30m`, a day such as `2026-11-30` or a time such as
    /// `2026-11-30T09:00:00Z`.
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,

    /// Only entries with lower numbers, to go on after the last one that was shown.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    pub before: Option<i64>,

    /// How many entries to show, at most.
    #[arg(long, default_value_t = AUDIT_ENTRIES_MAX, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(AUDIT_ENTRIES_MAX)))]
    pub limit: u32,

    #[command(flatten)]
    pub database: DatabaseArgs,
}

impl AuditArgs {
    /// Unix seconds.
    #[must_use]
    pub fn since(&self, now: u64) -> Option<u64> {
        self.since.map(|since| match since {
            Since::Age(age) => now.saturating_sub(age.as_secs()),
            Since::Time(time) => time,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Age(Duration),
    /// Unix seconds.
    Time(u64),
}

impl std::str::FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = age(text).map(Self::Age).or_else(|| time(text).map(Self::Time));
        time.ok_or("must be an age such as 7d, 24h or 30m, a day or a time with its zone")
    }
}

fn age(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        _ => return None,
    };
    Some(Duration::from_secs(u64::from(number.parse::<u32>().ok()?) * seconds))
}

fn time(text: &str) -> Option<u64> {
    let parsed = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    // A day alone is not a time of RFC 3339.
    let at = parsed(text).or_else(|| parsed(&format!("{text}T00:00:00Z")))?;
    u64::try_from(at.unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_days_and_times_are_understood() {
        for (text, expected) in [
            ("7d", Since::Age(Duration::from_hours(7 * 24))),
            ("24h", Since::Age(Duration::from_hours(24))),
            ("30m", Since::Age(Duration::from_mins(30))),
            ("2026-11-30", Since::Time(1_795_996_800)),
            ("2026-11-30T01:00:00+01:00", Since::Time(1_795_996_800)),
            ("2026-11-30T00:00:01Z", Since::Time(1_795_996_801)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "d",
            "7",
            "-7d",
            "7w",
            "30.11.2026",
            "2026-13-01",
            "2026-11-30T00:00:00",
            "1969-01-01",
        ] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}
