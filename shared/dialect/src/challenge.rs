//! The ownership challenge: what is asked of an endpoint, and what proves that it has understood.

use std::borrow::Cow;
#[cfg(any(feature = "receive", test))]
use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use rung_json::{Json, UnstableNumbers};

#[cfg(any(feature = "receive", test))]
use super::read::{text, told_of};
use super::{
    Dialect, EventFacts, Fields, HeaderFault,
    attempt::{Known, SignInput},
    envelope::{Envelope, Field, Node, Slot},
    key_pair::KeyPair,
    secret::SecretFault,
    stored::Stored,
    template::Template,
    value::Value,
};

/// The type that a challenge is in the place of an event's.
pub const CHALLENGE_TYPE: &str = "webhook.challenge";
/// The header with a challenge's token, where the dialect does not shape it otherwise.
const TOKEN_HEADER: HeaderName = HeaderName::from_static("rung-challenge");
/// How deep an answer may be.
const ANSWER_DEPTH: usize = 8;
/// A challenge is no larger.
const LIMIT_BYTES: usize = 65_536;

/// A dialect's own shape of the challenge.
#[derive(Debug, Clone)]
pub(super) struct Challenge {
    pub(super) method: Method,
    /// What is appended to the URL.
    pub(super) query: Vec<(String, Template)>,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) body: Option<Node>,
    pub(super) proof: Proof,
}

impl Challenge {
    /// Whether it has the body that challenges have without a `[challenge]`.
    fn has_default_body(&self) -> bool {
        self.method == Method::POST && self.query.is_empty() && self.body.is_none()
    }

    /// Whether the endpoint gets the secret itself.
    pub(super) fn sends_secret(&self) -> bool {
        let query = self.query.iter().map(|(_, template)| template);
        let headers = self.headers.iter().map(|(_, template)| template);
        let texts = query.chain(headers).flat_map(Template::values);
        let in_body = self.body.iter().flat_map(Node::values);
        texts.chain(in_body).any(|value| *value == Value::Secret)
    }
}

/// What an answer must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// The token, as the body or as a member of an object.
    Body,
    /// A header with the token, with this value, or with any for `*`.
    Header {
        name: HeaderName,
        value: Option<String>,
    },
}

/// What an endpoint answers to a challenge.
#[cfg(any(feature = "receive", test))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeAnswer {
    /// The header that the sender looks for, with its value.
    pub header: Option<(HeaderName, String)>,
    /// The body.
    pub body: String,
}

/// A challenge as it goes out.
pub struct ChallengeRequest {
    /// The method.
    pub method: Method,
    /// The webhook's URL with what the dialect appends to it.
    pub url: String,
    /// The header fields.
    pub headers: Fields,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Dialect {
    /// The challenge that asks for `token`. A POST has the headers and signatures of a delivery; `input.body` is not read.
    ///
    /// # Errors
    /// As for a delivery.
    pub fn challenge(
        &self,
        input: &SignInput<'_>,
        token: &str,
    ) -> Result<ChallengeRequest, HeaderFault> {
        let shape = self.challenge.as_ref();
        if shape.is_some_and(Challenge::sends_secret) && KeyPair::parse(input.secret).is_some() {
            return Err(HeaderFault::Secret(SecretFault::KeyPair));
        }
        let (mut headers, body) = match self.challenge_root() {
            Some(root) => self.posted(input, &root, token)?,
            None => (
                vec![(http::header::USER_AGENT, self.user_agent().clone())],
                Vec::new(),
            ),
        };
        if self.has_token_header() {
            let value = HeaderValue::from_str(token);
            let value = value.map_err(|_| HeaderFault::Value(TOKEN_HEADER))?;
            headers.push((TOKEN_HEADER, value));
        }
        let Some(shape) = shape else {
            return Ok(ChallengeRequest {
                method: Method::POST,
                url: input.url.to_owned(),
                headers,
                body,
            });
        };
        let stored = Stored::read(b"");
        let known = Known {
            input,
            event_type: CHALLENGE_TYPE,
            stored: &stored,
            body: b"",
            secret: input.secret,
            signature: "",
            signatures: &[],
            token,
        };
        let fill = |template: &Template| {
            let filled = template.fill(|value| Some(known.value(value).unwrap_or_default()));
            filled.unwrap_or_default()
        };
        for (name, template) in &shape.headers {
            let value = HeaderValue::try_from(fill(template));
            let mut value = value.map_err(|_| HeaderFault::Value(name.clone()))?;
            value.set_sensitive(template.mentions(&Value::Secret));
            headers.retain(|(known, _)| known != name);
            headers.push((name.clone(), value));
        }
        let mut url = input.url.to_owned();
        for (name, template) in &shape.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.extend(form_urlencoded::byte_serialize(name.as_bytes()));
            url.push('=');
            url.extend(form_urlencoded::byte_serialize(&fill(template)));
        }
        Ok(ChallengeRequest {
            method: shape.method.clone(),
            url,
            headers,
            body,
        })
    }

