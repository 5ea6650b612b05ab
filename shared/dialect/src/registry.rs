//! The dialects of an installation: those compiled in, and the operator's own.

use std::sync::Arc;

use super::{Dialect, DialectFaults, compile::compile, fault::Faults};

macro_rules! builtin {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../dialects/", $name, ".toml")))),*]
    };
}

/// What a tenant speaks unless it is said otherwise.
pub const DEFAULT: &str = "standard";

/// The files compiled in.
const BUILTIN: [(&str, &str); 10] = builtin![
    "standard",
    "badger",
    "patra",
    "bharatcart",
    "reward",
    "odin",
    "github",
    "stripe",
    "shopify",
    "slack"
];

/// The dialects there are, by name.
#[derive(Debug, Clone)]
pub struct Dialects {
    dialects: Vec<Arc<Dialect>>,
}

impl Dialects {
    /// Those compiled in.
    #[must_use]
    pub fn builtin() -> Self {
        let empty = Self {
            dialects: Vec::new(),
        };
        BUILTIN
            .iter()
            .try_fold(empty, |dialects, (name, text)| {
                dialects.with_file(name, text)
            })
            .expect("the dialects compiled in are checked by the tests")
    }

    /// These and the one that `text` describes; `path` names it in faults.
    ///
    /// # Errors
    /// When the text is no dialect file, or its name is taken: all its mistakes.
    pub fn with_file(mut self, path: &str, text: &str) -> Result<Self, DialectFaults> {
        let is_taken = |name: &str| self.get(name).is_some();
        let dialect = compile(text, is_taken).map_err(|faults| faults.in_file(path, text))?;
        self.dialects.push(Arc::new(dialect));
        Ok(self)
    }

    /// The same with the bytes of a file.
    ///
    /// # Errors
    /// As above, and when they are not UTF-8.
    pub fn with_bytes(self, path: &str, bytes: &[u8]) -> Result<Self, DialectFaults> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.with_file(path, text),
            Err(error) => {
                let (text, _) = bytes.split_at(error.valid_up_to());
                let text = String::from_utf8_lossy(text);
                Err(Faults::not_utf8(text.len()).in_file(path, &text))
            }
        }
    }

    /// These with `dialect` in place of the one of its name.
    #[must_use]
    pub fn replacing(mut self, dialect: impl Into<Arc<Dialect>>) -> Self {
        let dialect = dialect.into();
        for present in &mut self.dialects {
            if present.name == dialect.name {
                *present = Arc::clone(&dialect);
            }
        }
        self
    }

    /// The dialect `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Dialect>> {
        self.iter().find(|dialect| dialect.name == name)
    }

    /// All of them; the operator's own last.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Dialect>> + Clone {
        self.dialects.iter()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|dialect| dialect.name.as_str())
    }
}
