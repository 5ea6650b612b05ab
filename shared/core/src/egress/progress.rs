//! What has come over a connection, and how old it is.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

/// How much of the beginning of an answer is kept, in bytes.
const BEGINNING_BYTES: usize = 64;

/// Follows a connection: whether an exchange was made over it before, whether anything of the answer to the present one has been
/// received, and what the answer begins with. Of use for HTTP/1, where exchanges don't overlap. Clones are of the same connection.
#[derive(Clone)]
pub(super) struct Progress(Arc<Shared>);

struct Shared {
    opened: Instant,
    state: AtomicU8,
    answer: Mutex<Answer>,
}

/// What was received of the present answer.
#[derive(Default)]
struct Answer {
    /// At most [`BEGINNING_BYTES`].
    beginning: Vec<u8>,
    bytes: usize,
}

/// Something of the answer to the present request has been received.
const RECEIVED: u8 = 1;
/// It is not the first request.
const REUSED: u8 = 2;

impl Progress {
    /// Of a connection that was opened just now.
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            opened: Instant::now(),
            state: AtomicU8::new(0),
            answer: Mutex::default(),
        }))
    }

    pub(super) fn received(&self, bytes: &[u8]) {
        self.0.state.fetch_or(RECEIVED, Ordering::Relaxed);
        let answer = &mut *self.answer();
        let room = BEGINNING_BYTES - answer.beginning.len();
        answer
            .beginning
            .extend_from_slice(&bytes[..room.min(bytes.len())]);
        answer.bytes += bytes.len();
    }

    pub(super) fn sent(&self) {
        // Only a request is sent after an answer.
        if self.0.state.load(Ordering::Relaxed) & RECEIVED != 0 {
            self.0.state.store(REUSED, Ordering::Relaxed);
            let answer = &mut *self.answer();
            answer.beginning.clear();
            answer.bytes = 0;
        }
    }

    /// The connection was used before.
    pub(super) fn is_reuse(&self) -> bool {
        self.0.state.load(Ordering::Relaxed) & REUSED != 0
    }

    /// The connection was used before, and nothing has come since it was written to last.
    pub(super) fn is_unanswered_reuse(&self) -> bool {
        self.0.state.load(Ordering::Relaxed) == REUSED
    }

    /// How long ago the connection was opened.
    pub(super) fn age(&self) -> Duration {
        self.0.opened.elapsed()
    }

    /// How much of the present answer has been received, in bytes.
    pub(super) fn received_bytes(&self) -> usize {
        self.answer().bytes
    }

    /// What the present answer begins with, escaped.
    pub(super) fn escaped_beginning(&self) -> String {
        self.answer().beginning.escape_ascii().to_string()
    }

    /// The final status that the present answer begins with, whatever follows it.
    pub(super) fn status(&self) -> Option<StatusCode> {
        let answer = self.answer();
        let rest = answer.beginning.strip_prefix(b"HTTP/1.")?;
        let [b'0' | b'1', b' ', code @ ..] = rest else {
            return None;
        };
        let (code, rest) = code.split_at_checked(3)?;
        let ends = matches!(rest.first(), Some(b' ' | b'\r' | b'\n'));
        let status = StatusCode::from_bytes(code).ok()?;
        (ends && !status.is_informational()).then_some(status)
    }

    fn answer(&self) -> MutexGuard<'_, Answer> {
        self.0.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_from_the_one_before() {
        let progress = Progress::new();
        progress.sent();
        progress.sent();
        assert!(!progress.is_reuse());
        progress.received(b"HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(progress.status(), Some(StatusCode::NO_CONTENT));
        assert!(!progress.is_reuse());
        progress.sent();
        assert!(progress.is_reuse() && progress.is_unanswered_reuse());
        assert_eq!(progress.status(), None);
        progress.received(b"HTTP/1.1 5");
        assert!(progress.is_reuse() && !progress.is_unanswered_reuse());
        progress.received(b"00\r\n");
        assert_eq!(progress.status(), Some(StatusCode::INTERNAL_SERVER_ERROR));
    }

    #[test]
    fn what_an_answer_begins_with_is_bounded_and_escaped() {
        let progress = Progress::new();
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
            let progress = Progress::new();
            progress.received(text.as_bytes());
            assert_eq!(progress.status().map(|it| it.as_u16()), status, "{text}");
        }
    }
}
