//! A harness for tests from the outside: it knows the documented interface of Rung and nothing of its insides.
//!
//! [`Rung`] is `rung dev` as a process on throw-away data, [`Receiver`] a customer's endpoint that answers by script and
//! keeps every request as it came over the wire, [`Api`] and [`Tenant`] what an operator's own code would do with the HTTP
//! API; [`lambda`] has the functions' binaries instead. Conditions are waited for with [`eventually`]; no test sleeps and hopes.

// A harness measures the real machine: the rule against wall clocks and the environment is for the product.
#![allow(clippy::disallowed_methods)]

mod api;
pub mod lambda;
pub mod metered;
mod output;
mod patience;
mod policies;
mod process;
mod proxy;
mod receiver;
mod secrets;
mod tenant;
mod wire;

pub use api::{Api, Call, Reply};
pub use output::Output;
pub use patience::{PATIENCE, eventually};
pub use policies::Policies;
pub use process::{ADMIN_KEY, Rung, release_build};
pub use receiver::{Answer, Receiver};
pub use secrets::Secrets;
pub use tenant::{Published, Tenant, Webhook};
pub use wire::Received;