    /// Why receivers cannot verify the challenge as they verify deliveries; `None` where they can, or where deliveries prove nothing
    /// either.
    #[cfg(any(feature = "receive", test))]
    #[must_use]
    pub fn unsigned_challenge(&self) -> Option<String> {
        if self.proves_nothing() {
            return None;
        }
        let Some(root) = self.challenge_root() else {
            let method = self.challenge.as_ref().map(|shape| &shape.method);
            return Some(match method {
                Some(method) if *method != Method::POST => {
                    format!("it is sent by {method}, without a signature")
                }
                _ => "it has no body, and so no signature".to_owned(),
            });
        };
        let lacking = self.unproven(&root)?;
        Some(format!(
            "its body has no `{lacking}`, which deliveries are verified with"
        ))
    }

    /// What the challenge's body is made of; `None` where it has none.
    fn challenge_root(&self) -> Option<Cow<'_, Node>> {
        match &self.challenge {
            Some(Challenge {
                body: Some(node), ..
            }) => Some(Cow::Borrowed(node)),
            Some(shape) if !shape.has_default_body() => None,
            _ => Some(Cow::Owned(self.default_root())),
        }
    }

    /// A body that names the challenge, or a delivery's where that is needed to verify it.
    fn default_root(&self) -> Node {
        let plain = default_body();
        match self.unproven(&plain) {
            None => plain,
            Some(_) => self.envelope.root.asking(),
        }
    }

    /// What receivers verify deliveries with, and a body of `root` with a delivery's headers does not have.
    fn unproven(&self, root: &Node) -> Option<Value> {
        let in_body = root.values();
        let is_proof = |value: &&Value| matches!(value, Value::SignatureOf(_) | Value::Secret);
        let mut proofs = self.envelope.root.values().into_iter().filter(is_proof);
        if let Some(proof) = proofs.find(|proof| !in_body.contains(proof)) {
            return Some(proof.clone());
        }
        let mut signatures = self.headers.signatures.iter();
        // What an event lacks is signed as an empty text.
        signatures.find_map(|signature| {
            self.headers
                .untold(signature, root)
                .filter(|value| !matches!(value, Value::Metadata(_)))
                .cloned()
        })
    }

    /// Whether the token is in a header of Rung's own.
    fn has_token_header(&self) -> bool {
        let shape = self.challenge.as_ref();
        shape.is_none_or(|shape| shape.has_default_body() && shape.headers.is_empty())
    }

    /// Whether an answer shows that the endpoint has understood the challenge.
    #[must_use]
    pub fn proves_challenge(&self, token: &str, headers: &HeaderMap, body: &[u8]) -> bool {
        match self.challenge.as_ref().map(|shape| &shape.proof) {
            Some(Proof::Header { name, value }) => {
                let found = headers.get(name).and_then(|found| found.to_str().ok());
                let expected = value.as_deref().unwrap_or(token);
                found.is_some_and(|found| expected == "*" || found.trim() == expected)
            }
            Some(Proof::Body) | None => {
                // Frameworks answer a text as JSON, some with a byte order mark before it.
                let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
                let in_json = || {
                    let answer = Json::parse(body, ANSWER_DEPTH).ok()?;
                    if answer.as_str() == Some(token) {
                        return Some(());
                    }
                    let mut members = answer.as_object()?.iter();
                    members.find(|(_, value)| value.as_str() == Some(token))?;
                    Some(())
                };
                body.trim_ascii() == token.as_bytes() || in_json().is_some()
            }
        }
    }

    /// What shows a sender of this dialect that its challenge was understood; `None` if the request is no challenge.
    #[cfg(any(feature = "receive", test))]
    #[must_use]
    pub fn answer_to_challenge(
        &self,
        method: &Method,
        query: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<ChallengeAnswer> {
        let in_header = match self.has_token_header() {
            true => Some(text(headers, &TOKEN_HEADER)?.to_owned()),
            false => None,
        };
        let Some(shape) = &self.challenge else {
            return Some(ChallengeAnswer {
                header: None,
                body: in_header?,
            });
        };
        if *method != shape.method {
            return None;
        }
        let pairs: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        let mut told = Vec::new();
        for (name, template) in &shape.query {
            template.read(pairs.get(name.as_str())?, None, &mut told)?;
        }
        for (name, template) in &shape.headers {
            template.read(text(headers, name)?, None, &mut told)?;
        }
        let in_body = || {
            let root = self.challenge_root()?;
            self.challenge_envelope(&root).text_of(body, &Value::Token)
        };
        let token = told_of(&told, &Value::Token).map(str::to_owned);
        let token = in_header.or(token).or_else(in_body);
        let header = match &shape.proof {
            Proof::Body => None,
            Proof::Header { name, value } => {
                Some((name.clone(), value.clone().or_else(|| token.clone())?))
            }
        };
        let is_told = token.is_some() || header.is_some() && shape.method != Method::POST;
        is_told.then(|| ChallengeAnswer {
            header,
            body: token.unwrap_or_default(),
        })
    }

    fn challenge_envelope(&self, node: &Node) -> Envelope {
        Envelope {
            root: node.clone(),
            is_form: self.envelope.is_form,
            script: self.envelope.script,
            numbers: UnstableNumbers::Keep,
            limit_bytes: LIMIT_BYTES,
            kept: self.envelope.kept.clone(),
        }
    }

    /// The headers of a delivery with the body that `node` is.
    fn posted(
        &self,
        input: &SignInput<'_>,
        node: &Node,
        token: &str,
    ) -> Result<(Fields, Vec<u8>), HeaderFault> {
        let envelope = self.challenge_envelope(node);
        let time_ms = i64::try_from(input.time_ms).unwrap_or(i64::MAX);
        let facts = EventFacts {
            id: input.event_id,
            event_type: CHALLENGE_TYPE,
            data: &Json::empty(),
            time: Timestamp::from_millisecond(time_ms).unwrap_or_default(),
            is_time_given: false,
            request_id: "",
            metadata: None,
        };
        // Nothing is published, so nothing can be refused.
        let stored = envelope.body(&facts, CHALLENGE_TYPE).unwrap_or_default();
        let input = SignInput {
            body: &stored,
            ..*input
        };
        let request = self.headers.request(&input, CHALLENGE_TYPE, token)?;
        Ok((request.headers, Cow::into_owned(request.body)))
    }
}

/// `{"type":"webhook.challenge","challenge":TOKEN}`
fn default_body() -> Node {
    let member = |key: &str, node| {
        Slot::Member(Field {
            key: key.to_owned(),
            node,
        })
    };
    Node::Object {
        slots: vec![
            member("type", Node::Value(Value::Type)),
            member("challenge", Node::Value(Value::Token)),
        ],
        with_metadata: false,
    }
}
