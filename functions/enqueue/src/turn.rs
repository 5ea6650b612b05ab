//! Whose events are stored next.
//!
//! So many events are stored at once in one process; more at once would not be stored sooner, but whoever comes last would wait for all
//! of them. Who finds no place waits in line: tenants take turns, and a tenant's requests come in the order in which they asked. So
//! however much a tenant publishes, another one's request is the next but one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rung_base::fair::Turns;
use rung_core::domain::id::TenantId;
use tokio::sync::oneshot;

/// The places of events that are being stored. Clones share them; the default has no bound.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Option<Arc<Bounded>>);

#[derive(Debug)]
struct Bounded {
    all: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    waiting: Turns<TenantId, VecDeque<Waiting>>,
}

/// A request that waits for its places. It may have gone away.
#[derive(Debug)]
struct Waiting {
    places: usize,
    turn: oneshot::Sender<Turn>,
}

/// The places of a request's events, given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    of: Arc<Bounded>,
    places: usize,
}

impl Places {
    /// So many places.
    pub(crate) fn of(all: usize) -> Self {
        Self(Some(Arc::new(Bounded {
            all,
            state: Mutex::default(),
        })))
    }

    /// Places for a tenant's events, once it is the tenant's turn; `None` without a bound.
    pub(crate) async fn take(&self, tenant: &TenantId, events: usize) -> Option<Turn> {
        let places = self.0.as_ref()?;
        let (turn, given) = oneshot::channel();
        {
            let mut state = places.state();
            state.waiting.of(tenant).push_back(Waiting {
                places: events,
                turn,
            });
            places.give(&mut state);
        }
        given.await.ok()
    }
}

impl Bounded {
    /// Gives places to those whose turn it is, as long as one is free: a request's events stay together.
    fn give(self: &Arc<Self>, state: &mut State) {
        let State { taken, waiting } = state;
        while *taken < self.all {
            let next = waiting.next(|_, line| line.pop_front());
            let Some(Waiting { places, turn }) = next else {
                return;
            };
            let given = Turn {
                of: Arc::clone(self),
                places,
            };
            match turn.send(given) {
                Ok(()) => *taken += places,
                // Nobody wants it any more, and its places were never taken.
                Err(mut unwanted) => unwanted.places = 0,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.places > 0 {
            let mut state = self.of.state();
            state.taken -= self.places;
            self.of.give(&mut state);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    #[tokio::test]
    async fn a_flood_of_one_tenant_lets_another_through_at_the_next_turn() {
        let places = Places::of(20);
        let (flood, calm) = (tenant("flood"), tenant("calm"));
        let mut waiting: Vec<_> = (0..100)
            .map(|_| Box::pin(places.take(&flood, 10)))
            .collect();
        let mut turns: Vec<_> = waiting
            .iter_mut()
            .filter_map(|request| request.as_mut().now_or_never())
            .collect();
        assert_eq!(turns.len(), 2);
        let mut calm = Box::pin(places.take(&calm, 1));
        assert!(calm.as_mut().now_or_never().is_none());
        // The flood's third request was in line before.
        turns.pop();
        assert!(calm.as_mut().now_or_never().is_none());
        turns.pop();
        assert!(calm.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_goes_away_takes_nothing_along() {
        let places = Places::of(1);
        let id = tenant("a");
        let turn = places.take(&id, 100).await;
        let mut gone: Vec<_> = (0..10).map(|_| Box::pin(places.take(&id, 1))).collect();
        for request in &mut gone {
            assert!(request.as_mut().now_or_never().is_none());
        }
        gone.truncate(1);
        drop(turn);
        // The first one was given its turn, and never asked for it.
        drop(gone);
        assert!(places.take(&id, 1).await.is_some());
        assert_eq!(places.0.as_ref().unwrap().state().taken, 0);
    }
}
