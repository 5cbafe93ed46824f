//! The settings of `earmark dev`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::listen::listen_address;
use crate::domain::{SdkAppId, SecretKey};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Dev {
    /// The folder for all data: the database, its log, and the first app's secret key.
    #[arg(long, env = "EARMARK_DATA", default_value = "data", value_name = "FOLDER")]
    pub data: PathBuf,

    /// The address to listen on. `localhost:8080` works too, and `:8080` means every address of the machine.
    #[arg(long, env = "EARMARK_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS",
        value_parser = listen_address)]
    pub listen: SocketAddr,

    /// The folder with PostgreSQL's programs (15 or newer). By default, the command searches for them, and uses
    /// Docker if it finds none.
    #[arg(long, env = "EARMARK_PG_BIN", value_name = "FOLDER")]
    pub pg_bin: Option<PathBuf>,

    /// Keep nothing: the data is in a temporary folder, which is removed at the end, and PostgreSQL runs with fsync off.
    #[arg(long, env = "EARMARK_EPHEMERAL", conflicts_with = "data")]
    pub ephemeral: bool,

    /// Create the demo app without conversations.
    #[arg(long, env = "EARMARK_EMPTY")]
    pub empty: bool,

    /// An app to have instead of the demo app, as `SDKAPPID=KEY`. Can be given several times; the variable separates
    /// apps by commas. The service creates it without a rate limit, with the admin `administrator`. Other users of the
    /// machine can see the flags of a process, so use keys that are for tests only.
    #[arg(
        long = "app",
        env = "EARMARK_APP",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "SDKAPPID=KEY"
    )]
    apps: Vec<SecretString>,

    /// A file of `earmark export` to import into the first app before the service is ready. The demo app then has no other
    /// conversations.
    #[arg(long, env = "EARMARK_SEED", value_name = "FILE")]
    pub seed: Option<PathBuf>,

    /// Print one line of JSON when the service is ready, in place of the text for people: its addresses, the first app
    /// with its secret key, admin and UserSig, and the token for the admin API.
    #[arg(long, env = "EARMARK_JSON")]
    pub json: bool,

    /// A file that contains the line of `--json` while the service is ready. Only its owner can read it. It appears
    /// whole, and is removed at the end.
    #[arg(long, env = "EARMARK_READY_FILE", value_name = "FILE")]
    pub ready_file: Option<PathBuf>,

    /// Accept the admin API and the console also from other machines, under any host name and through proxies. Then
    /// the token is enough to use them from anywhere. A container needs it, because its clients reach it from another
    /// address.
    #[arg(long, env = "EARMARK_ALLOW_REMOTE")]
    pub allow_remote: bool,
}

impl Dev {
    /// The apps of `--app`. No error shows the text of the setting, which has a key in it.
    pub fn apps(&self) -> anyhow::Result<Vec<(SdkAppId, SecretKey)>> {
        let mut apps: Vec<(SdkAppId, SecretKey)> = Vec::new();
        // Docker Compose passes an unset variable as an empty one.
        let given = self.apps.iter().filter(|text| !text.expose_secret().is_empty());
        for (index, text) in given.enumerate() {
            let refuse = |problem: &str| {
                anyhow::anyhow!("--app / EARMARK_APP, number {}: {problem}", index + 1)
            };
            let (number, key) = text.expose_secret().split_once('=').ok_or_else(|| {
                refuse("must be SDKAPPID=KEY, the number of an app and its secret key")
            })?;
            let number: SdkAppId =
                number.parse().map_err(|_| refuse("SDKAPPID must be a positive integer"))?;
            let key = SecretKey::parse(key).map_err(|problem| refuse(&format!("KEY {problem}")))?;
            if apps.iter().any(|(other, _)| *other == number) {
                return Err(refuse("this SDKAPPID is given twice"));
            }
            apps.push((number, key));
        }
        Ok(apps)
    }
}
