//! Header names that neither a webhook nor a dialect's file may set.

use http::{
    HeaderName,
    header::{
        CONNECTION, DATE, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
        UPGRADE, USER_AGENT,
    },
};

use super::Dialect;

/// The connection's, the body's, or Rung's own.
const RESERVED: [HeaderName; 12] = [
    CONNECTION,
    DATE,
    EXPECT,
    HOST,
    HeaderName::from_static("keep-alive"),
    TE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
];

/// Whether neither a dialect's file nor a webhook sets this header: it is the connection's, describes the body, or is Rung's own.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    let text = name.as_str();
    RESERVED.contains(name)
        || text.starts_with("rung-")
        || text.starts_with("content-")
        || text.starts_with("proxy-") && name != PROXY_AUTHORIZATION
}

impl Dialect {
    /// Whether a webhook of this dialect may not set this header: nobody may, the dialect sets it itself, or a receiver might take it
    /// for one of Standard Webhooks.
    #[must_use]
    pub fn reserves_header(&self, name: &HeaderName) -> bool {
        is_reserved(name)
            || name.as_str().starts_with("webhook-")
            || self.headers.names().any(|own| own == name)
    }
}
