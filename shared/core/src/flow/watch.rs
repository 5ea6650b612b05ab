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
//! A lap keeps its place in the table: each piece goes on where the one before it has ended, and a crash repeats a piece.
//!
//! A tenant that cannot be read holds up no other. The lap keeps where the look at it stands, and passes it over; the next lap goes on there
//! before it looks at what is its own.

use std::collections::BTreeMap;

use super::{FlowError, sweep::Sweeper};
use crate::{
    domain::{
        delivery::is_looked_at,
        id::{TenantId, WebhookId},
        message::{AttemptMessage, Message},
        position::Position,
    },
    limits::{BACKLOG, LAP_MS, LOST_MS, WATCH_MISSED, WATCH_PAGE, WATCH_STEPS, WATCH_TIME_MS},
    queue::QueueName,
    store::{
        laps::{Lap, Place, Visit},
        walk::Span,
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
}

impl Sweeper {
    /// Goes on with the laps; returns how many messages were sent again.
    ///
    /// # Errors
    /// When the table or a queue fails; the next sweep goes on.
    pub(super) async fn watch(&self) -> Result<usize, FlowError> {
        let mut sent = 0;
        for queue in [QueueName::Deliver, QueueName::Retry] {
            sent += self.watch_queue(queue).await?;
        }
        if sent > 0 {
            tracing::warn!(sent, "lost messages sent again");
            self.metrics.resent(sent);
            self.metrics.flush();
        }
        Ok(sent)
    }

    async fn watch_queue(&self, queue: QueueName) -> Result<usize, FlowError> {
        let now_ms = self.clock.now_ms();
        let stored = self.store.lap(queue).await?;
        let began_ms = stored.as_ref().map(|lap| lap.began_ms);
        let Some(lap) = next_lap(stored, now_ms) else {
            return Ok(0);
        };
        let begins = began_ms != Some(lap.began_ms);
        if self.queue.backlog(queue).await? > BACKLOG {
            return Ok(0);
        }
        let mut piece = Piece {
            sweeper: self,
            queue,
            lap,
            steps: WATCH_STEPS,
            until_ms: self.clock.wall_ms() + WATCH_TIME_MS,
            sent: 0,
        };
        if queue == QueueName::Retry && begins {
            piece.watch_jobs().await?;
        }
        piece.walk().await?;
        self.store.put_lap(queue, &piece.lap).await?;
        Ok(piece.sent)
    }
}

/// The lap that is under way, or the next one if it is time for it.
fn next_lap(stored: Option<Lap>, now_ms: u64) -> Option<Lap> {
    let next = |before_ms: u64, behind: BTreeMap<String, Visit>| Lap {
        before_ms,
        began_ms: now_ms,
        place: Some(Place::default()),
        behind,
        missed: BTreeMap::new(),
    };
    let Some(mut lap) = stored else {
        // What is older was accepted before there was a watchdog.
        let before_ms = now_ms.saturating_sub(FIRST_LAP_MS);
        return Some(next(before_ms, BTreeMap::new()));
    };
    // A clock that was wrong began it in the future.
    if lap.began_ms > now_ms + LAP_MS {
        lap.behind.append(&mut lap.missed);
        for visit in lap.behind.values_mut() {
            visit.began_ms = visit.began_ms.min(now_ms);
        }
        return Some(next(lap.before_ms.min(now_ms), lap.behind));
    }
    if lap.place.is_some() {
        return Some(lap);
    }
    // Those that it has come to nowhere in the list are gone.
    (lap.began_ms + LAP_MS <= now_ms).then(|| next(lap.began_ms, lap.missed))
}

impl Piece<'_> {
    /// Goes on until the lap or the piece ends.
    async fn walk(&mut self) -> Result<(), FlowError> {
        while let Some(Place { tenant: mut before }) = self.lap.place.take() {
            let store = &self.sweeper.store;
            let (positions, next) = store
                .tenant_positions(before.as_deref(), WATCH_PAGE)
                .await?;
            self.steps = self.steps.saturating_sub(1);
            for position in positions {
                if self.watch_tenant(&position).await? {
                    self.lap.place = Some(Place { tenant: before });
                    return Ok(());
                }
                before = Some(position);
            }
            self.lap.place = next.map(|tenant| Place {
                tenant: Some(tenant),
            });
            if self.steps == 0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks at the tenant at a position in the list. Whether something is left for the next piece.
    async fn watch_tenant(&mut self, position: &str) -> Result<bool, FlowError> {
        // Also those that fail take time.
        if !self.has_left() {
            return Ok(true);
        }
        let begun = self.lap.behind.remove(position);
        let mut visit = begun.unwrap_or_else(|| Visit::new(self.lap.before_ms, self.lap.began_ms));
        match self.watch_tenant_from(position, &mut visit).await {
            Ok(rest) => {
                if rest {
                    self.lap.behind.insert(position.to_owned(), visit);
                }
                Ok(rest)
            }
            // If so many fail it is the table that does, and the lap waits for it.
            Err(FlowError::Store(error)) if self.lap.missed.len() < WATCH_MISSED => {
                let tenant = position.rsplit('#').next();
                tracing::error!(tenant, %error, "a tenant could not be looked at for lost messages; the next lap goes on with it");
                self.lap.missed.insert(position.to_owned(), visit);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Goes on with a visit, and then with what is this lap's. Whether something is left.
    async fn watch_tenant_from(
        &mut self,
        position: &str,
        visit: &mut Visit,
    ) -> Result<bool, FlowError> {
        let Some(tenant) = self.sweeper.store.tenant_at(position).await? else {
            return Ok(false);
        };
        loop {
            let rest = match self.queue {
                QueueName::Deliver => self.watch_events(&tenant, visit).await?,
                QueueName::Retry => self.watch_webhooks(&tenant, visit).await?,
            };
            if rest || visit.began_ms == self.lap.began_ms {
                return Ok(rest);
            }
            *visit = Visit::new(visit.began_ms, self.lap.began_ms);
        }
    }

    /// What was due then or before is lost for a lap that began at `began_ms`.
    fn lost_ms(&self, began_ms: u64) -> u64 {
        began_ms.saturating_sub(self.sweeper.clock.stretched_ms(LOST_MS))
    }

    /// Whether there is another page to read in this piece.
    fn has_left(&self) -> bool {
        self.steps > 0 && self.sweeper.clock.wall_ms() < self.until_ms
    }

    /// The same; counts it.
    fn step(&mut self) -> bool {
        let left = self.has_left();
        self.steps = self.steps.saturating_sub(1);
        left
    }

    /// Looks at the events that a tenant accepted an hour ago or more, since the lap before. Whether some are left.
    async fn watch_events(
        &mut self,
        tenant: &TenantId,
        visit: &mut Visit,
    ) -> Result<bool, FlowError> {
        let store = &self.sweeper.store;
        let span = Span {
            since_ms: self.lost_ms(visit.before_ms),
            until_ms: self.lost_ms(visit.began_ms).saturating_sub(1),
        };
        loop {
            if !self.step() {
                return Ok(true);
            }
            let after = visit.cursor.as_deref();
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
            visit.cursor = next;
            if visit.cursor.is_none() {
                return Ok(false);
            }
        }
    }

    /// Looks at what waits for a tenant's webhooks. Whether some are left.
    async fn watch_webhooks(
        &mut self,
        tenant: &TenantId,
        visit: &mut Visit,
    ) -> Result<bool, FlowError> {
        let store = &self.sweeper.store;
        loop {
            if !self.step() {
                return Ok(true);
            }
            let after = visit.webhook.as_deref();
            let webhooks = store.webhook_ids(tenant, after, WATCH_PAGE).await?;
            let is_last = webhooks.len() < WATCH_PAGE;
            for (position, webhook) in webhooks {
                if self.watch_waiting(tenant, &webhook, visit).await? {
                    return Ok(true);
                }
                visit.webhook = Some(position);
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
        visit: &mut Visit,
    ) -> Result<bool, FlowError> {
        let store = &self.sweeper.store;
        let Visit {
            before_ms,
            began_ms,
            ..
        } = *visit;
        let by_ms = self.lost_ms(began_ms);
        loop {
            if !self.step() {
                return Ok(true);
            }
            let wanted = |accepted_ms| is_looked_at(accepted_ms, before_ms, began_ms);
            let (rows, next) = store
                .waiting(tenant, webhook, wanted, visit.cursor.as_deref(), WATCH_PAGE)
                .await?;
            let lost = rows.iter().filter(|row| row.is_overdue(by_ms));
            let lost: Vec<_> = lost.map(|row| Message::Attempt(row.message())).collect();
            if !lost.is_empty() && !store.holds_back(tenant, webhook).await? {
                self.send(lost).await?;
            }
            visit.cursor = next;
            if visit.cursor.is_none() {
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
        let sent = self
            .sweeper
            .queue
            .send_all(QueueName::Retry, &messages)
            .await;
        Ok(sent.into_iter().collect::<Result<(), _>>()?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_760_000_000_000;

    fn visits(began_ms: u64) -> BTreeMap<String, Visit> {
        BTreeMap::from([("t".to_owned(), Visit::new(7, began_ms))])
    }

    #[test]
    fn a_lap_that_an_older_version_stored_owes_nothing() {
        let stored = r#"{"before_ms":7,"began_ms":9,"place":{"tenant":"p","under_way":"acme","webhook":null,"cursor":"0#x"}}"#;
        let lap: Lap = serde_json::from_str(stored).unwrap();
        let place = Place {
            tenant: Some("p".to_owned()),
        };
        let expected = Lap {
            before_ms: 7,
            began_ms: 9,
            place: Some(place),
            ..Lap::default()
        };
        assert_eq!(lap, expected);
    }

    #[test]
    fn a_lap_begins_with_what_the_one_before_it_missed() {
        let ended = Lap {
            before_ms: 7,
            began_ms: NOW_MS - LAP_MS,
            place: None,
            // Of a tenant that is gone.
            behind: BTreeMap::from([("gone".to_owned(), Visit::new(7, 8))]),
            missed: visits(8),
        };
        assert_eq!(next_lap(Some(ended.clone()), NOW_MS - 1), None);
        let next = Lap {
            before_ms: ended.began_ms,
            began_ms: NOW_MS,
            place: Some(Place::default()),
            behind: visits(8),
            missed: BTreeMap::new(),
        };
        assert_eq!(next_lap(Some(ended), NOW_MS), Some(next));
    }

    #[test]
    fn what_a_lap_of_the_future_missed_is_owed_up_to_now() {
        let wrong = Lap {
            before_ms: 7,
            began_ms: NOW_MS + LAP_MS + 1,
            place: None,
            behind: BTreeMap::new(),
            missed: visits(NOW_MS + LAP_MS + 1),
        };
        let next = next_lap(Some(wrong), NOW_MS).unwrap();
        assert_eq!((next.before_ms, next.began_ms), (7, NOW_MS));
        assert_eq!(
            (next.behind, next.missed),
            (visits(NOW_MS), BTreeMap::new())
        );
    }
}
