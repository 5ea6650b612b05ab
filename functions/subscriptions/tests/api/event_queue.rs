//! Publishing through the queue of events: what a message may say, and which messages come again.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::client::result::ConnectorError;
use rung_core::{limits::EVENT_RECEIVES, metrics::Metrics, queue::RefusedEvents};
use rung_enqueue::event_queue::EventQueue;
use rung_local_aws::connector::{Backend, InProcess, Response};
use serde_json::{Value, json};

use crate::world::{As, World};

/// More than any of the tests takes.
const TIME: Duration = Duration::from_secs(600);

/// An SQS that keeps what it is sent, with its attributes, unless it is down.
#[derive(Clone, Default)]
struct Letters {
    kept: Arc<Mutex<Vec<Value>>>,
    is_down: Arc<AtomicBool>,
}

impl Backend for Letters {
    async fn call(&self, target: &str, body: &[u8]) -> Result<Response, ConnectorError> {
        assert_eq!(target, "AmazonSQS.SendMessage");
        if self.is_down.load(Ordering::Relaxed) {
            return Err(ConnectorError::io("refused".into()));
        }
        let letter: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(letter["QueueUrl"], "https://sqs.test/1/events-dead");
        self.kept.lock().unwrap().push(letter);
        Ok(Response::ok(br#"{"MessageId":"letter"}"#.to_vec()))
    }
}

impl Letters {
    /// Takes what was kept: the body, and the attributes as Lambda hands them over.
    fn taken(&self) -> Vec<(String, Value)> {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap());
        let read = kept.into_iter().map(|letter| {
            let attributes = letter["MessageAttributes"].as_object().unwrap().iter();
            let attributes = attributes.map(|(name, attribute)| {
                assert_eq!(attribute["DataType"], "String");
                (name.clone(), attribute["StringValue"].clone())
            });
            let body = letter["MessageBody"].as_str().unwrap().to_owned();
            (body, attributes.collect())
        });
        read.collect()
    }
}

/// The lines of metrics.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The way in over a world's table and queues.
struct WayIn {
    queue: EventQueue,
    letters: Letters,
    counted: Written,
}

impl WayIn {
    fn of(world: &World) -> Self {
        let letters = Letters::default();
        let counted = Written::default();
        let (_, sqs) = rung_local_aws::clients(InProcess::new(letters.clone()));
        let sink = Box::new(counted.clone());
        let queue = EventQueue::new(
            world.app.api.clone(),
            world.app.publisher.clone(),
            Some(RefusedEvents::new(&sqs, "https://sqs.test/1/events-dead")),
            Metrics::to(sink, "rung-enqueue", 0, Arc::clone(&world.clock)),
        );
        Self {
            queue,
            letters,
            counted,
        }
    }

    /// Hands messages over; the ids of those that must come again.
    async fn take(&self, records: Vec<Value>) -> Vec<String> {
        let messages = json!({ "Records": records }).to_string();
        let messages = serde_json::from_str(&messages).unwrap();
        let failures = self.queue.publish(messages, TIME).await;
        let failures = serde_json::to_value(failures).unwrap();
        let failures = failures["batchItemFailures"].as_array().unwrap().iter();
        let ids = failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned());
        ids.collect()
    }

    /// How many messages were counted as refused.
    fn refused(&self) -> u64 {
        let text = String::from_utf8(self.counted.0.lock().unwrap().clone()).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter_map(|line| line["Refused"].as_u64())
            .sum::<u64>()
    }
}

/// A message as Lambda hands it over, the first time.
fn message(id: &str, body: impl ToString, attributes: Value) -> Value {
    let attributes = attributes.as_object().into_iter().flatten();
    let attributes: Value = attributes
        .map(|(name, value)| {
            (
                name.clone(),
                json!({"stringValue": value, "dataType": "String"}),
            )
        })
        .collect();
    json!({
        "messageId": id,
        "receiptHandle": "handle",
        "body": body.to_string(),
        "attributes": { "ApproximateReceiveCount": "1" },
        "messageAttributes": attributes,
        "eventSource": "aws:sqs",
    })
}

fn event(tenant: &str, event_type: &str, n: u32) -> Value {
    json!({"tenant": tenant, "type": event_type, "data": {"n": n}})
}

