//! What a process writes, read to its last line.

use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::process::{Child, Command};
use tokio::sync::watch;

#[derive(Default)]
struct Text {
    /// Standard output and error, line by line in the order they came.
    all: String,
    /// Standard output alone.
    stdout: String,
}

/// The output of a process, or of several one after the other. Clones share it.
#[derive(Clone)]
pub struct Output {
    text: Arc<Mutex<Text>>,
    /// Counts the lines, to wake whoever waits; its receivers are the readers still reading.
    lines: watch::Sender<usize>,
    readers: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            text: Arc::default(),
            lines: watch::Sender::new(0),
            readers: Arc::default(),
        }
    }
}

impl Output {
    fn locked(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All so far.
    pub fn text(&self) -> String {
        self.locked().all.clone()
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        self.locked().stdout.clone()
    }

    /// Starts a process, which is killed when dropped, and follows what it writes.
    ///
    /// # Panics
    /// If it does not start.
    pub fn attach(&self, mut command: Command) -> Child {
        let (stdout, stdout_end) = pipe().expect("a pipe");
        let (stderr, stderr_end) = pipe().expect("a pipe");
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout_end)
            .stderr(stderr_end)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        self.follow(stdout, |text, line| {
            text.all.push_str(line);
            text.stdout.push_str(line);
        });
        self.follow(stderr, |text, line| text.all.push_str(line));
        child
    }

    /// On a thread of its own, so that the last lines come in wherever the process's end is noticed.
    fn follow(&self, stream: PipeReader, keep: fn(&mut Text, &str)) {
        let (text, lines) = (Arc::clone(&self.text), self.lines.clone());
        let reading = self.lines.subscribe();
        let reader = thread::spawn(move || {
            let _reading = reading;
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                keep(&mut text, &format!("{line}\n"));
                drop(text);
                lines.send_modify(|lines| *lines += 1);
            }
        });
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.push(reader);
    }

    /// Waits until everything is read that the processes have written.
    pub async fn finished(&self) {
        self.lines.closed().await;
    }

    /// Ends the process, and waits until everything is read that it has written.
    pub fn end(&self, child: &mut Child) {
        // It may have ended by itself.
        let _ = child.start_kill();
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        for reader in readers.drain(..) {
            // A reader has nothing to panic over.
            let _ = reader.join();
        }
    }

    /// Waits for a line after the first `skip` bytes in which `find` finds something.
    pub async fn until<T>(&self, skip: usize, find: impl Fn(&str) -> Option<T>) -> T {
        let mut lines = self.lines.subscribe();
        loop {
            if let Some(found) = self.text()[skip..].lines().find_map(&find) {
                return found;
            }
            if lines.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
