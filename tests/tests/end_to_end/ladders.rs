//! Retry ladders and disable rules, end to end: real attempts on a scaled clock. The log shows the ladder's own waits.
//!
//! The ladders of `patra`, `standard` and `badger` take days, which even a fast clock makes long: they are climbed in virtual
//! time only.

use std::time::Duration;

use rung_tests::{Answer, Receiver, Rung, Tenant, Webhook};
use serde_json::{Value, json};

use crate::{a_type_of, rung};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

/// The documented waits in seconds, the share by which each may vary, and a scale at which they take a second or two.
struct Ladder {
    dialect: &'static str,
    waits_s: &'static [f64],
    jitter: f64,
    scale: u32,
    disables: bool,
}

const BHARATCART: Ladder = Ladder {
    dialect: "bharatcart",
    waits_s: &[MINUTE, 10.0 * MINUTE, HOUR],
    jitter: 0.0,
    scale: 3_000,
    disables: false,
};
const REWARD: Ladder = Ladder {
    dialect: "reward",
    waits_s: &[
        30.0,
        2.0 * MINUTE,
        8.0 * MINUTE,
        32.0 * MINUTE,
        128.0 * MINUTE,
    ],
    jitter: 0.1,
    scale: 6_000,
    disables: false,
};
const ODIN: Ladder = Ladder {
    dialect: "odin",
    waits_s: &[MINUTE, 5.0 * MINUTE, 30.0 * MINUTE, 2.0 * HOUR, 6.0 * HOUR],
    jitter: 0.0,
    scale: 8_000,
    disables: true,
};
/// What a time to the millisecond, rounded twice, can be off.
const ROUNDING_S: f64 = 0.01;

/// Seconds between two times of a log entry.
fn seconds_between(log: &Value, from: &str, to: &str) -> f64 {
    let time = |name: &str| -> jiff::Timestamp {
        let text = log[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}: {log}"));
        text.parse().unwrap()
    };
    time(to).duration_since(time(from)).as_secs_f64()
}

fn planned_wait_s(log: &Value) -> f64 {
    seconds_between(log, "delivered_at", "next_attempt_at")
}

#[track_caller]
fn check_wait(log: &Value, wait_s: f64, jitter: f64) {
    let planned = planned_wait_s(log);
    let (least, most) = (
        wait_s * (1.0 - jitter) - ROUNDING_S,
        wait_s * (1.0 + jitter) + ROUNDING_S,
    );
    assert!(
        (least..=most).contains(&planned),
        "{planned} s instead of {wait_s} ± {jitter}: {log}"
    );
}

async fn scaled(scale: u32) -> Rung {
    rung(&["--time-scale", &scale.to_string()]).await
}

/// A failing receiver sees the first attempt and one for each wait, none of them early, and then no more.
async fn climbs(ladder: &Ladder) {
    let rung = scaled(ladder.scale).await;
    let receiver = Receiver::always(500).await;
    let tenant = Tenant::create(&rung, "t", ladder.dialect).await;
    let event_type = a_type_of(ladder.dialect);
    let webhook = tenant.webhook(&receiver.url("/"), &[event_type]).await;
    let event = tenant.publish(event_type, json!({"a": 1})).await;
    let n = ladder.waits_s.len() + 1;
    let attempts = webhook.until_attempts(&event.id, n).await;
    tenant.until(&event.id, &webhook, "failed").await;

    for (i, log) in attempts.iter().enumerate() {
        assert_eq!(log["attempt"], i + 1, "{log}");
        assert_eq!(log["status"], "failed", "{log}");
        assert_eq!(log["response_status"], 500, "{log}");
        assert_eq!(
            log["trigger"],
            if i == 0 { "event" } else { "retry" },
            "{log}"
        );
        assert!(log["next_attempt_at"].is_null(), "nothing follows: {log}");
    }
    let arrived = receiver.received();
    for (pair, wait_s) in arrived.windows(2).zip(ladder.waits_s) {
        let least = wait_s * (1.0 - ladder.jitter) / f64::from(ladder.scale);
        let waited = (pair[1].at - pair[0].at).as_secs_f64();
        assert!(
            waited >= least - 0.005,
            "attempt {} came after {waited} s, due after {least}",
            pair[1].number
        );
    }
    receiver.stays_at(n).await;

    let shown = webhook.get().await;
    if ladder.disables {
        assert_eq!(shown["status"], "disabled", "{shown}");
        assert!(shown["disabled"]["at"].is_string(), "{shown}");
        let last = attempts[n - 1]["id"].as_str().unwrap();
        assert!(
            shown["disabled"].to_string().contains(last),
            "the failing log entries are named: {shown}"
        );
    } else {
        assert_eq!(shown["status"], "active", "{shown}");
        assert!(shown["disabled"].is_null(), "{shown}");
    }
}

