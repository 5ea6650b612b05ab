//! A dialect's signature as a receiver sees it.

use super::{NoSnippet, Piece, Variable, token::Token};
use crate::{
    Dialect,
    headers::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP},
    secret,
    signature::{self, Signature},
    template::{self, Template},
    value::{TimeForm, Value},
};

pub(super) use crate::signature::Encoding;

/// The hashes that snippets show, from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// What a receiver does to verify a delivery.
pub(super) struct Scheme {
    /// The dialect's name.
    pub(super) dialect: String,
    pub(super) key: Key,
    pub(super) hash: Hash,
    pub(super) encoding: Encoding,
    /// The signature's header, in lower case.
    pub(super) header: String,
    /// Where it finds each variable that is signed or stands beside the signature, the body and the signature apart.
    pub(super) found: Vec<(Variable, Place)>,
    /// What is signed.
    pub(super) signed: Vec<Piece>,
    /// What the header has, or one of its parts, if the signature is right.
    pub(super) expected: Vec<Piece>,
    /// What stands between the header's parts, if it may have several signatures.
    pub(super) separator: Option<char>,
    /// The form of the attempt's time, if that is signed, so that an old delivery can be refused.
    pub(super) time: Option<Clock>,
    /// What the receiver's own code gives besides headers, body and secret.
    pub(super) given: Vec<Variable>,
}

/// How the attempt's time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    Seconds,
    Millis,
    Rfc3339,
}

impl From<TimeForm> for Clock {
    fn from(form: TimeForm) -> Self {
        match form {
            TimeForm::UnixSeconds => Self::Seconds,
            TimeForm::UnixMillis => Self::Millis,
            TimeForm::Rfc3339 { .. } => Self::Rfc3339,
        }
    }
}

/// How the secret becomes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// By its bytes.
    Text,
    /// `whsec_` comes off, the rest is base64.
    StandardWebhooks,
    /// There is none: the secret stands in what is hashed.
    None,
}

/// Where a receiver finds a variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// It is a header's value; the name in lower case.
    Header(String),
    /// In the signature's header, after the first `before` and up to the next `after`. Each may be empty: the beginning, the end.
    Within { before: String, after: String },
}

/// By what a receiver knows who sends.
pub(super) enum Proof {
    Signature(Scheme),
    Token(Token),
}

impl Proof {
    pub(super) fn of(dialect: &Dialect) -> Result<Self, NoSnippet> {
        let headers = &dialect.headers;
        let own = headers.signatures.iter().filter(|one| one.uses_secret());
        let own: Vec<&Signature> = own.filter(|one| one.header.is_some()).collect();
        // Of equals the last: `max_by_key` goes backwards for the first.
        let strongest = own.iter().rev().max_by_key(|one| hash(one).ok());
        match strongest {
            Some(signature) => Scheme::own(dialect, signature).map(Self::Signature),
            None if headers.sends_secret => token(dialect).map(Self::Token),
            None if headers.has_own_proof() => Err(NoSnippet::Form("a signature in the body")),
            None if headers.standard_webhooks => {
                Ok(Self::Signature(Scheme::standard_webhooks(dialect)))
            }
            None => Err(NoSnippet::Unsigned),
        }
    }
}

/// The header that has the secret itself.
fn token(dialect: &Dialect) -> Result<Token, NoSnippet> {
    let mut own = dialect.headers.own.iter();
    let (header, template) = own
        .find(|(_, template)| template.mentions(&Value::Secret))
        .ok_or(NoSnippet::Form("a secret in the body"))?;
    let expected = pieces(template)?;
    let is_known =
        |piece: &Piece| matches!(piece, Piece::Text(_) | Piece::Variable(Variable::Secret));
    if !expected.iter().all(is_known) {
        return Err(NoSnippet::Form("a header that has more than the secret"));
    }
    Ok(Token {
        dialect: dialect.name.clone(),
        header: header.to_string(),
        expected,
    })
}

impl Scheme {
    /// Whether making the signature, or the key, takes base64.
    pub(super) fn has_base64(&self) -> bool {
        !matches!(self.encoding, Encoding::Hex | Encoding::UpperHex)
            || self.key == Key::StandardWebhooks
    }

    /// Whether making the signature takes hex.
    pub(super) fn has_hex(&self) -> bool {
        matches!(
            self.encoding,
            Encoding::Hex | Encoding::UpperHex | Encoding::Base64OfHex
        )
    }

