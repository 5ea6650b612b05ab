//! Recoveries: how people ask for them, and what must have come of each.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use rung_base::clock::timestamp;
use rung_core::{
    domain::{
        attempt::{Attempt, AttemptKey, Outcome, Trigger},
        delivery::{Delivery, State},
        id::{DeliveryKey, EventId, JobId, WebhookId},
        job::{Job, Reach, Status, Work},
        message::{At, JobPage, Run},
        recovery::{Recovery, Scope},
        webhook::Webhook,
    },
    limits::OVERDUE_MS,
    store::events::Event,
};
use serde_json::{Value, json};

use crate::{
    judge::key,
    ledger::Ledger,
    world::{START_MS, World, webhook_id},
};

/// A recovery that somebody asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    webhook: WebhookId,
    since_ms: u64,
    until_ms: Option<u64>,
    scope: Scope,
    /// Whether it was for all of the tenant's webhooks, of which it has one `Asked` each.
    of_tenant: bool,
    /// By the world's clock, before the call.
    asked_ms: u64,
    /// The webhook's epoch then, if it was active.
    epoch: Option<u64>,
    /// Those that were begun by then: such a one has gone through a part of it already.
    earlier: BTreeSet<JobId>,
    /// What it had to find from then on.
    found: Vec<Found>,
    /// Its job, once it was answered with 202.
    job: Option<JobId>,
}

/// A delivery that stood in the scope of a recovery before that was asked for.
#[derive(Debug, Clone)]
struct Found {
    key: DeliveryKey,
    /// Where it stood: 1 without a row.
    n: u32,
}

/// All that is known of recoveries.
#[derive(Default)]
pub(crate) struct Recoveries {
    asked: Vec<Asked>,
    /// Those of which a queue has taken a page.
    begun: BTreeSet<JobId>,
    /// When a queue has taken the last page of each, in milliseconds.
    paged: BTreeMap<JobId, u64>,
    /// Where they came by, by the pages that a queue has taken.
    runs: BTreeMap<JobId, Vec<Run>>,
    /// Those that somebody asked to cancel.
    cancelled: BTreeSet<JobId>,
    /// What became of them, read at the end, at each webhook.
    ended: Vec<(Recovery, Job)>,
    /// The recovery that each of the fresh ladders' first attempts is of.
    jobs: BTreeMap<AttemptKey, u64>,
}

impl Recoveries {
    /// Notes that a queue has taken a page.
    pub(crate) fn page(&mut self, page: &JobPage, now_ms: u64) {
        let At::Recover(at) = &page.at else {
            return;
        };
        self.paged.insert(page.job.clone(), now_ms);
        self.begun.insert(page.job.clone());
        let runs = self.runs.entry(page.job.clone()).or_default();
        runs.extend(at.run.clone().filter(|run| !runs.contains(run)));
    }

    /// Notes that a queue has taken the first attempt of a fresh ladder.
    pub(crate) fn sent(&mut self, key: AttemptKey, job: u64) {
        self.jobs.insert(key, job);
    }

    /// Whether somebody asked for a recovery that sends also what was cancelled.
    pub(crate) fn any_asked(&self, webhook: &str) -> bool {
        let mut own = self
            .asked
            .iter()
            .filter(|asked| asked.webhook.as_str() == webhook);
        own.any(|asked| asked.scope == Scope::Any)
    }

    /// Fresh ladders begin where somebody asked for them, in the span and among the states that were named; none begins twice.
    pub(crate) fn faults_of_log(&self, log: &[&Attempt]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut applied = BTreeMap::new();
        for (place, attempt) in log.iter().enumerate() {
            if attempt.trigger != Trigger::Recover {
                continue;
            }
            let n = attempt.key.n;
            let Some(job) = self.jobs.get(&attempt.key) else {
                faults.push(format!("attempt {n} is of no recovery"));
                continue;
            };
            if let Some(earlier) = applied.insert(job, n) {
                faults.push(format!("recovery {job} made attempts {earlier} and {n}"));
            }
            let delivery = &attempt.key.delivery;
            let of_number = |recovery: &&Recovery| {
                (&recovery.run.webhook, recovery.run.number) == (&delivery.webhook, *job)
            };
            let begun = self.ended.iter().map(|(recovery, _)| recovery);
            let begun: Vec<_> = begun.filter(of_number).collect();
            let before = place.checked_sub(1).and_then(|before| log.get(before));
            let fits = |recovery: &&Recovery| {
                let selection = &recovery.selection;
                (selection.since_ms..=selection.until_ms).contains(&delivery.accepted_ms)
                    && self.asked.iter().any(|asked| asked.is(recovery))
                    && may_begin(recovery, attempt, before.copied())
            };
            if !begun.iter().any(fits) {
                faults.push(format!(
                    "attempt {n} after {before:?} does not follow from {begun:?}"
                ));
            }
        }
        faults
    }
}

