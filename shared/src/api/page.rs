//! Queries of lists.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{ApiError, Fields};
use crate::{
    json::Json,
    limits::{PAGE_DEFAULT, PAGE_MAX},
};

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many items at most.
    pub limit: usize,
    /// The position to go on from.
    ///
    /// It names no partition: whoever brings a cursor along reads their own things, from a place that means little there.
    pub after: Option<String>,
}

impl Page {
    /// Reads `limit` and `cursor` off a query's fields.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        let limit = fields.optional("limit", |value| {
            let limit = value.as_str().and_then(|text| text.parse().ok());
            limit
                .filter(|limit| (1..=PAGE_MAX).contains(limit))
                .ok_or_else(|| format!("must be from 1 to {PAGE_MAX}"))
        });
        let after = fields.optional("cursor", |value| {
            let bytes = value
                .as_str()
                .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.filter(|text| is_position(text))
                .ok_or_else(|| "must be the next_cursor of an earlier answer".to_owned())
        });
        Self {
            limit: limit.unwrap_or(PAGE_DEFAULT),
            after,
        }
    }

    /// A position as a cursor.
    #[must_use]
    pub fn cursor(position: Option<&str>) -> Option<String> {
        position.map(|position| URL_SAFE_NO_PAD.encode(position))
    }
}

/// Whether a text has the form that every list's positions have: a time of 13 digits, then ids.
fn is_position(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"#_-".contains(&byte);
    text.split_once('#').is_some_and(|(time, ids)| {
        time.len() == 13
            && time.bytes().all(|byte| byte.is_ascii_digit())
            && !ids.is_empty()
            && ids.bytes().all(allowed)
    })
}

/// A query string as an object of texts, for [`Fields`].
///
/// # Errors
/// When a parameter stands twice.
pub(super) fn query_object(query: Option<&str>) -> Result<Json, ApiError> {
    let mut members: Vec<(String, Json)> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if members.iter().any(|(known, _)| *known == name) {
            return Err(ApiError::of_field(
                super::Code::InvalidRequest,
                name,
                "stands twice; give it once",
            ));
        }
        members.push((name.into_owned(), Json::String(value.into_owned())));
    }
    Ok(Json::Object(members))
}
