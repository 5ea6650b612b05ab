//! Header names that neither a webhook nor a dialect's file may set.

use http::{
    HeaderName,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPECT, HOST, PROXY_AUTHORIZATION, TE,
        TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
    },
};

use super::Dialect;

/// The connection's, the body's, or Rung's own.
const RESERVED: [HeaderName; 14] = [
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
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

/// Whether nobody but Rung sets this header.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    RESERVED.contains(name) || name.as_str().starts_with("rung-")
}

impl Dialect {
    /// Whether a webhook of this dialect may not set this header: what describes the body is for whoever makes the body, a
    /// receiver must not take a webhook's own header for a signature, and the dialect sets its headers itself.
    #[must_use]
    pub fn reserves_header(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        is_reserved(name)
            || text.starts_with("content-")
            || text.starts_with("webhook-")
            || text.starts_with("proxy-") && name != PROXY_AUTHORIZATION
            || self.headers.names().any(|own| own == name)
    }
}
