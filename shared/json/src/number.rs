//! Numbers as text: JavaScript's spelling, and exact comparison of decimal values.

use std::{cmp::Ordering, ops::Deref};

use smallvec::SmallVec;

/// The number as JavaScript would write it after reading it, appended to `out`; `false`, with nothing appended, if
/// that would be another decimal value.
pub(super) fn write_as_script(raw: &Number, out: &mut Vec<u8>) -> bool {
    // Up to 15 digits every integer is a double, and JavaScript writes it plainly.
    let is_short_integer = raw.len() <= 15
        && raw
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_short_integer && **raw != *"-0" {
        out.extend_from_slice(raw.as_bytes());
        return true;
    }
    let mut buffer = ryu_js::Buffer::new();
    let script = buffer.format(raw.double);
    let same = *script == **raw || Decimal::of(script) == Decimal::of(raw);
    if same {
        out.extend_from_slice(script.as_bytes());
    }
    same
}

/// The decimal value of `raw` in one spelling for all spellings of it, appended to `out`.
pub(super) fn write_normalised(raw: &str, out: &mut Vec<u8>) {
    Decimal::of(raw).write(out);
}

/// `±digits × 10^exponent`, with neither leading nor trailing zeros; zero has no digits and no sign.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Decimal {
    negative: bool,
    digits: SmallVec<[u8; 24]>,
    /// Saturates: numbers below 10^-(2^63) count as one another's equals.
    exponent: i64,
}

impl Decimal {
    /// The value of `raw`, a number by RFC 8259 section 6.
    pub(crate) fn of(raw: &str) -> Self {
        let mut digits = SmallVec::new();
        // How many digits there are up to the last that is none of 0, and how many stand behind the point.
        let (mut significant, mut fraction, mut is_fraction) = (0, 0, false);
        let mut exponent = 0;
        for (at, byte) in raw.bytes().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    fraction += i64::from(is_fraction);
                    if byte != b'0' || !digits.is_empty() {
                        digits.push(byte);
                    }
                    if byte != b'0' {
                        significant = digits.len();
                    }
                }
                b'.' => is_fraction = true,
                b'e' | b'E' => {
                    exponent = parse_exponent(&raw[at + 1..]);
                    break;
                }
                _ => {}
            }
        }
        if significant == 0 {
            return Self {
                negative: false,
                digits: SmallVec::new(),
                exponent: 0,
            };
        }
        let trailing_zeros = digits.len() - significant;
        digits.truncate(significant);
        Self {
            negative: raw.starts_with('-'),
            digits,
            exponent: exponent.saturating_add(trailing_zeros as i64 - fraction),
        }
    }
}

impl Decimal {
    /// Its only spelling, appended to `out`.
    fn write(&self, out: &mut Vec<u8>) {
        if self.digits.is_empty() {
            out.push(b'0');
            return;
        }
        if self.negative {
            out.push(b'-');
        }
        out.extend_from_slice(&self.digits);
        out.extend_from_slice(format!("e{}", self.exponent).as_bytes());
    }

    /// Its value, if that is an integer that fits.
    fn unsigned(&self) -> Option<u64> {
        if self.negative || !self.is_integer() {
            return None;
        }
        let digits = self.digits.iter();
        let value = digits
            .map(|digit| u64::from(digit - b'0'))
            .try_fold(0_u64, |value, digit| {
                value.checked_mul(10)?.checked_add(digit)
            })?;
        let factor = 10_u64.checked_pow(u32::try_from(self.exponent).ok()?)?;
        value.checked_mul(factor)
    }

    /// The double next to it.
    fn double(&self) -> f64 {
        let mut normalised = Vec::new();
        self.write(&mut normalised);
        let text = str::from_utf8(&normalised).unwrap_or_default();
        text.parse().unwrap_or_default()
    }

    /// Whether it is a [short](Number::is_short) number.
    pub(crate) fn is_short(&self) -> bool {
        self.digits.len() <= DOUBLE_DIGITS && (self.digits.is_empty() || self.double().is_normal())
    }

    /// How many digits it has.
    pub(crate) fn digits(&self) -> usize {
        self.digits.len()
    }

    /// Whether it has nothing behind its point.
    pub(crate) fn is_integer(&self) -> bool {
        self.digits.is_empty() || self.exponent >= 0
    }
}

/// A number as it was written, by RFC 8259 section 6 and within a double's range.
#[derive(Debug, Clone)]
pub struct Number {
    text: Box<str>,
    double: f64,
}

impl Number {
    /// The double next to it.
    pub(crate) fn double(&self) -> f64 {
        self.double
    }

