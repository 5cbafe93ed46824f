//! The program: runs a command and turns its result into an exit code.

use std::io::Write;
use std::process::ExitCode;

use earmark::{commands, config::Config};

#[actix_web::main]
async fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    memory::trim_regularly();
    let done = match Config::read() {
        Ok(config) => commands::run(config).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // If standard error is closed, there is no other place to report to.
            _ = writeln!(std::io::stderr(), "earmark: {}", message(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes. A cause is left out if the text before contains it, since some libraries repeat their cause.
fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !message.contains(&cause) {
            message += if message.is_empty() { "" } else { ": " };
            message += &cause;
        }
    }
    message
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod memory {
    use std::thread::{Builder, sleep};
    use std::time::Duration;

    const PAUSE: Duration = Duration::from_secs(5);

    /// Returns free memory to the system every few seconds. glibc's allocator by itself returns only memory at the end of
    /// a heap, so that the process would keep the memory of a burst of connections forever.
    pub(super) fn trim_regularly() {
        let trim_forever = || loop {
            sleep(PAUSE);
            #[expect(unsafe_code, reason = "no maintained library wraps this call")]
            // SAFETY: the call takes no pointer, and any thread may make it at any time.
            unsafe {
                libc::malloc_trim(0);
            }
        };
        // Without this thread the process uses more memory, but it can serve.
        _ = Builder::new().name("memory".to_owned()).spawn(trim_forever);
    }
}
