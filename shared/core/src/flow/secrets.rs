//! A webhook's secrets, and texts of a receiver's without them.
//!
//! Some receivers echo what they get, and some dialects send the secret itself. An echo is written as the receiver's own page or
//! JSON is, so a text is looked through as it stands and as each usual way of writing reads it. Each look takes time in proportion to
//! the text, and there is a bound to the looks.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::domain::webhook::Webhook;

/// Shortest secret, or part of one, that is looked for, in bytes: what is shorter stands in other words.
const SHORTEST_BYTES: usize = 6;
/// Most parts of a webhook's secret headers that are looked for besides their whole values.
const MOST_PARTS: usize = 32;
/// A scheme of `Authorization` whose credentials are packed.
const BASIC: &str = "Basic";
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What must not be shown of a webhook: its secrets, the values of its secret headers, and the credentials within these.
pub(super) struct Secrets(Vec<Hidden>);

struct Hidden {
    secret: String,
    /// What is shown in its place.
    words: String,
}

impl Secrets {
    pub(super) fn of(webhook: &Webhook) -> Self {
        let old = webhook.old_secrets.iter().map(|old| &old.secret);
        let own = old.chain([&webhook.secret]);
        let mut all = Self(Vec::new());
        for secret in own {
            all.hide(secret.expose().as_bytes(), "[the secret]");
        }
        let values = webhook.secret_headers.iter();
        let values: Vec<_> = values
            .map(|(name, value)| (value.expose(), format!("[the value of {name}]")))
            .collect();
        for (value, words) in &values {
            all.hide(value.as_bytes(), words);
        }
        let most = all.0.len() + MOST_PARTS;
        for (value, words) in &values {
            for part in parts(value) {
                if all.0.len() < most {
                    all.hide(&part, words);
                }
            }
        }
        all
    }

    fn hide(&mut self, secret: &[u8], words: &str) {
        let secret = one_by_one(secret);
        if secret.len() >= SHORTEST_BYTES && self.0.iter().all(|hidden| hidden.secret != secret) {
            self.0.push(Hidden {
                secret,
                words: words.to_owned(),
            });
        }
    }

    /// A text with other words in their place.
    pub(super) fn taken_out_of(&self, text: String) -> String {
        self.taken_out(text, true)
    }

    /// The same of the beginning of a text: it may end within a secret.
    pub(super) fn taken_out_of_beginning(&self, text: String) -> String {
        self.taken_out(text, false)
    }

    fn taken_out(&self, text: String, is_whole: bool) -> String {
        let mut found: Vec<(usize, usize, &str)> = Vec::new();
        for reading in Reading::all_of(&text) {
            for Hidden { secret, words } in &self.0 {
                let places = reading.text.match_indices(&**secret);
                found.extend(places.map(|(at, _)| {
                    let (from, to) = reading.place(at, at + secret.len());
                    (from, to, &**words)
                }));
                let end = (!is_whole).then(|| begun_at_end(&reading.text, secret));
                if let Some(at) = end.flatten() {
                    // With what was left out because it breaks off.
                    let (from, _) = reading.place(at, at);
                    found.push((from, text.len(), words));
                }
            }
        }
        if found.is_empty() {
            return text;
        }
        found.sort_by_key(|&(from, to, _)| (from, usize::MAX - to));
        let mut shown = String::with_capacity(text.len());
        let mut at = 0;
        for (from, to, words) in found {
            if from >= at {
                shown.push_str(text.get(at..from).unwrap_or_default());
                shown.push_str(words);
            }
            // Of two that overlap, nothing is left of either.
            at = at.max(to);
        }
        shown.push_str(text.get(at..).unwrap_or_default());
        shown
    }
}

