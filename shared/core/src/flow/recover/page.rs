//! What a page of a recovery holds: found in the table, as it stands now.

use std::collections::HashMap;

use rung_dialect::Dialect;
use rung_json::filter::Filter;

use crate::{
    domain::{
        attempt::{Attempt, AttemptKey, Outcome, Trigger},
        delivery::{Delivery, State},
        id::DeliveryKey,
        message::AttemptMessage,
        position::Position,
        recovery::{Recovery, Scope},
        webhook::Webhook,
    },
    flow::{FlowError, accept::delivery_key, control::Control, position},
    limits::{FRESH_MS, REPEAT_DELAY_MS},
    store::{
        deliveries::{List, list_key},
        event_list::Entry,
        events::{Event, Sendable},
        span::{Order, Span},
    },
};

/// What a page of a recovery holds.
pub(super) struct Recoverable {
    pub(super) again: Vec<Again>,
    /// What goes on where it stands, with its place in the list and the message's delay in milliseconds: what should have been attempted
    /// long ago, and first attempts that are on their way.
    pub(super) in_place: Vec<(String, AttemptMessage, u64)>,
    /// Events that have no body in the webhook's dialect, and deliveries that are worn out, or whose events are gone or erased.
    pub(super) skipped: u64,
    /// Their events, as far as they were looked at.
    pub(super) kept: Option<Sendable>,
    pub(super) next: Option<String>,
}

/// Comes behind every place in a list.
pub(super) const THE_END: &str = "~";

impl Recoverable {
    /// How many deliveries it puts on their way.
    pub(super) fn sent(&self) -> u64 {
        (self.again.len() + self.in_place.len()) as u64
    }

    /// Leaves out what comes behind the last place of the page when it was counted.
    pub(super) fn end_at(&mut self, end: &str) {
        if self.next.as_deref().is_none_or(|next| next > end) {
            self.again.retain(|delivery| *delivery.listed_at <= *end);
            self.in_place.retain(|(listed_at, ..)| **listed_at <= *end);
            self.next = (end != THE_END).then(|| end.to_owned());
        }
    }
}

/// A delivery to be sent again.
pub(super) struct Again {
    /// Its place in the list that the recovery walks.
    pub(super) listed_at: String,
    /// As it stands, if it has a row.
    pub(super) row: Option<Delivery>,
    /// The message that it is moved by. Its due time is yet to be set.
    pub(super) message: AttemptMessage,
    pub(super) event_type: String,
    /// Whether the event did not match the webhook, and it never got it.
    pub(super) backfilled: bool,
    /// When it succeeded, in milliseconds, if it did so at once and has no row that says so.
    pub(super) succeeded_ms: Option<u64>,
}

impl Control {
    /// The page at a recovery's cursor.
    pub(super) async fn recoverable(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        recovery: &Recovery,
    ) -> Result<Recoverable, FlowError> {
        let types = self.publisher.event_types(Some(&webhook.tenant)).await?;
        let dialect = types
            .dialect(&webhook.dialect)
            .map_or(dialect, AsRef::as_ref);
        match &recovery.selection.scope {
            Scope::States(states) => self.unsuccessful(webhook, dialect, recovery, states).await,
            Scope::Any => self.anything(webhook, dialect, recovery).await,
        }
    }

