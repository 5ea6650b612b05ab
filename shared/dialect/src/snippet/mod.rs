//! Verification code for receivers, made from a dialect: what its document would show.
//!
//! `scheme` turns the dialect's signature around, from what Rung sends to what a receiver does with it; each language has a module
//! that writes a [`Scheme`] down. All snippets work alike: read the parts that are signed out of the headers, refuse an old time,
//! make the signature anew, and compare in constant time with what came. Where the secret itself is sent, [`token`] compares that.

mod csharp;
mod go;
mod java;
mod javascript;
mod php;
mod python;
mod ruby;
mod rust;
mod scheme;
mod token;

use std::fmt;

use self::scheme::Proof;
use super::{Dialect, limits::TOLERANCE_S};

/// What a receiver knows by a name of its own in a snippet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Id,
    EventType,
    DeliveryId,
    Timestamp,
    Body,
    Signature,
    Secret,
    /// The webhook's URL, which the receiver's own code gives: what a proxy shows it may be another.
    Url,
    /// Its path and query.
    Path,
}

impl Variable {
    const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::EventType => "event_type",
            Self::DeliveryId => "delivery_id",
            Self::Timestamp => "timestamp",
            Self::Body => "body",
            Self::Signature => "signature",
            Self::Secret => "secret",
            Self::Url => "url",
            Self::Path => "path",
        }
    }

    /// What a comment says of it where it is a parameter.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Path => "the path and query of the webhook's URL",
            _ => "the webhook's URL, as it is registered",
        }
    }
}

/// A part of a text that a snippet puts together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// A language that snippets are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// For Node.
    JavaScript,
    /// For Node, with types.
    TypeScript,
    /// Python 3.
    Python,
    /// Go.
    Go,
    /// Java 17 or newer.
    Java,
    /// PHP 8.
    Php,
    /// Ruby.
    Ruby,
    /// Rust.
    Rust,
    /// C#, for .NET 6 or newer.
    CSharp,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::JavaScript,
        Self::TypeScript,
        Self::Python,
        Self::Go,
        Self::Java,
        Self::Php,
        Self::Ruby,
        Self::Rust,
        Self::CSharp,
    ];

    /// Its name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::Python => "python",
            Self::Go => "go",
            Self::Java => "java",
            Self::Php => "php",
            Self::Ruby => "ruby",
            Self::Rust => "rust",
            Self::CSharp => "csharp",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why there is no snippet for a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSnippet {
    /// It has no signature of its own, and turns Standard Webhooks off.
    #[error("this dialect signs nothing: receivers have nothing to verify")]
    Unsigned,
    /// A receiver cannot find all that is signed.
    #[error(
        "the signature covers `{{{}}}`, which no header has by itself: receivers cannot make it anew",
        .0
    )]
    Hidden(String),
    /// A receiver knows what is signed, and snippets do not show how.
    #[error(
        "there is no snippet for a signature that covers `{{{0}}}` yet: docs/receivers.md lists what code of your own does"
    )]
    Value(String),
    /// Key pairs sign for Standard Webhooks alone.
    #[error("this dialect turns Standard Webhooks off: no key pair signs `v1a` in it")]
    NoKeyPairs,
    /// It signs in a way that snippets do not show.
    #[error("there is no snippet for {0} yet: docs/receivers.md lists what code of your own does")]
    Form(&'static str),
    /// The value that lists several signatures is not made of like parts.
    #[error(
        "`overlap` is not a separator and what `value` ends with: receivers cannot tell where a signature begins"
    )]
    Overlap,
}

impl Dialect {
    /// Code for receivers that verifies a delivery's signature: its own one, the strongest if there are several; without one, the
    /// secret that a header has, or else the signature of Standard Webhooks.
    ///
    /// # Errors
    /// When there is nothing that a receiver could verify.
    pub fn snippet(&self, language: Language) -> Result<String, NoSnippet> {
        let scheme = match Proof::of(self)? {
            Proof::Signature(scheme) => scheme,
            Proof::Token(token) => return Ok(token::write(&token, language)),
        };
        Ok(match language {
            Language::JavaScript => javascript::write(&scheme, &javascript::JAVASCRIPT),
            Language::TypeScript => javascript::write(&scheme, &javascript::TYPESCRIPT),
            Language::Python => python::write(&scheme),
            Language::Go => go::write(&scheme),
            Language::Java => java::write(&scheme),
            Language::Php => php::write(&scheme),
            Language::Ruby => ruby::write(&scheme),
            Language::Rust => rust::write(&scheme),
            Language::CSharp => csharp::write(&scheme),
        })
    }

    /// Code for receivers that verifies `v1a` of Standard Webhooks, with which the key pair of a webhook signs: the same in all dialects.
    ///
    /// # Errors
    /// When the dialect turns Standard Webhooks off.
    pub fn key_pair_snippet(&self, language: Language) -> Result<&'static str, NoSnippet> {
        if !self.headers.standard_webhooks {
            return Err(NoSnippet::NoKeyPairs);
        }
        Ok(match language {
            Language::JavaScript => include_str!("key_pair/webhooks.mjs"),
            Language::TypeScript => include_str!("key_pair/webhooks.mts"),
            Language::Python => include_str!("key_pair/webhooks.py"),
            Language::Go => include_str!("key_pair/webhooks.go"),
            Language::Java => include_str!("key_pair/Webhooks.java"),
            Language::Php => include_str!("key_pair/webhooks.php"),
            Language::Ruby => include_str!("key_pair/webhooks.rb"),
            Language::Rust => include_str!("key_pair/webhooks.rs"),
            Language::CSharp => include_str!("key_pair/Webhooks.cs"),
        })
    }
}

/// A text in double quotes, as most languages have it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Pieces as an expression: texts and variables with an operator between them.
fn joined(
    pieces: &[Piece],
    operator: &str,
    quoted: impl Fn(&str) -> String,
    named: impl Fn(Variable) -> String,
) -> String {
    let terms: Vec<String> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => quoted(text),
            Piece::Variable(variable) => named(*variable),
        })
        .collect();
    terms.join(operator)
}

/// A variable's name in languages that write `eventType`.
fn camel_case(variable: Variable) -> String {
    match variable {
        Variable::EventType => "eventType".to_owned(),
        Variable::DeliveryId => "deliveryId".to_owned(),
        other => other.name().to_owned(),
    }
}

/// A variable's name in languages that write `event_type`.
fn snake_case(variable: Variable) -> String {
    variable.name().to_owned()
}
