//! Requests that say twice where they end.
//!
//! A head with both `Transfer-Encoding` and `Content-Length` is how requests are smuggled past a proxy that goes by the other one. Hyper
//! goes by the chunks and drops the length before anybody sees it, so heads are looked at as they come in.

use httparse::{EMPTY_HEADER, Request, Status};

use super::HEADERS;

/// Follows what a client says, from head to head.
#[derive(Debug, Default)]
pub(super) struct Framing(State);

#[derive(Debug)]
enum State {
    /// In a head, which has come as far as this.
    Head(Vec<u8>),
    /// In a body, of which so many bytes are to come.
    Body(u64),
    /// Behind all heads that hyper reads.
    Over,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

/// How the body behind a head ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// After so many bytes.
    Length(u64),
    /// The connection ends with this request: its body comes in chunks, or hyper refuses it.
    Last,
    /// It is said twice.
    Ambiguous,
}

impl Framing {
    /// Where an ambiguous head begins, or goes on, in what a client says next.
    pub(super) fn ambiguous_from(&mut self, said: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(rest @ [_, ..]) = said.get(at..) {
            match &mut self.0 {
                State::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(rest);
                    // A head ends with a line: byte by byte, it is read once for each of its lines.
                    if !rest.contains(&b'\n') {
                        return None;
                    }
                    let (length, end) = read(head)?;
                    let begin = at;
                    at += length - before;
                    self.0 = match end {
                        End::Length(0) => State::default(),
                        End::Length(length) => State::Body(length),
                        End::Last | End::Ambiguous => State::Over,
                    };
                    if end == End::Ambiguous {
                        return Some(begin);
                    }
                }
                State::Body(left) => {
                    let come = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    at += come;
                    *left -= come as u64;
                    if *left == 0 {
                        self.0 = State::default();
                    }
                }
                State::Over => return None,
            }
        }
        None
    }
}

/// The length of a head, read as hyper reads it, and how its body ends; `None` while there is more to come.
fn read(said: &[u8]) -> Option<(usize, End)> {
    let mut fields = [EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut fields);
    let length = match request.parse(said) {
        Ok(Status::Partial) => return None,
        Ok(Status::Complete(length)) => length,
        Err(_) => return Some((said.len(), End::Last)),
    };
    let value = |name: &str| {
        let mut fields = request.headers.iter();
        let field = fields.find(|field| field.name.eq_ignore_ascii_case(name));
        field.map(|field| field.value)
    };
    let end = match (value("transfer-encoding"), value("content-length")) {
        (None, None) => End::Length(0),
        (None, Some(length)) => {
            let length = str::from_utf8(length)
                .ok()
                .and_then(|text| text.parse().ok());
            length.map_or(End::Last, End::Length)
        }
        (Some(_), None) => End::Last,
        (Some(_), Some(_)) => End::Ambiguous,
    };
    Some((length, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const POST: &str =
        "POST / HTTP/1.1\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const CHUNKS: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    const BOTH: &str =
        "POST / HTTP/1.1\r\nContent-Length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";

    /// Where it is noticed in a text that comes in pieces of so many bytes.
    fn noticed(text: &str, piece: usize) -> Option<usize> {
        let mut framing = Framing::default();
        let pieces = text.as_bytes().chunks(piece).enumerate();
        pieces
            .map(|(n, said)| framing.ambiguous_from(said).map(|at| n * piece + at))
            .find_map(|at| at)
    }

    #[test]
    fn a_head_with_both_is_noticed_before_its_end_wherever_it_stands() {
        for before in [
            String::new(),
            GET.into(),
            POST.into(),
            [GET, POST, POST, GET].concat(),
        ] {
            let text = format!("{before}{BOTH}{GET}");
            let head = before.len()..before.len() + BOTH.len() - "0\r\n\r\n".len();
            assert_eq!(noticed(&text, text.len()), Some(before.len()));
            for piece in 1..text.len() {
                let at = noticed(&text, piece);
                assert!(at.is_some_and(|at| head.contains(&at)), "{piece}: {at:?}");
            }
        }
    }

    #[test]
    fn what_is_said_once_or_is_no_head_is_not_ambiguous() {
        let in_a_body = format!(
            "POST / HTTP/1.1\r\ncontent-length: {}\r\n\r\n{BOTH}{GET}",
            BOTH.len()
        );
        let behind_chunks = format!("{CHUNKS}0\r\n\r\n{BOTH}");
        for text in [
            GET,
            POST,
            CHUNKS,
            &in_a_body,
            &behind_chunks,
            "no head\r\n\r\n",
        ] {
            for piece in 1..=text.len() {
                assert_eq!(noticed(text, piece), None, "{piece}: {text}");
            }
        }
    }
}
