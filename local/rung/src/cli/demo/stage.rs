//! What the tour is played on: a client of the API, a receiver that can be told to fail, and a count of what happened.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::response::IntoResponse as _;
use http::StatusCode;
use rung_base::clock::{Clock as _, SystemClock};
use rung_dialect::{Dialect, limits::TOLERANCE_S};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::super::{
    Error,
    api::client::Client,
    check::{Check, Request, all_hold, check},
    receiver::{Arrival, serve},
};

/// How long anything may take before the tour gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct Stage {
    pub(super) rung_url: String,
    pub(super) receiver_url: String,
    pub(super) events: u64,
    pub(super) requests: u64,
    pub(super) signatures_verified: usize,
    /// What went wrong, as sentences.
    pub(super) problems: Vec<String>,
    operator: Client,
    failing: Arc<AtomicBool>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    close: oneshot::Sender<()>,
    receiving: JoinHandle<()>,
}

/// A tenant with one webhook.
pub(super) struct Actor {
    pub(super) client: Client,
    pub(super) dialect: Arc<Dialect>,
    /// The webhook's path in the API.
    pub(super) webhook: String,
    secret: String,
}

/// A delivery that arrived.
pub(super) struct Delivered {
    pub(super) arrival: Arrival,
    pub(super) checks: Vec<Check>,
}

impl Stage {
    pub(super) async fn open(rung: SocketAddr, admin_key: &str) -> Result<Self, Error> {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let receiver_url = format!("http://{}", tcp.local_addr()?);
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let failing = Arc::new(AtomicBool::new(false));
        let is_failing = Arc::clone(&failing);
        let answer = move |arrival: Arrival| {
            let status = if is_failing.load(Ordering::Relaxed) {
                StatusCode::INTERNAL_SERVER_ERROR
            } else {
                StatusCode::OK
            };
            // Nobody takes it in any more when the tour is over.
            let _ = arrived.send(arrival);
            async move { status.into_response() }
        };
        let (close, closed) = oneshot::channel::<()>();
        let receiving = tokio::spawn(serve(tcp, answer, async {
            let _ = closed.await;
        }));
        let rung_url = format!("http://{rung}");
        Ok(Self {
            operator: Client::new(&rung_url, admin_key),
            rung_url,
            receiver_url,
            events: 0,
            requests: 0,
            signatures_verified: 0,
            problems: Vec::new(),
            failing,
            arrivals,
            close,
            receiving,
        })
    }

    /// Ends the receiver.
    pub(super) async fn close(&mut self) -> Result<(), Error> {
        let (close, _) = oneshot::channel();
        let _ = std::mem::replace(&mut self.close, close).send(());
        Ok((&mut self.receiving).await?)
    }

    /// What the receiver answers from now on: 500, or 200.
    pub(super) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }

    /// Makes a tenant with a webhook of a dialect, for all events, at `/ID` of the receiver.
    pub(super) async fn actor(&self, id: &str, dialect: &Arc<Dialect>) -> Result<Actor, Error> {
        let mut tenant = json!({ "id": id, "name": id, "dialect": dialect.name });
        let mut plans = dialect.plans().into_iter().flatten();
        if let Some((plan, _)) = plans.find(|(_, has_webhooks)| **has_webhooks) {
            tenant["plan"] = plan.as_str().into();
        }
        self.operator.post("/v1/tenants", &tenant).await?;
        let client = self.operator.for_tenant(id);
        let url = format!("{}/{id}", self.receiver_url);
        let made = client
            .post("/v1/webhooks", &json!({ "url": url, "events": ["*"] }))
            .await?;
        let text = |name: &str| {
            made["webhook"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Actor {
            webhook: format!("/v1/webhooks/{}", text("id")),
            secret: text("secret"),
            client,
            dialect: Arc::clone(dialect),
        })
    }

    /// Publishes a type's sample and gives the event's id.
    pub(super) async fn publish(
        &mut self,
        actor: &Actor,
        event_type: &str,
    ) -> Result<String, Error> {
        let sample = actor.dialect.catalogue.sample(event_type);
        let published = actor
            .client
            .post("/v1/events", &json!({ "type": event_type, "data": sample }))
            .await?;
        self.events += 1;
        let id = published["event"]["id"].as_str();
        Ok(id.unwrap_or_default().to_owned())
    }

    /// The next request that arrives, verified as the actor's receiver would.
    pub(super) async fn arrival(&mut self, actor: &Actor) -> Result<Delivered, Error> {
        let arrival = timeout(PATIENCE, self.arrivals.recv()).await;
        let arrival = arrival
            .ok()
            .flatten()
            .ok_or_else(|| format!("no delivery of {} has arrived", actor.dialect.name))?;
        let checks = check(
            &actor.dialect,
            &Request {
                headers: &arrival.headers,
                body: &arrival.body,
                method: arrival.method.as_str(),
                url: "",
                tenant: "",
                webhook_id: "",
                secrets: std::slice::from_ref(&actor.secret),
                now_s: SystemClock.wall_ms() / 1000,
                tolerance_s: TOLERANCE_S,
            },
        );
        self.requests += 1;
        self.signatures_verified += checks.iter().filter(|check| check.verified).count();
        if !all_hold(&checks) {
            self.problems.push(format!(
                "a delivery of {} does not verify",
                actor.dialect.name
            ));
        }
        Ok(Delivered { arrival, checks })
    }
}

impl Actor {
    /// Asks the API until it shows what is `wanted`: what has arrived is logged a moment later.
    pub(super) async fn until<T>(
        &self,
        path: &str,
        wanted: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, Error> {
        let asking = async {
            loop {
                if let Some(found) = wanted(&self.client.get(path).await?) {
                    return Ok(found);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let shown = timeout(PATIENCE, asking).await;
        shown.unwrap_or_else(|_| Err(format!("{path} does not show what it should").into()))
    }
}
