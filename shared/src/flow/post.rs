//! One POST and the log entry that says what came of it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::fmt::rfc2822::DateTimeParser;
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{deliver::Deliverer, settle::is_gone};
use crate::{
    dialect::{Dialect, SignInput},
    domain::{
        attempt::{Attempt, Exchange, Outcome, Trigger},
        message::Due,
        webhook::Webhook,
    },
    egress::{Answer, Failure, Outgoing},
    limits::LOGGED_BODY_BYTES,
};

impl Deliverer {
    /// Makes one POST; the entry says what came of it and when the next one is due.
    pub(super) async fn post(
        &self,
        due: &Due,
        webhook: &Webhook,
        dialect: &Dialect,
        event_type: &str,
        body: &Bytes,
    ) -> Attempt {
        let key = due.key();
        let delivery_id = key.delivery.uuid();
        let outgoing = self.outgoing(due, delivery_id, webhook, dialect, event_type, body);
        let (started_ms, started) = (self.clock.now_ms(), Instant::now());
        let answer = match &outgoing {
            Some(outgoing) => self.transport.post(outgoing).await,
            None => Err(Failure::Unsendable),
        };
        let (ended_ms, wall_ms) = (self.clock.now_ms(), self.clock.wall_ms());
        let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
        let succeeded = status.is_some_and(|status| dialect.is_success(status));
        let gone = is_gone(dialect, status) && due.trigger.counts();
        let climbs = !succeeded && !gone && due.trigger != Trigger::Test;
        Attempt {
            event_type: event_type.to_owned(),
            attempt: due.attempt,
            dialect: dialect.name.clone(),
            trigger: due.trigger,
            outcome: if succeeded {
                Outcome::Succeeded
            } else {
                Outcome::Failed
            },
            started_ms,
            ended_ms,
            response_time_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            response_status: status,
            error: (!succeeded).then(|| match &answer {
                Ok(answer) => format!("The receiver answered {}.", answer.status),
                Err(failure) => failure.to_string(),
            }),
            next_due_ms: climbs
                .then(|| wait_ms(due, dialect, &answer, wall_ms, delivery_id))
                .flatten()
                .map(|wait_ms| ended_ms + wait_ms),
            exchange: exchange(&webhook.url, outgoing.as_ref(), answer.as_ref().ok()),
            key,
        }
    }

    /// The request; `None` when it cannot be put together.
    fn outgoing(
        &self,
        due: &Due,
        delivery_id: Uuid,
        webhook: &Webhook,
        dialect: &Dialect,
        event_type: &str,
        body: &Bytes,
    ) -> Option<Outgoing> {
        let signed = dialect.headers(&SignInput {
            event_id: due.event.as_str(),
            event_type,
            delivery_id,
            timestamp_s: self.clock.wall_ms() / 1000,
            body,
            secret: webhook.secret.expose(),
            newer_secrets: &[],
        });
        let signed = signed.ok()?;
        let mut headers = HeaderMap::with_capacity(signed.len() + webhook.headers.len() + 1);
        // A webhook's own headers were checked when it was made: none is one of those that follow.
        for (name, value) in &webhook.headers {
            headers.insert(
                HeaderName::try_from(name).ok()?,
                HeaderValue::try_from(value).ok()?,
            );
        }
        for (name, value) in signed {
            headers.append(name, value);
        }
        if due.trigger == Trigger::Test {
            headers.insert(
                HeaderName::from_static("rung-test"),
                HeaderValue::from_static("true"),
            );
        }
        Some(Outgoing {
            url: Url::parse(&webhook.url).ok()?,
            headers,
            body: body.clone(),
            timeout: Duration::from_millis(dialect.timeout_ms),
        })
    }
}

/// How long to wait after this failure, in milliseconds; `None` when the ladder is used up.
fn wait_ms(
    due: &Due,
    dialect: &Dialect,
    answer: &Result<Answer, Failure>,
    wall_ms: u64,
    delivery_id: Uuid,
) -> Option<u64> {
    let wait_ms = dialect
        .ladder
        .wait_ms(due.rung, chance(delivery_id, due.n))?;
    let asked_ms = answer.as_ref().ok().filter(|_| dialect.honours_retry_after);
    let asked_ms = asked_ms.and_then(|answer| retry_after_ms(answer, wall_ms));
    Some(asked_ms.map_or(wait_ms, |asked_ms| {
        dialect.ladder.prolonged_ms(due.rung, wait_ms, asked_ms)
    }))
}

/// A number from 0 to 1 that belongs to this attempt: it spreads deliveries, and comes out the same whenever it is looked at.
fn chance(delivery_id: Uuid, n: u32) -> f64 {
    let mixed = (delivery_id.as_u64_pair().1 ^ u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// What the `Retry-After` of a 429 or 503 asks for, in milliseconds from now (RFC 9110 section 10.2.3).
fn retry_after_ms(answer: &Answer, wall_ms: u64) -> Option<u64> {
    if !matches!(answer.status.as_u16(), 429 | 503) {
        return None;
    }
    let text = answer
        .headers
        .get(header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds.checked_mul(1000);
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    u64::try_from(date.as_millisecond())
        .ok()?
        .checked_sub(wall_ms)
}

fn exchange(url: &str, outgoing: Option<&Outgoing>, answer: Option<&Answer>) -> Exchange {
    let body = answer.map(|answer| &answer.body[..answer.body.len().min(LOGGED_BODY_BYTES)]);
    Exchange {
        url: url.to_owned(),
        request_headers: outgoing
            .map(|outgoing| printable(&outgoing.headers))
            .unwrap_or_default(),
        response_headers: answer
            .map(|answer| printable(&answer.headers))
            .unwrap_or_default(),
        response_body: body
            .map(|body| String::from_utf8_lossy(body).into_owned())
            .unwrap_or_default(),
    }
}

fn printable(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}
