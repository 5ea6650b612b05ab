//! The stored form of a body: what is made once, when an event is accepted.
//!
//! Mostly it is the body itself. Where a dialect has something in the body that only an attempt knows (its time, a signature, the
//! webhook's id), that is a mark to be filled in: `MARK layers ':' name MARK`. And where its headers have something that only the
//! event knows (its time, a member of its data), or the data cannot be read back from the body, the stored form begins with a
//! capsule that has it: `MARK`, a JSON object, a line feed. No body has the byte [`MARK`]: JSON escapes it, a form encodes it.
//!
//! The form describes itself, so a file that has changed since changes no body that is on its way.

use std::borrow::Cow;

use rung_json::{Json, UnstableNumbers, limits::STORED_JSON_DEPTH, write_string};

use super::script::Script;

/// The ASCII control character SUB: something stands here in the place of something else.
const MARK: u8 = 0x1a;

/// How a text is written where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// Inside a JSON string.
    Json(Script),
    /// Percent-encoded in a form.
    Form,
}

impl Layer {
    const ALL: [(u8, Self); 4] = [
        (b'j', Self::Json(Script::Js)),
        (b'y', Self::Json(Script::Python)),
        (b'p', Self::Json(Script::Php)),
        (b'f', Self::Form),
    ];

    fn letter(self) -> u8 {
        let found = Self::ALL.iter().find(|(_, layer)| *layer == self);
        found.map_or(b'f', |(letter, _)| *letter)
    }

    fn write(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Json(script) => script.write_text(text, out),
            Self::Form => {
                for part in form_urlencoded::byte_serialize(text.as_bytes()) {
                    out.extend_from_slice(part.as_bytes());
                }
            }
        }
    }
}

/// Appends the mark of a value.
pub(super) fn mark(name: &str, out: &mut Vec<u8>) {
    out.push(MARK);
    out.push(b':');
    out.extend_from_slice(name.as_bytes());
    out.push(MARK);
}

/// Appends `text`, in which marks may be, as it stands in `layer`.
pub(super) fn escape(layer: Layer, text: &[u8], out: &mut Vec<u8>) {
    for part in parts(text) {
        match part {
            Part::Text(text) => layer.write(&String::from_utf8_lossy(text), out),
            Part::Mark { layers, name } => {
                out.push(MARK);
                out.extend_from_slice(layers);
                out.push(layer.letter());
                out.push(b':');
                out.extend_from_slice(name.as_bytes());
                out.push(MARK);
            }
        }
    }
}

enum Part<'a> {
    Text(&'a [u8]),
    Mark { layers: &'a [u8], name: &'a str },
}

/// The marks of a text and what is between them.
fn parts(text: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let pieces = text.split(|byte| *byte == MARK).enumerate();
    pieces.filter_map(|(place, piece)| {
        if place % 2 == 0 {
            return (!piece.is_empty()).then_some(Part::Text(piece));
        }
        let colon = piece.iter().position(|byte| *byte == b':')?;
        Some(Part::Mark {
            layers: &piece[..colon],
            name: std::str::from_utf8(&piece[colon + 1..]).unwrap_or_default(),
        })
    })
}

/// A stored body, taken apart.
pub(super) struct Stored<'a> {
    capsule: Option<Json>,
    /// The body with its marks.
    body: &'a [u8],
}

