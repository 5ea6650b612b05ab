//! Reading a request's object field by field: every problem is noted, unknown fields too, and all are answered at once.

use super::{ApiError, Code, Detail};
use crate::limits::PROBLEMS;
use rung_json::Json;

/// What a request says of a field that may be changed or cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch<T> {
    /// Nothing: it stays.
    Keep,
    /// `null`: it is cleared.
    Clear,
    /// A new value.
    Set(T),
}

impl<T> Patch<T> {
    /// The value after the change.
    #[must_use]
    pub fn or(self, present: Option<T>) -> Option<T> {
        match self {
            Self::Keep => present,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// The fields of an object.
///
/// The readers take `impl Fn(&Json) -> Result<T, String>`, whose error completes the sentence "FIELD: …"; [`read`] has some.
pub struct Fields<'a> {
    path: String,
    members: &'a [(String, Json)],
    known: Vec<&'static str>,
    problems: Vec<(Code, Detail)>,
}

impl<'a> Fields<'a> {
    /// The fields of a request's body.
    ///
    /// # Errors
    /// When the body is not an object.
    pub fn of(body: &'a Json) -> Result<Self, ApiError> {
        Self::at(body, "")
    }

    /// The fields of an object within the body, at `path`.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn at(value: &'a Json, path: &str) -> Result<Self, ApiError> {
        let Some(members) = value.as_object() else {
            let field = if path.is_empty() { "body" } else { path };
            return Err(ApiError::of_field(
                Code::InvalidRequest,
                field,
                "must be an object",
            ));
        };
        let path = if path.is_empty() {
            String::new()
        } else {
            format!("{path}.")
        };
        Ok(Self {
            path,
            members,
            known: Vec::new(),
            problems: Vec::new(),
        })
    }

    /// A field that must be there. When it is not, or not right, the problem is noted and a value stands in that nobody sees:
    /// [`Fields::finish`] fails.
    pub fn required<T: Default>(
        &mut self,
        name: &'static str,
        read: impl Fn(&'a Json) -> Result<T, String>,
    ) -> T {
        match self.member(name) {
            Some(value) if *value != Json::Null => {
                self.noted(name, read(value)).unwrap_or_default()
            }
            _ => {
                self.require(name);
                T::default()
            }
        }
    }

    /// Notes that a field is missing which must be there, unless something is wrong with it.
    pub fn require(&mut self, name: &'static str) {
        let field = format!("{}{name}", self.path);
        let is_told = |(_, detail): &(Code, Detail)| {
            let rest = detail.field.strip_prefix(&field);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if !self.problems.iter().any(is_told) {
            self.problems
                .push((Code::InvalidRequest, Detail::missing(field)));
        }
    }

    /// A field that may be missing or `null`.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&'a Json) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.member(name).filter(|value| **value != Json::Null)?;
        self.noted(name, read(value))
    }

    /// A field that may be missing; `null` clears what is there.
    pub fn patch<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&'a Json) -> Result<T, String>,
    ) -> Patch<T> {
        match self.member(name) {
            None => Patch::Keep,
            Some(Json::Null) => Patch::Clear,
            Some(value) => self
                .noted(name, read(value))
                .map_or(Patch::Keep, Patch::Set),
        }
    }

    /// A text of at most so many characters that may be missing, `null` or empty, which all say that there is none: forms send an
    /// empty one where nothing was filled in.
    pub fn text(&mut self, name: &'static str, most: usize) -> Option<String> {
        self.optional(name, read::text_or_none(most)).flatten()
    }

    /// The same that may be changed; `null` or empty, it clears what is there.
    pub fn patch_text(&mut self, name: &'static str, most: usize) -> Patch<String> {
        match self.patch(name, read::text_or_none(most)) {
            Patch::Keep => Patch::Keep,
            Patch::Clear | Patch::Set(None) => Patch::Clear,
            Patch::Set(Some(text)) => Patch::Set(text),
        }
    }

    /// A field that may be missing or `null` and is an object with fields of its own, whose problems are noted with the others;
    /// `None` if there are any.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let members = self.optional(name, |value| read::object(value).map(Json::as_object))??;
        let mut fields = Self {
            path: format!("{}{name}.", self.path),
            members,
            known: Vec::new(),
            problems: Vec::new(),
        };
        let value = read(&mut fields);
        fields.note_unknown();
        let is_right = fields.problems.is_empty();
        self.problems.append(&mut fields.problems);
        is_right.then_some(value)
    }

