//! The newest page of a webhook's log, short and very long. The entries are written past the API, as delivering writes them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rung_base::clock::{Clock, SystemClock};
use rung_core::{
    config::DEFAULT_RETENTION,
    domain::{
        attempt::{Attempt, AttemptKey, Exchange, Outcome, Trigger},
        hops::Hops,
        id::{DeliveryKey, EventId, TenantId, WebhookId},
    },
    encryption::KeyRing,
    store::Store,
};
use rung_local::app;
use rung_local_aws::Aws;
use rung_tests::{Rung, Tenant};
use tokio::task::JoinSet;

use crate::percentile;

/// Entries written at once.
const AT_ONCE: usize = 1_000;
/// Pages read to measure one.
const PAGES: usize = 500;
const SHORT: usize = 100;

/// Measures a log of 100 entries, and one of `entries`.
pub(crate) async fn run(exe: &Path, entries: usize) {
    let mut rung = Rung::start(exe, &[]).await;
    let tenant = Tenant::create(&rung, "log", "standard").await;
    let webhook = tenant.webhook("http://127.0.0.1:9/", &["never"]).await;
    let mut told = Vec::new();
    let mut there = 0;
    for upto in [SHORT, entries] {
        rung.terminate().await;
        fill(rung.data(), &webhook.id, there..upto).await;
        there = upto;
        rung.restart().await;
        let path = webhook.path("/logs");
        let mut took = Vec::with_capacity(PAGES);
        for _ in 0..PAGES {
            let asked = Instant::now();
            let page = tenant.api.get(&path).await;
            took.push(asked.elapsed());
            assert_eq!(page.data(200)["logs"].as_array().map(Vec::len), Some(50));
        }
        told.push(format!(
            "with {upto} entries p50 {:?}, p99 {:?}",
            percentile(&mut took, 50),
            percentile(&mut took, 99)
        ));
    }
    println!("log: the newest page of 50 {}", told.join("; "));
}

/// Writes entries into the database of a Rung that does not run.
async fn fill(data: &Path, webhook: &str, entries: std::ops::Range<usize>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let aws = Aws::open(data, &app::queues(1), Arc::clone(&clock)).expect("the data opens");
    let (dynamodb, _) = rung_local_aws::clients(rung_local_aws::connector::InProcess::new(aws));
    let store = Store::new(
        dynamodb,
        "rung",
        KeyRing::empty(),
        Arc::clone(&clock),
        DEFAULT_RETENTION,
    );
    let (start_ms, webhook) = (
        clock.now_ms() - Duration::from_secs(86_400).as_millis() as u64,
        WebhookId::parse(webhook).expect("it is an id"),
    );
    let numbers: Vec<_> = entries.collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let mut writes = JoinSet::new();
        for &number in numbers {
            let (store, attempt) = (store.clone(), entry(number, start_ms, &webhook));
            writes.spawn(async move { store.log_success(&attempt).await });
        }
        for written in writes.join_all().await {
            written.expect("the table can be written");
        }
    }
}

fn entry(number: usize, start_ms: u64, webhook: &WebhookId) -> Attempt {
    let due_ms = start_ms + 50 * number as u64;
    Attempt {
        key: AttemptKey {
            delivery: DeliveryKey {
                tenant: TenantId::parse("log").expect("it is an id"),
                webhook: webhook.clone(),
                event: EventId::parse(&format!("evt_{number}")).expect("it is an id"),
                accepted_ms: due_ms,
            },
            due_ms,
            n: 1,
        },
        event_type: "invoice.paid".to_owned(),
        attempt: 1,
        dialect: "standard".to_owned(),
        trigger: Trigger::Event,
        outcome: Outcome::Succeeded,
        started_ms: due_ms,
        ended_ms: due_ms + 20,
        response_time_ms: 20,
        response_status: Some(200),
        error: None,
        error_code: None,
        asked_until_ms: None,
        next_due_ms: None,
        hops: Hops::NONE,
        erased_ms: None,
        exchange: Exchange {
            url: "https://example.com/hook".to_owned(),
            request_headers: vec![(
                "content-type".to_owned(),
                Some("application/json".to_owned()),
            )],
            response_headers: vec![("server".to_owned(), "example".to_owned())],
            response_body: "OK".to_owned(),
        },
    }
}
