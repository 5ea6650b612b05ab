//! `rung dev` as a process: started, killed and started again on the same data.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::api::Api;
use crate::patience::PATIENCE;

const READY: &str = "rung: listening on http://";

/// The operator's key that every started process is given.
const ADMIN_KEY: &str = "the-operators-own-key-0123456789";

/// A running `rung dev`. Dropping it kills the process and removes its data.
pub struct Rung {
    exe: PathBuf,
    flags: Vec<OsString>,
    data: TempDir,
    /// Where it listens now: shared with the clients, which so survive a restart on another port.
    addr: watch::Sender<SocketAddr>,
    output: Output,
    child: Child,
}

impl Rung {
    /// Starts `EXE dev` on fresh data and waits until it says that it listens. `flags` come on top of
    /// `--addr`, `--data` and `--admin-key`.
    pub async fn start(exe: impl Into<PathBuf>, flags: &[&str]) -> Self {
        let exe = exe.into();
        let flags: Vec<OsString> = flags.iter().map(OsString::from).collect();
        let data = tempfile::tempdir().expect("a temporary directory");
        let output = Output::default();
        let (child, addr) = spawn(&exe, data.path(), &flags, &output).await;
        Self {
            exe,
            flags,
            data,
            addr: watch::Sender::new(addr),
            output,
            child,
        }
    }

    /// A client with the operator's key.
    pub fn admin(&self) -> Api {
        Api::new(self.addr.subscribe(), ADMIN_KEY)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        *self.addr.borrow()
    }

    /// The directory of its database.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The process id.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// All it has written so far, standard output and error, over all restarts.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// What it has written to standard output.
    pub fn stdout(&self) -> String {
        self.output.locked().stdout.clone()
    }

    /// Ends it with SIGKILL, as a power cut would.
    pub async fn kill9(&mut self) {
        self.child.kill().await.expect("SIGKILL is sent");
    }

    /// Asks it to end with SIGTERM and gives the exit status.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.ask_to_end();
        self.ended().await
    }

    /// Sends SIGTERM and doesn't wait.
    pub fn ask_to_end(&self) {
        let pid = i32::try_from(self.pid())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        kill_process(pid, Signal::TERM).expect("SIGTERM is sent");
    }

    /// Waits for the process's end.
    pub async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("still running:\n{}", self.output()))
            .expect("the exit status")
    }

    /// Starts it again on the same data, after [`kill9`](Self::kill9) or [`terminate`](Self::terminate).
    pub async fn restart(&mut self) {
        let (child, addr) = spawn(&self.exe, self.data.path(), &self.flags, &self.output).await;
        self.child = child;
        self.addr.send_replace(addr);
    }

    /// Runs `EXE` with `args` to its end: for commands that don't stay, and starts that must fail.
    /// A start that succeeds nonetheless is ended and panics.
    pub async fn run(exe: impl Into<PathBuf>, args: &[&str]) -> (ExitStatus, String) {
        let output = Output::default();
        let mut child = output.attach(command(&exe.into()).args(args));
        let Ok(status) = tokio::time::timeout(PATIENCE, child.wait()).await else {
            panic!(
                "`{}` did not end by itself:\n{}",
                args.join(" "),
                output.text()
            )
        };
        output.finished().await;
        (status.expect("the exit status"), output.text())
    }
}

impl Drop for Rung {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- rung dev wrote ---\n{}----------------------",
                self.output()
            );
        }
    }
}

