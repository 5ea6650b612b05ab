//! The library of Rung's functions. From the ground up; an arrow never points upwards:
//!
//! | module | holds |
//! | --- | --- |
//! | [`config`] | the settings, and what a function builds from them |
//! | [`api`] | what the HTTP functions share |
//! | [`flow`] | accept, deliver, sweep: load, decide, apply |
//! | [`store`], [`queue`], [`topic`], [`egress`] | DynamoDB, SQS, SNS, receivers |
//! | [`dialect`] | everything that differs between the webhooks that Rung sends |
//! | [`encryption`] | what is encrypted in the table, and with which key |
//! | [`metrics`] | what the functions count |
//! | [`domain`], [`schema`], [`json`] | types and pure decisions |
//! | [`clock`], [`chance`], [`limits`], [`fair`] | the one reader of time, that of randomness, every bound by name, fair shares and turns |

pub mod api;
pub mod aside;
mod aws_http;
mod batcher;
pub mod chance;
pub mod clock;
pub mod config;
pub mod dialect;
pub mod domain;
pub mod egress;
pub mod encryption;
pub mod fair;
pub mod flow;
pub mod json;
pub mod limits;
pub mod metrics;
pub mod mutation;
pub mod queue;
pub mod schema;
pub mod store;
pub mod topic;
