//! Settings in, exit code out; and the one thing about memory that is a program's affair.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use earmark::{commands, config::Config};

#[actix_web::main]
async fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    memory::give_back();
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

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod memory {
    use std::thread::{Builder, sleep};
    use std::time::Duration;

    const PAUSE: Duration = Duration::from_secs(5);

    /// Gives the system back what is free, again and again. By itself glibc's allocator gives back only what is free at an
    /// end of its heaps, so that a burst of connections would cost the process its memory for good.
    pub(super) fn give_back() {
        let again_and_again = || loop {
            sleep(PAUSE);
            #[expect(unsafe_code, reason = "no library that is kept well does it")]
            // SAFETY: it takes no pointer, and any thread may call it at any time.
            unsafe {
                libc::malloc_trim(0);
            }
        };
        // Where there is no thread to be had, the memory stays: no reason not to serve.
        _ = Builder::new().name("memory".to_owned()).spawn(again_and_again);
    }
}
