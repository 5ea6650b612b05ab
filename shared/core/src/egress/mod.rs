//! Sending a delivery to its receiver: one POST over HTTP, to an address that is allowed.
//!
//! The cast: [`policy`] judges URLs and addresses; `slots` shares out the connections that there may be; `resolve` asks the
//! name server; `connect` resolves, judges and lets `dial` dial in one go, so the addresses that were judged are the ones
//! dialled, whatever the name server answers next; [`Client`] posts under one deadline over connections that `connect` has
//! opened; through the operator's `proxy` if there is one; `trust` judges their certificates, `identity` reads those that they ask for; `spelling` spells header names; `progress` follows what comes over a connection; `standing` knows which are open; `http1_hosts` remembers who demands HTTP/1.1; `interim` counts answers that are not
//! final; [`Failure`] says why no answer came. [`Transport`] is the seam at which tests put receivers by script.
//!
//! A failure is the receiver's, or this host's ([`HostFault`]): here is where that is judged, and nowhere else.
//!
//! No redirects are followed, no proxy is asked but the operator's [`Proxy`], no answer is decompressed here.

mod capacity;
mod client;
mod connect;
mod dial;
mod failure;
mod http1_hosts;
mod identity;
mod interim;
pub mod policy;
mod progress;
mod proxy;
mod resolve;
mod slots;
mod spelling;
mod standing;
#[cfg(test)]
mod tests;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use self::capacity::Capacity;
pub use self::client::{Client, Policy};
pub use self::failure::{Failure, HostFault, Refusal, TlsFault};
pub use self::identity::{CertificateFault, IdentityFault, KeyFault, Presented};
pub use self::proxy::{Proxy, ProxyFault};
pub use self::slots::Slot;
pub use self::spelling::{Names, Spelling};
pub use self::trust::{Roots, RootsFault};
use crate::domain::client_certificate::ClientCertificate;
use crate::domain::id::TenantId;

/// How much of an answer's body is kept, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// One request: a POST, but for some dialects' challenges.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// How.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// All headers but those that HTTP itself needs ([`policy::is_framing`]); such ones are not sent.
    pub headers: HeaderMap,
    /// How their names are spelled over HTTP/1.1.
    pub spelling: Spelling,
    /// Sent as it is, with its `Content-Length`.
    pub body: Bytes,
    /// What it presents to a receiver that asks who connects. It goes over no connection of another certificate, or of none.
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// From the name look-up to the answer's headers; the answer's body is read within what is left.
    pub timeout: Duration,
    /// Whether HTTP/2 is not offered.
    pub http1_only: bool,
    /// Whether it goes over a new connection, which is closed after it.
    pub fresh: bool,
}

/// The response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The final status; up to five interim ones (1xx) are skipped.
    pub status: StatusCode,
    /// As received, without those that cannot be read.
    pub headers: HeaderMap,
    /// At most [`MAX_BODY_BYTES`], as received (a compressed body stays compressed).
    pub body: Bytes,
    /// Whether `body` is all of it: not too long, too slow, or broken off.
    pub body_complete: bool,
}

/// A status with its name, as people know it; the number alone where it has none.
#[must_use]
pub fn named(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(name) => format!("{} {name}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// Posts to receivers.
#[async_trait]
pub trait Transport: Send + Sync {
    /// A slot for a POST of this tenant to this URL; waits for one as long as `patience`, which is nobody's time-out.
    ///
    /// # Errors
    /// [`HostFault::NoSlot`] when none came free.
    async fn slot(
        &self,
        _tenant: &TenantId,
        _url: &Url,
        _patience: Duration,
    ) -> Result<Slot, HostFault> {
        Ok(Slot::uncounted())
    }

    /// Posts once and reads the answer.
    ///
    /// # Errors
    ///
    /// A [`Failure`] if no complete answer head came in time. Any status is an `Ok`.
    async fn post(&self, outgoing: &Outgoing, slot: &Slot) -> Result<Answer, Failure>;
}
