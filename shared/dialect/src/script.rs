//! JSON as the serialisers of scripting languages write it, byte for byte.
//!
//! Some receivers verify a signature over a body that they parsed and wrote again. They see the bytes that were signed if those are
//! the ones that their own language writes: `JSON.stringify` of JavaScript, `json.dumps` of Python with its defaults, `json_encode` of
//! PHP with its defaults, for a body that was decoded into objects.

use rung_json::{Json, UnstableNumber, UnstableNumbers, in_script_order, write_string};

/// Whose serialiser writes the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Script {
    /// Compact; what is not ASCII as it is.
    #[default]
    Js,
    /// A blank after `,` and `:`, what is not ASCII escaped, `1.0` stays a float.
    Python,
    /// Compact, what is not ASCII and `/` escaped.
    Php,
}

impl Script {
    pub(super) const ALL: [(&'static str, Self); 3] = [
        ("javascript", Self::Js),
        ("python", Self::Python),
        ("php", Self::Php),
    ];

    /// The language, as people write it.
    pub(super) fn language(self) -> &'static str {
        match self {
            Self::Js => "JavaScript",
            Self::Python => "Python",
            Self::Php => "PHP",
        }
    }

    /// What stands between two members or elements.
    pub(super) fn comma(self) -> &'static [u8] {
        match self {
            Self::Python => b", ",
            Self::Js | Self::Php => b",",
        }
    }

    /// Whether its parser takes an object that has a member of this name.
    pub(super) fn reads_name(self, key: &str) -> bool {
        // The properties of PHP's objects are named otherwise.
        self != Self::Php || !key.starts_with('\0')
    }

    /// Appends `"key":`.
    pub(super) fn write_key(self, key: &str, out: &mut Vec<u8>) {
        self.write_string(key, out);
        out.extend_from_slice(match self {
            Self::Python => b": ",
            Self::Js | Self::Php => b":",
        });
    }

    /// Appends a string in its quotes.
    pub(super) fn write_string(self, text: &str, out: &mut Vec<u8>) {
        if self == Self::Js {
            return write_string(text, out);
        }
        out.push(b'"');
        self.write_text(text, out);
        out.push(b'"');
    }

    /// Appends what stands between a string's quotes.
    pub(super) fn write_text(self, text: &str, out: &mut Vec<u8>) {
        let mut quoted = Vec::with_capacity(text.len() + 2);
        write_string(text, &mut quoted);
        let inner = &quoted[1..quoted.len() - 1];
        if self == Self::Js {
            out.extend_from_slice(inner);
            return;
        }
        for one in String::from_utf8_lossy(inner).chars() {
            match one {
                '/' if self == Self::Php => out.extend_from_slice(b"\\/"),
                '\u{7f}' if self == Self::Python => out.extend_from_slice(b"\\u007f"),
                one if one.is_ascii() => out.push(one as u8),
                one => {
                    for unit in one.encode_utf16(&mut [0; 2]) {
                        out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                    }
                }
            }
        }
    }

    /// Appends a value.
    ///
    /// # Errors
    /// Under [`UnstableNumbers::Refuse`], when a number's value would not survive. `out` is then left half written.
    pub(super) fn write(
        self,
        value: &Json,
        numbers: UnstableNumbers,
        out: &mut Vec<u8>,
    ) -> Result<(), UnstableNumber> {
        match value {
            _ if self == Self::Js => return value.write_canonical(numbers, out),
            Json::Null | Json::Bool(_) => return value.write_canonical(numbers, out),
            Json::Number(raw) => return self.write_number(raw, numbers, out),
            Json::String(text) => self.write_string(text, out),
            Json::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(self.comma());
                    }
                    self.write(element, numbers, out).map_err(|mut fault| {
                        fault.path.enter_index(index);
                        fault
                    })?;
                }
                out.push(b']');
            }
            Json::Object(members) => {
                out.push(b'{');
                for (position, (key, value)) in in_script_order(members).enumerate() {
                    if position > 0 {
                        out.extend_from_slice(self.comma());
                    }
                    self.write_key(key, out);
                    self.write(value, numbers, out).map_err(|mut fault| {
                        fault.path.enter_key(key);
                        fault
                    })?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }

    fn write_number(
        self,
        raw: &str,
        numbers: UnstableNumbers,
        out: &mut Vec<u8>,
    ) -> Result<(), UnstableNumber> {
        let is_whole = !raw.contains(['.', 'e', 'E']);
        match self {
            Self::Python if is_whole => {
                out.extend_from_slice(if raw == "-0" { b"0" } else { raw.as_bytes() });
                return Ok(());
            }
            // PHP writes a negative zero as `-0` and reads that as `0`: only the latter stays what it is.
            Self::Php if is_zero(raw) => {
                out.push(b'0');
                return Ok(());
            }
            Self::Php if is_whole && raw.parse::<i64>().is_ok() => {
                out.extend_from_slice(raw.as_bytes());
                return Ok(());
            }
            _ => {}
        }
        // Both have floats as doubles, as JavaScript has: what does not survive there does not here.
        let mut script = Vec::with_capacity(raw.len());
        let written = Json::Number(raw.into()).write_canonical(numbers, &mut script);
        written.map_err(|fault| UnstableNumber {
            reader: self.language(),
            ..fault
        })?;
        let is_kept = Json::Number(raw.into())
            .write_canonical(UnstableNumbers::Refuse, &mut Vec::new())
            .is_err();
        match raw.parse::<f64>() {
            Ok(double) if !is_kept => out.extend_from_slice(self.float(double).as_bytes()),
            _ => out.extend_from_slice(raw.as_bytes()),
        }
        Ok(())
    }

    /// The shortest digits that are this double, in the language's notation.
    fn float(self, double: f64) -> String {
        let shortest = format!("{double:e}");
        let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
        let (sign, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", mantissa),
        };
        let exponent: i32 = exponent.parse().unwrap_or(0);
        // Python's `repr` and PHP's `serialize_precision = -1`.
        let last_plain = if self == Self::Python { 15 } else { 16 };
        if double != 0.0 && !(-4..=last_plain).contains(&exponent) {
            let (mark, digits) = if exponent < 0 {
                ("-", -exponent)
            } else {
                ("+", exponent)
            };
            return match self {
                Self::Python => format!("{sign}{mantissa}e{mark}{digits:02}"),
                _ if mantissa.contains('.') => format!("{sign}{mantissa}e{mark}{digits}"),
                _ => format!("{sign}{mantissa}.0e{mark}{digits}"),
            };
        }
        let plain = format!("{}", double.abs());
        let fraction = if self == Self::Python && !plain.contains('.') {
            ".0"
        } else {
            ""
        };
        format!("{sign}{plain}{fraction}")
    }
}

