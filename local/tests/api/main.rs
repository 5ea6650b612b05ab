//! The HTTP API as its clients see it: the functions' routes over in-memory stores.

#![allow(clippy::unwrap_used)]

mod access;
mod choosing;
mod deliveries;
mod lists;
mod openapi;
mod pace;
mod publish;
mod rotation;
mod schemas;
mod seed;
mod tenants;
mod webhooks;
mod world;
