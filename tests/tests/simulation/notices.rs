//! What the operator is notified of, in runs with somebody to notify: of nothing that did not happen, and of each disabling that still
//! stands and each ladder that was used up.

use std::collections::{BTreeMap, BTreeSet};

use rung_core::{
    domain::{
        attempt::{Attempt, Outcome},
        audit::{Action, Entry},
        delivery::State,
        id::{TenantId, WebhookId},
        tenant::OPERATORS_OWN,
        time::Time,
        webhook::Webhook,
    },
    store::{
        audit::{AuditFilter, Whose},
        event_list::EventFilter,
        events::Event,
        span::{Order, Span},
    },
};
use rung_dialect::DEFAULT;
use serde_json::Value;

use crate::{
    judge::key,
    world::{World, webhook_id},
};

/// An event that the operator got.
struct Told {
    event_type: String,
    data: Value,
}

impl Told {
    fn text(&self, member: &str) -> &str {
        self.data[member].as_str().unwrap_or_default()
    }

    /// What is told of a webhook at this time.
    fn of(&self, time: &str) -> (String, String) {
        (
            self.text("webhook_id").to_owned(),
            self.text(time).to_owned(),
        )
    }
}

pub(crate) fn operator() -> TenantId {
    TenantId::parse(OPERATORS_OWN).expect("it is an id")
}

impl World {
    pub(crate) async fn judge_notices(
        &self,
        events: &BTreeMap<u64, Event>,
        logs: &BTreeMap<WebhookId, Vec<Attempt>>,
    ) {
        if !self.wire.plan.operator {
            return;
        }
        let told = self.told().await;
        let times = |event_type: &str, time: &str| -> BTreeSet<_> {
            let told = told.iter().filter(|told| told.event_type == event_type);
            told.map(|told| told.of(time)).collect()
        };
        self.judge_log_entries(&told, logs).await;
        let ended = times("webhook.recovered", "failing_since");
        self.must_be_within(
            "recovered",
            &ended,
            &times("webhook.failing", "failing_since"),
        );
        let (paused, resumed) = (
            times("webhook.paused", "paused_at"),
            times("webhook.resumed", "paused_at"),
        );
        self.must_be_within("resumed", &resumed, &paused);
        self.must_be_within("no longer paused", &self.over(paused).await, &resumed);
        let (disabled, told_of) = (
            self.disabled_by_rules().await,
            times("webhook.disabled", "disabled_at"),
        );
        self.must_be_within("told as disabled", &told_of, &disabled);
        self.must_be_within(
            "still disabled",
            &self.still_disabled(disabled).await,
            &told_of,
        );
        let used_up = told
            .iter()
            .filter(|told| told.event_type == "delivery.failed");
        let used_up = used_up
            .map(|told| told.text("delivery_id").to_owned())
            .collect();
        self.must_be_within("failed", &self.failed(events).await, &used_up);
    }

    fn must_be_within<T: Ord + std::fmt::Debug>(
        &self,
        what: &str,
        these: &BTreeSet<T>,
        those: &BTreeSet<T>,
    ) {
        let others: Vec<_> = these.difference(those).collect();
        if !others.is_empty() {
            let text =
                format!("{others:?} are {what}, and the operator's events do not agree: {those:?}");
            self.ledger().violation(text);
        }
    }

    /// The log entries that are named are there, and say the same.
    async fn judge_log_entries(&self, told: &[Told], logs: &BTreeMap<WebhookId, Vec<Attempt>>) {
        for told in told {
            let Ok(id) = WebhookId::parse(told.text("webhook_id")) else {
                self.ledger()
                    .violation(format!("{} of no webhook", told.event_type));
                continue;
            };
            let number = crate::world::number_of(id.as_str());
            let tenant = self.wire.plan.tenant_of(number);
            let webhook = self.oracle.webhook(&tenant, &id).await;
            // The log of a webhook that was deleted is erased.
            let is_first = webhook
                .expect("the oracle reads")
                .is_some_and(|it| it.first_epoch == 0);
            if told.data["log_id"].is_null() || !is_first {
                continue;
            }
            let mut log = logs[&id].iter();
            let found = log.find(|attempt| attempt.key.log_id().to_string() == told.text("log_id"));
            let agrees = found.is_some_and(|attempt| {
                // A copy of its message may have had success since.
                let succeeded = attempt.outcome == Outcome::Succeeded;
                let failed = !succeeded
                    || self
                        .ledger()
                        .was_made_twice(attempt, 2 * self.wire.plan.skew_ms);
                let is_event = attempt.key.delivery.event.as_str() == told.text("event_id");
                let expected = match &*told.event_type {
                    "webhook.recovered" => succeeded,
                    "webhook.failing" | "webhook.disabled" => failed,
                    "delivery.failed" => failed && attempt.next_due_ms.is_none(),
                    _ => true,
                };
                is_event && expected
            });
            if !agrees {
                let text = format!(
                    "{} {} does not agree with {found:?}",
                    told.event_type, told.data
                );
                self.ledger().violation(text);
            }
        }
    }

