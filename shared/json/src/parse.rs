//! A strict RFC 8259 parser that keeps numbers as written and says where and why it stops.

use std::collections::HashSet;

use super::{Json, JsonPath, Member, Number};

/// Objects up to this size are searched for duplicate keys member by member; beyond, through a set.
const SMALL_OBJECT: usize = 16;

/// A text that is not JSON, or not JSON that every receiver reads alike.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset} ({path})")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where in the text, in bytes from its start.
    pub offset: usize,
    /// Where in the value; the whole, if the text is not UTF-8.
    pub path: JsonPath,
}

impl ParseError {
    /// The same of a text in which what may be so deep stands within so many levels: they are not in the limit that is told.
    #[must_use]
    pub fn within(mut self, levels: usize) -> Self {
        if let ParseErrorKind::TooDeep { limit } = &mut self.kind {
            *limit = limit.saturating_sub(levels);
        }
        self
    }
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Not UTF-8 (RFC 8259 section 8.1).
    #[error("the text is not UTF-8")]
    InvalidUtf8,
    /// The text ends within a value.
    #[error("the text ends too early")]
    UnexpectedEnd,
    /// A character that no JSON value has there.
    #[error("unexpected character {0:?}")]
    UnexpectedCharacter(char),
    /// More than blanks after the value.
    #[error("unexpected text after the value")]
    TrailingText,
    /// A number not spelled as RFC 8259 section 6 has it.
    #[error("malformed number")]
    InvalidNumber,
    /// A number beyond the range of a double.
    #[error("number beyond the range of a double")]
    NumberOutOfRange,
    /// A raw control character in a string.
    #[error("control character in a string; it must be escaped")]
    ControlCharacter,
    /// An escape that JSON does not have.
    #[error("invalid escape in a string")]
    InvalidEscape,
    /// Half of a surrogate pair, which no UTF-8 text can hold.
    #[error("lone surrogate in a string")]
    LoneSurrogate,
    /// A key that its object already has.
    #[error("duplicate key")]
    DuplicateKey,
    /// Arrays and objects nested too deep.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The most levels allowed.
        limit: usize,
    },
}