impl Asked {
    /// Whether this asks for such a recovery.
    fn is(&self, recovery: &Recovery) -> bool {
        let selection = &recovery.selection;
        self.webhook == recovery.run.webhook
            && self.since_ms == selection.since_ms
            && self.scope == selection.scope
            // At most now, by the function's clock.
            && self
                .until_ms
                .is_none_or(|until_ms| until_ms >= selection.until_ms)
    }
}

/// Whether a recovery may begin a ladder after such an entry of the log, as far as that can be told from it.
fn may_begin(recovery: &Recovery, attempt: &Attempt, before: Option<&Attempt>) -> bool {
    let Scope::States(states) = &recovery.selection.scope else {
        return true;
    };
    let n = attempt.key.n;
    states.iter().any(|state| match state {
        // Its last attempt was made, and nothing was to follow. A slow copy of that may have succeeded meanwhile.
        State::Failed => {
            before.is_some_and(|before| before.key.n + 1 == n && before.next_due_ms.is_none())
        }
        State::Missed => n == 2 && before.is_none(),
        // It was stopped before an attempt, which a slow copy may have made nevertheless.
        State::Held => true,
        // That is sent as by hand.
        State::Pending | State::Succeeded | State::Cancelled => false,
    })
}

impl World {
    /// Somebody asks for a recovery, and perhaps again.
    pub(crate) async fn recover(&self, number: u64, path: &str) {
        let chance = &self.wire.chance;
        let (tenant, id) = (self.wire.plan.tenant_of(number), webhook_id(number));
        let webhook = self.oracle.webhook(&tenant, &id).await;
        let webhook = webhook.expect("the oracle reads");
        let disabled = webhook.is_some_and(|webhook| webhook.disabled.is_some());
        if disabled && chance.happens(0.7) {
            let change = json!({"status": "active"});
            self.call("PATCH", number, path, change).await;
        }
        let now_ms = self.clock.now_ms();
        // Before all that clocks may say.
        let first_ms = START_MS - 60_000;
        let since_ms = match chance.between(0, 3) {
            0 => chance.between(first_ms, now_ms - 10_000),
            _ => first_ms,
        };
        let until_ms = chance.happens(0.3);
        let until_ms = until_ms.then(|| chance.between(since_ms.max(START_MS - 10_000), now_ms));
        let (scope, statuses) = self.any_scope();
        let mut request = json!({"since": timestamp(since_ms).to_string()});
        if let Some(until_ms) = until_ms {
            request["until"] = timestamp(until_ms + 1).to_string().into();
        }
        if !statuses.is_null() {
            request["statuses"] = statuses;
        }
        let idempotency = chance.happens(0.4);
        let idempotency = idempotency.then(|| format!("k{}", chance.between(0, 999_999)));
        let of_tenant = chance.happens(0.25);
        let (path, numbers) = if of_tenant {
            let all = 0..self.wire.plan.webhooks;
            let own = all.filter(|number| self.wire.plan.tenant_of(*number) == tenant);
            ("/v1/recover".to_owned(), own.collect())
        } else {
            (format!("{path}/recover"), vec![number])
        };
        let mut asked = 0..0;
        for _ in 0..chance.between(1, 3) {
            // Under a key it is the one that was asked for first.
            if asked.is_empty() || idempotency.is_none() {
                let mut all = Vec::new();
                for number in &numbers {
                    all.push(Asked {
                        of_tenant,
                        since_ms,
                        until_ms,
                        ..self.asked(*number, &scope).await
                    });
                }
                let known = &mut self.ledger().recoveries.asked;
                asked = known.len()..known.len() + all.len();
                known.extend(all);
            }
            let stopped = self.stopped().await;
            let answer = self
                .call_once(
                    "POST",
                    number,
                    &path,
                    request.clone(),
                    idempotency.as_deref(),
                )
                .await;
            // Whatever matches is sent by the one that runs; what has a key is answered as before.
            let is_another = scope != Scope::Any && idempotency.is_none();
            let is_begun = answer
                .as_ref()
                .is_some_and(|(status, _)| *status == StatusCode::ACCEPTED);
            if is_another && is_begun {
                self.judge_stopped(stopped).await;
            }
            for asked in asked.clone() {
                self.ledger().recovery_answered(asked, answer.clone());
            }
            self.pause(0, *chance.pick(&[10, 5_000, 120_000])).await;
        }
        let job = self.ledger().recoveries.asked[asked.start].job.clone();
        if let Some(job) = job.clone().filter(|_| chance.happens(0.1)) {
            self.ledger().recoveries.cancelled.insert(job.clone());
            let path = format!("/v1/jobs/{job}/cancel");
            self.call("POST", number, &path, Value::Null).await;
        }
        if idempotency.is_some() && job.is_some() && chance.happens(0.3) {
            request["since"] = timestamp(since_ms - 1).to_string().into();
            let answer = self
                .call_once("POST", number, &path, request, idempotency.as_deref())
                .await;
            if answer.is_some_and(|(status, _)| status.is_success()) {
                let text = format!("{id}: another recovery began under the same key");
                self.ledger().violation(text);
            }
        }
    }