/// A command that sees nothing of the environment but the path, and a proxy that no delivery may take.
fn command(exe: &Path) -> Command {
    let mut command = Command::new(exe);
    command
        .env_clear()
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("http_proxy", "http://127.0.0.1:9");
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

async fn spawn(
    exe: &Path,
    data: &Path,
    flags: &[OsString],
    output: &Output,
) -> (Child, SocketAddr) {
    let before = output.text().len();
    let mut command = command(exe);
    command
        .arg("dev")
        .args(["--addr", "127.0.0.1:0", "--admin-key", ADMIN_KEY])
        .arg("--data")
        .arg(data)
        .args(flags);
    let mut child = output.attach(&mut command);
    tokio::select! {
        addr = output.ready(before) => (child, addr),
        status = child.wait() => {
            output.finished().await;
            panic!("rung dev ended ({status:?}) before it listened:\n{}", output.text())
        }
        () = tokio::time::sleep(PATIENCE) => panic!("rung dev never said `{READY}…`:\n{}", output.text()),
    }
}

#[derive(Default)]
struct Text {
    /// Standard output and error, line by line in the order they came.
    all: String,
    /// Standard output alone.
    stdout: String,
}

/// What the process writes, as it comes.
#[derive(Clone)]
struct Output {
    text: Arc<Mutex<Text>>,
    /// Counts the lines, to wake whoever waits; its receivers are the readers still reading.
    lines: watch::Sender<usize>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            text: Arc::default(),
            lines: watch::Sender::new(0),
        }
    }
}

impl Output {
    fn locked(&self) -> MutexGuard<'_, Text> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self) -> String {
        self.locked().all.clone()
    }

    fn attach(&self, command: &mut Command) -> Child {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        self.follow(child.stdout.take().expect("piped"), |text, line| {
            text.all.push_str(line);
            text.stdout.push_str(line);
        });
        self.follow(child.stderr.take().expect("piped"), |text, line| {
            text.all.push_str(line);
        });
        child
    }

    fn follow(
        &self,
        stream: impl AsyncRead + Unpin + Send + 'static,
        keep: impl Fn(&mut Text, &str) + Send + 'static,
    ) {
        let (output, reading) = (self.clone(), self.lines.subscribe());
        tokio::spawn(async move {
            let _reading = reading;
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                keep(&mut output.locked(), &format!("{line}\n"));
                output.lines.send_modify(|lines| *lines += 1);
            }
        });
    }

    /// Waits until both streams are read to their end.
    async fn finished(&self) {
        self.lines.closed().await;
    }

    /// Waits for the line that tells readiness, after the first `skip` bytes.
    async fn ready(&self, skip: usize) -> SocketAddr {
        let mut lines = self.lines.subscribe();
        loop {
            if let Some(line) = self.text()[skip..]
                .lines()
                .find_map(|line| line.strip_prefix(READY))
            {
                return line
                    .trim()
                    .parse()
                    .unwrap_or_else(|_| panic!("not an address: {line}"));
            }
            if lines.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in that behaves like `rung dev` as far as this module looks. Another process writes it: a file that this
    /// one has open for writing, if only in a child just forked, cannot be run.
    async fn script(dir: &TempDir, body: &str) -> PathBuf {
        let path = dir.path().join("rung");
        let write = r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod +x "$1""#;
        let status = Command::new("sh")
            .args(["-c", write, "sh"])
            .arg(&path)
            .arg(body)
            .status();
        assert!(status.await.unwrap().success());
        path
    }

    #[tokio::test]
    async fn started_killed_started_again_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let exe = script(
            &dir,
            "trap 'echo clean; exit 3' TERM; n=$(cat \"$0.n\" 2>/dev/null || echo 1); echo $((n + 1)) > \"$0.n\"
            echo \"args $*\" >&2; echo \"rung: listening on http://127.0.0.1:$n\"; while :; do sleep 0.05; done",
        )
        .await;
        let mut rung = Rung::start(&exe, &["--strict"]).await;
        assert_eq!(rung.addr().port(), 1);
        rung.kill9().await;
        rung.restart().await;
        assert_eq!(rung.addr().port(), 2);
        assert_eq!(rung.terminate().await.code(), Some(3));
        let data = rung.data().display().to_string();
        let args =
            format!("args dev --addr 127.0.0.1:0 --admin-key {ADMIN_KEY} --data {data} --strict\n");
        assert_eq!(rung.output().matches(&args).count(), 2, "{}", rung.output());
    }

    #[tokio::test]
    #[should_panic(expected = "the reason")]
    async fn a_start_that_fails_is_told() {
        let dir = tempfile::tempdir().unwrap();
        Rung::start(script(&dir, "echo the reason >&2; exit 1").await, &[]).await;
    }
}
