//! The commands that manage a deployment: one `rung dev`, many commands.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rung_tests::{ADMIN_KEY, Receiver, Rung, Tenant, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Done, Listening, command, finish, run};
use crate::rung;

/// A user with profiles of their own and no key in the environment.
struct User {
    home: TempDir,
    url: String,
}

impl User {
    fn of(rung: &Rung) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            url: format!("http://{}", rung.addr()),
        }
    }

    /// One who has logged in with the operator's key.
    async fn logged_in(rung: &Rung) -> Self {
        let user = Self::of(rung);
        let done = user
            .run_with(&["login", "--url", &user.url], ADMIN_KEY)
            .await;
        assert!(!done.ok().stdout.contains(ADMIN_KEY));
        user
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        // An admin key of somebody's `rung dev` must not be found.
        command
            .env("HOME", self.home.path())
            .env("PATH", "/usr/bin:/bin");
        command.current_dir(self.home.path());
        command
    }

    async fn run_with(&self, args: &[&str], input: &str) -> Done {
        finish(self.command(args), input).await
    }

    /// Runs a line of words.
    async fn run(&self, line: &str) -> Done {
        let args: Vec<_> = line.split(' ').collect();
        self.run_with(&args, "").await
    }

    /// What a command for people shows.
    async fn shown(&self, line: &str) -> String {
        self.run(line).await.ok().stdout
    }

    /// What a command for programs prints.
    async fn json(&self, line: &str) -> Vec<Value> {
        self.run(&format!("{line} --json")).await.ok().lines()
    }

    fn config(&self, name: &str) -> PathBuf {
        self.home.path().join(".config/rung").join(name)
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[track_caller]
fn failed(done: &Done, code: i32, problem: &str) {
    assert_eq!(done.code, Some(code), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains(problem), "{}", done.stderr);
}

/// A key is in a file of its own, in the environment or in a keychain, and in no file of profiles.
#[tokio::test]
async fn a_profile_says_where_rung_and_its_key_are() {
    let rung = rung(&[]).await;
    let user = User::logged_in(&rung).await;
    let kept = user.config("keys/default");
    assert_eq!(std::fs::read_to_string(&kept).unwrap().trim(), ADMIN_KEY);
    assert_eq!(mode(&kept), 0o600);
    assert_eq!(mode(&user.config("config.toml")), 0o600);
    let config = std::fs::read_to_string(user.config("config.toml")).unwrap();
    assert!(!config.contains(ADMIN_KEY), "{config}");
    let tenants = user.run("tenants list").await.ok();
    assert_eq!(
        (&*tenants.stdout, &*tenants.stderr),
        ("", "rung: none found\n")
    );

    // Others may read it: it is used no more.
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o644)).unwrap();
    failed(&user.run("tenants list").await, 1, "chmod 600");

    let url = user.url.clone();
    let chain = format!("printf '%s\\n' {ADMIN_KEY}");
    let login = ["login", "chain", "--url", &url, "--key-command", &chain];
    user.run_with(&login, "").await.ok();
    assert_eq!(user.json("keys list").await.len(), 1);
    let login = ["login", "env", "--url", &url, "--key-env", "MY_KEY"];
    let mut with_env = user.command(&login);
    with_env.env("MY_KEY", ADMIN_KEY);
    finish(with_env, "").await.ok();
    failed(&user.run("keys list").await, 1, "set MY_KEY");
    user.shown("keys list --profile chain").await;
    user.shown("profiles use chain").await;
    user.shown("keys list").await;
    let listed = user.json("profiles list").await;
    let in_use: Vec<_> = listed
        .iter()
        .map(|one| (&one["name"], &one["in_use"]))
        .collect();
    let names = [json!("chain"), json!("default"), json!("env")];
    assert_eq!(
        in_use,
        [
            (&names[0], &json!(true)),
            (&names[1], &json!(false)),
            (&names[2], &json!(false))
        ]
    );
    user.shown("profiles remove default").await;
    assert!(!kept.exists());

    // What does not open Rung is not kept, and what names no Rung is told.
    let wrong = user
        .run_with(&["login", "wrong", "--url", &url], "rk_wrong")
        .await;
    failed(&wrong, 1, "unauthorized");
    assert!(!user.config("keys/wrong").exists());
    failed(
        &user.run("keys list --profile wrong").await,
        1,
        "there are chain, env",
    );
    failed(
        &user
            .run("keys list --profile a --server http://127.0.0.1:9")
            .await,
        2,
        "--profile",
    );
    failed(
        &user.run("keys list --server ftp://127.0.0.1").await,
        2,
        "--server",
    );
    failed(&user.run("login x --key rk_1").await, 2, "--key");
    // A key beside the environment's URL is that of no profile; a newline at its end is none of it.
    let with_key = async |line: &str, key: &str| {
        let args: Vec<_> = line.split(' ').collect();
        let mut command = user.command(&args);
        command.env("RUNG_KEY", key);
        finish(command, "").await
    };
    let stray = with_key("keys list", ADMIN_KEY).await;
    failed(&stray, 2, "the profile chain is in use");
    assert_eq!(stray.stdout, "");
    with_key("health", ADMIN_KEY).await.ok();
    with_key("keys list --profile chain", "rk_other").await.ok();
    let to_url = format!("keys list --server {url}");
    let ended = format!("{ADMIN_KEY}\n");
    with_key(&to_url, &ended).await.ok();
    failed(&with_key(&to_url, "two words").await, 1, "RUNG_KEY: no key");

    // A key that nobody uses any more is not kept, and no message has a password.
    let again = ["login", "again", "--url", &url];
    user.run_with(&again, ADMIN_KEY).await.ok();
    let kept = user.config("keys/again");
    assert!(kept.exists());
    let by_command = [&again[..], &["--key-command", &chain]].concat();
    user.run_with(&by_command, "").await.ok();
    assert!(!kept.exists());
    user.shown("profiles use chain").await;
    let password = user
        .run("health --server http://user:pass@127.0.0.1:9")
        .await;
    failed(&password, 2, "a user or a password");
    assert!(
        !password.stderr.contains("user:pass"),
        "{}",
        password.stderr
    );
    // Neither the key of a profile nor that of `rung dev` goes anywhere else.
    failed(
        &user.run("keys list --server http://192.0.2.1").await,
        1,
        "set RUNG_KEY",
    );
}