    /// Recoveries whose pages nobody can expect any more, and the time in milliseconds.
    async fn stopped(&self) -> (Vec<Job>, u64) {
        let now_ms = self.clock.now_ms();
        let jobs = self.oracle.open_jobs(None, 100).await;
        let mut jobs = jobs.expect("the oracle reads").items;
        // By any function's clock.
        let by_ms = now_ms.saturating_sub(OVERDUE_MS + 10_000);
        jobs.retain(|job| matches!(job.task.work, Work::Recover(_)) && job.is_overdue(by_ms));
        (jobs, now_ms)
    }

    /// Whoever begins a recovery has those that have stopped go on.
    async fn judge_stopped(&self, (jobs, asked_ms): (Vec<Job>, u64)) {
        for before in jobs {
            let job = self.oracle.job(&before.task.id).await;
            let stands = job
                .expect("the oracle reads")
                .is_some_and(|job| job.status.is_open() && job.page.number == before.page.number);
            let mut ledger = self.ledger();
            let paged_ms = ledger.recoveries.paged.get(&before.task.id);
            if stands && paged_ms.is_none_or(|paged_ms| *paged_ms < asked_ms) {
                let text = format!("{before:?} has stopped, and does not go on with another");
                ledger.violation(text);
            }
        }
    }

    /// A recovery of everything at a webhook, as it is before it is asked for.
    async fn asked(&self, number: u64, scope: &Scope) -> Asked {
        let found = self.recoverable(number, scope).await;
        let webhook = self.oracle_webhook(number).await;
        Asked {
            webhook: webhook_id(number),
            since_ms: 0,
            until_ms: None,
            scope: scope.clone(),
            of_tenant: false,
            asked_ms: self.clock.now_ms(),
            epoch: webhook
                .filter(|webhook| webhook.disabled.is_none())
                .map(|webhook| webhook.epoch),
            earlier: self.ledger().recoveries.begun.clone(),
            found,
            job: None,
        }
    }

    /// What is to be recovered, and how one says so.
    fn any_scope(&self) -> (Scope, Value) {
        let all = [State::Failed, State::Held, State::Missed];
        let states: &[State] = match self.wire.chance.between(0, 11) {
            0..=2 => return (Scope::States(all.into()), Value::Null),
            3 => &[State::Failed],
            4 => &[State::Held],
            5 => &[State::Missed],
            6 => &[State::Missed, State::Held],
            7 => &[State::Pending],
            8 => &[State::Pending, State::Failed, State::Held],
            _ => return (Scope::Any, json!(["any"])),
        };
        (Scope::States(states.to_vec()), json!(states))
    }

