//! Where in a JSON text a fault lies.

use std::fmt;

/// A place in a JSON value, written as a person would: `data.items[0].price`, `data["odd key"]`, `$` for the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonPath {
    /// Innermost first: a fault collects its path on the way out.
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

impl JsonPath {
    /// This path as seen from the object that holds the value as its member `key`.
    pub fn enter_key(&mut self, key: impl Into<String>) {
        self.segments.push(Segment::Key(key.into()));
    }

    /// This path as seen from the array that holds the value at `index`.
    pub fn enter_index(&mut self, index: usize) {
        self.segments.push(Segment::Index(index));
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("$");
        }
        for (position, segment) in self.segments.iter().rev().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if !is_plain(key) => {
                    let mut quoted = Vec::with_capacity(key.len() + 2);
                    super::write_string(key, &mut quoted);
                    write!(f, "[{}]", String::from_utf8_lossy(&quoted))?;
                }
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    !key.is_empty() && key.bytes().all(word)
}
