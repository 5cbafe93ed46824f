//! Secrets, from a setting or from a file.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::domain::SecretKey;

#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// The secret key. Prefer a file, since other users of the machine can see the flags of a process.
    #[arg(long, env = "EARMARK_SECRET_KEY", hide_env_values = true, value_name = "KEY")]
    secret_key: Option<SecretString>,

    /// A file that contains the secret key.
    #[arg(long, env = "EARMARK_SECRET_KEY_FILE", value_name = "FILE")]
    secret_key_file: Option<PathBuf>,
}

impl KeyArgs {
    pub fn secret_key(&self) -> anyhow::Result<Option<SecretKey>> {
        let text = given_or_read(self.secret_key.as_ref(), self.secret_key_file.as_deref())
            .context("--secret-key-file / EARMARK_SECRET_KEY_FILE")?;
        let Some(text) = text else { return Ok(None) };
        let key = SecretKey::parse(text.expose_secret())
            .map_err(|problem| anyhow::anyhow!("--secret-key / EARMARK_SECRET_KEY {problem}"))?;
        Ok(Some(key))
    }
}

/// A secret from its setting, or from the file that another setting names, without the line break at the end. An empty
/// setting counts as absent: Docker Compose passes an unset variable as an empty one.
pub(super) fn given_or_read(
    given: Option<&SecretString>,
    file: Option<&Path>,
) -> anyhow::Result<Option<SecretString>> {
    let given = given.filter(|given| !given.expose_secret().is_empty());
    let file = file.filter(|file| !file.as_os_str().is_empty());
    match (given, file) {
        (Some(_), Some(_)) => {
            anyhow::bail!("must not be set together with the setting that has the secret itself")
        }
        (Some(given), None) => Ok(Some(given.clone())),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).into()))
        }
        (None, None) => Ok(None),
    }
}