/// The credentials within a header's value: the words but the scheme, the values of parameters and cookies, and what is packed.
fn parts(value: &str) -> Vec<Vec<u8>> {
    let (scheme, rest) = match value.split_once(' ') {
        Some((scheme, rest)) if !scheme.contains(['=', ',', ';']) => (scheme, rest),
        _ => ("", value),
    };
    let mut parts = Vec::new();
    if scheme.eq_ignore_ascii_case(BASIC)
        && let Ok(pair) = BASE64.decode(rest.trim())
    {
        let colon = pair.iter().position(|&byte| byte == b':');
        let password = colon.and_then(|colon| pair.get(colon + 1..));
        parts.extend(password.map(<[u8]>::to_vec));
        parts.push(pair);
    }
    parts.push(rest.trim().into());
    for word in rest.split([' ', ',', ';']) {
        parts.push(word.into());
        if let Some((_, value)) = word.split_once('=') {
            parts.push(value.trim_matches('"').into());
        }
    }
    parts
}

/// Where the end of a text begins that is the beginning of a secret, if it is.
fn begun_at_end(text: &str, secret: &str) -> Option<usize> {
    let (text, secret) = (text.as_bytes(), secret.as_bytes());
    let longest = (secret.len() - 1).min(text.len());
    (SHORTEST_BYTES..=longest)
        .rev()
        .find(|&length| text.ends_with(secret.get(..length).unwrap_or_default()))
        .map(|length| text.len() - length)
}

