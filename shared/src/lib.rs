//! The library of Rung's functions. From the ground up, an arrow never points upwards:
//!
//! [`domain`] and [`json`] ← [`dialect`] ← [`store`], [`queue`], [`egress`] ← [`flow`].

pub mod api;
mod batcher;
pub mod chance;
pub mod clock;
pub mod config;
pub mod dialect;
pub mod domain;
pub mod egress;
pub mod flow;
pub mod json;
pub mod limits;
pub mod queue;
pub mod store;