/// Each list, and each call on one thing, from the tenant to its erasure.
#[tokio::test]
async fn tenants_and_webhooks_are_managed() {
    let rung = rung(&[]).await;
    let user = User::logged_in(&rung).await;
    let receiver = Receiver::in_turn(&[200, 500, 200]).await;

    let made = user
        .json("tenants create acme --name Acme --dialect standard --plan pro")
        .await;
    assert_eq!(
        (&made[0]["id"], &made[0]["plan"]),
        (&json!("acme"), &json!("pro"))
    );
    user.shown("tenants update acme --name Other").await;
    let shown = user.shown("tenants show acme").await;
    assert!(shown.contains("name        Other\n"), "{shown}");
    let key = user
        .shown("keys create Backend --tenant acme --scope publish")
        .await;
    assert!(key.lines().last().unwrap().starts_with("rk_"), "{key}");
    assert_eq!(
        user.json("keys list --tenant acme").await[0]["name"],
        "Backend"
    );

    // A secret of one's own comes from a file; what has no flag from another.
    let create = format!(
        "webhooks create {} --tenant acme --events order.* --from -",
        receiver.url("/")
    );
    let create: Vec<_> = create.split(' ').collect();
    let more = r#"{"metadata": {"n": 9007199254740993}, "name": "from the file"}"#;
    let made = user.run_with(&create, more).await.ok().stdout;
    let secret = made.lines().last().unwrap();
    assert!(secret.starts_with("whsec_"), "{made}");
    let webhook = user.json("webhooks list").await.remove(0);
    let id = webhook["id"].as_str().unwrap();
    assert_eq!(webhook["metadata"]["n"], json!(9_007_199_254_740_993_u64));
    let shown = user
        .shown(&format!("webhooks secret {id} --tenant acme"))
        .await;
    assert_eq!(shown.lines().last(), Some(secret));
    let rotated = user
        .shown(&format!("webhooks rotate-secret {id} --tenant acme"))
        .await;
    assert_ne!(rotated.lines().last(), Some(secret));
    user.shown(&format!("webhooks finish-rotation {id} --tenant acme"))
        .await;
    let table = user.shown("webhooks list").await;
    let head: Vec<_> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        head,
        ["ID", "TENANT", "ID", "HEALTH", "URL", "EVENTS", "NAME"]
    );
    // A secret that cannot be read is not replaced by a generated one.
    let unreadable = format!("webhooks rotate-secret {id} --tenant acme --secret-file no.file");
    failed(&user.run(&unreadable).await, 2, "--secret-file");
    // A client certificate is two files, and what is wrong with one names its flag.
    let own = rcgen::generate_simple_self_signed(["rung".to_owned()]).unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    for (name, text) in [
        ("client.pem", own.cert.pem()),
        ("client.key", own.signing_key.serialize_pem()),
        ("other.key", other.serialize_pem()),
    ] {
        std::fs::write(user.home.path().join(name), text).unwrap();
    }
    let presenting = |key: &str| {
        format!(
            "webhooks create https://127.0.0.1:9/ --tenant acme --events * --name Own --client-certificate client.pem --client-key {key}"
        )
    };
    failed(
        &user.run(&presenting("other.key")).await,
        1,
        "--client-key: ",
    );
    failed(&user.run(&presenting("no.key")).await, 2, "--client-key");
    let alone = format!("webhooks update {id} --tenant acme --client-key client.key");
    failed(&user.run(&alone).await, 2, "--client-certificate");
    user.shown(&presenting("client.key")).await;
    let presenting = user.json("webhooks list --q Own").await.remove(0);
    assert!(presenting["client_certificate"]["sha256"].is_string());
    user.shown(&format!(
        "webhooks delete {} --tenant acme",
        presenting["id"].as_str().unwrap()
    ))
    .await;
    let tested = user
        .json(&format!(
            "webhooks test {id} --tenant acme --event-type order.paid"
        ))
        .await;
    assert_eq!(tested[0]["status"], "succeeded");
    // One that fails is a failure for scripts, too.
    let made = user
        .json("webhooks create http://127.0.0.1:9/ --tenant acme --events order.*")
        .await;
    let failing = made[0]["id"].as_str().unwrap();
    let tested = user
        .run(&format!("webhooks test {failing} --tenant acme --json"))
        .await;
    assert_eq!(tested.code, Some(1), "{}", tested.stderr);
    assert_eq!(tested.lines()[0]["error_code"], "refused");
    user.shown(&format!("webhooks delete {failing} --tenant acme"))
        .await;

    // The second attempt fails, and waits on the ladder.
    let published = user
        .json("events trigger order.paid --id e1 --tenant acme")
        .await;
    assert_eq!(published[0]["deliveries"], 1);
    let pending = eventually("the delivery to wait", async || {
        let pending = user.json(&format!("pending {id} --tenant acme")).await;
        pending.first().cloned()
    });
    let pending = pending.await;
    assert_eq!(
        (&pending["event_id"], &pending["attempts"]),
        (&json!("e1"), &json!(1))
    );
    let logs = user.json("logs --tenant acme --status failed").await;
    assert_eq!(logs[0]["response_status"], 500);
    let log = logs[0]["id"].as_str().unwrap();
    let entry = user
        .json(&format!("logs {log} --webhook {id} --tenant acme"))
        .await;
    assert_eq!(entry[0]["response"]["status"], 500);
    let delivery = pending["id"].as_str().unwrap();
    user.shown(&format!("retry {id} {delivery} --tenant acme"))
        .await;
    receiver.wait_for(3).await;
    let events = user.json("events list --type order.*").await;
    assert_eq!(events.len(), 1);
    let shown = user.shown("events show e1 --tenant acme").await;
    assert!(shown.contains("\ndeliveries\nID "), "{shown}");

    let recover = format!("recover {id} --tenant acme --since 1h --statuses any");
    let count = user.json(&format!("{recover} --dry-run")).await;
    assert_eq!(count[0]["count"], 1);
    let jobs = user.json(&format!("{recover} --wait")).await;
    assert_eq!(jobs.len(), 1, "it is shown once, at its end");
    assert_eq!(jobs[0]["status"], "succeeded");
    receiver.wait_for(4).await;
    let job = jobs[0]["id"].as_str().unwrap();
    assert_eq!(user.json("jobs list --kind recover").await[0]["id"], job);
    user.shown(&format!("jobs show {job}")).await;
    let stats = user
        .json(&format!("stats {id} --tenant acme --bucket hour"))
        .await;
    assert_eq!(stats[0]["bucket"], "hour");
    user.shown("stats").await;
    let actions = user.json("audit --action webhook.* --tenant acme").await;
    assert!(
        actions.iter().any(|entry| {
            let agent = entry["user_agent"].as_str().unwrap_or_default();
            entry["action"] == "webhook.created" && agent.starts_with("rung/")
        }),
        "{actions:?}"
    );

    let link = user
        .shown("portal link --tenant acme --capability manage")
        .await;
    assert!(link.lines().last().unwrap().starts_with("http"), "{link}");
    assert_eq!(user.json("portal list --tenant acme").await.len(), 1);
    user.shown("portal revoke --tenant acme --all").await;

    let define = ["event-types", "define", "crate/lost", "--from", "-"];
    let definition = r#"{"groups": ["crate"], "sample": {"crate": 1}}"#;
    user.run_with(&define, definition).await.ok();
    assert_eq!(
        user.json("event-types show crate/lost").await[0]["sample"]["crate"],
        1
    );
    assert!(user.shown("event-types list").await.contains("crate/lost"));
    user.shown("event-types delete crate/lost").await;
    assert_eq!(user.json("dead-letters list").await.len(), 0);
    user.shown("events erase e1 --tenant acme --wait").await;
    user.shown(&format!("webhooks delete {id} --tenant acme"))
        .await;
    let erased = user.json("tenants delete acme --wait").await;
    assert_eq!(erased.len(), 1);
    assert_eq!(erased[0]["status"], "succeeded");
    assert_eq!(user.json("tenants list").await.len(), 0);
}