    /// The deliveries that the operator was told have failed, if there is somebody to tell.
    pub(crate) async fn told_of_failures(&self) -> Option<BTreeSet<String>> {
        if !self.wire.plan.operator {
            return None;
        }
        let told = self.told().await.into_iter();
        let failed = told.filter(|told| told.event_type == "delivery.failed");
        Some(
            failed
                .map(|told| told.text("delivery_id").to_owned())
                .collect(),
        )
    }

    /// All that the operator's tenant got.
    async fn told(&self) -> Vec<Told> {
        let all = EventFilter {
            event_types: None,
            span: Span::ALL,
        };
        let tenants = [operator()];
        let page = self
            .oracle
            .events_page(&tenants, &all, Order::OldestFirst, None, 10_000);
        let (events, _) = page.await.expect("the oracle reads");
        let dialect = self.dialects.get(DEFAULT).expect("it is compiled in");
        let mut told = Vec::with_capacity(events.len());
        for event in events {
            let body = self.oracle.body(&event, DEFAULT).await;
            let body = body.expect("the oracle reads").expect("it has a body");
            let data = dialect.data_of(&body).expect("it has data");
            told.push(Told {
                event_type: event.event_type,
                data: serde_json::to_value(data).expect("it is JSON"),
            });
        }
        told
    }

    /// Which webhooks were disabled by a rule, and when.
    async fn disabled_by_rules(&self) -> BTreeSet<(String, String)> {
        let filter = AuditFilter {
            whose: Whose::Deployment,
            actors: Vec::new(),
            actions: vec![Action::WebhookDisabled.as_str().to_owned()],
            targets: Vec::new(),
            since_ms: None,
            until_ms: None,
            order: Order::OldestFirst,
        };
        let page = self.oracle.audit_page(&filter, None, 10_000).await;
        let (entries, _) = page.expect("the oracle reads");
        let disabled = |entry: Entry| {
            let change = entry
                .record
                .changes
                .into_iter()
                .find(|it| it.field == "disabled")?;
            Some((
                entry.record.target.id,
                change.after["at"].as_str()?.to_owned(),
            ))
        };
        entries.into_iter().filter_map(disabled).collect()
    }

    /// Those of these pauses that have ended, as far as whoever ended them by hand has lived to tell it.
    async fn over(&self, mut paused: BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
        for number in 0..self.wire.plan.webhooks {
            let (tenant, id) = (self.wire.plan.tenant_of(number), webhook_id(number));
            let webhook = self.oracle.webhook(&tenant, &id).await;
            let webhook = webhook.expect("the oracle reads");
            let pause = webhook.as_ref().and_then(Webhook::present_pause);
            let present = pause.filter(|pause| pause.ended_ms.is_none());
            let present = present.map(|pause| Time::at_ms(pause.since_ms).to_string());
            let unsure = self.ledger().unsure.contains(id.as_str());
            paused.retain(|(of, since)| {
                of != id.as_str() || !unsure && Some(since) != present.as_ref()
            });
        }
        paused
    }

    /// Those of them that are disabled for it still: what ended before its notice was sent is not told.
    async fn still_disabled(
        &self,
        mut disabled: BTreeSet<(String, String)>,
    ) -> BTreeSet<(String, String)> {
        let mut present = BTreeSet::new();
        for number in 0..self.wire.plan.webhooks {
            let (tenant, id) = (self.wire.plan.tenant_of(number), webhook_id(number));
            let webhook = self.oracle.webhook(&tenant, &id).await;
            if let Some(disabled) = webhook
                .expect("the oracle reads")
                .and_then(|it| it.disabled)
            {
                present.insert((
                    id.as_str().to_owned(),
                    Time::at_ms(disabled.at_ms).to_string(),
                ));
            }
        }
        disabled.retain(|one| present.contains(one));
        disabled
    }

    /// The deliveries whose ladder is used up.
    async fn failed(&self, events: &BTreeMap<u64, Event>) -> BTreeSet<String> {
        let mut failed = BTreeSet::new();
        for event in events.values() {
            for number in 0..self.wire.plan.webhooks {
                let key = key(event, &webhook_id(number));
                let row = self.oracle.delivery(&key).await.expect("the oracle reads");
                if row.is_some_and(|row| row.state == State::Failed) {
                    failed.insert(key.uuid().to_string());
                }
            }
        }
        failed
    }
}
