//! Recovering: many deliveries of a webhook sent again, each on a fresh ladder.
//!
//! A recovery is a chain of pages, as a delivery is one of attempts. Each page is a message; it sends what the page holds, then
//! makes the next page's message durable, then moves the recovery's row there. So a crash anywhere repeats a page at most, and a
//! page that is repeated sends nothing twice: each delivery's row carries the number of the recovery that last moved it, and
//! only a higher number moves it again. The message carries the number too, since it may come before its row was moved.
//!
//! A webhook may get events that it did not match. Nothing of such an event leads to it, so the event is given a note of it
//! before anything is sent: a crash in between leaves a note of a delivery that is not there, which its missing row tells.
//!
//! Not needed for correctness: that a page is handled once, and that a page looks the same when it is repeated. That it ends at
//! the same place is for the count alone.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use super::{
    FlowError,
    accept::{delivery_key, subscribes},
    deliver::Deliverer,
    settle::head,
};
use crate::{
    dialect::Dialect,
    domain::{
        attempt::{Attempt, AttemptKey, Outcome, Trigger},
        delivery::{Delivery, State},
        id::{DeliveryKey, TenantId},
        message::{Due, Message, Recovery, Scope},
        recovery::{Progress, Status},
        webhook::Webhook,
    },
    json::Json,
    limits::RECOVERY_PAGE,
    mutation::{Mutation, mutated},
    queue::Lane,
    store::{
        deliveries::{From, List, Written, list_key},
        events::{Event, Match},
        walk::{Order, Span},
    },
};

/// What came of asking for a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It goes on.
    Begun(Progress),
    /// The `Idempotency-Key` belongs to one of another kind.
    OtherUnderKey,
}

/// What makes a request for a recovery the same as an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    key: String,
    content_hash: [u8; 32],
}

impl Idempotency {
    /// An `Idempotency-Key` with the request's body.
    #[must_use]
    pub fn of(key: String, body: &Json) -> Self {
        let mut content = Vec::new();
        body.write_content(&mut content);
        Self {
            key,
            content_hash: Sha256::digest(&content).into(),
        }
    }
}

/// How many deliveries a recovery would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// So many, as far as was counted.
    pub deliveries: u64,
    /// The time of the last one looked at, in milliseconds, when there was no time to count all.
    pub until_ms: Option<u64>,
}

/// What a page of a recovery holds.
struct Page {
    again: Vec<Again>,
    /// Events that have no body in the webhook's dialect.
    skipped: u64,
    next: Option<String>,
}

/// Comes behind every position.
const THE_END: &str = "~";

impl Page {
    /// Leaves out what comes behind the last position of the page when it was counted.
    fn end_at(&mut self, end: &str) {
        if self.next.as_deref().is_none_or(|next| next > end) {
            self.again
                .retain(|delivery| *list_key(&delivery.due.delivery()) <= *end);
            self.next = (end != THE_END).then(|| end.to_owned());
        }
    }
}

/// A delivery to be sent again.
struct Again {
    /// As it stands, if it has a row.
    row: Option<Delivery>,
    /// What it is moved to, save for the due time.
    due: Due,
    event_type: String,
    /// Whether the event did not match the webhook, and it never got it.
    backfilled: bool,
}

impl Deliverer {
    /// Begins a recovery. Its number is made higher than those of the webhook's earlier ones. Under the same key the same one is
    /// answered again; without one, the webhook's latest while it runs, if it sends whatever matches and was asked for alike. (Of
    /// those that look for what is not through, another sends only what the first did not.)
    ///
    /// # Errors
    /// When the table or the queue fails; asking again with the same key is safe, without one it may begin another.
    pub async fn recover(
        &self,
        mut recovery: Recovery,
        idempotency: Option<&Idempotency>,
    ) -> Result<Asked, FlowError> {
        let mut taken = None;
        let asked = recovery.clone();
        let may_repeat = idempotency.is_none() && asked.scope == Scope::Any;
        loop {
            let latest = self
                .store
                .latest_recovery(&recovery.tenant, &recovery.webhook)
                .await?;
            if let Some(latest) = latest {
                if may_repeat
                    && latest.status == Status::Running
                    && asked.is_asked_like(&latest.recovery)
                {
                    return Ok(Asked::Begun(latest));
                }
                recovery.job = recovery.job.max(latest.recovery.job + 1);
            }
            if let Some(Idempotency { key, content_hash }) = idempotency
                && let Some((earlier, earlier_hash)) = self
                    .store
                    .reserve_recovery(&recovery, key, content_hash, taken.as_ref())
                    .await?
            {
                if earlier_hash != *content_hash {
                    return Ok(Asked::OtherUnderKey);
                }
                recovery = earlier;
                let (tenant, webhook) = (&recovery.tenant, &recovery.webhook);
                let standing = self.store.recovery(tenant, webhook, recovery.job).await?;
                if let Some(standing) = standing.filter(|it| it.recovery.is_same(&recovery)) {
                    return Ok(Asked::Begun(standing));
                }
            }
            self.queue
                .send(Lane::Retry, &Message::Recover(recovery.clone()), 0)
                .await?;
            let standing = self.store.place_recovery(&recovery).await?;
            if standing.recovery.is_same(&recovery) {
                return Ok(Asked::Begun(standing));
            }
            // Another one took the number at the same moment; the message under it is dropped. The key is for the next number.
            taken = Some(recovery.clone());
        }
    }

