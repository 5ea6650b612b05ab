//! Which connections there are, and which of them makes room for a new one.
//!
//! There is a bound to all of them, and one address may have half as many. At a bound the connection makes room whose client has
//! been silent longest: it has neither sent nor taken a byte since, and it is its turn, as it owes a request, the rest of one, or
//! the taking of an answer. A connection whose request is being worked on is never given up for another. The new one waits until the
//! old one is closed: there are never more descriptors than places.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

/// The connections that are open. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    /// Counts what clients do, so as to tell what was last.
    steps: Arc<AtomicU64>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    clients: HashMap<u64, Arc<Client>>,
    by_peer: HashMap<IpAddr, usize>,
}

/// The other end of a connection.
#[derive(Debug)]
pub(super) struct Client {
    peer: IpAddr,
    steps: Arc<AtomicU64>,
    /// The number of its last step: the lower, the longer it has been silent.
    last_step: AtomicU64,
    /// Whether it has said all of a request and waits for the answer.
    waits: AtomicBool,
    given_up: Notify,
    /// Whether its connection is closed.
    gone: Notify,
}

/// A connection's place among the others, until dropped, which is when the connection is closed.
#[derive(Debug)]
pub(super) struct Place {
    connections: Connections,
    number: u64,
    pub(super) client: Arc<Client>,
    /// Who had it before, and may still be there.
    before: Option<Arc<Client>>,
}

impl Connections {
    /// At most so many.
    pub(super) fn of(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            steps: Arc::default(),
            open: Mutex::default(),
        }))
    }

    /// A place for a connection from this address, if need be that of a silent one. `None` when all others wait for answers.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<Place> {
        let inner = &*self.0;
        let mut open = self.open();
        let of_peer = open.by_peer.get(&peer).copied().unwrap_or_default();
        let before = if of_peer >= inner.most.div_ceil(2) {
            Some(open.give_up_one(|client| client.peer == peer)?)
        } else if open.clients.len() >= inner.most {
            Some(open.give_up_one(|_| true)?)
        } else {
            None
        };
        let number = open.next;
        open.next += 1;
        let client = Arc::new(Client {
            peer,
            last_step: AtomicU64::new(inner.steps.fetch_add(1, Ordering::Relaxed)),
            steps: Arc::clone(&inner.steps),
            waits: AtomicBool::new(false),
            given_up: Notify::new(),
            gone: Notify::new(),
        });
        open.clients.insert(number, Arc::clone(&client));
        *open.by_peer.entry(peer).or_default() += 1;
        Some(Place {
            connections: self.clone(),
            number,
            client,
            before,
        })
    }

    /// Gives up the connection whose client has been silent longest, if there is one.
    pub(super) fn make_room(&self) {
        let _ = self.open().give_up_one(|_| true);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Gives up the longest silent client of those that may be.
    fn give_up_one(&mut self, may_be: impl Fn(&Client) -> bool) -> Option<Arc<Client>> {
        let silent = self
            .clients
            .iter()
            .filter(|(_, client)| may_be(client) && !client.waits.load(Ordering::Relaxed));
        let (&number, client) =
            silent.min_by_key(|(_, client)| client.last_step.load(Ordering::Relaxed))?;
        let client = Arc::clone(client);
        client.given_up.notify_one();
        self.remove(number);
        Some(client)
    }

    fn remove(&mut self, number: u64) {
        let Some(client) = self.clients.remove(&number) else {
            return;
        };
        if let Some(count) = self.by_peer.get_mut(&client.peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&client.peer);
            }
        }
    }
}

impl Place {
    /// Waits until the connection is closed that has made room.
    pub(super) async fn is_free(&mut self) {
        if let Some(before) = &self.before {
            before.gone.notified().await;
            self.before = None;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(self.number);
        self.client.gone.notify_one();
    }
}

impl Client {
    /// It has sent or taken something.
    pub(super) fn has_moved(&self) {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        self.last_step.store(step, Ordering::Relaxed);
    }

    /// It has said all of its request: the next turn is ours.
    pub(super) fn has_said_all(&self) {
        self.waits.store(true, Ordering::Relaxed);
    }

    /// Its answer is ready to be taken.
    pub(super) fn is_answered(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// Waits until its connection is to make room for another.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt as _;

    use super::*;

    fn peer(n: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, n).into()
    }

    fn is_given_up(place: &Place) -> bool {
        place.client.given_up().now_or_never().is_some()
    }

    #[test]
    fn who_has_been_silent_longest_makes_room() {
        let connections = Connections::of(4);
        let places: Vec<_> = (0..4)
            .map(|n| connections.admit(peer(n)).unwrap())
            .collect();
        // The first is no longer the most silent, the second waits for its answer.
        places[0].client.has_moved();
        places[1].client.has_said_all();
        let mut fifth = connections.admit(peer(4)).unwrap();
        let given_up: Vec<_> = places.iter().map(is_given_up).collect();
        assert_eq!(given_up, [false, false, true, false]);
        // Its end is not the end of another.
        assert!(fifth.is_free().now_or_never().is_none());
        drop(places);
        assert!(fifth.is_free().now_or_never().is_some());
        assert_eq!(connections.open().clients.len(), 1);
        drop(fifth);
        assert_eq!(connections.open().clients.len(), 0);
        assert_eq!(connections.open().by_peer.len(), 0);
    }

    #[test]
    fn one_address_has_half_of_them() {
        let connections = Connections::of(4);
        let other = connections.admit(peer(1)).unwrap();
        let first = connections.admit(peer(2)).unwrap();
        let _second = connections.admit(peer(2)).unwrap();
        let _third = connections.admit(peer(2)).unwrap();
        assert!(is_given_up(&first) && !is_given_up(&other));
    }

    #[test]
    fn nobody_makes_room_who_waits_for_an_answer() {
        let connections = Connections::of(2);
        let first = connections.admit(peer(1)).unwrap();
        let second = connections.admit(peer(2)).unwrap();
        first.client.has_said_all();
        second.client.has_said_all();
        assert!(connections.admit(peer(3)).is_none());
        assert!(connections.admit(peer(1)).is_none());
        second.client.is_answered();
        assert!(connections.admit(peer(3)).is_some());
        assert!(is_given_up(&second));
    }
}
