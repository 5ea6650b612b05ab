//! Messages that nobody could handle: the operator's calls.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{ApiError, Code, Fields, Query, answer};
use rung_core::{
    domain::{
        audit::{Action, Record},
        id::TenantId,
        job::Work,
        message::{At, Message, RedrivePage},
        tenant::Scope,
        time::Time,
    },
    queue::{QueueName, dead::DeadLetter},
};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{Management, jobs, names_of, once::Once};

/// A dead letter, without its content.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
pub(crate) struct DeadLetterView<'a> {
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

impl<'a> From<&'a DeadLetter> for DeadLetterView<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        let (kind, tenant_id, webhook_id, event_id, attempt) = match &letter.message {
            Some(Message::Attempt(message)) => (
                "attempt",
                Some(message.delivery.tenant.name()),
                Some(message.delivery.webhook.as_str()),
                Some(message.delivery.event.as_str()),
                Some(message.position.attempt),
            ),
            Some(Message::Fanout(fanout)) => (
                "fan_out",
                Some(fanout.tenant.name()),
                None,
                Some(fanout.event.as_str()),
                None,
            ),
            Some(Message::Job(page)) => (
                "job",
                page.tenant.as_ref().map(TenantId::name),
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
            Some(Message::Release(release)) => (
                "release",
                Some(release.tenant.name()),
                Some(release.webhook.as_str()),
                None,
                None,
            ),
            None => ("unknown", None, None, None, None),
        };
        Self {
            id: &letter.message_id,
            queue: letter.queue.as_str(),
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

/// One of the queues by its name.
fn queue_named(value: &Json) -> Result<QueueName, String> {
    let named = |name: &QueueName| value.as_str() == Some(name.as_str());
    let name = QueueName::ALL.into_iter().find(named);
    name.ok_or_else(|| "must be `deliver` or `retry`".to_owned())
}

/// How many dead letters each queue has.
async fn counts(state: &Management) -> Result<RedrivePage, ApiError> {
    let queue = &state.control.queue;
    let (deliver, retry) = tokio::try_join!(
        queue.count_dead(QueueName::Deliver),
        queue.count_dead(QueueName::Retry)
    )?;
    Ok(RedrivePage {
        deliver,
        retry,
        waited: false,
    })
}

pub(crate) async fn list(
    State(state): State<Management>,
    headers: HeaderMap,
    Query(query): Query,
) -> Result<Response, ApiError> {
    state.api.operator(&headers, Scope::Read).await?;
    let mut fields = Fields::of(&query)?;
    let page = state.api.page(&mut fields, &["dead letters"]).await?;
    let names = fields.optional("queue", |value| {
        names_of(value, &QueueName::ALL, QueueName::as_str)
    });
    let names = names.unwrap_or_else(|| QueueName::ALL.to_vec());
    fields.finish()?;
    let counts = counts(&state).await?;
    let counts = json!({ "deliver": counts.deliver, "retry": counts.retry });
    let mut letters = Vec::new();
    for name in QueueName::ALL
        .into_iter()
        .filter(|name| names.contains(name))
    {
        let queue = &state.control.queue;
        let room = page.limit - letters.len();
        letters.extend(queue.look_at_dead(name, room).await?);
    }
    letters.sort_by(|one, other| page.order.compare(&one.sent_ms, &other.sent_ms));
    let letters: Vec<_> = letters.iter().map(DeadLetterView::from).collect();
    // A queue has no place to go on from: what is shown is a sample.
    let data = json!({ "dead_letters": letters, "counts": counts, "next_cursor": null });
    Ok(answer(StatusCode::OK, data))
}

pub(crate) async fn redrive(
    State(state): State<Management>,
    headers: HeaderMap,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let origin = state.api.operator(&headers, Scope::Admin).await?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    if let Some(first) = once.claim(&state, &headers, None, &body).await? {
        return Ok(first);
    }
    let mut fields = Fields::of(&body)?;
    let only = fields.optional("queue", queue_named);
    fields.finish()?;
    let mut left = counts(&state).await?;
    match only {
        Some(QueueName::Deliver) => left.retry = 0,
        Some(QueueName::Retry) => left.deliver = 0,
        None => {}
    }
    let work = Work::Redrive {
        queue: only,
        found: left.deliver + left.retry,
    };
    let task = jobs::task(&state, &once, &origin, work)?;
    let queue = only.map_or("all", QueueName::as_str);
    let record = Record::new(&origin, None, Action::DeadLettersRedriven, queue);
    let at = At::Redrive(left);
    let job = state.control.begin(&task, (at, 0), &record).await?;
    let job = job.ok_or(Code::Internal)?;
    Ok(jobs::accepted(&state, &job))
}
