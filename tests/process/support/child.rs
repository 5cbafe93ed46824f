//! The binary as a child process whose output can be waited for.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::LONG;

/// A command line, not yet run. Of our environment it gets what has nothing to do with it.
pub(crate) struct Program(Command);

impl Program {
    pub(crate) fn earmark<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_earmark"));
        command.args(arguments);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("EARMARK_") || name.starts_with("PG") {
                command.env_remove(name.as_ref());
            }
        }
        Self(command)
    }

    pub(crate) fn other(command: Command) -> Self {
        Self(command)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, more: impl IntoIterator<Item = S>) -> Self {
        self.0.args(more);
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Ended {
        self.start().ended()
    }

    pub(crate) fn start(self) -> Running {
        self.start_reading(None)
    }

    /// Starts it, and reads its log no further than the first line with these words: after that the pipe fills up.
    pub(crate) fn start_unread_after(self, words: &'static str) -> Running {
        self.start_reading(Some(words))
    }

    fn start_reading(mut self, last: Option<&'static str>) -> Running {
        let streams = self.0.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap();
        let stdout = Stream::read(child.stdout.take().unwrap(), None);
        let stderr = Stream::read(child.stderr.take().unwrap(), last);
        Running { child, stdout, stderr }
    }
}

/// A child that is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
}

/// How a child ended, and all it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let status = self.child.wait().unwrap();
        Ended { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// Asks it to stop, and checks that it ended well.
    #[track_caller]
    pub(crate) fn stop(self) -> Ended {
        self.send(Signal::SIGTERM);
        let ended = self.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended
    }

    /// Asks it to stop, and waits for that without a look at what it says.
    #[track_caller]
    pub(crate) fn stop_unread(mut self) {
        self.send(Signal::SIGTERM);
        let status = super::eventually("it ends", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0));
    }

    /// As `kill -9` does.
    pub(crate) fn kill(self) {
        self.send(Signal::SIGKILL);
        assert_eq!(self.ended().signal, Some(9));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Ended {
    /// It failed, and its message has these words.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) {
        assert!(self.code.is_some_and(|code| code != 0), "should have failed: {self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing in: {}", self.stderr);
        }
    }

    /// It went well, and this is what it printed.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }
}

/// What a child has said so far on one of its streams.
#[derive(Clone)]
pub(crate) struct Stream(Arc<(Mutex<Said>, Condvar)>);

#[derive(Default)]
struct Said {
    text: String,
    is_over: bool,
}

impl Stream {
    /// Reads to the end, or to the first line with the last words: then it holds the pipe and reads no more.
    fn read(from: impl Read + Send + 'static, last: Option<&'static str>) -> Self {
        let stream = Self(Arc::default());
        let writer = stream.clone();
        std::thread::spawn(move || {
            let (said, news) = &*writer.0;
            let (mut from, mut line) = (BufReader::new(from), Vec::new());
            while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                said.lock().unwrap().text += &String::from_utf8_lossy(&line);
                news.notify_all();
                while last.is_some_and(|last| String::from_utf8_lossy(&line).contains(last)) {
                    std::thread::park();
                }
                line.clear();
            }
            said.lock().unwrap().is_over = true;
            news.notify_all();
        });
        stream
    }

    pub(crate) fn so_far(&self) -> String {
        self.0.0.lock().unwrap().text.clone()
    }

    /// The first line with these words, once it is there.
    #[track_caller]
    pub(crate) fn line(&self, words: &str) -> String {
        let found = self.find_line(words);
        found.unwrap_or_else(|said| panic!("`{words}` was not said, but: {said}"))
    }

    /// The first line with these words, once it is there; all that was said, if it is not.
    pub(crate) fn find_line(&self, words: &str) -> Result<String, String> {
        let find =
            |said: &Said| said.text.lines().find(|line| line.contains(words)).map(Into::into);
        let (found, said) = self.wait(|said| find(said).is_some() || said.is_over, find);
        found.ok_or(said)
    }

    /// Waits until the child has closed it, but not for ever.
    pub(crate) fn wait_for_the_end(&self) {
        self.wait(|said| said.is_over, |_| ());
    }

    #[track_caller]
    fn all(&self) -> String {
        let (is_over, said) = self.wait(|said| said.is_over, |said| said.is_over);
        assert!(is_over, "it should have ended, but it only said: {said}");
        said
    }

    fn wait<T>(&self, done: impl Fn(&Said) -> bool, take: impl Fn(&Said) -> T) -> (T, String) {
        let (said, news) = &*self.0;
        let (end, mut said) = (Instant::now() + LONG, said.lock().unwrap());
        while !done(&said) && Instant::now() < end {
            said =
                news.wait_timeout(said, end.saturating_duration_since(Instant::now())).unwrap().0;
        }
        (take(&said), said.text.clone())
    }
}
