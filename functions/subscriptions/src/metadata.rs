//! The client's own data about a thing: read, changed, and looked for.

use rung_api::{limits::METADATA_BYTES, read};
use rung_json::Json;

/// Reads an object that is small enough to be kept.
pub(crate) fn metadata(value: &Json) -> Result<Json, String> {
    let object = read::object(value)?;
    match serde_json::to_string(&object) {
        Ok(text) if text.len() <= METADATA_BYTES => Ok(object.clone()),
        _ => Err(format!("must have at most {METADATA_BYTES} bytes as JSON")),
    }
}

/// A value as a merge patch changes it (RFC 7396).
pub(crate) fn merged(present: &Json, changes: &Json) -> Json {
    let Some(changes) = changes.as_object() else {
        return changes.clone();
    };
    let mut members = present.as_object().unwrap_or_default().to_vec();
    for (name, change) in changes {
        let place = members.iter().position(|(known, _)| known == name);
        if *change == Json::Null {
            members.retain(|(known, _)| known != name);
            continue;
        }
        let value = merged(place.map_or(&Json::Null, |place| &members[place].1), change);
        match place {
            Some(place) => members[place].1 = value,
            None => members.push((name.clone(), value)),
        }
    }
    Json::Object(members)
}

/// Members of metadata that a list is asked for, with their values, or several with commas between: all of the members must be there,
/// each with one of its values.
#[derive(Debug, Default)]
pub(crate) struct Wanted(Vec<(String, Vec<Expected>)>);

/// A value as a query has it.
#[derive(Debug)]
struct Expected {
    text: String,
    /// What it is as a number, in the one form for all ways to write it.
    number: Option<Vec<u8>>,
}

impl Expected {
    fn of(text: &str) -> Self {
        let number = Json::parse(text.as_bytes(), 1).ok();
        let number = number.filter(|json| matches!(json, Json::Number(_)));
        Self {
            text: text.to_owned(),
            number: number.as_ref().map(content),
        }
    }
}

/// The form by which values are compared.
fn content(value: &Json) -> Vec<u8> {
    let mut content = Vec::new();
    value.write_content(&mut content);
    content
}

impl Wanted {
    /// Takes the parameters `metadata.NAME` out of a query.
    pub(crate) fn split(query: Json) -> (Self, Json) {
        let (mut wanted, mut others) = (Vec::new(), Vec::new());
        if let Json::Object(query) = query {
            for (name, value) in query {
                // What follows the dot is the client's own name for it, dots and all.
                match (name.strip_prefix("metadata."), &value) {
                    (Some(name), Json::String(value)) => {
                        // A value may have commas of its own.
                        let whole = value.contains(',').then_some(&**value);
                        let values = value.split(',').chain(whole).map(Expected::of);
                        wanted.push((name.to_owned(), values.collect()));
                    }
                    _ => others.push((name, value)),
                }
            }
        }
        (Self(wanted), Json::Object(others))
    }

    /// Whether none is asked for.
    pub(crate) fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn takes(&self, metadata: &Json) -> bool {
        let has = |(name, expected): &(String, Vec<Expected>)| match metadata.get(name) {
            Some(Json::String(text)) => expected.iter().any(|expected| expected.text == *text),
            Some(Json::Bool(flag)) => {
                let text = if *flag { "true" } else { "false" };
                expected.iter().any(|expected| expected.text == text)
            }
            // Whichever way either is written.
            Some(number @ Json::Number(_)) => {
                let number = Some(content(number));
                expected.iter().any(|expected| expected.number == number)
            }
            None | Some(Json::Null | Json::Array(_) | Json::Object(_)) => false,
        };
        self.0.iter().all(has)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 9).unwrap()
    }

    #[test]
    fn a_patch_is_merged_as_rfc_7396_shows() {
        for (present, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(
                merged(&json(present), &json(patch)),
                json(result),
                "{patch}"
            );
        }
    }

    #[test]
    fn metadata_is_a_small_object() {
        let kept = json(r#"{"b": 1.50, "a": 12345678901234567890123}"#);
        assert_eq!(metadata(&kept).as_ref(), Ok(&kept));
        assert!(metadata(&json("[]")).is_err());
        let large = Json::Object(vec![(
            "a".to_owned(),
            Json::String("x".repeat(METADATA_BYTES)),
        )]);
        assert!(metadata(&large).is_err());
    }
}
