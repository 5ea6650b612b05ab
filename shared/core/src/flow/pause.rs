//! Pauses of a webhook: what is due waits for their end, one probe ends them, and what has waited follows in turns.
//!
//! What must wait goes back to the queue, or is parked, with its turn: the same position of the chain under the same due time, marked,
//! so nothing forks and no rung is used up. A first attempt has no row that could be listed, so it goes on as position 2 with a row,
//! still as the first attempt on the first rung. A turn is good for the pause that it was given for. When people end a pause, what
//! waits is sent once more, and the copy that comes later is dropped as any is.
//!
//! Attempts go by the webhook as their batch has read it, or by what this process has seen of it since. So a pause holds everywhere
//! when the batches in hand are through, at most 30 s after it began.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rung_dialect::Dialect;

use super::{
    FlowError,
    control::Control,
    deliver::{Deliverer, Loaded},
    position,
    post::chance,
};
use crate::{
    domain::{
        attempt::{Attempt, LogId, Trigger},
        delivery::Delivery,
        id::{TenantId, WebhookId},
        message::{AttemptMessage, Message, Release, Turn},
        notice::{Notice, ResumedAs},
        pause::{Gate, Pause, Signal},
        position::Position,
        stored::Stored,
        webhook::Webhook,
    },
    limits::{
        PAUSE_LEAD_MS, QUEUE_DELAY_MAX_MS, RELEASE_DELAY_MS, RELEASE_PAGE, REMEMBERED_PAUSES,
    },
    queue::QueueName,
    store::{deliveries::List, span::Span, webhook_states::StateWritten},
};

/// What this process has seen of pauses. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Pauses(Arc<Mutex<HashMap<(TenantId, WebhookId), Seen>>>);

/// What was seen of a webhook's pauses.
struct Seen {
    /// The last that stood in the table.
    stored: Option<Stored<Pause>>,
    /// What an answer says that is not settled yet.
    foreseen: Option<Stored<Pause>>,
}

impl Seen {
    fn of(stored: Option<Stored<Pause>>) -> Self {
        Self {
            stored,
            foreseen: None,
        }
    }
}

impl Pauses {
    fn seen(&self) -> MutexGuard<'_, HashMap<(TenantId, WebhookId), Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, webhook: &Webhook, seen: Seen) {
        let mut all = self.seen();
        // What is forgotten is read again with the next batch.
        if all.len() >= REMEMBERED_PAUSES {
            all.clear();
        }
        all.insert((webhook.tenant.clone(), webhook.id.clone()), seen);
    }

    /// A webhook's pause in the table: as it was read, or as it was seen since.
    fn known(&self, webhook: &Webhook) -> Option<Stored<Pause>> {
        let read = webhook.pause.clone();
        let all = self.seen();
        if all.is_empty() {
            return read;
        }
        let seen = all.get(&(webhook.tenant.clone(), webhook.id.clone()));
        newer(webhook, read, seen.and_then(|seen| seen.stored.clone()))
    }

    /// The same, or what is about to stand there.
    fn newest(&self, webhook: &Webhook) -> Option<Stored<Pause>> {
        let known = self.known(webhook);
        let all = self.seen();
        if all.is_empty() {
            return known;
        }
        let seen = all.get(&(webhook.tenant.clone(), webhook.id.clone()));
        newer(webhook, known, seen.and_then(|seen| seen.foreseen.clone()))
    }
}

/// A webhook's pause as it was read, unless one that was seen is of its epoch and says more.
fn newer(
    webhook: &Webhook,
    read: Option<Stored<Pause>>,
    seen: Option<Stored<Pause>>,
) -> Option<Stored<Pause>> {
    let is_newer = |seen: &Stored<Pause>| {
        let read = read.as_ref().map(|read| &read.value);
        seen.value.epoch == webhook.epoch && read.is_none_or(|read| seen.value.is_newer_than(read))
    };
    seen.filter(is_newer).or(read)
}