#[tokio::test]
async fn bharatcart() {
    climbs(&BHARATCART).await;
}

#[tokio::test]
async fn reward() {
    climbs(&REWARD).await;
}

#[tokio::test]
async fn odin() {
    climbs(&ODIN).await;
}

/// A success on a middle rung ends the ladder.
#[tokio::test]
async fn a_success_ends_the_ladder() {
    let rung = scaled(ODIN.scale).await;
    let receiver = Receiver::in_turn(&[500, 503, 200]).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook(&receiver.url("/"), &["*"]).await;
    let event = odin.publish("user.lesson.completed", json!({})).await;
    let attempts = webhook.until_attempts(&event.id, 3).await;
    assert_eq!(attempts[2]["status"], "succeeded");
    assert!(attempts[2]["next_attempt_at"].is_null());
    odin.until(&event.id, &webhook, "succeeded").await;
    receiver.stays_at(3).await;
    assert_eq!(webhook.status().await, "active");
}

/// Publishes one event and waits for its `n`th attempt to be logged.
async fn publish_until(tenant: &Tenant, webhook: &Webhook, id: &str, n: usize) {
    tenant.publish_as(id, "order.paid", json!({})).await;
    webhook.until_attempts(id, n).await;
}

/// BharatCart counts failed attempts over all deliveries: a success after the 9th takes the count back to nothing.
#[tokio::test]
async fn bharatcart_is_disabled_by_the_tenth_failure_in_a_row() {
    let rung = scaled(BHARATCART.scale * 4).await;
    // 4 + 4 + 1 failures and a success, then failures only.
    let receiver =
        Receiver::start(|request| Answer::status(if request.number == 10 { 200 } else { 500 }))
            .await;
    let cart = Tenant::create(&rung, "t", "bharatcart").await;
    let webhook = cart.webhook(&receiver.url("/"), &["order"]).await;
    for (id, attempts) in [("e1", 4), ("e2", 4), ("e3", 2), ("e4", 4), ("e5", 4)] {
        publish_until(&cart, &webhook, id, attempts).await;
    }
    cart.until("e3", &webhook, "succeeded").await;
    cart.until("e5", &webhook, "failed").await;
    assert_eq!(receiver.count(), 18);
    assert_eq!(webhook.status().await, "active", "8 in a row");

    // The 9th and the 10th.
    publish_until(&cart, &webhook, "e6", 2).await;
    let shown = webhook.until("disabled").await;
    let tenth = &webhook.attempts("e6").await[1];
    assert!(
        shown["disabled"]
            .to_string()
            .contains(tenth["id"].as_str().unwrap()),
        "{shown}"
    );
    cart.until("e6", &webhook, "held").await;
    receiver.stays_at(20).await;

    let event = cart.publish_as("e7", "order.paid", json!({})).await;
    assert_eq!(event.deliveries, 0);
    assert!(event.data["reason"].is_string(), "{}", event.data);
    cart.until("e7", &webhook, "missed").await;
    receiver.stays_at(20).await;
}

/// Stopping a webhook holds what waits and misses what is published; starting it again sends nothing by itself.
#[tokio::test]
async fn nothing_is_sent_to_a_disabled_webhook_and_nothing_is_forgotten() {
    // The first wait takes 3 s: long enough to stop the webhook within it.
    let rung = scaled(20).await;
    let receiver = Receiver::always(500).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let webhook = odin.webhook(&receiver.url("/"), &["*"]).await;
    let waiting = odin.publish("user.lesson.completed", json!({"n": 1})).await;
    webhook.until_attempts(&waiting.id, 1).await;
    odin.until(&waiting.id, &webhook, "pending").await;
    assert_eq!(
        webhook.patch(json!({"status": "disabled"})).await["status"],
        "disabled"
    );
    let before = receiver.count();
    odin.until(&waiting.id, &webhook, "held").await;
    let missed = odin.publish("user.lesson.completed", json!({"n": 2})).await;
    odin.until(&missed.id, &webhook, "missed").await;
    let log = webhook.attempts(&waiting.id).await.remove(0);
    webhook.retry(&log).await.refused(409, "webhook_disabled");

    receiver.answer(|_| Answer::status(200));
    let active = webhook.patch(json!({"status": "active"})).await;
    assert_eq!(active["status"], "active");
    assert!(active["disabled"].is_null(), "{active}");
    let fresh = odin.publish("user.lesson.completed", json!({"n": 3})).await;
    odin.until(&fresh.id, &webhook, "succeeded").await;
    receiver.stays_at(before + 1).await;
    assert_eq!(
        odin.delivery(&waiting.id, &webhook).await.as_deref(),
        Some("held")
    );
    assert_eq!(
        odin.delivery(&missed.id, &webhook).await.as_deref(),
        Some("missed")
    );
}

