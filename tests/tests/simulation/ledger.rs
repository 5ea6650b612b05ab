//! The reference model: what was promised, what receivers saw, and whether the one fits the other.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use rung_core::{
    domain::{
        attempt::{Attempt, AttemptKey, Outcome, Trigger},
        delivery::{Delivery, State},
        id::{DeliveryKey, JobId, WebhookId},
        webhook::Webhook,
    },
    flow::accept::Accepted,
};
use rung_dialect::Dialect;

use crate::recoveries::Recoveries;

/// A POST as its receiver saw it.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) webhook: String,
    pub(crate) event: String,
    /// The number that the event has in its body.
    pub(crate) number: u64,
    /// By the posting function's clock.
    pub(crate) started_ms: u64,
    /// Whether the receiver has the event now.
    pub(crate) taken: bool,
}

/// One call of publish.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// By the function's clock.
    pub(crate) start_ms: u64,
    pub(crate) end_ms: u64,
    /// The webhooks that did not change meanwhile, and whether they were active.
    pub(crate) certain: BTreeMap<WebhookId, bool>,
}

/// All that is known of an event that clients publish.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) windows: Vec<Window>,
    pub(crate) accepted: Option<Accepted>,
    /// When that was answered, in milliseconds.
    pub(crate) answered_ms: u64,
}

/// A delivery that waited when somebody cancelled all that waits, and was answered that a job does it.
pub(crate) struct Stopped {
    pub(crate) webhook: String,
    pub(crate) event: String,
    /// Where it stood.
    pub(crate) n: u32,
    pub(crate) epoch: u64,
    pub(crate) job: JobId,
    /// When it was cancelled at the latest, by whatever clock; known at the end.
    pub(crate) by_ms: u64,
}

