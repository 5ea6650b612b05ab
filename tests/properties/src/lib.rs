//! What holds for any input from outside.
//!
//! Each function takes bytes as an attacker would choose them and panics if a property is broken. The fuzz targets of `fuzz/` call
//! them with bytes that libFuzzer finds, the tests of this crate with the corpus of `fuzz/corpus` and with random input.

// A property that does not hold ends the test: there is nobody to answer an error.
#![allow(clippy::unwrap_used)]

mod cursor;
mod dialect;
mod filter;
mod json;
mod publish;
mod schema;
mod url;
mod work;

pub use self::{
    cursor::cursor, dialect::dialect, filter::filter, json::json, publish::publish, schema::schema,
    url::url,
};

/// A property: what it is called, in `fuzz/` as well, and what checks it.
pub type Property = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Property; 7] = [
    ("cursor", cursor),
    ("dialect", dialect),
    ("filter", filter),
    ("json", json),
    ("publish", publish),
    ("schema", schema),
    ("url", url),
];
