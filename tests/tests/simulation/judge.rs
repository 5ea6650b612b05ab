//! What the table says when it is asked, and whether the ledger agrees.

use std::collections::{BTreeMap, BTreeSet};

use rung_core::{
    domain::{
        attempt::Attempt,
        delivery::State,
        id::{DeliveryKey, WebhookId},
    },
    store::{
        attempts::{Log, LogFilter},
        deliveries::List,
        event_list::EventFilter,
        events::Event,
        span::{Order, Span},
    },
};
use rung_local_aws::sqs::queue_url;
use serde_json::json;

use crate::{
    clients::POISON,
    ledger::Told,
    world::{DEAD, World, number_of, webhook_id},
};

impl World {
    /// The lists of events and deliveries agree with their rows.
    pub(crate) async fn judge_lists(&self) {
        let events = self.events().await;
        self.judge_events(&events).await;
        for number in 0..self.wire.plan.webhooks {
            let (tenant, id) = (self.wire.plan.tenant_of(number), webhook_id(number));
            for (list, states) in [
                (List::Pending, &[State::Pending][..]),
                (
                    List::Unsuccessful,
                    &[State::Failed, State::Held, State::Missed],
                ),
                (List::Cancelled, &[State::Cancelled]),
            ] {
                let listed = self
                    .oracle
                    .deliveries_of(&tenant, &id, &[list], Order::NewestFirst, None, 100)
                    .await
                    .expect("the oracle reads")
                    .0;
                let listed: BTreeSet<_> = listed.into_iter().map(|row| row.key).collect();
                let own = events.values().filter(|event| event.tenant == tenant);
                let keys = own.map(|event| key(event, &id));
                for key in listed.iter().cloned().chain(keys) {
                    let row = self.oracle.delivery(&key).await.expect("the oracle reads");
                    let belongs = row.as_ref().is_some_and(|row| states.contains(&row.state));
                    if belongs != listed.contains(&key) {
                        let text = format!("{row:?} does not agree with {list:?} {listed:?}");
                        self.ledger().violation(text);
                    }
                }
            }
        }
    }

