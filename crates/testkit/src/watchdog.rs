//! Ends the child processes of a test process that was killed, and therefore drops nothing.

use std::io::{self, PipeWriter, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Reads which processes were started and which have ended, and kills the others when its input ends.
const SCRIPT: &str = r#"
running=
while read -r change pid; do
  case $change in
    started) running="$running $pid ";;
    ended) running="${running%%" $pid "*}${running#*" $pid "}";;
  esac
done
kill -KILL $running
"#;

/// A shell script that outlives us. Its input is a pipe that the kernel closes when our process ends.
struct Watchdog {
    input: PipeWriter,
    _script: Child,
}

fn watchdog() -> &'static Watchdog {
    static WATCHDOG: OnceLock<Watchdog> = OnceLock::new();
    WATCHDOG.get_or_init(|| {
        let (output, input) = io::pipe().unwrap();
        let mut script = Command::new("/bin/sh");
        script.args(["-c", SCRIPT, "earmark-test-watchdog"]);
        script.stdin(output).stdout(Stdio::null()).stderr(Stdio::null());
        // With a process group of its own, it does not receive our Ctrl-C.
        script.process_group(0).current_dir("/");
        Watchdog { input, _script: script.spawn().unwrap() }
    })
}

pub(crate) fn note_started(process: &Child) {
    note("started", process);
}

/// Call this when the process was waited for.
pub(crate) fn note_ended(process: &Child) {
    note("ended", process);
}

fn note(change: &str, process: &Child) {
    let line = format!("{change} {}\n", process.id());
    _ = (&watchdog().input).write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{BufRead as _, BufReader};

    use crate::{Program, wait_until};

    use super::*;

    /// The variable that makes a test process start a program and wait.
    const IS_CHILD: &str = "EARMARK_TEST_WATCHED";

    /// Whether a process runs. One that has ended may stay a zombie, if no process waits for orphans here.
    fn runs(pid: &str) -> bool {
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn the_processes_of_a_killed_test_end() {
        if std::env::vars_os().any(|(name, _)| name == IS_CHILD) {
            let start = |time| {
                let mut sleep = Command::new("sleep");
                sleep.arg(time);
                Program::new(sleep).start()
            };
            let [first, ended, last] = ["600", "600", "600"].map(start);
            drop(ended);
            println!("\nstarted {} {}", first.pid(), last.pid());
            std::thread::park();
        }
        let name = "watchdog::tests::the_processes_of_a_killed_test_end";
        let mut test = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(IS_CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(test.stdout.take().unwrap()).lines();
        let started =
            lines.find_map(|line| line.unwrap().strip_prefix("started ").map(str::to_owned));
        let started = started.unwrap();
        assert!(started.split(' ').all(runs), "{started}");

        test.kill().unwrap();
        test.wait().unwrap();

        wait_until("the programs end", || !started.split(' ').any(runs));
    }
}
