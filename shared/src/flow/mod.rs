//! What Rung does: each flow loads, lets the domain decide, and applies.

pub mod accept;
pub mod manual;
