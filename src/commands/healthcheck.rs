//! `earmark healthcheck`: asks a running service whether it is ready.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::{Healthcheck, Output};

const TIME_MAX: Duration = Duration::from_secs(4);
/// Enough for the status line of the answer.
const ANSWER_BYTES_MAX: u64 = 1024;

#[derive(Serialize)]
struct Health {
    ready: bool,
    /// Of the answer.
    status_line: String,
}

/// A probe that succeeds prints nothing.
impl Display for Health {
    fn fmt(&self, _: &mut Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

pub(super) async fn run(settings: &Healthcheck, output: Output) -> anyhow::Result<()> {
    let status_line = tokio::time::timeout(TIME_MAX, status_line(&settings.url));
    let status_line = status_line.await.context("no answer in time")??;
    let health = Health { ready: status_line.split(' ').nth(1) == Some("200"), status_line };
    output.print(&health)?;
    if health.ready { Ok(()) } else { bail!("{}: {}", settings.url, health.status_line) }
}

async fn status_line(url: &str) -> anyhow::Result<String> {
    let setting = "--url / EARMARK_HEALTHCHECK_URL must be http://<host>:<port>/<path>";
    let rest = url.strip_prefix("http://").context(setting)?;
    let (host, path) = rest.split_once('/').context(setting)?;
    let mut stream = TcpStream::connect(host).await.with_context(|| host.to_owned())?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}