impl Json {
    /// Reads `text` as one JSON value with at most `max_depth` arrays and objects in one another (see [`Json::depth`]).
    ///
    /// # Errors
    /// When the text is not valid by RFC 8259, and further when an object has a key twice, a string half a surrogate pair, or a
    /// number exceeds a double's range.
    pub fn parse(text: &[u8], max_depth: usize) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(text).map_err(|fault| ParseError {
            kind: ParseErrorKind::InvalidUtf8,
            offset: fault.valid_up_to(),
            path: JsonPath::default(),
        })?;
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
            max_depth,
        };
        let value = parser.value()?;
        parser.skip_blanks();
        match parser.peek() {
            None => Ok(value),
            Some(_) => Err(parser.fault(ParseErrorKind::TrailingText)),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    max_depth: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Json, ParseError> {
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.nested(Self::object).map(Json::Object),
            Some(b'[') => self.nested(Self::array).map(Json::Array),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.unexpected()),
        }
    }

    fn nested<T>(&mut self, read: fn(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        if self.depth == self.max_depth {
            return Err(self.fault(ParseErrorKind::TooDeep {
                limit: self.max_depth,
            }));
        }
        self.depth += 1;
        self.at += 1;
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    fn array(&mut self) -> Result<Vec<Json>, ParseError> {
        let mut elements = Vec::new();
        self.skip_blanks();
        if self.eat(b']') {
            return Ok(elements);
        }
        loop {
            let element = self.value().map_err(|mut fault| {
                fault.path.enter_index(elements.len());
                fault
            })?;
            elements.push(element);
            self.skip_blanks();
            if self.eat(b']') {
                return Ok(elements);
            }
            if !self.eat(b',') {
                return Err(self.unexpected());
            }
        }
    }

    fn object(&mut self) -> Result<Vec<Member>, ParseError> {
        let mut members: Vec<Member> = Vec::new();
        let mut seen = HashSet::new();
        self.skip_blanks();
        if self.eat(b'}') {
            return Ok(members);
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected());
            }
            let key_at = self.at;
            let key = self.string()?;
            if has_key(&members, &mut seen, &key) {
                let mut path = JsonPath::default();
                path.enter_key(key);
                return Err(ParseError {
                    kind: ParseErrorKind::DuplicateKey,
                    offset: key_at,
                    path,
                });
            }
            self.skip_blanks();
            if !self.eat(b':') {
                return Err(self.unexpected());
            }
            match self.value() {
                Ok(value) => members.push((key, value)),
                Err(mut fault) => {
                    fault.path.enter_key(key);
                    return Err(fault);
                }
            }
            self.skip_blanks();
            if self.eat(b'}') {
                return Ok(members);
            }
            if !self.eat(b',') {
                return Err(self.unexpected());
            }
        }
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.at += 1;
        let mut value = String::new();
        loop {
            let run = &self.text[self.at..];
            let Some(length) = run
                .bytes()
                .position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
            else {
                self.at = self.text.len();
                return Err(self.fault(ParseErrorKind::UnexpectedEnd));
            };
            work::note(length);
            value.push_str(&run[..length]);
            self.at += length;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(value);
                }
                Some(b'\\') => value.push(self.escape()?),
                _ => return Err(self.fault(ParseErrorKind::ControlCharacter)),
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let start = self.at;
        let letter = self.text.as_bytes().get(start + 1).copied();
        self.at = start + 2;
        let character = match letter {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            Some(_) => return Err(fault_at(start, ParseErrorKind::InvalidEscape)),
            None => return Err(fault_at(self.text.len(), ParseErrorKind::UnexpectedEnd)),
        };
        Ok(character)
    }

    /// What follows `\u`; `start` is where the escape began.
    fn unicode_escape(&mut self, start: usize) -> Result<char, ParseError> {
        let lone = || fault_at(start, ParseErrorKind::LoneSurrogate);
        let unit = self.hex4(start)?;
        if (0xdc00..0xe000).contains(&unit) {
            return Err(lone());
        }
        let mut code = unit;
        if (0xd800..0xdc00).contains(&unit) {
            let second_start = self.at;
            if !(self.eat(b'\\') && self.eat(b'u')) {
                return Err(lone());
            }
            let second = self.hex4(second_start)?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(lone());
            }
            code = 0x1_0000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
        }
        char::from_u32(code).ok_or_else(lone)
    }

    fn hex4(&mut self, start: usize) -> Result<u32, ParseError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let code = digits.and_then(|digits| {
            digits.iter().try_fold(0, |code, digit| {
                Some(code << 4 | char::from(*digit).to_digit(16)?)
            })
        });
        self.at += 4;
        code.ok_or_else(|| fault_at(start, ParseErrorKind::InvalidEscape))
    }

    fn number(&mut self) -> Result<Number, ParseError> {
        let start = self.at;
        self.eat(b'-');
        let leading_zero = self.peek() == Some(b'0');
        let integer = self.digits();
        let mut valid = integer == 1 || (integer > 1 && !leading_zero);
        if self.eat(b'.') {
            valid &= self.digits() > 0;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            valid &= self.digits() > 0;
        }
        if !valid {
            return Err(fault_at(start, ParseErrorKind::InvalidNumber));
        }
        let raw = &self.text[start..self.at];
        let number = Number::from(raw);
        if !number.double().is_finite() {
            return Err(fault_at(start, ParseErrorKind::NumberOutOfRange));
        }
        Ok(number)
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        work::note(length);
        self.at += length;
        length
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, ParseError> {
        for expected in word.bytes() {
            if !self.eat(expected) {
                return Err(self.unexpected());
            }
        }
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        work::note(1);
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.peek() == Some(byte);
        self.at += usize::from(eaten);
        eaten
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn unexpected(&self) -> ParseError {
        let next = self
            .text
            .get(self.at..)
            .and_then(|rest| rest.chars().next());
        self.fault(next.map_or(
            ParseErrorKind::UnexpectedEnd,
            ParseErrorKind::UnexpectedCharacter,
        ))
    }

    fn fault(&self, kind: ParseErrorKind) -> ParseError {
        fault_at(self.at, kind)
    }
}

fn fault_at(offset: usize, kind: ParseErrorKind) -> ParseError {
    ParseError {
        kind,
        offset,
        path: JsonPath::default(),
    }
}

/// Whether `members` has `key`; `seen` is filled once there are many.
fn has_key(members: &[Member], seen: &mut HashSet<String>, key: &str) -> bool {
    if members.len() < SMALL_OBJECT {
        work::note(members.len());
        return members.iter().any(|(known, _)| known == key);
    }
    work::note(key.len());
    if seen.is_empty() {
        seen.extend(members.iter().map(|(known, _)| known.clone()));
    }
    !seen.insert(key.to_owned())
}

/// How much reading has looked at, in bytes and keys: counted where tests ask for it.
pub(super) mod work {
    #[cfg(test)]
    thread_local! {
        static LOOKED_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    /// Counts more.
    #[cfg_attr(not(test), expect(unused_variables, reason = "nothing is counted"))]
    pub(super) fn note(more: usize) {
        #[cfg(test)]
        LOOKED_AT.set(LOOKED_AT.get() + more);
    }

    /// What was counted on this thread since this was asked last.
    #[cfg(test)]
    pub(crate) fn taken() -> usize {
        LOOKED_AT.take()
    }
}
