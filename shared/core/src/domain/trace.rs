//! The trace that an event belongs to, carried from its publisher to its receivers.
//!
//! Source: W3C Trace Context, section 3.2 (the header `traceparent`).

use serde::{Deserialize, Serialize};

const TRACE_ID: std::ops::Range<usize> = 3..35;
const PARENT_ID: std::ops::Range<usize> = 36..52;
const FLAGS: std::ops::Range<usize> = 53..55;

/// A `traceparent`, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct TraceParent(String);

/// A text that is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no traceparent")]
pub struct NoTraceParent;

impl TraceParent {
    /// Reads a header's value. Of versions to come, the part that is as in version 00 is taken.
    ///
    /// # Errors
    /// When it is none: such a header is to be ignored.
    pub fn parse(text: &str) -> Result<Self, NoTraceParent> {
        let known = text
            .get(..55)
            .filter(|_| text.is_ascii())
            .ok_or(NoTraceParent)?;
        let hex = |text: &str| {
            text.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let (version, rest) = (&known[..2], &text[55..]);
        let fits = match version {
            "00" => rest.is_empty(),
            "ff" => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let parts = [version, &known[TRACE_ID], &known[PARENT_ID], &known[FLAGS]];
        let dashes = [2, 35, 52]
            .iter()
            .all(|place| known.as_bytes()[*place] == b'-');
        let is_zero = |id: &str| id.bytes().all(|byte| byte == b'0');
        let valid = fits
            && dashes
            && parts.into_iter().all(hex)
            && !is_zero(&known[TRACE_ID])
            && !is_zero(&known[PARENT_ID]);
        valid.then(|| Self(known.to_owned())).ok_or(NoTraceParent)
    }

    /// The text that was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The header for a span of this trace, whose id is not all zeros.
    #[must_use]
    pub fn child(&self, span: [u8; 8]) -> String {
        // Of the flags, version 00 knows one: sampled.
        let sampled = u8::from_str_radix(&self.0[FLAGS], 16).unwrap_or_default() & 1;
        format!(
            "00-{}-{}-{sampled:02x}",
            &self.0[TRACE_ID],
            hex::encode(span)
        )
    }
}

impl TryFrom<String> for TraceParent {
    type Error = NoTraceParent;

    fn try_from(text: String) -> Result<Self, NoTraceParent> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_child_is_of_the_same_trace() {
        let parent = TraceParent::parse(EXAMPLE).unwrap();
        assert_eq!(parent.as_str(), EXAMPLE);
        assert_eq!(
            parent.child([0xab; 8]),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-abababababababab-01"
        );
    }

    #[test]
    fn versions_to_come_are_read_as_far_as_they_are_known() {
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe-what-comes";
        let parent = TraceParent::parse(later).unwrap();
        assert_eq!(
            parent.child([1; 8]),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0101010101010101-00"
        );
    }

    #[test]
    fn anything_else_is_ignored() {
        for wrong in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert!(TraceParent::parse(wrong).is_err(), "{wrong}");
        }
    }
}
