//! Texts with values in braces: headers, members of the body, and what a signature covers.

use std::{borrow::Cow, fmt};

use super::value::Value;

/// A parsed template. `{{` and `}}` stand for the braces themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Value(Value),
}

/// A template that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateFault {
    #[error("unknown value `{{{0}}}`")]
    UnknownValue(String),
    #[error("a `{{` or `}}` without its other half")]
    LoneBrace,
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, TemplateFault> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..];
            if let Some(after) = brace.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = brace.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else {
                let (name, after) = brace
                    .strip_prefix('{')
                    .and_then(|inner| inner.split_once('}'))
                    .ok_or(TemplateFault::LoneBrace)?;
                if name.contains('{') {
                    return Err(TemplateFault::LoneBrace);
                }
                let value = Value::parse(name)
                    .ok_or_else(|| TemplateFault::UnknownValue(name.to_owned()))?;
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Value(value));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self { pieces })
    }

    /// The template that is this value alone.
    pub(super) fn of(value: Value) -> Self {
        Self {
            pieces: vec![Piece::Value(value)],
        }
    }

    /// The values in it, in order.
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value(value) => Some(value),
        })
    }

    /// Whether `value` is in it.
    pub(super) fn mentions(&self, value: &Value) -> bool {
        self.values().any(|known| known == value)
    }

    /// The inverse of [`fill`](Self::fill): reads a filled template off the front of `text` and gives what follows it, with
    /// what stands for the values added to `found`. `None` if the text does not begin so.
    ///
    /// A signature has `signature_chars` characters, or as many as may be one's, and a number is all digits; anything else ends where the template's own
    /// text goes on.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn read<'t>(
        &self,
        text: &'t str,
        signature_chars: Option<usize>,
        found: &mut Vec<(Value, &'t str)>,
    ) -> Option<&'t str> {
        let mut rest = text;
        for (place, piece) in self.pieces.iter().enumerate() {
            let value = match piece {
                Piece::Text(literal) => {
                    rest = rest.strip_prefix(literal.as_str())?;
                    continue;
                }
                Piece::Value(value) => value,
            };
            let end = match (value, self.pieces.get(place + 1)) {
                (Value::Signature, _) => signature_chars.unwrap_or_else(|| {
                    let is_encoded =
                        |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
                    rest.bytes().take_while(is_encoded).count()
                }),
                (number, _) if number.is_number() => {
                    let is_digit = |byte: &u8| byte.is_ascii_digit();
                    rest.bytes().take_while(is_digit).count()
                }
                (_, Some(Piece::Text(next))) => rest.find(next.as_str())?,
                _ => rest.len(),
            };
            let (told, after) = rest.split_at_checked(end)?;
            if told.is_empty() {
                return None;
            }
            found.push((value.clone(), told));
            rest = after;
        }
        Some(rest)
    }

    /// What it consists of, in order.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The filled template; `None` if `resolve` knows one of its values not.
    pub(super) fn fill<'a>(
        &self,
        mut resolve: impl FnMut(&Value) -> Option<Cow<'a, [u8]>>,
    ) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(128);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Value(value) => out.extend_from_slice(&resolve(value)?),
            }
        }
        Some(out)
    }
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Piece::Value(value) => write!(f, "{{{value}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::value::TimeForm;

    const TIMESTAMP: Value = Value::AttemptTime(TimeForm::UnixSeconds);

    #[test]
    fn what_was_filled_in_is_read_back() {
        let template = Template::parse("{{t}}={timestamp},{id};v1={signature}").unwrap();
        assert_eq!(
            template.to_string(),
            "{{t}}={timestamp},{id};v1={signature}"
        );
        let mut found = Vec::new();
        let rest = template.read("{t}=17,evt_1,2;v1=abcd,v1=ef", Some(4), &mut found);
        assert_eq!(rest, Some(",v1=ef"));
        assert_eq!(
            found,
            [
                (TIMESTAMP, "17"),
                (Value::Id, "evt_1,2"),
                (Value::Signature, "abcd")
            ]
        );
        for other in [
            "",
            "{t}=x,evt;v1=abcd",
            "{t}=17,evt_1",
            "{t}=17,;v1=abcd",
            "{t}=17,e;v1=abc",
        ] {
            let read = template.read(other, Some(4), &mut Vec::new());
            assert_eq!(read, None, "{other}");
        }
        let rest = template.read("{t}=17,e;v1=a+/b==,v1=ef", None, &mut Vec::new());
        assert_eq!(rest, Some(",v1=ef"));
    }

    #[test]
    fn values_are_filled_in_and_doubled_braces_are_braces() {
        let template = Template::parse("{{v0}}:{timestamp}:{body}").unwrap();
        let filled = template.fill(|value| match value {
            Value::Body => Some(Cow::Borrowed(b"{}".as_slice())),
            value => (*value == TIMESTAMP).then_some(Cow::Borrowed(b"17".as_slice())),
        });
        assert_eq!(filled.unwrap(), b"{v0}:17:{}");
        assert!(template.mentions(&Value::Body));
        assert!(!template.mentions(&Value::Id));
        assert_eq!(template.fill(|_| None), None);
    }

    #[test]
    fn an_unknown_value_and_a_lone_brace_are_refused() {
        assert_eq!(
            Template::parse("{typ}"),
            Err(TemplateFault::UnknownValue("typ".to_owned()))
        );
        for text in ["{body", "body}", "}{", "{{{body}}"] {
            assert_eq!(
                Template::parse(text),
                Err(TemplateFault::LoneBrace),
                "{text}"
            );
        }
    }
}
