//! The second way in: events that a rule of EventBridge hands over.
//!
//! An event's `detail` is what `POST /v1/events` takes, and beside it the tenant whose event it is and, where a delivery led to
//! it, what that carried in `Rung-Hops`. Who may put events on the
//! bus decides for whom they publish, so there is no key. Nobody waits for an answer: an event that is not taken fails the
//! invocation, Lambda hands it over twice more, and then lays it among the dead letters. Under its id, or else EventBridge's,
//! all of these are one publication.

use std::{convert::Infallible, fmt};

use lambda_runtime::Diagnostic;
use rung_api::{Api, ApiError, Code, RequestId};
use rung_core::flow::accept::{Publisher, Refusal};
use rung_json::limits::REQUEST_BYTES;
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::{Instrument as _, error_span};

use crate::{
    meter::{Limits, Meter},
    request::read_detail,
};

/// An event as EventBridge hands it to a function; of its members, those that matter here.
///
/// Source: Amazon EventBridge User Guide, "EventBridge event structure".
#[derive(Debug, Deserialize)]
pub struct BusEvent {
    /// The same whenever this event is handed over again.
    id: String,
    /// Whoever put it on the bus.
    source: String,
    detail: Box<RawValue>,
}

/// Why an event was not taken. Its `Debug` form is what the runtime logs, so it holds nothing that the event brought; the
/// whole of it goes along to the dead letters.
#[derive(PartialEq, Eq)]
pub struct NotTaken(ApiError);

impl fmt::Debug for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not taken: {}", self.0.code.as_str())
    }
}

impl From<NotTaken> for Diagnostic {
    fn from(NotTaken(error): NotTaken) -> Self {
        Self {
            error_type: error.code.as_str().to_owned(),
            error_message: error.message,
        }
    }
}

impl From<Infallible> for NotTaken {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Publishes what a bus brings.
#[derive(Clone)]
pub struct Bus {
    meter: Meter,
    api: Api,
    publisher: Publisher,
}

impl Bus {
    /// A way in over the table and the queues.
    #[must_use]
    pub fn new(api: Api, publisher: Publisher) -> Self {
        Self {
            meter: Meter::new(api.clone(), publisher.clone()),
            api,
            publisher,
        }
    }

    /// Publishes one event.
    ///
    /// # Errors
    /// When it makes no sense, its tenant is unknown, or the table or a queue fails.
    pub async fn publish(&self, event: BusEvent) -> Result<(), NotTaken> {
        let span = error_span!("bus", event = event.id, source = event.source);
        let published = self.take(event).instrument(span.clone()).await;
        published.map_err(|error| {
            let code = error.code.as_str();
            span.in_scope(|| tracing::error!(code, "an event of the bus was refused"));
            NotTaken(error)
        })
    }

    async fn take(&self, event: BusEvent) -> Result<(), ApiError> {
        let detail = event.detail.get().as_bytes();
        if detail.len() > REQUEST_BYTES {
            let problem = format!("may have at most {REQUEST_BYTES} bytes");
            return Err(ApiError::of_field(Code::PayloadTooLarge, "detail", problem));
        }
        let detail = rung_api::parse(detail, 1)?;
        let (tenant, new) = read_detail(&detail, event.id)?;
        let tenant = self.api.tenant(&tenant).await?;
        let limits = &mut Limits::default();
        self.meter.admit(&tenant, None, new.hops, 1, limits).await?;
        let RequestId(request_id) = RequestId::random();
        let results = self
            .publisher
            .publish(&tenant, vec![new], &request_id)
            .await;
        let result = results
            .into_iter()
            .next()
            .unwrap_or(Err(Refusal::Unavailable));
        result
            .map(drop)
            .map_err(|refusal| rung_api::refused(refusal, "detail.", "type", false))
    }
}
