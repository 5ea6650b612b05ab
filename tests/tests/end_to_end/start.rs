//! What the process says when it starts, and when it won't.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rung_tests::{Rung, Tenant, eventually};
use serde_json::json;

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

/// The data opens the API and signs deliveries: it is its owner's alone, whatever rights the folder had before, and an earlier version
/// gave its files.
#[tokio::test]
async fn the_data_is_its_owners_alone() {
    let mut rung = rung(&[]).await;
    let folder = rung.data().to_owned();
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let files = || -> Vec<_> {
        let entries = std::fs::read_dir(&folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    for round in 0..2 {
        let tenant = Tenant::create(&rung, &format!("t{round}"), "standard").await;
        tenant.publish("a", json!({})).await;
        let names: Vec<_> = files()
            .iter()
            .map(|path| path.file_name().unwrap().to_owned())
            .collect();
        for name in [
            "lock",
            "dynamodb.sqlite",
            "dynamodb.sqlite-wal",
            "sqs.sqlite-wal",
        ] {
            assert!(names.iter().any(|known| known == name), "{names:?}");
        }
        for path in files() {
            let mode = path.metadata().unwrap().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
        assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);
        rung.kill9().await;
        for path in files() {
            set(&path, 0o644);
        }
        set(&folder, 0o755);
        rung.restart().await;
    }
}

/// What the environment says means the same as to the functions, and a flag wins.
#[tokio::test]
async fn the_environment_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let refused = async |setting: &str, flags: &[&str]| {
        let dev = ["dev", "--addr", "127.0.0.1:0", "--data", data];
        let args = [&[setting, RUNG], &dev[..], flags].concat();
        let (status, output) = Rung::run("/usr/bin/env", &args).await;
        assert!(!status.success(), "{output}");
        output
    };
    let output = refused("RUNG_RETENTION_DAYS=1", &[]).await;
    assert!(
        output.contains("RUNG_RETENTION_DAYS must be a number of days from 11 to 3650, not 1"),
        "{output}"
    );
    let output = refused("RUNG_RETENTION_DAYS=many", &[]).await;
    assert!(output.contains("RUNG_RETENTION_DAYS must be"), "{output}");
    let output = refused("RUNG_DIALECTS=/no/such/file.toml", &[]).await;
    assert!(output.contains("/no/such/file.toml"), "{output}");
    let output = refused("RUNG_CA_FILES=/no/such/file.pem", &[]).await;
    assert!(output.contains("/no/such/file.pem"), "{output}");
    let output = refused("X=", &["--ca", "/dev/null"]).await;
    assert!(
        output.contains("/dev/null: it has no certificate"),
        "{output}"
    );
    let output = refused("RUNG_PUBLIC_URL=here", &[]).await;
    assert!(output.contains("RUNG_PUBLIC_URL must be"), "{output}");
    let output = refused(r#"RUNG_PORTAL={"colour": "red"}"#, &[]).await;
    assert!(output.contains("RUNG_PORTAL must be"), "{output}");
    assert!(output.contains("unknown field `colour`"), "{output}");
    let output = refused("RUNG_EGRESS_PROXY=https://user:hunter2@proxy:1", &[]).await;
    assert!(output.contains("RUNG_EGRESS_PROXY must be"), "{output}");
    assert!(!output.contains("hunter2"), "{output}");
    let output = refused("RUNG_ADMIN_KEY=tooshort", &[]).await;
    assert!(output.contains("at least 16 characters"), "{output}");
    assert!(!output.contains("tooshort"), "{output}");
    let output = refused("RUNG_ADMIN_KEY=0123456789abcdef", &["--admin-key", "short"]).await;
    assert!(output.contains("at least 16 characters"), "{output}");
    let output = refused("RUNG_STRICT=perhaps", &[]).await;
    assert!(output.contains("RUNG_STRICT must be"), "{output}");
}

/// The help names the variable and not what is in it.
#[tokio::test]
async fn the_help_does_not_tell_the_key() {
    let args = ["RUNG_ADMIN_KEY=0123456789abcdef", RUNG, "dev", "--help"];
    let (status, output) = Rung::run("/usr/bin/env", &args).await;
    assert!(status.success(), "{output}");
    assert!(output.contains("RUNG_ADMIN_KEY"), "{output}");
    assert!(!output.contains("0123456789abcdef"), "{output}");
}

/// A page of another origin may call the API if the operator says so.
#[tokio::test]
async fn a_page_of_an_origin_that_was_named_may_call() {
    let page = "http://localhost:3000";
    let rung = rung(&["--cors-origin", page]).await;
    let preflight = rung
        .admin()
        .without_key()
        .with_header("Origin", page)
        .with_header("Access-Control-Request-Method", "POST")
        .with_header(
            "Access-Control-Request-Headers",
            "authorization,rung-tenant",
        );
    let reply = preflight.call("OPTIONS", "/v1/events").send().await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.headers["access-control-allow-origin"], page);
    // What is refused may be read, too.
    let reply = rung.admin().without_key().with_header("Origin", page);
    let reply = reply.get("/v1/webhooks").await;
    reply.refused(401, "unauthorized");
    assert_eq!(reply.headers["access-control-allow-origin"], page);
    let (status, output) = Rung::run(RUNG, &["dev", "--cors-origin", "localhost:3000"]).await;
    assert!(
        !status.success() && output.contains("must be an origin"),
        "{output}"
    );
}
