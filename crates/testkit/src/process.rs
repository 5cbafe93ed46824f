//! Child processes whose output a test can wait for.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{TIMEOUT, eventually, watchdog};

/// A command line that has not been started.
#[derive(Debug)]
pub struct Program(Command);

impl Program {
    pub fn new(command: Command) -> Self {
        Self(command)
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, more: impl IntoIterator<Item = S>) -> Self {
        self.0.args(more);
        self
    }

    /// A command line that begins with `outer` and goes on with this one.
    #[must_use]
    pub fn wrapped_by(self, mut outer: Command) -> Self {
        outer.arg(self.0.get_program()).args(self.0.get_args());
        for (name, value) in self.0.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        Self(outer)
    }

    /// Runs the program as this user, in the group `root` and no other. Needs root.
    #[must_use]
    pub fn user(mut self, uid: u32) -> Self {
        self.0.uid(uid).gid(0);
        self
    }

    /// Starts the program and waits until it exits.
    #[track_caller]
    pub fn run(self) -> Exit {
        self.start().wait()
    }

    pub fn start(self) -> Process {
        self.start_reading(None)
    }

    /// Starts the program. Reads its standard error up to the first line with these words, and never after that, so the
    /// pipe fills up.
    pub fn start_unread_after(self, words: &'static str) -> Process {
        self.start_reading(Some(words))
    }

    fn start_reading(mut self, last: Option<&'static str>) -> Process {
        let streams = self.0.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap();
        watchdog::note_started(&child);
        let stdout = Output::read(child.stdout.take().unwrap(), None);
        let stderr = Output::read(child.stderr.take().unwrap(), last);
        Process { child, stdout, stderr }
    }
}

/// A child process. It is killed when this is dropped, and when our process is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pub stdout: Output,
    pub stderr: Output,
}

/// How a process ended, and all of its output.
#[derive(Debug)]
pub struct Exit {
    /// `None` if a signal ended the process.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    pub fn send(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until the process exits.
    #[track_caller]
    pub fn wait(mut self) -> Exit {
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let status = self.child.wait().unwrap();
        Exit { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// Sends SIGTERM, waits, and checks that the exit code is 0.
    #[track_caller]
    pub fn stop(self) -> Exit {
        self.send(Signal::SIGTERM);
        let exit = self.wait();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        exit
    }

    /// As [`Self::stop`], but does not read the output.
    #[track_caller]
    pub fn stop_without_reading(mut self) {
        self.send(Signal::SIGTERM);
        let status = eventually("the process exits", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0));
    }

    /// Sends SIGKILL, and waits.
    #[track_caller]
    pub fn kill(self) {
        self.send(Signal::SIGKILL);
        assert_eq!(self.wait().signal, Some(9));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        watchdog::note_ended(&self.child);
    }
}

impl Exit {
    /// Checks that the program failed and that its standard error has all of these words.
    #[track_caller]
    pub fn expect_failure(&self, words: &[&str]) {
        assert!(self.code.is_some_and(|code| code != 0), "expected a failure: {self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing in: {}", self.stderr);
        }
    }

    /// Checks that the exit code is 0, and returns the standard output.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }
}

/// What a process has written to one of its streams so far.
#[derive(Clone, Debug)]
pub struct Output(Arc<(Mutex<Written>, Condvar)>);

#[derive(Debug, Default)]
struct Written {
    text: String,
    is_closed: bool,
}

impl Output {
    /// Reads to the end of the stream, or to the first line with `last`. After that line it keeps the pipe open and unread.
    fn read(from: impl Read + Send + 'static, last: Option<&'static str>) -> Self {
        let output = Self(Arc::default());
        let writer = output.clone();
        std::thread::spawn(move || {
            let (written, changed) = &*writer.0;
            let (mut from, mut line) = (BufReader::new(from), Vec::new());
            while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                written.lock().unwrap().text += &String::from_utf8_lossy(&line);
                changed.notify_all();
                while last.is_some_and(|last| String::from_utf8_lossy(&line).contains(last)) {
                    std::thread::park();
                }
                line.clear();
            }
            written.lock().unwrap().is_closed = true;
            changed.notify_all();
        });
        output
    }

    pub fn so_far(&self) -> String {
        self.0.0.lock().unwrap().text.clone()
    }

    /// Waits for a line with these words, and returns it.
    #[track_caller]
    pub fn line(&self, words: &str) -> String {
        let found = self.find_line(words);
        found.unwrap_or_else(|written| panic!("`{words}` was not written, but: {written}"))
    }

    /// Waits for a line with these words, and returns it. If there is none, returns everything that was written.
    pub fn find_line(&self, words: &str) -> Result<String, String> {
        let find = |written: &Written| {
            written.text.lines().find(|line| line.contains(words)).map(Into::into)
        };
        let (found, text) = self.wait(|written| find(written).is_some() || written.is_closed, find);
        found.ok_or(text)
    }

    /// Waits until the process closes the stream, for at most [`TIMEOUT`].
    pub fn wait_until_closed(&self) {
        self.wait(|written| written.is_closed, |_| ());
    }

    #[track_caller]
    fn all(&self) -> String {
        let (is_closed, text) = self.wait(|written| written.is_closed, |written| written.is_closed);
        assert!(is_closed, "the process did not exit within {TIMEOUT:?}, it wrote: {text}");
        text
    }

    fn wait<T>(
        &self,
        is_done: impl Fn(&Written) -> bool,
        take: impl Fn(&Written) -> T,
    ) -> (T, String) {
        let (written, changed) = &*self.0;
        let (deadline, mut written) = (Instant::now() + TIMEOUT, written.lock().unwrap());
        while !is_done(&written) && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            written = changed.wait_timeout(written, left).unwrap().0;
        }
        (take(&written), written.text.clone())
    }
}
