//! The functions with their triggers over in-memory stores, in virtual time: a ladder of 76 hours takes moments, and waits
//! are told to the millisecond.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod disabling;
mod gradual_move;
mod host_faults;
mod ladders;
mod world;
