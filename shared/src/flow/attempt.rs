//! One message of a chain: what it still means, the POST, the log.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;
use uuid::Uuid;

use super::{
    FlowError,
    deliver::{Deliverer, Loaded},
    settle::{head, is_gone},
};
use crate::{
    dialect::{Dialect, SignInput},
    domain::{
        attempt::{Attempt, Exchange, Outcome, Trigger},
        chain::{self, Receipt, Step},
        delivery::{Delivery, State},
        message::{Due, Message},
        webhook::Webhook,
    },
    egress::{Answer, Failure, Outgoing, policy::UrlFault},
    limits::LOGGED_BODY_BYTES,
    queue::Lane,
    store::deliveries::From,
};

impl Deliverer {
    /// Handles a message that was handed out `receives` times.
    pub(super) async fn attempt(
        &self,
        due: &Due,
        receives: u32,
        loaded: &Loaded,
    ) -> Result<(), FlowError> {
        let mut webhook = loaded.webhook(due).cloned();
        let fresh = loop {
            match chain::receive(due, webhook.as_deref(), receives, self.clock.now_ms()) {
                Receipt::Drop => return Ok(()),
                Receipt::Wait(_) => {
                    self.clock.sleep_until_ms(due.due_ms).await;
                    // It may have been disabled while this waited.
                    webhook = self
                        .store
                        .webhook(&due.tenant, &due.webhook)
                        .await?
                        .map(Arc::new);
                }
                Receipt::Resend(left_ms) => {
                    self.queue
                        .send(Lane::Retry, &Message::Attempt(due.clone()), left_ms)
                        .await?;
                    return Ok(());
                }
                Receipt::Post => break true,
                Receipt::Inspect => break false,
            }
        };
        let Some(webhook) = webhook else {
            return Ok(());
        };
        let Some(dialect) = self.dialects.get(&webhook.dialect) else {
            tracing::error!(tenant = %webhook.tenant, webhook = %webhook.id, dialect = webhook.dialect, "unknown dialect");
            return Err(crate::store::StoreError::Unavailable(
                "a webhook's dialect is not loaded".into(),
            )
            .into());
        };
        if fresh {
            return self.post_and_settle(due, &webhook, dialect, loaded).await;
        }
        let (delivery, key) = (due.delivery(), due.key());
        let (mut row, logged) =
            tokio::try_join!(self.store.delivery(&delivery), self.store.attempt(&key))?;
        loop {
            match chain::inspect(
                due,
                row.as_ref(),
                logged.is_some(),
                webhook.takes(due.epoch),
            ) {
                Step::Drop => return Ok(()),
                Step::Place => {
                    let event_type = self.event_type(due, loaded);
                    row = self
                        .store
                        .place(&head(due, &event_type, vec![due.due_ms]))
                        .await?
                        .standing();
                }
                Step::Advance => {
                    let from = if due.trigger == Trigger::Manual {
                        From::Any
                    } else {
                        From::Pending
                    };
                    let event_type = row.map_or_else(String::new, |row| row.event_type);
                    row = self
                        .store
                        .advance(&head(due, &event_type, Vec::new()), from)
                        .await?
                        .standing();
                    if row.is_none() {
                        return Ok(());
                    }
                }
                Step::Settle => {
                    let Some(attempt) = &logged else {
                        return Ok(());
                    };
                    return self.settle(due, &webhook, dialect, attempt).await;
                }
                Step::Hold => return self.hold(due, &self.event_type(due, loaded)).await,
                Step::Post => return self.post_and_settle(due, &webhook, dialect, loaded).await,
            }
        }
    }

    fn event_type(&self, due: &Due, loaded: &Loaded) -> String {
        let content = due
            .content
            .as_ref()
            .map(|content| content.event_type.clone());
        content
            .or_else(|| {
                loaded
                    .event(&due.tenant, &due.event)
                    .map(|event| event.event_type.clone())
            })
            .unwrap_or_default()
    }

    async fn hold(&self, due: &Due, event_type: &str) -> Result<(), FlowError> {
        if due.n == 1 {
            self.store
                .place(&Delivery {
                    state: State::Held,
                    ..head(due, event_type, Vec::new())
                })
                .await?;
        } else {
            self.store
                .finish(
                    &due.delivery(),
                    (due.n, due.due_ms),
                    &[State::Pending],
                    State::Held,
                )
                .await?;
        }
        Ok(())
    }

