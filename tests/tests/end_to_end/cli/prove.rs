//! `rung prove`, with a receiver for each finding.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use rung_dialect::{Dialects, VerifyInput};
use rung_tests::{Answer, Received, Receiver};
use serde_json::Value;

use super::{Done, run};

const SECRET: &str = "your_webhook_secret_key";
const CHECKS: [&str; 10] = [
    "delivery",
    "repeat",
    "unicode",
    "numbers",
    "empty_data",
    "changed_body",
    "other_secret",
    "no_signature",
    "old_timestamp",
    "speed",
];

/// A receiver as the document of odin has it, which tolerates so much.
fn verifies(request: &Received, tolerance_s: u64) -> bool {
    let headers = request.headers.iter().map(|(name, value)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    let dialects = Dialects::builtin();
    let checks = dialects.get("odin").unwrap().verify(&VerifyInput {
        headers: &headers.collect::<HeaderMap>(),
        body: &request.body,
        method: "POST",
        url: "",
        tenant: "",
        webhook_id: "",
        secrets: &[SECRET.to_owned()],
        now_s: u64::try_from(jiff::Timestamp::now().as_second()).unwrap(),
        tolerance_s,
    });
    checks.iter().all(|check| check.result.is_ok())
}

/// What a good receiver answers.
fn good(request: &Received) -> u16 {
    if verifies(request, 300) { 200 } else { 401 }
}

async fn prove(receiver: &Receiver) -> (Done, Value) {
    let url = receiver.url("/hook");
    let flags = ["prove", &url, "--dialect", "odin", "--secret", SECRET];
    let done = run(&[&flags[..], &["--json"]].concat(), "").await;
    let report = done.lines().remove(0);
    let checks = report["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| &check["check"]).collect();
    assert_eq!(names, CHECKS);
    let is_fit = checks.iter().all(|check| check["outcome"] != "failed");
    assert_eq!(report["ok"], is_fit);
    assert_eq!(done.code, Some(i32::from(!is_fit)));
    (done, report)
}

/// The checks with this outcome.
fn with<'a>(report: &'a Value, outcome: &str) -> Vec<&'a str> {
    let checks = report["checks"].as_array().unwrap().iter();
    let found = checks.filter(|check| check["outcome"] == outcome);
    found
        .map(|check| check["check"].as_str().unwrap())
        .collect()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks.find(|check| check["check"] == name).unwrap()
}

/// What is found wrong with a receiver that answers so.
async fn wrong(answer: impl Fn(&Received) -> u16 + Send + Sync + 'static) -> Vec<String> {
    let receiver = Receiver::start(move |request| Answer::status(answer(request))).await;
    let (_, report) = prove(&receiver).await;
    assert_eq!(with(&report, "skipped"), Vec::<&str>::new());
    for name in with(&report, "failed") {
        assert!(check(&report, name)["mend"].is_string(), "{name}");
    }
    with(&report, "failed")
        .into_iter()
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn a_good_receiver_is_found_good() {
    let receiver = Receiver::start(|request| Answer::status(good(request))).await;
    let (_, report) = prove(&receiver).await;
    assert_eq!(with(&report, "passed"), CHECKS);
    let received = receiver.received();
    assert_eq!(received.len(), CHECKS.len() - 1);
    for request in &received {
        assert_eq!(request.must("rung-test"), "true");
    }
    assert_eq!(check(&report, "old_timestamp")["response_status"], 401);

    let url = receiver.url("/hook");
    let flags = ["prove", &url, "--dialect", "odin", "--secret", SECRET];
    let told = run(&flags, "").await.ok().stdout;
    assert!(told.contains("✔ changed_body"), "{told}");
    assert!(!told.contains("--snippet"), "{told}");
}

#[tokio::test]
async fn what_is_not_verified_is_found() {
    let forgeries = [
        "changed_body",
        "other_secret",
        "no_signature",
        "old_timestamp",
    ];
    assert_eq!(wrong(|_| 204).await, forgeries);
    let careless = Receiver::always(200).await;
    let url = careless.url("/hook");
    let flags = ["prove", &url, "--dialect", "odin", "--secret", SECRET];
    let told = run(&flags, "").await.stdout;
    let how = "`rung dialects show odin --snippet python` shows how to verify";
    assert!(
        told.contains("✘ changed_body") && told.contains(how),
        "{told}"
    );
    let never_old = |request: &Received| {
        if verifies(request, u64::MAX) {
            200
        } else {
            401
        }
    };
    assert_eq!(wrong(never_old).await, ["old_timestamp"]);
    // Who reads no header but of those that have one.
    let careless = |request: &Received| match request.header("x-odin-signature") {
        None => 200,
        Some(_) => good(request),
    };
    assert_eq!(wrong(careless).await, ["no_signature"]);
    // 410 disables a webhook.
    let gone = |request: &Received| if good(request) == 200 { 200 } else { 410 };
    assert_eq!(wrong(gone).await, forgeries);
}

#[tokio::test]
async fn what_a_receiver_stumbles_over_is_found() {
    let seen = Mutex::new(HashSet::new());
    let once = move |request: &Received| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match good(request) {
            200 if !seen.insert(request.body.clone()) => 409,
            status => status,
        }
    };
    assert_eq!(wrong(once).await, ["repeat"]);
    let ascii = |request: &Received| {
        if request.body.is_ascii() {
            good(request)
        } else {
            400
        }
    };
    assert_eq!(wrong(ascii).await, ["unicode"]);
    let small = |request: &Received| match request.text().contains("9007199254740993") {
        true => 500,
        false => good(request),
    };
    assert_eq!(wrong(small).await, ["numbers"]);
    let full = |request: &Received| match request.text().contains(r#""data":{}"#) {
        true => 422,
        false => good(request),
    };
    assert_eq!(wrong(full).await, ["empty_data"]);
}

