use std::net::IpAddr;

use rung_core::egress::policy::{MAX_URL_CHARS, check, check_url, is_public};
use url::{Host, Url};

/// A URL that is taken can be requested, means to every reader what was judged, and leads to no address that is not public.
pub fn url(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(lenient) = check_url(text, false) else {
        assert!(check_url(text, true).is_err(), "strict takes more: {text}");
        return;
    };
    assert!(text.chars().count() <= MAX_URL_CHARS);
    assert!(matches!(lenient.scheme(), "http" | "https"));
    assert!(lenient.username().is_empty() && lenient.password().is_none());
    assert_eq!(lenient.fragment(), None);
    assert!(
        !lenient
            .as_str()
            .contains(|c: char| c.is_control() || c == ' ')
    );

    // What is stored is the text, what is requested the URL; both are judged again at each attempt.
    let stored = Url::parse(text).unwrap();
    assert_eq!(stored, lenient);
    assert_eq!(Url::parse(lenient.as_str()).unwrap(), lenient);
    let requested: http::Uri = lenient.as_str().parse().expect("it can be requested");
    let host = requested.host().unwrap();
    assert_eq!(host, lenient.host_str().unwrap());
    assert_eq!(
        requested
            .port_u16()
            .or_else(|| lenient.port_or_known_default()),
        lenient.port_or_known_default()
    );

    check(&lenient, false).expect("it is judged alike each time");
    if check_url(text, true).is_ok() {
        check(&lenient, true).expect("it is judged alike each time");
        assert_eq!(lenient.scheme(), "https");
        let literal = host.trim_matches(['[', ']']);
        if let Ok(ip) = literal.parse::<IpAddr>() {
            assert!(is_public(ip), "{text}");
        }
        if let Some(Host::Domain(name)) = lenient.host() {
            assert!(name.contains('.'), "{text}");
            // No resolver reads it as an address in a spelling of its own.
            let last = name.trim_end_matches('.').rsplit('.').next().unwrap();
            assert!(!last.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
            let hex = last.strip_prefix("0x");
            let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(!hex.is_some_and(is_hex), "{text}");
        }
    }
}
