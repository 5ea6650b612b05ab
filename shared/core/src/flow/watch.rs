//! The watchdog: finds what should have happened an hour ago, and sends its message again.
//!
//! Everything that goes on has a message, and a row that says where it stands. A queue that is purged, made anew, or of an earlier time
//! than the table loses messages, and the rows stay. So the sweep also goes round, at most once an hour, a piece each minute: over all tenants,
//! and sends the message of each position that is overdue once more. A copy too many is dropped where it arrives, so nothing has to be
//! certain here: reads are eventual, and two laps at once do no harm.
//!
//! What is sent again goes through the queue of later attempts. There is a lap for each queue. That of first attempts looks for events that left no trace with a webhook they are for; that of
//! later ones at what waits and at jobs. While messages pile up in a queue, its lap rests: what is late is not lost then,
//! and a flood is not to be doubled. What waits for a webhook that is paused, or whose rate limit has given places ahead is left alone as well.
//!
//! A lap keeps its place in the table: each piece goes on where the one before it has ended, and a crash repeats a piece. A tenant that
//! cannot be looked at holds up none of the others: the next lap looks at more of it.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::{FlowError, sweep::Sweeper};
use crate::{
    domain::{
        delivery::is_looked_at,
        id::{TenantId, WebhookId},
        message::{AttemptMessage, Message},
        position::Position,
    },
    limits::{BACKLOG, LAP_MS, LOST_MS, WATCH_BEHIND, WATCH_PAGE, WATCH_STEPS, WATCH_TIME_MS},
    queue::QueueName,
    store::{
        StoreError,
        laps::{Behind, Lap, Place},
        span::Span,
    },
};

/// Rows of a tenant's list of events that are read at a time. Each names up to a hundred.
const WATCH_ROWS: usize = 20;
/// How far back the first lap looks, in milliseconds.
const FIRST_LAP_MS: u64 = 86_400_000;

/// A piece of a lap.
struct Piece<'a> {
    sweeper: &'a Sweeper,
    queue: QueueName,
    lap: Lap,
    /// Pages that it may still read.
    steps: usize,
    /// Until when, in milliseconds of the wall clock.
    until_ms: u64,
    sent: usize,
    /// Why something was left to the next lap.
    failed: Option<FlowError>,
}

impl Sweeper {
    /// Goes on with the laps; returns how many messages were sent again.
    ///
    /// # Errors
    /// When the table or a queue fails; the next sweep goes on.
    pub(super) async fn watch(&self) -> Result<usize, FlowError> {
        let mut sent = 0;
        let mut watched = Ok(());
        for queue in [QueueName::Deliver, QueueName::Retry] {
            // One lap's failure is no reason to stop the other.
            watched = watched.and(self.watch_queue(queue, &mut sent).await);
        }
        if sent > 0 {
            tracing::warn!(sent, "lost messages sent again");
            self.metrics.resent(sent);
            self.metrics.flush();
        }
        watched.map(|()| sent)
    }

    async fn watch_queue(&self, queue: QueueName, sent: &mut usize) -> Result<(), FlowError> {
        let now_ms = self.clock.now_ms();
        let Some(lap) = next_lap(self.store.lap(queue).await?, now_ms) else {
            return Ok(());
        };
        if self.queue.backlog(queue).await? > BACKLOG {
            return Ok(());
        }
        let mut piece = Piece {
            sweeper: self,
            queue,
            lap,
            steps: WATCH_STEPS,
            until_ms: self.clock.wall_ms() + WATCH_TIME_MS,
            sent: 0,
            failed: None,
        };
        let walked = piece.walk().await;
        *sent += piece.sent;
        walked?;
        self.store.put_lap(queue, &piece.lap).await?;
        piece.failed.map_or(Ok(()), Err)
    }
}

/// The lap that is under way, or the next one if it is time for it.
fn next_lap(stored: Option<Lap>, now_ms: u64) -> Option<Lap> {
    let next = |before_ms: u64, behind| Lap {
        before_ms,
        began_ms: now_ms,
        place: Some(Place::default()),
        behind,
    };
    let Some(lap) = stored else {
        // What is older was accepted before there was a watchdog.
        let before_ms = now_ms.saturating_sub(FIRST_LAP_MS);
        return Some(next(before_ms, BTreeMap::new()));
    };
    // A clock that was wrong began it in the future.
    if lap.began_ms > now_ms + LAP_MS {
        return Some(next(lap.before_ms.min(now_ms), lap.behind));
    }
    if lap.place.is_some() {
        return Some(lap);
    }
    (lap.began_ms + LAP_MS <= now_ms).then(|| {
        let mut behind = lap.behind;
        // One that the lap did not come by is gone.
        behind.retain(|_, behind| behind.failed_ms == lap.began_ms);
        next(lap.began_ms, behind)
    })
}