/// Pages are followed as far as is asked for, and people are told what they do not see.
#[tokio::test]
async fn lists_go_over_pages() {
    let rung = rung(&[]).await;
    let user = User::logged_in(&rung).await;
    for number in 0..105 {
        let id = format!("t{number}");
        rung.admin()
            .post("/v1/tenants", &json!({"id": id, "name": id}))
            .await
            .data(201);
    }
    for (flags, rows, note) in [
        ("", 50, true),
        (" --limit 1", 1, true),
        (" --limit 104", 104, true),
        (" --limit 105", 105, false),
        (" --all", 105, false),
        (" --q t104 --all", 1, false),
    ] {
        let line = format!("tenants list{flags}");
        assert_eq!(user.json(&line).await.len(), rows, "{line}");
        let done = user.run(&line).await.ok();
        assert_eq!(done.stdout.lines().count(), rows + 1, "{line}");
        assert_eq!(
            done.stderr.contains("--all"),
            note,
            "{line}: {}",
            done.stderr
        );
    }
    failed(&user.run("tenants list --limit 0").await, 2, "--limit");
}

/// Refusals name the flags that they are about, and exit codes say whether to try again.
#[tokio::test]
async fn errors_name_flags_and_what_to_do() {
    let rung = rung(&[]).await;
    let user = User::logged_in(&rung).await;
    user.shown("tenants create acme --name Acme").await;
    for (line, code, problem) in [
        ("keys create X --scope everything", 1, "--scope"),
        ("webhooks create --tenant acme --events *", 1, "<URL>"),
        (
            "webhooks create http://127.0.0.1:9/ --tenant acme --events * --events *;",
            1,
            "--events *;: `*;` is not an event type",
        ),
        (
            "webhooks update w --tenant acme --url nothing",
            1,
            "not_found",
        ),
        ("webhooks show w", 1, "add --tenant ID"),
        ("webhooks list --tenant a/b", 2, "--tenant"),
        ("webhooks list --health unwell", 1, "--health"),
        ("tenants show ../keys", 1, "not_found"),
        ("tenants show ..", 2, "<ID>"),
        (
            "tenants create acme --name Again",
            1,
            "<ID>: already exists; choose another id, or update that tenant (409",
        ),
        (
            "logs --tenant acme --since 1h --until 2h",
            1,
            "--until: is before --since",
        ),
        ("recover --all --tenant acme --since never", 1, "--since"),
        ("recover --tenant acme", 2, "<WEBHOOK>"),
        ("portal list", 1, "--tenant"),
        ("logs --tenant acme --follow --all", 2, "--follow"),
        ("logs some-entry", 2, "--webhook"),
        ("logs some-entry --webhook w --status failed", 2, "--status"),
        ("listen --port 0 --count 0", 2, "--count"),
        ("listen --port 0 --fail 1 --status 200", 2, "--status"),
        (
            "listen --port 0 --forward http://127.0.0.1:9 --status 500",
            2,
            "--fail",
        ),
        (
            "export --output no/folder/file",
            1,
            "--output no/folder/file: No such file or directory (os error 2)\n",
        ),
        ("export --include everything", 1, "--include"),
        ("nonsense", 2, "nonsense"),
    ] {
        let done = user.run(line).await;
        failed(&done, code, problem);
        assert_eq!(done.stdout, "", "{line}");
    }
    let health = user.shown(&format!("health --server {}", user.url)).await;
    assert!(health.starts_with("ok "), "{health}");
    assert_eq!(user.json("health").await[0]["status"], "ok");
    assert_eq!(user.shown("health").await, health, "of the profile in use");
    let mut stray = user.command(&["health"]);
    stray.env("RUNG_URL", "http://127.0.0.1:9");
    failed(&finish(stray, "").await, 3, "is Rung running there?");
    let mut keyless = user.command(&["health"]);
    keyless.env("RUNG_URL", &user.url);
    keyless.env("HOME", "/nowhere");
    assert_eq!(finish(keyless, "").await.ok().stdout, health);
    failed(&user.run("health --profile none").await, 1, "\"none\"");
    failed(
        &user.run("health --server http://127.0.0.1:9").await,
        3,
        "is Rung running there?",
    );
    let mut nobody = user.command(&["keys", "list", "--server", "http://127.0.0.1:9"]);
    nobody.env("RUNG_KEY", "rk_1");
    failed(&finish(nobody, "").await, 3, "is Rung running there?");
    let mut stranger = user.command(&["keys", "list", "--server", &user.url]);
    stranger.env("RUNG_KEY", "rk_wrong");
    let unknown = format!("{} does not accept the key (401, unauthorized)", user.url);
    let stranger = finish(stranger, "").await;
    failed(&stranger, 1, &unknown);
    failed(&stranger, 1, "rung login");
    let key = user.shown("keys create Reader --scope read").await;
    let mut reader = user.command(&[
        "webhooks",
        "create",
        "http://127.0.0.1:9/",
        "--events",
        "*",
        "--tenant",
        "acme",
        "--server",
        &user.url,
    ]);
    reader.env("RUNG_KEY", key.lines().last().unwrap());
    failed(
        &finish(reader, "").await,
        1,
        "rung: this is a key without the scope `manage`",
    );
    // A page that is not Rung's stays one: to ask again later is of no use.
    let page = Receiver::always(200).await;
    let page = page.url("");
    failed(
        &user.run(&format!("health --server {page}")).await,
        1,
        "is Rung running there?",
    );
}