    /// A page of the deliveries that stand in one of the states.
    async fn unsuccessful(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        recovery: &Recovery,
        states: &[State],
    ) -> Result<Recoverable, FlowError> {
        let (rows, next) = self
            .store
            .deliveries_after(
                &webhook.tenant,
                &webhook.id,
                &List::of_states(states),
                span(recovery),
                position(&recovery.cursor),
                recovery.page(),
            )
            .await?;
        let (wanted, others): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|row| self.is_wanted(recovery, row, webhook, dialect));
        let worn_out = others.iter();
        let worn_out = worn_out
            .filter(|row| row.is_worn_out() && self.is_in_scope(recovery, row, webhook, dialect));
        let mut skipped = worn_out.count() as u64;
        let overdue = others
            .into_iter()
            .filter(|row| self.is_overdue(row, webhook));
        let in_place = overdue
            .map(|row| (list_key(&row.key), row.message(), 0))
            .collect();
        let mut again = self.not_through(wanted, recovery).await?;
        let kept = self.kept_of(&again).await?;
        let found = again.len();
        again.retain(|delivery| kept.has(&delivery.message.delivery));
        skipped += (found - again.len()) as u64;
        Ok(Recoverable {
            in_place,
            again,
            skipped,
            kept: Some(kept),
            next,
        })
    }

    /// The events that these deliveries can be made of.
    pub(super) async fn kept_of(&self, again: &[Again]) -> Result<Sendable, FlowError> {
        let keys: Vec<_> = again.iter().map(|it| &it.message.delivery).collect();
        match keys.first() {
            Some(first) => Ok(self.store.sendable(&first.tenant, &keys).await?),
            None => Ok(Sendable::default()),
        }
    }

    /// A page of the events that the webhook subscribes to, as it does now: of all that were accepted.
    async fn anything(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        recovery: &Recovery,
    ) -> Result<Recoverable, FlowError> {
        let (mut entries, next) = self
            .store
            .event_entries(
                std::slice::from_ref(&webhook.tenant),
                Order::OldestFirst,
                span(recovery),
                position(&recovery.cursor),
                recovery.page(),
            )
            .await?;
        entries.retain(|entry| {
            takes_in(&webhook.events, dialect, &entry.event_type)
                && takes_type(recovery, dialect, &entry.event_type)
        });
        let events = self.store.events_of(&entries).await?;
        let named = events
            .into_iter()
            .filter(|(_, event)| recovery.selection.names(&delivery_key(event, &webhook.id)));
        let (mut events, unsayable): (Vec<_>, Vec<_>) =
            named.partition(|(_, event)| event.bodies.contains_key(&webhook.dialect));
        if let Some(filter) = &webhook.filter {
            events = self.taken(filter, webhook, dialect, events).await?;
        }
        let keys: Vec<_> = events
            .iter()
            .map(|(_, event)| delivery_key(event, &webhook.id))
            .collect();
        let rows = self.store.deliveries(&keys).await?;
        let row_of = |key: &DeliveryKey| rows.iter().find(|row| row.key == *key);
        let last_of = |key: &DeliveryKey| match row_of(key) {
            Some(row) => row.attempt_key(),
            None => AttemptKey::first_of(key),
        };
        let names: Vec<_> = keys.iter().map(last_of).collect();
        let made = self.store.attempts(&names).await?;
        let before = self.spoken_before(&rows, &made).await?;
        let mut again = Vec::new();
        let mut in_place = Vec::new();
        // A type that the dialect does not have, and had no body for either, is none of this webhook's.
        let is_of_dialect =
            |event: &Event| dialect.catalogue.resolve_type(&event.event_type).is_some();
        let unsayable = unsayable.iter().filter(|(_, event)| is_of_dialect(event));
        let mut skipped = unsayable.count() as u64;
        for (((entry, event), key), name) in events.iter().zip(&keys).zip(&names) {
            let last = made.iter().find(|made| made.key == *name);
            let row = row_of(key);
            // What was posted before is posted in the same words again.
            let earlier = last.map(|last| &last.dialect).or_else(|| before.get(key));
            let spoken = Some(earlier.unwrap_or(&webhook.dialect).clone());
            let mut backfilled = false;
            let to = match (row, last) {
                (Some(row), _) if !self.is_wanted(recovery, row, webhook, dialect) => {
                    if self.is_overdue(row, webhook) {
                        in_place.push((entry.position(), row.message(), 0));
                    } else if row.is_worn_out() && self.is_in_scope(recovery, row, webhook, dialect)
                    {
                        skipped += 1;
                    }
                    continue;
                }
                (Some(row), _) => once_more(recovery, row, last, spoken),
                (None, Some(first)) => after_first(recovery, first, spoken),
                // Its first attempt left no trace yet, or it was never meant for this webhook. Position 1 belongs to the event's
                // publication; what comes of that later finds this one's row.
                (None, None) => {
                    backfilled = !self.matched(event, webhook).await?;
                    if !backfilled && self.is_on_its_way(key, webhook) {
                        // By then it has been made, or is lost.
                        let copy = first_again(key, webhook);
                        in_place.push((entry.position(), copy, REPEAT_DELAY_MS));
                        continue;
                    }
                    fresh_ladder(recovery, (2, 1), spoken)
                }
            };
            again.push(Again {
                listed_at: entry.position(),
                row: row.cloned(),
                message: AttemptMessage::new(key.clone(), to),
                event_type: event.event_type.clone(),
                backfilled,
                succeeded_ms: last.filter(succeeded).map(|last| last.ended_ms),
            });
        }
        Ok(Recoverable {
            again,
            in_place,
            skipped,
            kept: None,
            next,
        })
    }

    /// Those of the events whose data the webhook's filter takes.
    async fn taken<'a>(
        &self,
        filter: &Filter,
        webhook: &Webhook,
        dialect: &Dialect,
        events: Vec<(&'a Entry, Event)>,
    ) -> Result<Vec<(&'a Entry, Event)>, FlowError> {
        let mut taken = Vec::with_capacity(events.len());
        for (entry, event) in events {
            let body = self.store.body(&event, &webhook.dialect).await?;
            let data = body.and_then(|body| dialect.data_of(&body));
            if data.is_some_and(|data| filter.ask(&data).takes) {
                taken.push((entry, event));
            }
        }
        Ok(taken)
    }

    /// Whether an event matched the webhook when it was accepted.
    async fn matched(&self, event: &Event, webhook: &Webhook) -> Result<bool, FlowError> {
        let matches = self.store.matches(event).await?;
        Ok(matches.iter().any(|found| found.webhook == webhook.id))
    }

    /// Whether the first attempt of a delivery may yet be made without a look at its row, which a recovery would write in vain.
    fn is_on_its_way(&self, key: &DeliveryKey, webhook: &Webhook) -> bool {
        let is_fresh = key.accepted_ms + FRESH_MS >= self.clock.now_ms();
        is_fresh && key.accepted_ms >= webhook.enabled_ms && !self.is_held_back(webhook)
    }

    /// Whether a recovery sends a delivery as it stands.
    pub(super) fn is_wanted(
        &self,
        recovery: &Recovery,
        row: &Delivery,
        webhook: &Webhook,
        dialect: &Dialect,
    ) -> bool {
        !row.is_worn_out() && self.is_in_scope(recovery, row, webhook, dialect)
    }

    /// Whether a recovery is for a delivery as it stands, and has not sent it yet. What is due waits no more, unless for a pause: its
    /// attempt is on its way.
    fn is_in_scope(
        &self,
        recovery: &Recovery,
        row: &Delivery,
        webhook: &Webhook,
        dialect: &Dialect,
    ) -> bool {
        let state = row.state_for(webhook);
        let selection = &recovery.selection;
        let in_scope = selection.names(&row.key)
            && takes_type(recovery, dialect, &row.event_type)
            && match &selection.scope {
                Scope::States(states) => states.contains(&state),
                Scope::Any => true,
            };
        let is_due = state == State::Pending && row.position.due_ms <= self.clock.now_ms();
        let is_due = is_due && !self.is_held_back(webhook);
        let is_sent = row.position.job >= Some(recovery.run.number);
        in_scope && !is_due && !is_sent
    }

    /// Those rows whose last attempt did not succeed after all.
    pub(super) async fn not_through(
        &self,
        rows: Vec<Delivery>,
        recovery: &Recovery,
    ) -> Result<Vec<Again>, FlowError> {
        let names: Vec<_> = rows.iter().map(Delivery::attempt_key).collect();
        let made = self.store.attempts(&names).await?;
        let spoken = self.spoken_before(&rows, &made).await?;
        let mut again = Vec::with_capacity(rows.len());
        for row in rows {
            let last = made.iter().find(|made| made.key == row.attempt_key());
            if last.is_some_and(|last| last.outcome == Outcome::Succeeded)
                && row.state != State::Succeeded
            {
                let open = [State::Pending, State::Held, State::Missed, State::Failed];
                self.store
                    .finish(&row.key, &row.position, &open, State::Succeeded)
                    .await?;
                continue;
            }
            let earlier = last.map(|last| &last.dialect);
            let dialect = earlier.or_else(|| spoken.get(&row.key));
            let to = once_more(recovery, &row, last, dialect.cloned());
            again.push(Again {
                listed_at: list_key(&row.key),
                message: AttemptMessage::new(row.key.clone(), to),
                event_type: row.event_type.clone(),
                backfilled: false,
                succeeded_ms: None,
                row: Some(row),
            });
        }
        Ok(again)
    }

    /// The dialects of those deliveries that were posted, but not at the position that their rows stand at, whose entry is not
    /// among those `made`.
    async fn spoken_before(
        &self,
        rows: &[Delivery],
        made: &[Attempt],
    ) -> Result<HashMap<DeliveryKey, String>, FlowError> {
        let has = |made: &[Attempt], row: &Delivery| {
            let mut made = made.iter();
            made.any(|made| made.key.delivery == row.key)
        };
        let silent = rows
            .iter()
            .filter(|row| row.position.n > 1 && !has(made, row));
        let silent: Vec<_> = silent.collect();
        let firsts: Vec<_> = silent
            .iter()
            .map(|row| AttemptKey::first_of(&row.key))
            .collect();
        let mut earlier = self.store.attempts(&firsts).await?;
        // Those that were missed have no first one.
        let later = silent.iter().filter(|row| !has(&earlier, row));
        let later = later.flat_map(|row| {
            let dues = (2..row.position.n).zip(&row.dues_ms);
            dues.map(|(n, due_ms)| AttemptKey {
                delivery: row.key.clone(),
                due_ms: *due_ms,
                n,
            })
        });
        let later: Vec<_> = later.collect();
        earlier.extend(self.store.attempts(&later).await?);
        let earlier = earlier.into_iter();
        Ok(earlier
            .map(|entry| (entry.key.delivery, entry.dialect))
            .collect())
    }
}