    async fn post_and_settle(
        &self,
        due: &Due,
        webhook: &Webhook,
        dialect: &Dialect,
        loaded: &Loaded,
    ) -> Result<(), FlowError> {
        let stored = loaded.event(&due.tenant, &due.event);
        let (event_type, body) = match &due.content {
            Some(content) => (&content.event_type, Some(&content.body)),
            None => match stored {
                Some(event) => (&event.event_type, event.bodies.get(&webhook.dialect)),
                None => {
                    tracing::warn!(tenant = %due.tenant, event = %due.event, "an event expired before it was delivered");
                    return Ok(());
                }
            },
        };
        let Some(body) = body else {
            tracing::error!(tenant = %due.tenant, event = %due.event, dialect = webhook.dialect, "no body in this dialect");
            return Ok(());
        };
        let mut attempt = self.post(due, webhook, dialect, event_type, body).await;
        if attempt.outcome == Outcome::Succeeded {
            self.store.log_success(&attempt).await?;
        } else if let Some(earlier) = self.store.log_failure(&attempt).await? {
            // A copy of this message was faster: what it logged is what happened.
            attempt = earlier;
        }
        self.settle(due, webhook, dialect, &attempt).await
    }

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
        let headers = self.headers(due, delivery_id, webhook, dialect, event_type, body);
        let logged_headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), printable(value)))
            .collect();
        let (started_ms, started) = (self.clock.now_ms(), Instant::now());
        let answer = match Url::parse(&webhook.url) {
            Ok(url) => {
                let outgoing = Outgoing {
                    url,
                    headers,
                    body: body.clone(),
                    timeout: dialect.timeout(),
                };
                self.transport.post(&outgoing).await
            }
            Err(_) => Err(Failure::Url(UrlFault::NotAbsolute)),
        };
        let ended_ms = self.clock.now_ms();
        let status = answer.as_ref().ok().map(|answer| answer.status.as_u16());
        let outcome = match status {
            Some(status) if dialect.is_success(status) => Outcome::Succeeded,
            _ => Outcome::Failed,
        };
        let ladder_goes_on =
            outcome == Outcome::Failed && !(is_gone(dialect, status) && due.trigger.counts());
        Attempt {
            event_type: event_type.to_owned(),
            attempt: due.attempt,
            trigger: due.trigger,
            outcome,
            started_ms,
            ended_ms,
            response_time_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            response_status: status,
            error: error_text(outcome, &answer),
            next_due_ms: ladder_goes_on
                .then(|| {
                    next_due_ms(
                        due,
                        dialect,
                        &answer,
                        ended_ms,
                        self.clock.wall_ms(),
                        delivery_id,
                    )
                })
                .flatten(),
            exchange: exchange(&webhook.url, logged_headers, &answer),
            key,
        }
    }

    fn headers(
        &self,
        due: &Due,
        delivery_id: Uuid,
        webhook: &Webhook,
        dialect: &Dialect,
        event_type: &str,
        body: &[u8],
    ) -> HeaderMap {
        let signed = dialect.headers(&SignInput {
            event_id: due.event.as_str(),
            event_type,
            delivery_id,
            timestamp_s: self.clock.wall_ms() / 1000,
            body,
            secret: webhook.secret.expose(),
        });
        let mut headers = HeaderMap::with_capacity(signed.len() + webhook.headers.len() + 2);
        // Its own headers were checked when it was made: none is one of these.
        for (name, value) in &webhook.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                headers.insert(name, value);
            }
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
        headers
    }
}

/// When the attempt after this one is due; `None` when the ladder is used up.
fn next_due_ms(
    due: &Due,
    dialect: &Dialect,
    answer: &Result<Answer, Failure>,
    ended_ms: u64,
    wall_ms: u64,
    delivery_id: Uuid,
) -> Option<u64> {
    if due.trigger == Trigger::Test {
        return None;
    }
    let wait_ms = dialect
        .ladder()
        .wait_ms(due.rung, chance(delivery_id, due.n))?;
    let asked_ms = answer
        .as_ref()
        .ok()
        .filter(|_| dialect.honour_retry_after());
    let asked_ms = asked_ms.and_then(|answer| retry_after_ms(answer, wall_ms));
    Some(
        ended_ms
            + asked_ms.map_or(wait_ms, |asked_ms| {
                dialect.ladder().prolonged_ms(due.rung, wait_ms, asked_ms)
            }),
    )
}

/// A number from 0 to 1 that belongs to this attempt: jitter that spreads deliveries and comes out the same when looked at
/// again.
fn chance(delivery_id: Uuid, n: u32) -> f64 {
    let mixed = (delivery_id.as_u128() as u64 ^ u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// What a `Retry-After` of a 429 or 503 asks for, in milliseconds from now (RFC 9110 section 10.2.3).
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
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    u64::try_from(date.as_millisecond())
        .ok()?
        .checked_sub(wall_ms)
}

/// Why an attempt failed, for the log.
fn error_text(outcome: Outcome, answer: &Result<Answer, Failure>) -> Option<String> {
    match answer {
        Err(failure) => Some(failure.to_string()),
        Ok(_) if outcome == Outcome::Succeeded => None,
        Ok(answer) => Some(format!("the receiver answered {}", answer.status)),
    }
}

fn exchange(
    url: &str,
    request_headers: Vec<(String, String)>,
    answer: &Result<Answer, Failure>,
) -> Exchange {
    let request = Exchange {
        url: url.to_owned(),
        request_headers,
        ..Exchange::default()
    };
    let Ok(answer) = answer else { return request };
    let end = answer.body.len().min(LOGGED_BODY_BYTES);
    Exchange {
        response_headers: answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), printable(value)))
            .collect(),
        response_body: String::from_utf8_lossy(&answer.body[..end]).into_owned(),
        ..request
    }
}

fn printable(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
