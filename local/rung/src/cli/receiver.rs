//! An HTTP receiver: takes any request, and answers what it is told to.

use std::io::{self, IsTerminal as _};

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, StatusCode};
use tokio::net::TcpListener;

use crate::{descriptors, server};

/// The longest body that is taken, in bytes: four times what Rung delivers at most.
const BODY_BYTES: usize = 1024 * 1024;

/// A request that came in.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) method: Method,
    /// With its query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// Among them how the names of the headers are spelled.
    pub(super) extensions: Extensions,
    pub(super) body: Bytes,
}

/// Serves until `ended`, answering each request as `answer` says; then what is under way is finished.
pub(super) async fn serve<F>(
    listener: TcpListener,
    answer: impl Fn(Arrival) -> F + Clone + Send + Sync + 'static,
    ended: impl Future<Output = ()>,
) where
    F: Future<Output = Response> + Send + 'static,
{
    let router = Router::new().fallback(async move |request: Request| match taken(request).await {
        Some(arrival) => answer(arrival).await,
        None => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    });
    server::serve(listener, router, descriptors::clients(), ended).await;
}

async fn taken(request: Request) -> Option<Arrival> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query();
    Some(Arrival {
        method: head.method,
        path: path.map_or_else(|| "/".to_owned(), ToString::to_string),
        headers: head.headers,
        extensions: head.extensions,
        body: to_bytes(body, BODY_BYTES).await.ok()?,
    })
}

/// The wish to end, noted from this call on: SIGINT, SIGTERM, and SIGHUP where a terminal closes. Whoever starts a program with
/// `nohup` wants it to outlive the terminal, and it has another standard input then.
pub(super) fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let is_of_terminal = io::stdin().is_terminal();
    let mut hangup = is_of_terminal
        .then(|| signal(SignalKind::hangup()))
        .transpose()?;
    Ok(async move {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up => {}
        }
    })
}
