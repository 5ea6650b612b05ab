//! What Lambda invokes the function with: requests of the HTTP API, events of a bus, and messages of a queue.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_http::{Adapter, LambdaEvent, Service as _, request::LambdaRequest, service_fn};
use rung_api::Api;
use rung_core::{config::Context, limits::HANDLER_RESERVE};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny},
};
use serde_json::value::RawValue;

use crate::{
    Room,
    event_bridge::{Bus, BusEvent, NotTaken},
    event_queue::{EventQueue, Failures, Messages},
    routes,
};

/// One of the three, told apart by what only it has.
enum Invocation {
    Event(BusEvent),
    Messages(Messages),
    Request(Box<LambdaRequest>),
}

impl<'de> Deserialize<'de> for Invocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Shape {
            detail: Option<IgnoredAny>,
            #[serde(rename = "Records")]
            records: Option<IgnoredAny>,
        }
        let payload = Box::<RawValue>::deserialize(deserializer)?;
        let payload = payload.get();
        let read = serde_json::from_str(payload).and_then(|shape| match shape {
            Shape {
                detail: Some(_), ..
            } => serde_json::from_str(payload).map(Self::Event),
            Shape {
                records: Some(_), ..
            } => serde_json::from_str(payload).map(Self::Messages),
            _ => serde_json::from_str(payload).map(|request| Self::Request(Box::new(request))),
        });
        // What serde says may repeat what is in it.
        read.map_err(|_| {
            D::Error::custom(
                "neither a request of an HTTP API, nor an event of EventBridge, nor messages of SQS",
            )
        })
    }
}

/// A request has an answer, an event has none, and of messages those are answered that must come again.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<A> {
    Answered(A),
    Handled(Failures),
    Taken,
}

/// Serves invocations until the environment ends.
///
/// # Errors
/// When Lambda's runtime API cannot be reached.
pub async fn run(context: &Context, api: Api) -> Result<(), lambda_http::Error> {
    let (publisher, clock) = (context.publisher(), &context.clock);
    let bus = &Bus::new(api.clone(), publisher.clone());
    let queue = &EventQueue::new(
        api.clone(),
        publisher.clone(),
        context.refused_events(),
        context.metrics.clone(),
    );
    let http = &Adapter::from(rung_api::router(routes(api, publisher, Room::default())));
    let handler = service_fn(async move |event: LambdaEvent<Invocation>| {
        let LambdaEvent { payload, context } = event;
        Ok::<_, NotTaken>(match payload {
            Invocation::Request(request) => {
                let request = rung_api::readable(LambdaEvent::new(*request, context));
                Outcome::Answered(http.clone().call(request).await?)
            }
            Invocation::Event(event) => {
                bus.publish(event).await?;
                Outcome::Taken
            }
            Invocation::Messages(messages) => {
                let time =
                    left(context.deadline(), clock.wall_ms()).saturating_sub(HANDLER_RESERVE);
                Outcome::Handled(queue.publish(messages, time).await)
            }
        })
    });
    Box::pin(lambda_runtime::run(handler)).await
}

/// How long until the function is cut off.
fn left(deadline: SystemTime, now_ms: u64) -> Duration {
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
    deadline.saturating_sub(Duration::from_millis(now_ms))
}