#[tokio::test]
async fn a_receiver_that_accepts_nothing_is_told_what_to_do() {
    let moved = Receiver::start(|_| Answer::status(308).header("Location", "/hooks/")).await;
    let (_, report) = prove(&moved).await;
    assert_eq!(with(&report, "failed"), ["delivery"]);
    assert_eq!(with(&report, "skipped"), CHECKS[1..]);
    let mend = check(&report, "delivery")["mend"].as_str().unwrap();
    assert!(mend.contains(&moved.url("/hooks/")), "{mend}");

    for (status, told) in [(410, "disable"), (401, "secret"), (500, "success")] {
        let (_, report) = prove(&Receiver::always(status).await).await;
        assert_eq!(with(&report, "failed"), ["delivery"]);
        assert_eq!(check(&report, "delivery")["response_status"], status);
        let mend = check(&report, "delivery")["mend"].as_str().unwrap();
        assert!(mend.contains(told), "{mend}");
    }
    let cut = Receiver::start(|_| Answer::reset()).await;
    let (_, report) = prove(&cut).await;
    assert_eq!(with(&report, "failed"), ["delivery"]);
    let bad = ["prove", "ftp://example.com", "--secret", SECRET];
    assert_eq!(run(&bad, "").await.code, Some(2));
}

/// What is a success elsewhere is none in a dialect that counts 200 alone.
#[tokio::test]
async fn the_statuses_that_a_dialect_counts_are_named() {
    let receiver = Receiver::always(204).await;
    let url = receiver.url("/hook");
    let flags = ["prove", &url, "--dialect", "patra", "--secret", SECRET];
    let done = run(&[&flags[..], &["--json"]].concat(), "").await;
    assert_eq!(done.code, Some(1));
    let report = done.lines().remove(0);
    assert_eq!(with(&report, "failed"), ["delivery"]);
    assert_eq!(
        check(&report, "delivery")["mend"],
        "answer 200: patra counts no other status as a success"
    );
    let failing = Receiver::always(500).await;
    let (_, report) = prove(&failing).await;
    let mend = check(&report, "delivery")["mend"].as_str().unwrap();
    assert!(mend.contains("a success (2xx)"), "{mend}");
}

/// Dialects without a signed time, or with a token, are examined for what they have.
#[tokio::test]
async fn what_a_dialect_does_not_sign_is_not_examined() {
    let receiver = Receiver::always(200).await;
    let url = receiver.url("/hook");
    let flags = ["prove", &url, "--dialect", "shopify", "--secret", SECRET];
    let done = run(&[&flags[..], &["--json"]].concat(), "").await;
    let report = done.lines().remove(0);
    assert_eq!(with(&report, "skipped"), ["old_timestamp"]);
    let gitlab = format!("{}/../dialects/gitlab.toml", env!("CARGO_MANIFEST_DIR"));
    let flags = ["prove", &url, "--dialect", &gitlab, "--secret", SECRET];
    let done = run(&[&flags[..], &["--json"]].concat(), "").await;
    let report = done.lines().remove(0);
    assert_eq!(with(&report, "skipped"), ["changed_body", "old_timestamp"]);
    assert_eq!(with(&report, "failed"), ["other_secret", "no_signature"]);
}
