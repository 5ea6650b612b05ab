//! Interim answers (1xx), which a receiver may send before the final one: few make sense, and without a bound they never end.
//!
//! Over HTTP/1 the client library tells of each. Over HTTP/2 it tells of none: there the heads of an answer are counted in the
//! frames of the connection. From outside an interim head looks like a final one whose body follows.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

/// Interim answers that may come before a final one.
const MOST: usize = 5;

/// The interim answers to a request over HTTP/1.
#[derive(Default)]
pub(super) struct Interim {
    count: AtomicUsize,
    exceeded: Notify,
}

impl Interim {
    /// One more has come.
    pub(super) fn count(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) == MOST {
            self.exceeded.notify_one();
        }
    }

    /// Waits until more have come than may.
    pub(super) async fn exceeded(&self) {
        self.exceeded.notified().await;
    }
}

/// Heads without an end that the answer on a stream may have over HTTP/2: the interim ones and the final one. Trailers end it.
const MOST_HEADS: usize = MOST + 1;
/// Open answers whose heads are remembered; with more, all are forgotten. Those that the client gave up stay until then.
const REMEMBERED: usize = 4_096;

// RFC 9113, sections 4.1, 6.1, 6.2 and 6.4.
const FRAME_HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const END_STREAM: u8 = 1;

/// Counts the heads of answers in what is received over an HTTP/2 connection.
#[derive(Default)]
pub(super) struct Frames {
    /// The beginning of the next frame's head, so many bytes of it.
    head: [u8; FRAME_HEAD_BYTES],
    have: usize,
    /// Bytes of the present frame's payload that are still to come.
    payload: usize,
    /// Heads by stream.
    heads: HashMap<u32, usize>,
    /// Whether any has come.
    have_begun: bool,
}

impl Frames {
    /// Takes in what was received next; whether no answer has more heads than it may.
    pub(super) fn take(&mut self, mut received: &[u8]) -> bool {
        while !received.is_empty() {
            let skipped = self.payload.min(received.len());
            self.payload -= skipped;
            received = &received[skipped..];
            let taken = received.len().min(FRAME_HEAD_BYTES - self.have);
            self.head[self.have..][..taken].copy_from_slice(&received[..taken]);
            self.have += taken;
            received = &received[taken..];
            if self.have == FRAME_HEAD_BYTES {
                self.have = 0;
                if !self.begin_frame() {
                    return false;
                }
            }
        }
        true
    }

    /// If answers have begun, whether one of them has not ended.
    pub(super) fn answering(&self) -> Option<bool> {
        self.have_begun.then_some(!self.heads.is_empty())
    }

    fn begin_frame(&mut self) -> bool {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = self.head;
        self.payload = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & (u32::MAX >> 1);
        let ends = flags & END_STREAM != 0;
        self.have_begun |= kind == HEADERS;
        match kind {
            HEADERS if !ends => {
                if self.heads.len() >= REMEMBERED {
                    self.heads.clear();
                }
                let heads = self.heads.entry(stream).or_default();
                *heads += 1;
                return *heads <= MOST_HEADS;
            }
            HEADERS | DATA if ends => {
                self.heads.remove(&stream);
            }
            RST_STREAM => {
                self.heads.remove(&stream);
            }
            _ => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap_or_default();
        let head = [0, 0, length, kind, flags, 0, 0, 0, stream];
        [&head, payload].concat()
    }

    /// Whether all of it may be received, in whatever pieces it comes.
    fn passes(frames: &[Vec<u8>]) -> bool {
        let bytes = frames.concat();
        let passed = [1, 2, 7, 9, bytes.len()].map(|piece| {
            let mut frames = Frames::default();
            bytes.chunks(piece).all(|piece| frames.take(piece))
        });
        assert!(passed.iter().all(|passes| *passes == passed[0]));
        passed[0]
    }

    #[test]
    fn an_answer_has_five_interim_heads_a_final_one_and_trailers() {
        let head = |stream| frame(HEADERS, 4, stream, b"0123456789");
        let six = |stream| vec![head(stream); 6];
        let body = frame(DATA, 0, 1, &[HEADERS; 40]);
        let trailers = frame(HEADERS, 4 | END_STREAM, 1, b"");
        assert!(passes(
            &[six(1), vec![body.clone(), trailers.clone()]].concat()
        ));
        assert!(!passes(&[six(1), vec![body, head(1)]].concat()));
        // Each stream by itself, and anew once it has ended.
        assert!(passes(&[six(1), six(3), six(5)].concat()));
        for end in [
            trailers,
            frame(DATA, END_STREAM, 1, b"x"),
            frame(RST_STREAM, 0, 1, b"0000"),
        ] {
            assert!(passes(&[six(1), vec![end], six(1)].concat()));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut frames = Frames::default();
        for stream in 0..3 * REMEMBERED as u32 {
            let [s0, s1, s2, s3] = stream.to_be_bytes();
            assert!(frames.take(&[0, 0, 0, HEADERS, 4, s0, s1, s2, s3]));
            assert!(frames.heads.len() <= REMEMBERED);
        }
    }
}
