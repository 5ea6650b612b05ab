//! The third way in: messages of a queue of SQS, which apps send themselves or through a topic of SNS.
//!
//! A message's body is what `POST /v1/events` takes, or `POST /v1/events/batch`, and its attributes stand for their headers. Who may
//! send to the queue decides for whom they publish, so there is no key: each event names its tenant, as with an operator's key, or
//! the attribute `Rung-Tenant` names that of all of them.
//!
//! Nobody waits for an answer. What Rung cannot take for now comes again, with the rest of its message: under its id, or else the
//! message's, an event is published once. What is refused for good would be refused each time, so it goes to the dead letters at
//! once, with the reason beside it.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::join_all};
use http::{HeaderMap, HeaderName, HeaderValue};
use rung_api::{Api, ApiError, Code, RequestId, TENANT_HEADER};
use rung_core::{
    domain::id::TenantName,
    flow::accept::Publisher,
    limits::{BATCH_REQUEST_BYTES, EVENT_RECEIVES},
    metrics::Metrics,
    queue::RefusedEvents,
};
use rung_json::limits::REQUEST_BYTES;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use tracing::{Instrument as _, error_span};

use crate::{
    Call, Enqueue, Published, Room, Sender,
    batch::read_batch,
    meter::Limits,
    publish_each,
    request::{Given, read_event, trace},
};

/// The attributes that stand for headers.
const HEADERS: [&str; 3] = [TENANT_HEADER, "Rung-Hops", "traceparent"];
/// The attribute of a dead letter that is sent round again: the id of the message that it was, so that its events are the same.
const MESSAGE_ID: &str = "Rung-Message-Id";
/// The attributes of a dead letter that say why it is one: the error's code, and its message.
const ERROR: [&str; 2] = ["Rung-Error", "Rung-Error-Message"];

/// A batch of messages as Lambda hands it to a function; of its members, those that matter here.
///
/// Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS".
#[derive(Debug, Deserialize)]
pub struct Messages {
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    /// The same whenever this message is handed over again.
    message_id: String,
    body: String,
    #[serde(default)]
    attributes: HashMap<String, String>,
    #[serde(default)]
    message_attributes: HashMap<String, Attribute>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    /// None of a binary one.
    string_value: Option<String>,
}

/// The messages that must be handed out again; all others are done for good.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Message {
    /// The value of the attribute of this name, in whatever case: as a header.
    fn attributes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.message_attributes.iter();
        let named = named.filter(move |(given, _)| given.eq_ignore_ascii_case(name));
        named.map(|(_, attribute)| attribute.string_value.as_deref().unwrap_or_default())
    }

    /// The attributes that stand for headers. One that no header could carry is there as an empty one, which makes as little sense.
    fn headers(&self) -> Result<HeaderMap, ApiError> {
        let mut headers = HeaderMap::new();
        for name in HEADERS {
            for value in self.attributes(name) {
                let value = HeaderValue::from_str(value);
                let value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
                let name = HeaderName::try_from(name).map_err(|_| Code::Internal)?;
                headers.append(name, value);
            }
        }
        Ok(headers)
    }

    /// What an event without an id goes by.
    fn key(&self) -> &str {
        let earlier = self.attributes(MESSAGE_ID).next();
        earlier
            .filter(|id| !id.is_empty())
            .unwrap_or(&self.message_id)
    }

    /// How often it was handed out.
    fn receives(&self) -> u32 {
        let count = self.attributes.get("ApproximateReceiveCount");
        count.and_then(|count| count.parse().ok()).unwrap_or(1)
    }
}

/// Publishes what a queue brings.
#[derive(Clone)]
pub struct EventQueue {
    state: Arc<Enqueue>,
    refused: Option<RefusedEvents>,
    metrics: Metrics,
}

impl EventQueue {
    /// A way in over the table and the queues. What is refused for good goes to `refused`; where that is nowhere, it comes again until
    /// the queue itself has had enough.
    #[must_use]
    pub fn new(
        api: Api,
        publisher: Publisher,
        refused: Option<RefusedEvents>,
        metrics: Metrics,
    ) -> Self {
        Self {
            state: Arc::new(Enqueue::new(api, publisher, Room::default())),
            refused,
            metrics,
        }
    }

    /// Publishes the events of a batch of messages, for at most `time`. Answers those that must be handed out again.
    pub async fn publish(&self, messages: Messages, time: Duration) -> Failures {
        let taken = messages.records.into_iter().map(async |message| {
            let span = error_span!("queue", message = message.message_id);
            let done = self.is_done(&message, time).instrument(span).await;
            (!done).then_some(Failure {
                item_identifier: message.message_id,
            })
        });
        let failures = join_all(taken).await;
        self.metrics.flush();
        Failures {
            batch_item_failures: failures.into_iter().flatten().collect(),
        }
    }

    /// Whether a message need not come again, whatever became of its events.
    async fn is_done(&self, message: &Message, time: Duration) -> bool {
        // Boxed, so that a batch is not as large as ten of the largest states. A message whose handler panics leaves the others be.
        let taken = AssertUnwindSafe(Box::pin(self.take(message))).catch_unwind();
        match tokio::time::timeout(time, taken).await {
            Ok(Ok(Ok(()))) => true,
            Ok(Ok(Err(refusal))) => self.is_told(message, refusal).await,
            Ok(Err(_)) => {
                tracing::error!("the handler of a message panicked; it comes again");
                false
            }
            Err(_) => {
                tracing::warn!("a message was cut off by the function's time-out; it comes again");
                false
            }
        }
    }

