//! `rung dev` as a process: started, killed and started again on the same data.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::api::Api;
use crate::output::Output;
use crate::patience::PATIENCE;
use crate::proxy::Proxy;
use crate::secrets::Secrets;

const READY: &str = "rung: listening on http://";

/// The operator's key that every started process is given.
pub const ADMIN_KEY: &str = "the-operators-own-key-0123456789";

/// A running `rung dev`. Dropping it kills the process, removes its data, and checks that the process has written no secret
/// that went over its API, and has asked none of the proxies that its environment names.
pub struct Rung {
    exe: PathBuf,
    flags: Vec<OsString>,
    data: TempDir,
    /// Where it listens now: shared with the clients, which so survive a restart on another port.
    addr: watch::Sender<SocketAddr>,
    output: Output,
    secrets: Secrets,
    child: Child,
    /// The last field: the process has ended when this looks who has asked.
    proxy: Proxy,
}

/// The build that is to be measured: the one that `--rung` names, or `rung` beside this binary.
///
/// # Panics
/// When there is none.
pub fn release_build(named: Option<PathBuf>) -> PathBuf {
    let exe = named.unwrap_or_else(|| {
        let own = std::env::current_exe().expect("the path of this binary");
        own.with_file_name(format!("rung{}", std::env::consts::EXE_SUFFIX))
    });
    assert!(
        exe.exists(),
        "{} is not there: build it with `cargo build --release`, or name it with --rung",
        exe.display()
    );
    exe
}

impl Rung {
    /// Starts `EXE dev` on fresh data and waits until it says that it listens. `flags` come on top of
    /// `--addr`, `--data` and `--admin-key`.
    pub async fn start(exe: impl Into<PathBuf>, flags: &[&str]) -> Self {
        let exe = exe.into();
        let flags: Vec<OsString> = flags.iter().map(OsString::from).collect();
        let data = tempfile::tempdir().expect("a temporary directory");
        let output = Output::default();
        let proxy = Proxy::start();
        let (child, addr) = spawn(&exe, data.path(), &flags, &output, &proxy).await;
        Self {
            exe,
            flags,
            data,
            addr: watch::Sender::new(addr),
            output,
            secrets: Secrets::default(),
            child,
            proxy,
        }
    }

    /// A client with the operator's key.
    pub fn admin(&self) -> Api {
        Api::new(self.addr.subscribe(), self.secrets.clone(), ADMIN_KEY)
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
        self.output.stdout()
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
        let data = self.data.path();
        let (child, addr) = spawn(&self.exe, data, &self.flags, &self.output, &self.proxy).await;
        self.child = child;
        self.addr.send_replace(addr);
    }

    /// Runs `EXE` with `args` to its end: for commands that don't stay, and starts that must fail.
    /// A start that succeeds nonetheless is ended and panics.
    pub async fn run(exe: impl Into<PathBuf>, args: &[&str]) -> (ExitStatus, String) {
        let (output, proxy) = (Output::default(), Proxy::start());
        let mut command = command(&exe.into(), &proxy);
        command.args(args);
        let mut child = output.attach(command);
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
        self.output.end(&mut self.child);
        let written = self.output();
        if std::thread::panicking() {
            eprintln!("--- rung dev wrote ---\n{written}----------------------");
            return;
        }
        self.secrets.assert_not_in(&written);
    }
}

/// A command that sees nothing of the environment but the path, and a proxy that it must not ask.
fn command(exe: &Path, proxy: &Proxy) -> Command {
    let mut command = Command::new(exe);
    command.env_clear().envs(proxy.environment());
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
    proxy: &Proxy,
) -> (Child, SocketAddr) {
    let before = output.text().len();
    let mut command = command(exe, proxy);
    command
        .arg("dev")
        .args(["--addr", "127.0.0.1:0", "--admin-key", ADMIN_KEY])
        .arg("--data")
        .arg(data)
        .args(flags);
    let mut child = output.attach(command);
    let address = |line: &str| {
        let address = line.strip_prefix(READY)?.trim();
        let address = address.parse();
        Some(address.unwrap_or_else(|_| panic!("not an address: {line}")))
    };
    tokio::select! {
        addr = output.until(before, address) => (child, addr),
        status = child.wait() => {
            output.finished().await;
            panic!("rung dev ended ({status:?}) before it listened:\n{}", output.text())
        }
        () = tokio::time::sleep(PATIENCE) => panic!("rung dev never said `{READY}…`:\n{}", output.text()),
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
            echo \"args $*\" >> \"$0.args\"; echo \"rung: listening on http://127.0.0.1:$n\"; while :; do sleep 0.05; done",
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
        let given = std::fs::read_to_string(exe.with_extension("args")).unwrap();
        assert_eq!(given, args.repeat(2));
    }

    #[tokio::test]
    #[should_panic(expected = "was written")]
    async fn a_process_that_writes_a_key_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let body = "echo \"$*\" >&2; echo rung: listening on http://127.0.0.1:1; exec sleep 60";
        let exe = script(&dir, body).await;
        let rung = Rung::start(&exe, &[]).await;
        rung.admin();
    }

    #[tokio::test]
    #[should_panic(expected = "the reason")]
    async fn a_start_that_fails_is_told() {
        let dir = tempfile::tempdir().unwrap();
        Rung::start(script(&dir, "echo the reason >&2; exit 1").await, &[]).await;
    }
}
