//! Receivers by script, and the way each function has to them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use rung_base::clock::{Clock, timestamp};
use rung_core::{
    domain::{attempt::Trigger, message::AttemptMessage, webhook::Webhook},
    egress::{Answer, Failure, HostFault, Outgoing, Slot, Transport},
    store::Store,
};
use serde_json::Value;

use crate::{
    ledger::{Ledger, Posted},
    mutations::Mutation,
    plan::REUSED,
    wire::{Life, Wire},
    world::number_of,
};

/// How a receiver behaves. Times are in milliseconds from the start.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// It takes everything.
    Well,
    /// It answers 500 until then.
    Down { until_ms: u64 },
    /// It never takes anything.
    Broken,
    /// From then on it answers 410.
    Gone { from_ms: u64 },
    /// Until then it answers 429 and asks for so many seconds.
    Busy { until_ms: u64, wait_s: u64 },
    /// It fails in one way or another at this rate.
    Flaky { rate: f64 },
}

/// All receivers of a run.
pub(crate) struct Receivers {
    pub(crate) wire: Wire,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) start_ms: u64,
    pub(crate) manners: Vec<Manner>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) oracle: Store,
}

/// A record that a function has in hand, and what speaks against posting it, as things stood when it was handed out.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) message: AttemptMessage,
    pub(crate) objection: Option<&'static str>,
    /// The epoch of the rate limit that it keeps to.
    pub(crate) pace: Option<u64>,
    /// The pause of its webhook, as its number and its end, that had begun then.
    pub(crate) pause: Option<(u64, u64)>,
}

impl Held {
    /// Whether it waits for a pause that had begun when it was handed out, and lasts yet by any clock.
    fn waits_for(&self, webhook: Option<&Webhook>, now_ms: u64, skew_ms: u64) -> bool {
        let standing = webhook.and_then(standing_pause);
        let lasts = |(_, until_ms): (u64, u64)| now_ms + 2 * skew_ms < until_ms;
        self.message.position.trigger != Trigger::Manual
            && self.pause == standing
            && standing.is_some_and(lasts)
    }
}

/// A webhook's pause that has not ended: its number and its end.
pub(crate) fn standing_pause(webhook: &Webhook) -> Option<(u64, u64)> {
    let pause = webhook.present_pause();
    let standing = pause.filter(|pause| pause.stands(webhook.epoch));
    standing.map(|pause| (pause.id, pause.until_ms))
}

/// A function's records in hand, by batch.
pub(crate) type InHand = BTreeMap<u64, Vec<Held>>;

/// One function's way to the receivers.
pub(crate) struct Way {
    pub(crate) receivers: Arc<Receivers>,
    pub(crate) life: Arc<Life>,
    /// The function's own clock.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Way {
    /// The records in hand that ask for a POST of this event to this webhook.
    fn in_hand(&self, webhook: &str, event: &str) -> Vec<Held> {
        let in_hand = self.life.in_hand();
        let own = in_hand.values().flatten().filter(|record| {
            record.message.delivery.webhook.as_str() == webhook
                && record.message.delivery.event.as_str() == event
        });
        own.cloned().collect()
    }

    /// Why this POST must not be made; `None` when one of the records in hand allows it.
    async fn objection(&self, webhook: &str, event: &str) -> Option<String> {
        let now_ms = self.clock.now_ms();
        let own = self.in_hand(webhook, event);
        let mut objections = Vec::new();
        for record in own {
            let message = &record.message;
            let webhook = self
                .receivers
                .oracle
                .webhook(&message.delivery.tenant, &message.delivery.webhook);
            let webhook = webhook.await.expect("the oracle reads");
            let earliest_ms = webhook.as_ref().map_or(message.position.due_ms, |webhook| {
                webhook.earliest_ms(message)
            });
            if now_ms < earliest_ms {
                let early_ms = earliest_ms - now_ms;
                objections.push(format!("n={}: {early_ms} ms early", message.position.n));
                continue;
            }
            let skew_ms = self.receivers.wire.plan.skew_ms;
            if record.waits_for(webhook.as_ref(), now_ms, skew_ms) {
                objections.push(format!("n={}: paused", message.position.n));
                continue;
            }
            let objection = record.objection?;
            // What was disabled when the record was handed out may have been enabled since.
            if objection == "disabled"
                && webhook.is_some_and(|webhook| webhook.takes(message.position.epoch))
            {
                return None;
            }
            objections.push(format!("n={}: {objection}", message.position.n));
        }
        Some(format!("[{}]", objections.join(", ")))
    }

