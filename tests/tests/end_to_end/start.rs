//! What the process says when it starts, and when it won't.

use std::path::Path;

use rung_tests::{Rung, eventually};

use crate::{RUNG, rung};

/// Whoever starts it waits for this line, and may read no other.
#[tokio::test]
async fn the_first_line_tells_readiness() {
    let rung = rung(&[]).await;
    let lines = rung.stdout();
    let first = lines.lines().next().unwrap();
    assert_eq!(first, format!("rung: listening on http://{}", rung.addr()));
}

/// Whoever starts it by hand is led to the page.
#[tokio::test]
async fn the_dashboard_is_where_the_start_says() {
    let rung = rung(&[]).await;
    let dashboard = eventually("the dashboard's address", async || {
        let lines = rung.stdout();
        let mut lines = lines.lines();
        let line = lines.find_map(|line| line.strip_prefix("rung: dashboard "));
        line.map(str::to_owned)
    })
    .await;
    assert_eq!(dashboard, format!("http://{}/", rung.addr()));
}

/// Loopback receivers are a convenience of one machine: the warning says so, and `--strict` ends it.
#[tokio::test]
async fn lax_url_rules_are_told() {
    let lax = rung(&[]).await;
    eventually("a warning", async || {
        lax.output().contains("--strict").then_some(())
    })
    .await;
}

/// The start is refused with file, line and reason.
#[tokio::test]
async fn a_dialect_file_with_a_mistake() {
    let odin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/dialects/odin.toml");
    let odin = std::fs::read_to_string(odin).unwrap();
    let broken = odin.lines().count() + 1;
    for (text, line, reason) in [
        (format!("{odin}\n[unfinished\n"), broken + 1, ""),
        (
            format!("# Ours.\nno_such_setting = true\n{odin}"),
            2,
            "no_such_setting",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ours.toml");
        std::fs::write(&file, text).unwrap();
        let data = dir.path().join("data");
        let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
        let (status, output) = Rung::run(
            RUNG,
            &[
                "dev",
                "--addr",
                "127.0.0.1:0",
                "--data",
                data,
                "--dialect",
                file,
            ],
        )
        .await;
        assert!(!status.success(), "{output}");
        assert!(output.contains("ours.toml"), "the file: {output}");
        assert!(output.contains(&line.to_string()), "line {line}: {output}");
        assert!(output.contains(reason), "{output}");
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let args = [
        "dev",
        "--addr",
        "127.0.0.1:0",
        "--data",
        data,
        "--dialect",
        "/no/such/file.toml",
    ];
    let (status, output) = Rung::run(RUNG, &args).await;
    assert!(
        !status.success() && output.contains("/no/such/file.toml"),
        "{output}"
    );
}
