//! What the operator's topic is told of the webhooks of its tenants.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use aws_credential_types::Credentials;
use aws_sdk_sns::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_smithy_runtime_api::client::{
    http::{
        HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
        http_client_fn,
    },
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use rung_core::topic::Topic;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::world::{As, World};

const ARN: &str = "arn:aws:sns:eu-central-1:000000000000:operations";
const HOUR_MS: u64 = 3_600_000;

/// SNS, as far as a topic needs it: takes what is published, unless it is told to refuse.
#[derive(Debug, Clone, Default)]
struct Sns {
    calls: Arc<Mutex<Vec<HashMap<String, String>>>>,
    refusals: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
}

impl HttpConnector for Sns {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let refusal = self.refusals.lock().unwrap().pop_front();
        let (status, answer) = match refusal {
            Some((status, code)) => (
                status,
                format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"),
            ),
            None => {
                let form = form_urlencoded::parse(request.body().bytes().unwrap());
                self.calls.lock().unwrap().push(form.into_owned().collect());
                let answer = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
                (200, answer.to_owned())
            }
        };
        let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(answer));
        HttpConnectorFuture::ready(Ok(answer))
    }
}

impl Sns {
    fn topic(&self) -> Topic {
        let connector = SharedHttpConnector::new(self.clone());
        let http = http_client_fn(move |_: &HttpConnectorSettings, _| connector.clone());
        let config = aws_sdk_sns::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(Credentials::from_keys("key", "secret", None))
            .retry_config(RetryConfig::disabled())
            .http_client(http);
        Topic::new(aws_sdk_sns::Client::from_conf(config.build()), ARN)
    }

