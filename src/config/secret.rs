//! Secrets: given, or in a file.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::domain::SecretKey;

/// A secret key, if one is given.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// The secret key. Better in a file: flags can be seen by others on the machine.
    #[arg(long, env = "EARMARK_SECRET_KEY", hide_env_values = true, value_name = "KEY")]
    secret_key: Option<Secret>,

    /// A file that holds the secret key.
    #[arg(long, env = "EARMARK_SECRET_KEY_FILE", value_name = "FILE")]
    secret_key_file: Option<PathBuf>,
}

impl KeyArgs {
    /// The key, if one is given.
    pub fn secret_key(&self) -> anyhow::Result<Option<SecretKey>> {
        let text = secret(self.secret_key.as_ref(), self.secret_key_file.as_deref())
            .context("--secret-key-file / EARMARK_SECRET_KEY_FILE")?;
        let Some(text) = text else { return Ok(None) };
        let key = SecretKey::parse(&text)
            .map_err(|problem| anyhow::anyhow!("--secret-key / EARMARK_SECRET_KEY {problem}"))?;
        Ok(Some(key))
    }
}

/// A text that `Debug` does not show.
#[derive(Clone)]
pub(super) struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// A secret that is given, or stands in a file; the line's end after it does not belong to it. What is empty is not given,
/// as Compose has it for a variable that is not set.
pub(super) fn secret(
    given: Option<&Secret>,
    file: Option<&Path>,
) -> anyhow::Result<Option<String>> {
    let given = given.filter(|Secret(text)| !text.is_empty());
    let file = file.filter(|file| !file.as_os_str().is_empty());
    match (given, file) {
        (Some(_), Some(_)) => anyhow::bail!("must not be given beside the setting without file"),
        (Some(Secret(text)), None) => Ok(Some(text.clone())),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (None, None) => Ok(None),
    }
}
