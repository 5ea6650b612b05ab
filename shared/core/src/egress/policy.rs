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
    /// Strict, and the port is one that browsers do not connect to either, as it belongs to another protocol.
    #[error("must not have a port that belongs to another protocol, such as 22 or 25; use 443")]
    BadPort,
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
    let is_bad = |port| BAD_PORTS.binary_search(&port).is_ok();
    if strict && url.port().is_some_and(is_bad) {
        return Err(UrlFault::BadPort);
    }
    Ok(())
}

/// Ports of other protocols, in ascending order: some of their servers obey commands that stand in the body of a POST.
///
/// Source: WHATWG Fetch, section "Port blocking".
const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

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
    if TRANSLATED.contains(&ip) {
        return is_public_v4(lowest_v4(ip));
    }
    UNICAST.contains(&ip)
        && !FORBIDDEN_V6.iter().any(|net| net.contains(&ip))
        && tunnelled_v4(ip).all(is_public_v4)
}

/// The IPv4 addresses that routers send such a packet on to, within a tunnel: 6to4 (RFC 3056), ISATAP (RFC 5214).
fn tunnelled_v4(ip: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let [prefix, high, low, _, scope, mark, _, _] = ip.segments();
    let bits = u32::from(high) << 16 | u32::from(low);
    let relayed = (prefix == 0x2002).then(|| Ipv4Addr::from_bits(bits));
    let within_site = matches!((scope, mark), (0 | 0x200, 0x5efe)).then(|| lowest_v4(ip));
    relayed.into_iter().chain(within_site)
}

/// The last 32 bits.
const fn lowest_v4(ip: Ipv6Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(ip.to_bits() as u32)
}

const fn v4(octets: [u8; 4], prefix_len: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix_len)
}

const fn v6(first: [u16; 4], prefix_len: u8) -> Ipv6Net {
    let [a, b, c, d] = first;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix_len)
}

