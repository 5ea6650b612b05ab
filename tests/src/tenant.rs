//! A tenant and its webhooks, in the few calls that most tests make.

use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::patience::eventually;
use crate::process::Rung;

/// A tenant with a key of its own that may do everything a tenant may.
#[derive(Clone)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Its key, scopes `manage` and `publish`.
    pub key: String,
    /// The API with that key.
    pub api: Api,
}

impl Tenant {
    /// Makes one with this dialect, on a plan that has webhooks.
    pub async fn create(rung: &Rung, id: &str, dialect: &str) -> Self {
        Self::create_with(
            rung,
            json!({"id": id, "name": "Test", "dialect": dialect, "plan": "pro"}),
        )
        .await
    }

    /// Makes one from a whole request, which must name the `id`.
    pub async fn create_with(rung: &Rung, request: Value) -> Self {
        let admin = rung.admin();
        let id = request["id"].as_str().expect("an id").to_owned();
        admin.post("/v1/tenants", &request).await.ok();
        let scopes = json!({"name": "tests", "scopes": ["manage", "publish"]});
        let reply = admin.post(&format!("/v1/tenants/{id}/keys"), &scopes).await;
        let key = reply.ok()["key"]["key"]
            .as_str()
            .expect("the key, shown once")
            .to_owned();
        Self {
            id,
            api: admin.with_key(&key),
            key,
        }
    }

    /// Makes a webhook for these types.
    pub async fn webhook(&self, url: &str, events: &[&str]) -> Webhook {
        self.webhook_with(json!({"url": url, "events": events}))
            .await
    }

    /// Makes a webhook with this secret.
    pub async fn webhook_with_secret(&self, url: &str, events: &[&str], secret: &str) -> Webhook {
        self.webhook_with(json!({"url": url, "events": events, "secret": secret}))
            .await
    }

    /// Makes a webhook from a whole request.
    pub async fn webhook_with(&self, request: Value) -> Webhook {
        let reply = self.api.post("/v1/webhooks", &request).await;
        let webhook = &reply.data(201)["webhook"];
        let text = |name: &str| {
            webhook[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name}: {webhook}"))
                .to_owned()
        };
        Webhook {
            id: text("id"),
            secret: text("secret"),
            api: self.api.clone(),
        }
    }

    /// Publishes and expects to be taken.
    pub async fn publish(&self, event_type: &str, data: Value) -> Published {
        Published::new(
            &self
                .api
                .post("/v1/events", &json!({"type": event_type, "data": data}))
                .await,
        )
    }

    /// Publishes under a given id and expects to be taken.
    pub async fn publish_as(&self, id: &str, event_type: &str, data: Value) -> Published {
        Published::new(
            &self
                .api
                .post(
                    "/v1/events",
                    &json!({"id": id, "type": event_type, "data": data}),
                )
                .await,
        )
    }

    /// Publishes a request's text, byte for byte.
    pub async fn publish_text(&self, body: &str) -> Reply {
        self.api
            .call("POST", "/v1/events")
            .body(body.to_owned())
            .send()
            .await
    }

    /// The state of an event's delivery to a webhook; `None` when there is no such delivery.
    pub async fn delivery(&self, event_id: &str, webhook: &Webhook) -> Option<String> {
        let reply = self.api.get(&format!("/v1/events/{event_id}")).await;
        let deliveries = reply.data(200)["deliveries"]
            .as_array()
            .expect("the state of each delivery");
        let delivery = deliveries
            .iter()
            .find(|delivery| delivery["webhook_id"] == *webhook.id)?;
        Some(delivery["status"].as_str().expect("a status").to_owned())
    }

    /// Waits until an event's delivery to a webhook has this state.
    pub async fn until(&self, event_id: &str, webhook: &Webhook, status: &str) {
        eventually(
            &format!("{event_id} to be {status} at {}", webhook.id),
            async || (self.delivery(event_id, webhook).await? == status).then_some(()),
        )
        .await;
    }
}

