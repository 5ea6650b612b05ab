//! The commands beside `dev`, each as its user runs it.

mod manage;
mod prove;

use std::process::{ExitStatus, Stdio};

use rung_tests::{ADMIN_KEY, Answer, PATIENCE, Receiver, Tenant};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

use crate::{DIALECTS, RUNG, a_type_of, rung};

/// All dialects that come with Rung, in the order of their names.
const ALL: [&str; 10] = [
    "badger",
    "bharatcart",
    "github",
    "odin",
    "patra",
    "reward",
    "shopify",
    "slack",
    "standard",
    "stripe",
];

/// What a command has done.
struct Done {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Done {
    /// Its standard output, one JSON value a line.
    fn lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap();
        self.stdout.lines().map(read).collect()
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(RUNG);
    command
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end with `input` as its standard input.
async fn run(args: &[&str], input: &str) -> Done {
    finish(command(args), input).await
}

async fn finish(mut command: Command, input: &str) -> Done {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who does not read it has closed it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output());
    let output = output.await.expect("it ends by itself").unwrap();
    Done {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A `rung listen --json` on a free port, or another command that writes lines of JSON until it is ended.
struct Listening {
    url: String,
    lines: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Listening {
    async fn start(flags: &[&str]) -> Self {
        let mut args = vec!["listen", "--port", "0", "--json"];
        args.extend(flags);
        Self::of(command(&args)).await
    }

    async fn of(listen: Command) -> Self {
        let mut listening = Self::lines_of(listen);
        let first = listening.next().await;
        listening.url = first["listening"].as_str().unwrap().to_owned();
        listening
    }

    fn lines_of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        Self {
            url: String::new(),
            lines: BufReader::new(stdout).lines(),
            child,
        }
    }

    async fn end(&mut self, signal: Signal) -> ExitStatus {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
        self.ended().await
    }

    async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends").unwrap()
    }

    /// The next line.
    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("another line").unwrap().expect("not the end");
        serde_json::from_str(&line).unwrap()
    }
}

/// Every signature of every dialect holds, a ladder is climbed to its end, and it is done in seconds.
#[tokio::test]
async fn demo_plays_every_dialect_and_a_failing_receiver() {
    let told = run(&["demo", "--json"], "").await.ok().lines();
    let of = |step: &str| -> Vec<&Value> {
        let steps = told.iter().filter(|line| line["step"] == step);
        steps.collect()
    };
    let deliveries = of("delivery");
    let mut shown: Vec<_> = deliveries.iter().map(|one| &one["dialect"]).collect();
    shown.sort_by_key(|name| name.as_str());
    assert_eq!(shown, ALL);
    for delivery in deliveries {
        let signatures = delivery["signatures"].as_array().unwrap();
        assert!(!signatures.is_empty(), "{delivery}");
        assert!(
            delivery["headers"]["Content-Type"].is_string(),
            "{delivery}"
        );
        for signature in signatures {
            assert_eq!(signature["verified"], true, "{delivery}");
        }
    }
    // Odin's ladder: each attempt is as late as its document says, and at most a few minutes of that fast clock later.
    let attempts = of("attempt");
    let since_min = [0, 1, 6, 36, 156, 516];
    assert_eq!(attempts.len(), since_min.len());
    for (attempt, since_min) in attempts.iter().zip(since_min) {
        assert!(
            attempt["since_first_ms"].as_u64().unwrap() >= since_min * 60_000,
            "{attempt}"
        );
    }
    assert!(attempts[5]["wait_ms"].is_null());
    let last: Vec<_> = told[told.len() - 4..]
        .iter()
        .map(|line| line["step"].as_str().unwrap())
        .collect();
    assert_eq!(last, ["disabled", "mended", "delivered", "summary"]);
    let summary = of("summary")[0];
    assert_eq!(summary["ok"], true, "{summary}");
    assert_eq!(
        (&summary["events"], &summary["requests"]),
        (&json!(11), &json!(17))
    );
}

/// What one signs the other verifies, in every dialect; a changed body, another secret and an old time are refused with the
/// reason and 1.
#[tokio::test]
async fn verify_accepts_what_sign_signs_and_nothing_else() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = r#"{"event":"x.y","type":"x.y","id":"evt_1","data":{}}"#;
    for dialect in ALL {
        let sign = [
            "sign",
            "--dialect",
            dialect,
            "--secret",
            secret,
            "--type",
            "x.y",
        ];
        let signed = run(&sign, body).await.ok().stdout;
        let headers: Vec<_> = signed.lines().collect();
        let verify = |secret, flags: &[&'static str]| {
            let mut args = vec!["verify", "--dialect", dialect, "--secret", secret];
            for header in &headers {
                args.extend(["--header", header]);
            }
            args.extend(flags);
            args.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let verified = async |args: Vec<String>, body| {
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            run(&args, body).await
        };
        let done = verified(verify(secret, &[]), body).await.ok();
        assert!(done.stdout.contains(&format!("verified as {dialect}")));

        for (secret, body, flags, reason) in [
            (secret, "{}", &[][..], "byte for byte"),
            ("another", body, &[], "secret"),
            (secret, body, &["--at", "2000000000"], "tolerated"),
        ] {
            let done = verified(verify(secret, flags), body).await;
            assert_eq!(done.code, Some(1), "{dialect}: {}", done.stdout);
            assert!(done.stdout.contains(reason), "{dialect}: {}", done.stdout);
        }
    }
}

/// The published vectors, so that both commands agree with the world and not with each other alone.
#[tokio::test]
async fn sign_makes_the_published_signatures() {
    let done = run(
        &[
            "sign",
            "--secret",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "--id",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "--timestamp",
            "1614265330",
            "--json",
        ],
        r#"{"test": 2432232314}"#,
    )
    .await
    .ok();
    assert_eq!(
        done.lines()[0]["headers"]["webhook-signature"],
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
}

/// A secret in the environment stays out of the list of processes, and no help shows it.
#[tokio::test]
async fn the_secret_may_come_from_the_environment() {
    let with_env = async |args: &[&str]| {
        let mut command = command(args);
        command.env("RUNG_SECRET", "s3cret-of-mine");
        finish(command, r#"{"id":"1"}"#).await.ok().stdout
    };
    let signed = with_env(&["sign", "--dialect", "bharatcart"]).await;
    let signature = signed
        .lines()
        .find(|line| line.starts_with("X-Webhook-Signature: "))
        .unwrap();
    let verified = with_env(&["verify", "--dialect", "bharatcart", "--header", signature]).await;
    assert!(verified.contains("verified as bharatcart"), "{verified}");
    for command in ["sign", "verify", "listen"] {
        let help = with_env(&[command, "--help"]).await;
        assert!(help.contains("RUNG_SECRET"), "{help}");
        assert!(!help.contains("s3cret-of-mine"), "{help}");
    }
}

/// A file, or the environment, has one secret or, during a rotation, both.
#[tokio::test]
async fn secrets_come_from_files_and_lines() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (new, old) = (file("new", "new-secret\n"), file("old", "old secret"));
    let both = file("both", "new-secret\r\n\nold secret\n");
    let sign = ["sign", "--dialect", "bharatcart", "--secret-file"];
    let body = r#"{"id":"1"}"#;
    for (secrets, signs) in [
        (&new, "new-secret"),
        (&old, "old secret"),
        (&both, "new-secret"),
    ] {
        let signed = run(&[&sign[..], &[secrets]].concat(), body).await.ok();
        let mut same = command(&["sign", "--dialect", "bharatcart"]);
        same.env("RUNG_SECRET", signs);
        // Of what is signed, only this says nothing of the id and the time.
        let signature = |stdout: &str| {
            let mut lines = stdout.lines().map(str::to_owned);
            lines
                .find(|line| line.starts_with("X-Webhook-Signature: "))
                .unwrap()
        };
        let header = &signature(&signed.stdout);
        assert_eq!(*header, signature(&finish(same, body).await.ok().stdout));
        let verify = ["verify", "--dialect", "bharatcart", "--header", header];
        for given in [&[&*both][..], &[&*new, "--secret-file", &*old]] {
            let files = [&verify[..], &["--secret-file"], given].concat();
            run(&files, body).await.ok();
        }
        // Flags come before the environment.
        let mut other = command(&[&verify[..], &["--secret", "another"]].concat());
        other.env("RUNG_SECRET", signs);
        assert_eq!(finish(other, body).await.code, Some(1));
        let mut lines = command(&verify);
        lines.env("RUNG_SECRET", "new-secret\nold secret\n");
        finish(lines, body).await.ok();
    }
    for (args, code, problem) in [
        (&["sign"][..], 2, "--secret-file"),
        (&["verify"], 2, "--secret-file"),
        (&["prove", "http://127.0.0.1:9/"], 2, "RUNG_SECRET"),
        (
            &["sign", "--secret-file", "/no/such/file"],
            1,
            "/no/such/file",
        ),
        (&["sign", "--secret-file", "/dev/null"], 1, "has no secret"),
        (
            &["prove", "http://127.0.0.1:9/", "--secret", "short"],
            1,
            "the secret must be base64",
        ),
        (
            &["sign", "--secret", ""],
            1,
            "the secret must be a string of 1 to 4096 bytes",
        ),
        (
            &["sign", "--dialect", "odin", "--secret", &"x".repeat(4_097)],
            1,
            "the secret must be a string of 1 to 4096 bytes",
        ),
        (
            &["listen", "--port", "0", "--secret", ""],
            1,
            "the secret must be a string of 1 to 4096 bytes",
        ),
        (
            &["verify", "--secret", "one", "--secret", &"x".repeat(4_097)],
            1,
            "the secret must be a string of 1 to 4096 bytes",
        ),
    ] {
        let done = run(args, "{}").await;
        assert_eq!(done.code, Some(code), "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(problem), "{}", done.stderr);
    }
}

#[tokio::test]
async fn what_sign_cannot_know_it_asks_for() {
    let args = ["sign", "--dialect", "patra", "--secret", "s"];
    let done = run(&args, "no JSON").await;
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("--type"), "{}", done.stderr);

    let mut args = args.to_vec();
    args.extend(["--type", "card.created"]);
    let done = run(&args, "no JSON").await.ok();
    assert!(done.stdout.contains("X-Patra-Event: card.created\n"));

    let done = run(&["sign", "--dialect", "reward", "--secret", "plain"], "{}").await;
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(
        done.stderr.contains("base64 of 24 to 64"),
        "{}",
        done.stderr
    );
    for wrong in [["--timestamp", "253402300800"], ["--id", "two words"]] {
        let sign = ["sign", "--dialect", "odin", "--secret", "s"];
        let done = run(&[&sign[..], &wrong].concat(), "{}").await;
        assert_eq!(done.code, Some(2), "{}", done.stdout);
        assert!(done.stderr.contains(wrong[0]), "{}", done.stderr);
    }
    let done = run(&["sign", "--dialect", "nosuch", "--secret", "s"], "{}").await;
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("bharatcart"), "{}", done.stderr);
}

/// What arrives is told apart by dialect, verified with whichever secret it was signed with, and refused with 401 if none.
#[tokio::test]
async fn listen_verifies_deliveries_of_every_dialect() {
    let rung = rung(&[]).await;
    let (right, wrong) = (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
    );
    let mut listening = Listening::start(&["--secret", "unused", "--secret", right]).await;
    for dialect in DIALECTS {
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        let url = format!("{}/{dialect}", listening.url);
        for (secret, status) in [(right, 200), (wrong, 401)] {
            let webhook = tenant.webhook_with_secret(&url, &["*"], secret).await;
            tenant.publish(a_type_of(dialect), json!({"a": 1})).await;
            // A second attempt that waits for nothing may come before its webhook is gone.
            let told = loop {
                let told = listening.next().await;
                if told["attempt"] == 1 {
                    break told;
                }
            };
            assert_eq!(told["dialect"], dialect, "{told}");
            assert_eq!(told["event_type"], a_type_of(dialect));
            assert_eq!(told["status"], status, "{told}");
            let signatures = told["signatures"].as_array().unwrap();
            for signature in signatures {
                assert_eq!(signature["verified"], status == 200, "{told}");
                if status == 200 {
                    assert_eq!(signature["secret"], 2, "{told}");
                }
            }
            tenant.api.delete(&webhook.path("")).await.data(200);
        }
    }
}

/// With a secret, what looks like no dialect does not verify either: nothing of it reaches the receiver behind.
#[tokio::test]
async fn listen_with_a_secret_takes_nothing_that_does_not_verify() {
    let behind = Receiver::always(200).await;
    let flags = [
        "--secret",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "--forward",
        &behind.url("/"),
    ];
    let mut listening = Listening::start(&flags).await;
    let address = listening.url.strip_prefix("http://").unwrap().to_owned();
    let unlike = "webhook-id: a\r\nwebhook-signature: v1,AAAA\r\n";
    for (method, headers, body) in [
        ("GET", "", ""),
        ("POST", "", ""),
        ("POST", unlike, r#"{"type":"a"}"#),
        ("PUT", unlike, "a=1"),
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{method}: {answer}");
    }
    for _ in 0..4 {
        let told = listening.next().await;
        let answered = (&told["status"], &told["forwarded_to"]);
        assert_eq!(answered, (&json!(401), &Value::Null), "{told}");
    }
    assert!(behind.received().is_empty());
}

/// A file in `dialects`.
fn vendors(name: &str) -> String {
    format!("{}/../dialects/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

/// A file that signs nothing.
fn unsigned() -> tempfile::NamedTempFile {
    let text = "name = \"unsigned\"\nstandard_webhooks = false\nenvelope = [{ from = \"data_members\" }]\nany_type = { example = \"x\", sample = '{\"a\": 1}' }\n";
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// Signatures over the URL, in the body, and none at all: a receiver that knows how to verify takes what is genuine and no more.
#[tokio::test]
async fn listen_takes_what_is_genuine_wherever_its_signature_stands() {
    const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let unsigned = unsigned();
    let names = [
        "adyen",
        "contentful",
        "figma",
        "hubspot-v3",
        "mailgun",
        "twilio",
    ];
    let files = names.map(vendors).into_iter();
    let unsigned = unsigned.path().to_str().unwrap().to_owned();
    for file in files.chain([unsigned.clone()]) {
        let mut listening = Listening::start(&["--dialect", &file, "--secret", SECRET]).await;
        let url = format!("{}/hook?shop=1", listening.url);
        let done = run(&["prove", &url, "--dialect", &file, "--secret", SECRET], "").await;
        assert_eq!(done.code, Some(0), "{file}: {}{}", done.stdout, done.stderr);
        let told = listening.next().await;
        assert_eq!(told["status"], 200, "{told}");
        let signatures = told["signatures"].as_array().unwrap();
        assert_eq!(signatures.is_empty(), file == unsigned, "{told}");
    }
}

#[tokio::test]
async fn sign_and_verify_ask_for_the_url_that_is_signed() {
    let square = vendors("square");
    let url = ["--url", "https://example.com/hook?a=1"];
    let sign = ["sign", "--dialect", &square, "--secret", "s"];
    let unsaid = run(&sign, "{}").await;
    assert_eq!((unsaid.code, unsaid.stdout.as_str()), (Some(1), ""));
    assert!(unsaid.stderr.contains("--url"), "{}", unsaid.stderr);

    let signed = run(&[&sign[..], &url].concat(), "{}").await.ok().stdout;
    let mut lines = signed.lines();
    let header = lines
        .find(|line| line.starts_with("X-Square-HmacSha256-"))
        .unwrap();
    let verify = [
        "verify",
        "--dialect",
        &square,
        "--secret",
        "s",
        "--header",
        header,
    ];
    let verified = run(&[&verify[..], &url].concat(), "{}").await.ok();
    assert!(verified.stdout.contains("verified as square"));
    let unsaid = run(&verify, "{}").await;
    assert_eq!(unsaid.code, Some(1));
    assert!(unsaid.stdout.contains("--url"), "{}", unsaid.stdout);
    let other = ["--url", "https://example.com/hook?a=2"];
    assert_eq!(
        run(&[&verify[..], &other].concat(), "{}").await.code,
        Some(1)
    );

    let in_body = run(
        &["sign", "--dialect", &vendors("figma"), "--secret", "s"],
        "{}",
    )
    .await;
    assert!(
        in_body.stderr.contains("stands in the body"),
        "{}",
        in_body.stderr
    );
    let unsigned = unsigned();
    let unsigned = unsigned.path().to_str().unwrap();
    let nothing = run(&["verify", "--dialect", unsigned, "--secret", "s"], "{}").await;
    assert_eq!(nothing.code, Some(1));
    assert!(
        nothing.stdout.contains("unsigned signs nothing"),
        "{}",
        nothing.stdout
    );
}

/// By GET, which nothing signs, and by POST, signed like a delivery.
#[tokio::test]
async fn listen_answers_challenges_as_their_dialects_shape_them() {
    let shaped = [
        ("dropbox", "GET"),
        ("zoom", "POST"),
        ("mailgun", "POST"),
        ("adyen", "POST"),
    ];
    let files = shaped.map(|(dialect, _)| vendors(dialect));
    let named: Vec<&str> = files
        .iter()
        .flat_map(|file| ["--dialect", file.as_str()])
        .collect();
    let rung = rung(&named).await;
    let secret = "0123456789abcdef0123456789abcdef";
    let flags = [&*named, &["--secret", secret]].concat();
    let mut listening = Listening::start(&flags).await;
    for (dialect, method) in shaped {
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        let webhook = tenant
            .webhook_with(
                json!({"url": listening.url, "events": ["*"], "secret": secret, "challenge": true}),
            )
            .await;
        let verified = tenant.api.post(&webhook.path("/verify"), &json!({})).await;
        assert_eq!(verified.data(200)["webhook"]["status"], "active");
        let told = listening.next().await;
        assert_eq!(
            (&told["method"], &told["status"]),
            (&json!(method), &json!(200))
        );
    }
}

/// Two attempts fail, the third succeeds, and each line says when the next one is to be expected.
#[tokio::test]
async fn listen_fails_on_purpose_and_shows_the_ladder() {
    let rung = rung(&["--time-scale", "3600"]).await;
    let flags = [
        "--fail",
        "2",
        "--status",
        "503",
        "--time-scale",
        "3600",
        "--count",
        "3",
    ];
    let mut listening = Listening::start(&flags).await;
    let tenant = Tenant::create(&rung, "acme", "bharatcart").await;
    tenant.webhook(&listening.url, &["order"]).await;
    tenant.publish("order.paid", json!({"n": 1})).await;
    for (attempt, status, outcome, after_ms) in [
        (1, 503, "retried", json!(60_000)),
        (2, 503, "retried", json!(600_000)),
        (3, 200, "delivered", Value::Null),
    ] {
        let told = listening.next().await;
        assert_eq!(told["event_type"], "order.paid");
        assert_eq!(
            (&told["attempt"], &told["status"]),
            (&json!(attempt), &json!(status))
        );
        assert_eq!(told["outcome"], outcome, "{told}");
        assert_eq!(told["next_attempt"]["after_ms"], after_ms, "{told}");
    }
    // After as many as were asked for it ends.
    let end = tokio::time::timeout(PATIENCE, listening.lines.next_line()).await;
    assert_eq!(end.unwrap().unwrap(), None);
}

/// The receiver behind it gets the same bytes and signatures, and its answer goes back to Rung.
#[tokio::test]
async fn listen_forwards_and_answers_what_was_answered() {
    let rung = rung(&[]).await;
    let behind = Receiver::start(|_| {
        let answer = Answer::status(422).header("X-Reason", "no room");
        answer
            .header("Content-Type", "text/x-reason")
            .body("try elsewhere")
    })
    .await;
    let to = behind.url("/hooks?from=rung");
    let mut listening = Listening::start(&["--forward", &to]).await;
    let tenant = Tenant::create(&rung, "acme", "odin").await;
    let url = format!("{}/?of=acme", listening.url);
    let webhook = tenant.webhook(&url, &["user"]).await;
    let event = tenant
        .publish("user.lesson.completed", json!({"n": 1}))
        .await;
    let told = listening.next().await;
    assert_eq!(
        (&told["status"], &told["forwarded_to"]),
        (&json!(422), &json!(to))
    );
    let forwarded = &behind.wait_for(1).await[0];
    assert_eq!(told["body"], forwarded.text());
    assert!(
        forwarded.path.starts_with("/hooks?from=rung&"),
        "{}",
        forwarded.path
    );
    // As the dialect spells them: some receivers tell names apart by case.
    for name in [
        "X-Odin-Signature",
        "Content-Type",
        "Rung-Hops",
        "webhook-id",
    ] {
        let is_named = |(sent, _): &(String, String)| sent == name;
        assert!(forwarded.headers.iter().any(is_named), "{name}");
    }
    let attempts = webhook.until_attempts(&event.id, 1).await;
    assert_eq!(attempts[0]["response_status"], 422);
    let response = &webhook.log(&attempts[0]).await["response"];
    assert_eq!(response["body"], "try elsewhere");
    let headers = &response["headers"];
    assert_eq!(headers["x-reason"], "no room", "{headers}");
    assert_eq!(headers["content-type"], "text/x-reason", "{headers}");
    drop(behind);
    let log = webhook.retry(&attempts[0]).await;
    log.data(202);
    assert_eq!(listening.next().await["status"], 502);
}

#[tokio::test]
async fn dialects_are_listed_and_shown_with_what_they_send() {
    let listed = run(&["dialects", "list", "--json"], "").await.ok().lines();
    let mut names: Vec<_> = listed[0]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    names.sort_by_key(|name| name.as_str());
    assert_eq!(names, ALL);
    for dialect in ALL {
        let shown = run(&["dialects", "show", dialect], "").await.ok().stdout;
        let of = run(&["dialects", "show", dialect, "--json"], "")
            .await
            .ok()
            .lines();
        let example = &of[0]["example"];
        assert!(shown.contains(example["body"].as_str().unwrap()), "{shown}");
        assert!(
            shown.contains("  Content-Type: application/json"),
            "{shown}"
        );
        assert!(example["headers"]["Content-Type"].is_string(), "{example}");
        // The example is a delivery that its receiver would take.
        let mut args = vec![
            "verify".to_owned(),
            "--dialect".to_owned(),
            dialect.to_owned(),
        ];
        args.extend(["--at", "1760099400", "--secret"].map(str::to_owned));
        args.push(example["secret"].as_str().unwrap().to_owned());
        for (name, value) in example["headers"].as_object().unwrap() {
            args.push("--header".to_owned());
            args.push(format!("{name}: {}", value.as_str().unwrap()));
        }
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        run(&args, example["body"].as_str().unwrap()).await.ok();
        let snippet = run(&["dialects", "show", dialect, "--snippet", "python"], "").await;
        assert!(snippet.ok().stdout.contains("def verify("));
    }
    let other = run(&["dialects", "show", "odin", "--snippet", "cobol"], "").await;
    assert_eq!(other.code, Some(2));
    assert!(other.stderr.contains("python"), "{}", other.stderr);
}

/// A ladder of 60 days; `throttle` is on by default, so `Retry-After` adds nothing.
const LONG_LADDER: &str = "ladder = { waits = [\"30d\", \"30d\"] }\n";

/// A file is checked with line and reason; a right one can be used wherever a dialect is named.
#[tokio::test]
async fn a_file_of_ones_own_is_checked_and_used() {
    let dir = tempfile::tempdir().unwrap();
    let source = run(&["dialects", "show", "odin", "--source"], "")
        .await
        .ok()
        .stdout;
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let right = write(
        "ours.toml",
        &source
            .replace("name = \"odin\"", "name = \"ours\"")
            .replace("X-Odin-Signature", "X-Ours"),
    );
    let broken = write("broken.toml", &source.replace("hmac-sha256", "md5"));
    let done = run(&["dialects", "check", &right], "").await.ok();
    assert!(
        done.stdout.contains("ours, 9 event types"),
        "{}",
        done.stdout
    );
    let done = run(&["dialects", "check", "--json", &right, &broken], "").await;
    assert_eq!(done.code, Some(1));
    let told = done.lines();
    assert_eq!(
        (&told[0]["ok"], &told[1]["ok"]),
        (&json!(true), &json!(false))
    );
    let line = 1 + source
        .lines()
        .position(|line| line.contains("hmac-sha256"))
        .unwrap();
    let place = format!("broken.toml:{line}:");
    assert!(
        told[1]["problem"].as_str().unwrap().contains(&place),
        "{}",
        told[1]
    );

    // Together they cannot be used, and a ladder is held against how long events are kept.
    let same = write("same.toml", &std::fs::read_to_string(&right).unwrap());
    let long = write(
        "long.toml",
        &format!(
            "name = \"long\"\n{LONG_LADDER}envelope = [{{ from = \"data_members\" }}]\nany_type = {{ example = \"a\", sample = \"{{}}\" }}\n"
        ),
    );
    let shaped = source.replace("name = \"odin\"", "name = \"shaped\"");
    let shaped = write(
        "shaped.toml",
        &format!("{shaped}[challenge]\nmethod = \"GET\"\nquery = {{ c = \"{{token}}\" }}\n"),
    );
    let hashed = source.replace("name = \"odin\"", "name = \"hashed\"");
    let hashed = write("hashed.toml", &hashed.replace("hmac-sha256", "sha256"));
    let bare = std::fs::read_to_string(&hashed).unwrap();
    let bare = bare.replace(
        "name = \"hashed\"",
        "name = \"bare\"\nstandard_webhooks = false",
    );
    let bare = write("bare.toml", &bare);
    let files = [&*right, &same, &long, &shaped, &hashed, &bare];
    let checked = ["dialects", "check", "--json"];
    let done = run(&[&checked[..], &files].concat(), "").await;
    assert_eq!(done.code, Some(1));
    let told = done.lines();
    assert_eq!(told[0]["notes"], json!([]));
    let mistake = &told[1]["mistakes"][0];
    assert_eq!(mistake["reason"], "a dialect `ours` already exists");
    assert_eq!(
        (&mistake["line"], &mistake["column"]),
        (&json!(2), &json!(8))
    );
    let mistake = &told[2]["mistakes"][0];
    assert_eq!(
        mistake["reason"],
        "the ladder takes up to 60 days, and of a retention of 30 days 7 are to be left"
    );
    assert!(
        mistake["mend"]
            .as_str()
            .unwrap()
            .ends_with("`RUNG_RETENTION_DAYS=67`")
    );
    assert_eq!(mistake["file"], *long);
    assert_eq!(
        (&mistake["line"], &mistake["column"]),
        (&json!(2), &json!(10))
    );
    assert_eq!(told[3]["ok"], true, "{}", told[3]);
    let note = "note: receivers cannot verify the challenge as they verify deliveries: it is sent by GET, without a signature";
    assert_eq!(told[3]["notes"], json!([note]));
    let proves_nothing = "warning: anybody can make the signature `X-Odin-Signature`, because neither `algorithm` nor `signed` uses the secret: take an `hmac-` algorithm, or sign `{secret}` too";
    assert_eq!(told[4]["notes"], json!([proves_nothing]));
    let nothing_does = "warning: nothing in a delivery proves who has sent it";
    assert_eq!(told[5]["notes"], json!([proves_nothing, nothing_does]));
    let mut patient = command(&["dialects", "check", &long]);
    patient.env("RUNG_RETENTION_DAYS", "67");
    finish(patient, "").await.ok();

    let signed = run(&["sign", "--dialect", &right, "--secret", "s"], "{}")
        .await
        .ok();
    assert!(signed.stdout.contains("X-Ours: t="), "{}", signed.stdout);
}

/// The type's own sample, or data of one's own as it was written, arrives at the tenant's webhook.
#[tokio::test]
async fn events_trigger_publishes_to_a_running_rung() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(&rung, "acme", "odin").await;
    tenant.webhook(&receiver.url("/"), &["user"]).await;
    let url = format!("http://{}", rung.addr());
    let key = tenant.key.clone();
    let trigger = async |args: &[&str], data: &str| {
        let mut all = vec!["events", "trigger"];
        all.extend(args);
        let mut command = command(&all);
        command.env("RUNG_URL", &url).env("RUNG_KEY", &key);
        finish(command, data).await
    };
    let done = trigger(&["user.lesson.completed"], "").await.ok();
    assert!(done.stdout.contains("to 1 webhook\n"), "{}", done.stdout);
    assert!(
        receiver.wait_for(1).await[0]
            .text()
            .contains("lesson_non_01")
    );

    let args = [
        "user.streak.achieved",
        "--id",
        "mine",
        "--data",
        "-",
        "--json",
    ];
    let done = trigger(&args, r#"{"n": 9007199254740993}"#).await.ok();
    assert_eq!(done.lines()[0]["event"]["id"], "mine");
    assert!(
        receiver.wait_for(2).await[1]
            .text()
            .contains("9007199254740993")
    );

    let mut twice = command(&["events", "trigger", "user.streak.achieved", "--data", "-"]);
    twice.env("RUNG_URL", &url).env("RUNG_KEY", &key);
    let twice = finish(twice, r#"{"a":1,"a":2}"#).await;
    assert_eq!(twice.code, Some(1));
    let place = "--data -: duplicate key at byte 7";
    assert!(twice.stderr.contains(place), "{}", twice.stderr);

    for (args, code, problem) in [
        (&["no.such.type"][..], 1, "`rung event-types list`"),
        (&["user.streak.achieved", "--key", "rk_wrong"], 2, "--key"),
        (
            &["user.streak.achieved", "--server", "http://127.0.0.1:9"],
            3,
            "is Rung running",
        ),
        (
            &["user.streak.achieved", "--data", "/no/such/file"],
            1,
            "/no/such/file",
        ),
    ] {
        let done = trigger(args, "").await;
        assert_eq!(done.code, Some(code));
        assert!(done.stderr.contains(problem), "{}", done.stderr);
    }
}

/// The first key is replaced by another without a restart, and no key stands among the arguments.
#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let rung = rung(&[]).await;
    let url = format!("http://{}", rung.addr());
    let keys = async |key: &str, args: &[&str]| {
        let mut command = command(&[&["keys"], args].concat());
        command.env("RUNG_URL", &url).env("RUNG_KEY", key);
        finish(command, "").await
    };
    let args = ["create", "Second", "--scope", "admin", "--json"];
    let made = keys(ADMIN_KEY, &args).await.ok();
    let made = &made.lines()[0];
    let (id, second) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    keys(second, &["revoke", "key_root"]).await.ok();
    let refused = keys(ADMIN_KEY, &["list"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("unauthorized"),
        "{}",
        refused.stderr
    );
    let made = keys(second, &["create", "Relay", "--scope", "publish"]).await;
    let made = made.ok().stdout;
    assert!(made.lines().last().unwrap().starts_with("ro_"), "{made}");
    let listed = keys(second, &["list", "--json"]).await.ok().lines();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["name"], &listed[1]["id"]),
        (&json!("Relay"), &json!(id))
    );
    let shown = keys(second, &["list"]).await.ok().stdout;
    assert!(shown.contains("  Second  admin  "), "{shown}");
    assert!(!shown.contains(second), "{shown}");

    for (args, problem) in [
        (&["revoke", id][..], "last_admin_key"),
        (&["revoke", "key_nobody"], "not_found"),
        (&["create", "X", "--scope", "everything"], "--scope"),
        (&["list", "--key", second], "--key"),
    ] {
        let done = keys(second, args).await;
        assert_ne!(done.code, Some(0));
        assert!(done.stderr.contains(problem), "{}", done.stderr);
    }
}

/// Colours are for terminals: none where a program reads, whatever the environment says.
#[tokio::test]
async fn nothing_is_coloured_in_a_pipe() {
    for args in [
        &["dialects", "show", "odin"][..],
        &["dialects", "list"],
        &["--help"],
    ] {
        let mut plain = command(args);
        plain.env("TERM", "xterm-256color");
        let done = finish(plain, "").await.ok();
        assert!(!done.stdout.contains('\u{1b}'), "{}", done.stdout);
    }
    let mut forced = command(&["dialects", "list"]);
    forced.env("CLICOLOR_FORCE", "1");
    assert!(finish(forced, "").await.ok().stdout.contains('\u{1b}'));
}
