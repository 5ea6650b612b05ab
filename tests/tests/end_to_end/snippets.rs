//! The snippets that receivers are given, run by their languages over deliveries that really arrived. JavaScript and Python always are;
//! the others where the machine has them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rung_dialect::{Dialect, Dialects, KeyPair, Language, SignInput};
use rung_tests::{Received, Receiver, Rung, Tenant};
use serde_json::{Value, json};

use crate::rung;

/// One of each kind: time within the signature's header, in one of its own, none; hex and base64; one signature and several.
const KINDS: [&str; 6] = ["odin", "slack", "patra", "shopify", "stripe", "standard"];

/// Their secret stands in a header: by itself, and behind `Bearer`.
const TOKENS: [&str; 2] = ["gitlab", "cloudevents-binary"];

/// They sign a time in milliseconds or as RFC 3339, the webhook's URL or its path, or hash the secret and the body.
const FORMS: [&str; 6] = [
    "box",
    "contentful",
    "hubspot-v2",
    "square",
    "twitch",
    "zendesk",
];

/// The ways to write a signature that none of the dialects in files has.
const ENCODINGS: [&str; 4] = ["HEX", "base64url", "base64url-padded", "base64-of-hex"];

/// A dialect that comes with Rung, or one of a file.
fn dialect(name: &str) -> Dialect {
    if let Some(builtin) = Dialects::builtin().get(name) {
        return Dialect::clone(builtin);
    }
    let dialects = Dialects::builtin().with_file(name, &text_of(name)).unwrap();
    Dialect::clone(dialects.get(name).unwrap())
}

/// A file in `dialects`, or one like it whose signature is written in another way.
fn text_of(name: &str) -> String {
    let (file, encoding) = match ENCODINGS.iter().find(|one| named(one) == name) {
        Some(encoding) => ("webflow", Some(encoding)),
        None => (name, None),
    };
    let path = format!("{}/../dialects/{file}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let Some(encoding) = encoding else {
        return text;
    };
    let own = format!("encoding = \"{encoding}\"");
    let text = text.replace("name = \"webflow\"", &format!("name = \"{name}\""));
    text.replace("encoding = \"hex\"", &own)
}

/// The dialect with such signatures.
fn named(encoding: &str) -> String {
    format!("in-{}", encoding.to_lowercase())
}

fn in_files() -> Vec<String> {
    let names = TOKENS.iter().chain(&FORMS).map(|name| (*name).to_owned());
    names.chain(ENCODINGS.map(named)).collect()
}