    /// Whether an event's id was used again, and no record in hand is of the event that this body is of.
    fn is_of_another_time(&self, webhook: &str, event: &str, number: Option<u64>) -> bool {
        let ledger = self.receivers.ledger.lock();
        let aged_ms = ledger.unwrap_or_else(PoisonError::into_inner).aged_ms;
        let own = self.in_hand(webhook, event);
        let (Some(aged_ms), Some(number)) = (aged_ms, number) else {
            return false;
        };
        let is_new = |held: &Held| held.message.delivery.accepted_ms >= aged_ms;
        !own.iter().any(|held| is_new(held) == (number >= REUSED))
    }

    /// Judges a POST to a webhook with a rate limit, unless that was changed since the message was handed out, or somebody has asked for
    /// it by hand.
    async fn judge_pace(&self, webhook: &str, event: &str) {
        let own = self.in_hand(webhook, event);
        let Some(Held { message, pace, .. }) = own.first() else {
            return;
        };
        if pace.is_none() || own.iter().any(|record| record.pace != *pace) {
            return;
        }
        let found = self
            .receivers
            .oracle
            .webhook(&message.delivery.tenant, &message.delivery.webhook);
        let found = found.await.expect("the oracle reads");
        let found = found.filter(|found| pace.is_some_and(|epoch| epoch == found.pace_epoch));
        if let Some(most) = found.and_then(|found| found.rate_limit) {
            let ledger = self.receivers.ledger.lock();
            let mut ledger = ledger.unwrap_or_else(PoisonError::into_inner);
            let epoch = pace.unwrap_or_default();
            ledger.paced(
                &message.delivery.webhook,
                epoch,
                self.clock.now_ms(),
                event,
                most,
            );
        }
    }

    /// Whether the function's host cannot make this POST. Its receiver hears nothing of it, and neither does the ledger.
    fn host_fails(&self) -> bool {
        let Receivers {
            wire,
            clock,
            start_ms,
            ..
        } = &*self.receivers;
        !wire.is_calm()
            && (clock.now_ms() - start_ms < wire.plan.host_down_ms
                || wire.chance.happens(wire.plan.host_fault))
    }

    fn answer(&self, webhook: usize, timeout: Duration) -> Reply {
        let receivers = &self.receivers;
        let (chance, passed_ms) = (
            &receivers.wire.chance,
            receivers.clock.now_ms() - receivers.start_ms,
        );
        let quick = Duration::from_millis(chance.between(0, *chance.pick(&[40, 40, 3_000])));
        let status = |status| Reply {
            after: quick,
            status: Some(status),
            ..Reply::default()
        };
        match receivers.manners[webhook] {
            Manner::Well => status(204),
            Manner::Down { until_ms } if passed_ms < until_ms => status(500),
            Manner::Down { .. } => status(200),
            Manner::Broken => status(*receivers.wire.chance.pick(&[404, 500])),
            Manner::Gone { from_ms } if passed_ms >= from_ms => status(410),
            Manner::Gone { .. } => status(200),
            Manner::Busy { until_ms, wait_s } if passed_ms < until_ms => Reply {
                retry_after_s: Some(wait_s),
                ..status(429)
            },
            Manner::Busy { .. } => status(200),
            Manner::Flaky { rate } if chance.happens(rate) => match chance.between(0, 5) {
                0 => status(503),
                4 => Reply {
                    after: quick,
                    ..Reply::default()
                },
                // What has begun with a status has been answered, however it ends.
                5 => Reply {
                    half: true,
                    ..status(200)
                },
                1 => Reply {
                    after: timeout,
                    ..Reply::default()
                },
                // It has taken the event, but its answer is lost.
                2 => Reply {
                    after: quick,
                    taken: true,
                    ..Reply::default()
                },
                _ => Reply {
                    after: Duration::from_millis(chance.between(1_000, 4_999)),
                    ..status(200)
                },
            },
            Manner::Flaky { .. } => status(200),
        }
    }
}

