//! Where deliveries may go: which URLs, which addresses, which headers.
//!
//! A URL is judged when it is given ([`check_url`]) and again at each POST ([`check`]); a host's addresses are judged
//! at each connect ([`is_public`]). The first tells people early, the last is what protects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderName;
use http::header;
use ipnet::{Ipv4Net, Ipv6Net};
use thiserror::Error;
use url::{Host, ParseError, Url};

/// The longest URL, in characters.
pub const MAX_URL_CHARS: usize = 2_048;

/// What is wrong with a URL, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlFault {
    /// Longer than [`MAX_URL_CHARS`].
    #[error("must have at most 2,048 characters")]
    TooLong,
    /// Blanks, control characters, backslashes: parsers disagree on them.
    #[error("must not contain blanks, control characters or backslashes; percent-encode them")]
    RawCharacter,
    /// No scheme, or no `//` after it.
    #[error("must be absolute, such as https://example.com/webhooks")]
    NotAbsolute,
    /// Strict, and not `https`.
    #[error("must begin with https://")]
    NotHttps,
    /// Neither `https` nor `http`.
    #[error("must begin with https:// or http://")]
    NotHttp,
    /// A user name or password before the host.
    #[error("must not contain a user name or password; send a header instead")]
    UserInfo,
    /// `#` and what follows it.
    #[error("must not contain a fragment; remove the # and what follows it")]
    Fragment,
    /// Neither a DNS name nor an IP address.
    #[error("must name its host by a DNS name or an IP address")]
    Host,
    /// Not a port.
    #[error("must have a port from 1 to 65535, or none")]
    Port,
    /// Strict, and the host is local, private or reserved.
    #[error("must name a host of the public internet, not a local, private or reserved one")]
    NotPublic,
}

/// Parses a URL that deliveries shall go to. `strict` asks for `https` and a public host.
///
/// # Errors
///
/// The first [`UrlFault`] found.
pub fn check_url(text: &str, strict: bool) -> Result<Url, UrlFault> {
    if text.chars().count() > MAX_URL_CHARS {
        return Err(UrlFault::TooLong);
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(UrlFault::RawCharacter);
    }
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase => UrlFault::NotAbsolute,
        ParseError::InvalidPort => UrlFault::Port,
        _ => UrlFault::Host,
    })?;
    check(&url, strict)?;
    // The parser mends `https:host` and `https:///host`, and forgets empty user information.
    match text[url.scheme().len()..].strip_prefix("://") {
        Some(rest) if rest.starts_with('/') => Err(UrlFault::NotAbsolute),
        Some(rest) if authority(rest).contains('@') => Err(UrlFault::UserInfo),
        Some(_) => Ok(url),
        None => Err(UrlFault::NotAbsolute),
    }
}

/// What stands in a URL between `://` and the path.
fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Judges a URL that was parsed before.
///
/// # Errors
///
/// The first [`UrlFault`] found.
pub fn check(url: &Url, strict: bool) -> Result<(), UrlFault> {
    match url.scheme() {
        "https" => {}
        "http" if !strict => {}
        _ if strict => return Err(UrlFault::NotHttps),
        _ => return Err(UrlFault::NotHttp),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlFault::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(UrlFault::Fragment);
    }
    if url.port() == Some(0) {
        return Err(UrlFault::Port);
    }
    let public = match url.host().ok_or(UrlFault::Host)? {
        Host::Domain(name) => is_public_name(name)?,
        Host::Ipv4(ip) => is_public_v4(ip),
        Host::Ipv6(ip) => is_public_v6(ip),
    };
    if strict && !public {
        return Err(UrlFault::NotPublic);
    }
    Ok(())
}

/// Top-level names that never lead to the public internet: RFC 6761, RFC 6762, and ICANN's reservation of `internal`.
const LOCAL_TOP_LEVELS: [&str; 3] = ["localhost", "local", "internal"];

fn is_public_name(name: &str) -> Result<bool, UrlFault> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err(UrlFault::Host);
    }
    Ok(name
        .rsplit_once('.')
        .is_some_and(|(_, top)| !LOCAL_TOP_LEVELS.contains(&top)))
}

/// Whether packets may go to `ip` in strict mode.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !FORBIDDEN_V4.iter().any(|net| net.contains(&ip))
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    match embedded_v4(ip) {
        Some(inner) => is_public_v4(inner),
        None => !FORBIDDEN_V6.iter().any(|net| net.contains(&ip)),
    }
}

/// The IPv4 address that a NAT64 (RFC 6052) or 6to4 (RFC 3056) gateway sends such a packet on to.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

const fn v4(octets: [u8; 4], prefix_len: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix_len)
}

const fn v6(first: [u16; 4], prefix_len: u8) -> Ipv6Net {
    let [a, b, c, d] = first;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix_len)
}