/// Whether a number is zero, and not just too small for a double.
fn is_zero(raw: &str) -> bool {
    let mantissa = raw.split(['e', 'E']).next().unwrap_or(raw);
    mantissa
        .bytes()
        .all(|byte| matches!(byte, b'-' | b'0' | b'.'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(script: Script, text: &str) -> String {
        let value = Json::parse(text.as_bytes(), 10).unwrap();
        let mut out = Vec::new();
        script
            .write(&value, UnstableNumbers::Keep, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What Python 3.12 prints for `json.dumps(json.loads(text))`.
    #[test]
    fn python_writes_as_json_dumps_does() {
        for (text, expected) in [
            (
                r#"{"a":[1,2.0,{}],"ü/":"é\u007f😀\n"}"#,
                r#"{"a": [1, 2.0, {}], "\u00fc/": "\u00e9\u007f\ud83d\ude00\n"}"#,
            ),
            ("1e2", "100.0"),
            ("1.10", "1.1"),
            ("1e16", "1e+16"),
            ("1e15", "1000000000000000.0"),
            ("0.00001", "1e-05"),
            ("0.0001", "0.0001"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
            ("1.5e300", "1.5e+300"),
        ] {
            assert_eq!(written(Script::Python, text), expected, "{text}");
        }
    }

    /// What PHP 8 prints for `json_encode(json_decode(text))`.
    #[test]
    fn php_writes_as_json_encode_does() {
        for (text, expected) in [
            (
                r#"{"a":[1,2.0,{}],"ü/":"é😀\u0001"}"#,
                r#"{"a":[1,2,{}],"\u00fc\/":"\u00e9\ud83d\ude00\u0001"}"#,
            ),
            ("0.00001", "1.0e-5"),
            ("1.5e25", "1.5e+25"),
            ("1e25", "1.0e+25"),
            ("12.50", "12.5"),
            ("9223372036854775807", "9223372036854775807"),
            ("1e2", "100"),
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("-0e3", "0"),
        ] {
            assert_eq!(written(Script::Php, text), expected, "{text}");
        }
    }

    #[test]
    fn a_double_that_loses_digits_is_refused_or_kept() {
        let value = Json::Number("0.12345678901234567890".into());
        for script in [Script::Python, Script::Php] {
            let refused = script.write(&value, UnstableNumbers::Refuse, &mut Vec::new());
            assert!(refused.is_err());
        }
        assert_eq!(
            written(Script::Python, "0.12345678901234567890"),
            "0.12345678901234567890"
        );
    }
}
