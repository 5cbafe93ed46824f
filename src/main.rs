//! Settings in, exit code out; nothing else.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use earmark::{commands, config::Config};

#[actix_web::main]
async fn main() -> ExitCode {
    match commands::run(Config::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is the last resort: if it is closed, there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "earmark: {error:#}");
            ExitCode::FAILURE
        }
    }
}
