//! Messages that nobody could handle: the operator's calls.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Fields, Query, answer, limits::COUNTING_MS};
use rung_core::{
    domain::{
        audit::{Action, Record},
        message::Message,
        tenant::Scope,
        time::Time,
    },
    queue::{Lane, dead::DeadLetter},
};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Management;

const LANES: [Lane; 2] = [Lane::Deliver, Lane::Retry];

/// A dead letter, without its content.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
pub(crate) struct View<'a> {
    id: &'a str,
    queue: &'static str,
    kind: &'static str,
    tenant_id: Option<&'a str>,
    webhook_id: Option<&'a str>,
    event_id: Option<&'a str>,
    /// The number of the attempt that it requests.
    attempt: Option<u32>,
    receives: u32,
    sent_at: Time,
}

impl<'a> From<&'a DeadLetter> for View<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        let (kind, tenant_id, webhook_id, event_id, attempt) = match &letter.message {
            Some(Message::Attempt(due)) => (
                "attempt",
                Some(due.tenant.name()),
                Some(due.webhook.as_str()),
                Some(due.event.as_str()),
                Some(due.attempt),
            ),
            Some(Message::Fanout(fanout)) => (
                "fan_out",
                Some(fanout.tenant.name()),
                None,
                Some(fanout.event.as_str()),
                None,
            ),
            Some(Message::Recover(recovery)) => (
                "recovery",
                Some(recovery.tenant.name()),
                Some(recovery.webhook.as_str()),
                None,
                None,
            ),
            Some(Message::Erase(page)) => (
                "erasure",
                Some(page.erasure.tenant.name()),
                None,
                None,
                None,
            ),
            Some(Message::KeyEnds(key)) => ("key_ends", Some(key.tenant.name()), None, None, None),
            Some(Message::Notice(notice)) => (
                "notice",
                Some(notice.tenant.name()),
                Some(notice.webhook.as_str()),
                None,
                None,
            ),
            None => ("unknown", None, None, None, None),
        };
        Self {
            id: &letter.message_id,
            queue: name(letter.lane),
            kind,
            tenant_id,
            webhook_id,
            event_id,
            attempt,
            receives: letter.receives,
            sent_at: Time::at_ms(letter.sent_ms),
        }
    }
}

fn name(lane: Lane) -> &'static str {
    match lane {
        Lane::Deliver => "deliver",
        Lane::Retry => "retry",
    }
}

/// One of the queues by its name.
fn lane(value: &Json) -> Result<Lane, String> {
    let named = |lane: &Lane| value.as_str() == Some(name(*lane));
    let lane = LANES.into_iter().find(named);
    lane.ok_or_else(|| "must be `deliver` or `retry`".to_owned())
}

/// How many dead letters each queue has.
async fn counts(state: &Management) -> Result<Value, ApiError> {
    let queue = &state.deliverer.queue;
    let (deliver, retry) = tokio::try_join!(
        queue.count_dead(Lane::Deliver),
        queue.count_dead(Lane::Retry)
    )?;
    Ok(json!({ "deliver": deliver, "retry": retry }))
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    state.api.operator(&headers, Scope::Read).await?;
    let mut fields = Fields::of(&query)?;
    let limit = rung_api::limit(&mut fields);
    let only = fields.optional("queue", lane);
    fields.finish()?;
    let counts = counts(&state).await?;
    let mut letters = Vec::new();
    for lane in LANES {
        if only.is_none_or(|only| only == lane) {
            let queue = &state.deliverer.queue;
            letters.extend(queue.look_at_dead(lane, limit - letters.len()).await?);
        }
    }
    let letters: Vec<_> = letters.iter().map(View::from).collect();
    Ok(answer(
        StatusCode::OK,
        json!({ "dead_letters": letters, "counts": counts }),
    ))
}

pub(crate) async fn redrive(
    State(state): State<Management>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state.api.operator(&headers, Scope::Admin).await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    let mut fields = Fields::of(&body)?;
    let only = fields.optional("queue", lane);
    fields.finish()?;
    let queue = only.map_or("all", name);
    let record = Record::new(&origin, None, Action::DeadLettersRedriven, queue);
    state.api.store.record(&record).await?;
    let deadline_ms = state.api.clock.wall_ms() + COUNTING_MS;
    let (mut moved, mut unknown) = (0, 0);
    for lane in LANES {
        if only.is_some_and(|only| only != lane) {
            continue;
        }
        while state.api.clock.wall_ms() < deadline_ms
            && let Some(redriven) = state.deliverer.queue.redrive(lane).await?
        {
            moved += redriven.moved;
            unknown += redriven.unknown;
        }
    }
    let left = counts(&state).await?;
    Ok(answer(
        StatusCode::OK,
        json!({ "moved": moved, "unknown": unknown, "counts": left }),
    ))
}
