//! A client's end of the wire: what of it moves, and what is said to it below HTTP.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Bytes, to_bytes};
use futures_util::FutureExt as _;
use http::header;
use rung_api::{ApiError, Code};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep, timeout},
};

use super::{
    connections::Client,
    framing::Framing,
    unread::{REST_BYTES, REST_LIMIT},
};

/// How long a client may take nothing of its answer.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// What hyper reads in place of an ambiguous head: no head has a NUL, so it refuses this one in its turn, and reads no other.
const NO_HEAD: &[u8] = b"\0\r\n\r\n";

/// A connection as hyper sees it.
pub(super) struct Wire {
    stream: TcpStream,
    client: Arc<Client>,
    framing: Framing,
    /// What of [`NO_HEAD`] hyper has still to read.
    no_head: &'static [u8],
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What is left to say in place of a refusal of hyper's own.
    instead: Option<Bytes>,
    /// Whether the client has said something that is not answered.
    is_asking: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, client: Arc<Client>) -> Self {
        Self {
            stream,
            client,
            framing: Framing::default(),
            no_head: &[],
            stalled: None,
            instead: None,
            is_asking: false,
        }
    }

    /// Whether the client has begun a request that is not answered.
    pub(super) fn is_asking(&self) -> bool {
        self.is_asking
    }

    /// The connection below.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// What a write has come to; one that goes on for too long without a byte fails.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if write.is_ready() {
            self.stalled = None;
            self.is_asking = false;
            self.client.has_moved();
            return write;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(WRITE_LIMIT)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Says what is to be said in place of `refusal`, if it is one of hyper's own; ready once all is said.
    fn say_instead(
        &mut self,
        context: &mut Context<'_>,
        refusal: &[u8],
    ) -> Poll<io::Result<Option<()>>> {
        if self.instead.is_none() {
            self.instead = own_refusal(refusal).map(text);
        }
        while let Some(text) = self.instead.take_if(|text| !text.is_empty()) {
            let write = Pin::new(&mut self.stream).poll_write(context, &text);
            let write = self.wrote(context, write);
            let Poll::Ready(Ok(written)) = write else {
                self.instead = Some(text);
                return write.map_ok(|_| Some(()));
            };
            self.instead = Some(text.slice(written..));
        }
        Poll::Ready(Ok(self.instead.take().map(|_| ())))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.no_head.is_empty() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let said = buffer.filled().get(before..).unwrap_or_default();
            if said.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.is_asking = true;
            self.client.has_moved();
            let Some(at) = self.framing.ambiguous_from(said) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before + at);
            self.no_head = NO_HEAD;
        }
        let (now, later) = self
            .no_head
            .split_at(self.no_head.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.no_head = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if ready!(self.say_instead(context, bytes))?.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.first().map_or(&[][..], |slice| &**slice);
        if ready!(self.say_instead(context, first))?.is_some() {
            return Poll::Ready(Ok(first.len()));
        }
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The code that belongs to a refusal which hyper writes by itself, when it cannot read a request: a head alone, which says that
/// no body follows. Answers of the API have one with any of these statuses.
fn own_refusal(head: &[u8]) -> Option<Code> {
    const EMPTY: &[u8] = b"\r\ncontent-length: 0\r\n";
    let code = match head.strip_prefix(b"HTTP/1.1 ")?.get(..4)? {
        b"400 " => Code::MalformedRequest,
        b"414 " => Code::UriTooLong,
        b"431 " => Code::HeadersTooLarge,
        _ => return None,
    };
    let is_empty = head.windows(EMPTY.len()).any(|part| part == EMPTY);
    is_empty.then_some(code)
}

/// A refusal as it goes over the wire, the last of its connection.
fn text(code: Code) -> Bytes {
    let (head, body) = rung_api::refusal(ApiError::from(code)).into_parts();
    // It is in memory: there is nothing to wait for.
    let body = to_bytes(body, usize::MAX).now_or_never();
    let body = body.and_then(Result::ok).unwrap_or_default();
    let status = head.status;
    let reason = status.canonical_reason().unwrap_or_default();
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    let length = (header::CONTENT_LENGTH, body.len().into());
    let close = (
        header::CONNECTION,
        header::HeaderValue::from_static("close"),
    );
    let headers = head
        .headers
        .iter()
        .filter(|(name, _)| **name != header::CONTENT_LENGTH);
    for (name, value) in headers.chain([(&length.0, &length.1), (&close.0, &close.1)]) {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&body);
    text.into()
}

/// Ends a connection, perhaps with a last word. What the client still says is read first, within bounds: a connection that is closed
/// over unread bytes is reset, and what was said over it may be lost.
pub(super) async fn part(mut stream: TcpStream, last_word: Option<Code>) {
    let parting = async {
        if let Some(code) = last_word {
            stream.write_all(&text(code)).await?;
        }
        stream.shutdown().await?;
        let mut left = vec![0; 16 * 1024];
        let mut room = REST_BYTES;
        while room > 0 {
            match stream.read(&mut left).await? {
                0 => break,
                read => room = room.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    // A client that has gone, or stays for longer, misses nothing.
    let _ = timeout(REST_LIMIT, parting).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_hyper_says_by_itself_is_replaced() {
        let own = |text: &str| own_refusal(text.as_bytes());
        let of = |status| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\ndate: now\r\n\r\n");
        assert_eq!(own(&of("400 Bad Request")), Some(Code::MalformedRequest));
        assert_eq!(own(&of("414 URI Too Long")), Some(Code::UriTooLong));
        assert_eq!(
            own(&of("431 Request Header Fields Too Large")),
            Some(Code::HeadersTooLarge)
        );
        assert_eq!(own(&of("404 Not Found")), None);
        assert_eq!(own(&of("200 OK")), None);
        assert_eq!(own(&of("400 Bad Request").replace(": 0", ": 60")), None);
        assert_eq!(own(""), None);
    }

    #[test]
    fn a_refusal_is_an_answer_as_any_other() {
        let text = String::from_utf8(text(Code::HeadersTooLarge).to_vec()).unwrap_or_default();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
        for header in [
            "content-type: application/json",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "x-request-id: req_",
            "connection: close",
            &format!("content-length: {}", body.len()),
        ] {
            assert!(head.contains(&format!("\r\n{header}")), "{header}: {head}");
        }
        assert!(body.contains(r#""code":"headers_too_large""#), "{body}");
    }
}
