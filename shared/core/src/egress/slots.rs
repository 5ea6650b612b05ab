//! Who may have a connection: a bounded number of slots, shared out so that nobody can take them all.
//!
//! A delivery holds one slot from before its name look-up to the end of its answer. As long as slots are free in plenty everybody
//! has as many as it likes; as they get fewer, they are shared out as [`fair`](rung_base::fair) says, among tenants and a tenant's hosts
//! (the receivers at one address and port, whoever's they are). So a receiver that hangs stops at a third of all slots, a
//! tenant whose receivers all hang at half of them, and each leaves to the next as much as it has.
//!
//! Who finds none waits in line: tenants take turns, a tenant's hosts take turns, and what waits for one host comes in the order
//! in which it asked. Waiting is not the receiver's time; who waits too long asks again later, which is
//! [`HostFault::NoSlot`](super::HostFault::NoSlot).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rung_base::fair::{Shares, Turns};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::HostFault;
use crate::domain::id::TenantId;

/// The right to one connection. Dropping it gives it to the next in line.
#[must_use = "a slot that is dropped is free again"]
pub struct Slot(Option<Held>);

struct Held {
    slots: Slots,
    tenant: TenantId,
    host: String,
}

impl Slot {
    /// One that is not counted: for transports that have no connections to share out, and clients of one receiver.
    pub fn uncounted() -> Self {
        Self(None)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            held.slots.release(&held.tenant, &held.host);
        }
    }
}

/// All slots of a process. Cheap to clone.
#[derive(Clone)]
pub(super) struct Slots(Arc<Mutex<State>>);

struct State {
    shares: Shares<TenantId, String>,
    waiting: Turns<TenantId, Turns<String, Line>>,
}

/// Those who wait for one host, in order. Some may have given up.
type Line = VecDeque<oneshot::Sender<Slot>>;

