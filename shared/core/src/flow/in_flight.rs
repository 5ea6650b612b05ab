//! How many deliveries of a webhook are under way at once: at most its `max_in_flight`, from each process.
//!
//! What comes beyond waits for a place in the order in which it came, before the receiver's time counts. What has waited as long as
//! it may goes back to the queue: no attempt was made.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    domain::{
        id::{TenantId, WebhookId},
        webhook::Webhook,
    },
    limits::MAX_IN_FLIGHT,
};

/// The deliveries that are under way. Clones share them.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashMap<Name, Line>>>);

type Name = (TenantId, WebhookId);

/// The places of one webhook.
#[derive(Default)]
struct Line {
    taken: u32,
    /// Those who wait, each with the most that were allowed when it came. Some may have given up.
    waiting: VecDeque<(u32, oneshot::Sender<Place>)>,
}

/// The right to one delivery to a webhook. Dropping it gives it to the next in line.
pub(super) struct Place(Option<(InFlight, Name)>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((in_flight, name)) = self.0.take() {
            in_flight.release(&name);
        }
    }
}

impl InFlight {
    /// Takes a place, waiting for it as long as `patience` if need be; `None` when none has come free by then.
    pub(super) async fn take(&self, webhook: &Webhook, patience: Duration) -> Option<Place> {
        let most = webhook.max_in_flight.unwrap_or(MAX_IN_FLIGHT);
        let name = (webhook.tenant.clone(), webhook.id.clone());
        let turn = {
            let mut lines = self.lock();
            let line = lines.entry(name.clone()).or_default();
            if line.taken < most {
                line.taken += 1;
                return Some(self.place(name));
            }
            // Those at the head have waited longest: so a line is no longer than those who still wait, nearly.
            while line.waiting.front().is_some_and(|(_, one)| one.is_closed()) {
                line.waiting.pop_front();
            }
            let (sender, turn) = oneshot::channel();
            line.waiting.push_back((most, sender));
            turn
        };
        timeout(patience, turn).await.ok()?.ok()
    }

    fn place(&self, name: Name) -> Place {
        Place(Some((self.clone(), name)))
    }

    fn release(&self, name: &Name) {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(name) else {
            return;
        };
        line.taken -= 1;
        while line
            .waiting
            .front()
            .is_some_and(|(most, _)| line.taken < *most)
        {
            let Some((_, sender)) = line.waiting.pop_front() else {
                break;
            };
            match sender.send(self.place(name.clone())) {
                Ok(()) => line.taken += 1,
                // It has given up. This place was never counted.
                Err(mut place) => place.0 = None,
            }
        }
        if line.taken == 0 {
            lines.remove(name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::domain::secret::tests::webhook;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn at_most(max_in_flight: Option<u32>) -> Webhook {
        Webhook {
            max_in_flight,
            ..webhook()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_may() {
        let in_flight = InFlight::default();
        for most in [1, 3] {
            let webhook = at_most(Some(most));
            let mut held = Vec::new();
            for _ in 0..most {
                held.push(in_flight.take(&webhook, Duration::ZERO).await.unwrap());
            }
            assert!(in_flight.take(&webhook, PATIENCE).await.is_none());
            held.pop();
            assert!(in_flight.take(&webhook, Duration::ZERO).await.is_some());
        }
        assert!(in_flight.lock().is_empty());
        let default = at_most(None);
        let all = (0..MAX_IN_FLIGHT + 1).map(|_| in_flight.take(&default, Duration::ZERO));
        let all = join_all(all).await;
        assert_eq!(all.iter().flatten().count() as u32, MAX_IN_FLIGHT);
    }

    #[tokio::test(start_paused = true)]
    async fn each_gets_its_turn_and_who_gives_up_takes_nothing_along() {
        let in_flight = InFlight::default();
        let webhook = at_most(Some(1));
        let held = in_flight.take(&webhook, PATIENCE).await;
        assert!(in_flight.take(&webhook, Duration::ZERO).await.is_none());
        let turns = (0..100).map(|_| async {
            let place = in_flight.take(&webhook, PATIENCE).await;
            assert_eq!(
                in_flight.lock()[&(webhook.tenant.clone(), webhook.id.clone())].taken,
                1
            );
            place.is_some()
        });
        let (turns, ()) = tokio::join!(join_all(turns), async { drop(held) });
        assert!(turns.into_iter().all(|came| came));
        assert!(in_flight.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lower_limit_holds_for_who_comes_next() {
        let in_flight = InFlight::default();
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(
                in_flight
                    .take(&at_most(Some(3)), Duration::ZERO)
                    .await
                    .unwrap(),
            );
        }
        let one = at_most(Some(1));
        let mut next = std::pin::pin!(in_flight.take(&one, PATIENCE));
        assert!(futures_util::poll!(next.as_mut()).is_pending());
        held.truncate(1);
        assert!(futures_util::poll!(next.as_mut()).is_pending());
        held.clear();
        assert!(next.await.is_some());
    }
}