    /// The name of the variable that makes the signature.
    pub(super) fn maker(&self) -> &'static str {
        match self.key {
            Key::None => "hash",
            _ => "mac",
        }
    }

    /// What the receiver gives besides headers, body and secret, as more parameters; `parameter` writes one.
    pub(super) fn parameters(&self, parameter: impl Fn(&str) -> String) -> String {
        let given = self.given.iter();
        given
            .map(|variable| format!(", {}", parameter(variable.name())))
            .collect()
    }

    /// What comments say of these.
    pub(super) fn meanings(&self, name: impl Fn(&str) -> String) -> String {
        let given = self.given.iter();
        given
            .map(|variable| format!("; {} is {}", name(variable.name()), variable.meaning()))
            .collect()
    }

    /// What is signed, as runs of text with the bodies between them.
    pub(super) fn runs(&self) -> Vec<Run<'_>> {
        let is_body = |piece: &Piece| *piece == Piece::Variable(Variable::Body);
        let runs = self.signed.chunk_by(|a, b| !is_body(a) && !is_body(b));
        runs.map(|run| match run {
            [piece] if is_body(piece) => Run::Body,
            text => Run::Text(text),
        })
        .collect()
    }

    fn own(dialect: &Dialect, signature: &Signature) -> Result<Self, NoSnippet> {
        let hash = hash(signature)?;
        let key = key(signature)?;
        let value = &*pieces(&signature.value)?;
        let overlap = signature.overlap.as_ref().map(pieces).transpose()?;
        let (expected, separator) = match &overlap {
            None => (value.to_vec(), None),
            Some(overlap) => {
                let (separator, element) = element_of(overlap, value).ok_or(NoSnippet::Overlap)?;
                (element, Some(separator))
            }
        };
        let signed = pieces(&signature.signed)?;
        let form = time_form(signature)?;
        let (mut found, mut given) = (Vec::new(), Vec::new());
        for piece in signed.iter().chain(&expected) {
            let Piece::Variable(variable) = *piece else {
                continue;
            };
            match variable {
                Variable::Body | Variable::Signature | Variable::Secret => continue,
                Variable::Url | Variable::Path => {
                    if !given.contains(&variable) {
                        given.push(variable);
                    }
                    continue;
                }
                _ if found.iter().any(|(known, _)| *known == variable) => continue,
                _ => {}
            }
            let place = within(value, variable).or_else(|| in_header(dialect, variable, form));
            found.push((
                variable,
                place.ok_or_else(|| {
                    let name = match variable {
                        Variable::EventType => "type",
                        other => other.name(),
                    };
                    NoSnippet::Hidden(name.to_owned())
                })?,
            ));
        }
        let is_timed = signed.contains(&Piece::Variable(Variable::Timestamp));
        Ok(Self {
            dialect: dialect.name.clone(),
            key,
            hash,
            encoding: signature.encoding,
            header: signature
                .header
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            found,
            signed,
            expected,
            separator,
            time: form.map(Clock::from).filter(|_| is_timed),
            given,
        })
    }

    fn standard_webhooks(dialect: &Dialect) -> Self {
        let text = |text: &str| Piece::Text(text.to_owned());
        let variable = Piece::Variable;
        Self {
            dialect: dialect.name.clone(),
            key: Key::StandardWebhooks,
            hash: Hash::Sha256,
            encoding: Encoding::Base64,
            header: WEBHOOK_SIGNATURE.to_string(),
            found: [Variable::Id, Variable::Timestamp]
                .into_iter()
                .filter_map(|variable| {
                    let form = Some(TimeForm::UnixSeconds);
                    Some((variable, in_header(dialect, variable, form)?))
                })
                .collect(),
            signed: vec![
                variable(Variable::Id),
                text("."),
                variable(Variable::Timestamp),
                text("."),
                variable(Variable::Body),
            ],
            expected: vec![text("v1,"), variable(Variable::Signature)],
            separator: Some(' '),
            time: Some(Clock::Seconds),
            given: Vec::new(),
        }
    }
}

/// How the secret becomes the key, where snippets show it: as its text, or as Standard Webhooks have it.
fn key(signature: &Signature) -> Result<Key, NoSnippet> {
    if signature.algorithm.is_plain_hash() {
        return Ok(Key::None);
    }
    let secret::Key { form, prefix } = &signature.key;
    match (form, &**prefix) {
        (secret::KeyForm::Text, "") => Ok(Key::Text),
        (secret::KeyForm::Base64, "" | "whsec_") => Ok(Key::StandardWebhooks),
        (secret::KeyForm::Text, _) => Err(NoSnippet::Form("a key with `key_prefix`")),
        _ => Err(NoSnippet::Form(
            "a key that is the secret's hex, or its base64 after another prefix",
        )),
    }
}