    /// The fields `since` and `until` of a span `[since, until)`, in milliseconds.
    pub fn span(&mut self) -> (Option<u64>, Option<u64>) {
        let since_ms = self.optional("since", read::time_ms);
        let until_ms = self.optional("until", read::time_ms);
        if since_ms
            .zip(until_ms)
            .is_some_and(|(since_ms, until_ms)| until_ms < since_ms)
        {
            self.problem("until", "is before `since`");
        }
        (since_ms, until_ms)
    }

    /// A field as it is, `null` included.
    pub fn given(&mut self, name: &'static str) -> Option<&'a Json> {
        self.member(name)
    }

    /// Notes a problem with a field.
    pub fn problem(&mut self, name: &str, problem: impl Into<String>) {
        self.problem_of(Code::InvalidRequest, name, problem);
    }

    /// Notes a problem that has a code of its own: the error has it, unless there are problems of other codes.
    pub fn problem_of(&mut self, code: Code, name: &str, problem: impl Into<String>) {
        let detail = Detail::new(code, format!("{}{name}", self.path), problem);
        self.problems.push((code, detail));
    }

    /// Names what is read elsewhere, for those who are told of an unknown field.
    pub fn mention(&mut self, name: &'static str) {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
    }

    /// The problems there are, unknown fields among them: so many that a person can read them, or an answer would be a hundred
    /// times as long as its request.
    ///
    /// # Errors
    /// When there is any.
    pub fn finish(mut self) -> Result<(), ApiError> {
        self.note_unknown();
        let (codes, details): (Vec<_>, Vec<_>) = self.problems.into_iter().unzip();
        let Some(first) = codes.first() else {
            return Ok(());
        };
        let same = codes.iter().all(|code| code == first);
        let code = if same { *first } else { Code::InvalidRequest };
        Err(ApiError::of_fields(code, details))
    }

    /// Notes the fields that nobody has read.
    fn note_unknown(&mut self) {
        for (name, _) in self.members {
            if self.problems.len() >= PROBLEMS {
                break;
            }
            if !self.known.contains(&name.as_str()) {
                let known = self.known.join(", ");
                let problem = if known.is_empty() {
                    "is unknown; no fields are allowed".to_owned()
                } else {
                    format!("is unknown; the known fields are {known}")
                };
                self.problem_of(Code::UnknownField, name, problem);
            }
        }
    }

    fn member(&mut self, name: &'static str) -> Option<&'a Json> {
        self.mention(name);
        self.members
            .iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    fn noted<T>(&mut self, name: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.problem(name, problem)).ok()
    }
}

/// Readers for [`Fields`].
pub mod read {
    use std::borrow::Cow;

    use jiff::Timestamp;

    use rung_base::clock::milliseconds;
    use rung_json::{Json, limits::JSON_DEPTH};

    /// A text of 1 to `most` characters.
    pub fn text(most: usize) -> impl Fn(&Json) -> Result<String, String> {
        move |value| {
            let text = value
                .as_str()
                .filter(|text| (1..=most).contains(&text.chars().count()));
            text.map(str::to_owned)
                .ok_or_else(|| format!("must be a string of 1 to {most} characters"))
        }
    }

    /// A text of at most `most` characters; an empty one is none.
    pub fn text_or_none(most: usize) -> impl Fn(&Json) -> Result<Option<String>, String> {
        move |value| {
            let text = value.as_str().filter(|text| text.chars().count() <= most);
            let text =
                text.ok_or_else(|| format!("must be a string of at most {most} characters"))?;
            Ok((!text.is_empty()).then(|| text.to_owned()))
        }
    }

    /// An id.
    pub fn id<T>(
        parse: impl Fn(&str) -> Result<T, rung_core::domain::id::IdFault>,
    ) -> impl Fn(&Json) -> Result<T, String> {
        move |value| {
            let text = value.as_str().ok_or("must be a string")?;
            parse(text).map_err(|fault| fault.to_string())
        }
    }

    /// A time, in milliseconds since the epoch; what is finer is cut off.
    ///
    /// # Errors
    /// As for [`time`].
    pub fn time_ms(value: &Json) -> Result<u64, String> {
        time(value).map(milliseconds)
    }

    /// A time, to the nanosecond; what is finer is cut off.
    ///
    /// # Errors
    /// When it is not an RFC 3339 time with an offset, or lies before 1970 or after 9999-12-30.
    pub fn time(value: &Json) -> Result<Timestamp, String> {
        let text = value.as_str().filter(|text| is_rfc3339(text));
        let time = text.and_then(|text| to_nanoseconds(text).parse::<Timestamp>().ok());
        time.filter(|time| *time >= Timestamp::UNIX_EPOCH).ok_or_else(|| {
            "must be an RFC 3339 time from 1970 to 9999-12-30 with an offset, such as 2026-01-31T12:00:00Z"
                .to_owned()
        })
    }

    /// The text of a time of [that form](is_rfc3339) with nine digits of a second's fraction at most: the parser takes no more.
    fn to_nanoseconds(text: &str) -> Cow<'_, str> {
        match text.split_at_checked("0000-00-00T00:00:00.000000000".len()) {
            Some((time, rest)) if time[20..].bytes().all(|byte| byte.is_ascii_digit()) => {
                let offset = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                Cow::Owned(format!("{time}{offset}"))
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// Whether a text has the form of RFC 3339, section 5.6; the parser of times also knows other forms. Whether there is such
    /// a time is the parser's to say.
    fn is_rfc3339(text: &str) -> bool {
        let digits_like = |text: &str, form: &str| {
            text.len() == form.len()
                && text
                    .bytes()
                    .zip(form.bytes())
                    .all(|(byte, form)| match form {
                        b'0' => byte.is_ascii_digit(),
                        _ => byte.eq_ignore_ascii_case(&form),
                    })
        };
        let Some((seconds, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
            return false;
        };
        let offset = match rest.strip_prefix('.') {
            Some(fraction) => {
                let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
                if offset.len() == fraction.len() {
                    return false;
                }
                offset
            }
            None => rest,
        };
        digits_like(seconds, "0000-00-00T00:00:00")
            && (digits_like(offset, "Z")
                || ["+00:00", "-00:00"]
                    .iter()
                    .any(|form| digits_like(offset, form) && offset[1..] < *"24:00"))
    }

    /// A whole number between two, both included.
    pub fn number(from: u32, to: u32) -> impl Fn(&Json) -> Result<u32, String> {
        move |value| {
            let number = value.as_unsigned();
            number
                .and_then(|number| u32::try_from(number).ok())
                .filter(|number| (from..=to).contains(number))
                .ok_or_else(|| format!("must be an integer from {from} to {to}"))
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(value: &Json) -> Result<bool, String> {
        match value {
            Json::Bool(flag) => Ok(*flag),
            _ => Err("must be true or false".to_owned()),
        }
    }

    /// `true` or `false` as the value of a parameter.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag_text(value: &Json) -> Result<bool, String> {
        match value.as_str() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => Err("must be `true` or `false`".to_owned()),
        }
    }

    /// An object, as it is.
    ///
    /// # Errors
    /// When it is something else.
    pub fn object(value: &Json) -> Result<&Json, String> {
        value
            .as_object()
            .map(|_| value)
            .ok_or_else(|| "must be an object".to_owned())
    }

    /// An object of an event: its data, its metadata.
    ///
    /// # Errors
    /// When it is something else, or nested deeper than data may be.
    pub fn payload(value: &Json) -> Result<&Json, String> {
        let object = object(value)?;
        let shallow = object.depth() <= JSON_DEPTH;
        shallow
            .then_some(object)
            .ok_or_else(|| format!("must be at most {JSON_DEPTH} levels deep"))
    }

    /// A list, as it is.
    ///
    /// # Errors
    /// When it is something else.
    pub fn list(value: &Json) -> Result<&[Json], String> {
        value.as_array().ok_or_else(|| "must be a list".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_answered_at_once() {
        let body = Json::parse(br#"{"url": 7, "nmae": "x", "at": "yesterday"}"#, 8).unwrap();
        let mut fields = Fields::of(&body).unwrap();
        fields.required("url", read::text(10));
        fields.required("events", read::list);
        fields.optional("name", read::text(5));
        fields.optional("at", read::time_ms);
        let error = fields.finish().unwrap_err();
        let named: Vec<_> = error
            .details
            .iter()
            .map(|detail| detail.field.as_str())
            .collect();
        assert_eq!(named, ["url", "events", "at", "nmae"]);
        assert!(error.message.starts_with("url: "), "{}", error.message);
    }

    #[test]
    fn an_unknown_field_is_answered_with_each_known_one_once() {
        let body = Json::parse(br#"{"nmae": "x"}"#, 8).unwrap();
        let mut fields = Fields::of(&body).unwrap();
        fields.mention("headers");
        fields.given("name");
        fields.optional("name", read::text(5));
        fields.given("headers");
        let error = fields.finish().unwrap_err();
        assert_eq!(
            error.details[0].problem,
            "is unknown; the known fields are headers, name"
        );
    }

    #[test]
    fn of_very_many_problems_some_are_answered() {
        let members: String = (0..50_000).map(|n| format!("\"{n}\":0,")).collect();
        let body = format!("{{{members}\"last\":0}}");
        let body = Json::parse(body.as_bytes(), 8).unwrap();
        let error = Fields::of(&body).unwrap().finish().unwrap_err();
        assert_eq!(error.details.len(), PROBLEMS);
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        let read = |text: &str| read::time_ms(&Json::String(text.to_owned())).ok();
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-12-14T15:29:18Z", 1_734_190_158_000),
            ("2024-12-14t15:29:18z", 1_734_190_158_000),
            ("2024-12-14T15:29:18.821Z", 1_734_190_158_821),
            ("2024-12-14T15:29:18.821999999Z", 1_734_190_158_821),
            ("2024-12-14T15:29:18.8219999999Z", 1_734_190_158_821),
            (
                "2024-12-14T20:59:18.82199999999999999999+05:30",
                1_734_190_158_821,
            ),
            ("2024-12-14T20:59:18.8219+05:30", 1_734_190_158_821),
            ("2024-12-14T20:59:18+05:30", 1_734_190_158_000),
            ("2024-12-14T07:29:18.5-08:00", 1_734_190_158_500),
            ("9999-12-30T22:00:00Z", 253_402_207_200_000),
        ] {
            assert_eq!(read(text), Some(ms), "{text}");
        }
        let precise = |text: &str| read::time(&Json::String(text.to_owned())).unwrap();
        assert_eq!(
            precise("2024-12-14T15:29:18.1234567899Z"),
            precise("2024-12-14T15:29:18.123456789Z"),
        );
        for text in [
            "",
            "yesterday",
            "2024-12-14",
            "2024-12-14T15:29:18",
            "2024-12-14T15:29Z",
            "2024-12-14T15Z",
            "2024-12-14 15:29:18Z",
            "20241214T152918Z",
            "2024-12-14T152918Z",
            "2024-12-14T15:29:18,5Z",
            "2024-12-14T15:29:18.Z",
            "2024-12-14T15:29:18.1234567890",
            "2024-12-14T15:29:18.1234567890+05:30:00",
            "2024-12-14T15:29:18+05",
            "2024-12-14T15:29:18+0530",
            "2024-12-14T15:29:18+24:00",
            "2024-12-14T15:29:18-30:00",
            "2024-12-14T15:29:18+05:30:00",
            "2024-12-14T15:29:18Z[UTC]",
            "2024-12-14T15:29:18+01:00[Europe/Berlin]",
            "2024-W50-6T15:29:18Z",
            "2024-13-14T15:29:18Z",
            "2024-02-30T15:29:18Z",
            "2024-12-14T24:00:00Z",
            "+002024-12-14T15:29:18Z",
            "+010000-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            " 2024-12-14T15:29:18Z",
            "2024-12-14T15:29:18Z\n",
            "2024-12-14T15:29:18é",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn null_clears_and_absence_keeps() {
        let body = Json::parse(br#"{"a": null, "b": "x"}"#, 8).unwrap();
        let mut fields = Fields::of(&body).unwrap();
        assert_eq!(fields.patch("a", read::text(5)), Patch::Clear);
        assert_eq!(fields.patch("b", read::text(5)), Patch::Set("x".to_owned()));
        assert_eq!(fields.patch("c", read::text(5)), Patch::Keep);
        fields.finish().unwrap();
    }
}