/// The first wait of each dialect on the wall clock, and what `410` and `Retry-After` mean in it.
#[tokio::test]
async fn gone_and_retry_after_are_known_to_standard_alone() {
    let rung = rung(&[]).await;
    for (dialect, wait_s, jitter) in [
        ("badger", 5.0, 0.1),
        ("bharatcart", MINUTE, 0.0),
        ("reward", 30.0, 0.1),
        ("odin", MINUTE, 0.0),
    ] {
        let receiver = Receiver::start(|request| match request.path.as_str() {
            "/gone" => Answer::status(410),
            _ => Answer::status(429).header("Retry-After", "7200"),
        })
        .await;
        let tenant = Tenant::create(&rung, dialect, dialect).await;
        let event_type = a_type_of(dialect);
        for path in ["/gone", "/later"] {
            let webhook = tenant.webhook(&receiver.url(path), &[event_type]).await;
            let event = tenant.publish(event_type, json!({})).await;
            let log = webhook.until_attempts(&event.id, 1).await.remove(0);
            check_wait(&log, wait_s, jitter);
            tenant.until(&event.id, &webhook, "pending").await;
            assert_eq!(webhook.status().await, "active", "{dialect} {path}");
        }
    }
}

#[tokio::test]
async fn gone_disables_a_standard_webhook_at_once() {
    let rung = rung(&[]).await;
    let receiver = Receiver::always(410).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let event = tenant.publish("invoice.paid", json!({})).await;
    let shown = webhook.until("disabled").await;
    let attempts = webhook.until_attempts(&event.id, 1).await;
    assert!(
        shown["disabled"]
            .to_string()
            .contains(attempts[0]["id"].as_str().unwrap()),
        "{shown}"
    );
    assert!(attempts[0]["next_attempt_at"].is_null(), "{}", attempts[0]);
    tenant.until(&event.id, &webhook, "failed").await;
    receiver.stays_at(1).await;
}

/// `Retry-After` pauses the webhook, at most for a day. The next attempt comes later, never earlier.
#[tokio::test]
async fn retry_after_moves_a_standard_attempt_later() {
    let rung = rung(&[]).await;
    let in_100_s = jiff::Timestamp::now() + Duration::from_secs(100);
    let date = in_100_s.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let cases = [
        ("/sooner", 503, "1".to_owned(), 4.4..=5.6),
        ("/seconds", 429, "60".to_owned(), 59.0..=61.0),
        ("/date", 503, date, 85.0..=101.0),
        ("/capped", 429, "999999".to_owned(), 86_399.0..=86_401.0),
        ("/other-status", 500, "60".to_owned(), 4.4..=5.6),
        ("/nonsense", 503, "soon".to_owned(), 4.4..=5.6),
    ];
    let answers = cases
        .clone()
        .map(|(path, status, value, _)| (path, status, value));
    let receiver = Receiver::start(move |request| {
        let (_, status, value) = answers
            .iter()
            .find(|(path, ..)| *path == request.path)
            .unwrap();
        Answer::status(*status).header("Retry-After", value)
    })
    .await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    for (path, _, value, expected) in cases {
        let event_type = format!("case.{}", &path[1..]);
        let webhook = tenant.webhook(&receiver.url(path), &[&event_type]).await;
        let event = tenant.publish(&event_type, json!({})).await;
        let log = webhook.until_attempts(&event.id, 1).await.remove(0);
        // The pause is stored after the log entry, and before the delivery waits in the list.
        let delivery = log["delivery_id"].as_str().unwrap();
        webhook.until_pending(delivery).await;
        let log = webhook.log(&log).await;
        let planned = planned_wait_s(&log);
        assert!(
            expected.contains(&planned),
            "{path}, Retry-After: {value}: {planned} s"
        );
    }
}