/// `rung export | rung import`: with secrets, receivers and clients notice nothing; without, webhooks have new ones.
#[tokio::test]
async fn a_customer_moves_to_another_deployment() {
    let (old, new) = (rung(&[]).await, rung(&[]).await);
    let (from, to) = (User::logged_in(&old).await, User::logged_in(&new).await);
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&old, "acme", "odin").await;
    let other = Tenant::create(&old, "other", "odin").await;
    other.webhook("http://127.0.0.1:9/", &["*"]).await;
    let request = json!({
        "url": receiver.url("/"), "events": ["user"], "secret_headers": {"Authorization": "Bearer of the receiver"},
    });
    let webhook = tenant.webhook_with(request).await;
    let kind = json!({"groups": ["user"], "sample": {"n": 1}});
    old.admin()
        .for_tenant("acme")
        .put("/v1/event-types/user.lost", &kind)
        .await
        .data(201);

    let exported = from
        .run("export --tenant acme --include secrets")
        .await
        .ok()
        .stdout;
    assert!(exported.contains(&webhook.secret));
    let done = to.run_with(&["import"], &exported).await.ok();
    assert_eq!(
        done.stdout,
        "event_type: 1 new, 0 unchanged or skipped\n\
         key: 1 new, 0 unchanged or skipped\n\
         tenant: 1 new, 0 unchanged or skipped\n\
         webhook: 1 new, 0 unchanged or skipped\n\
         0 lines refused\n"
    );
    // The tenant's own key publishes, and what arrives is signed with the secret that the receiver knows.
    let mut publish = to.command(&["events", "trigger", "user.lost", "--server", &to.url]);
    publish.env("RUNG_KEY", &tenant.key);
    finish(publish, "").await.ok();
    let arrived = receiver.wait_for(1).await.remove(0);
    assert_eq!(
        arrived.header("authorization"),
        Some("Bearer of the receiver")
    );
    let mut signatures = vec![
        "verify".to_owned(),
        "--dialect".to_owned(),
        "odin".to_owned(),
    ];
    signatures.extend(["--secret".to_owned(), webhook.secret.clone()]);
    for name in [
        "x-odin-signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ] {
        signatures.extend([
            "--header".to_owned(),
            format!("{name}: {}", arrived.header(name).unwrap()),
        ]);
    }
    let signatures: Vec<_> = signatures.iter().map(String::as_str).collect();
    run(&signatures, arrived.text()).await.ok();
    let again = to
        .run_with(&["import", "--json"], &exported)
        .await
        .ok()
        .lines();
    assert!(again.iter().all(|line| line["status"] == 200), "{again:?}");

    // A file is its owner's alone. Without secrets there are none; a line that is refused is told, and the others are taken.
    from.shown("export --output all.ndjson").await;
    let file = from.home.path().join("all.ndjson");
    assert_eq!(mode(&file), 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"other\""), "{text}");
    // It is not lost to a second export by accident.
    std::fs::write(&file, "kept").unwrap();
    let again = from.run("export --output all.ndjson").await;
    failed(&again, 1, "--output all.ndjson: the file is there already");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
    from.shown("export --output all.ndjson --force").await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    for secret in [&webhook.secret, "Bearer of the receiver", &tenant.key] {
        assert!(!text.contains(secret), "{text}");
    }
    let done = to.run_with(&["import", "--tenant", "other"], &text).await;
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("tenant_mismatch"), "{}", done.stdout);
    failed(&to.run("import no-such-file").await, 1, "no-such-file");
}