impl Slots {
    pub(super) fn new(free: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            shares: Shares::of(free),
            waiting: Turns::default(),
        })))
    }

    /// Takes a slot, waiting for it as long as `patience` if need be.
    ///
    /// # Errors
    /// [`HostFault::NoSlot`] when none has come free by then.
    pub(super) async fn take(
        &self,
        tenant: &TenantId,
        host: &str,
        patience: Duration,
    ) -> Result<Slot, HostFault> {
        let turn = {
            let mut state = self.lock();
            if state.shares.group_may(tenant) && state.shares.line_may(tenant, host) {
                state.shares.hold(tenant.clone(), host.to_owned());
                return Ok(self.slot(tenant, host));
            }
            let line = state.waiting.of(tenant).of(host);
            // Those at the head have waited longest: so a line is no longer than those who still wait, nearly.
            while line.front().is_some_and(oneshot::Sender::is_closed) {
                line.pop_front();
            }
            let (sender, turn) = oneshot::channel();
            line.push_back(sender);
            turn
        };
        match timeout(patience, turn).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(HostFault::NoSlot),
        }
    }

    fn slot(&self, tenant: &TenantId, host: &str) -> Slot {
        Slot(Some(Held {
            slots: self.clone(),
            tenant: tenant.clone(),
            host: host.to_owned(),
        }))
    }

    fn release(&self, tenant: &TenantId, host: &str) {
        let mut state = self.lock();
        state.shares.release(tenant, host);
        while let Some((tenant, host)) = self.give(&mut state) {
            state.shares.hold(tenant, host);
        }
    }

    /// Gives a slot to the next in line who may have one; answers who that is.
    fn give(&self, state: &mut State) -> Option<(TenantId, String)> {
        let State { shares, waiting } = state;
        waiting.next(|tenant, lines| {
            if !shares.group_may(tenant) {
                return None;
            }
            lines.next(|host, line| {
                if !shares.line_may(tenant, host) {
                    return None;
                }
                while let Some(sender) = line.pop_front() {
                    match sender.send(self.slot(tenant, host)) {
                        Ok(()) => return Some((tenant.clone(), host.clone())),
                        // It has given up. This slot was never counted.
                        Err(mut slot) => slot.0 = None,
                    }
                }
                None
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use rung_base::fair::Idle as _;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    /// Takes slots for as long as there are any at once.
    async fn all_at_once(slots: &Slots, of: &str, host: &str) -> Vec<Slot> {
        let mut taken = Vec::new();
        while let Ok(slot) = slots.take(&tenant(of), host, Duration::ZERO).await {
            taken.push(slot);
        }
        taken
    }

    /// Lets others run until so many wait.
    async fn until_waiting(slots: &Slots, number: usize) {
        let waiting = || {
            let state = slots.lock();
            let lines = state.waiting.things().flat_map(Turns::things);
            lines.map(Line::len).sum::<usize>()
        };
        while waiting() < number {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_stops_at_a_third_and_a_tenant_at_half() {
        let slots = Slots::new(90);
        let hanging = all_at_once(&slots, "a", "hanging:443").await;
        assert_eq!(hanging.len(), 30);
        let others = [
            all_at_once(&slots, "a", "other:443").await,
            all_at_once(&slots, "a", "third:443").await,
        ];
        // What one leaves is shared out to the next by the same rule: within the tenant, and between tenants.
        assert_eq!(others.each_ref().map(Vec::len), [10, 4]);
        let neighbour = all_at_once(&slots, "b", "neighbour:443").await;
        assert_eq!(neighbour.len(), 16);
        drop((hanging, others, neighbour));
        assert_eq!(all_at_once(&slots, "b", "hanging:443").await.len(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_one_host_whoever_sends_to_it() {
        let slots = Slots::new(90);
        let mut hanging = Vec::new();
        for number in 0..50 {
            hanging.extend(all_at_once(&slots, &format!("t{number}"), "hanging:443").await);
        }
        assert_eq!(hanging.len(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_slot_can_be_had() {
        for all in 1..20 {
            let slots = Slots::new(all);
            let mut taken = Vec::new();
            for number in 0..all {
                let (of, host) = (tenant(&format!("t{number}")), format!("h{number}"));
                taken.push(slots.take(&of, &host, Duration::ZERO).await);
            }
            assert!(taken.iter().all(Result::is_ok), "{all}");
            let one_more = slots.take(&tenant("more"), "more", Duration::ZERO).await;
            assert_eq!(one_more.err(), Some(HostFault::NoSlot));
        }
    }

    /// A thousand wait for one host. Somebody else who comes last is not behind them.
    #[tokio::test(start_paused = true)]
    async fn those_who_wait_take_turns() {
        let slots = Slots::new(3);
        let first = slots.take(&tenant("a"), "h", PATIENCE).await.unwrap();
        let second = slots.take(&tenant("b"), "i", PATIENCE).await.unwrap();
        let third = slots.take(&tenant("c"), "j", PATIENCE).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let wait = |of: &'static str, host: &'static str| {
            let (slots, order) = (slots.clone(), Arc::clone(&order));
            tokio::spawn(async move {
                let slot = slots.take(&tenant(of), host, PATIENCE).await.unwrap();
                order.lock().unwrap().push((of, host));
                drop(slot);
            })
        };
        let mut waiting: Vec<_> = (0..1_000).map(|_| wait("flood", "h")).collect();
        until_waiting(&slots, 1_000).await;
        waiting.push(wait("flood", "other"));
        waiting.push(wait("neighbour", "k"));
        until_waiting(&slots, 1_002).await;
        drop((first, second, third));
        for waiter in waiting {
            waiter.await.unwrap();
        }
        let order = order.lock().unwrap();
        let place = |who| order.iter().position(|it| *it == who).unwrap();
        assert_eq!(order.len(), 1_002);
        assert!(place(("neighbour", "k")) < 3 && place(("flood", "other")) < 5);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_takes_nothing_along() {
        let slots = Slots::new(2);
        let held = [
            slots.take(&tenant("a"), "h", PATIENCE).await.unwrap(),
            slots.take(&tenant("b"), "i", PATIENCE).await.unwrap(),
        ];
        let given_up = (0..100).map(async |_| slots.take(&tenant("c"), "j", PATIENCE).await.err());
        let given_up = join_all(given_up).await;
        assert!(given_up.iter().all(|it| *it == Some(HostFault::NoSlot)));
        let of = tenant("c");
        let patient = slots.take(&of, "j", PATIENCE);
        let (slot, ()) = tokio::join!(patient, async { drop(held) });
        drop(slot.unwrap());
        let state = slots.lock();
        assert_eq!(state.shares.held(), 0);
        assert!(state.waiting.is_idle() && state.waiting.things().count() == 0);
    }
}
