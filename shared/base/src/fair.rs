//! Fair shares of what is scarce, and turns for those who wait for it: groups, and the lines within each group.
//!
//! While much is free, everybody has as much as they ask for. As it gets less, so does what one may hold: a group as much as is still
//! free, a line as much as its group may still take. So one line alone stops at a third of all, a group at half, and whatever others
//! hold without end, each leaves to the next as much as it has itself.

use std::{
    borrow::Borrow,
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// How much of something is free, and who holds the rest.
#[derive(Debug)]
pub struct Shares<G, L> {
    free: usize,
    groups: HashMap<G, usize>,
    lines: HashMap<L, usize>,
}

impl<G: Clone + Eq + Hash, L: Clone + Eq + Hash> Shares<G, L> {
    /// So much, all of it free.
    #[must_use]
    pub fn of(capacity: usize) -> Self {
        Self {
            free: capacity,
            groups: HashMap::new(),
            lines: HashMap::new(),
        }
    }

    /// Whether a group may hold one more.
    pub fn group_may<Q>(&self, group: &Q) -> bool
    where
        G: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.groups.get(group).copied().unwrap_or(0) < self.free
    }

    /// Whether a line may hold one more for its group. A line of several groups stops at a third of all, too.
    pub fn line_may<Q, R>(&self, group: &Q, line: &R) -> bool
    where
        G: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        L: Borrow<R>,
        R: Eq + Hash + ?Sized,
    {
        let group = self.groups.get(group).copied().unwrap_or(0);
        let line = self.lines.get(line).copied().unwrap_or(0);
        line < self.free.div_ceil(2).min(self.free.saturating_sub(group))
    }

    /// Gives one to a line of a group.
    pub fn hold(&mut self, group: G, line: L) {
        self.free = self.free.saturating_sub(1);
        *self.groups.entry(group).or_default() += 1;
        *self.lines.entry(line).or_default() += 1;
    }

    /// How much is held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.groups.values().sum()
    }

    /// Takes one back that was given with [`hold`](Self::hold).
    pub fn release<Q, R>(&mut self, group: &Q, line: &R)
    where
        G: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        L: Borrow<R>,
        R: Eq + Hash + ?Sized,
    {
        self.free += 1;
        less(&mut self.groups, group);
        less(&mut self.lines, line);
    }
}

/// Counts one less; what holds none is forgotten.
fn less<K, Q>(held: &mut HashMap<K, usize>, of: &Q)
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
{
    if let Some(count) = held.get_mut(of) {
        *count -= 1;
        if *count == 0 {
            held.remove(of);
        }
    }
}

/// Things by key that take turns.
#[derive(Debug)]
pub struct Turns<K, V> {
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

/// What can be done with waiting.
pub trait Idle {
    /// Whether nobody waits any more.
    fn is_idle(&self) -> bool;
}

impl<T> Idle for VecDeque<T> {
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
    pub fn of<Q>(&mut self, key: &Q) -> &mut V
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if !self.things.contains_key(key) {
            self.order.push_back(key.to_owned());
        }
        self.things.entry(key.to_owned()).or_default()
    }

    /// Asks one after the other, each once, until one has something to give. Who was asked comes last, who is idle goes.
    pub fn next<R>(&mut self, mut ask: impl FnMut(&K, &mut V) -> Option<R>) -> Option<R> {
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

    /// The thing of this key, and the key as kept here.
    #[must_use]
    pub fn get<Q>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.things.get_key_value(key)
    }

    /// The things, in no particular order.
    pub fn things(&self) -> impl Iterator<Item = &V> {
        self.things.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes as much for a line as it may hold.
    fn fill(shares: &mut Shares<u32, u32>, group: u32, line: u32) -> usize {
        let mut taken = 0;
        while shares.group_may(&group) && shares.line_may(&group, &line) {
            shares.hold(group, line);
            taken += 1;
        }
        taken
    }

    #[test]
    fn each_leaves_as_much_as_it_has() {
        let mut shares = Shares::of(900);
        assert_eq!(fill(&mut shares, 0, 0), 300);
        assert_eq!(fill(&mut shares, 0, 1), 100);
        assert_eq!(fill(&mut shares, 1, 2), 167);
        assert_eq!(shares.held(), 567);
        shares.release(&0, &0);
        assert_eq!(shares.held(), 566);
    }

    #[test]
    fn who_is_asked_comes_last_and_who_is_idle_goes() {
        let mut turns: Turns<&str, VecDeque<u32>> = Turns::default();
        turns.of(&"many").extend(0..100);
        turns.of(&"one").push_back(100);
        turns.of(&"closed").push_back(101);
        let mut next = || turns.next(|name, line| (*name != "closed").then(|| line.pop_front())?);
        let first: Vec<_> = std::iter::from_fn(&mut next).take(4).collect();
        assert_eq!(first, [0, 100, 1, 2]);
        assert_eq!(std::iter::from_fn(next).count(), 97);
        assert!(turns.get(&"one").is_none() && turns.get(&"closed").is_some());
        assert!(!turns.is_idle());
    }
}
