//! Where a request came from, for the audit log.

use std::net::IpAddr;

use axum::extract::Request;
use http::header;
use tokio::task_local;

use super::{RequestId, gateway};
use crate::limits::AUDIT_USER_AGENT_CHARS;

task_local! {
    static CURRENT: Source;
}

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) request_id: String,
    pub(super) ip: Option<IpAddr>,
    pub(super) user_agent: Option<String>,
}

impl Source {
    pub(super) fn of(request: &Request, RequestId(id): &RequestId) -> Self {
        let user_agent = request.headers().get(header::USER_AGENT);
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        Self {
            request_id: id.clone(),
            // What a client says in headers such as `X-Forwarded-For` is never believed.
            ip: gateway::peer(request.extensions()).map(|address| address.to_canonical()),
            user_agent: user_agent.map(|name| name.chars().take(AUDIT_USER_AGENT_CHARS).collect()),
        }
    }

    /// Makes this the source of whatever `future` does.
    pub(super) async fn of_all<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    /// That of the request that is being handled.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }
}
