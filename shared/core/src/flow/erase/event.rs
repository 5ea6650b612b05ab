//! The deliveries of an event whose content is erased.

use std::collections::HashMap;

use super::{Next, Work};
use crate::{
    domain::{
        attempt::{Attempt, AttemptKey, Outcome},
        delivery::{Delivery, State},
        id::{DeliveryKey, EventId, TenantId},
        job::Counts,
        message::{At, ErasePage, JobPage},
        position::Position,
    },
    flow::{FlowError, control::Control, position},
    limits::{EARLY_MS, ERASE_PAGE},
    store::{deliveries::OPEN, events::Event},
};

/// How long to wait before looking whether an attempt is over, in milliseconds; twice as long each time.
const LOOK_MS: u64 = 1_000;

impl Control {
    /// A page of an event's deliveries.
    pub(super) async fn found_of_event(
        &self,
        tenant: &TenantId,
        number: u32,
        page: &ErasePage,
        (id, accepted_ms): (&EventId, u64),
    ) -> Result<Work, FlowError> {
        let mut work = Work::default();
        let event = self.store.event(tenant, id).await?;
        let Some(event) = event.filter(|event| event.accepted_ms == accepted_ms) else {
            return Ok(work);
        };
        let (goes_to, next) = self
            .store
            .webhooks_of_event(&event, position(&page.cursor), ERASE_PAGE)
            .await?;
        let keys = goes_to.deliveries_of(&event);
        let rows = self.store.deliveries(&keys).await?.into_iter();
        let rows: HashMap<_, _> = rows.map(|row| (row.key.clone(), row)).collect();
        let names = keys.iter().flat_map(|key| positions(key, rows.get(key)));
        let made = self.store.attempts(&Vec::from_iter(names)).await?;
        let made: HashMap<_, _> = made.into_iter().map(|it| (it.key.clone(), it)).collect();
        let mut in_flight = page.in_flight;
        for key in &keys {
            in_flight |= self.take_up(&event, key, rows.get(key), &made, &mut work);
        }
        work.emptied = made
            .values()
            .filter(|entry| entry.erased_ms.is_none())
            .map(|entry| entry.key.clone())
            .collect();
        work.erased = Counts {
            events: u64::from(number == 0),
            deliveries: (work.cancelled.len() + work.guards.len()) as u64,
            log_entries: work.emptied.len() as u64,
            ..Counts::default()
        };
        work.next = self.after_event_page(page, next, in_flight);
        Ok(work)
    }

    /// What is to be done about one delivery. Whether an attempt of it may be under way.
    fn take_up(
        &self,
        event: &Event,
        key: &DeliveryKey,
        row: Option<&Delivery>,
        made: &HashMap<AttemptKey, Attempt>,
        work: &mut Work,
    ) -> bool {
        let now_ms = self.clock.now_ms();
        let first = made.get(&AttemptKey::first_of(key));
        for name in positions(key, row) {
            let next = made.get(&name).and_then(|entry| entry.next_due_ms);
            work.waits.extend(next.map(|due_ms| AttemptKey {
                delivery: key.clone(),
                due_ms,
                n: name.n + 1,
            }));
        }
        let Some(row) = row else {
            let climbs = first.is_none_or(|first| first.next_due_ms.is_some());
            if climbs {
                work.guards.push(guard(event, key, first));
            }
            return first.is_none();
        };
        let last = made.get(&row.attempt_key());
        // One that was under way may have succeeded since.
        let has_succeeded = last.is_some_and(|last| last.outcome == Outcome::Succeeded);
        if has_succeeded && row.state != State::Succeeded {
            work.succeeded.push(row.clone());
        } else if OPEN.contains(&row.state) {
            work.cancelled.push(key.clone());
        }
        match row.state {
            State::Pending | State::Cancelled => {
                last.is_none() && row.position.due_ms <= now_ms + EARLY_MS
            }
            State::Succeeded | State::Failed | State::Held | State::Missed => false,
        }
    }

    /// What follows: the rest, another round while something may be under way, or nothing.
    fn after_event_page(&self, page: &ErasePage, next: Option<String>, in_flight: bool) -> Next {
        let next = match next {
            Some(cursor) => ErasePage {
                cursor,
                in_flight,
                ..page.clone()
            },
            None if in_flight && !page.is_settled() && !page.after_end => {
                let look_ms = self.clock.wall_ms() + (LOOK_MS << page.round.min(8));
                ErasePage {
                    round: page.round + 1,
                    cursor: String::new(),
                    in_flight: false,
                    not_before_ms: look_ms.min(page.settled_ms),
                    ..page.clone()
                }
            }
            None => return Next::End,
        };
        Next::Page(next.into())
    }

    /// Before a job ends: has its deliveries looked at once more when even a copy of a first attempt would be over.
    pub(super) async fn look_again(&self, page: &JobPage, at: &ErasePage) -> Result<(), FlowError> {
        let left_ms = at.settled_ms.saturating_sub(self.clock.wall_ms());
        if at.is_settled() || left_ms == 0 {
            return Ok(());
        }
        let look = ErasePage {
            not_before_ms: at.settled_ms,
            settled_ms: at.settled_ms,
            after_end: true,
            ..ErasePage::default()
        };
        self.send_page(&page.next(At::Erase(look)), left_ms).await
    }
}

/// The attempts that a delivery may have had, as far as its row tells.
fn positions(key: &DeliveryKey, row: Option<&Delivery>) -> Vec<AttemptKey> {
    let later = row.map_or(&[][..], |row| &row.dues_ms);
    let later = (2..).zip(later).map(|(n, due_ms)| AttemptKey {
        delivery: key.clone(),
        due_ms: *due_ms,
        n,
    });
    [AttemptKey::first_of(key)]
        .into_iter()
        .chain(later)
        .collect()
}

/// A cancelled row, so that nothing is posted any more: neither a first attempt, nor what follows one that has just failed.
fn guard(event: &Event, key: &DeliveryKey, first: Option<&Attempt>) -> Delivery {
    let next_due_ms = first.and_then(|first| first.next_due_ms);
    let (n, due_ms) = next_due_ms.map_or((1, event.accepted_ms), |due_ms| (2, due_ms));
    let position = Position {
        n,
        attempt: n,
        ..Position::first(due_ms, 0)
    };
    Delivery {
        state: State::Cancelled,
        ..Delivery::waiting(key.clone(), position, event.event_type.clone())
    }
}
