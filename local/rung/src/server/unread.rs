//! What of a request was not read when it was answered.
//!
//! A connection that is closed while bytes wait in it is reset, and a client that writes all before it reads then sees that
//! instead of its answer. So what a refused request has still to say is read to its end first, within bounds.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    middleware::Next,
    response::Response,
};
use http::header;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::{sync::oneshot, time::timeout};

use super::connections::Client;

/// How long the rest of a body is read at most.
pub(super) const REST_LIMIT: Duration = Duration::from_secs(2);
/// How much of it.
pub(super) const REST_BYTES: usize = 32 * 1024 * 1024;

/// Answers a request once its body is read, by whom it is for or, when that one answers without, to nowhere.
pub(super) async fn discarded(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let asks = request.headers().contains_key(header::EXPECT);
    let client = request.extensions().get().cloned();
    let (giver, mut given_back) = oneshot::channel();
    let request = request.map(|body| {
        Body::new(Lent {
            body,
            is_sent: !asks,
            client,
            giver: Some(giver),
        })
    });
    let response = next.run(request).await;
    if let Ok(rest) = given_back.try_recv() {
        // A client that is slower than this, or has more to say, is not listened to.
        let _ = timeout(REST_LIMIT, discard(rest)).await;
    }
    response
}

async fn discard(mut rest: Body) {
    let mut left = REST_BYTES;
    while let Some(Ok(frame)) = rest.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(bytes) {
            Some(fewer) => left = fewer,
            None => return,
        }
    }
}

/// A body that comes back when nobody reads on.
struct Lent {
    body: Body,
    /// Whether the client sends it: one that expects `100 Continue` waits until somebody reads.
    is_sent: bool,
    /// Who is told when all of it is there.
    client: Option<Arc<Client>>,
    giver: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_sent = true;
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Some(client) = &self.client
            && (matches!(frame, Poll::Ready(None)) || self.body.is_end_stream())
        {
            client.has_said_all();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let unread = self.is_sent && !self.body.is_end_stream();
        if let Some(giver) = self.giver.take().filter(|_| unread) {
            // Nobody waits for it when the request was given up.
            let _ = giver.send(mem::take(&mut self.body));
        }
    }
}