    /// The deliveries that stand in the scope of a recovery now.
    async fn recoverable(&self, number: u64, scope: &Scope) -> Vec<Found> {
        let (tenant, id) = (self.wire.plan.tenant_of(number), webhook_id(number));
        let webhook = self.oracle.webhook(&tenant, &id).await;
        let Some(webhook) = webhook.expect("the oracle reads") else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let now_ms = self.clock.now_ms();
        // By any function's clock.
        let is_due = |row: &Delivery| {
            state(row, &webhook) == State::Pending && row.position.due_ms <= now_ms + 10_000
        };
        let matched = self.matched(&webhook).await;
        let left_behind = |event: &Event| {
            webhook.epoch > webhook.first_epoch
                && webhook.disabled.is_none()
                && event.accepted_ms + 10_000 < webhook.enabled_ms
                && event.accepted_ms > webhook.first_epoch
                && matched.contains(&event.id)
        };
        for event in self.events().await.into_values() {
            if event.tenant != tenant {
                continue;
            }
            let key = key(&event, &id);
            let first = AttemptKey::first_of(&key);
            let row = self.oracle.delivery(&key).await.expect("the oracle reads");
            let first = self.oracle.attempt(&first).await.expect("the oracle reads");
            let sayable = event.bodies.contains_key(&webhook.dialect);
            let is_found = match scope {
                Scope::States(states) => match &row {
                    Some(row) => states.contains(&state(row, &webhook)) && !is_due(row),
                    // It will be held: its message is of a time before the webhook was disabled.
                    None => states.contains(&State::Held) && first.is_none() && left_behind(&event),
                },
                Scope::Any => {
                    sayable
                        && match (&row, &first) {
                            (Some(row), None) => is_unsuccessful(row.state),
                            (Some(row), Some(_)) => !is_due(row),
                            (None, Some(first)) => first.outcome == Outcome::Succeeded,
                            (None, None) => true,
                        }
                }
            };
            if is_found {
                let n = row.map_or(1, |row| row.position.n);
                found.push(Found { key, n });
            }
        }
        found
    }

    /// The events that matched a webhook while it was active.
    async fn matched(&self, webhook: &Webhook) -> BTreeSet<EventId> {
        let mut matched = BTreeSet::new();
        for event in self.events().await.into_values() {
            if event.tenant != webhook.tenant {
                continue;
            }
            let matches = self.oracle.matches(&event).await.expect("the oracle reads");
            if matches
                .iter()
                .any(|found| found.active && found.webhook == webhook.id)
            {
                matched.insert(event.id);
            }
        }
        matched
    }

    /// Reads what became of the recoveries.
    pub(crate) async fn read_recoveries(&self) {
        let begun = self.ledger().recoveries.begun.clone();
        for id in begun {
            let job = self.oracle.job(&id).await.expect("the oracle reads");
            let Some(job) = job else {
                continue;
            };
            let mut ledger = self.ledger();
            let recoveries = if is_of_webhook(&job) {
                Vec::from_iter(Recovery::of(&job))
            } else {
                let runs = ledger.recoveries.runs.get(&id).into_iter().flatten();
                runs.filter_map(|run| Recovery::begun(&job.task, run.clone()))
                    .collect()
            };
            let ended = recoveries.into_iter().map(|it| (it, job.clone()));
            ledger.recoveries.ended.extend(ended);
        }
    }

    /// Each recovery has ended, and has done what it was for.
    pub(crate) async fn judge_recoveries(&self, logs: &BTreeMap<WebhookId, Vec<Attempt>>) {
        let (asked, cancelled, ended) = {
            let recoveries = &self.ledger().recoveries;
            (
                recoveries.asked.clone(),
                recoveries.cancelled.clone(),
                recoveries.ended.clone(),
            )
        };
        for (recovery, job) in &ended {
            let webhook = self
                .oracle
                .webhook(&recovery.run.tenant, &recovery.run.webhook)
                .await;
            let webhook = webhook.expect("the oracle reads");
            let as_told = match job.status {
                Status::Queued | Status::Running => false,
                Status::Failed => {
                    is_of_webhook(job)
                        && webhook.is_none_or(|webhook| webhook.epoch != recovery.run.epoch)
                }
                Status::Cancelled => cancelled.contains(&job.task.id),
                Status::Succeeded => true,
            };
            if !as_told {
                let text = format!("{recovery:?} came to no end: {job:?}");
                self.ledger().violation(text);
            }
        }
        for asked in &asked {
            let Some(id) = &asked.job else {
                continue;
            };
            let mut own = ended.iter().filter(|(_, job)| job.task.id == *id);
            let Some((recovery, job)) = own.find(|(recovery, _)| asked.is(recovery)) else {
                if asked.of_tenant {
                    self.judge_passed_over(asked, id, logs).await;
                    continue;
                }
                let text = format!("{asked:?} was answered with what is another's, or nowhere");
                self.ledger().violation(text);
                continue;
            };
            let is_done = job.status == Status::Succeeded && !asked.earlier.contains(id);
            if let Some(ended_ms) = job.ended_ms.filter(|_| is_done) {
                self.judge_done(asked, recovery, ended_ms, logs).await;
            }
        }
    }