/// A copy of the message of a delivery's first attempt.
fn first_again(key: &DeliveryKey, webhook: &Webhook) -> AttemptMessage {
    let first = Position::first(key.accepted_ms, webhook.epoch);
    AttemptMessage {
        repeated: true,
        ..AttemptMessage::new(key.clone(), first)
    }
}

/// Whether a recovery sends events of this type, as far as types are named.
fn takes_type(recovery: &Recovery, dialect: &Dialect, event_type: &str) -> bool {
    let patterns = &recovery.selection.event_types;
    patterns.is_empty() || takes_in(patterns, dialect, event_type)
}

/// Whether any of the patterns takes in a type by which an event was accepted. A closed catalogue may have lost it since.
fn takes_in(patterns: &[String], dialect: &Dialect, event_type: &str) -> bool {
    let catalogue = &dialect.catalogue;
    let mut patterns = patterns.iter();
    patterns.any(|pattern| catalogue.matches(pattern, event_type))
}

/// The times at which the events were accepted: an id of a delivery tells that of its event.
fn span(recovery: &Recovery) -> Span {
    let selection = &recovery.selection;
    let named = selection.deliveries.iter();
    let named = named.filter_map(|id| DeliveryKey::accepted_ms_of(*id));
    let first_ms = named.clone().min().unwrap_or(0);
    let last_ms = named.max().unwrap_or(u64::MAX);
    Span {
        since_ms: selection.since_ms.max(first_ms),
        until_ms: selection.until_ms.min(last_ms),
    }
}