    /// Each tenant's list has each of its events that are stored, once, the newest first.
    async fn judge_events(&self, events: &BTreeMap<u64, Event>) {
        let all = EventFilter {
            event_types: None,
            span: Span::ALL,
        };
        for number in 0..self.wire.plan.tenants {
            let tenant = self.wire.plan.tenant_of(number);
            let (mut listed, mut after) = (Vec::new(), None::<String>);
            loop {
                let (tenants, order) = ([tenant.clone()], Order::NewestFirst);
                let page = self
                    .oracle
                    .events_page(&tenants, &all, order, after.as_deref(), 2);
                let (events, next) = page.await.expect("the oracle reads");
                listed.extend(
                    events
                        .into_iter()
                        .map(|event| (event.accepted_ms, event.id)),
                );
                match next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            let own = events.values().filter(|event| event.tenant == tenant);
            let own: BTreeSet<_> = own
                .map(|event| (event.accepted_ms, event.id.clone()))
                .collect();
            let ordered = listed.is_sorted_by(|(newer, _), (older, _)| newer >= older);
            let distinct: BTreeSet<_> = listed.iter().cloned().collect();
            if !ordered || distinct.len() != listed.len() || !distinct.is_superset(&own) {
                let text = format!("{tenant} has {own:?}, but its list {listed:?}");
                self.ledger().violation(text);
            }
        }
    }

    /// The events that are stored, by number.
    pub(crate) async fn events(&self) -> BTreeMap<u64, Event> {
        let plan = &self.wire.plan;
        let known: Vec<_> = {
            let ledger = self.ledger();
            let ids = ledger.events.iter().map(|(number, known)| {
                let id = known.accepted.as_ref().map(|accepted| accepted.id.clone());
                (*number, id)
            });
            ids.collect()
        };
        let mut events = BTreeMap::new();
        for (number, id) in known {
            let name = || plan.name_of(number).try_into().expect("it is an id");
            let id = id.unwrap_or_else(name);
            let event = self.oracle.event(&plan.tenant_of(number), &id).await;
            if let Some(event) = event.expect("the oracle reads") {
                events.insert(number, event);
            }
        }
        events
    }

    /// Judges the end; answers how many attempts are in the log.
    pub(crate) async fn judge(&self) -> usize {
        self.judge_lists().await;
        self.judge_the_dead().await;
        let mut logs = BTreeMap::new();
        for number in 0..self.wire.plan.webhooks {
            logs.insert(webhook_id(number), self.log(number).await);
        }
        self.read_recoveries().await;
        self.read_cancelling().await;
        let events = self.events().await;
        let promised: Vec<_> = {
            let ledger = self.ledger();
            let promised = ledger
                .events
                .iter()
                .filter(|(_, known)| known.accepted.is_some());
            promised.map(|(number, _)| *number).collect()
        };
        for number in promised {
            match events.get(&number) {
                None if self.is_kept_briefly(number) => {}
                None => self.ledger().violation(format!("event {number} is gone")),
                Some(event) => {
                    let matches = self.oracle.matches(event).await.expect("the oracle reads");
                    let matches = matches
                        .into_iter()
                        .map(|found| (found.webhook, found.active));
                    self.ledger().judge_matches(number, &matches.collect());
                }
            }
        }
        for (number, event) in &events {
            // Its rows and its log go piece by piece.
            if !self.is_kept_briefly(*number) {
                self.judge_deliveries(*number, event, &logs).await;
            }
        }
        self.judge_recoveries(&logs).await;
        // The log that notices name may have expired.
        if self.ledger().aged_ms.is_none() {
            self.judge_notices(&events, &logs).await;
        }
        logs.values().map(Vec::len).sum()
    }

    /// Whether an event is of a tenant whose retention is a minute by now.
    fn is_kept_briefly(&self, event: u64) -> bool {
        self.wire.is_old() && self.wire.plan.is_brief(event)
    }

    /// What is none of Rung's lies among the dead letters, and nothing else does.
    async fn judge_the_dead(&self) {
        let mut buried = 0;
        for queue in DEAD {
            loop {
                let received = self
                    .sqs(
                        "ReceiveMessage",
                        json!({"QueueUrl": queue_url(queue), "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}),
                    )
                    .await;
                let Some(messages) = received["Messages"]
                    .as_array()
                    .filter(|all| !all.is_empty())
                else {
                    break;
                };
                buried += messages.len() as u64;
                for message in messages.iter().filter(|message| message["Body"] != POISON) {
                    let text = format!("{} is in {queue}", message["Body"]);
                    self.ledger().violation(text);
                }
            }
        }
        let poison = self.ledger().poison;
        if buried < poison {
            let text = format!("of {poison} messages that make no sense {buried} are buried");
            self.ledger().violation(text);
        }
    }

    async fn judge_deliveries(
        &self,
        number: u64,
        event: &Event,
        logs: &BTreeMap<WebhookId, Vec<Attempt>>,
    ) {
        let matches = self.oracle.matches(event).await.expect("the oracle reads");
        let matches = matches
            .into_iter()
            .map(|found| (found.webhook, found.active));
        let matches: BTreeMap<_, _> = matches.collect();
        // What an event did not match, a recovery may send it to.
        for (id, log) in logs {
            let webhook_number = number_of(id.as_str());
            if self.wire.plan.tenant_of(webhook_number) != event.tenant {
                continue;
            }
            let key = key(event, id);
            let webhook = self.oracle.webhook(&key.tenant, &key.webhook).await;
            let webhook = webhook.expect("the oracle reads");
            let row = self.oracle.delivery(&key).await.expect("the oracle reads");
            let mut log: Vec<_> = log
                .iter()
                .filter(|entry| entry.key.delivery == key)
                .collect();
            log.sort_by_key(|attempt| (attempt.key.n, attempt.key.due_ms));
            let dialect = log
                .first()
                .and_then(|attempt| self.dialects.get(&attempt.dialect));
            let told = Told {
                webhook: webhook.as_ref(),
                dialect: dialect.map(AsRef::as_ref),
                active: matches.get(id) == Some(&true),
                accepted_ms: event.accepted_ms,
                row: row.as_ref(),
                log,
            };
            let mut ledger = self.ledger();
            let known = ledger.events.get(&number);
            let accepted = known.is_some_and(|known| known.accepted.is_some());
            let promised = accepted && matches.contains_key(id);
            ledger.judge(key.webhook.as_str(), key.event.as_str(), promised, &told);
        }
    }

    /// How many attempts the statistics count. An addition that fails may be made twice or be lost: they are exact without faults.
    pub(crate) async fn counted(&self) -> u64 {
        let mut counted = 0;
        for number in 0..self.wire.plan.webhooks {
            let (tenant, id) = (self.wire.plan.tenant_of(number), webhook_id(number));
            let hours = self.oracle.counts_of(&tenant, &id, None, Span::ALL).await;
            let hours = hours.expect("the oracle reads").into_iter();
            counted += hours
                .map(|(_, counts)| counts.succeeded + counts.failed)
                .sum::<u64>();
        }
        counted
    }

    /// The whole log of a webhook.
    async fn log(&self, number: u64) -> Vec<Attempt> {
        let tenant = self.wire.plan.tenant_of(number);
        let page = self
            .oracle
            .log_page(
                &Log::whole(&tenant, &webhook_id(number)),
                &LogFilter::default(),
                Order::NewestFirst,
                None,
                1_000,
            )
            .await;
        page.expect("the oracle reads").0
    }
}

/// The name of an event's delivery to a webhook.
pub(crate) fn key(event: &Event, webhook: &WebhookId) -> DeliveryKey {
    DeliveryKey {
        tenant: event.tenant.clone(),
        webhook: webhook.clone(),
        event: event.id.clone(),
        accepted_ms: event.accepted_ms,
    }
}