impl Piece<'_> {
    /// Goes on until the lap or the piece ends.
    async fn walk(&mut self) -> Result<(), FlowError> {
        while let Some(mut place) = self.lap.place.take() {
            if self.queue == QueueName::Retry && place == Place::default() {
                // Each lap looks at all of them.
                let watched = self.watch_jobs().await;
                watched.or_else(|error| self.pass_over(error))?;
            }
            let before = place.tenant.as_deref();
            let store = &self.sweeper.store;
            let (positions, next) = store.tenant_positions(before, WATCH_PAGE).await?;
            self.steps = self.steps.saturating_sub(1);
            let tenants = positions.iter().map(|position| store.tenant_at(position));
            let tenants = join_all(tenants).await;
            for (position, tenant) in positions.into_iter().zip(tenants) {
                if place.under_way.as_ref() != Some(&position) {
                    place = Place {
                        tenant: place.tenant.take(),
                        under_way: Some(position.clone()),
                        ..Place::default()
                    };
                }
                match self.watch_tenant(tenant, &position, &mut place).await {
                    Ok(true) => {
                        self.lap.place = Some(place);
                        return Ok(());
                    }
                    Ok(false) => drop(self.lap.behind.remove(&position)),
                    Err(error) => self.leave_behind(&position, error)?,
                }
                place = Place {
                    tenant: Some(position),
                    ..Place::default()
                };
            }
            self.lap.place = next.map(|tenant| Place {
                tenant: Some(tenant),
                ..Place::default()
            });
            if self.steps == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks at a tenant, if it is still there. Whether something of it is left.
    async fn watch_tenant(
        &mut self,
        tenant: Result<Option<TenantId>, StoreError>,
        position: &str,
        place: &mut Place,
    ) -> Result<bool, FlowError> {
        let Some(tenant) = tenant? else {
            return Ok(false);
        };
        let before_ms = self.before_ms(position);
        match self.queue {
            QueueName::Deliver => self.watch_events(&tenant, before_ms, place).await,
            QueueName::Retry => self.watch_webhooks(&tenant, before_ms, place).await,
        }
    }

    /// Leaves a tenant that cannot be looked at to the next lap, which looks from where the last one that could has looked.
    fn leave_behind(&mut self, position: &str, error: FlowError) -> Result<(), FlowError> {
        let behind = Behind {
            before_ms: self.before_ms(position),
            failed_ms: self.lap.began_ms,
        };
        let is_known = self.lap.behind.contains_key(position);
        if !is_known && self.lap.behind.len() >= WATCH_BEHIND {
            return Err(error);
        }
        self.pass_over(error)?;
        self.lap.behind.insert(position.to_owned(), behind);
        tracing::warn!(
            tenant = position,
            queue = self.queue.as_str(),
            "left to the next lap of the watchdog"
        );
        Ok(())
    }

    /// Goes on after a failure to read the table, which is told when the piece has ended. Without a queue there is nothing to go on with.
    fn pass_over(&mut self, error: FlowError) -> Result<(), FlowError> {
        match error {
            FlowError::Store(_) => {
                self.failed.get_or_insert(error);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// When the last lap began that looked at the tenant of this position.
    fn before_ms(&self, position: &str) -> u64 {
        let behind = self.lap.behind.get(position);
        behind.map_or(self.lap.before_ms, |behind| behind.before_ms)
    }

    /// What was due then or before is lost for a lap that began at `began_ms`.
    fn lost_ms(&self, began_ms: u64) -> u64 {
        began_ms.saturating_sub(self.sweeper.clock.stretched_ms(LOST_MS))
    }

    /// Whether there is another page to read in this piece; counts it.
    fn step(&mut self) -> bool {
        let left = self.steps > 0 && self.sweeper.clock.wall_ms() < self.until_ms;
        self.steps = self.steps.saturating_sub(1);
        left
    }

    /// Looks at the events that a tenant accepted an hour ago or more, since the lap before. Whether some are left.
    async fn watch_events(
        &mut self,
        tenant: &TenantId,
        before_ms: u64,
        place: &mut Place,
    ) -> Result<bool, FlowError> {
        let store = &self.sweeper.store;
        let span = Span {
            since_ms: self.lost_ms(before_ms),
            until_ms: self.lost_ms(self.lap.began_ms).saturating_sub(1),
        };
        loop {
            if !self.step() {
                return Ok(true);
            }
            let after = place.cursor.as_deref();
            let (entries, next) = store
                .entries_by_shard(tenant, span, after, WATCH_ROWS)
                .await?;
            self.steps = self.steps.saturating_sub(entries.len() / WATCH_PAGE);
            let owed = store.owed(tenant, &entries).await?;
            let untraced = store.untraced(owed).await?;
            let webhooks = untraced.iter().map(|key| key.webhook.clone()).collect();
            let epochs = store.epochs(tenant, webhooks).await?;
            let copies = untraced.iter().filter_map(|key| {
                // Of those that are gone since, nobody waits for anything.
                let epoch = *epochs.get(&key.webhook)?;
                let position = Position::first(key.accepted_ms, epoch);
                // An earlier message of it may be under way.
                Some(Message::Attempt(AttemptMessage {
                    repeated: true,
                    ..AttemptMessage::new(key.clone(), position)
                }))
            });
            self.send(copies.collect()).await?;
            place.cursor = next;
            if place.cursor.is_none() {
                return Ok(false);
            }
        }
    }

    /// Looks at what waits for a tenant's webhooks. Whether some are left.
    async fn watch_webhooks(
        &mut self,
        tenant: &TenantId,
        before_ms: u64,
        place: &mut Place,
    ) -> Result<bool, FlowError> {
        let store = &self.sweeper.store;
        loop {
            if !self.step() {
                return Ok(true);
            }
            let after = place.webhook.as_deref();
            let webhooks = store.webhook_ids(tenant, after, WATCH_PAGE).await?;
            let is_last = webhooks.len() < WATCH_PAGE;
            for (position, webhook) in webhooks {
                let cursor = &mut place.cursor;
                if self
                    .watch_waiting(tenant, &webhook, before_ms, cursor)
                    .await?
                {
                    return Ok(true);
                }
                place.webhook = Some(position);
                place.cursor = None;
            }
            if is_last {
                return Ok(false);
            }
        }
    }

    async fn watch_waiting(
        &mut self,
        tenant: &TenantId,
        webhook: &WebhookId,
        before_ms: u64,
        cursor: &mut Option<String>,
    ) -> Result<bool, FlowError> {
        let store = &self.sweeper.store;
        let began_ms = self.lap.began_ms;
        let by_ms = self.lost_ms(began_ms);
        loop {
            if !self.step() {
                return Ok(true);
            }
            let wanted = |accepted_ms| is_looked_at(accepted_ms, before_ms, began_ms);
            let (rows, next) = store
                .waiting(tenant, webhook, wanted, cursor.as_deref(), WATCH_PAGE)
                .await?;
            let lost = rows.iter().filter(|row| row.is_overdue(by_ms));
            let lost: Vec<_> = lost.map(|row| Message::Attempt(row.message())).collect();
            if !lost.is_empty() && !store.holds_back(tenant, webhook).await? {
                self.send(lost).await?;
            }
            *cursor = next;
            if cursor.is_none() {
                return Ok(false);
            }
        }
    }

    /// Looks at the jobs of the whole deployment that have not ended.
    async fn watch_jobs(&mut self) -> Result<(), FlowError> {
        let store = &self.sweeper.store;
        let by_ms = self.lost_ms(self.lap.began_ms);
        let mut before = None;
        loop {
            let page = store.open_jobs(before.as_deref(), WATCH_PAGE).await?;
            self.steps = self.steps.saturating_sub(1);
            let lost = page.items.into_iter().filter(|job| job.is_overdue(by_ms));
            self.send(lost.map(|job| Message::Job(job.page)).collect())
                .await?;
            before = page.next;
            if before.is_none() {
                return Ok(());
            }
        }
    }

    async fn send(&mut self, messages: Vec<Message>) -> Result<(), FlowError> {
        self.sent += messages.len();
        let messages: Vec<_> = messages.into_iter().map(|message| (message, 0)).collect();
        let queue = &self.sweeper.queue;
        Ok(queue.send_every(QueueName::Retry, &messages).await?)
    }
}
