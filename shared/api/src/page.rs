//! Queries of lists.
//!
//! Every read begins at the caller's own tenant, so nobody could read another's things from a cursor. It is sealed all the same:
//! only what Rung has answered for this very list is taken, and no position in the table ever comes from outside.

use axum::response::Response;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use rung_core::{limits::PAGE_MAX, store::span::Order};
use rung_json::Json;
use serde::Serialize;
use serde_json::json;
use sha2::Sha256;

use super::{ApiError, Fields, answer, source::Source};
use crate::limits::{PAGE_DEFAULT, QUERY_PARAMETERS};

/// Bytes of an HMAC-SHA256 that a cursor begins with.
const TAG_BYTES: usize = 16;

/// Seals the cursors of one list. A cursor is the base64url of an HMAC over the list's names and the position, and the position.
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

impl Seal {
    /// The seal of the list that `names` tell from all others. No name has a zero byte in it.
    #[must_use]
    pub fn new(key: &[u8; 32], names: &[&str]) -> Self {
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
        for name in names {
            mac.update(name.as_bytes());
            mac.update(&[0]);
        }
        Self(mac)
    }

    /// The cursor of a position.
    #[must_use]
    pub fn close(&self, position: &str) -> String {
        let tag = self.0.clone().chain_update(position).finalize();
        let mut bytes = tag.into_bytes()[..TAG_BYTES].to_vec();
        bytes.extend_from_slice(position.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The position of a cursor that was closed with this seal; `None` for any other text.
    #[must_use]
    pub fn open(&self, cursor: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (tag, position) = bytes.split_at_checked(TAG_BYTES)?;
        let mac = self.0.clone().chain_update(position);
        mac.verify_truncated_left(tag).ok()?;
        String::from_utf8(position.to_vec()).ok()
    }
}

/// Which part of a list is asked for.
pub struct Page {
    /// How many items at most.
    pub limit: usize,
    /// The position to go on from.
    pub after: Option<String>,
    /// In which order.
    pub order: Order,
    seal: Seal,
}

impl Page {
    /// Reads `limit` and `cursor` off a query's fields.
    pub(super) fn read(fields: &mut Fields<'_>, seal: Seal, order: Order) -> Self {
        let limit = limit(fields);
        let after = fields.optional("cursor", |value| {
            let position = value.as_str().and_then(|text| seal.open(text));
            position.ok_or_else(|| {
                "must be the `next_cursor` of an earlier response of this list, in the same order"
                    .to_owned()
            })
        });
        Self {
            limit,
            after,
            order,
            seal,
        }
    }

    /// The `next_cursor` of this page's answer, which also goes into its header `Link`.
    #[must_use]
    pub fn cursor(&self, next: Option<&str>) -> Option<String> {
        let cursor = next.map(|position| self.seal.close(position))?;
        Source::note_next(&cursor);
        Some(cursor)
    }

    /// The answer with a page of items: these, under the list's name, and the `next_cursor`.
    #[must_use]
    pub fn answer(&self, name: &str, items: &[impl Serialize], next: Option<&str>) -> Response {
        let data = json!({ (name): items, "next_cursor": self.cursor(next) });
        answer(StatusCode::OK, data)
    }
}

/// Reads `order` off a query's fields.
pub(super) fn order(fields: &mut Fields<'_>) -> Option<Order> {
    fields.optional("order", |value| match value.as_str() {
        Some("asc") => Ok(Order::OldestFirst),
        Some("desc") => Ok(Order::NewestFirst),
        _ => Err("must be `asc` or `desc`".to_owned()),
    })
}

/// Reads `limit` off a query's fields: how many items at most.
fn limit(fields: &mut Fields<'_>) -> usize {
    let limit = fields.optional("limit", |value| {
        // A parser of numbers takes a sign, too.
        let digits = value.as_str();
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let limit = digits.and_then(|text| text.parse().ok());
        limit
            .filter(|limit| (1..=PAGE_MAX).contains(limit))
            .ok_or_else(|| format!("must be from 1 to {PAGE_MAX}"))
    });
    limit.unwrap_or(PAGE_DEFAULT)
}

/// A query string as an object of texts, for [`Fields`].
///
/// # Errors
/// When a parameter stands twice, or there are more than any call has.
pub(super) fn query_object(query: Option<&str>) -> Result<Json, ApiError> {
    let mut members: Vec<(String, Json)> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if members.len() == QUERY_PARAMETERS {
            return Err(ApiError::of_field(
                super::Code::InvalidRequest,
                "query",
                format!("has more than {QUERY_PARAMETERS} parameters"),
            ));
        }
        if members.iter().any(|(known, _)| *known == name) {
            return Err(ApiError::of_field(
                super::Code::InvalidRequest,
                name,
                "is given twice; give it once",
            ));
        }
        members.push((name.into_owned(), Json::String(value.into_owned())));
    }
    Ok(Json::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITION: &str = "1760000000000#evt_1#2";

    fn seal(names: &[&str]) -> Seal {
        Seal::new(&[7; 32], names)
    }

    #[test]
    fn a_cursor_opens_at_its_own_list_alone() {
        let own = seal(&["logs", "t", "w"]);
        let cursor = own.close(POSITION);
        assert_eq!(own.open(&cursor).as_deref(), Some(POSITION));
        for other in [
            seal(&["logs", "t", "v"]),
            seal(&["logs", "u", "w"]),
            seal(&["pending", "t", "w"]),
            seal(&["logs", "tw"]),
            seal(&["logs", "t"]),
            Seal::new(&[8; 32], &["logs", "t", "w"]),
        ] {
            assert_eq!(other.open(&cursor), None);
        }
    }

    #[test]
    fn a_changed_cursor_does_not_open() {
        let seal = seal(&["webhooks", "t"]);
        let bytes = URL_SAFE_NO_PAD.decode(seal.close(POSITION)).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seal.open(&URL_SAFE_NO_PAD.encode(changed)), None, "{bit}");
        }
        for length in 0..bytes.len() {
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..length]);
            assert_eq!(seal.open(&cut), None, "{length}");
        }
    }

    #[test]
    fn a_query_has_few_parameters() {
        let query = |count: usize| (0..count).map(|n| format!("p{n}=&")).collect::<String>();
        assert!(query_object(Some(&query(QUERY_PARAMETERS))).is_ok());
        let error = query_object(Some(&query(QUERY_PARAMETERS + 1))).unwrap_err();
        assert_eq!(error.code, super::super::Code::InvalidRequest);
    }
}
