//! `ETag`, `If-Match` and `If-None-Match`: who changes something says which version of it was read, so that nobody overwrites what
//! another has written meanwhile (RFC 9110, section 13.1).

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{ApiError, Code, auth::single};

/// The version of a thing, as its `ETag` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of a thing's revision; `life` tells it from an earlier thing of the same name.
    #[must_use]
    pub fn of(life: u64, revision: u64) -> Self {
        Self(format!("\"{life:x}-{revision:x}\""))
    }

    /// The tag of what consists of these bytes.
    #[must_use]
    pub fn of_content(bytes: &[u8]) -> Self {
        let mut start = [0; 8];
        start.copy_from_slice(&Sha256::digest(bytes)[..8]);
        Self::of(0, u64::from_be_bytes(start))
    }

    /// The tag of how a thing is shown that also changes by itself, without a revision. A precondition goes by the revision alone.
    #[must_use]
    pub fn shown_as(&self, shown: &impl Serialize) -> Self {
        let shown = serde_json::to_vec(shown).unwrap_or_default();
        let seen = hex::encode(&Sha256::digest(shown)[..8]);
        Self(format!("{}.{seen}\"", self.0.trim_end_matches('"')))
    }

    /// Whether a tag that a client has is of this revision, however the thing was shown.
    fn is_of(&self, tag: &str) -> bool {
        match tag.rsplit_once('.') {
            Some((revision, _)) => self.0.strip_suffix('"') == Some(revision),
            None => is_same(tag, &self.0),
        }
    }

    /// An answer about the thing in this version.
    #[must_use]
    pub fn stamp(&self, mut response: Response) -> Response {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(header::ETAG, value);
        }
        response
    }
}

/// What a request presumes of the thing that it changes.
#[derive(Debug, Clone, Default)]
pub struct Precondition {
    /// The tags of `If-Match`.
    matches: Option<Vec<String>>,
    /// The tags of `If-None-Match`.
    matches_none: Option<Vec<String>>,
}

impl Precondition {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// When one stands twice.
    pub fn read(headers: &HeaderMap) -> Result<Self, ApiError> {
        let tags = |name| {
            let value = single(headers, name)?;
            let text = value.map(|value| value.to_str().unwrap_or_default());
            let tags = |text: &str| text.split(',').map(|tag| tag.trim().to_owned()).collect();
            Ok::<_, ApiError>(text.map(tags))
        };
        Ok(Self {
            matches: tags("If-Match")?,
            matches_none: tags("If-None-Match")?,
        })
    }

    /// Whether the thing is as the request presumes; `None` stands for one that is not there.
    ///
    /// # Errors
    /// 412 when it is not.
    pub fn check(&self, present: Option<&ETag>) -> Result<(), ApiError> {
        let names = |tags: &[String]| {
            present.is_some_and(|present| tags.iter().any(|tag| tag == "*" || present.is_of(tag)))
        };
        if self.matches.as_deref().is_some_and(|tags| !names(tags)) {
            let problem = "is not the version that is there; read it again, and change that";
            return Err(failed("If-Match", problem));
        }
        if self.matches_none.as_deref().is_some_and(names) {
            let problem = "matches what is there; leave it out to replace that";
            return Err(failed("If-None-Match", problem));
        }
        Ok(())
    }
}

/// What ends the tag of an answer that is packed: its bytes are others than those of the same answer as it is.
const PACKED: &str = "+gzip\"";

/// The tag of the same answer when it is packed.
#[must_use]
pub fn packed(tag: &HeaderValue) -> Option<HeaderValue> {
    let tag = tag.to_str().ok()?.strip_suffix('"')?;
    HeaderValue::try_from(format!("{tag}{PACKED}")).ok()
}

/// Whether two tags are of the same answer, packed or not.
fn is_same(one: &str, other: &str) -> bool {
    fn start(tag: &str) -> Option<&str> {
        let packed = tag.strip_suffix(PACKED);
        packed.or_else(|| tag.strip_suffix('"'))
    }
    start(one).is_some_and(|one| start(other) == Some(one))
}

/// The tag by which a read of these headers has what an answer with this `ETag` would bring. Tags are compared weakly, as RFC 9110,
/// section 13.1.2, has it.
pub(super) fn known(headers: &HeaderMap, tag: &HeaderValue) -> Option<HeaderValue> {
    let text = tag.to_str().ok()?;
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    known.find_map(|known| {
        let known = known.trim();
        let known = known.strip_prefix("W/").unwrap_or(known);
        match known {
            "*" => Some(tag.clone()),
            _ if is_same(known, text) => HeaderValue::from_str(known).ok(),
            _ => None,
        }
    })
}

fn failed(header: &str, problem: &str) -> ApiError {
    ApiError::of_field(Code::PreconditionFailed, header, problem)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(name: &'static str, value: &'static str, present: Option<&ETag>) -> bool {
        let headers = HeaderMap::from_iter([(
            header::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )]);
        Precondition::read(&headers).unwrap().check(present).is_ok()
    }

    #[test]
    fn a_change_goes_through_only_from_the_version_that_was_read() {
        let present = ETag::of(10, 2);
        assert_eq!(present.0, "\"a-2\"");
        for (value, there, gone) in [
            ("\"a-2\"", true, false),
            ("\"a-1\", \"a-2\"", true, false),
            ("\"a-2+gzip\"", true, false),
            ("\"a-2.5e\"", true, false),
            ("\"a-2.5e+gzip\"", true, false),
            ("\"a-1+gzip\"", false, false),
            ("+gzip\"", false, false),
            ("*", true, false),
            ("\"a-1\"", false, false),
            ("W/\"a-2\"", false, false),
            ("\"nonsense\"", false, false),
            ("nonsense", false, false),
            ("", false, false),
        ] {
            assert_eq!(check("if-match", value, Some(&present)), there, "{value}");
            assert_eq!(check("if-match", value, None), gone, "{value}");
            let is_other = check("if-none-match", value, Some(&present));
            assert_eq!(is_other, !there, "{value}");
            assert!(check("if-none-match", value, None), "{value}");
        }
        let none = Precondition::read(&HeaderMap::new()).unwrap();
        assert!(none.check(None).is_ok() && none.check(Some(&present)).is_ok());
    }
}