/// What a webhook was sent: types and data, in order.
async fn sent(world: &World, caller: &As, webhook: &str) -> Vec<(String, u64)> {
    world.pass(5_000).await;
    let path = format!("/v1/webhooks/{webhook}/logs");
    let logs = world.get(caller, &format!("{path}?limit=100")).await;
    let mut sent = Vec::new();
    for entry in logs.data(200)["logs"].as_array().unwrap() {
        let one = format!("{path}/{}", entry["id"].as_str().unwrap());
        let entry = world.get(caller, &one).await.data(200)["log"].clone();
        let body: Value = serde_json::from_str(entry["request"]["body"].as_str().unwrap()).unwrap();
        let n = body["data"]["n"].as_u64().unwrap();
        sent.push((entry["event_type"].as_str().unwrap().to_owned(), n));
    }
    sent.sort();
    sent
}

fn of_type(event_type: &str, numbers: &[u64]) -> Vec<(String, u64)> {
    let named = numbers.iter().map(|&n| (event_type.to_owned(), n));
    named.collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_an_event_or_a_batch_and_is_published_once_however_often_it_comes() {
    let world = World::new().await;
    let (acme, brim) = (
        world.tenant("acme", "brief", "pro").await,
        world.tenant("brim", "brief", "pro").await,
    );
    let (of_acme, of_brim) = (world.webhook(&acme).await, world.webhook(&brim).await);
    let way_in = WayIn::of(&world);
    let batch = json!({"events": [event("acme", "a.b", 2), event("brim", "a.b", 3)]});
    let unnamed = json!({"type": "a.b", "data": {"n": 4}});
    let records = vec![
        message("m-1", event("acme", "a.b", 1), json!({})),
        message("m-2", batch, json!({})),
        message("m-3", &unnamed, json!({"Rung-Tenant": "brim"})),
        message(
            "m-4",
            json!({"events": [unnamed]}),
            json!({"rung-tenant": "acme"}),
        ),
    ];
    for _ in 0..2 {
        assert_eq!(way_in.take(records.clone()).await, [] as [&str; 0]);
        assert_eq!(
            sent(&world, &acme, &of_acme).await,
            of_type("a.b", &[1, 2, 4])
        );
        assert_eq!(sent(&world, &brim, &of_brim).await, of_type("a.b", &[3, 4]));
    }
    // The same content in another message is another event, unless it has an id.
    let mut named = event("acme", "a.b", 5);
    named["id"] = "order-5".into();
    for id in ["m-5", "m-6"] {
        let records = vec![
            message(id, &named, json!({})),
            message(&format!("{id}-x"), event("acme", "a.b", 6), json!({})),
        ];
        assert_eq!(way_in.take(records).await, [] as [&str; 0]);
    }
    let numbers = [1, 2, 4, 5, 6, 6];
    assert_eq!(
        sent(&world, &acme, &of_acme).await,
        of_type("a.b", &numbers)
    );
    assert!(way_in.letters.taken().is_empty());
    assert_eq!(way_in.refused(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_a_dead_letter_with_its_reason_and_does_not_come_again() {
    let world = World::new().await;
    world.tenant("acme", "odin", "pro").await;
    let way_in = WayIn::of(&world);
    let known = "user.lesson.completed";
    let good = event("acme", known, 1);
    let own = json!({});
    let mut reused = good.clone();
    reused["id"] = "evt_1".into();
    assert_eq!(
        way_in.take(vec![message("m", &reused, own.clone())]).await,
        [] as [&str; 0]
    );
    reused["data"]["n"] = 2.into();
    let mut twice = good.clone();
    twice["hops"] = 1.into();
    let refused = [
        ("no JSON".to_owned(), own.clone(), "invalid_json"),
        ("[]".to_owned(), own.clone(), "invalid_request"),
        (r#"{"events": [{"#.to_owned(), own.clone(), "invalid_json"),
        (
            json!({"events": []}).to_string(),
            own.clone(),
            "invalid_request",
        ),
        (
            json!({"type": known, "data": {}}).to_string(),
            own.clone(),
            "tenant_required",
        ),
        (
            event("nobody", known, 1).to_string(),
            own.clone(),
            "not_found",
        ),
        (
            event("acme", "no.such", 1).to_string(),
            own.clone(),
            "unknown_event_type",
        ),
        (twice.to_string(), own.clone(), "unknown_field"),
        (reused.to_string(), own.clone(), "event_id_reused"),
        (
            json!({"tenant": "acme", "type": known, "data": {"text": "x".repeat(300_000)}})
                .to_string(),
            own.clone(),
            "payload_too_large",
        ),
        (
            good.to_string(),
            json!({"Rung-Tenant": "brim"}),
            "tenant_mismatch",
        ),
        (
            good.to_string(),
            json!({"Rung-Tenant": "no tenant\n"}),
            "not_found",
        ),
        (
            good.to_string(),
            json!({"Rung-Tenant": "acme", "rung-tenant": "acme"}),
            "invalid_request",
        ),
        (good.to_string(), json!({"Rung-Hops": "3"}), "loop_detected"),
        (good.to_string(), json!({"rung-hops": "3"}), "loop_detected"),
        (
            good.to_string(),
            json!({"Rung-Hops": "1", "rung-hops": "1"}),
            "invalid_request",
        ),
        (
            json!({"tenant": "acme", "type": known, "data": {}, "no\u{1}field": 1}).to_string(),
            own.clone(),
            "unknown_field",
        ),
    ];
    for (n, (body, attributes, code)) in refused.iter().enumerate() {
        let id = format!("m-{n}");
        let handed = message(&id, body, attributes.clone());
        assert_eq!(way_in.take(vec![handed]).await, [] as [&str; 0], "{code}");
        let [(kept, told)] = &way_in.letters.taken()[..] else {
            panic!("{code}: no letter, or several");
        };
        assert_eq!(kept, body);
        assert_eq!(told["Rung-Error"], **code, "{told}");
        assert_eq!(told["Rung-Message-Id"], *id);
        let reason = told["Rung-Error-Message"].as_str().unwrap();
        assert!(!reason.is_empty() && !reason.contains(char::is_control));
        // In whatever case it was given.
        let mut own = ["Rung-Hops", "rung-hops"].into_iter();
        let own = own.find_map(|name| attributes.get(name));
        assert_eq!(told.get("Rung-Hops"), own);
        assert_eq!(way_in.refused(), n as u64 + 1);
    }
}

/// A letter goes round again as the message that it was.
#[tokio::test(start_paused = true)]
async fn of_a_batch_what_was_taken_is_not_published_again_when_its_letter_comes_round() {
    let world = World::new().await;
    let acme = world.tenant("acme", "brief", "pro").await;
    let webhook = world.webhook(&acme).await;
    let way_in = WayIn::of(&world);
    let events = [
        event("acme", "a.b", 1),
        event("later", "a.b", 2),
        event("acme", "a.b", 3),
    ];
    let handed = message("m", json!({ "events": events }), json!({}));
    assert_eq!(way_in.take(vec![handed]).await, [] as [&str; 0]);
    assert_eq!(sent(&world, &acme, &webhook).await, of_type("a.b", &[1, 3]));
    let [(body, told)] = &way_in.letters.taken()[..] else {
        panic!("no letter, or several");
    };
    assert_eq!(told["Rung-Error"], "not_found");
    assert_eq!(
        told["Rung-Error-Message"],
        "events[1].tenant: tenant \"later\" not found"
    );

    let later = world.tenant("later", "brief", "pro").await;
    let of_later = world.webhook(&later).await;
    let again = message("another", body, told.clone());
    assert_eq!(way_in.take(vec![again]).await, [] as [&str; 0]);
    assert_eq!(sent(&world, &acme, &webhook).await, of_type("a.b", &[1, 3]));
    assert_eq!(sent(&world, &later, &of_later).await, of_type("a.b", &[2]));
    assert!(way_in.letters.taken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_what_cannot_be_taken_now_comes_again_and_not_for_ever() {
    let world = World::new().await;
    let acme = world.tenant("acme", "brief", "pro").await;
    let webhook = world.webhook(&acme).await;
    let brim = world.tenant("brim", "brief", "pro").await;
    let of_brim = world.webhook(&brim).await;
    world.tenant("full", "metered", "pro").await;
    let way_in = WayIn::of(&world);
    let over = vec![event("full", "user.lesson.completed", 1); 21];
    let handed = |receives: u32| {
        let mut records = vec![
            message("good", event("acme", "a.b", 1), json!({})),
            message("unread", event("brim", "a.b", 2), json!({})),
            message("bad", event("nobody", "a.b", 3), json!({})),
            message("over", json!({ "events": over }), json!({})),
            message(
                "half",
                json!({"events": [event("nobody", "a.b", 4), event("brim", "a.b", 5), event("acme", "a.b", 6)]}),
                json!({}),
            ),
        ];
        for record in &mut records {
            record["attributes"]["ApproximateReceiveCount"] = receives.to_string().into();
        }
        records
    };
    // From now on this process has acme's webhooks at hand, and cannot read those of brim.
    let first = message("first", event("acme", "a.b", 0), json!({}));
    assert_eq!(way_in.take(vec![first]).await, [] as [&str; 0]);
    assert_eq!(sent(&world, &acme, &webhook).await, of_type("a.b", &[0]));
    world.throttled.set(&["W#brim#"]);
    assert_eq!(
        way_in.take(handed(EVENT_RECEIVES - 1)).await,
        ["unread", "over", "half"]
    );
    assert_eq!(way_in.letters.taken().len(), 1);
    // What was taken is delivered when the webhook can be read again. Here a refused read takes all along that are made at once with it.
    world.throttled.set(&[]);
    world.pass(400_000).await;
    let taken = of_type("a.b", &[0, 1, 6]);
    assert_eq!(sent(&world, &acme, &webhook).await, taken);
    world.throttled.set(&["W#brim#"]);
    assert_eq!(way_in.take(handed(EVENT_RECEIVES)).await, [] as [&str; 0]);
    let letters = way_in.letters.taken().into_iter();
    let mut codes: Vec<_> = letters
        .map(|(_, told)| told["Rung-Error"].as_str().unwrap().to_owned())
        .collect();
    codes.sort();
    assert_eq!(
        codes,
        ["not_found", "quota_exceeded", "unavailable", "unavailable"]
    );
    assert_eq!(way_in.refused(), 5);

    world.throttled.set(&[]);
    let records = handed(1).into_iter().filter(|it| it["messageId"] != "over");
    assert_eq!(way_in.take(records.collect()).await, [] as [&str; 0]);
    assert_eq!(sent(&world, &acme, &webhook).await, taken);
    assert_eq!(sent(&world, &brim, &of_brim).await, of_type("a.b", &[2, 5]));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_and_cannot_be_kept_comes_again() {
    let world = World::new().await;
    world.tenant("acme", "brief", "pro").await;
    let way_in = WayIn::of(&world);
    way_in.letters.is_down.store(true, Ordering::Relaxed);
    let handed = [
        message("bad", "no JSON", json!({})),
        message("good", event("acme", "a.b", 1), json!({})),
    ];
    assert_eq!(way_in.take(handed.to_vec()).await, ["bad"]);
    assert_eq!(way_in.refused(), 0);
    way_in.letters.is_down.store(false, Ordering::Relaxed);
    assert_eq!(way_in.take(handed.to_vec()).await, [] as [&str; 0]);
    assert_eq!(way_in.letters.taken().len(), 1);
    // Without a queue of dead letters the queue itself makes an end of it.
    let (api, publisher) = (world.app.api.clone(), world.app.publisher.clone());
    let nowhere = WayIn {
        queue: EventQueue::new(api, publisher, None, Metrics::default()),
        ..way_in
    };
    assert_eq!(nowhere.take(handed.to_vec()).await, ["bad"]);
}

/// A message has no headers: its attributes stand for them.
#[tokio::test(start_paused = true)]
async fn the_count_of_deliveries_and_the_trace_come_with_a_message() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let world = World::new().await;
    let acme = world.tenant("acme", "brief", "pro").await;
    let path = format!("/v1/webhooks/{}/logs", world.webhook(&acme).await);
    let way_in = WayIn::of(&world);
    let attributes = json!({"Rung-Hops": "2", "traceparent": TRACE});
    let handed = message("m", event("acme", "a.b", 1), attributes);
    assert_eq!(way_in.take(vec![handed]).await, [] as [&str; 0]);
    world.pass(1_000).await;
    let logs = world.get(&acme, &path).await;
    let entry = logs.data(200)["logs"][0]["id"].as_str().unwrap().to_owned();
    let entry = world.get(&acme, &format!("{path}/{entry}")).await;
    let headers = &entry.data(200)["log"]["request"]["headers"];
    assert_eq!(headers["rung-hops"], "3");
    let trace = headers["traceparent"].as_str().unwrap();
    assert_eq!(trace.split('-').nth(1), TRACE.split('-').nth(1));
}
