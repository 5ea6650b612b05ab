//! What everything else takes as an argument, so that it can be tested in virtual time and replayed from a seed.
//!
//! [`clock`] is the one reader of time, [`chance`] that of randomness; [`fair`] shares places out and lets parties take turns.

pub mod chance;
pub mod clock;
pub mod fair;