fn succeeded(attempt: &&Attempt) -> bool {
    attempt.outcome == Outcome::Succeeded
}

/// The position that a recovery moves a row to: on a fresh ladder, or in the place of its wait. `last` is the attempt that was made where
/// the row stands. The due time is yet to be set.
fn once_more(
    recovery: &Recovery,
    row: &Delivery,
    last: Option<&Attempt>,
    dialect: Option<String>,
) -> Position {
    let to = if row.state == State::Pending && row.position.epoch == recovery.run.epoch {
        let place = (row.position.n + 1, row.next_attempt(), row.position.rung);
        in_place_of(recovery, row.position.due_ms, place, dialect)
    } else {
        let attempt = match last {
            Some(_) => row.position.attempt + 1,
            None => row.next_attempt(),
        };
        fresh_ladder(recovery, (row.position.n + 1, attempt), dialect)
    };
    let has_succeeded = row.had_succeeded() || last.as_ref().is_some_and(succeeded);
    Position {
        returns_to: has_succeeded.then_some(State::Succeeded),
        ..to
    }
}

/// The same of a delivery without a row, whose first attempt was made.
fn after_first(recovery: &Recovery, first: &Attempt, dialect: Option<String>) -> Position {
    match first.next_due_ms {
        // It has failed just now, and its row is being written.
        Some(wait_ms) => in_place_of(recovery, wait_ms, (2, 2, 1), dialect),
        None => Position {
            returns_to: succeeded(&first).then_some(State::Succeeded),
            ..fresh_ladder(recovery, (2, 2), dialect)
        },
    }
}

/// The position that takes the place of a wait, and puts it back if it fails: as a retry by hand does. Its due time is yet to be set.
fn in_place_of(
    recovery: &Recovery,
    wait_ms: u64,
    (n, attempt, rung): (u32, u32, usize),
    dialect: Option<String>,
) -> Position {
    Position {
        rung,
        trigger: Trigger::Manual,
        resume_ms: Some(wait_ms),
        ..fresh_ladder(recovery, (n, attempt), dialect)
    }
}

/// The position that starts a delivery's ladder anew. Its due time is yet to be set.
fn fresh_ladder(
    recovery: &Recovery,
    (n, attempt): (u32, u32),
    dialect: Option<String>,
) -> Position {
    Position {
        n,
        attempt,
        trigger: Trigger::Recover,
        dialect,
        job: Some(recovery.run.number),
        ..Position::first(recovery.run.number, recovery.run.epoch)
    }
}