/// IANA's IPv4 special-purpose registry, multicast, and class E.
const FORBIDDEN_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),       // this network
    v4([10, 0, 0, 0], 8),      // private
    v4([100, 64, 0, 0], 10),   // carrier-grade NAT
    v4([127, 0, 0, 0], 8),     // loopback
    v4([169, 254, 0, 0], 16),  // link-local; instance metadata of clouds
    v4([172, 16, 0, 0], 12),   // private
    v4([192, 0, 0, 0], 24),    // protocol assignments
    v4([192, 0, 2, 0], 24),    // documentation
    v4([192, 88, 99, 0], 24),  // 6to4 relays
    v4([192, 168, 0, 0], 16),  // private
    v4([198, 18, 0, 0], 15),   // benchmarks
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
    v4([224, 0, 0, 0], 4),     // multicast
    v4([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// IANA's IPv6 special-purpose registry, what was deprecated, and multicast. [`embedded_v4`] goes first.
const FORBIDDEN_V6: [Ipv6Net; 11] = [
    v6([0, 0, 0, 0], 8), // unspecified, loopback, IPv4-mapped and -compatible, local NAT64
    v6([0x64, 0xff9b, 1, 0], 48), // local NAT64; within the one above, listed for its own sake
    v6([0x100, 0, 0, 0], 64), // discard
    v6([0x2001, 0, 0, 0], 23), // protocol assignments, Teredo
    v6([0x2001, 0xdb8, 0, 0], 32), // documentation
    v6([0x3fff, 0, 0, 0], 20), // documentation
    v6([0x5f00, 0, 0, 0], 16), // segment routing
    v6([0xfc00, 0, 0, 0], 7), // unique local
    v6([0xfe80, 0, 0, 0], 10), // link-local
    v6([0xfec0, 0, 0, 0], 10), // site-local
    v6([0xff00, 0, 0, 0], 8), // multicast
];

/// Whether a header belongs to HTTP itself and so is the client's to set: its length, its target, its connection.
#[must_use]
pub fn is_framing(name: &HeaderName) -> bool {
    FRAMING.contains(name)
}

pub(super) const FRAMING: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fault(text: &str, strict: bool) -> UrlFault {
        check_url(text, strict).expect_err(text)
    }

    #[test]
    fn urls_of_the_public_internet_pass() {
        for text in [
            "https://example.com",
            "https://example.com:8443/hooks?a=b&c=%20",
            "HTTPS://EXAMPLE.com/",
            "https://example.com./",
            "https://my_host.example.com/",
            "https://bücher.example/",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
            "https://[64:ff9b::8.8.8.8]/",
            "https://local.example/",
            "https://internal.localhost.example/",
        ] {
            assert!(check_url(text, true).is_ok(), "{text}");
        }
    }

    #[test]
    fn no_spelling_of_a_local_host_passes_when_strict() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "api.localhost",
            "api.localhost.",
            "printer.local",
            "db.internal",
            "ip-10-0-0-1.ec2.internal.",
            "intranet",
            "intranet.",
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "0177.0.0.1",
            "0177.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "0X7F.1",
            "2130706433",
            "017700000001",
            "%31%32%37.0.0.1",
            "①②⑦.⓪.⓪.①",
            "127。0。0。1",
            "loc%61lhost",
            "ｌｏｃａｌｈｏｓｔ",
            "0",
            "0.0.0.0",
            "10.1.2.3",
            "0xa.1",
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:8.8.8.8]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2002:a9fe:a9fe::1]",
            "[fe80::1]",
            "[fd00:ec2::254]",
        ] {
            let text = format!("https://{host}/hook");
            assert_eq!(fault(&text, true), UrlFault::NotPublic, "{text}");
            assert!(check_url(&text, false).is_ok(), "{text}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        for (text, strict, expected) in [
            ("/hooks", true, UrlFault::NotAbsolute),
            ("example.com/hooks", true, UrlFault::NotAbsolute),
            ("https:example.com", true, UrlFault::NotAbsolute),
            ("https:/example.com", true, UrlFault::NotAbsolute),
            ("https:///example.com", true, UrlFault::NotAbsolute),
            ("", true, UrlFault::NotAbsolute),
            ("http://example.com", true, UrlFault::NotHttps),
            ("ftp://example.com", true, UrlFault::NotHttps),
            ("ftp://example.com", false, UrlFault::NotHttp),
            ("javascript:alert(1)", false, UrlFault::NotHttp),
            ("https://user@example.com", true, UrlFault::UserInfo),
            ("https://@example.com/", true, UrlFault::UserInfo),
            ("https://:@example.com", false, UrlFault::UserInfo),
            ("https://user:pass@example.com", false, UrlFault::UserInfo),
            ("https://:pass@example.com", false, UrlFault::UserInfo),
            ("https://8.8.8.8@10.0.0.1/", true, UrlFault::UserInfo),
            ("https://example.com/#top", true, UrlFault::Fragment),
            ("https://example.com/#", false, UrlFault::Fragment),
            ("https://example.com:0/", true, UrlFault::Port),
            ("https://example.com:65536/", true, UrlFault::Port),
            ("https://example.com:x/", true, UrlFault::Port),
            ("https://", true, UrlFault::Host),
            ("https://256.0.0.1/", true, UrlFault::Host),
            ("https://1.2.3.4.5/", true, UrlFault::Host),
            ("https://[::1", true, UrlFault::Host),
            ("https://[fe80::1%25eth0]/", true, UrlFault::Host),
            ("https://a..example/", true, UrlFault::Host),
            ("https://example.com../", true, UrlFault::Host),
            ("https://a\"b.example/", true, UrlFault::Host),
            ("https://{a}.example/", false, UrlFault::Host),
            (" https://example.com", true, UrlFault::RawCharacter),
            ("https://exa\tmple.com", true, UrlFault::RawCharacter),
            (
                "https://example.com/\r\nHost: x",
                true,
                UrlFault::RawCharacter,
            ),
            (
                "https://example.com\\@10.0.0.1/",
                true,
                UrlFault::RawCharacter,
            ),
        ] {
            assert_eq!(fault(text, strict), expected, "{text}");
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        let prefix = "https://example.com/";
        let longest = format!("{prefix}{}", "ü".repeat(MAX_URL_CHARS - prefix.len()));
        assert!(check_url(&longest, true).is_ok());
        assert_eq!(fault(&format!("{longest}u"), true), UrlFault::TooLong);
    }

    #[test]
    fn what_passes_can_be_requested() {
        let odd: String = ('!'..='~').filter(|c| !matches!(c, '#' | '\\')).collect();
        let url = check_url(&format!("https://example.com/{odd}?{odd}ü"), true).unwrap();
        assert!(http::Uri::try_from(url.as_str()).is_ok(), "{url}");
    }

    /// First and last address of each net, and what lies just outside where that is public.
    #[test]
    fn nets_are_forbidden_to_their_edges() {
        for (forbidden, public) in [
            (["0.0.0.0", "0.255.255.255"], vec!["1.0.0.0"]),
            (
                ["10.0.0.0", "10.255.255.255"],
                vec!["9.255.255.255", "11.0.0.0"],
            ),
            (
                ["100.64.0.0", "100.127.255.255"],
                vec!["100.63.255.255", "100.128.0.0"],
            ),
            (
                ["127.0.0.0", "127.255.255.255"],
                vec!["126.255.255.255", "128.0.0.0"],
            ),
            (
                ["169.254.0.0", "169.254.255.255"],
                vec!["169.253.255.255", "169.255.0.0"],
            ),
            (
                ["172.16.0.0", "172.31.255.255"],
                vec!["172.15.255.255", "172.32.0.0"],
            ),
            (
                ["192.0.0.0", "192.0.0.255"],
                vec!["191.255.255.255", "192.0.1.0"],
            ),
            (
                ["192.0.2.0", "192.0.2.255"],
                vec!["192.0.1.255", "192.0.3.0"],
            ),
            (
                ["192.88.99.0", "192.88.99.255"],
                vec!["192.88.98.255", "192.88.100.0"],
            ),
            (
                ["192.168.0.0", "192.168.255.255"],
                vec!["192.167.255.255", "192.169.0.0"],
            ),
            (
                ["198.18.0.0", "198.19.255.255"],
                vec!["198.17.255.255", "198.20.0.0"],
            ),
            (
                ["198.51.100.0", "198.51.100.255"],
                vec!["198.51.99.255", "198.51.101.0"],
            ),
            (
                ["203.0.113.0", "203.0.113.255"],
                vec!["203.0.112.255", "203.0.114.0"],
            ),
            (["224.0.0.0", "255.255.255.255"], vec!["223.255.255.255"]),
            (
                ["::", "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["100:0:0:1::"],
            ),
            (["64:ff9b::", "64:ff9b::ff:ffff"], vec!["64:ff9b::100:0"]),
            (
                ["64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
                vec![],
            ),
            (["100::", "100::ffff:ffff:ffff:ffff"], vec!["100:0:0:1::"]),
            (
                ["2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["2001:200::"],
            ),
            (
                ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["2001:db7::", "2001:db9::"],
            ),
            (
                ["2002::", "2002:ff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["2002:100::"],
            ),
            (
                ["2002:7f00::", "2002:7fff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["2002:808:808::"],
            ),
            (
                ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["3fff:1000::", "3ffe:ffff::"],
            ),
            (
                ["5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["5eff:ffff::", "5f01::"],
            ),
            (
                ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["fbff:ffff::", "fe00::"],
            ),
            (
                ["fe80::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["fe7f:ffff::"],
            ),
            (
                ["ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec![],
            ),
        ] {
            for text in forbidden {
                assert!(!is_public(text.parse().unwrap()), "{text}");
            }
            for text in public {
                assert!(is_public(text.parse().unwrap()), "{text}");
            }
        }
    }
}