fn http_date(ms: u64) -> HeaderValue {
    let date = timestamp(ms).strftime("%a, %d %b %Y %H:%M:%S GMT");
    HeaderValue::try_from(date.to_string()).expect("a date is ASCII")
}

#[derive(Default)]
struct Reply {
    after: Duration,
    /// `None`: no answer.
    status: Option<u16>,
    retry_after_s: Option<u64>,
    /// Whether the answer breaks off.
    half: bool,
    /// Whether the receiver has the event although it did not say so.
    taken: bool,
}

#[async_trait]
impl Transport for Way {
    async fn post(&self, outgoing: &Outgoing, _: &Slot) -> Result<Answer, Failure> {
        self.life.check().await;
        let host = outgoing.url.host_str().unwrap_or_default();
        let webhook = host.trim_end_matches(".test").to_owned();
        let event = outgoing.headers["webhook-id"]
            .to_str()
            .expect("an id is ASCII")
            .to_owned();
        if self.host_fails() {
            let (wire, life) = (&self.receivers.wire, &self.life.name);
            wire.trace
                .line(|| format!("{life} cannot POST {event} to {webhook}"));
            return Err(match wire.mutation {
                Some(Mutation::HostFaultCounted) => Failure::Closed,
                _ => HostFault::NameServers.into(),
            });
        }
        let objection = self.objection(&webhook, &event).await;
        self.judge_pace(&webhook, &event).await;
        let index = number_of(&webhook);
        let (wire, plan) = (&self.receivers.wire, &self.receivers.wire.plan);
        let body: Value = serde_json::from_slice(&outgoing.body).expect("a body is JSON");
        let event_number = body["data"]["n"].as_u64();
        let of_tenant = event_number.map(|number| plan.tenant_of(number));
        let mistaken = self.is_of_another_time(&webhook, &event, event_number);
        let ledger = || {
            self.receivers
                .ledger
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        wire.trace.line(|| {
            format!(
                "{} POST {event} to {webhook}, objection: {objection:?}",
                self.life.name
            )
        });
        let number = {
            let mut ledger = ledger();
            if of_tenant != Some(plan.tenant_of(index)) {
                ledger.violation(format!("{webhook} got an event of {of_tenant:?}"));
            }
            if mistaken {
                let text = format!("{webhook} got {event_number:?} as {event} of another time");
                ledger.violation(text);
            }
            if let Some(objection) = objection {
                ledger.violation(format!("{event} was posted to {webhook}: {objection}"));
            }
            ledger.post(
                Posted {
                    webhook: webhook.clone(),
                    event: event.clone(),
                    number: event_number.unwrap_or_default(),
                    started_ms: self.clock.now_ms(),
                    taken: false,
                },
                &outgoing.body,
            )
        };
        if !wire.is_calm() && wire.chance.happens(5.0 * plan.meddled) {
            // Whoever listens may have seen enough.
            let _ = wire.meddling.send(());
        }
        let crashes = |rate: f64| !wire.is_calm() && wire.chance.happens(rate);
        if crashes(plan.crash) {
            return self.life.crash().await;
        }
        let reply = self.answer(index as usize, outgoing.timeout);
        if reply.taken
            || reply
                .status
                .is_some_and(|status| (200..300).contains(&status))
        {
            ledger().taken(number);
        }
        tokio::time::sleep(reply.after).await;
        self.life.check().await;
        if crashes(plan.crash) {
            return self.life.crash().await;
        }
        wire.trace.line(|| {
            format!(
                "{} POST {event} to {webhook} => {:?}",
                self.life.name, reply.status
            )
        });
        let Some(status) = reply.status else {
            return Err(if reply.after >= outgoing.timeout {
                Failure::Timeout(outgoing.timeout)
            } else {
                Failure::Closed
            });
        };
        let mut headers = HeaderMap::new();
        if let Some(wait_s) = reply.retry_after_s {
            let value = if wait_s % 2 == 0 {
                wait_s.into()
            } else {
                http_date(self.clock.now_ms() + wait_s * 1_000)
            };
            headers.insert("retry-after", value);
        }
        Ok(Answer {
            status: StatusCode::from_u16(status).expect("scripts know statuses"),
            headers,
            body: Bytes::new(),
            body_complete: !reply.half,
        })
    }
}