/// A Rung that knows the dialects in files, too.
async fn with_files() -> Rung {
    let dir = tempfile::tempdir().unwrap();
    let files = in_files().into_iter().map(|name| {
        let path = dir.path().join(format!("{name}.toml"));
        fs::write(&path, text_of(&name)).unwrap();
        path.display().to_string()
    });
    let arguments: Vec<_> = files
        .flat_map(|file| ["--dialect".to_owned(), file])
        .collect();
    rung(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
}

/// A delivery as a receiver has it, and whether it is genuine.
struct Case {
    what: String,
    secret: String,
    body: Vec<u8>,
    /// What the receiver's own code gives if the snippet wants it: the webhook's URL, or its path and query.
    given: String,
    headers: Vec<(String, String)>,
    genuine: bool,
}

/// The URL of what nobody has sent.
const URL: &str = "https://receiver.example/hooks?of=rung";

impl Case {
    fn new(what: &str, request: &Received, secret: &str, given: &str, genuine: bool) -> Self {
        let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
        Self {
            what: what.to_owned(),
            secret: secret.to_owned(),
            body: request.body.clone(),
            given: given.to_owned(),
            headers: request.headers.iter().map(lower).collect(),
            genuine,
        }
    }

    /// One that nobody has sent: signed with these secrets, so long ago.
    fn made(what: &str, dialect: &Dialect, secrets: &[&str], age_s: i64, genuine: bool) -> Self {
        let now_s = jiff::Timestamp::now().as_second();
        let body = br#"{"made":true}"#;
        let request = dialect.request(&SignInput {
            event_id: "evt_made",
            event_type: "made",
            url: URL,
            webhook_id: "webhook_made",
            time_ms: u64::try_from(now_s - age_s).unwrap() * 1000,
            body,
            secret: secrets[0],
            newer_secrets: &secrets[1..],
            ..SignInput::default()
        });
        Self {
            what: what.to_owned(),
            secret: secrets[secrets.len() - 1].to_owned(),
            body: body.to_vec(),
            given: given(dialect, URL),
            headers: request
                .unwrap()
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            genuine,
        }
    }

    fn line(&self) -> String {
        let mut line = format!(
            "{} {} {}",
            BASE64.encode(&self.secret),
            BASE64.encode(&self.body),
            BASE64.encode(&self.given)
        );
        for (name, value) in &self.headers {
            let _ = write!(line, " {} {}", BASE64.encode(name), BASE64.encode(value));
        }
        line
    }
}

/// What the receiver of a dialect gives of the webhook's URL.
fn given(dialect: &Dialect, url: &str) -> String {
    let path = || url.splitn(4, '/').last().unwrap();
    match dialect.source.contains("{path}") {
        true => format!("/{}", path()),
        false => url.to_owned(),
    }
}

/// What a dialect's receivers may meet.
async fn cases(rung: &Rung, dialect: &Dialect) -> Vec<Case> {
    const OTHER: &str = "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVy";
    let receiver = Receiver::always(200).await;
    let tenant = Tenant::create(rung, &dialect.name, &dialect.name).await;
    let url = receiver.url("/hooks?of=rung");
    let webhook = tenant.webhook(&url, &["*"]).await;
    let given = given(dialect, &url);
    let event_type = dialect.catalogue.first_type_of("*").unwrap();
    let sample = dialect.catalogue.sample(event_type).unwrap();
    let sample: Value = serde_json::from_str(&serde_json::to_string(sample).unwrap()).unwrap();
    tenant.publish(event_type, sample).await;
    let unlike = json!({"text": "ünï © 🦀 </script> \u{2028} \"", "n": 1.5});
    tenant.publish(event_type, unlike).await;
    let received = receiver.wait_for(2).await;
    let secret = &*webhook.secret;
    // It says nothing of body and time.
    let is_token = dialect.sends_secret();

    let mut cases = Vec::new();
    for request in &received {
        let case = |what, secret, genuine| Case::new(what, request, secret, &given, genuine);
        cases.push(case("as it came", secret, true));
        cases.push(case("another secret", OTHER, false));
        let mut changed = case("a changed body", secret, is_token);
        changed.body.push(b' ');
        cases.push(changed);
        let has_url = dialect.source.contains("{url}") || dialect.source.contains("{path}");
        let mut elsewhere = case("to another URL", secret, !has_url);
        elsewhere.given.push('/');
        cases.push(elsewhere);
        let mut unsigned = case("without headers", secret, false);
        unsigned.headers.clear();
        cases.push(unsigned);
        let mut garbled = case("with other headers", secret, false);
        for (_, value) in &mut garbled.headers {
            *value = "t=,v1,==".to_owned();
        }
        cases.push(garbled);
        let mut long = case("with a very long time", secret, false);
        for (_, value) in &mut long.headers {
            *value = format!("t={0},v1=a", "9".repeat(400));
        }
        cases.push(long);
    }
    // What has no signature of its own has that of Standard Webhooks.
    let is_bare =
        dialect.source.contains("[[signature]]") && !dialect.source.contains("{timestamp");
    let is_timed = !is_bare && !is_token;
    cases.push(Case::made("a minute old", dialect, &[secret], 60, true));
    cases.push(Case::made("too old", dialect, &[secret], 400, !is_timed));
    cases.push(Case::made(
        "of the future",
        dialect,
        &[secret],
        -400,
        !is_timed,
    ));
    let lists = !dialect.signs_with_one_secret();
    cases.push(Case::made(
        "the newer of two",
        dialect,
        &[OTHER, secret],
        0,
        lists,
    ));
    cases
}

/// Deliveries of a webhook with a key pair, to receivers that know its public half.
fn key_pair_cases(dialect: &Dialect) -> Vec<Case> {
    let [old, new, other] = [1, 2, 3].map(|seed| KeyPair::from_seed([seed; 32]));
    let made = |what, pairs: &[&KeyPair], age_s, known: &KeyPair, genuine| {
        let secrets: Vec<String> = pairs.iter().map(|pair| pair.secret()).collect();
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        Case {
            secret: known.public_key(),
            ..Case::made(what, dialect, &secrets, age_s, genuine)
        }
    };
    let mut changed = made("a changed body", &[&old], 0, &old, false);
    changed.body.push(b' ');
    let mut unsigned = made("without headers", &[&old], 0, &old, false);
    unsigned.headers.clear();
    let mut garbled = made("with other headers", &[&old], 0, &old, false);
    for (_, value) in &mut garbled.headers {
        *value = "v1a,== v1a v1,AAAA".to_owned();
    }
    let mut strange = made("beyond ASCII", &[&old], 0, &old, false);
    for (name, value) in &mut strange.headers {
        if name == "webhook-signature" {
            *value = "v1a,\u{e9}".to_owned();
        }
    }
    vec![
        strange,
        made("as it came", &[&old], 0, &old, true),
        made("another pair", &[&old], 0, &other, false),
        made("the older of two", &[&old, &new], 0, &old, true),
        made("the newer of two", &[&old, &new], 0, &new, true),
        made("too old", &[&old], 400, &old, false),
        made("of the future", &[&old], -400, &old, false),
        changed,
        unsigned,
        garbled,
    ]
}

/// Whether a shell finds something.
fn is_there(command: &str) -> bool {
    let status = Command::new("sh")
        .args(["-c", command])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

/// The compiler that `tests/clients/setup` brings.
fn typescript() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/node_modules")
}

/// A folder with the snippet and what runs it.
fn prepare(dir: &Path, code: &str, language: Language) -> Option<Command> {
    let drivers = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("verify/snippets");
    let compiler = typescript().join(".bin/tsc").display().to_string();
    let (snippet, driver, program) = match language {
        Language::JavaScript => ("webhooks.mjs", "main.mjs", "node"),
        Language::TypeScript => ("webhooks.mts", "main.mjs", &*compiler),
        Language::Python => ("webhooks.py", "main.py", "python3"),
        Language::Java => ("Webhooks.java", "Main.java", "javac"),
        Language::Go => ("webhooks/webhooks.go", "main.go", "go"),
        Language::Php => ("webhooks.php", "main.php", "php"),
        Language::Ruby => ("webhooks.rb", "main.rb", "ruby"),
        Language::Rust | Language::CSharp => return None,
    };
    if !is_there(&format!("command -v '{program}'")) {
        assert!(
            !matches!(language, Language::JavaScript | Language::Python),
            "{program} is needed"
        );
        eprintln!("{language}: not run, {program} is not here");
        return None;
    }
    let snippet = dir.join(snippet);
    fs::create_dir_all(snippet.parent().unwrap()).unwrap();
    fs::write(snippet, code).unwrap();
    fs::copy(drivers.join(driver), dir.join(driver)).unwrap();
    let mut command = Command::new(program);
    match language {
        Language::Java => {
            let status = Command::new("javac")
                .args(["Webhooks.java", "Main.java"])
                .current_dir(dir)
                .status();
            assert!(status.unwrap().success(), "{code}");
            command = Command::new("java");
            command.args(["-XX:TieredStopAtLevel=1", "-cp", ".", "Main"]);
        }
        Language::TypeScript => {
            let compiled = Command::new(program)
                .args([
                    "--strict",
                    "--noUncheckedIndexedAccess",
                    "--target",
                    "ES2022",
                ])
                .args(["--module", "NodeNext", "--types", "node", "--typeRoots"])
                .arg(typescript().join("@types"))
                .arg("webhooks.mts")
                .current_dir(dir)
                .status();
            assert!(compiled.unwrap().success(), "{code}");
            command = Command::new("node");
            command.arg(driver);
        }
        Language::Go => {
            fs::write(dir.join("go.mod"), "module receiver\n\ngo 1.18\n").unwrap();
            command.args(["run", "."]);
        }
        _ => {
            command.arg(driver);
        }
    }
    command.current_dir(dir).env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

fn verdicts(mut command: Command, cases: &[Case]) -> Vec<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = cases.iter().map(Case::line).collect();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all((lines.join("\n") + "\n").as_bytes())
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

async fn verifies(language: Language, dialects: impl IntoIterator<Item: AsRef<str>>) {
    let rung = with_files().await;
    for name in dialects {
        let name = name.as_ref();
        let dialect = dialect(name);
        let dir = tempfile::tempdir().unwrap();
        let code = dialect.snippet(language).unwrap();
        let Some(command) = prepare(dir.path(), &code, language) else {
            return;
        };
        hold(command, &cases(&rung, &dialect).await, language, name);
    }
}

/// The snippet takes what is genuine, and nothing else.
fn hold(command: Command, cases: &[Case], language: Language, name: &str) {
    let verdicts = verdicts(command, cases);
    assert_eq!(verdicts.len(), cases.len(), "{language}, {name}");
    for (case, verdict) in cases.iter().zip(verdicts) {
        let expected = case.genuine.to_string();
        assert_eq!(verdict, expected, "{language}, {name}: {}", case.what);
    }
}

/// Those that come with Rung, and those in files.
fn all() -> Vec<String> {
    let builtin = Dialects::builtin();
    with(&builtin.names().collect::<Vec<_>>(), in_files())
}

fn with(names: &[&str], more: Vec<String>) -> Vec<String> {
    let names = names.iter().map(|name| (*name).to_owned());
    names.chain(more).collect()
}

#[tokio::test]
async fn javascript() {
    verifies(Language::JavaScript, all()).await;
}

#[tokio::test]
async fn typescript_with_all_its_checks() {
    verifies(Language::TypeScript, with(&KINDS, in_files())).await;
}

#[tokio::test]
async fn python() {
    verifies(Language::Python, all()).await;
}

#[tokio::test]
async fn java() {
    // It takes seconds to compile each.
    let few = [
        "odin",
        "shopify",
        "standard",
        "gitlab",
        "contentful",
        "hubspot-v2",
        "twitch",
        "in-base64url",
        "in-base64-of-hex",
    ];
    verifies(Language::Java, few).await;
}

#[tokio::test]
async fn go() {
    // Its program gives no URL.
    let encodings = ENCODINGS.map(named).to_vec();
    let others = ["gitlab", "cloudevents-binary", "twitch", "box"];
    verifies(Language::Go, with(&KINDS, with(&others, encodings))).await;
}

#[tokio::test]
async fn php() {
    verifies(Language::Php, with(&KINDS, in_files())).await;
}

#[tokio::test]
async fn ruby() {
    verifies(Language::Ruby, with(&KINDS, in_files())).await;
}

/// Those in Rust are compiled with this test, from files that must be what the generator writes.
#[tokio::test]
async fn rust() {
    type Verify = fn(&http::HeaderMap, &[u8], &str) -> bool;
    let compiled: [(&str, &str, Verify); 6] = [
        (
            "cloudevents-binary",
            include_str!("../../verify/snippets/rust/cloudevents_binary.rs"),
            cloudevents_binary::verify,
        ),
        (
            "odin",
            include_str!("../../verify/snippets/rust/odin.rs"),
            odin::verify,
        ),
        (
            "shopify",
            include_str!("../../verify/snippets/rust/shopify.rs"),
            shopify::verify,
        ),
        (
            "standard",
            include_str!("../../verify/snippets/rust/standard.rs"),
            standard::verify,
        ),
        (
            "twitch",
            include_str!("../../verify/snippets/rust/twitch.rs"),
            twitch::verify,
        ),
        (
            "stripe",
            include_str!("../../verify/snippets/rust/stripe.rs"),
            stripe::verify,
        ),
    ];
    let rung = with_files().await;
    for (name, file, verify) in compiled {
        let dialect = dialect(name);
        let snippet = dialect.snippet(Language::Rust).unwrap();
        assert!(
            snippet == file,
            "tests/verify/snippets/rust/{name}.rs is to be:\n{snippet}"
        );
        for case in cases(&rung, &dialect).await {
            let headers = case.headers.iter().map(|(name, value)| {
                let name: http::HeaderName = name.parse().unwrap();
                (name, value.parse().unwrap())
            });
            let verdict = verify(&headers.collect(), &case.body, &case.secret);
            assert_eq!(verdict, case.genuine, "{name}: {}", case.what);
        }
    }
}

/// What key pairs sign, in each language that is here; Python with the package that its snippet names.
#[test]
fn key_pairs() {
    let dialect = Dialects::builtin().get("standard").unwrap().clone();
    let cases = key_pair_cases(&dialect);
    for language in Language::ALL {
        if language == Language::Python && !is_there("python3 -c 'import cryptography'") {
            eprintln!("python: not run, cryptography is not here");
            continue;
        }
        let code = dialect.key_pair_snippet(language).unwrap();
        let dir = tempfile::tempdir().unwrap();
        if let Some(command) = prepare(dir.path(), code, language) {
            hold(command, &cases, language, "a key pair");
        }
    }
    let snippet = dialect.key_pair_snippet(Language::Rust).unwrap();
    assert!(
        snippet == include_str!("../../verify/snippets/rust/key_pair.rs"),
        "tests/verify/snippets/rust/key_pair.rs is to be:\n{snippet}"
    );
    for case in &cases {
        let headers = case.headers.iter().map(|(name, value)| {
            let name: http::HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        });
        let verdict = key_pair::verify(&headers.collect(), &case.body, &case.secret);
        assert_eq!(verdict, case.genuine, "{}", case.what);
    }
}

#[allow(unreachable_pub, reason = "in a receiver's own crate it is reached")]
#[path = "../../verify/snippets/rust/cloudevents_binary.rs"]
#[rustfmt::skip]
mod cloudevents_binary;
#[allow(unreachable_pub, reason = "in a receiver's own crate it is reached")]
#[path = "../../verify/snippets/rust/key_pair.rs"]
#[rustfmt::skip]
mod key_pair;
#[allow(unreachable_pub, reason = "in a receiver's own crate it is reached")]
#[path = "../../verify/snippets/rust/odin.rs"]
#[rustfmt::skip]
mod odin;
#[allow(unreachable_pub, reason = "in a receiver's own crate it is reached")]
#[path = "../../verify/snippets/rust/shopify.rs"]
#[rustfmt::skip]
mod shopify;
#[allow(unreachable_pub, reason = "in a receiver's own crate it is reached")]
#[path = "../../verify/snippets/rust/standard.rs"]
#[rustfmt::skip]
mod standard;
#[allow(unreachable_pub, reason = "in a receiver's own crate it is reached")]
#[path = "../../verify/snippets/rust/stripe.rs"]
#[rustfmt::skip]
mod stripe;
#[allow(unreachable_pub, reason = "in a receiver's own crate it is reached")]
#[path = "../../verify/snippets/rust/twitch.rs"]
#[rustfmt::skip]
mod twitch;
