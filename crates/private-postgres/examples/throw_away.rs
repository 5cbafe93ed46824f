//! Runs a command with a PostgreSQL that stops when the command ends:
//!
//! ```sh
//! cargo run --package private-postgres --example throw_away -- [FILE.sql…] -- COMMAND [ARGUMENT…]
//! ```
//!
//! First runs the SQL files. The command finds the database in `DATABASE_URL`. Its exit code becomes ours.

use std::error::Error;
use std::path::PathBuf;
use std::process::{self, Command, ExitCode};

use private_postgres::{Cluster, Lifetime, Settings};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut parts = arguments.splitn(2, |argument| argument == "--");
    let files = parts.next().unwrap_or_default();
    let [program, arguments @ ..] = parts.next().unwrap_or_default() else {
        return Err("usage: throw_away [FILE.sql…] -- COMMAND [ARGUMENT…]".into());
    };

    let folder = std::env::temp_dir().join(format!("earmark-throw-away-{}", process::id()));
    let settings = Settings { folder, pg_bin: pg_bin(), lifetime: Lifetime::Ephemeral };
    let cluster = Cluster::start(&settings).await?;
    let options = cluster.connect_options();
    let mut connection = options.connect().await?;
    for file in files {
        let sql = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let run = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
        run.map_err(|error| format!("{file}: {error}"))?;
    }
    connection.close().await?;

    let url = options.to_url_lossy();
    let status =
        Command::new(program).args(arguments).env("DATABASE_URL", url.as_str()).status()?;
    cluster.stop().await?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

#[expect(clippy::disallowed_methods, reason = "the same variable as that of `earmark dev`")]
fn pg_bin() -> Option<PathBuf> {
    std::env::var_os("EARMARK_PG_BIN").map(PathBuf::from)
}
