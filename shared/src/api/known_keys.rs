//! Keys looked up a moment ago, so that not every request reads its own.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::tenant::{ApiKey, KeyHash},
    limits::KEY_CACHE_MS,
};

/// More than this many keys are not remembered.
const MOST: usize = 10_000;

/// A key as it was found in the table.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) key: ApiKey,
    /// When its tenant was made: another one may have the name since.
    pub(super) tenant_made_ms: u64,
    /// When it was read, in milliseconds of the wall clock.
    pub(super) read_ms: u64,
}

/// The keys that this process knows. A key deleted by this process is forgotten with its deletion, one deleted by another after
/// [`KEY_CACHE_MS`] at the latest.
#[derive(Debug, Default)]
pub(super) struct KnownKeys(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    keys: HashMap<KeyHash, Known>,
    /// How often keys were forgotten.
    forgotten: u64,
}

/// A moment before a key is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(u64);

impl KnownKeys {
    /// A key that was read not long before `now_ms`.
    pub(super) fn get(&self, hash: &KeyHash, now_ms: u64) -> Option<Known> {
        let state = self.state();
        let known = state.keys.get(hash)?;
        (now_ms.saturating_sub(known.read_ms) < KEY_CACHE_MS).then(|| known.clone())
    }

    /// To be taken before a key is read that is to be remembered.
    pub(super) fn before_reading(&self) -> Moment {
        Moment(self.state().forgotten)
    }

    /// Remembers a key that was read since `moment`, unless keys were forgotten meanwhile: it may have been one of them.
    pub(super) fn remember(&self, known: Known, moment: Moment) {
        let mut state = self.state();
        if state.forgotten != moment.0 {
            return;
        }
        if state.keys.len() >= MOST {
            state.keys.clear();
        }
        state.keys.insert(known.key.hash, known);
    }

    /// Forgets the keys that are gone, to be called once they are.
    pub(super) fn forget(&self, gone: impl Fn(&ApiKey) -> bool) {
        let mut state = self.state();
        state.forgotten += 1;
        state.keys.retain(|_, known| !gone(&known.key));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::id::{KeyId, TenantId};

    fn known(read_ms: u64) -> Known {
        let key = ApiKey {
            id: KeyId::parse("key_1").unwrap(),
            tenant: TenantId::parse("acme").unwrap(),
            hash: KeyHash::of("rk_1"),
            name: None,
            scopes: Vec::new(),
            events_per_hour: None,
            expires_ms: None,
            remind_ms: None,
            created_ms: 0,
        };
        Known {
            key,
            tenant_made_ms: 0,
            read_ms,
        }
    }

    #[test]
    fn a_key_is_known_for_a_while() {
        let keys = KnownKeys::default();
        keys.remember(known(5), keys.before_reading());
        let hash = KeyHash::of("rk_1");
        assert!(keys.get(&hash, 5 + KEY_CACHE_MS - 1).is_some());
        assert!(keys.get(&hash, 5 + KEY_CACHE_MS).is_none());
        keys.forget(|key| key.id.as_str() == "key_2");
        assert!(keys.get(&hash, 5).is_some());
        keys.forget(|key| key.id.as_str() == "key_1");
        assert!(keys.get(&hash, 5).is_none());
    }

    #[test]
    fn a_key_forgotten_while_it_is_read_is_not_remembered() {
        let keys = KnownKeys::default();
        let moment = keys.before_reading();
        keys.forget(|key| key.id.as_str() == "key_1");
        keys.remember(known(5), moment);
        assert!(keys.get(&KeyHash::of("rk_1"), 5).is_none());
    }
}