/// What publishing answered.
pub struct Published {
    /// The event's id.
    pub id: String,
    /// How many deliveries there will be.
    pub deliveries: u64,
    /// All of `data`.
    pub data: Value,
}

impl Published {
    /// Reads an answer, which must be 202.
    pub fn new(reply: &Reply) -> Self {
        let data = reply.data(202);
        let id = data["event"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no event id: {data}"));
        let deliveries = data["deliveries"]
            .as_u64()
            .unwrap_or_else(|| panic!("no count of deliveries: {data}"));
        Self {
            id: id.to_owned(),
            deliveries,
            data: data.clone(),
        }
    }
}

/// A webhook of a tenant.
#[derive(Clone)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// Its secret, shown when it was made.
    pub secret: String,
    api: Api,
}

impl Webhook {
    /// The path of the webhook, or of something under it: `""`, `"/logs"`.
    pub fn path(&self, below: &str) -> String {
        format!("/v1/webhooks/{}{below}", self.id)
    }

    /// The webhook as the API shows it.
    pub async fn get(&self) -> Value {
        self.api.get(&self.path("")).await.data(200)["webhook"].clone()
    }

    /// Its status.
    pub async fn status(&self) -> String {
        self.get().await["status"]
            .as_str()
            .expect("a status")
            .to_owned()
    }

    /// Waits until it has this status, and gives it as the API shows it.
    pub async fn until(&self, status: &str) -> Value {
        eventually(&format!("webhook {} to be {status}", self.id), async || {
            let webhook = self.get().await;
            (webhook["status"] == status).then_some(webhook)
        })
        .await
    }

    /// Changes it.
    pub async fn patch(&self, change: Value) -> Value {
        self.api.patch(&self.path(""), &change).await.data(200)["webhook"].clone()
    }

    /// Its newest log entries, newest first.
    pub async fn logs(&self) -> Vec<Value> {
        self.logs_where("limit=100").await
    }

    /// Its log entries under a query.
    pub async fn logs_where(&self, query: &str) -> Vec<Value> {
        let reply = self.api.get(&self.path(&format!("/logs?{query}"))).await;
        reply.data(200)["logs"]
            .as_array()
            .expect("a list of log entries")
            .clone()
    }

    /// The attempts of one event's delivery, first attempt first.
    pub async fn attempts(&self, event_id: &str) -> Vec<Value> {
        let mut logs = self
            .logs_where(&format!("event_id={event_id}&limit=100"))
            .await;
        logs.reverse();
        logs
    }

    /// Waits until an event's delivery has `n` attempts in the log, and gives them, first attempt first.
    pub async fn until_attempts(&self, event_id: &str, n: usize) -> Vec<Value> {
        eventually(
            &format!("{n} attempts of {event_id} in the log of {}", self.id),
            async || {
                let attempts = self.attempts(event_id).await;
                (attempts.len() >= n).then_some(attempts)
            },
        )
        .await
    }

    /// Waits until a delivery is listed among those that wait on the ladder, a moment after its failed attempt is logged.
    pub async fn until_pending(&self, delivery_id: &str) {
        eventually(
            &format!("{delivery_id} to wait for {}", self.id),
            async || {
                let reply = self.api.get(&self.path("/deliveries?status=pending")).await;
                let pending = reply.data(200)["deliveries"].as_array()?.iter();
                pending
                    .map(|waiting| &waiting["id"])
                    .any(|id| id == delivery_id)
                    .then_some(())
            },
        )
        .await;
    }

    /// One log entry with its request and response.
    pub async fn log(&self, log: &Value) -> Value {
        let id = log["id"].as_str().expect("a log id");
        self.api
            .get(&self.path(&format!("/logs/{id}")))
            .await
            .data(200)["log"]
            .clone()
    }

    /// Asks for a log entry's delivery to be sent again now.
    pub async fn retry(&self, log: &Value) -> Reply {
        let id = log["id"].as_str().expect("a log id");
        self.api
            .call("POST", &self.path(&format!("/logs/{id}/retry")))
            .send()
            .await
    }
}