    /// Counts what a recovery would send, until `deadline_ms`.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn count_recoverable(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        mut recovery: Recovery,
        deadline_ms: u64,
    ) -> Result<Counted, FlowError> {
        let mut deliveries = 0;
        loop {
            let page = self.recoverable(webhook, dialect, &recovery).await?;
            deliveries += page.again.len() as u64;
            match page.next {
                Some(next) => recovery.cursor = next,
                None => {
                    return Ok(Counted {
                        deliveries,
                        until_ms: None,
                    });
                }
            }
            if self.clock.wall_ms() >= deadline_ms {
                let until_ms = Some(recovery.reached_ms());
                return Ok(Counted {
                    deliveries,
                    until_ms,
                });
            }
        }
    }

    /// Handles a page's message.
    pub(super) async fn recover_page(&self, asked: &Recovery) -> Result<(), FlowError> {
        let (tenant, id) = (&asked.tenant, &asked.webhook);
        let (webhook, standing) = tokio::try_join!(
            self.store.webhook(tenant, id),
            self.store.recovery(tenant, id, asked.job)
        )?;
        let mut standing = match standing {
            Some(standing) => standing,
            None if asked.cursor.is_empty() => self.store.place_recovery(asked).await?,
            None => return Ok(()),
        };
        if !standing.recovery.is_same(asked) {
            return Ok(());
        }
        if standing.recovery.cursor < asked.cursor {
            // This message overtook its row: the page before it is done.
            let moved = self
                .store
                .advance_recovery(&standing.recovery, &asked.cursor)
                .await?;
            match moved {
                Some(moved) => standing = moved,
                None => return Ok(()),
            }
        }
        if standing.status != Status::Running || standing.recovery.cursor != asked.cursor {
            return Ok(());
        }
        // One that is gone may be made anew under its id, and then be asked how its recoveries stand.
        let Some(webhook) = webhook.filter(|webhook| webhook.takes(asked.epoch)) else {
            self.store.end_recovery(asked, Status::Stopped).await?;
            return Ok(());
        };
        let dialect = self.dialect(&webhook.dialect)?;
        let mut page = self.recoverable(&webhook, dialect, asked).await?;
        let counts = (page.again.len() as u64, page.skipped);
        let end = page.next.as_deref().unwrap_or(THE_END);
        match self.store.count_page(asked, counts, end).await? {
            Some(noted) if noted.recovery.cursor == asked.cursor => {
                page.end_at(noted.page_end.as_deref().unwrap_or(THE_END));
            }
            // Another handler of this page is through with it.
            _ => return Ok(()),
        }
        self.note_backfilled(tenant, &page.again).await?;
        self.send_again(asked, &webhook, page.again, standing.sent)
            .await?;
        match page.next {
            Some(next) => {
                let message = Recovery {
                    cursor: next.clone(),
                    ..asked.clone()
                };
                self.queue
                    .send(Lane::Retry, &Message::Recover(message), 0)
                    .await?;
                self.store.advance_recovery(asked, &next).await?;
            }
            None => self.store.end_recovery(asked, Status::Done).await?,
        }
        Ok(())
    }

    /// Lets the events of those that they did not match lead to them.
    async fn note_backfilled(&self, tenant: &TenantId, again: &[Again]) -> Result<(), FlowError> {
        let backfilled = again.iter().filter(|delivery| delivery.backfilled);
        let keys: Vec<_> = backfilled.map(|delivery| delivery.due.delivery()).collect();
        self.store.note_backfills(tenant, &keys).await?;
        Ok(())
    }

    /// Puts deliveries on their way: first the messages, then the rows. `before` were sent by earlier pages.
    async fn send_again(
        &self,
        recovery: &Recovery,
        webhook: &Webhook,
        mut again: Vec<Again>,
        before: u64,
    ) -> Result<(), FlowError> {
        let mut places = before..;
        while !again.is_empty() {
            for (delivery, place) in again.iter_mut().zip(&mut places) {
                // A millisecond apart: they keep their order, and no receiver meets all of them at once.
                delivery.due.due_ms = recovery.job + place;
            }
            let now_ms = self.clock.now_ms();
            let messages: Vec<_> = again
                .iter()
                .map(|Again { due, .. }| {
                    let delay_ms = due.due_ms.saturating_sub(now_ms);
                    (Message::Attempt(due.clone()), delay_ms)
                })
                .collect();
            let sent = self.queue.send_all(Lane::Retry, &messages).await;
            sent.into_iter().collect::<Result<(), _>>()?;
            let moved = again.iter().map(async |delivery| {
                let Again {
                    row,
                    due,
                    event_type,
                    backfilled: _,
                } = delivery;
                if row.is_some() {
                    let to = head(due, event_type, Vec::new());
                    self.store.advance(&to, From::BeforeJob).await
                } else {
                    let first = head(due, event_type, vec![due.due_ms]);
                    self.store.place(&first).await
                }
            });
            // Where a condition fails, the message was faster, or somebody has sent the delivery again by hand. Or an attempt that
            // was under way when the webhook was disabled has failed just now, and its successor will be held: once more then.
            let found = try_join_all(moved).await?.into_iter();
            let found = found.filter_map(|written| match written {
                Written::Found(row) => row,
                Written::Done(_) => None,
            });
            let left = found.filter(|row| is_wanted(recovery, row, webhook));
            again = self.not_through(left.collect(), recovery).await?;
        }
        Ok(())
    }

    /// The page at a recovery's cursor.
    async fn recoverable(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        recovery: &Recovery,
    ) -> Result<Page, FlowError> {
        match &recovery.scope {
            Scope::States(states) => self.unsuccessful(webhook, recovery, states).await,
            Scope::Any => self.anything(webhook, dialect, recovery).await,
        }
    }

    /// A page of the deliveries that stand in one of the states.
    async fn unsuccessful(
        &self,
        webhook: &Webhook,
        recovery: &Recovery,
        states: &[State],
    ) -> Result<Page, FlowError> {
        // What waited when its webhook was disabled is held, but its row says so only when its wait is over.
        let lists: &[_] = if states.contains(&State::Held) {
            &[List::Unsuccessful, List::Pending]
        } else {
            &[List::Unsuccessful]
        };
        let (rows, next) = self
            .store
            .deliveries_after(
                &webhook.tenant,
                &webhook.id,
                lists,
                span(recovery),
                cursor(recovery),
                RECOVERY_PAGE,
            )
            .await?;
        let rows = rows.into_iter();
        let rows = rows.filter(|row| is_wanted(recovery, row, webhook));
        Ok(Page {
            again: self.not_through(rows.collect(), recovery).await?,
            skipped: 0,
            next,
        })
    }

    /// A page of the events that the webhook subscribes to, as it does now.
    async fn anything(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        recovery: &Recovery,
    ) -> Result<Page, FlowError> {
        let (events, next) = self
            .store
            .timeline(
                &webhook.tenant,
                Order::OldestFirst,
                span(recovery),
                cursor(recovery),
                RECOVERY_PAGE,
            )
            .await?;
        let (mut events, unsayable): (Vec<_>, Vec<_>) = events
            .into_iter()
            .filter(|event| subscribes(webhook, dialect, &event.event_type))
            .partition(|event| event.bodies.contains_key(&webhook.dialect));
        if let Some(filter) = &webhook.filter {
            events.retain(|event| {
                let body = event.bodies.get(&webhook.dialect);
                let data = body.and_then(|body| dialect.data_of(body));
                data.is_some_and(|data| filter.takes(&data))
            });
        }
        let keys: Vec<_> = events
            .iter()
            .map(|event| delivery_key(event, &webhook.id))
            .collect();
        let rows = self.store.deliveries(&keys).await?;
        let row_of = |key: &DeliveryKey| rows.iter().find(|row| row.key == *key);
        let last_of = |key: &DeliveryKey| match row_of(key) {
            Some(row) => row.attempt_key(),
            None => AttemptKey::first_of(key),
        };
        let names: Vec<_> = keys.iter().map(last_of).collect();
        let made = self.store.attempts(&names).await?;
        let spoken = self.spoken_before(&rows, &made).await?;
        let mut again = Vec::new();
        for ((event, key), name) in events.iter().zip(&keys).zip(&names) {
            let last = made.iter().find(|made| made.key == *name);
            let row = row_of(key);
            let mut backfilled = false;
            let (n, attempt) = match (row, last) {
                (Some(row), _) if !is_wanted(recovery, row, webhook) => continue,
                (Some(row), Some(_)) => (row.n + 1, row.attempt + 1),
                (Some(row), None) => (row.n + 1, row.next_attempt()),
                // Its first attempt has failed just now, and its row is being written.
                (None, Some(last)) if last.next_due_ms.is_some() => continue,
                (None, Some(_)) => (2, 2),
                (None, None) => match self.match_of(event, webhook).await? {
                    // Its first attempt left no trace yet.
                    Some(found) if found.active => continue,
                    // It was never meant for this webhook. Position 1 belongs to the event's publication.
                    found => {
                        backfilled = found.is_none();
                        (2, 1)
                    }
                },
            };
            // What was posted before is posted in the same words again.
            let earlier = last.map(|last| &last.dialect).or_else(|| spoken.get(key));
            let dialect = earlier.unwrap_or(&webhook.dialect).clone();
            again.push(Again {
                row: row.cloned(),
                due: fresh_ladder(recovery, key, (n, attempt), Some(dialect)),
                event_type: event.event_type.clone(),
                backfilled,
            });
        }
        Ok(Page {
            again,
            skipped: unsayable.len() as u64,
            next,
        })
    }

    /// How an event matched the webhook when it was accepted, if it did.
    async fn match_of(&self, event: &Event, webhook: &Webhook) -> Result<Option<Match>, FlowError> {
        let matches = self.store.matches(event).await?;
        Ok(matches
            .into_iter()
            .find(|found| found.webhook == webhook.id))
    }

    /// Those rows whose last attempt did not succeed after all.
    async fn not_through(
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
                    .finish(&row.key, (row.n, row.due_ms), &open, State::Succeeded)
                    .await?;
                continue;
            }
            let attempt = match last {
                Some(_) => row.attempt + 1,
                None => row.next_attempt(),
            };
            let earlier = last.map(|last| &last.dialect);
            let dialect = earlier.or_else(|| spoken.get(&row.key));
            let position = (row.n + 1, attempt);
            again.push(Again {
                due: fresh_ladder(recovery, &row.key, position, dialect.cloned()),
                event_type: row.event_type.clone(),
                backfilled: false,
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
        let silent = rows.iter().filter(|row| row.n > 1 && !has(made, row));
        let silent: Vec<_> = silent.collect();
        let firsts: Vec<_> = silent
            .iter()
            .map(|row| AttemptKey::first_of(&row.key))
            .collect();
        let mut earlier = self.store.attempts(&firsts).await?;
        // Those that were missed have no first one.
        let later = silent.iter().filter(|row| !has(&earlier, row));
        let later = later.flat_map(|row| {
            let dues = (2..row.n).zip(&row.dues_ms);
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

fn span(recovery: &Recovery) -> Span {
    Span {
        since_ms: recovery.since_ms,
        until_ms: recovery.until_ms,
    }
}

fn cursor(recovery: &Recovery) -> Option<&str> {
    Some(recovery.cursor.as_str()).filter(|cursor| !cursor.is_empty())
}

/// Whether a recovery is for a delivery as it stands, and has not sent it yet.
fn is_wanted(recovery: &Recovery, row: &Delivery, webhook: &Webhook) -> bool {
    let state = row.state_for(webhook);
    let in_scope = match &recovery.scope {
        Scope::States(states) => states.contains(&state),
        Scope::Any => state != State::Pending,
    };
    in_scope && (row.job < Some(recovery.job) || mutated(Mutation::JobIgnored))
}

/// The message that starts a delivery's ladder anew. Its due time is yet to be set.
fn fresh_ladder(
    recovery: &Recovery,
    key: &DeliveryKey,
    (n, attempt): (u32, u32),
    dialect: Option<String>,
) -> Due {
    Due {
        tenant: key.tenant.clone(),
        webhook: key.webhook.clone(),
        event: key.event.clone(),
        accepted_ms: key.accepted_ms,
        n,
        due_ms: recovery.job,
        attempt,
        rung: 0,
        epoch: recovery.epoch,
        trigger: Trigger::Recover,
        dialect,
        job: Some(recovery.job),
        repeated: false,
        through: false,
        place_ms: None,
        content: None,
    }
}