    /// A recovery of all webhooks came by each that was active all the time, and had something to be sent.
    async fn judge_passed_over(
        &self,
        asked: &Asked,
        id: &JobId,
        logs: &BTreeMap<WebhookId, Vec<Attempt>>,
    ) {
        let Scope::States(states) = &asked.scope else {
            // Another job may have sent it the same meanwhile.
            return;
        };
        let tenant = asked.found.first().map(|found| &found.key.tenant);
        let (Some(tenant), Some(job)) = (tenant, self.oracle.job(id).await.expect("it reads"))
        else {
            return;
        };
        let webhook = self.oracle.webhook(tenant, &asked.webhook).await;
        let Some(webhook) = webhook.expect("the oracle reads") else {
            return;
        };
        let (Some(ended_ms), Status::Succeeded) = (job.ended_ms, job.status) else {
            return;
        };
        if asked.epoch != Some(webhook.epoch) {
            return;
        }
        let span = asked.since_ms..=asked.until_ms.unwrap_or(asked.asked_ms);
        for found in &asked.found {
            let row = self.oracle.delivery(&found.key).await;
            let stands = row.expect("the oracle reads").is_some_and(|row| {
                match row.dues_ms.get(found.n as usize - 1) {
                    // Something else may have sent it first. By any function's clock, and as slowly as somebody asked for.
                    Some(next_due_ms) => *next_due_ms > ended_ms + 60_000,
                    None => states.contains(&state(&row, &webhook)),
                }
            });
            let log = logs.get(&asked.webhook).into_iter().flatten();
            let mut log = log.filter(|entry| entry.key.delivery == found.key);
            let excused = log.any(|entry| is_meanwhile(entry, found, asked, ended_ms))
                || self.ledger().may_be_cancelled(&found.key);
            if stands && !excused && span.contains(&found.key.accepted_ms) {
                let text = format!("{job:?} is done, and has passed {found:?} over");
                self.ledger().violation(text);
            }
        }
    }

    /// What a recovery had to find was sent again, save what was stopped.
    async fn judge_done(
        &self,
        asked: &Asked,
        recovery: &Recovery,
        ended_ms: u64,
        logs: &BTreeMap<WebhookId, Vec<Attempt>>,
    ) {
        // A wait whose own attempt came before the page did is over.
        let waits =
            matches!(&asked.scope, Scope::States(states) if states.contains(&State::Pending));
        let webhook = self
            .oracle
            .webhook(&recovery.run.tenant, &recovery.run.webhook)
            .await;
        let Some(webhook) = webhook.expect("the oracle reads") else {
            return;
        };
        // One of all webhooks leaves out what is disabled on the way.
        if asked.of_tenant && webhook.epoch > recovery.run.epoch {
            return;
        }
        let span = recovery.selection.since_ms..=recovery.selection.until_ms;
        if asked.scope == Scope::Any && recovery.run.epoch == webhook.epoch {
            self.judge_missing_events(asked, recovery, &webhook).await;
        }
        for found in &asked.found {
            if !span.contains(&found.key.accepted_ms) {
                continue;
            }
            let row = self.oracle.delivery(&found.key).await;
            let row = row.expect("the oracle reads");
            let log = logs.get(&asked.webhook).into_iter().flatten();
            let log = log.filter(|entry| entry.key.delivery == found.key);
            let log: Vec<_> = log.collect();
            let mut made = log.iter();
            if waits && made.any(|entry| is_meanwhile(entry, found, asked, ended_ms)) {
                continue;
            }
            let mut ledger = self.ledger();
            if !ledger.is_recovered(asked, recovery, &webhook, found, row.as_ref(), &log) {
                let text = format!("{recovery:?} is done, but {found:?} is {row:?}, log {log:?}");
                ledger.violation(text);
            }
        }
    }
}

impl World {
    /// A recovery of whatever was accepted leaves nothing that its webhook's receiver hasn't got and no row tells of.
    async fn judge_missing_events(&self, asked: &Asked, recovery: &Recovery, webhook: &Webhook) {
        let name = webhook.id.as_str();
        let replaced = {
            let ledger = self.ledger();
            let since = |latest_ms: &u64| *latest_ms >= asked.asked_ms;
            let deleted = ledger.deleted.get(name).is_some_and(since);
            deleted || ledger.imported.get(name).is_some_and(since)
        };
        let span = recovery.selection.since_ms..=recovery.selection.until_ms;
        for event in self.events().await.into_values() {
            // It is in the list from the moment on that it was accepted, by any function's clock.
            let was_there = event.accepted_ms + 10_000 < asked.asked_ms;
            let sayable = event.bodies.contains_key(&webhook.dialect);
            let own = event.tenant == webhook.tenant && span.contains(&event.accepted_ms);
            if replaced || !own || !was_there || !sayable {
                continue;
            }
            let key = key(&event, &webhook.id);
            let row = self.oracle.delivery(&key).await.expect("the oracle reads");
            let mut ledger = self.ledger();
            let has_it = ledger.has(name, event.id.as_str());
            if !has_it && row.is_none() {
                let text = format!("{recovery:?} is done, and {name} has not got {}", event.id);
                ledger.violation(text);
            }
        }
    }
}

