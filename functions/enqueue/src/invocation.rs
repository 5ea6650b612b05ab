//! What Lambda invokes the function with: requests of the HTTP API, and events of a bus.

use lambda_http::{Adapter, LambdaEvent, Service as _, request::LambdaRequest, service_fn};
use rung_api::Api;
use rung_core::flow::accept::Publisher;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::RawValue;

use crate::{
    Room,
    event_bridge::{Bus, BusEvent, NotTaken},
    routes,
};

/// One of the two, told apart by what only an event has.
enum Invocation {
    Event(BusEvent),
    Request(Box<LambdaRequest>),
}

impl<'de> Deserialize<'de> for Invocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let payload = Box::<RawValue>::deserialize(deserializer)?;
        if let Ok(event) = serde_json::from_str(payload.get()) {
            return Ok(Self::Event(event));
        }
        let request = serde_json::from_str(payload.get());
        request
            .map(|request| Self::Request(Box::new(request)))
            .map_err(|_| {
                D::Error::custom("neither a request of an HTTP API nor an event of EventBridge")
            })
    }
}

/// A request has an answer, an event has none.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<A> {
    Answered(A),
    Taken,
}

/// Serves invocations until the environment ends.
///
/// # Errors
/// When Lambda's runtime API cannot be reached.
pub async fn run(api: Api, publisher: Publisher) -> Result<(), lambda_http::Error> {
    let bus = &Bus::new(api.clone(), publisher.clone());
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
        })
    });
    Box::pin(lambda_runtime::run(handler)).await
}
