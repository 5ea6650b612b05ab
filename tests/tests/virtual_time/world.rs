//! One process's worth of Rung whose receivers answer by script.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use bytes::Bytes;
use http::HeaderMap;
use rung_base::clock::{Clock, VirtualClock};
use rung_core::{
    egress::{Answer, Failure, HostFault, Outgoing, Slot, Transport},
    encryption::KeyRing,
};
use rung_dialect::Dialects;
use rung_local::app::{self, App, Parts};
use rung_local_aws::Aws;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

pub(crate) const ADMIN_KEY: &str = "admin";
const START_MS: u64 = 1_760_000_000_000;

/// A POST as a receiver saw it.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) at_ms: u64,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What a receiver answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reply {
    Status(u16),
    /// A status with a `Retry-After`.
    RetryAfter(u16, &'static str),
    /// No answer until the time-out.
    Silence,
    /// It was never asked.
    Host(HostFault),
}

type Script = dyn Fn(usize, &Outgoing) -> Reply + Send + Sync;

/// Receivers by script: the closure gets the number of the POST, from 1.
struct Scripted {
    clock: Arc<dyn Clock>,
    posts: Mutex<Vec<Post>>,
    script: Mutex<Arc<Script>>,
}

#[async_trait]
impl Transport for Scripted {
    async fn post(&self, outgoing: &Outgoing, _: &Slot) -> Result<Answer, Failure> {
        let number = {
            let mut posts = self.posts.lock().unwrap();
            posts.push(Post {
                at_ms: self.clock.now_ms(),
                headers: outgoing.headers.clone(),
                body: outgoing.body.clone(),
            });
            posts.len()
        };
        let script = Arc::clone(&self.script.lock().unwrap());
        let (status, retry_after) = match script(number, outgoing) {
            Reply::Status(status) => (status, None),
            Reply::RetryAfter(status, wait) => (status, Some(wait)),
            Reply::Host(fault) => return Err(fault.into()),
            Reply::Silence => {
                self.clock
                    .sleep_until_ms(self.clock.now_ms() + outgoing.timeout.as_millis() as u64)
                    .await;
                return Err(Failure::Timeout(outgoing.timeout));
            }
        };
        let mut headers = HeaderMap::new();
        if let Some(wait) = retry_after {
            headers.insert("retry-after", wait.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Ok(Answer {
            status,
            headers,
            body: Bytes::new(),
            body_complete: true,
        })
    }
}

/// Rung with its triggers running, until it is dropped.
pub(crate) struct World {
    pub(crate) clock: Arc<dyn Clock>,
    router: Router,
    receivers: Arc<Scripted>,
    _stop: watch::Sender<bool>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(START_MS));
        let receivers = Arc::new(Scripted {
            clock: Arc::clone(&clock),
            posts: Mutex::default(),
            script: Mutex::new(Arc::new(|_, _| Reply::Status(200))),
        });
        let aws = Aws::memory(&app::queues(1), Arc::clone(&clock)).unwrap();
        let (dynamodb, sqs) =
            rung_local_aws::clients(rung_local_aws::connector::InProcess::new(aws));
        let app = App::new(Parts {
            dynamodb,
            sqs,
            clock: Arc::clone(&clock),
            transport: receivers.clone(),
            dialects: Arc::new(Dialects::builtin()),
            admin_key: ADMIN_KEY.to_owned(),
            encryption_keys: KeyRing::of_tests(),
            strict: false,
            retention: std::time::Duration::from_secs(30 * 86_400),
        })
        .await
        .unwrap();
        let router = app.router();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(app.run(stopped));
        Self {
            clock,
            router,
            receivers,
            _stop: stop,
        }
    }

    /// A world with a tenant `t` of a dialect and one webhook, which subscribes to everything; answers the webhook's id.
    pub(crate) async fn of(dialect: &str) -> (Self, String) {
        let world = Self::new().await;
        world
            .call(
                "POST",
                "/v1/tenants",
                json!({"id": "t", "name": "T", "dialect": dialect, "plan": "pro"}),
            )
            .await;
        let webhook = world.webhook("http://a.test/hook").await;
        (world, webhook)
    }

    pub(crate) async fn webhook(&self, url: &str) -> String {
        let made = self
            .call("POST", "/v1/webhooks", json!({"url": url, "events": ["*"]}))
            .await;
        made["webhook"]["id"].as_str().unwrap().to_owned()
    }

    /// From now on receivers answer so.
    pub(crate) fn script(
        &self,
        script: impl Fn(usize, &Outgoing) -> Reply + Send + Sync + 'static,
    ) {
        *self.receivers.script.lock().unwrap() = Arc::new(script);
    }

    /// What arrived so far.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.receivers.posts.lock().unwrap().clone()
    }

    /// Publishes an event of a type that the dialect has; answers its id.
    pub(crate) async fn publish(&self, event_type: &str) -> String {
        let published = self
            .call(
                "POST",
                "/v1/events",
                json!({"type": event_type, "data": {"n": 1}}),
            )
            .await;
        published["event"]["id"].as_str().unwrap().to_owned()
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, ms: u64) {
        self.clock.sleep_until_ms(self.clock.now_ms() + ms).await;
    }

    /// A call that must succeed; answers its `data`.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_call(method, path, body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
        answer["data"].clone()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, Value::Null).await
    }

    pub(crate) async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {ADMIN_KEY}"))
            .header("content-type", "application/json");
        if path != "/v1/tenants" {
            request = request.header("rung-tenant", "t");
        }
        let request = request.body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        )
    }
}