fn hash(signature: &Signature) -> Result<Hash, NoSnippet> {
    use signature::Algorithm;
    match signature.algorithm {
        Algorithm::HmacSha1 | Algorithm::Sha1 => Ok(Hash::Sha1),
        Algorithm::HmacSha256 | Algorithm::Sha256 => Ok(Hash::Sha256),
        Algorithm::HmacSha512 | Algorithm::Sha512 => Ok(Hash::Sha512),
        Algorithm::Ed25519 => Err(NoSnippet::Form("Ed25519")),
        Algorithm::EcdsaP256Sha256 => Err(NoSnippet::Form("ECDSA")),
    }
}

/// The form of the attempt's time that is signed or stands beside the signature. Of several forms, a receiver would need several
/// variables.
fn time_form(signature: &Signature) -> Result<Option<TimeForm>, NoSnippet> {
    let pieces = [&signature.signed, &signature.value];
    let pieces = pieces.iter().flat_map(|template| template.pieces());
    let mut forms = pieces.filter_map(|piece| match piece {
        template::Piece::Value(Value::AttemptTime(form)) => Some(*form),
        _ => None,
    });
    let first = forms.next();
    match forms.find(|form| Some(*form) != first) {
        Some(other) => Err(NoSnippet::Value(Value::AttemptTime(other).to_string())),
        None => Ok(first),
    }
}

/// A template's pieces, of the values that snippets know.
fn pieces(template: &Template) -> Result<Vec<Piece>, NoSnippet> {
    let pieces = template.pieces().iter().map(|piece| {
        let value = match piece {
            template::Piece::Text(text) => return Ok(Piece::Text(text.clone())),
            template::Piece::Value(value) => value,
        };
        Ok(Piece::Variable(match value {
            Value::Id => Variable::Id,
            Value::Type => Variable::EventType,
            Value::DeliveryId => Variable::DeliveryId,
            Value::AttemptTime(_) => Variable::Timestamp,
            Value::Url => Variable::Url,
            Value::Path => Variable::Path,
            // Each delivery is a POST.
            Value::Method => return Ok(Piece::Text("POST".to_owned())),
            Value::Body => Variable::Body,
            Value::Signature => Variable::Signature,
            Value::Secret => Variable::Secret,
            other => return Err(NoSnippet::Value(other.to_string())),
        }))
    });
    pieces.collect()
}

/// A part of what is signed.
pub(super) enum Run<'a> {
    Text(&'a [Piece]),
    Body,
}

/// What `overlap` appends, as a separator and an element; `None` unless `value` is or ends with such an element.
fn element_of(overlap: &[Piece], value: &[Piece]) -> Option<(char, Vec<Piece>)> {
    let (first, rest) = overlap.split_first()?;
    let Piece::Text(text) = first else {
        return None;
    };
    let mut characters = text.chars();
    let separator = characters.next()?;
    let prefix = characters.as_str();
    let prefix = (!prefix.is_empty()).then(|| Piece::Text(prefix.to_owned()));
    let element: Vec<Piece> = prefix.into_iter().chain(rest.iter().cloned()).collect();
    let is_last = value == element || value.ends_with(overlap);
    is_last.then_some((separator, element))
}

/// Where in the signature's header a variable stands.
fn within(value: &[Piece], variable: Variable) -> Option<Place> {
    let at = value
        .iter()
        .position(|piece| *piece == Piece::Variable(variable))?;
    let text = |piece: Option<&Piece>| match piece {
        None => Some(String::new()),
        Some(Piece::Text(text)) => Some(text.clone()),
        Some(Piece::Variable(_)) => None,
    };
    Some(Place::Within {
        before: text(at.checked_sub(1).map(|before| &value[before]))?,
        after: text(value.get(at + 1))?,
    })
}

/// The header that is a variable's value and nothing else; times are in this form.
fn in_header(dialect: &Dialect, variable: Variable, form: Option<TimeForm>) -> Option<Place> {
    let headers = &dialect.headers;
    let own = headers.own.iter().find(|(_, template)| {
        let is_of_form = |piece: &template::Piece| match piece {
            template::Piece::Value(Value::AttemptTime(written)) => Some(*written) == form,
            _ => true,
        };
        template.pieces().iter().all(is_of_form)
            && pieces(template).is_ok_and(|pieces| pieces == [Piece::Variable(variable)])
    });
    let name = match (own, variable, form) {
        (Some((name, _)), ..) => name,
        (None, Variable::Id, _) if headers.standard_webhooks => &WEBHOOK_ID,
        (None, Variable::Timestamp, Some(TimeForm::UnixSeconds)) if headers.standard_webhooks => {
            &WEBHOOK_TIMESTAMP
        }
        _ => return None,
    };
    Some(Place::Header(name.to_string()))
}
