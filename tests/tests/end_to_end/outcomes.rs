//! What counts as delivered: statuses, time-outs, slow and broken answers.

use std::time::Duration;

use rung_tests::{Answer, Receiver, Tenant};
use serde_json::{Value, json};

use crate::{DIALECTS, a_type_of, rung};

/// The first attempt's log entry of one event to a receiver that answers like this.
async fn attempt(
    rung: &rung_tests::Rung,
    dialect: &str,
    case: &str,
    answer: Answer,
) -> (Value, Value) {
    let receiver = Receiver::start(move |_| answer.clone()).await;
    let tenant = Tenant::create(rung, &format!("{dialect}-{case}"), dialect).await;
    let webhook = tenant
        .webhook(&receiver.url("/"), &[a_type_of(dialect)])
        .await;
    let event = tenant.publish(a_type_of(dialect), json!({})).await;
    let log = webhook.until_attempts(&event.id, 1).await.remove(0);
    let whole = webhook.log(&log).await;
    (log, whole)
}

/// 2xx is a success; in Patra, whose document says `200 OK`, 200 alone.
#[tokio::test]
async fn statuses() {
    let rung = rung(&[]).await;
    for dialect in DIALECTS {
        for status in [200, 201, 202, 204, 299, 302, 304, 400, 404, 500] {
            let (log, _) =
                attempt(&rung, dialect, &status.to_string(), Answer::status(status)).await;
            let success = if dialect == "patra" {
                status == 200
            } else {
                status < 300
            };
            assert_eq!(
                log["status"],
                if success { "succeeded" } else { "failed" },
                "{dialect} {status}"
            );
            assert_eq!(log["response_status"], status, "{dialect}");
            assert!(!success || log["next_attempt_at"].is_null(), "{log}");
        }
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let rung = rung(&[]).await;
    let elsewhere = Receiver::always(200).await;
    for status in [301, 302, 303, 307, 308] {
        let answer = Answer::status(status).header("Location", &elsewhere.url("/"));
        let (log, _) = attempt(&rung, "standard", &status.to_string(), answer).await;
        assert_eq!(
            (&log["status"], &log["response_status"]),
            (&json!("failed"), &json!(status))
        );
    }
    elsewhere.stays_at(0).await;
}

/// Each dialect's time-out, from the real clock whatever the ladder's scale; all at once, since each takes its time.
#[tokio::test]
async fn time_outs() {
    let rung = &rung(&["--time-scale", "100"]).await;
    let limits_s = [
        ("badger", 10),
        ("patra", 5),
        ("bharatcart", 10),
        ("reward", 10),
        ("odin", 5),
        ("standard", 15),
    ];
    let check = |(dialect, limit_s): (&'static str, u64)| async move {
        let (log, _) = attempt(rung, dialect, "hang", Answer::hang()).await;
        assert_eq!(log["status"], "failed", "{dialect}");
        assert!(log["response_status"].is_null(), "{dialect}: {log}");
        assert!(
            log["error"].as_str().is_some_and(|error| !error.is_empty()),
            "{dialect}: {log}"
        );
        let took_ms = log["response_time_ms"].as_u64().unwrap();
        assert!(
            (limit_s * 1000 - 50..=limit_s * 1000 + 2500).contains(&took_ms),
            "{dialect}: {took_ms} ms"
        );
    };
    futures_util::future::join_all(limits_s.map(check)).await;
}

/// Receivers answer in real time: under a fast ladder's clock, too, an attempt under way is not made a second time. While this one
/// answers, the ladder's clock goes on by three hours.
#[tokio::test]
async fn a_time_scale_hurries_no_receiver() {
    let rung = rung(&["--time-scale", "3600"]).await;
    let receiver = Receiver::start(|_| Answer::status(200).after(Duration::from_secs(3))).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let webhook = tenant.webhook(&receiver.url("/"), &["*"]).await;
    let event = tenant.publish("a", json!({})).await;
    tenant.until(&event.id, &webhook, "succeeded").await;
    receiver.stays_at(1).await;
}

/// An answer just within the time-out is a success.
#[tokio::test]
async fn slow_but_in_time() {
    let rung = rung(&[]).await;
    let answer = Answer::status(200).after(Duration::from_millis(3500));
    let (log, _) = attempt(&rung, "odin", "slow", answer).await;
    assert_eq!(log["status"], "succeeded");
    assert!(log["response_time_ms"].as_u64().unwrap() >= 3500, "{log}");
}

/// The headers decide: a body that never comes changes nothing.
#[tokio::test]
async fn a_body_that_never_comes() {
    let rung = rung(&[]).await;
    let (log, _) = attempt(&rung, "patra", "ok", Answer::status(200).without_its_body()).await;
    assert_eq!(
        (&log["status"], &log["response_status"]),
        (&json!("succeeded"), &json!(200))
    );
    let (log, _) = attempt(
        &rung,
        "patra",
        "bad",
        Answer::status(500).without_its_body(),
    )
    .await;
    assert_eq!(
        (&log["status"], &log["response_status"]),
        (&json!("failed"), &json!(500))
    );
}

/// A huge body is neither an error nor kept: the log has its first 4 KiB.
#[tokio::test]
async fn a_long_body_is_cut() {
    let rung = rung(&[]).await;
    let answer = Answer::status(200)
        .header("X-Served-By", "it")
        .body("0123456789".repeat(500_000));
    let (log, whole) = attempt(&rung, "standard", "long", answer).await;
    assert_eq!(log["status"], "succeeded");
    let kept = whole["response"]["body"].as_str().unwrap();
    assert!(
        "0123456789".repeat(410).starts_with(kept) && (4000..=4096).contains(&kept.len()),
        "{}",
        kept.len()
    );
    assert!(
        whole["response"]["headers"]
            .to_string()
            .to_lowercase()
            .contains("x-served-by"),
        "{whole}"
    );
}

#[tokio::test]
async fn broken_connections_are_failures_with_an_error() {
    let rung = rung(&[]).await;
    let (reset, _) = attempt(&rung, "standard", "reset", Answer::reset()).await;
    let tenant = Tenant::create(&rung, "refused", "standard").await;
    let nobody = Receiver::always(200).await.url("/");
    let webhook = tenant.webhook(&nobody, &["*"]).await;
    let event = tenant.publish("a", json!({})).await;
    let refused = webhook.until_attempts(&event.id, 1).await.remove(0);
    for log in [reset, refused] {
        assert_eq!(log["status"], "failed");
        assert!(log["response_status"].is_null(), "{log}");
        assert!(
            log["error"].as_str().is_some_and(|error| !error.is_empty()),
            "{log}"
        );
        assert!(log["next_attempt_at"].is_string(), "{log}");
    }
}