    /// The same for looking it up: of the two zeros there is one.
    pub(crate) fn double_bits(&self) -> u64 {
        (self.double + 0.0).to_bits()
    }

    /// Whether it has nothing behind its point.
    pub(crate) fn is_integer(&self) -> bool {
        if self.is_short() {
            return self.double.fract() == 0.0;
        }
        Decimal::of(self).is_integer()
    }

    /// Its value, if that is an integer from 0 to the highest of 64 bits, however it is written: `20.0` and `2e1` are 20.
    #[must_use]
    pub fn unsigned(&self) -> Option<u64> {
        Decimal::of(self).unsigned()
    }

    /// Whether no other number with at most [`DOUBLE_DIGITS`] digits has its double, and it has no more of them.
    pub(crate) fn is_short(&self) -> bool {
        if self.text.len() > DOUBLE_DIGITS {
            return false;
        }
        // What has no exponent is zero or far above what is subnormal.
        let has_digits = |text: &str| text.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        match self.text.split_once(['e', 'E']) {
            Some((mantissa, _)) => self.double.is_normal() || !has_digits(mantissa),
            None => true,
        }
    }
}

/// It is used as its text.
impl Deref for Number {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

/// From the text of a number.
impl From<Box<str>> for Number {
    fn from(text: Box<str>) -> Self {
        // An integer of so few digits is a double itself.
        let is_integer =
            text.len() <= DOUBLE_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        let double = if is_integer {
            let append = |number: u64, digit: u8| number * 10 + u64::from(digit - b'0');
            text.bytes().fold(0, append) as f64
        } else {
            text.parse().unwrap_or_default()
        };
        Self { text, double }
    }
}

/// From the text of a number.
impl From<&str> for Number {
    fn from(text: &str) -> Self {
        Box::<str>::from(text).into()
    }
}

/// From the text of a number.
impl From<String> for Number {
    fn from(text: String) -> Self {
        text.into_boxed_str().into()
    }
}

/// Numbers are equal if they were written alike.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Number {}

/// A number that others are compared with: by the doubles next to them, and exactly where these are equal.
#[derive(Debug)]
pub(crate) struct Bound {
    value: Decimal,
    double: f64,
}

/// Two decimal numbers with at most this many digits have two doubles, above those that are subnormal (C's `DBL_DIG`).
const DOUBLE_DIGITS: usize = 15;

impl Bound {
    pub(crate) fn of(value: Decimal) -> Self {
        Self {
            double: value.double(),
            value,
        }
    }

    pub(crate) fn double(&self) -> f64 {
        self.double
    }

    pub(crate) fn cmp(&self, value: &Decimal) -> Ordering {
        self.value.cmp(value)
    }

    /// The [short](Number::is_short) number with the same double; any other if there is none.
    pub(crate) fn short_with_same_double(&self) -> Decimal {
        Decimal::of(&format!("{:.*e}", DOUBLE_DIGITS - 1, self.double))
    }
}

/// A number of at most 18 digits above zero, to divide others by.
#[derive(Debug)]
pub(crate) struct Divisor {
    digits: u64,
    exponent: i64,
    /// What is left of 10ⁿ and of 10³²ⁿ after dividing by the digits, for n below 32: so a number with many zeros takes no
    /// longer than one with few.
    powers: [[u64; 32]; 2],
}

impl Divisor {
    /// Most digits.
    pub(crate) const DIGITS: usize = 18;
    /// Most places before or behind its point.
    const PLACES: i64 = 400;

    /// `None` where a number is no divisor.
    pub(crate) fn of(number: &Decimal) -> Option<Self> {
        let places = -Self::PLACES..=Self::PLACES;
        let fits = number.digits.len() <= Self::DIGITS && places.contains(&number.exponent);
        if number.negative || number.digits.is_empty() || !fits {
            return None;
        }
        let append = |number: u64, digit: &u8| number * 10 + u64::from(digit - b'0');
        let digits = number.digits.iter().fold(0, append);
        let mut powers = [[1 % digits; 32]; 2];
        for n in 1..32 {
            powers[0][n] = multiplied(powers[0][n - 1], 10, digits);
        }
        let large = multiplied(powers[0][31], 10, digits);
        for n in 1..32 {
            powers[1][n] = multiplied(powers[1][n - 1], large, digits);
        }
        Some(Self {
            digits,
            exponent: number.exponent,
            powers,
        })
    }

    /// Whether it has so few digits that dividing by it takes little time.
    pub(crate) fn is_small(&self) -> bool {
        self.digits <= u64::from(u32::MAX)
    }

