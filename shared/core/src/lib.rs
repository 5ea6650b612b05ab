//! The core of Rung's functions. From the ground up; an arrow never points upwards:
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | the settings, and what a function builds from them |
//! | [`flow`] | accept, deliver, sweep: load, decide, apply |
//! | [`store`], [`queue`], [`topic`], [`egress`] | DynamoDB, SQS, SNS, receivers |
//! | [`encryption`] | what is encrypted in the table, and with which key |
//! | [`branding`] | how the portal looks |
//! | [`metrics`] | what the functions count |
//! | [`domain`] | types and pure decisions |
//! | [`limits`] | every bound by name |
//!
//! Below it stand `rung-dialect` (what a receiver sees), `rung-json` (strict JSON, schemas, filters) and `rung-base` (time, randomness,
//! fair shares); above it `rung-api` (what the HTTP functions share) and the functions.

pub mod aside;
mod aws_http;
mod batcher;
pub mod branding;
pub mod config;
pub mod domain;
pub mod egress;
pub mod encryption;
pub mod flow;
pub mod limits;
pub mod metrics;
pub mod queue;
pub mod store;
pub mod topic;
