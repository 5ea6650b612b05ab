//! The library of Rung's functions. From the ground up, an arrow never points upwards:
//!
//! [`domain`] and [`json`] ← [`dialect`] ← [`store`], [`queue`], [`egress`] ← [`flow`].

pub mod clock;
pub mod dialect;
pub mod domain;
pub mod egress;
pub mod json;