/// A webhook is there while the command runs, and gone after it, however it is ended.
#[tokio::test]
async fn listen_is_a_webhook_for_as_long_as_it_runs() {
    let rung = rung(&[]).await;
    let user = User::logged_in(&rung).await;
    let tenant = Tenant::create(&rung, "acme", "odin").await;
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let flags = [
            "listen", "--port", "0", "--json", "--create", "--tenant", "acme", "--events", "user",
        ];
        let mut listening = Listening::of(user.command(&flags)).await;
        let webhooks = user.json("webhooks list").await;
        assert_eq!(webhooks.len(), 1);
        assert_eq!(webhooks[0]["url"], listening.url);
        tenant
            .publish("user.lesson.completed", json!({"n": 1}))
            .await;
        let told = listening.next().await;
        assert_eq!(
            (&told["dialect"], &told["status"]),
            (&json!("odin"), &json!(200))
        );
        assert_eq!(told["signatures"][0]["verified"], true, "{told}");
        assert!(listening.end(signal).await.success());
        assert_eq!(user.json("webhooks list").await.len(), 0);
    }
    // After as many as were asked for, too; and one that nobody may make is told.
    let flags = [
        "listen", "--port", "0", "--json", "--create", "--tenant", "acme", "--count", "1",
    ];
    let mut listening = Listening::of(user.command(&flags)).await;
    tenant
        .publish("user.lesson.completed", json!({"n": 2}))
        .await;
    listening.next().await;
    assert!(listening.ended().await.success());
    assert_eq!(user.json("webhooks list").await.len(), 0);
    failed(&user.run("listen --port 0 --create").await, 1, "--tenant");
    failed(&user.run("listen --events order.*").await, 2, "--create");
    for status in ["0", "99", "101", "199", "600", "1000", "OK"] {
        failed(
            &user.run(&format!("listen --status {status}")).await,
            2,
            "200 to 599",
        );
    }
}