    /// Publishes a message's events. Of several that are refused, those that may be taken later come first.
    async fn take(&self, message: &Message) -> Result<(), ApiError> {
        let results = self.publish_one(message).await?;
        let mut refusals: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        if refusals.is_empty() {
            return Ok(());
        }
        let later = refusals.iter().position(comes_again);
        Err(refusals.swap_remove(later.unwrap_or_default()))
    }

    async fn publish_one(
        &self,
        message: &Message,
    ) -> Result<Vec<Result<Published, ApiError>>, ApiError> {
        let headers = message.headers()?;
        let hops = rung_api::hops(&headers)?;
        let tenant = tenant(&headers)?;
        let body = message.body.as_bytes();
        let is_batch = is_batch(body);
        let mut events = read(body, is_batch)?;
        for (index, given) in events.iter_mut().enumerate() {
            if let Ok(read) = given {
                let key = message.key();
                read.event.idempotency_key = Some(if is_batch {
                    format!("{key}#{index}")
                } else {
                    key.to_owned()
                });
                if let Some(tenant) = &tenant
                    && let Err(error) = name(read, tenant)
                {
                    *given = Err(error.within(&place(is_batch, index)));
                }
            }
        }
        let RequestId(request_id) = RequestId::random();
        let call = Call {
            request_id: &request_id,
            hops,
            trace: trace(&headers),
            has_key: false,
            is_batch,
        };
        let sender = Sender::operator()?;
        // Of no answer's limits.
        let limits = &mut Limits::default();
        publish_each(&self.state, &sender, events, &call, limits).await
    }

    /// Tells that a message was refused. Whether it need not come again.
    async fn is_told(&self, message: &Message, refusal: ApiError) -> bool {
        let (code, receives) = (refusal.code.as_str(), message.receives());
        if comes_again(&refusal) && receives < EVENT_RECEIVES {
            tracing::warn!(
                code,
                receives,
                "a message cannot be taken now; it comes again"
            );
            return false;
        }
        let Some(refused) = &self.refused else {
            tracing::error!(
                code,
                "a message was refused, and there is no queue of dead letters"
            );
            return false;
        };
        let reason = readable(&reason(&refusal));
        let own = HEADERS.map(|name| (name, message.attributes(name).next().unwrap_or_default()));
        let [error, error_message] = ERROR;
        let told = [
            (MESSAGE_ID, message.key()),
            (error, code),
            (error_message, &reason),
        ];
        match refused
            .keep(&message.body, &[&own[..], &told].concat())
            .await
        {
            Ok(()) => {
                self.metrics.refused();
                tracing::error!(code, "a message was refused; it is among the dead letters");
                true
            }
            Err(error) => {
                tracing::error!(code, %error, "a message was refused, and is not among the dead letters; it comes again");
                false
            }
        }
    }
}

/// Whether what is refused so may be taken later as it is. A fault of Rung's own says nothing about the event.
fn comes_again(refusal: &ApiError) -> bool {
    refusal.code.is_retryable() || refusal.code.status().is_server_error()
}

/// The tenant that a message's attributes name.
fn tenant(headers: &HeaderMap) -> Result<Option<TenantName>, ApiError> {
    let mut values = headers.get_all(TENANT_HEADER).iter();
    let Some(name) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let problem = "is there more than once; name one tenant";
        return Err(ApiError::of_field(
            Code::InvalidRequest,
            TENANT_HEADER,
            problem,
        ));
    }
    let name = name.to_str().unwrap_or_default();
    let parsed = TenantName::parse(name);
    parsed
        .map(Some)
        .map_err(|_| ApiError::not_found("tenant", name))
}

/// Gives an event to the tenant that its message names.
fn name(given: &mut Given, tenant: &TenantName) -> Result<(), ApiError> {
    if given.tenant.as_ref().is_some_and(|own| own != tenant) {
        let problem = "names a different tenant than `Rung-Tenant`; omit it";
        return Err(ApiError::of_field(Code::TenantMismatch, "tenant", problem));
    }
    given.tenant = Some(tenant.clone());
    Ok(())
}

/// Where an event stands in a message's body.
pub(crate) fn place(is_batch: bool, index: usize) -> String {
    if is_batch {
        format!("events[{index}].")
    } else {
        String::new()
    }
}

/// Whether a body is a batch: an event has no `events`. What is wrong with it otherwise is seen when it is read.
fn is_batch(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Shape {
        events: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Shape>(body).is_ok_and(|shape| shape.events.is_some())
}

/// The events of a body.
fn read(body: &[u8], is_batch: bool) -> Result<Vec<Result<Given, ApiError>>, ApiError> {
    let most = if is_batch {
        BATCH_REQUEST_BYTES
    } else {
        REQUEST_BYTES
    };
    if body.len() > most {
        let problem = format!("may have at most {most} bytes");
        return Err(ApiError::of_field(Code::PayloadTooLarge, "body", problem));
    }
    if is_batch {
        return Ok(read_batch(body, None)?.events);
    }
    let event = rung_api::parse(body, 1)?;
    Ok(vec![Ok(read_event(&event, "", None)?)])
}

/// What is wrong, and where: of a batch, which event.
fn reason(refusal: &ApiError) -> String {
    match refusal.details.first() {
        Some(detail) => format!("{}: {}", detail.field, detail.problem),
        None => refusal.message.clone(),
    }
}

/// A text as an attribute may have it: a message repeats what was sent, which may be any character.
fn readable(text: &str) -> String {
    let allowed = |char: char| !char.is_control() && !['\u{fffe}', '\u{ffff}'].contains(&char);
    let replaced = text
        .chars()
        .map(|char| if allowed(char) { char } else { '\u{fffd}' });
    replaced.collect()
}
