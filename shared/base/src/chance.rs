//! The one reader of randomness.

/// Random bytes from the operating system.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[cfg(feature = "replay")]
    if replay::fill(&mut bytes) {
        return bytes;
    }
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

/// So many random bytes, in hexadecimal.
#[must_use]
pub fn hex<const N: usize>() -> String {
    hex::encode(bytes::<N>())
}

/// Randomness of a seed, for the simulation alone: the same seed must be the same run.
#[cfg(feature = "replay")]
pub mod replay {
    use std::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// From now on this thread draws from `seed`.
    pub fn from(seed: u64) {
        STATE.set(Some(seed));
    }

    /// Whether this thread draws from a seed, and so filled `bytes`.
    pub(super) fn fill(bytes: &mut [u8]) -> bool {
        let Some(mut state) = STATE.get() else {
            return false;
        };
        for chunk in bytes.chunks_mut(8) {
            // SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut drawn = state;
            drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            drawn ^= drawn >> 31;
            chunk.copy_from_slice(&drawn.to_le_bytes()[..chunk.len()]);
        }
        STATE.set(Some(state));
        true
    }
}
