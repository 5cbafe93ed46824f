//! Settings in, exit code out; nothing else.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use earmark::{commands, config::Config};

#[actix_web::main]
async fn main() -> ExitCode {
    match commands::run(Config::parse()).await {
        Ok(code) => code,
        Err(error) => {
            // Standard error is the last resort: if it is closed, there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "earmark: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, each once: some libraries repeat the cause in their own words.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !told.contains(&cause) {
            told += if told.is_empty() { "" } else { ": " };
            told += &cause;
        }
    }
    told
}
