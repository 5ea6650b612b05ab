//! The outgoing proxy that an operator's network may demand: each connection goes through a tunnel that it opens (`CONNECT`, RFC 9110,
//! section 9.3.6).
//!
//! The proxy looks names up and connects, so which addresses may be reached is for its rules to say; only an address that stands in a
//! URL itself is still judged here. That the proxy cannot be used is this host's fault, and that it reaches nobody is the receiver's.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::{Failure, HostFault};

/// How long the head of a proxy's answer may be, in bytes.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// A proxy that opens tunnels.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

/// The text is not the URL of a proxy. It may hold a password, and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with blanks and the like percent-encoded"
)]
pub struct ProxyFault;

impl Proxy {
    /// Reads the URL of a proxy that is spoken to in plain text: what goes through its tunnels is encrypted by itself.
    ///
    /// # Errors
    /// When it is none, or says more than where the proxy is and who asks.
    pub fn parse(text: &str) -> Result<Self, ProxyFault> {
        let url = Url::parse(text).map_err(|_| ProxyFault)?;
        let says_no_more =
            matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if url.scheme() != "http" || !says_no_more {
            return Err(ProxyFault);
        }
        let host = url.host_str().ok_or(ProxyFault)?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let (user, password) = (url.username(), url.password());
        let authorization = (!user.is_empty() || password.is_some()).then(|| {
            let mut plain: Vec<u8> = percent_decode_str(user).collect();
            plain.push(b':');
            plain.extend(percent_decode_str(password.unwrap_or_default()));
            format!("Basic {}", STANDARD.encode(plain))
        });
        Ok(Self {
            host: host.to_owned(),
            port: url.port_or_known_default().ok_or(ProxyFault)?,
            authorization,
        })
    }

    /// Its host: a name or an address.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Opens a tunnel to a host over a connection to the proxy.
    pub(super) async fn tunnel(
        &self,
        mut tcp: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, Failure> {
        let unusable = |_| Failure::from(HostFault::Proxy);
        let to = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            _ => format!("{host}:{port}"),
        };
        let authorization = self.authorization.as_ref();
        let authorization = authorization
            .map(|value| format!("Proxy-Authorization: {value}\r\n"))
            .unwrap_or_default();
        let head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{authorization}\r\n");
        tcp.write_all(head.as_bytes()).await.map_err(unusable)?;
        let mut answer = Vec::new();
        let end = loop {
            if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let read = tcp.read_buf(&mut answer).await.map_err(unusable)?;
            if read == 0 || answer.len() > MAX_HEAD_BYTES {
                return Err(HostFault::Proxy.into());
            }
        };
        match status(&answer) {
            // Whoever is at the other end speaks when it is spoken to.
            Some(200..=299) if end == answer.len() => Ok(tcp),
            Some(403) => Err(Failure::ForbiddenByProxy),
            Some(502..=504) => Err(Failure::Unreachable),
            _ => Err(HostFault::Proxy.into()),
        }
    }
}

/// It is known by its address alone.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

/// The status in the head of an answer.
fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(1..)?.strip_prefix(b" ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_with_its_credentials_which_are_not_shown() {
        let proxy = |host: &str, port, authorization: Option<&str>| {
            Ok(Proxy {
                host: host.to_owned(),
                port,
                authorization: authorization.map(str::to_owned),
            })
        };
        for (text, expected) in [
            (
                "http://proxy.internal:3128",
                proxy("proxy.internal", 3_128, None),
            ),
            ("http://10.0.0.1/", proxy("10.0.0.1", 80, None)),
            ("http://[::1]:8080", proxy("::1", 8_080, None)),
            (
                "http://us%20er:p%40ss%3Aword@proxy:3128",
                proxy("proxy", 3_128, Some("Basic dXMgZXI6cEBzczp3b3Jk")),
            ),
            (
                "http://user@proxy:1",
                proxy("proxy", 1, Some("Basic dXNlcjo=")),
            ),
        ] {
            assert_eq!(Proxy::parse(text), expected, "{text}");
        }
        let shown = format!("{:?}", Proxy::parse("http://user:secret@proxy:1").unwrap());
        assert_eq!(shown, "Proxy(proxy:1)");
        for wrong in [
            "",
            "proxy",
            "proxy:3128",
            "https://proxy:3128",
            "socks5://proxy:1080",
            "http://",
            "http://proxy:99999",
            "http://proxy/path",
            "http://proxy?a",
            "http://proxy#a",
        ] {
            assert_eq!(Proxy::parse(wrong), Err(ProxyFault), "{wrong}");
        }
    }

    #[test]
    fn a_status_is_read_off_the_first_line() {
        assert_eq!(
            status(b"HTTP/1.1 200 Connection established\r\n\r\n"),
            Some(200)
        );
        assert_eq!(status(b"HTTP/1.0 407\r\n\r\n"), Some(407));
        for wrong in [
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 2x0\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
            "",
        ] {
            assert_eq!(status(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