/// It is sent what the webhook's deliveries have, and fails where something is wrong.
#[tokio::test]
async fn the_receiver_of_a_webhook_is_examined() {
    let rung = rung(&[]).await;
    let user = User::logged_in(&rung).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "acme", "odin").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let prove = format!("webhooks prove {} --tenant acme", webhook.id);
    let proved = user
        .run(&format!(
            "{prove} --event-type user.lesson.completed --json"
        ))
        .await;
    assert_eq!(proved.code, Some(1), "{}", proved.stderr);
    let report = &proved.lines()[0];
    for (name, expected) in [
        ("webhook_id", json!(webhook.id)),
        ("tenant_id", json!("acme")),
        ("event_type", json!("user.lesson.completed")),
        ("ok", json!(false)),
    ] {
        assert_eq!(report[name], expected);
    }
    let proved = user.run(&prove).await;
    assert_eq!(proved.code, Some(1));
    let told = proved.stdout;
    assert!(
        told.contains("✔ delivery") && told.contains("✘ no_signature"),
        "{told}"
    );
    for request in receiver.received() {
        assert_eq!(request.must("rung-test"), "true");
    }
}

/// What was there is shown, oldest first, then what comes.
#[tokio::test]
async fn logs_are_followed() {
    let rung = rung(&[]).await;
    let user = User::logged_in(&rung).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "acme", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    for id in ["e1", "e2", "e3"] {
        tenant.publish_as(id, "order.paid", json!({})).await;
        webhook.until_attempts(id, 1).await;
    }
    let mut following = Listening::lines_of(user.command(&[
        "logs", "--follow", "--limit", "2", "--tenant", "acme", "--json",
    ]));
    for id in ["e2", "e3"] {
        assert_eq!(following.next().await["event_id"], id);
    }
    for id in ["e4", "e5"] {
        tenant.publish_as(id, "order.paid", json!({})).await;
        assert_eq!(following.next().await["event_id"], id);
    }
}

/// Shells and `man` know all commands.
#[tokio::test]
async fn completions_and_manual_pages_are_made_of_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell], "").await.ok().stdout;
        for word in ["dead-letters", "rotate-secret", "follow"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = run(&["man"], "").await.ok().stdout;
    assert!(page.contains(".TH rung 1"), "{page}");
    assert!(page.contains("Exit status"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    run(&["man", "--dir", dir.path().to_str().unwrap()], "")
        .await
        .ok();
    let page = std::fs::read_to_string(dir.path().join("rung-webhooks-create.1")).unwrap();
    assert!(page.contains("secret\\-file"), "{page}");
}
