//! Who may have a connection: a bounded number of slots, shared out so that nobody can take them all.
//!
//! A delivery holds one slot from before its name look-up to the end of its answer. As long as slots are free in plenty everybody
//! has as many as it likes. As they get fewer, so does what one may hold: a tenant as many as are still free, a host (the
//! receivers at one address and port, whoever's they are) half as many. So a receiver that hangs stops at a third of all slots, a
//! tenant whose receivers all hang at half of them, and of any number of such tenants each leaves to the next as much as it has.
//!
//! Who finds none waits in line: tenants take turns, a tenant's hosts take turns, and what waits for one host comes in the order
//! in which it asked. Waiting is not the receiver's time; who waits too long asks again later, which is
//! [`HostFault::NoSlot`](super::HostFault::NoSlot).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    free: usize,
    tenants: HashMap<TenantId, usize>,
    hosts: HashMap<String, usize>,
    waiting: Turns<TenantId, Turns<String, Line>>,
}

/// Those who wait for one host, in order. Some may have given up.
type Line = VecDeque<oneshot::Sender<Slot>>;

impl Slots {
    pub(super) fn new(free: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free,
            tenants: HashMap::new(),
            hosts: HashMap::new(),
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
            if state.may_have(tenant, host) {
                state.hold(tenant, host);
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
        state.free += 1;
        less(&mut state.tenants, tenant);
        less(&mut state.hosts, host);
        while let Some((tenant, host)) = self.give(&mut state) {
            state.hold(&tenant, &host);
        }
    }

    /// Gives a slot to the next in line who may have one; answers who that is.
    fn give(&self, state: &mut State) -> Option<(TenantId, String)> {
        let State {
            free,
            tenants,
            hosts,
            waiting,
        } = state;
        waiting.next(|tenant, lines| {
            if !tenant_may(*free, tenants, tenant) {
                return None;
            }
            lines.next(|host, line| {
                if !host_may(*free, hosts, host) {
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

impl State {
    fn may_have(&self, tenant: &TenantId, host: &str) -> bool {
        tenant_may(self.free, &self.tenants, tenant) && host_may(self.free, &self.hosts, host)
    }

    fn hold(&mut self, tenant: &TenantId, host: &str) {
        self.free -= 1;
        *self.tenants.entry(tenant.clone()).or_default() += 1;
        *self.hosts.entry(host.to_owned()).or_default() += 1;
    }
}

fn tenant_may(free: usize, tenants: &HashMap<TenantId, usize>, tenant: &TenantId) -> bool {
    tenants.get(tenant).copied().unwrap_or(0) < free
}

fn host_may(free: usize, hosts: &HashMap<String, usize>, host: &str) -> bool {
    hosts.get(host).copied().unwrap_or(0) < free.div_ceil(2)
}

/// Counts one less; what holds none is forgotten.
fn less<K, Q>(held: &mut HashMap<K, usize>, of: &Q) -> Option<()>
where
    K: Hash + Eq + std::borrow::Borrow<Q>,
    Q: Hash + Eq + ?Sized,
{
    let count = held.get_mut(of)?;
    *count -= 1;
    if *count == 0 {
        held.remove(of);
    }
    Some(())
}

/// Things by key that take turns.
struct Turns<K, V> {
    order: VecDeque<K>,
    things: HashMap<K, V>,
}

impl<K, V> Default for Turns<K, V> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            things: HashMap::new(),
        }
    }
}

/// Whether nobody waits any more.
trait Idle {
    fn is_idle(&self) -> bool;
}

impl Idle for Line {
    fn is_idle(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Idle for Turns<K, V> {
    fn is_idle(&self) -> bool {
        self.order.is_empty()
    }
}

impl<K: Clone + Eq + Hash, V: Default + Idle> Turns<K, V> {
    /// The thing of this key, whose turn comes last if it is new.
    fn of<Q>(&mut self, key: &Q) -> &mut V
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if !self.things.contains_key(key) {
            self.order.push_back(key.to_owned());
        }
        self.things.entry(key.to_owned()).or_default()
    }

    /// Asks one after the other, each once, until one has something to give. Who was asked comes last, who is idle goes.
    fn next<R>(&mut self, mut ask: impl FnMut(&K, &mut V) -> Option<R>) -> Option<R> {
        for _ in 0..self.order.len() {
            let key = self.order.pop_front()?;
            let thing = self.things.get_mut(&key)?;
            let given = ask(&key, thing);
            if thing.is_idle() {
                self.things.remove(&key);
            } else {
                self.order.push_back(key);
            }
            if given.is_some() {
                return given;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

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
            let lines = state.waiting.things.values();
            let lines = lines.flat_map(|lines| lines.things.values());
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
        assert_eq!(others.iter().map(Vec::len).sum::<usize>(), 45 - 30);
        // What one leaves is shared out to the next by the same rule.
        let neighbour = all_at_once(&slots, "b", "neighbour:443").await;
        assert_eq!(neighbour.len(), 15);
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
        assert_eq!(state.free, 2);
        assert!(state.tenants.is_empty() && state.hosts.is_empty());
        assert!(state.waiting.order.is_empty() && state.waiting.things.is_empty());
    }
}
