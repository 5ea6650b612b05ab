//! The four Lambda binaries behind a runtime API, each fed the sample events of `events/`: what a deployment runs, without one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use rung_api::limits::WRONG_KEYS;
use rung_tests::{
    Receiver,
    lambda::{Function, Services, sample, sample_body, sample_with},
};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

/// An answer of an HTTP function: its status and body.
fn http(answer: &Value) -> (u64, Value) {
    let body = answer["body"].as_str().unwrap();
    (
        answer["statusCode"].as_u64().unwrap(),
        serde_json::from_str(body).unwrap(),
    )
}

/// The samples' tenant and webhook, the latter at this receiver.
async fn set_up(subscriptions: &Function, receiver: &Receiver) {
    let (status, _) = http(
        &subscriptions
            .invoke(&sample("subscriptions-http-create-tenant"))
            .await,
    );
    assert_eq!(status, 201);
    let name = "subscriptions-http-create-webhook";
    let mut body = sample_body(name);
    body["url"] = receiver.url("/hook").into();
    let create = sample_with(name, &body);
    let (status, created) = http(&subscriptions.invoke(&create).await);
    assert_eq!(status, 201, "{created}");
}

#[tokio::test]
async fn an_event_goes_from_its_publication_to_its_receiver() {
    let aws = Services::start().await;
    let receiver = Receiver::always(200).await;
    let subscriptions = Function::start(env!("CARGO_BIN_EXE_lambda-subscriptions"), &aws).await;
    let enqueue = Function::start(env!("CARGO_BIN_EXE_lambda-enqueue"), &aws).await;
    let deliver = Function::start(env!("CARGO_BIN_EXE_lambda-deliver"), &aws).await;

    let (status, health) = http(
        &subscriptions
            .invoke(&sample("subscriptions-http-health"))
            .await,
    );
    assert_eq!((status, &health["success"]), (200, &json!(true)));
    set_up(&subscriptions, &receiver).await;

    let (status, published) = http(&enqueue.invoke(&sample("enqueue-http-publish")).await);
    assert_eq!((status, &published["data"]["deliveries"]), (202, &json!(1)));
    let (status, batch) = http(&enqueue.invoke(&sample("enqueue-http-batch")).await);
    let successes: Vec<_> = batch["data"]["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["success"])
        .collect();
    assert_eq!(
        (status, successes),
        (207, vec![&json!(true), &json!(true), &json!(false)])
    );

    let batch = aws.receive("deliver").await;
    assert_eq!(batch["Records"].as_array().unwrap().len(), 3);
    assert_eq!(
        deliver.invoke(&batch).await,
        json!({ "batchItemFailures": [] })
    );
    let received = receiver.wait_for(3).await;
    assert!(
        received
            .iter()
            .all(|request| request.header("x-odin-signature").is_some())
    );
    let mut again = batch;
    for record in again["Records"].as_array_mut().unwrap() {
        record["attributes"]["ApproximateReceiveCount"] = "2".into();
    }
    assert_eq!(
        deliver.invoke(&again).await,
        json!({ "batchItemFailures": [] })
    );
    assert_eq!(
        receiver.count(),
        3,
        "what is handed out again is found in the log"
    );
}

/// A call of the management API with the admin key: the data that it answers.
async fn manage(subscriptions: &Function, method: &str, path: &str, body: Option<&Value>) -> Value {
    let name = "subscriptions-http-create-webhook";
    let mut request = sample_with(name, body.unwrap_or(&Value::Null));
    if body.is_none() {
        request["body"] = Value::Null;
    }
    request["rawPath"] = path.into();
    request["requestContext"]["http"]["method"] = method.into();
    request["requestContext"]["http"]["path"] = path.into();
    let (status, mut answered) = http(&subscriptions.invoke(&request).await);
    assert!(status < 300, "{method} {path}: {status} {answered}");
    answered["data"].take()
}

/// A recovery's page, with the rights of its function: an event is given to a webhook that was not there, and shows it.
#[tokio::test]
async fn an_event_is_recovered_for_a_new_webhook() {
    let aws = Services::start().await;
    let receiver = Receiver::always(200).await;
    let subscriptions = Function::start(env!("CARGO_BIN_EXE_lambda-subscriptions"), &aws).await;
    let enqueue = Function::start(env!("CARGO_BIN_EXE_lambda-enqueue"), &aws).await;
    let deliver = Function::start(env!("CARGO_BIN_EXE_lambda-deliver"), &aws).await;
    set_up(&subscriptions, &receiver).await;
    let publish = sample("enqueue-http-publish");
    let (_, published) = http(&enqueue.invoke(&publish).await);
    let event = &published["data"]["event"];
    deliver.invoke(&aws.receive("deliver").await).await;

    let webhook = json!({"url": receiver.url("/late"), "events": ["*"]});
    let made = manage(&subscriptions, "POST", "/v1/webhooks", Some(&webhook)).await;
    let webhook = made["webhook"]["id"].as_str().unwrap();
    let anything = json!({"since": event["created_at"], "statuses": ["any"]});
    let recover = format!("/v1/webhooks/{webhook}/recover");
    manage(&subscriptions, "POST", &recover, Some(&anything)).await;
    let path = format!("/v1/events/{}", event["id"].as_str().unwrap());
    let through = async {
        loop {
            let batch = aws.receive("retry").await;
            let taken = deliver.invoke(&batch).await;
            assert_eq!(taken, json!({ "batchItemFailures": [] }));
            let shown = manage(&subscriptions, "GET", &path, None).await;
            let deliveries = shown["deliveries"].as_array().unwrap();
            let stands = |delivery: &Value| {
                delivery["webhook_id"] == webhook && delivery["status"] == "succeeded"
            };
            if deliveries.iter().any(stands) {
                break deliveries.len();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let shown = tokio::time::timeout(Duration::from_secs(60), through).await;
    assert_eq!(shown.expect("the event shows the new delivery"), 2);
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn deliver_buries_what_makes_no_sense_and_nothing_else() {
    let aws = Services::start().await;
    let deliver = Function::start(env!("CARGO_BIN_EXE_lambda-deliver"), &aws).await;
    for (name, buried) in [
        ("deliver-sqs-first-attempt", 0),
        ("deliver-sqs-later-attempt", 0),
        ("deliver-sqs-fan-out", 0),
        ("deliver-sqs-recovery", 0),
        ("deliver-sqs-key-ends", 0),
        ("deliver-sqs-poison", 1),
        ("deliver-sqs-one-bad-among-good", 1),
    ] {
        assert_eq!(
            deliver.invoke(&sample(name)).await,
            json!({ "batchItemFailures": [] }),
            "{name}"
        );
        assert_eq!(
            aws.receive("deliver-dead").await["Records"]
                .as_array()
                .unwrap()
                .len(),
            buried,
            "{name}"
        );
    }
}

#[tokio::test]
async fn enqueue_takes_events_of_a_bus_once() {
    let aws = Services::start().await;
    let receiver = Receiver::always(200).await;
    let subscriptions = Function::start(env!("CARGO_BIN_EXE_lambda-subscriptions"), &aws).await;
    let enqueue = Function::start(env!("CARGO_BIN_EXE_lambda-enqueue"), &aws).await;
    let event = sample("enqueue-eventbridge-publish");

    // As long as nobody knows the tenant, the event is handed over again.
    let refused = enqueue.try_invoke(&event).await.unwrap_err();
    assert_eq!(
        (&refused["errorType"], &refused["errorMessage"]),
        (&json!("not_found"), &json!("tenant \"acme\" not found"))
    );
    set_up(&subscriptions, &receiver).await;
    assert_eq!(enqueue.invoke(&event).await, Value::Null);
    assert_eq!(enqueue.invoke(&event).await, Value::Null);
    let first = aws.receive("deliver").await;
    assert_eq!(first["Records"].as_array().unwrap().len(), 1);

    let mut other = event.clone();
    other["detail"]["data"]["score"] = 96.into();
    let refused = enqueue.try_invoke(&other).await.unwrap_err();
    assert_eq!(
        refused["errorType"], "event_id_reused",
        "EventBridge's id stands for the event"
    );
    other["detail"]["id"] = "evt_96".into();
    assert_eq!(enqueue.invoke(&other).await, Value::Null);
    let second = aws.receive("deliver").await;
    let body = second["Records"][0]["body"].as_str().unwrap();
    assert!(body.contains("evt_96"), "{body}");

    other["detail"] = json!({"tenant": "acme", "type": "user.lesson.completed", "dta": {}});
    let refused = enqueue.try_invoke(&other).await.unwrap_err();
    assert_eq!(
        (&refused["errorType"], &refused["errorMessage"]),
        (
            &json!("invalid_request"),
            &json!("detail.data: is required")
        )
    );
    let stranger = enqueue.try_invoke(&json!({"detail": {}})).await;
    let message = stranger.unwrap_err()["errorMessage"].to_string();
    assert!(message.contains("nor an event of EventBridge"), "{message}");
    let (status, _) = http(&enqueue.invoke(&sample("enqueue-http-publish")).await);
    assert_eq!(status, 202, "requests are served as before");
}

#[tokio::test]
async fn enqueue_takes_messages_of_a_queue_once_and_buries_what_it_refuses() {
    let aws = Services::start().await;
    let receiver = Receiver::always(200).await;
    let subscriptions = Function::start(env!("CARGO_BIN_EXE_lambda-subscriptions"), &aws).await;
    let enqueue = Function::start(env!("CARGO_BIN_EXE_lambda-enqueue"), &aws).await;
    let none = json!({ "batchItemFailures": [] });
    set_up(&subscriptions, &receiver).await;

    let messages = sample("enqueue-sqs-publish");
    for _ in 0..2 {
        assert_eq!(enqueue.invoke(&messages).await, none);
    }
    let attempts = aws.receive("deliver").await;
    assert_eq!(attempts["Records"].as_array().unwrap().len(), 3);
    assert_eq!(aws.letters("events-dead"), [] as [Value; 0]);

    let mut mixed = sample("enqueue-sqs-one-bad-among-good");
    assert_eq!(enqueue.invoke(&mixed).await, none);
    let attempts = aws.receive("deliver").await;
    assert_eq!(attempts["Records"].as_array().unwrap().len(), 2);
    let [letter] = &aws.letters("events-dead")[..] else {
        panic!("no letter, or several");
    };
    let bad = mixed["Records"][1].take();
    assert_eq!(letter["MessageBody"], bad["body"]);
    let told = |name: &str| &letter["MessageAttributes"][name]["StringValue"];
    assert_eq!(told("Rung-Error"), "invalid_request");
    assert_eq!(told("Rung-Message-Id"), &bad["messageId"]);

    // Messages that are none are Lambda's own fault, or somebody's who invokes it by hand.
    let stranger = enqueue.try_invoke(&json!({"Records": [{}]})).await;
    let message = stranger.unwrap_err()["errorMessage"].to_string();
    assert!(message.contains("nor messages of SQS"), "{message}");
    let (status, _) = http(&enqueue.invoke(&sample("enqueue-http-publish")).await);
    assert_eq!(status, 202, "requests are served as before");
}

#[tokio::test]
async fn sweep_takes_its_schedule() {
    let aws = Services::start().await;
    let sweep = Function::start(env!("CARGO_BIN_EXE_lambda-sweep"), &aws).await;
    assert_eq!(
        sweep.invoke(&sample("sweep-scheduler-tick")).await,
        Value::Null
    );
}

#[tokio::test]
async fn a_request_that_no_uri_can_hold_is_answered_as_any_other() {
    let aws = Services::start().await;
    for (binary, name, expected) in [
        (
            env!("CARGO_BIN_EXE_lambda-subscriptions"),
            "subscriptions-http-health",
            200,
        ),
        (
            env!("CARGO_BIN_EXE_lambda-enqueue"),
            "enqueue-http-publish",
            401,
        ),
    ] {
        let function = Function::start(binary, &aws).await;
        let mut request = sample(name);
        request["headers"]["authorization"] = "Bearer rk_unknown".into();
        for query in ["a=<b>", "a=\"b\" c", "a=ü#`|\\^{}", "%", "a=\u{7f}\t\n"] {
            request["rawQueryString"] = query.into();
            let (status, answer) = http(&function.invoke(&request).await);
            assert_eq!(status, expected, "{query:?}: {answer}");
        }
        for (header, value) in [
            ("host", "a b"),
            ("host", "a:port"),
            ("host", "a:65536"),
            ("host", "[::"),
            ("host", "%zz"),
            ("host", "a<b"),
            ("host", "/"),
            ("host", ""),
            ("host", "user@"),
            ("x-forwarded-proto", ""),
            ("x-forwarded-proto", "http, https"),
            ("x-forwarded-proto", "1:/"),
            ("x-forwarded-proto", "data"),
            ("x-forwarded-proto", "file"),
        ] {
            let mut odd = sample(name);
            odd["headers"]["authorization"] = "Bearer rk_unknown".into();
            odd["headers"][header] = value.into();
            let (status, answer) = http(&function.invoke(&odd).await);
            assert_eq!(status, expected, "{header}: {value:?}: {answer}");
        }
    }
}

/// The services over TLS, as AWS has them. Each function's environment names proxies, and each connects to the services itself.
#[tokio::test]
async fn no_function_asks_a_proxy_for_the_services() {
    const HANDSHAKE: u8 = 22;
    for (binary, name) in [
        (
            env!("CARGO_BIN_EXE_lambda-subscriptions"),
            "subscriptions-http-create-tenant",
        ),
        (env!("CARGO_BIN_EXE_lambda-enqueue"), "enqueue-http-publish"),
        (
            env!("CARGO_BIN_EXE_lambda-deliver"),
            "deliver-sqs-later-attempt",
        ),
        (env!("CARGO_BIN_EXE_lambda-sweep"), "sweep-scheduler-tick"),
    ] {
        let services = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://{}", services.local_addr().unwrap());
        let function = Function::start_at(binary, &endpoint).await;
        let event = sample(name);
        let connected = async {
            let (mut stream, _) = services.accept().await.unwrap();
            stream.read_u8().await.unwrap()
        };
        tokio::select! {
            first = connected => assert_eq!(first, HANDSHAKE, "{name}"),
            answer = function.try_invoke(&event) => panic!("{name}: {answer:?} without the services"),
        }
    }
}

/// A compressed body, which API Gateway hands on as it came.
#[tokio::test]
async fn a_body_in_another_encoding_is_refused() {
    let aws = Services::start().await;
    let enqueue = Function::start(env!("CARGO_BIN_EXE_lambda-enqueue"), &aws).await;
    let mut event = sample("enqueue-http-publish");
    event["headers"]["content-encoding"] = "gzip".into();
    let answer = enqueue.invoke(&event).await;
    let (status, body) = http(&answer);
    assert_eq!(
        (status, &body["error"]["code"]),
        (415, &json!("unsupported_encoding"))
    );
    assert_eq!(answer["headers"]["accept-encoding"], "identity");
    assert_eq!(answer["headers"]["cache-control"], "no-store");
}

/// API Gateway says who asks.
#[tokio::test]
async fn an_address_that_sends_wrong_keys_is_refused() {
    let aws = Services::start().await;
    let subscriptions = Function::start(env!("CARGO_BIN_EXE_lambda-subscriptions"), &aws).await;
    let asked = async |address: &str, key: &str| {
        let mut event = sample("subscriptions-http-create-tenant");
        event["headers"]["authorization"] = format!("Bearer {key}").into();
        event["requestContext"]["http"]["sourceIp"] = address.into();
        http(&subscriptions.invoke(&event).await).0
    };
    for n in 0..WRONG_KEYS {
        assert_eq!(asked("192.0.2.1", &format!("wrong-{n}")).await, 401);
    }
    assert_eq!(asked("192.0.2.1", "wrong").await, 429);
    assert_eq!(asked("192.0.2.2", "wrong").await, 401);
    assert_eq!(asked("192.0.2.1", "sample-admin-key").await, 201);
}
