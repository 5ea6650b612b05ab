//! What has come over a connection, and how old it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

/// How much of the beginning of an answer is kept, in bytes.
const BEGINNING_BYTES: usize = 64;
/// A connection that was opened so long ago and never used is for no request that is about to use it.
const UNUSED: Duration = Duration::from_secs(1);

/// Follows a connection: whether an exchange was made over it before, whether one is under way, whether anything of the answer to the
/// present one has been received, and what the answer begins with. Over HTTP/1 exchanges don't overlap; over HTTP/2 they do, so there it is
/// known of the connection as a whole. Clones are of the same connection.
#[derive(Clone)]
pub(super) struct Progress(Arc<Shared>);

struct Shared {
    opened: Instant,
    is_http2: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Something of the answer to the present request has been received.
    is_received: bool,
    /// It is not the first request.
    is_reused: bool,
    answer: Answer,
    /// Requests that were begun, and those whose answers were read to their end, in whatever order that is told.
    requests: u64,
    answers: u64,
    /// Over HTTP/2, when the first answer began, and whether one has begun that has not ended.
    first_answer: Option<Instant>,
    is_answering: bool,
    /// The present exchange is the last one.
    is_last: bool,
    /// No exchange may begin any more.
    is_ended: bool,
    /// Who waits for what is received next.
    reader: Option<Waker>,
}

/// What was received of the present answer.
#[derive(Default)]
struct Answer {
    /// At most [`BEGINNING_BYTES`].
    beginning: Vec<u8>,
    bytes: usize,
}

impl State {
    fn is_reuse(&self, is_http2: bool, since: Instant) -> bool {
        if is_http2 {
            self.first_answer.is_some_and(|first| first < since)
        } else {
            self.is_reused
        }
    }

    fn end(&mut self) {
        self.is_ended = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Progress {
    /// Of a connection that was opened just now.
    pub(super) fn new(is_http2: bool) -> Self {
        Self(Arc::new(Shared {
            opened: Instant::now(),
            is_http2,
            state: Mutex::default(),
        }))
    }

    /// Whether both are of the same connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn received(&self, bytes: &[u8]) {
        let state = &mut *self.state();
        state.is_received = true;
        let answer = &mut state.answer;
        let room = BEGINNING_BYTES - answer.beginning.len();
        answer
            .beginning
            .extend_from_slice(&bytes[..room.min(bytes.len())]);
        answer.bytes += bytes.len();
    }

    /// Over HTTP/2, answers have begun; whether one of them has not ended.
    pub(super) fn answers(&self, is_answering: bool) {
        let state = &mut *self.state();
        state.first_answer.get_or_insert_with(Instant::now);
        state.is_answering = is_answering;
    }

    /// Something of a request is about to be sent; whether it may be.
    pub(super) fn sends(&self) -> bool {
        let state = &mut *self.state();
        // Only a request is sent after an answer.
        if state.is_received || state.requests == 0 {
            state.is_reused = state.is_received;
            state.is_received = false;
            state.answer.beginning.clear();
            state.answer.bytes = 0;
            state.requests += 1;
        }
        !state.is_ended
    }

    /// An answer was read to its end, or as far as anybody reads it.
    pub(super) fn answered(&self) {
        let state = &mut *self.state();
        state.answers += 1;
        if state.is_last && state.requests == state.answers {
            state.end();
        }
    }

    /// Has the connection end with the present exchange.
    pub(super) fn set_last(&self) {
        self.state().is_last = true;
    }

    /// Ends the connection if no exchange is under way.
    pub(super) fn end_if_idle(&self) {
        let age = self.age();
        let state = &mut *self.state();
        let is_unused = state.requests == 0 && age < UNUSED;
        if state.requests == state.answers && !is_unused {
            state.end();
        }
    }

    /// Whether the connection has ended. If not, whoever reads is woken when it does.
    pub(super) fn is_ended(&self, cx: &Context<'_>) -> bool {
        let state = &mut *self.state();
        if !state.is_ended {
            state.reader = Some(cx.waker().clone());
        }
        state.is_ended
    }

    /// The connection was used before the request that was asked for at `since`.
    pub(super) fn is_reuse(&self, since: Instant) -> bool {
        self.state().is_reuse(self.0.is_http2, since)
    }

    /// The same, or it has ended, and nothing has come since it was written to last; over HTTP/2: nothing of an answer that has not come
    /// whole.
    pub(super) fn is_unanswered_reuse(&self, since: Instant) -> bool {
        let state = self.state();
        let is_received = if self.0.is_http2 {
            state.is_answering
        } else {
            state.is_received
        };
        (state.is_reuse(self.0.is_http2, since) || state.is_ended) && !is_received
    }

    /// How long ago the connection was opened.
    pub(super) fn age(&self) -> Duration {
        self.0.opened.elapsed()
    }

    /// How much of the present answer has been received, in bytes.
    pub(super) fn received_bytes(&self) -> usize {
        self.state().answer.bytes
    }

    /// What the present answer begins with, escaped.
    pub(super) fn escaped_beginning(&self) -> String {
        self.state().answer.beginning.escape_ascii().to_string()
    }

    /// The final status that the present answer begins with, whatever follows it.
    pub(super) fn status(&self) -> Option<StatusCode> {
        let state = self.state();
        let rest = state.answer.beginning.strip_prefix(b"HTTP/1.")?;
        let [b'0' | b'1', b' ', code @ ..] = rest else {
            return None;
        };
        let (code, rest) = code.split_at_checked(3)?;
        let ends = matches!(rest.first(), Some(b' ' | b'\r' | b'\n'));
        let status = StatusCode::from_bytes(code).ok()?;
        (ends && !status.is_informational()).then_some(status)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_from_the_one_before() {
        let progress = Progress::new(false);
        let now = Instant::now();
        progress.sends();
        progress.sends();
        assert!(!progress.is_reuse(now));
        progress.received(b"HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(progress.status(), Some(StatusCode::NO_CONTENT));
        assert!(!progress.is_reuse(now));
        progress.sends();
        assert!(progress.is_reuse(now) && progress.is_unanswered_reuse(now));
        assert_eq!(progress.status(), None);
        progress.received(b"HTTP/1.1 5");
        assert!(progress.is_reuse(now) && !progress.is_unanswered_reuse(now));
        progress.received(b"00\r\n");
        assert_eq!(progress.status(), Some(StatusCode::INTERNAL_SERVER_ERROR));
    }

    #[test]
    fn what_an_answer_begins_with_is_bounded_and_escaped() {
        let progress = Progress::new(false);
        for _ in 0..100 {
            progress.received(b"\x15\x03\"\r\n");
        }
        let beginning = progress.escaped_beginning();
        assert!(
            beginning.starts_with(r#"\x15\x03\"\r\n\x15"#),
            "{beginning}"
        );
        assert!(beginning.len() <= 4 * BEGINNING_BYTES);
    }

    #[test]
    fn only_a_final_status_is_one() {
        for (text, status) in [
            ("HTTP/1.0 200\n", Some(200)),
            ("HTTP/1.1 410 Gone", Some(410)),
            ("HTTP/1.1 100 Continue\r\n", None),
            ("HTTP/1.1 20", None),
            ("HTTP/1.1 2000 OK", None),
            ("HTTP/1.1 abc OK", None),
            ("HTTP/2.0 200 OK", None),
            ("SSH-2.0-OpenSSH", None),
        ] {
            let progress = Progress::new(false);
            progress.received(text.as_bytes());
            assert_eq!(progress.status().map(|it| it.as_u16()), status, "{text}");
        }
    }
}
