//! What holds for any input from outside.
//!
//! Each function takes bytes as an attacker would choose them and panics if a property is broken. The fuzz targets of `fuzz/` call
//! them with bytes that libFuzzer finds, the tests of this crate with the corpus of `fuzz/corpus` and with random input.

// A property that does not hold ends the test: there is nobody to answer an error.
#![allow(clippy::unwrap_used)]

mod cursor;
mod dialect;
mod json;
mod publish;
mod url;

pub use self::{cursor::cursor, dialect::dialect, json::json, publish::publish, url::url};

/// A property: what it is called, in `fuzz/` as well, and what checks it.
pub type Property = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Property; 5] = [
    ("cursor", cursor),
    ("dialect", dialect),
    ("json", json),
    ("publish", publish),
    ("url", url),
];