/// IANA's IPv4 special-purpose registry, multicast, and class E. The services in it that are reachable everywhere (AS112, AMT)
/// receive no webhooks, and may be served from within the network that asks for them.
const FORBIDDEN_V4: [Ipv4Net; 18] = [
    v4([0, 0, 0, 0], 8),       // this network
    v4([10, 0, 0, 0], 8),      // private
    v4([100, 64, 0, 0], 10),   // carrier-grade NAT
    v4([127, 0, 0, 0], 8),     // loopback
    v4([169, 254, 0, 0], 16),  // link-local; instance metadata of clouds
    v4([172, 16, 0, 0], 12),   // private
    v4([192, 0, 0, 0], 24),    // protocol assignments
    v4([192, 0, 2, 0], 24),    // documentation
    v4([192, 31, 196, 0], 24), // AS112
    v4([192, 52, 193, 0], 24), // AMT
    v4([192, 88, 99, 0], 24),  // 6to4 relays
    v4([192, 168, 0, 0], 16),  // private
    v4([192, 175, 48, 0], 24), // AS112
    v4([198, 18, 0, 0], 15),   // benchmarks
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
    v4([224, 0, 0, 0], 4),     // multicast
    v4([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// All that IANA has given out, or may give out, as addresses of single hosts. Whatever is outside is forbidden, known or not:
/// loopback, IPv4-mapped and -compatible addresses, local NAT64, discard and dummy prefixes, segment routing, unique local,
/// link-local and site-local addresses, multicast.
const UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// What a NAT64 gateway translates to the IPv4 address in the last 32 bits (RFC 6052). A network that translates another prefix
/// alone knows that it does.
const TRANSLATED: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);

/// What of [`UNICAST`] stands in IANA's IPv6 special-purpose registry, but for 6to4.
const FORBIDDEN_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0, 0], 23), // protocol assignments; Teredo, benchmarks, AMT, AS112, ORCHID
    v6([0x2001, 0xdb8, 0, 0], 32), // documentation
    v6([0x2620, 0x4f, 0x8000, 0], 48), // AS112
    v6([0x3fff, 0, 0, 0], 20), // documentation
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
            "https://[2606:4700::5efe:8.8.8.8]/",
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
            "[2001:0:a00:1::f5ff:fffe]",
            "[2606:4700::5efe:127.0.0.1]",
            "[2606:4700::200:5efe:a00:1]",
            "[100:0:0:1::1]",
            "[1000::1]",
            "[4000::1]",
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
            ("https://example.com:22/", true, UrlFault::BadPort),
            ("https://example.com:0022/", true, UrlFault::BadPort),
            ("https://8.8.8.8:6667/", true, UrlFault::BadPort),
            ("https://[2606:4700::1111]:10080/", true, UrlFault::BadPort),
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
    fn ports_of_other_protocols_are_refused_when_strict() {
        // As the standard's table has them.
        let bad = "0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 \
                   104 109 110 111 113 115 117 119 123 135 137 139 143 161 179 389 427 465 512 \
                   513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 \
                   1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 \
                   6669 6679 6697 10080";
        let bad: Vec<u16> = bad.split(' ').map(|port| port.parse().unwrap()).collect();
        for port in 1..=u16::MAX {
            let text = format!("https://example.com:{port}/");
            let fault = bad.contains(&port).then_some(UrlFault::BadPort);
            assert_eq!(check_url(&text, true).err(), fault, "{text}");
            assert!(check_url(&text, false).is_ok(), "{text}");
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
                ["192.31.196.0", "192.31.196.255"],
                vec!["192.31.195.255", "192.31.197.0"],
            ),
            (
                ["192.52.193.0", "192.52.193.255"],
                vec!["192.52.192.255", "192.52.194.0"],
            ),
            (
                ["192.175.48.0", "192.175.48.255"],
                vec!["192.175.47.255", "192.175.49.0"],
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
            // All below and above what hosts have.
            (["::", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff"], vec![]),
            (
                ["64:ff9b::1:0:0", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec![],
            ),
            (
                ["4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ),
            // NAT64 and 6to4, by what is inside.
            (["64:ff9b::", "64:ff9b::ff:ffff"], vec!["64:ff9b::100:0"]),
            (
                ["64:ff9b::e000:0", "64:ff9b::ffff:ffff"],
                vec!["64:ff9b::dfff:ffff"],
            ),
            (
                ["2002::", "2002:ff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["2002:100::"],
            ),
            (
                ["2002:7f00::", "2002:7fff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["2002:808:808::"],
            ),
            // ISATAP, local and universal.
            (
                ["2606:4700::5efe:a00:0", "2606:4700::5efe:aff:ffff"],
                vec!["2606:4700::5efe:9ff:ffff", "2606:4700::5efd:a00:0"],
            ),
            (
                ["2606:4700::200:5efe:a00:0", "2606:4700::200:5efe:aff:ffff"],
                vec!["2606:4700::200:5efe:b00:0", "2606:4700::100:5efe:a00:0"],
            ),
            // One within the other.
            (
                ["2002:808:808::5efe:a00:0", "2002:a00:0::5efe:808:808"],
                vec!["2002:808:808::5efe:808:808"],
            ),
            (
                ["2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["2000:ffff::", "2001:200::"],
            ),
            (
                ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["2001:db7::", "2001:db9::"],
            ),
            (
                ["2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"],
                vec!["2620:4f:7fff::", "2620:4f:8001::"],
            ),
            (
                ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
                vec!["3fff:1000::", "3ffe:ffff::"],
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

    /// Every address that IANA's registries of special purposes name, save those that a gateway translates.
    #[test]
    fn nothing_of_a_special_purpose_is_public() {
        for text in [
            "0.0.0.0/8",
            "0.0.0.0/32",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.0.0/29",
            "192.0.0.8/32",
            "192.0.0.9/32",
            "192.0.0.10/32",
            "192.0.0.170/32",
            "192.0.0.171/32",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.88.99.2/32",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "255.255.255.255/32",
            "::1/128",
            "::/128",
            "::ffff:0:0/96",
            "64:ff9b:1::/48",
            "100::/64",
            "100:0:0:1::/64",
            "2001::/23",
            "2001::/32",
            "2001:1::1/128",
            "2001:1::2/128",
            "2001:1::3/128",
            "2001:2::/48",
            "2001:3::/32",
            "2001:4:112::/48",
            "2001:10::/28",
            "2001:20::/28",
            "2001:30::/28",
            "2001:db8::/32",
            "2620:4f:8000::/48",
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",
            "fe80::/10",
        ] {
            let net: ipnet::IpNet = text.parse().unwrap();
            assert!(!is_public(net.network()), "{text}");
            assert!(!is_public(net.broadcast()), "{text}");
        }
    }
}