/// Each byte as a character of its own, so that bytes that are no text can be looked through as quickly as text.
fn one_by_one(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// A text as one way of writing reads it.
struct Reading {
    /// Its bytes, one by one.
    text: String,
    /// Where each byte of `text` is from.
    from: Vec<(usize, usize)>,
}

/// What the beginning of a text reads as, and how long it is: if it is no character of its own, or the text breaks off in it.
type Way = fn(&str) -> Option<(Vec<u8>, usize)>;

impl Reading {
    /// All readings of a text that differ.
    fn all_of(text: &str) -> Vec<Self> {
        let mut places = Vec::new();
        let bytes = one_by_one(text.as_bytes());
        for (at, character) in bytes.chars().enumerate() {
            places.resize(places.len() + character.len_utf8(), (at, at + 1));
        }
        let plain = Self {
            text: bytes,
            from: places,
        };
        let mut readings = vec![plain];
        // JSON within JSON, within a page, and a page within JSON.
        for ways in [
            &[escaped as Way][..],
            &[escaped, escaped],
            &[percent],
            &[form],
            &[entity],
            &[entity, escaped],
            &[escaped, entity],
        ] {
            let mut reading = None;
            for &way in ways {
                let before = reading.as_ref().or_else(|| readings.first());
                reading = before.and_then(|before| before.read(way));
                if reading.is_none() {
                    break;
                }
            }
            readings.extend(reading);
        }
        readings
    }

    /// What this reads as, if that differs.
    fn read(&self, way: Way) -> Option<Self> {
        let mut read = Self {
            text: String::with_capacity(self.text.len()),
            from: Vec::with_capacity(self.text.len()),
        };
        let (mut at, mut differs) = (0, false);
        while let Some(rest) = self.text.get(at..)
            && let Some(character) = rest.chars().next()
        {
            let (bytes, length) = match way(rest) {
                Some(spelled) => {
                    differs = true;
                    (one_by_one(&spelled.0), spelled.1)
                }
                None => (character.to_string(), character.len_utf8()),
            };
            let place = self.place(at, at + length);
            read.from.resize(read.from.len() + bytes.len(), place);
            read.text.push_str(&bytes);
            at += length;
        }
        differs.then_some(read)
    }

    /// Where in the text it was read from something is.
    fn place(&self, from: usize, to: usize) -> (usize, usize) {
        let first = self.from.get(from).map_or(0, |place| place.0);
        let last = to.checked_sub(1).and_then(|last| self.from.get(last));
        (first, last.map_or(first, |place| place.1))
    }
}

/// A character behind a backslash, as JSON, JavaScript and Rust write it.
fn escaped(text: &str) -> Option<(Vec<u8>, usize)> {
    let rest = text.strip_prefix('\\')?;
    let one = |byte: u8| Some((vec![byte], 2));
    match rest.bytes().next() {
        None => Some((Vec::new(), 1)),
        Some(byte @ (b'"' | b'\'' | b'\\' | b'/')) => one(byte),
        Some(b'b') => one(8),
        Some(b'f') => one(12),
        Some(b'n') => one(b'\n'),
        Some(b'r') => one(b'\r'),
        Some(b't') => one(b'\t'),
        Some(b'x') => digits(text, 2, 2).map(|(code, length)| (code.map_or(vec![], byte), length)),
        Some(b'u') => digits(text, 2, 4).map(|(code, length)| (code.map_or(vec![], utf8), length)),
        Some(_) => None,
    }
}

/// A byte behind a percent sign.
fn percent(text: &str) -> Option<(Vec<u8>, usize)> {
    text.strip_prefix('%')?;
    digits(text, 1, 2).map(|(code, length)| (code.map_or(vec![], byte), length))
}

/// The same, and a plus sign for a blank.
fn form(text: &str) -> Option<(Vec<u8>, usize)> {
    match text.strip_prefix('+') {
        Some(_) => Some((vec![b' '], 1)),
        None => percent(text),
    }
}

/// An entity of HTML.
fn entity(text: &str) -> Option<(Vec<u8>, usize)> {
    /// As long as `&#x0010ffff;`.
    const LONGEST_BYTES: usize = 12;
    let rest = text.strip_prefix('&')?;
    let length = rest.bytes().take(LONGEST_BYTES - 1);
    let length = length
        .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#')
        .count();
    let (name, behind) = rest.split_at_checked(length)?;
    if behind.is_empty() {
        return Some((Vec::new(), text.len()));
    }
    behind.strip_prefix(';')?;
    let code = match name {
        "amp" => u32::from(b'&'),
        "lt" => u32::from(b'<'),
        "gt" => u32::from(b'>'),
        "quot" => u32::from(b'"'),
        "apos" => u32::from(b'\''),
        name => {
            let number = name.strip_prefix('#')?;
            let hex = number.strip_prefix(['x', 'X']);
            hex.map_or_else(|| number.parse(), |hex| u32::from_str_radix(hex, 16))
                .ok()?
        }
    };
    Some((utf8(code), length + 2))
}

/// The number of so many hexadecimal digits from `at` on, `None` where the text breaks off, and how long it is with all before.
fn digits(text: &str, at: usize, many: usize) -> Option<(Option<u32>, usize)> {
    let rest = text.get(at..)?;
    let digits = rest.get(..many).unwrap_or(rest);
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let code = u32::from_str_radix(digits, 16).ok();
    Some((code.filter(|_| digits.len() == many), at + digits.len()))
}

fn byte(code: u32) -> Vec<u8> {
    u8::try_from(code).into_iter().collect()
}

fn utf8(code: u32) -> Vec<u8> {
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    character.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hiding(values: &[&str]) -> Secrets {
        let mut secrets = Secrets(Vec::new());
        for value in values {
            secrets.hide(value.as_bytes(), "S");
        }
        secrets
    }

    fn without(text: &str, secret: &str) -> String {
        hiding(&[secret]).taken_out_of(text.to_owned())
    }

    #[test]
    fn an_echoed_secret_is_found_however_it_is_written() {
        let secret = r#"to/ken+"q\uot=="#;
        for (written, shown) in [
            (r#"got to/ken+"q\uot==."#, "got S."),
            (r#"{"a":"to/ken+\"q\\uot=="}"#, r#"{"a":"S"}"#),
            (r#"{"a":"to\/ken+\"q\\uot=="}"#, r#"{"a":"S"}"#),
            (r#"{"a":"\u0074o\/ken\u002B\"q\x5cuot=="}"#, r#"{"a":"S"}"#),
            (
                r#"{"a":"{\"b\":\"to\/ken+\\\"q\\\\uot==\"}"}"#,
                r#"{"a":"{\"b\":\"S\"}"}"#,
            ),
            ("a=to%2Fken%2B%22q%5Cuot%3D%3D&b=1", "a=S&b=1"),
            ("a=to%2fken%2b%22q%5cuot%3d%3d&b=1", "a=S&b=1"),
            ("a=to/ken+%22q%5Cuot==&b=1", "a=S&b=1"),
            (r"<p>to/ken+&quot;q\uot==</p>", "<p>S</p>"),
            (r"<p>to/ken+&#34;q\uot==</p>", "<p>S</p>"),
            (r"<p>to&#x2F;ken&#43;&#X22;q\uot&#x3d;=</p>", "<p>S</p>"),
            (
                r#"{"page":"<p>to\/ken+&quot;q\\uot==<\/p>"}"#,
                r#"{"page":"<p>S<\/p>"}"#,
            ),
            (
                r"<pre>&quot;to/ken+\&quot;q\\uot==&quot;</pre>",
                "<pre>&quot;S&quot;</pre>",
            ),
            ("é to/ken", "é to/ken"),
        ] {
            assert_eq!(without(written, secret), shown);
        }
        assert_eq!(
            without("a&amp;b&lt;c&gt;d&apos;e &amp;", "a&b<c>d'e"),
            "S &amp;"
        );
        assert_eq!(without("ö sch%C3%B6nes ö", "schönes"), "ö S ö");
        assert_eq!(without("a=a+b%20c", "a b c d"), "a=a+b%20c");
        assert_eq!(without("a+b+c a%20b%20c", "a b c"), "a+b+c a%20b%20c");
        assert_eq!(without("a+b+cd a%20b%20cd", "a b cd"), "S S");
    }

    #[test]
    fn what_the_end_cuts_in_two_is_found() {
        let secrets = hiding(&["abc/defghi"]);
        for (beginning, shown) in [
            ("got abc/def", "got S"),
            ("got abc/d", "got abc/d"),
            ("got abc%2Fdef", "got S"),
            ("got abc%2Fdef%6", "got S"),
            (r"got abc\/def\u00", "got S"),
            ("got abc&#47;def&#x", "got S"),
            ("got abc/def.", "got abc/def."),
        ] {
            let text = beginning.to_owned();
            assert_eq!(secrets.taken_out_of_beginning(text), shown, "{beginning}");
            assert_eq!(secrets.taken_out_of(beginning.to_owned()), beginning);
        }
    }

    #[test]
    fn secrets_that_overlap_leave_nothing() {
        let secrets = hiding(&["abcdefgh", "efghijkl", "abcdef"]);
        assert_eq!(secrets.taken_out_of("<abcdefghijkl>".into()), "<S>");
        assert_eq!(secrets.taken_out_of("<abcdef>".into()), "<S>");
    }

    #[test]
    fn credentials_within_a_value_are_found() {
        let parts = |value: &str| -> Vec<String> {
            let parts = parts(value).into_iter();
            let long = parts.filter(|part| part.len() >= SHORTEST_BYTES);
            let mut parts: Vec<_> = long.map(|part| one_by_one(&part)).collect();
            parts.dedup();
            parts
        };
        assert_eq!(parts("Bearer abcdefg"), ["abcdefg"]);
        assert_eq!(
            parts("lang=de; sid=COOKIE00"),
            [
                "lang=de; sid=COOKIE00",
                "lang=de",
                "sid=COOKIE00",
                "COOKIE00"
            ]
        );
        assert!(parts(r#"Token token="TOKEN000", nonce="x""#).contains(&"TOKEN000".to_owned()));
        let basic = parts("Basic YWRtaW46aHVudGVyMnBhc3M=");
        assert_eq!(
            basic[..3],
            [
                "hunter2pass",
                "admin:hunter2pass",
                "YWRtaW46aHVudGVyMnBhc3M="
            ]
        );
        assert_eq!(parts("basic YWRtaW46aHVudGVyMnBhc3M")[..2], basic[..2]);
    }

    /// By the number of looks: each is a search in time that is in proportion to the text.
    #[test]
    fn the_looks_have_a_bound() {
        let text = r#"&amp;\"%20+"#.repeat(100);
        assert_eq!(Reading::all_of(&text).len(), 7);
        let mut secrets = Secrets(Vec::new());
        for n in 0..100 {
            secrets.hide(format!("secret {}", n % 10).as_bytes(), "S");
        }
        assert_eq!(secrets.0.len(), 10);
    }
}