impl Ledger {
    fn recovery_answered(&mut self, asked: usize, answer: Option<(StatusCode, Value)>) {
        let Some((status, body)) = answer else {
            return;
        };
        let asked = &mut self.recoveries.asked[asked];
        let fault = match status {
            StatusCode::ACCEPTED => {
                let id = body["data"]["job"]["id"].as_str();
                let job = id.and_then(|id| JobId::parse(id).ok());
                let earlier = std::mem::replace(&mut asked.job, job.clone());
                earlier.is_some() && earlier != job || job.is_none()
            }
            // It is deleted, it is disabled, or the table or the queue did not answer.
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => false,
            status => !status.is_server_error(),
        };
        if fault {
            let text = format!("{asked:?} was answered {status} {body}");
            self.violation(text);
        }
    }

    /// Whether what became of a delivery is what a recovery that is done may have made of it, and whatever came after.
    fn is_recovered(
        &self,
        asked: &Asked,
        recovery: &Recovery,
        webhook: &Webhook,
        found: &Found,
        row: Option<&Delivery>,
        log: &[&Attempt],
    ) -> bool {
        let (name, event) = (found.key.webhook.as_str(), found.key.event.as_str());
        let gone = |latest_ms: &u64| *latest_ms >= asked.asked_ms;
        let deleted = self.deleted.get(name).is_some_and(gone);
        let imported = asked.scope == Scope::Any && self.imported.get(name).is_some_and(gone);
        // What somebody sends by hand meanwhile is left alone, whatever becomes of it.
        let by_hand = self
            .retry_asked
            .contains(&(name.to_owned(), event.to_owned()));
        if deleted || imported || by_hand {
            return true;
        }
        let succeeded = |attempt: &&&Attempt| attempt.outcome == Outcome::Succeeded;
        let Some(row) = row else {
            // Its first attempt was under way.
            return found.n == 1 && log.iter().find(succeeded).is_some();
        };
        if row.state == State::Held {
            // A first message that comes only once the webhook is disabled again is held, and an earlier recovery may not send it.
            let came_late = found.n == 1 && log.is_empty();
            // So is what was on its way, and was left alone for that: the webhook was disabled only when the recovery had been asked for.
            let on_its_way = row.position.epoch == recovery.run.epoch;
            return webhook.epoch > recovery.run.epoch
                && (row.position.n > found.n || came_late || on_its_way);
        }
        let again = log.iter().any(|attempt| {
            // A slow copy of a first attempt may have failed after the success of another, and have begun the ladder.
            let sent = matches!(attempt.trigger, Trigger::Recover | Trigger::Manual);
            attempt.key.n > found.n && (sent || found.n == 1)
        });
        let passed_by = row.position.n == found.n
            && match &asked.scope {
                Scope::States(states) => !states.contains(&row.state),
                Scope::Any => false,
            };
        again || passed_by || row.state == State::Succeeded || row.state == State::Cancelled
    }
}

/// The state that a delivery is in, whatever its row still says.
fn state(row: &Delivery, webhook: &Webhook) -> State {
    if row.state == State::Pending && !webhook.takes(row.position.epoch) {
        row.position.returns_to.unwrap_or(State::Held)
    } else {
        row.state
    }
}

/// Whether an attempt was under way where a recovery should have found its delivery: it moves the row from one list to another.
fn is_meanwhile(entry: &Attempt, found: &Found, asked: &Asked, ended_ms: u64) -> bool {
    entry.key.n == found.n && entry.started_ms <= ended_ms && entry.ended_ms >= asked.asked_ms
}

/// Whether a job is a recovery of a single webhook.
fn is_of_webhook(job: &Job) -> bool {
    matches!(&job.task.work, Work::Recover(recovering) if matches!(recovering.reach, Reach::Webhook { .. }))
}

fn is_unsuccessful(state: State) -> bool {
    matches!(state, State::Failed | State::Held | State::Missed)
}