    /// How it answers the next calls: a status and an error's code each.
    fn refuse(&self, refusals: &[(u16, &'static str)]) {
        self.refusals.lock().unwrap().extend(refusals);
    }

    /// The messages, in the order of their types. Their types stand in their attributes too.
    fn told(&self) -> Vec<Value> {
        let calls = self.calls.lock().unwrap();
        let mut told = Vec::new();
        for call in calls.iter() {
            assert_eq!(call["Action"], "Publish");
            assert_eq!(call["TopicArn"], ARN);
            let message: Value = serde_json::from_str(&call["Message"]).unwrap();
            let attribute = |name| call[&format!("MessageAttributes.entry.1.{name}")].as_str();
            assert_eq!(attribute("Name"), "type");
            assert_eq!(attribute("Value.DataType"), "String");
            assert_eq!(attribute("Value.StringValue"), message["type"]);
            told.push(message);
        }
        told.sort_by(|left, right| left["type"].as_str().cmp(&right["type"].as_str()));
        told
    }

    fn types(&self) -> Vec<String> {
        let told = self.told().into_iter();
        told.map(|message| message["type"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A tenant with a webhook of this dialect, and one event to it. Who that is, and the webhook.
async fn publish(world: &World, tenant: &str, dialect: &str, event_type: &str) -> (As, String) {
    let caller = world.tenant(tenant, dialect, "pro").await;
    let webhook = world.webhook(&caller).await;
    again(world, &caller, event_type).await;
    (caller, webhook)
}

async fn again(world: &World, caller: &As, event_type: &str) {
    let event = json!({"type": event_type, "data": {}});
    let published = world.send(caller, "POST", "/v1/events", event).await;
    published.data(202);
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_told_without_a_tenant_to_tell() {
    let sns = Sns::default();
    let world = World::telling(Some(sns.topic())).await;
    world.answer(503);
    let (_, webhook) = publish(&world, "school", "odin", "user.streak.achieved").await;
    world.pass(9 * HOUR_MS).await;
    let told = sns.told();
    assert_eq!(
        sns.types(),
        ["delivery.failed", "webhook.disabled", "webhook.failing"]
    );
    let disabled = &told[1];
    assert_eq!(
        disabled.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "type", "timestamp", "data"]
    );
    assert!(disabled["id"].as_str().unwrap().starts_with("evt_"));
    assert_eq!(disabled["timestamp"], disabled["data"]["disabled_at"]);
    assert_eq!(disabled["data"]["tenant"], "school");
    assert_eq!(disabled["data"]["webhook_id"], webhook);
    assert_eq!(disabled["data"]["reason"], "ladder_used_up");
}

#[tokio::test(start_paused = true)]
async fn a_topic_and_the_operators_webhook_are_told_the_same() {
    let sns = Sns::default();
    let world = World::telling(Some(sns.topic())).await;
    let operator = As::operator_for("_operator");
    let listener = world.webhook(&operator).await;
    world.answer(500);
    let (shop, _) = publish(&world, "shop", "bharatcart", "product.deleted").await;
    again(&world, &shop, "product.deleted").await;
    world.pass(15 * 60_000).await;
    world.answer(200);
    world.pass(2 * HOUR_MS).await;
    // The operator's own webhook failed too, and of that only the topic is told.
    let of_shop = |message: &Value| message["data"]["tenant"] == "shop";
    let told: Vec<_> = sns.told().into_iter().filter(of_shop).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for message in &told {
        let id = message["id"].as_str().unwrap();
        let logs = format!("/v1/webhooks/{listener}/logs");
        let found = world.get(&operator, &format!("{logs}?event_id={id}")).await;
        let log = found.data(200)["logs"][0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let log = world.get(&operator, &format!("{logs}/{log}")).await;
        let body = &log.data(200)["log"]["request"]["body"];
        let mut body: Value = match body.as_str() {
            Some(text) => serde_json::from_str(text).unwrap(),
            None => body.clone(),
        };
        body["id"] = id.into();
        assert_eq!(body, *message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_notice_comes_again_until_the_topic_takes_it() {
    let sns = Sns::default();
    let world = World::telling(Some(sns.topic())).await;
    world.answer(500);
    sns.refuse(&[(500, "InternalError"), (403, "AuthorizationError")]);
    let (caller, webhook) = publish(&world, "shop", "bharatcart", "product.deleted").await;
    // The third attempt, 11 minutes on, sends a notice; it is refused twice, and comes again every 3 minutes.
    world.pass(13 * 60_000).await;
    assert_eq!(sns.types(), [""; 0]);
    world.pass(10 * 60_000).await;
    assert_eq!(sns.types(), ["webhook.failing"]);
    world.pass(2 * HOUR_MS).await;
    assert_eq!(sns.types(), ["delivery.failed", "webhook.failing"]);
    let logs = world
        .get(&caller, &format!("/v1/webhooks/{webhook}/logs"))
        .await;
    assert_eq!(logs.data(200)["logs"].as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_gone_holds_nothing_back() {
    let sns = Sns::default();
    let world = World::telling(Some(sns.topic())).await;
    world.answer(500);
    sns.refuse(&[(404, "NotFound")]);
    publish(&world, "shop", "bharatcart", "product.deleted").await;
    world.pass(73 * 60_000).await;
    assert_eq!(world.posts(), 4, "each attempt at its time");
    assert_eq!(sns.types(), ["delivery.failed"]);
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_fail_together_tell_the_topic_once() {
    let sns = Sns::default();
    let world = World::telling(Some(sns.topic())).await;
    world.answer(500);
    let (shop, _) = publish(&world, "shop", "bharatcart", "product.deleted").await;
    for _ in 0..2 {
        world.pass(20_000).await;
        again(&world, &shop, "product.deleted").await;
    }
    world.pass(20 * 60_000).await;
    assert_eq!(sns.types(), ["webhook.failing"]);
    assert_eq!(
        sns.told()[0]["data"]["failing_since"],
        "2025-10-09T08:53:20.000Z"
    );
}

/// A function that may not publish, or a topic whose key it may not use.
#[tokio::test(start_paused = true)]
async fn a_topic_that_refuses_stops_no_ladder() {
    let sns = Sns::default();
    let world = World::telling(Some(sns.topic())).await;
    world.answer(500);
    sns.refuse(&[(403, "AuthorizationError"); 1_000]);
    let (caller, webhook) = publish(&world, "shop", "bharatcart", "product.deleted").await;
    for (minutes, posts) in [(2, 2), (10, 3), (60, 4)] {
        world.pass(minutes * 60_000).await;
        assert_eq!(world.posts(), posts);
    }
    let failed = format!("/v1/webhooks/{webhook}/logs?status=failed");
    let logs = world.get(&caller, &failed).await;
    assert_eq!(logs.data(200)["logs"].as_array().unwrap().len(), 4);
    let pending = world
        .get(
            &caller,
            &format!("/v1/webhooks/{webhook}/deliveries?status=pending"),
        )
        .await;
    assert_eq!(pending.data(200)["deliveries"], json!([]), "it has ended");
    assert_eq!(sns.types(), [""; 0]);
}