impl Deliverer {
    /// Whether the attempt may be made now, as far as pauses go. If not, its message is on its way to its turn. What people ask for by
    /// hand doesn't wait.
    pub(super) async fn is_let_through(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
        loaded: &Loaded,
    ) -> Result<bool, FlowError> {
        if message.position.trigger == Trigger::Manual {
            return Ok(true);
        }
        let mut known = self.control.pauses.newest(webhook);
        loop {
            let Some(stored) = known.filter(|it| it.value.epoch == webhook.epoch) else {
                return Ok(true);
            };
            let pause = &stored.value;
            let (now_ms, wall_ms) = (self.clock.now_ms(), self.clock.wall_ms());
            let turn = message.turn.filter(|turn| turn.pause == pause.id);
            let in_place = turn.is_some_and(|turn| turn.at_ms <= now_ms);
            let log_id = message.attempt_key().log_id().to_string();
            match pause.gate(in_place, now_ms, wall_ms) {
                Gate::Open => return Ok(true),
                Gate::Probing if pause.is_probe(&log_id) => return Ok(true),
                Gate::Trial => {
                    let probed = pause.probed_by(log_id, now_ms, wall_ms);
                    match self
                        .control
                        .replace_pause(webhook, Some(&stored), probed)
                        .await?
                    {
                        Replaced::Done(_) => return Ok(true),
                        Replaced::Found(found) => known = found,
                        Replaced::Past => {
                            let event_type = self.event_type(message, loaded);
                            self.come_again(message, &event_type).await?;
                            return Ok(false);
                        }
                    }
                }
                gate => return self.take_turn(message, webhook, pause, gate, loaded).await,
            }
        }
    }

    /// Takes a turn behind a pause. Whether it has come already; if not, the message is on its way to it.
    async fn take_turn(
        &self,
        message: &AttemptMessage,
        webhook: &Webhook,
        pause: &Pause,
        gate: Gate,
        loaded: &Loaded,
    ) -> Result<bool, FlowError> {
        let place = self.store.take_turn(webhook, pause).await?;
        let now_ms = self.clock.now_ms();
        // Without a place, the pause has changed since, or another was foreseen that did not come. The message comes again, no sooner
        // than anything that waits.
        let at_ms = match place {
            Some(place) => pause.turn_ms(place, gate, now_ms),
            None => pause.turn_ms(1, gate, now_ms).max(now_ms + PAUSE_LEAD_MS),
        };
        if gate == Gate::Ramp && at_ms <= now_ms {
            return Ok(true);
        }
        let travels = at_ms.saturating_sub(now_ms) <= QUEUE_DELAY_MAX_MS;
        let waiting = AttemptMessage {
            position: Position {
                n: message.position.n.max(2),
                ..message.position.clone()
            },
            turn: Some(Turn {
                pause: pause.id,
                at_ms,
            }),
            repeated: true,
            place_ms: None,
            // Where an erasure does not look, there is nothing to erase.
            content: message.content.clone().filter(|_| travels),
            ..message.clone()
        };
        self.put_off(&waiting).await?;
        if message.position.n == 1 {
            let event_type = self.event_type(message, loaded);
            let row = waiting.row(event_type);
            self.store.place(&row).await?;
            // Whoever has changed the pause meanwhile may have looked for what waits before there was this row.
            if !travels && self.control.is_changed(webhook, pause).await? {
                self.queue
                    .send(QueueName::Retry, &Message::Attempt(waiting), 0)
                    .await?;
            }
        }
        Ok(false)
    }
}

impl Control {
    /// Whether another pause than this one stands in the table by now.
    async fn is_changed(&self, webhook: &Webhook, pause: &Pause) -> Result<bool, FlowError> {
        let webhook = self.store.webhook(&webhook.tenant, &webhook.id).await?;
        let present = webhook.as_ref().and_then(Webhook::present_pause);
        Ok(present.is_none_or(|present| present.id != pause.id))
    }

    /// Has what else this process is about to send wait for the pause that an attempt begins or prolongs, before it is settled. If this
    /// dies before, what waits finds out that there is no such pause.
    pub(super) fn foresee_pause(&self, webhook: &Webhook, dialect: &Dialect, attempt: &Attempt) {
        if !attempt.trigger.counts() || throttled(dialect, attempt).is_none() {
            return;
        }
        // The first one of several is the one that is stored, most often.
        let newest = self.pauses.newest(webhook);
        let log_id = attempt.key.log_id().to_string();
        let signal = signal(webhook, dialect, attempt, &log_id);
        if let Some(next) = Pause::after(newest.as_ref().map(|newest| &newest.value), signal) {
            let seen = Seen {
                stored: self.pauses.known(webhook),
                foreseen: Some(Stored::of(next)),
            };
            self.pauses.remember(webhook, seen);
        }
    }