/// A delivery as the product tells of it at the end.
pub(crate) struct Told<'a> {
    pub(crate) webhook: Option<&'a Webhook>,
    pub(crate) dialect: Option<&'a Dialect>,
    /// Whether the event's matches call the webhook active.
    pub(crate) active: bool,
    pub(crate) accepted_ms: u64,
    pub(crate) row: Option<&'a Delivery>,
    pub(crate) log: Vec<&'a Attempt>,
}

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) posts: Vec<Posted>,
    bodies: HashMap<(String, String, u64), Bytes>,
    pub(crate) events: BTreeMap<u64, Known>,
    /// How many messages there are of a first attempt that are not marked as repeats: the wire and the queue make such copies.
    copies: HashMap<AttemptKey, usize>,
    /// The attempts of paced webhooks, by the second of the posting function's clock that they were made in.
    paces: HashMap<(WebhookId, u64, u64), BTreeSet<String>>,
    /// How often messages of a delivery were handed out, by webhook and event; several of one attempt in a batch count once.
    handed: HashMap<(String, String), usize>,
    /// Until when a webhook may have been deleted by the last of those who asked for it, in milliseconds.
    pub(crate) deleted: BTreeMap<String, u64>,
    /// When somebody asked last to import a webhook, likewise.
    pub(crate) imported: BTreeMap<String, u64>,
    /// Webhooks of which somebody has asked for something, and was not answered with success.
    pub(crate) unsure: BTreeSet<String>,
    /// Messages that were sent and make no sense.
    pub(crate) poison: u64,
    /// Deliveries that somebody asked to cancel, as `(webhook, event)`.
    pub(crate) cancelled: BTreeSet<(String, String)>,
    /// Those of them that were answered as done.
    pub(crate) cancelled_for_good: BTreeSet<(String, String)>,
    /// Webhooks of which somebody asked to cancel all that waits, and until when that may have been done, in milliseconds.
    pub(crate) emptied: Vec<(String, u64)>,
    /// What waited then, where a job was answered.
    pub(crate) stopped: Vec<Stopped>,
    /// Deliveries that somebody asked to retry by hand, answered or not.
    pub(crate) retry_asked: BTreeSet<(String, String)>,
    /// Retries by hand that were answered with 202: webhook, event, and when they were asked for.
    pub(crate) retried: Vec<(String, String, u64)>,
    pub(crate) recoveries: Recoveries,
    /// What was deleted from which queue when, in milliseconds, where the plan wants to know.
    pub(crate) gone: Vec<(&'static str, u64, String)>,
    /// The ids of messages that the queues don't remember any more.
    pub(crate) doomed: HashSet<String>,
    /// Messages that come again when all has grown old, with their queues.
    pub(crate) seen_again: Vec<(&'static str, String)>,
    /// From when on all that happened before is old, in milliseconds.
    pub(crate) aged_ms: Option<u64>,
    /// Whether the table was set back: the log has gaps, and what was accepted since is unknown.
    pub(crate) forgetful: bool,
    violations: Vec<String>,
}

impl Ledger {
    pub(crate) fn violation(&mut self, text: String) {
        self.violations.push(text);
    }

    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Notes a POST; answers its number.
    pub(crate) fn post(&mut self, posted: Posted, body: &Bytes) -> usize {
        let key = (posted.webhook.clone(), posted.event.clone(), posted.number);
        let first = self
            .bodies
            .entry(key)
            .or_insert_with(|| body.clone())
            .clone();
        // A first attempt that died before its log entry left nothing that says which dialect it was in. If the webhook was imported
        // with another one since, what carries on speaks that.
        // And one that was accepted in a time that the table has forgotten is another event when it is published again.
        let may_differ =
            |post: &Posted| self.forgetful || self.imported.contains_key(&post.webhook);
        if first != *body && !may_differ(&posted) {
            self.violation(format!("{posted:?} has another body than before"));
        }
        let name = (&posted.webhook, &posted.event);
        let made = 1 + self
            .posts
            .iter()
            .filter(|post| (&post.webhook, &post.event) == name)
            .count();
        let name = (posted.webhook.clone(), posted.event.clone());
        let handed = self.handed.get(&name).copied().unwrap_or(0);
        if made > handed {
            self.violation(format!("{posted:?} is POST {made} of {handed} handed out"));
        }
        self.posts.push(posted);
        self.posts.len() - 1
    }

    /// Notes what was deleted from a queue.
    pub(crate) fn deleted_from(
        &mut self,
        queue: &'static str,
        at_ms: u64,
        bodies: impl Iterator<Item = String>,
    ) {
        self.gone.extend(bodies.map(|body| (queue, at_ms, body)));
    }

    /// Begins anew from this time on, when all that happened before is judged. Answers the messages that come again.
    pub(crate) fn turn_over(&mut self, at_ms: u64) -> Vec<(&'static str, String)> {
        let messages = std::mem::take(&mut self.seen_again);
        *self = Self {
            aged_ms: Some(at_ms),
            deleted: std::mem::take(&mut self.deleted),
            imported: std::mem::take(&mut self.imported),
            violations: std::mem::take(&mut self.violations),
            ..Self::default()
        };
        messages
    }

    /// Forgets the events that were accepted after the moment that the table was set back to: all but those `known`. Their clients
    /// publish them again.
    pub(crate) fn forget(&mut self, known: &BTreeSet<u64>) {
        self.forgetful = true;
        self.bodies.clear();
        for (number, event) in &mut self.events {
            if !known.contains(number) {
                event.accepted = None;
            }
        }
    }

    /// Notes one more unmarked message of a first attempt.
    pub(crate) fn copied(&mut self, first: AttemptKey) {
        *self.copies.entry(first).or_default() += 1;
    }

    /// Whether there is more than one, so that each may be taken for the first.
    pub(crate) fn is_copied(&self, first: &AttemptKey) -> bool {
        self.copies.get(first).is_some_and(|copies| *copies > 1)
    }

    /// Whether a copy of an attempt's message made it as well: one of them may have failed, and another have had success since. The
    /// functions' clocks are at most `apart_ms` apart.
    pub(crate) fn was_made_twice(&self, attempt: &Attempt, apart_ms: u64) -> bool {
        let key = &attempt.key;
        let (webhook, event) = (key.delivery.webhook.as_str(), key.delivery.event.as_str());
        let meanwhile = key.due_ms.saturating_sub(apart_ms)..=attempt.ended_ms + apart_ms;
        let mut others = self.posts.iter().filter(|post| {
            (post.webhook.as_str(), post.event.as_str()) == (webhook, event)
                && post.started_ms != attempt.started_ms
        });
        others.any(|post| meanwhile.contains(&post.started_ms))
    }

    /// Notes a POST to a webhook that takes `most` a second, at a time of the posting function's clock, under the limit of this epoch.
    /// Copies of an attempt share its place.
    pub(crate) fn paced(
        &mut self,
        webhook: &WebhookId,
        epoch: u64,
        at_ms: u64,
        event: &str,
        most: u32,
    ) {
        let second = (webhook.clone(), epoch, at_ms / 1000);
        let events = self.paces.entry(second).or_default();
        events.insert(event.to_owned());
        if events.len() > most as usize {
            let text = format!("{webhook} gets {events:?} in one second, and takes {most}");
            self.violation(text);
        }
    }

    /// Whether somebody has asked, at any time, to cancel a delivery, by itself or with all others of its webhook.
    pub(crate) fn may_be_cancelled(&self, key: &DeliveryKey) -> bool {
        let name = (key.webhook.to_string(), key.event.to_string());
        let mut emptied = self.emptied.iter();
        self.cancelled.contains(&name)
            || emptied.any(|(of, by_ms)| *of == name.0 && key.accepted_ms <= *by_ms)
    }

    /// Notes that a batch holds a message of a delivery.
    pub(crate) fn handed(&mut self, webhook: &str, event: &str) {
        let name = (webhook.to_owned(), event.to_owned());
        *self.handed.entry(name).or_default() += 1;
    }

    pub(crate) fn taken(&mut self, number: usize) {
        self.posts[number].taken = true;
    }

    /// Whether a webhook's receiver has an event.
    pub(crate) fn has(&self, webhook: &str, event: &str) -> bool {
        let mut own = self
            .posts
            .iter()
            .filter(|post| post.webhook == webhook && post.event == event);
        own.any(|post| post.taken)
    }

    /// Notes an answer of 202. A repeat must be answered as the first time, and called a duplicate.
    pub(crate) fn accepted(&mut self, event: u64, accepted: Accepted) {
        let known = self.events.entry(event).or_default();
        let window = known.windows.last();
        let Some(first) = &known.accepted else {
            known.answered_ms = window.map_or(0, |window| window.end_ms);
            known.accepted = Some(accepted);
            return;
        };
        // When the table was set back, another client publishes the same: of two calls at once the first may be answered last.
        let is_overtaken =
            self.forgetful && window.is_some_and(|window| window.start_ms < known.answered_ms);
        let repeated = Accepted {
            duplicate: accepted.duplicate || !is_overtaken,
            ..first.clone()
        };
        if accepted != repeated {
            let text = format!("event {event}: {first:?}, then {accepted:?}");
            self.violation(text);
        }
    }

    /// Judges the matches of an accepted event against what its clients saw of the webhooks.
    pub(crate) fn judge_matches(&mut self, event: u64, matches: &BTreeMap<WebhookId, bool>) {
        let Some(known) = self.events.get(&event) else {
            return;
        };
        let Some(accepted) = known.accepted.clone() else {
            return;
        };
        let window = known
            .windows
            .iter()
            .find(|window| (window.start_ms..=window.end_ms).contains(&accepted.accepted_ms));
        let Some(window) = window.cloned() else {
            return self.violation(format!("event {event} was accepted out of any call"));
        };
        for (webhook, active) in &window.certain {
            if matches.get(webhook) != Some(active) {
                let text = format!(
                    "event {event} was accepted with {webhook} active {active}, but matched {matches:?}"
                );
                self.violation(text);
            }
        }
        let active = matches.values().filter(|active| **active).count();
        if active != accepted.deliveries {
            self.violation(format!("event {event}: {accepted:?} of {matches:?}"));
        }
    }

    /// Judges what became of one delivery. `promised`: its event was answered with 202.
    pub(crate) fn judge(&mut self, webhook: &str, event: &str, promised: bool, told: &Told<'_>) {
        let mut faults = self.faults_of_log(webhook, event, told);
        faults.extend(self.recoveries.faults_of_log(&told.log));
        if !self.forgetful {
            faults.extend(faults_of_ladders(told));
        }
        faults.extend(self.fault_of_end(webhook, event, promised, told));
        for fault in faults {
            self.violation(format!("{event} to {webhook}: {fault}"));
        }
    }

    /// An attempt number is logged once, each entry tells of a POST that was made, none was early, all are in one dialect, and each
    /// follows from the one before.
    fn faults_of_log(&self, webhook: &str, event: &str, told: &Told<'_>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut before: Option<&Attempt> = None;
        for attempt in &told.log {
            let n = attempt.key.n;
            if before.is_some_and(|before| before.key.n == n) {
                faults.push(format!("attempt {n} is logged twice: a fork"));
            }
            let due_ms = match n {
                1 => Some(told.accepted_ms),
                _ => told
                    .row
                    .and_then(|row| row.dues_ms.get(n as usize - 2).copied()),
            };
            if due_ms != Some(attempt.key.due_ms) {
                let own_ms = attempt.key.due_ms;
                faults.push(format!(
                    "attempt {n} is due {own_ms}, by the row {due_ms:?}"
                ));
            }
            if attempt.started_ms < attempt.key.due_ms {
                faults.push(format!("attempt {n} was early"));
            }
            let follows_a_gap = self.forgetful && before.is_none_or(|before| before.key.n + 1 != n);
            if attempt.trigger == Trigger::Retry
                && !follows_a_gap
                && !before.is_some_and(|before| {
                    before.key.n + 1 == n
                        && (before.outcome == Outcome::Succeeded
                            || before.next_due_ms == Some(attempt.key.due_ms))
                })
            {
                faults.push(format!("attempt {n} does not follow from {before:?}"));
            }
            if before.is_some_and(|before| before.dialect != attempt.dialect) {
                faults.push(format!("attempt {n} is in another dialect than {before:?}"));
            }
            let succeeded = attempt.outcome == Outcome::Succeeded;
            let posted = self.posts.iter().any(|post| {
                post.webhook == webhook
                    && post.event == event
                    && post.started_ms == attempt.started_ms
                    && (post.taken || !succeeded)
            });
            if !posted {
                faults.push(format!("attempt {n} is logged, but was not made so"));
            }
            before = Some(attempt);
        }
        faults
    }

    /// How a delivery may have ended when everything has come to rest.
    fn fault_of_end(
        &self,
        webhook: &str,
        event: &str,
        promised: bool,
        told: &Told<'_>,
    ) -> Option<String> {
        // What was pending when its webhook was deleted is dropped, whether one is made anew or not.
        let current = told.webhook?;
        let deleted_ms = self.deleted.get(webhook).copied();
        if deleted_ms.is_some_and(|deleted_ms| told.accepted_ms <= deleted_ms) {
            return None;
        }
        let Some(row) = told.row else {
            let first = told.log.first();
            let through = first.is_some_and(|first| first.outcome == Outcome::Succeeded);
            let owed = promised || first.is_some();
            return (owed && !through)
                .then(|| format!("no row, active {}, log {first:?}: it is lost", told.active));
        };
        let last = told
            .log
            .iter()
            .find(|attempt| attempt.key.n == row.position.n);
        let succeeded = last.is_some_and(|last| last.outcome == Outcome::Succeeded);
        // Those that were sent again when they had succeeded already stay so, and no others are so without a success.
        let returns_to = row.position.returns_to;
        let through =
            returns_to == Some(State::Succeeded) && has_success_before(told, row.position.n);
        if row.state != State::Succeeded && sent_again_after_success(told) {
            return Some(format!("{row:?} had succeeded, log {:?}", told.log));
        }
        let as_told = match row.state {
            State::Pending => false,
            State::Succeeded => {
                succeeded || through || last.is_none() && replaced_success(told, row)
            }
            // A slower copy of a first attempt may have succeeded: that is in the log, and costs no look at the row.
            State::Failed => match last {
                None => returns_to == Some(State::Failed),
                Some(last) => {
                    (row.position.n == 1 || last.outcome == Outcome::Failed)
                        && last.next_due_ms.is_none()
                        && returns_to.is_none_or(|state| state == State::Failed)
                }
            },
            State::Held => current.epoch > 0 && returns_to.is_none_or(|state| state == State::Held),
            State::Cancelled => !succeeded && self.may_be_cancelled(&row.key),
            State::Missed => !told.active,
        };
        if !as_told {
            return Some(format!("{row:?} at rest, log {:?}", told.log));
        }
        let name = (webhook.to_owned(), event.to_owned());
        let sent_again = self.retry_asked.contains(&name) || self.recoveries.any_asked(webhook);
        let ended = matches!(row.state, State::Cancelled | State::Succeeded);
        if self.cancelled_for_good.contains(&name) && !sent_again && !ended {
            return Some(format!("it was cancelled, and is {row:?}"));
        }
        let goes_on = self.stopped.iter().any(|stopped| {
            (&stopped.webhook, &stopped.event) == (&name.0, &name.1)
                && stopped.epoch == current.epoch
                && row.state != State::Cancelled
                && told
                    .log
                    .iter()
                    .any(|attempt| attempt.key.n > stopped.n && attempt.started_ms > stopped.by_ms)
        });
        if goes_on && !sent_again {
            return Some(format!("it was cancelled with all others, and is {row:?}"));
        }
        let kept = returns_to.is_some() && last.is_none();
        let stopped = kept || matches!(row.state, State::Held | State::Cancelled);
        let forgotten = self.retried.iter().any(|(w, e, asked_ms)| {
            (w, e) == (&webhook.to_owned(), &event.to_owned())
                && !stopped
                && !told.log.iter().any(|attempt| attempt.ended_ms >= *asked_ms)
        });
        forgotten.then(|| "a retry by hand was answered with 202, but not made".to_owned())
    }
}

/// A POST that is older than this is in the log, if its handler lived: by any two clocks, whatever delayed it.
const LOGGED_WITHIN_MS: u64 = 300_000;

/// Whether an attempt before position `n` succeeded.
fn has_success_before(told: &Told<'_>, n: u32) -> bool {
    let mut log = told.log.iter();
    log.any(|attempt| attempt.key.n < n && attempt.outcome == Outcome::Succeeded)
}

/// Whether the wait whose place an attempt by hand took was attempted all the same, at that very moment, and succeeded: then there is
/// nothing left to attempt.
fn replaced_success(told: &Told<'_>, row: &Delivery) -> bool {
    told.log.iter().any(|attempt| {
        attempt.key.n + 1 == row.position.n
            && Some(attempt.key.due_ms) == row.position.resume_ms
            && attempt.outcome == Outcome::Succeeded
    })
}

/// Whether somebody had a delivery sent again who must have known of its success: that was in the log by then. (A slow copy of a first
/// attempt may succeed when the ladder has begun: nobody has asked for what follows there.)
fn sent_again_after_success(told: &Told<'_>) -> bool {
    let asked = |next: &&Attempt| matches!(next.trigger, Trigger::Manual | Trigger::Recover);
    let successes = told.log.iter();
    let mut successes = successes.filter(|attempt| attempt.outcome == Outcome::Succeeded);
    successes.any(|success| {
        let mut log = told.log.iter().copied();
        let next = log.find(|next| next.key.n == success.key.n + 1);
        next.filter(asked)
            .is_some_and(|next| success.ended_ms + LOGGED_WITHIN_MS < next.key.due_ms)
    })
}

/// Whether an attempt begins a ladder: as a recovery's first one, or in the place of that, which leaves no attempt at two positions.
fn begins_after(before: &Attempt, next: &Attempt) -> bool {
    next.trigger == Trigger::Recover || next.key.n > before.key.n + 2
}

/// A ladder begins with the first attempt, and anew with each recovery. It has as many attempts as the dialect says when it is used
/// up, and never more; those by hand are none of them.
fn faults_of_ladders(told: &Told<'_>) -> Vec<String> {
    let Some(all) = told.dialect.map(|dialect| dialect.ladder.attempts()) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    for ladder in told
        .log
        .chunk_by(|before, next| !begins_after(before, next))
    {
        let climbs = |attempt: &&&Attempt| attempt.trigger != Trigger::Manual;
        let ladder: Vec<_> = ladder.iter().filter(climbs).collect();
        let used_up = ladder.last().is_some_and(|last| {
            last.outcome == Outcome::Failed
                && last.next_due_ms.is_none()
                && last.response_status != Some(410)
        });
        // A copy of a first attempt may be made while another waits for a pause.
        let are_first = |pair: &&[&&Attempt]| pair.iter().all(|it| it.trigger == Trigger::Event);
        let most = all + ladder.windows(2).filter(are_first).count();
        // What begins in the place of another attempt may be the rest of a ladder.
        let is_whole = ladder
            .first()
            .is_some_and(|first| first.trigger != Trigger::Retry);
        if ladder.len() > most || used_up && is_whole && ladder.len() < all {
            faults.push(format!("a ladder of {all} attempts became {ladder:?}"));
        }
    }
    faults
}
