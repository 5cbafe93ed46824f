//! The error of a value that is not valid.

use std::borrow::Cow;

/// Says what a value must be, for the client. The code that reads the request adds the path of the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(Cow<'static, str>);

impl Problem {
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    pub(super) fn unless_named<T: Copy>(
        all: &[T],
        name: fn(T) -> &'static str,
        text: &str,
    ) -> Result<T, Self> {
        all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
            Self::new(format!("must be one of {}, got {text:?}", names.join(", ")))
        })
    }
}

/// Checks the length in bytes of UTF-8, and that there is no NUL, which PostgreSQL cannot store.
pub(super) fn check_text(text: &str, bytes: std::ops::RangeInclusive<u32>) -> Result<(), Problem> {
    if text.as_bytes().contains(&0) {
        return Err(Problem::new("must not contain the NUL character"));
    }
    if u32::try_from(text.len()).is_ok_and(|length| bytes.contains(&length)) {
        return Ok(());
    }
    let (least, most) = bytes.into_inner();
    Err(Problem::new(format!("must be {least} to {most} bytes of UTF-8, got {}", text.len())))
}
