//! Numbers as text: JavaScript's spelling, and exact comparison of decimal values.

use std::cmp::Ordering;

/// The number `raw` as JavaScript would write it after reading it, appended to `out`; `false`, with nothing appended, if
/// that would be another decimal value.
pub(super) fn write_as_script(raw: &str, out: &mut Vec<u8>) -> bool {
    // Up to 15 digits every integer is a double, and JavaScript writes it plainly.
    let is_short_integer = raw.len() <= 15
        && raw
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_short_integer && raw != "-0" {
        out.extend_from_slice(raw.as_bytes());
        return true;
    }
    let Ok(value) = raw.parse::<f64>() else {
        return false;
    };
    let mut buffer = ryu_js::Buffer::new();
    let script = buffer.format(value);
    let same = script == raw || Decimal::of(script) == Decimal::of(raw);
    if same {
        out.extend_from_slice(script.as_bytes());
    }
    same
}

/// The decimal value of `raw` in one spelling for all spellings of it, appended to `out`.
pub(super) fn write_normalised(raw: &str, out: &mut Vec<u8>) {
    let decimal = Decimal::of(raw);
    if decimal.digits.is_empty() {
        out.push(b'0');
        return;
    }
    if decimal.negative {
        out.push(b'-');
    }
    out.extend_from_slice(&decimal.digits);
    out.extend_from_slice(format!("e{}", decimal.exponent).as_bytes());
}

/// `±digits × 10^exponent`, with neither leading nor trailing zeros; zero has no digits and no sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    /// Saturates: numbers below 10^-(2^63) count as one another's equals.
    exponent: i64,
}

impl Decimal {
    /// The value of `raw`, a number by RFC 8259 section 6.
    pub(crate) fn of(raw: &str) -> Self {
        let (negative, unsigned) = match raw.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, raw),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));

        let mut digits: Vec<u8> = integer
            .bytes()
            .chain(fraction.bytes())
            .skip_while(|digit| *digit == b'0')
            .collect();
        let significant = digits
            .iter()
            .rposition(|digit| *digit != b'0')
            .map_or(0, |last| last + 1);
        if significant == 0 {
            return Self {
                negative: false,
                digits: Vec::new(),
                exponent: 0,
            };
        }
        let trailing_zeros = digits.len() - significant;
        digits.truncate(significant);
        let shift = trailing_zeros as i64 - fraction.len() as i64;
        Self {
            negative,
            digits,
            exponent: parse_exponent(exponent).saturating_add(shift),
        }
    }
}

impl Decimal {
    /// Whether it has nothing behind its point.
    pub(crate) fn is_integer(&self) -> bool {
        self.digits.is_empty() || self.exponent >= 0
    }

    /// Whether it is above zero.
    pub(crate) fn is_positive(&self) -> bool {
        !self.negative && !self.digits.is_empty()
    }

    /// Whether it has at most so many digits, and its last one stands at most so many places before or behind the point.
    pub(crate) fn fits(&self, digits: usize, places: i64) -> bool {
        self.digits.len() <= digits && (-places..=places).contains(&self.exponent)
    }

    /// Whether it is a whole number of `step`s, which is above zero and has at most 18 digits.
    pub(crate) fn is_multiple_of(&self, step: &Self) -> bool {
        if self.digits.is_empty() {
            return true;
        }
        // The last digit is none of 0: what reaches further behind the point than the step is no multiple of it.
        let Ok(zeros) = u64::try_from(self.exponent.saturating_sub(step.exponent)) else {
            return false;
        };
        let append = |number: u128, digit: &u8| number * 10 + u128::from(digit - b'0');
        let step = step.digits.iter().fold(0, append);
        let mut rest = self
            .digits
            .iter()
            .fold(0, |rest, digit| append(rest, digit) % step);
        for _ in 0..zeros {
            if rest == 0 {
                break;
            }
            rest = rest * 10 % step;
        }
        rest == 0
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match (decimal.digits.is_empty(), decimal.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        // Without leading and trailing zeros, digits that start at the same place compare as texts do.
        let first_place =
            |decimal: &Self| decimal.exponent.saturating_add(decimal.digits.len() as i64);
        sign(self).cmp(&sign(other)).then_with(|| {
            let size = first_place(self)
                .cmp(&first_place(other))
                .then_with(|| self.digits.cmp(&other.digits));
            if self.negative { size.reverse() } else { size }
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn parse_exponent(text: &str) -> i64 {
    let limit = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    text.parse().unwrap_or(limit)
}

/// The array index that `key` is to JavaScript (ECMA-262, "array index"): such keys come first, ascending, in every object.
pub(crate) fn array_index(key: &str) -> Option<u32> {
    let bytes = key.as_bytes();
    let canonical = match bytes {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 10 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    key.parse().ok().filter(|index| *index < u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_script(raw: &str) -> Option<String> {
        let mut out = Vec::new();
        write_as_script(raw, &mut out).then(|| String::from_utf8_lossy(&out).into_owned())
    }

    fn normalised(raw: &str) -> String {
        let mut out = Vec::new();
        write_normalised(raw, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn numbers_are_spelled_as_javascript_does_where_the_value_stays() {
        for (raw, script) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0e9", "0"),
            ("1.0", "1"),
            ("2.99", "2.99"),
            ("1e21", "1e+21"),
            ("1E2", "100"),
            ("100000000000000000000", "100000000000000000000"),
            ("1000000000000000000000", "1e+21"),
            ("0.0000001", "1e-7"),
            ("0.00000100", "0.000001"),
            ("9007199254740992", "9007199254740992"),
            ("-1.7976931348623157e308", "-1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
        ] {
            assert_eq!(as_script(raw).as_deref(), Some(script), "{raw}");
        }
    }

    #[test]
    fn a_value_that_a_double_would_change_is_not_spelled() {
        for raw in [
            "9007199254740993",
            "0.1000000000000000055511151231257827",
            "123456789012345678e-2",
            "1e-400",
            "1e-99999999999999999999999",
            "12345678901234567890",
            "1.00000000000000000001",
        ] {
            assert_eq!(as_script(raw), None, "{raw}");
        }
    }

    #[test]
    fn one_value_has_one_normalised_spelling() {
        for spellings in [
            &["1", "1.0", "10e-1", "0.1E1", "1e0", "1e+0"][..],
            &["0", "-0", "0.000", "0e99999999999999999999"],
            &["-1200", "-1.2e3", "-0.0012e6"],
        ] {
            for spelling in spellings {
                assert_eq!(normalised(spelling), normalised(spellings[0]), "{spelling}");
            }
        }
        assert_ne!(
            normalised("9007199254740993"),
            normalised("9007199254740992")
        );
        assert_ne!(normalised("1"), normalised("-1"));
        assert_ne!(normalised("1"), normalised("10"));
    }

    #[test]
    fn array_indices_are_canonical_integers_below_the_last_u32() {
        assert_eq!(array_index("0"), Some(0));
        assert_eq!(array_index("4294967294"), Some(4_294_967_294));
        for key in [
            "",
            "00",
            "01",
            "-1",
            "1.5",
            "4294967295",
            "99999999999",
            "a",
            "1a",
            " 1",
        ] {
            assert_eq!(array_index(key), None, "{key:?}");
        }
    }
}