    /// Begins, prolongs or ends a webhook's pause, as an attempt that counts says.
    pub(super) async fn follow_pause(
        &self,
        webhook: &Webhook,
        dialect: &Dialect,
        attempt: &Attempt,
    ) -> Result<(), FlowError> {
        let mut known = self.pauses.known(webhook);
        if known.is_none() && throttled(dialect, attempt).is_none() {
            return Ok(());
        }
        let log_id = attempt.key.log_id().to_string();
        let signal = signal(webhook, dialect, attempt, &log_id);
        while let Some(next) = Pause::after(known.as_ref().map(|known| &known.value), signal) {
            match self.replace_pause(webhook, known.as_ref(), next).await? {
                Replaced::Done(next) => {
                    known = Some(next);
                    break;
                }
                Replaced::Found(found) => known = found,
                Replaced::Past => return Ok(()),
            }
        }
        // First the pause: a repeat finds it as it stands.
        let Some(Stored { value: pause, .. }) = known else {
            return Ok(());
        };
        let begun = pause.ended_ms.is_none() && pause.log_id.as_deref() == Some(&*log_id);
        let ended = pause.ended_by(&log_id);
        if (begun || ended.is_some()) && self.operator.listens_to(webhook).await? {
            if begun {
                self.notify(webhook.paused_by(&pause, attempt)).await?;
            } else if let Some(ended) = ended {
                let resumed = webhook.resumed_by(ended, attempt);
                self.notify_of_end(webhook, ended, resumed).await?;
            }
        }
        Ok(())
    }

    /// Notifies the operator of a pause's end, and of its beginning too: whoever began it may have died before that was sent. What was
    /// sent already has the same event id.
    async fn notify_of_end(
        &self,
        webhook: &Webhook,
        pause: &Pause,
        resumed: Notice,
    ) -> Result<(), FlowError> {
        let log_id = pause.log_id.as_deref().and_then(LogId::parse);
        let begun_by = match log_id {
            Some(log_id) => {
                let (tenant, id) = (&webhook.tenant, &webhook.id);
                self.store.log_entry(tenant, id, &log_id).await?
            }
            None => None,
        };
        let paused = match begun_by {
            Some(attempt) => webhook.paused_by(pause, &attempt),
            None => webhook.paused_by_hand(pause),
        };
        self.notify_all(vec![paused, resumed]).await
    }

    async fn replace_pause(
        &self,
        webhook: &Webhook,
        known: Option<&Stored<Pause>>,
        next: Pause,
    ) -> Result<Replaced, FlowError> {
        let written = self.store.write_state(webhook, known, Some(&next)).await?;
        let (pause, replaced) = match written {
            StateWritten::Done => {
                let next = Stored::of(next);
                (Some(next.clone()), Replaced::Done(next))
            }
            StateWritten::Found(found) => (found.clone(), Replaced::Found(found)),
            StateWritten::Past => (None, Replaced::Past),
        };
        self.pauses.remember(webhook, Seen::of(pause));
        Ok(replaced)
    }

    /// Whether what is due to a webhook may be waiting for a pause.
    pub(super) fn is_held_back(&self, webhook: &Webhook) -> bool {
        webhook.holds_back(self.clock.now_ms(), self.clock.wall_ms())
    }

    /// Whether what is due to a webhook may be waiting for a pause, or for its place under a rate limit: then it is not on its way.
    pub(super) fn may_wait(&self, webhook: &Webhook) -> bool {
        webhook.rate_limit.is_some() || self.is_held_back(webhook)
    }

    /// Whether the message of a row must be taken for lost.
    pub(super) fn is_overdue(&self, row: &Delivery, webhook: &Webhook) -> bool {
        row.is_overdue(self.overdue_ms()) && !self.is_held_back(webhook)
    }

    /// Notifies the operator that the disabling of a webhook has ended its pause, if it had one. While it is disabled, nobody changes that.
    ///
    /// # Errors
    /// When the table or the queue does not answer.
    pub async fn follow_disabling(
        &self,
        tenant: &TenantId,
        id: &WebhookId,
    ) -> Result<(), FlowError> {
        if !self.operator.is_there_for(tenant.name()).await? {
            return Ok(());
        }
        // Whoever has disabled it may not have seen how its pause began.
        match self.store.webhook(tenant, id).await? {
            Some(webhook) => self.tell_of_pause_cut_short(&webhook).await,
            None => Ok(()),
        }
    }

    async fn tell_of_pause_cut_short(&self, webhook: &Webhook) -> Result<(), FlowError> {
        let Some(pause) = webhook.pause_cut_short() else {
            return Ok(());
        };
        if !self.operator.listens_to(webhook).await? {
            return Ok(());
        }
        let ended_ms = webhook.last_disabled_ms().unwrap_or(pause.until_ms);
        let resumed = webhook.resumed_as(ResumedAs::Disabled, pause, ended_ms);
        self.notify_of_end(webhook, pause, resumed).await
    }

    /// The same of its deletion: `webhook` is as it was before that.
    ///
    /// # Errors
    /// When the table or the queue does not answer.
    pub async fn follow_deletion(&self, webhook: &Webhook) -> Result<(), FlowError> {
        let pause = webhook.pause.as_ref().map(|stored| &stored.value);
        let Some(pause) = pause.filter(|pause| pause.ended_ms.is_none()) else {
            return Ok(());
        };
        if !self.operator.listens_to(webhook).await? {
            return Ok(());
        }
        let resumed = webhook.resumed_as(ResumedAs::Deleted, pause, self.clock.now_ms());
        self.notify_of_end(webhook, pause, resumed).await
    }

