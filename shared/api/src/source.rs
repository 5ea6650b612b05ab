//! The request that is being handled: where it came from, for the audit log, and where its answer goes on.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use axum::extract::Request;
use http::header;
use tokio::task_local;

use super::{RequestId, gateway};
use crate::limits::AUDIT_USER_AGENT_CHARS;

task_local! {
    static CURRENT: Source;
}

/// Where a request came from, and where its answer goes on.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) request_id: String,
    pub(super) ip: Option<IpAddr>,
    pub(super) user_agent: Option<String>,
    /// The `next_cursor` of the page that it is answered with, once that is known.
    next_cursor: Arc<OnceLock<String>>,
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
            next_cursor: Arc::default(),
        }
    }

    /// Where [`note_next`](Self::note_next) notes what it is told while the request is handled.
    pub(super) fn next_cursor(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.next_cursor)
    }

    /// Notes where the answer to the request that is being handled goes on, for its header `Link`.
    pub(super) fn note_next(cursor: &str) {
        if let Some(current) = Self::current() {
            current.next_cursor.get_or_init(|| cursor.to_owned());
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
