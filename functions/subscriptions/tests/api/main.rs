//! The HTTP API as its clients see it: the functions' routes over in-memory stores.

#![allow(clippy::unwrap_used)]

mod access;
mod at_once;
mod audit;
mod bounded;
mod challenge;
mod choosing;
mod contention;
mod contract;
mod cost;
mod dashboard;
mod dead_letters;
mod deliveries;
mod erasure;
mod event_types;
mod events;
mod interrupted;
mod jobs;
mod keys;
mod large;
mod lists;
mod loops;
mod lost;
mod metering;
mod openapi;
mod operator;
mod operator_keys;
mod pace;
mod portal;
mod publish;
mod recover;
mod retention;
mod rotation;
mod secrets;
mod seed;
mod stats;
mod strangers;
mod ten_jobs;
mod tenants;
mod topic;
mod tracing;
mod versions;
mod watchdog;
mod webhooks;
mod world;