impl<'a> Stored<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Self {
        let Some(inner) = bytes.strip_prefix(&[MARK]) else {
            return Self {
                capsule: None,
                body: bytes,
            };
        };
        let end = inner.iter().position(|byte| *byte == b'\n');
        let (capsule, body) = match end {
            Some(end) => (&inner[..end], &inner[end + 1..]),
            None => (inner, [].as_slice()),
        };
        Self {
            capsule: Json::parse(capsule, STORED_JSON_DEPTH + 2).ok(),
            body,
        }
    }

    /// What the event has of this name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.capsule.as_ref()?.get("values")?.get(name)?.as_str()
    }

    /// The event's data, where it has been brought along.
    pub(super) fn data(self) -> Option<Json> {
        let Some(Json::Object(members)) = self.capsule else {
            return None;
        };
        let mut members = members.into_iter();
        members
            .find(|(name, _)| name == "data")
            .map(|(_, data)| data)
    }

    /// The body with its marks filled in; `number` for those that JSON has as a number.
    pub(super) fn filled<'v>(
        &self,
        mut resolve: impl FnMut(&str, bool) -> Cow<'v, str>,
    ) -> Cow<'a, [u8]> {
        if self.capsule.is_none() {
            return Cow::Borrowed(self.body);
        }
        let mut out = Vec::with_capacity(self.body.len() + 128);
        for part in parts(self.body) {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Mark { layers, name } => {
                    let mut text = resolve(name, layers.is_empty()).into_owned();
                    for letter in layers {
                        let layer = Layer::ALL.iter().find(|(known, _)| known == letter);
                        if let Some((_, layer)) = layer {
                            let mut written = Vec::with_capacity(text.len() + 8);
                            layer.write(&text, &mut written);
                            text = String::from_utf8_lossy(&written).into_owned();
                        }
                    }
                    out.extend_from_slice(text.as_bytes());
                }
            }
        }
        Cow::Owned(out)
    }
}

/// Puts `values` and `data` in front of a body.
pub(super) fn with_capsule(
    body: &[u8],
    values: &[(String, String)],
    data: Option<&Json>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 256);
    out.push(MARK);
    out.extend_from_slice(b"{\"values\":{");
    for (place, (name, value)) in values.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_string(name, &mut out);
        out.push(b':');
        write_string(value, &mut out);
    }
    out.push(b'}');
    if let Some(data) = data {
        out.extend_from_slice(b",\"data\":");
        // Numbers are kept as they are: this cannot fail.
        _ = data.write_canonical(UnstableNumbers::Keep, &mut out);
    }
    out.extend_from_slice(b"}\n");
    out.extend_from_slice(body);
    out
}

/// A stored body for people to read: what each attempt fills in stands there by its name, as a text where it is a number.
#[must_use]
pub fn shown_body(stored: &[u8]) -> Cow<'_, [u8]> {
    Stored::read(stored).filled(|name, is_number| {
        if is_number {
            Cow::Owned(format!("\"{{{name}}}\""))
        } else {
            Cow::Owned(format!("{{{name}}}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_body_is_itself() {
        let stored = Stored::read(b"{\"a\":1}");
        assert!(matches!(
            stored.filled(|_, _| "x".into()),
            Cow::Borrowed(b"{\"a\":1}")
        ));
        assert_eq!(stored.value("id"), None);
    }

    #[test]
    fn marks_are_filled_in_as_text_of_where_they_stand() {
        let mut inner = b"at \x22".to_vec();
        mark("url", &mut inner);
        let mut json = b"{\"text\":\"".to_vec();
        escape(Layer::Json(Script::Js), &inner, &mut json);
        json.extend_from_slice(b"\",\"n\":");
        mark("attempt", &mut json);
        json.push(b'}');
        let mut form = b"payload=".to_vec();
        escape(Layer::Form, &json, &mut form);
        let values = [("metadata.a".to_owned(), "b\n".to_owned())];
        let data = Json::empty();
        let stored = with_capsule(&json, &values, Some(&data));
        let read = Stored::read(&stored);
        assert_eq!(read.value("metadata.a"), Some("b\n"));
        let fill = |name: &str, is_number: bool| match name {
            "attempt" => {
                assert!(is_number);
                Cow::Borrowed("2")
            }
            _ => Cow::Borrowed("\"x\" &"),
        };
        assert_eq!(
            String::from_utf8_lossy(&read.filled(fill)),
            r#"{"text":"at \"\"x\" &","n":2}"#
        );
        assert_eq!(
            String::from_utf8_lossy(&shown_body(&stored)),
            r#"{"text":"at \"{url}","n":"{attempt}"}"#
        );
        assert_eq!(read.data(), Some(data));
        let stored = with_capsule(&form, &[], None);
        let filled = Stored::read(&stored).filled(|_, _| "1".into());
        let expected: String =
            form_urlencoded::byte_serialize(br#"{"text":"at \"1","n":1}"#).collect();
        assert_eq!(
            String::from_utf8_lossy(&filled),
            format!("payload={expected}")
        );
    }
}
