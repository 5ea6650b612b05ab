//! Texts with variables in braces: header values and what a signature covers.

use std::fmt;

/// What a template may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Id,
    EventType,
    DeliveryId,
    Timestamp,
    Body,
    Signature,
}

impl Variable {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::EventType => "event_type",
            Self::DeliveryId => "delivery_id",
            Self::Timestamp => "timestamp",
            Self::Body => "body",
            Self::Signature => "signature",
        }
    }
}

/// A parsed template. `{{` and `}}` stand for the braces themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Variable(Variable),
}

/// What the variables stand for in one attempt.
#[derive(Clone, Copy, Default)]
pub(super) struct Values<'a> {
    pub(super) id: &'a str,
    pub(super) event_type: &'a str,
    pub(super) delivery_id: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) body: &'a [u8],
    pub(super) signature: &'a str,
}

/// A template that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateFault {
    #[error("unknown variable `{{{name}}}`; here there are {known}")]
    UnknownVariable { name: String, known: Known },
    #[error("a `{{` or `}}` without its other half; write it twice to mean the brace itself")]
    LoneBrace,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known(&'static [Variable]);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, variable) in self.0.iter().enumerate() {
            let separator = if position > 0 { ", " } else { "" };
            write!(f, "{separator}`{{{}}}`", variable.name())?;
        }
        Ok(())
    }
}

impl Template {
    /// Reads `text`, in which only the `known` variables may stand.
    pub(super) fn parse(text: &str, known: &'static [Variable]) -> Result<Self, TemplateFault> {
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
                let variable = known.iter().find(|variable| variable.name() == name);
                let variable = *variable.ok_or_else(|| TemplateFault::UnknownVariable {
                    name: name.to_owned(),
                    known: Known(known),
                })?;
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Variable(variable));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self { pieces })
    }

    /// Whether `variable` stands in the template.
    pub(super) fn mentions(&self, variable: Variable) -> bool {
        self.pieces.contains(&Piece::Variable(variable))
    }

    /// The inverse of [`fill`](Self::fill): reads a filled template off the front of `text` and gives what follows it, with
    /// what stands for the variables added to `found`. `None` if the text does not begin so.
    ///
    /// A signature has `signature_chars` characters and a timestamp is all digits; anything else ends where the template's own
    /// text goes on.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn read<'t>(
        &self,
        text: &'t str,
        signature_chars: usize,
        found: &mut Vec<(Variable, &'t str)>,
    ) -> Option<&'t str> {
        let mut rest = text;
        for (place, piece) in self.pieces.iter().enumerate() {
            let variable = match piece {
                Piece::Text(literal) => {
                    rest = rest.strip_prefix(literal.as_str())?;
                    continue;
                }
                Piece::Variable(variable) => *variable,
            };
            let end = match (variable, self.pieces.get(place + 1)) {
                (Variable::Signature, _) => signature_chars,
                (Variable::Timestamp, _) => {
                    let is_digit = |byte: &u8| byte.is_ascii_digit();
                    rest.bytes().take_while(is_digit).count()
                }
                (_, Some(Piece::Text(next))) => rest.find(next.as_str())?,
                _ => rest.len(),
            };
            let (value, after) = rest.split_at_checked(end)?;
            if value.is_empty() {
                return None;
            }
            found.push((variable, value));
            rest = after;
        }
        Some(rest)
    }

    /// What it consists of, in order.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The filled template, piece by piece.
    pub(super) fn fill<'a>(&'a self, values: Values<'a>) -> impl Iterator<Item = &'a [u8]> {
        self.pieces.iter().map(move |piece| match piece {
            Piece::Text(text) => text.as_bytes(),
            Piece::Variable(Variable::Id) => values.id.as_bytes(),
            Piece::Variable(Variable::EventType) => values.event_type.as_bytes(),
            Piece::Variable(Variable::DeliveryId) => values.delivery_id.as_bytes(),
            Piece::Variable(Variable::Timestamp) => values.timestamp.as_bytes(),
            Piece::Variable(Variable::Body) => values.body,
            Piece::Variable(Variable::Signature) => values.signature.as_bytes(),
        })
    }
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Piece::Variable(variable) => write!(f, "{{{}}}", variable.name())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KNOWN: &[Variable] = &[Variable::Timestamp, Variable::Body];

    #[test]
    fn what_was_filled_in_is_read_back() {
        let known = &[Variable::Timestamp, Variable::Id, Variable::Signature];
        let template = Template::parse("{{t}}={timestamp},{id};v1={signature}", known).unwrap();
        assert_eq!(
            template.to_string(),
            "{{t}}={timestamp},{id};v1={signature}"
        );
        let mut found = Vec::new();
        let rest = template.read("{t}=17,evt_1,2;v1=abcd,v1=ef", 4, &mut found);
        assert_eq!(rest, Some(",v1=ef"));
        assert_eq!(
            found,
            [
                (Variable::Timestamp, "17"),
                (Variable::Id, "evt_1,2"),
                (Variable::Signature, "abcd")
            ]
        );
        for other in [
            "",
            "{t}=x,evt;v1=abcd",
            "{t}=17,evt_1",
            "{t}=17,;v1=abcd",
            "{t}=17,e;v1=abc",
        ] {
            assert_eq!(template.read(other, 4, &mut Vec::new()), None, "{other}");
        }
    }

    #[test]
    fn variables_are_filled_in_and_doubled_braces_are_braces() {
        let template = Template::parse("{{v0}}:{timestamp}:{body}", KNOWN).unwrap();
        let values = Values {
            timestamp: "17",
            body: b"{}",
            ..Values::default()
        };
        let filled: Vec<u8> = template.fill(values).collect::<Vec<_>>().concat();
        assert_eq!(filled, b"{v0}:17:{}");
        assert!(template.mentions(Variable::Body));
        assert!(!template.mentions(Variable::Id));
    }

    #[test]
    fn an_unknown_variable_is_named_with_the_known_ones() {
        let fault = Template::parse("{id}", KNOWN).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "unknown variable `{id}`; here there are `{timestamp}`, `{body}`"
        );
    }

    #[test]
    fn a_lone_brace_is_refused() {
        for text in ["{body", "body}", "}{", "{{{body}}"] {
            assert_eq!(
                Template::parse(text, KNOWN),
                Err(TemplateFault::LoneBrace),
                "{text}"
            );
        }
    }
}
