//! How flags are read that are more than a number or a path.

use std::net::{Ipv4Addr, SocketAddr};

use url::Url;

/// A URL that HTTP requests go to.
pub(crate) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err("must begin with http:// or https://".to_owned()),
    }
}

/// Where to listen: `IP:PORT`; `localhost:PORT`, `:PORT` and `PORT` mean this machine alone.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port = port.parse::<u16>().ok();
    port.filter(|_| host.is_empty() || host == "localhost")
        .map(|port| (Ipv4Addr::LOCALHOST, port).into())
        .ok_or_else(|| "must be IP:PORT, such as 127.0.0.1:8080".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_to_http_and_https_alone() {
        for text in [
            "http://127.0.0.1:3000/hooks",
            "HTTPS://receiver.example?a=1",
        ] {
            assert!(http_url(text).is_ok(), "{text}");
        }
        for text in ["ftp://x", "file:///etc/hosts", "localhost:3000"] {
            let problem = http_url(text).unwrap_err();
            assert_eq!(problem, "must begin with http:// or https://", "{text}");
        }
        assert!(http_url("/hooks").is_err());
    }

    #[test]
    fn an_address_may_leave_out_what_goes_without_saying() {
        for (text, read) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:0", "0.0.0.0:0"),
            ("[::1]:8080", "[::1]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            (":8080", "127.0.0.1:8080"),
            ("8080", "127.0.0.1:8080"),
        ] {
            assert_eq!(address(text).unwrap(), read.parse().unwrap());
        }
        for wrong in [
            "",
            ":",
            "localhost",
            "127.0.0.1",
            "example.com:80",
            "1:65536",
            "::1:8080 ",
        ] {
            let problem = address(wrong).unwrap_err();
            assert!(problem.contains("127.0.0.1:8080"), "{wrong}: {problem}");
        }
    }
}
