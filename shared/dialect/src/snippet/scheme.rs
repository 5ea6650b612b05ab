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

/// The keyed hashes that snippets show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
}

/// How the signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

/// What a receiver does to verify a delivery.
pub(super) struct Scheme {
    /// The dialect's name.
    pub(super) dialect: String,
    pub(super) key: Key,
    pub(super) algorithm: Algorithm,
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
}

/// How the secret becomes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// By its bytes.
    Text,
    /// `whsec_` comes off, the rest is base64.
    StandardWebhooks,
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
        let strongest = own.iter().rev().max_by_key(|one| algorithm(one).ok());
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
    /// Whether the time of the attempt is signed, so that an old delivery can be refused.
    pub(super) fn is_timed(&self) -> bool {
        self.signed.contains(&Piece::Variable(Variable::Timestamp))
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
        let algorithm = algorithm(signature)?;
        let encoding = match signature.encoding {
            signature::Encoding::Hex => Encoding::Hex,
            signature::Encoding::Base64 => Encoding::Base64,
            _ => return Err(NoSnippet::Form("this encoding of a signature")),
        };
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
        let mut found = Vec::new();
        for piece in signed.iter().chain(&expected) {
            let Piece::Variable(variable) = *piece else {
                continue;
            };
            let is_known = found.iter().any(|(known, _)| *known == variable);
            if is_known
                || matches!(
                    variable,
                    Variable::Body | Variable::Signature | Variable::Secret
                )
            {
                continue;
            }
            let place = within(value, variable).or_else(|| in_header(dialect, variable));
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
        Ok(Self {
            dialect: dialect.name.clone(),
            key,
            algorithm,
            encoding,
            header: signature
                .header
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            found,
            signed,
            expected,
            separator,
        })
    }

    fn standard_webhooks(dialect: &Dialect) -> Self {
        let text = |text: &str| Piece::Text(text.to_owned());
        let variable = Piece::Variable;
        Self {
            dialect: dialect.name.clone(),
            key: Key::StandardWebhooks,
            algorithm: Algorithm::HmacSha256,
            encoding: Encoding::Base64,
            header: WEBHOOK_SIGNATURE.to_string(),
            found: [Variable::Id, Variable::Timestamp]
                .into_iter()
                .filter_map(|variable| Some((variable, in_header(dialect, variable)?)))
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
        }
    }
}

/// How the secret becomes the key, where snippets show it: as its text, or as Standard Webhooks have it.
fn key(signature: &Signature) -> Result<Key, NoSnippet> {
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

fn algorithm(signature: &Signature) -> Result<Algorithm, NoSnippet> {
    match signature.algorithm {
        signature::Algorithm::HmacSha1 => Ok(Algorithm::HmacSha1),
        signature::Algorithm::HmacSha256 => Ok(Algorithm::HmacSha256),
        signature::Algorithm::HmacSha512 => Ok(Algorithm::HmacSha512),
        signature::Algorithm::Ed25519 => Err(NoSnippet::Form("Ed25519")),
        signature::Algorithm::EcdsaP256Sha256 => Err(NoSnippet::Form("ECDSA")),
        _ => Err(NoSnippet::Form("a hash over the secret")),
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
            Value::AttemptTime(TimeForm::UnixSeconds) => Variable::Timestamp,
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

/// The header that is a variable's value and nothing else.
fn in_header(dialect: &Dialect, variable: Variable) -> Option<Place> {
    let headers = &dialect.headers;
    let own = headers.own.iter().find(|(_, template)| {
        pieces(template).is_ok_and(|pieces| pieces == [Piece::Variable(variable)])
    });
    let name = match (own, variable) {
        (Some((name, _)), _) => name,
        (None, Variable::Id) if headers.standard_webhooks => &WEBHOOK_ID,
        (None, Variable::Timestamp) if headers.standard_webhooks => &WEBHOOK_TIMESTAMP,
        _ => return None,
    };
    Some(Place::Header(name.to_string()))
}
