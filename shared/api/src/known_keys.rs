//! Keys looked up a moment ago, so that not every request reads its own.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rung_core::domain::{
    id::KeyId,
    tenant::{ApiKey, KeyHash, KeyOwner},
};

use crate::limits::KEY_CACHE_MS;

/// More than this many keys are not remembered.
const MOST: usize = 10_000;

/// The keys that this process knows. A key deleted by this process is forgotten with its deletion, one deleted by another after
/// [`KEY_CACHE_MS`] at the latest.
#[derive(Debug, Default)]
pub(super) struct KnownKeys(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Each with the time when it was read, in milliseconds of the wall clock.
    keys: HashMap<KeyHash, (u64, ApiKey)>,
    /// How often keys were forgotten.
    forgotten: u64,
}

/// That a key is about to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading(u64);

impl KnownKeys {
    /// A key that was read not long before `now_ms`.
    pub(super) fn get(&self, hash: &KeyHash, now_ms: u64) -> Option<ApiKey> {
        let state = self.state();
        let (read_ms, key) = state.keys.get(hash)?;
        (now_ms.saturating_sub(*read_ms) < KEY_CACHE_MS).then(|| key.clone())
    }

    /// To be taken before a key is read that is to be remembered.
    pub(super) fn before_reading(&self) -> Reading {
        Reading(self.state().forgotten)
    }

    /// Remembers a key that was read at `read_ms`, as `reading` says, unless keys were forgotten meanwhile: it may have been one of them.
    pub(super) fn remember(&self, key: ApiKey, read_ms: u64, reading: Reading) {
        let mut state = self.state();
        if state.forgotten != reading.0 {
            return;
        }
        if state.keys.len() >= MOST {
            state.keys.clear();
        }
        state.keys.insert(key.hash, (read_ms, key));
    }

    /// Notes that a key is used at `now_ms`. Whether nobody else noted that since the key was read.
    pub(super) fn note_use(&self, key: &ApiKey, now_ms: u64) -> bool {
        let mut state = self.state();
        let Some((_, known)) = state.keys.get_mut(&key.hash) else {
            return true;
        };
        let is_first = known.used_ms == key.used_ms;
        known.used_ms = Some(now_ms);
        is_first
    }

    /// Forgets a key, to be called once it is changed or gone.
    pub(super) fn forget(&self, owner: &KeyOwner, id: &KeyId) {
        let mut state = self.state();
        state.forgotten += 1;
        state
            .keys
            .retain(|_, (_, key)| (&key.owner, &key.id) != (owner, id));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rung_core::domain::id::TenantId;

    fn owner() -> KeyOwner {
        KeyOwner::Tenant(TenantId::parse("acme").unwrap())
    }

    fn id(text: &str) -> KeyId {
        KeyId::parse(text).unwrap()
    }

    fn key() -> ApiKey {
        ApiKey {
            id: id("key_1"),
            owner: owner(),
            portal: None,
            hash: KeyHash::of("rk_1"),
            name: None,
            scopes: Vec::new(),
            events_per_hour: None,
            expires_ms: None,
            remind_ms: None,
            used_ms: None,
            revision: 0,
            created_ms: 0,
        }
    }

    #[test]
    fn a_key_is_known_for_a_while() {
        let keys = KnownKeys::default();
        keys.remember(key(), 5, keys.before_reading());
        let hash = KeyHash::of("rk_1");
        assert!(keys.get(&hash, 5 + KEY_CACHE_MS - 1).is_some());
        assert!(keys.get(&hash, 5 + KEY_CACHE_MS).is_none());
        keys.forget(&owner(), &id("key_2"));
        assert!(keys.get(&hash, 5).is_some());
        keys.forget(&owner(), &id("key_1"));
        assert!(keys.get(&hash, 5).is_none());
    }

    #[test]
    fn the_use_of_a_key_is_noted_by_the_first_of_many() {
        let keys = KnownKeys::default();
        keys.remember(key(), 5, keys.before_reading());
        assert!(keys.note_use(&key(), 7));
        assert!(!keys.note_use(&key(), 7));
        let known = keys.get(&KeyHash::of("rk_1"), 7).unwrap();
        assert_eq!(known.used_ms, Some(7));
    }

    #[test]
    fn a_key_forgotten_while_it_is_read_is_not_remembered() {
        let keys = KnownKeys::default();
        let reading = keys.before_reading();
        keys.forget(&owner(), &id("key_1"));
        keys.remember(key(), 5, reading);
        assert!(keys.get(&KeyHash::of("rk_1"), 5).is_none());
    }
}