    /// Does what follows from a call that began, changed or ended a pause, raised or removed the rate limit, or disabled the webhook:
    /// `before` is the webhook as it was. Tells the operator, and sends what waited for an end, or for places, that do not hold any more.
    ///
    /// # Errors
    /// When the table or the queue does not answer.
    pub async fn follow_call(&self, before: &Webhook, webhook: &Webhook) -> Result<(), FlowError> {
        if webhook.disabled.is_some() {
            return self.follow_disabling(&webhook.tenant, &webhook.id).await;
        }
        // Whoever has disabled it may have died before that was told.
        if before.disabled.is_some() {
            self.tell_of_pause_cut_short(before).await?;
        }
        let (tenant, id) = (&webhook.tenant, &webhook.id);
        let changed = webhook.pause.as_ref();
        let changed = changed.filter(|stored| before.pause.as_ref() != Some(*stored));
        let stood = before
            .present_pause()
            .filter(|pause| pause.stands(webhook.epoch));
        let is_sooner = |pause: &Stored<Pause>| {
            stood.is_some_and(|stood| pause.value.origin_ms < stood.origin_ms)
        };
        if let Some(stored) = changed {
            self.pauses
                .remember(webhook, Seen::of(Some(stored.clone())));
        }
        if webhook.is_faster_than(before) || changed.is_some_and(is_sooner) {
            let release = Release {
                tenant: tenant.clone(),
                webhook: id.clone(),
                cursor: String::new(),
            };
            self.queue
                .send(
                    QueueName::Retry,
                    &Message::Release(release),
                    self.index_lag_ms,
                )
                .await?;
        }
        let Some(stored) = changed else {
            return Ok(());
        };
        let pause = &stored.value;
        if stood.is_some() == pause.ended_ms.is_none() || !self.operator.listens_to(webhook).await?
        {
            return Ok(());
        }
        if stood.is_some() {
            let resumed = webhook.resumed_by_hand(pause);
            self.notify_of_end(webhook, pause, resumed).await
        } else {
            self.notify(webhook.paused_by_hand(pause)).await
        }
    }

    /// Sends a page of what waits for a webhook and is due, or nearly, once more. What is still to wait takes another turn.
    pub(super) async fn release_page(&self, release: &Release) -> Result<(), FlowError> {
        let (tenant, id) = (&release.tenant, &release.webhook);
        let Some(webhook) = self.store.webhook(tenant, id).await? else {
            return Ok(());
        };
        let after = position(&release.cursor);
        let (rows, next) = self
            .store
            .deliveries_after(tenant, id, &[List::Pending], Span::ALL, after, RELEASE_PAGE)
            .await?;
        // Another function's clock may be ahead: what was due by that may be waiting, and is not due by this one.
        let soon_ms = self.clock.now_ms() + QUEUE_DELAY_MAX_MS;
        let waiting = rows
            .iter()
            .filter(|row| row.position.due_ms <= soon_ms && webhook.takes(row.position.epoch));
        let messages = waiting.map(|row| (Message::Attempt(row.message()), 0));
        let messages: Vec<_> = messages.collect();
        let sent = self.queue.send_every(QueueName::Retry, &messages);
        sent.await?;
        if let Some(cursor) = next {
            let next = Release {
                cursor,
                ..release.clone()
            };
            self.queue
                .send(QueueName::Retry, &Message::Release(next), RELEASE_DELAY_MS)
                .await?;
        }
        Ok(())
    }
}

/// The status of an attempt's answer, if it pauses the webhook.
fn throttled(dialect: &Dialect, attempt: &Attempt) -> Option<u16> {
    let status = attempt.response_status;
    status.filter(|status| dialect.is_throttled_by(*status))
}

/// What an attempt says about pauses.
fn signal<'a>(
    webhook: &Webhook,
    dialect: &Dialect,
    attempt: &Attempt,
    log_id: &'a str,
) -> Signal<'a> {
    Signal {
        log_id,
        epoch: webhook.epoch,
        started_ms: attempt.started_ms,
        ended_ms: attempt.ended_ms,
        throttled: throttled(dialect, attempt),
        asked_until_ms: attempt.asked_until_ms,
        chance: chance(attempt.key.delivery.uuid(), attempt.key.n),
    }
}

/// What came of writing a pause.
enum Replaced {
    /// It stands.
    Done(Stored<Pause>),
    /// Another one was stored meanwhile.
    Found(Option<Stored<Pause>>),
    /// The webhook was deleted or enabled anew.
    Past,
}