    /// Whether a number is a whole multiple of it.
    pub(crate) fn divides(&self, number: &Decimal) -> bool {
        if number.digits.is_empty() {
            return true;
        }
        // The last digit is none of 0: what reaches further behind the point than the divisor is no multiple of it.
        let Ok(zeros) = usize::try_from(number.exponent.saturating_sub(self.exponent)) else {
            return false;
        };
        // Below 10¹⁸, so that another digit fits.
        let append = |rest: u64, digit: &u8| (rest * 10 + u64::from(digit - b'0')) % self.digits;
        let rest = number.digits.iter().fold(0, append);
        // No double has more than 309 places before its point, and the divisor at most 400 behind it.
        let powers = [zeros % 32, (zeros / 32).min(31)];
        let powers = powers.into_iter().zip(&self.powers);
        0 == powers.fold(rest, |rest, (n, powers)| {
            multiplied(rest, powers[n], self.digits)
        })
    }
}

fn multiplied(left: u64, right: u64, modulus: u64) -> u64 {
    if let Some(product) = left.checked_mul(right) {
        return product % modulus;
    }
    let product = u128::from(left) * u128::from(right) % u128::from(modulus);
    u64::try_from(product).expect("it is below the modulus")
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
pub fn array_index(key: &str) -> Option<u32> {
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
        write_as_script(&raw.into(), &mut out).then(|| String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn an_integer_is_one_however_it_is_written() {
        let of = |raw: &str| Number::from(raw).unsigned();
        for (raw, value) in [
            ("0", 0),
            ("-0.0", 0),
            ("7", 7),
            ("7.000", 7),
            ("70e-1", 7),
            ("0.07E+2", 7),
            ("1e2", 100),
            ("18446744073709551615", u64::MAX),
            ("1844674407370955161.5e1", u64::MAX),
        ] {
            assert_eq!(of(raw), Some(value), "{raw}");
        }
        for raw in [
            "-1",
            "0.5",
            "7.01",
            "18446744073709551616",
            "2e19",
            "1e300",
            "1e-300",
        ] {
            assert_eq!(of(raw), None, "{raw}");
        }
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
    fn comparing_by_doubles_first_is_comparing_exactly() {
        let numbers = [
            "0",
            "-0",
            "0.0",
            "0e5",
            "1",
            "1.0",
            "10e-1",
            "-1",
            "1.5",
            "15e-1",
            "0.1",
            "0.10000000000000001",
            "9007199254740992",
            "9007199254740993",
            "9007199254740993.0",
            "123456789012345",
            "123456789012345.1",
            "999999999999999",
            "1e15",
            "1e22",
            "1e23",
            "99999999999999991611392",
            "1e300",
            "1e308",
            "1e309",
            "-1e309",
            "2e309",
            "5e-324",
            "4e-324",
            "1e-324",
            "1e-400",
            "-1e-400",
            "2e-400",
            "2.2250738585072014e-308",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "-7e-9",
            "1.00000000000000000001",
        ];
        for bound in numbers.map(|raw| Bound::of(Decimal::of(raw))) {
            for raw in numbers {
                let number = Number::from(raw);
                let by_double = match number.double().partial_cmp(&bound.double).unwrap() {
                    Ordering::Equal if number.is_short() => {
                        bound.short_with_same_double().cmp(&bound.value)
                    }
                    Ordering::Equal => continue,
                    unequal => unequal,
                };
                let exact = Decimal::of(raw).cmp(&bound.value);
                assert_eq!(by_double, exact, "{raw} and {bound:?}");
            }
        }
    }

    #[test]
    fn division_takes_no_longer_for_many_zeros() {
        let divides = |divisor: &str, number: &str| {
            let divisor = Divisor::of(&Decimal::of(divisor)).unwrap();
            divisor.divides(&Decimal::of(number))
        };
        for (divisor, number, expected) in [
            ("0.01", "19.99", true),
            ("0.01", "1e300", true),
            ("0.01", "0.005", false),
            ("7", "1e300", false),
            ("7", "7e300", true),
            ("3e-400", "1.5e308", true),
            ("999999999999999999", "999999999999999999e9", true),
            ("999999999999999999", "999999999999999998e9", false),
            ("1e400", "1e300", false),
            ("5", "0", true),
        ] {
            assert_eq!(divides(divisor, number), expected, "{number} by {divisor}");
        }
        for none in ["0", "-1", "1234567890123456789", "1e-401", "1e401"] {
            assert!(Divisor::of(&Decimal::of(none)).is_none(), "{none}");
        }
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
