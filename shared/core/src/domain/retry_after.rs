//! What a receiver asks for with `Retry-After` (RFC 9110 section 10.2.3).

use jiff::fmt::rfc2822::DateTimeParser;

/// In how many milliseconds from `wall_ms` a receiver wants to hear again, by the value of its header: seconds, also with a fraction, or
/// a date in any of HTTP's three forms, or one with a zone of its own. `None` for anything else, and for a date that has passed.
#[must_use]
pub fn asked_ms(value: &str, wall_ms: u64) -> Option<u64> {
    let value = value.trim();
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    if !whole.is_empty() && !fraction.is_empty() && is_number(whole) && is_number(fraction) {
        let seconds: f64 = value.parse().ok()?;
        return Some((seconds * 1000.0).round() as u64);
    }
    let date_ms = match httpdate::parse_http_date(value) {
        Ok(date) => date.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis(),
        Err(_) => {
            let date = DateTimeParser::new().parse_timestamp(value).ok()?;
            u128::try_from(date.as_millisecond()).ok()?
        }
    };
    u64::try_from(date_ms).ok()?.checked_sub(wall_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_fractions_and_dates_are_read_and_nothing_else() {
        // 1994-11-06 08:49:37
        const WALL_MS: u64 = 784_111_777_000 - 90_000;
        for (value, asked) in [
            ("120", Some(120_000)),
            (" 120 ", Some(120_000)),
            ("0", Some(0)),
            ("1.5", Some(1_500)),
            ("0.25", Some(250)),
            ("999999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(90_000)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(90_000)),
            ("Sun Nov  6 08:49:37 1994", Some(90_000)),
            ("Sun, 06 Nov 1994 10:49:37 +0200", Some(90_000)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", None),
            ("Thu, 01 Jan 1970 00:00:00 GMT", None),
            ("", None),
            (".", None),
            ("1.", None),
            (".5", None),
            ("-1", None),
            ("1e3", None),
            ("+5", None),
            ("inf", None),
            ("soon", None),
            ("120, 60", None),
        ] {
            assert_eq!(asked_ms(value, WALL_MS), asked, "{value:?}");
        }
    }
}
