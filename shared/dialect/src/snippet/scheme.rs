//! A dialect's signature as a receiver sees it.

use super::NoSnippet;
use crate::{
    Dialect,
    headers::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP},
    signature::{Algorithm, Encoding, Signature},
    template::{Piece, Template, Variable},
};

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

impl Scheme {
    pub(super) fn of(dialect: &Dialect) -> Result<Self, NoSnippet> {
        let strength = |signature: &&Signature| match signature.algorithm {
            Algorithm::HmacSha1 => 0,
            Algorithm::HmacSha256 => 1,
            Algorithm::HmacSha512 => 2,
        };
        // Of equals the last: `max_by_key` goes backwards for the first.
        let own = dialect.headers.signatures.iter().rev().max_by_key(strength);
        match own {
            Some(signature) => Self::own(dialect, signature),
            None if dialect.headers.standard_webhooks => Ok(Self::standard_webhooks(dialect)),
            None => Err(NoSnippet::Unsigned),
        }
    }

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
        let value = signature.value.pieces();
        let (expected, separator) = match &signature.overlap {
            None => (value.to_vec(), None),
            Some(overlap) => {
                let (separator, element) = element_of(overlap, value).ok_or(NoSnippet::Overlap)?;
                (element, Some(separator))
            }
        };
        let signed = signature.signed.pieces().to_vec();
        let mut found = Vec::new();
        for piece in signed.iter().chain(&expected) {
            let Piece::Variable(variable) = *piece else {
                continue;
            };
            let is_known = found.iter().any(|(known, _)| *known == variable);
            if is_known || matches!(variable, Variable::Body | Variable::Signature) {
                continue;
            }
            let place = within(value, variable).or_else(|| in_header(dialect, variable));
            found.push((
                variable,
                place.ok_or_else(|| NoSnippet::Hidden(variable.name()))?,
            ));
        }
        Ok(Self {
            dialect: dialect.name.clone(),
            key: Key::Text,
            algorithm: signature.algorithm,
            encoding: signature.encoding,
            header: signature.header.to_string(),
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

/// A part of what is signed.
pub(super) enum Run<'a> {
    Text(&'a [Piece]),
    Body,
}

/// What `overlap` appends, as a separator and an element; `None` unless `value` is or ends with such an element.
fn element_of(overlap: &Template, value: &[Piece]) -> Option<(char, Vec<Piece>)> {
    let (first, rest) = overlap.pieces().split_first()?;
    let Piece::Text(text) = first else {
        return None;
    };
    let mut characters = text.chars();
    let separator = characters.next()?;
    let prefix = characters.as_str();
    let prefix = (!prefix.is_empty()).then(|| Piece::Text(prefix.to_owned()));
    let element: Vec<Piece> = prefix.into_iter().chain(rest.iter().cloned()).collect();
    let is_last = value == element || value.ends_with(overlap.pieces());
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
    let own = headers
        .own
        .iter()
        .find(|(_, template)| template.pieces() == [Piece::Variable(variable)]);
    let name = match (own, variable) {
        (Some((name, _)), _) => name,
        (None, Variable::Id) if headers.standard_webhooks => &WEBHOOK_ID,
        (None, Variable::Timestamp) if headers.standard_webhooks => &WEBHOOK_TIMESTAMP,
        _ => return None,
    };
    Some(Place::Header(name.to_string()))
}
