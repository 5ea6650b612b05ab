//! Writing: the canonical bytes of a body, and the form by which contents are compared.

use super::{
    Json, JsonPath, Member, array_index,
    number::{write_as_script, write_normalised},
};

/// What to do with a number that JavaScript, or whoever else reads the body, would write as another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnstableNumbers {
    /// Write it as it was published.
    Keep,
    /// Fail.
    Refuse,
}

/// A number that the language of whoever reads the body would write as another value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the number {number:.64} at {path} changes when {reader} reads and writes it; send it as a string"
)]
pub struct UnstableNumber {
    /// Where it is.
    pub path: JsonPath,
    /// As it was published.
    pub number: Box<str>,
    /// The language.
    pub reader: &'static str,
}

impl Json {
    /// Appends the value's canonical bytes: compact, array-index keys ascending and first in every object, strings and numbers
    /// as JavaScript writes them. `JSON.stringify(JSON.parse(…))` of them gives the same bytes, unless a number was kept.
    ///
    /// # Errors
    /// Under [`UnstableNumbers::Refuse`], when a number's value would not survive JavaScript. `out` is then left half written.
    pub fn write_canonical(
        &self,
        numbers: UnstableNumbers,
        out: &mut Vec<u8>,
    ) -> Result<(), UnstableNumber> {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(raw) => {
                if !write_as_script(raw, out) {
                    if numbers == UnstableNumbers::Refuse {
                        return Err(UnstableNumber {
                            path: JsonPath::default(),
                            number: (**raw).into(),
                            reader: "JavaScript",
                        });
                    }
                    out.extend_from_slice(raw.as_bytes());
                }
            }
            Self::String(text) => write_string(text, out),
            Self::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    element.write_canonical(numbers, out).map_err(|mut fault| {
                        fault.path.enter_index(index);
                        fault
                    })?;
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (position, (key, value)) in in_script_order(members).enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    write_string(key, out);
                    out.push(b':');
                    value.write_canonical(numbers, out).map_err(|mut fault| {
                        fault.path.enter_key(key);
                        fault
                    })?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }

    /// Appends a form that is the same for two values exactly if they are equal as JSON: the order of members and the spelling of
    /// numbers don't count (`1.0` is `1`), their exact decimal values do.
    pub fn write_content(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Number(raw) => write_normalised(raw, out),
            Self::String(text) => write_string(text, out),
            Self::Array(elements) => {
                out.push(b'[');
                for element in elements {
                    element.write_content(out);
                    out.push(b',');
                }
                out.push(b']');
            }
            Self::Object(members) => {
                let mut sorted: Vec<&Member> = members.iter().collect();
                sorted.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
                out.push(b'{');
                for (key, value) in sorted {
                    write_string(key, out);
                    out.push(b':');
                    value.write_content(out);
                    out.push(b',');
                }
                out.push(b'}');
            }
        }
    }
}

/// `members` in the order in which a JavaScript object lists them (ECMA-262, OrdinaryOwnPropertyKeys).
pub fn in_script_order(members: &[Member]) -> impl Iterator<Item = &Member> {
    let mut indexed: Vec<(u32, &Member)> = members
        .iter()
        .filter_map(|member| Some((array_index(&member.0)?, member)))
        .collect();
    indexed.sort_unstable_by_key(|(index, _)| *index);
    let named = members.iter().filter(|(key, _)| array_index(key).is_none());
    indexed.into_iter().map(|(_, member)| member).chain(named)
}

/// Appends `text` as a JSON string with the escapes of JavaScript's `JSON.stringify` (ECMA-262, QuoteJSONString).
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut copied = 0;
    out.push(b'"');
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        let short = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            b'"' | b'\\' => byte,
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 0xf)]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}
