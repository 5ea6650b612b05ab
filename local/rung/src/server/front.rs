//! What a request must be to come in at all.
//!
//! A page from elsewhere whose name is made to lead to this machine (DNS rebinding) talks to a server on loopback as if it were the
//! page's own. But it says in `Host` by which name it came, and a page cannot change that: so on loopback only the names of this machine
//! are served, and those that the operator has given.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use http::{HeaderMap, HeaderValue, Version, header, uri::Authority};
use rung_api::{ApiError, Code};
use url::Url;

use super::cors::{self, Origin};

/// The front of the API.
#[derive(Debug)]
pub(crate) struct Front {
    /// By which names requests may come; `None` for any.
    names: Option<Vec<String>>,
    origins: Vec<Origin>,
}

impl Front {
    /// That of an API which listens at `listening`, is known outside by the host of `public_url`, and may be called by the pages of
    /// `origins`.
    pub(crate) fn new(
        listening: SocketAddr,
        public_url: Option<&Url>,
        origins: Vec<Origin>,
    ) -> Self {
        let public = public_url.and_then(Url::host_str).map(str::to_owned);
        let names = listening.ip().is_loopback().then(|| Vec::from_iter(public));
        Self { names, origins }
    }

    /// The routes behind it.
    pub(crate) fn before(self, routes: Router) -> Router {
        let origins = self.origins.clone();
        // Pages may read what is refused, too.
        let screened = routes.layer(from_fn_with_state(Arc::new(self), screen));
        cors::shared(screened, &origins)
    }

    fn check(&self, request: &Request) -> Result<(), ApiError> {
        self.check_host(request)?;
        check_framing(request.headers())?;
        check_expectation(request.headers())
    }

    fn check_host(&self, request: &Request) -> Result<(), ApiError> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (None, _) if request.version() == Version::HTTP_10 => None,
            (None, _) => return Err(malformed("Host", "is missing")),
            (Some(_), Some(_)) => return Err(malformed("Host", "is given twice; give it once")),
            (Some(host), None) => {
                let host = host.to_str().ok().and_then(host_of);
                let problem = "must be a host, or a host and a port";
                Some(host.ok_or_else(|| malformed("Host", problem))?)
            }
        };
        // A target may name a host as well.
        let target = request.uri().authority().map(Authority::as_str);
        let target = target.map(|target| host_of(target).unwrap_or_default());
        match host.iter().chain(&target).find(|host| !self.knows(host)) {
            Some(_) => Err(ApiError::of_field(
                Code::MisdirectedRequest,
                "Host",
                "does not name this server, which listens on loopback: use localhost or its address, or set RUNG_PUBLIC_URL",
            )),
            None => Ok(()),
        }
    }

    fn knows(&self, host: &str) -> bool {
        let Some(names) = &self.names else {
            return true;
        };
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
            || names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

async fn screen(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    match front.check(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            let mut refusal = rung_api::refusal(error);
            // What follows on the connection may be a part of this request.
            let close = HeaderValue::from_static("close");
            refusal.headers_mut().insert(header::CONNECTION, close);
            refusal
        }
    }
}

fn malformed(header: &str, problem: &str) -> ApiError {
    ApiError::of_field(Code::MalformedRequest, header, problem)
}

/// The host of a host and perhaps a port; `None` if it is something else.
fn host_of(text: &str) -> Option<&str> {
    let authority: Authority = text.parse().ok()?;
    let host = text.get(..authority.host().len())?;
    let port = text.get(host.len()..)?;
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && (port.is_empty() || port.parse::<u16>().is_ok())
        });
    (is_port && !host.is_empty() && host == authority.host()).then_some(host)
}

/// Hyper reads a body in chunks whatever other codings stand before the last one. A proxy in front may read it otherwise.
fn check_framing(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if is_chunked(coding) => Ok(()),
        _ => Err(malformed(
            "Transfer-Encoding",
            "must be `chunked`, given once",
        )),
    }
}

fn check_expectation(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut expectations = headers.get_all(header::EXPECT).iter();
    if expectations.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Ok(());
    }
    Err(ApiError::of_field(
        Code::ExpectationFailed,
        "Expect",
        "only 100-continue is supported; omit the header",
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::body::Body;
    use http::{StatusCode, request::Builder};
    use tower::ServiceExt as _;

    use super::*;

    const OTHER: &str = "webhooks.example.com";

    fn front(listening: &str, public_url: Option<&str>) -> Router {
        let public_url = public_url.map(|url| Url::parse(url).unwrap());
        let routes = Router::new().fallback(async || "here");
        Front::new(listening.parse().unwrap(), public_url.as_ref(), Vec::new()).before(routes)
    }

    async fn answered(front: &Router, request: Builder) -> StatusCode {
        let request = request.body(Body::empty()).unwrap();
        front.clone().oneshot(request).await.unwrap().status()
    }

    async fn with_host(front: &Router, host: &str) -> u16 {
        let request = Request::get("/").header("host", host);
        answered(front, request).await.as_u16()
    }

    #[tokio::test]
    async fn a_server_on_loopback_goes_by_the_names_of_this_machine() {
        for listening in ["127.0.0.1:8080", "[::1]:8080"] {
            let front = front(listening, None);
            for host in [
                "localhost",
                "LocalHost:1",
                "localhost:",
                "127.0.0.1",
                "127.0.0.1:8080",
                "127.1.2.3:65535",
                "[::1]",
                "[::1]:8080",
                "[::ffff:127.0.0.1]:80",
            ] {
                assert_eq!(with_host(&front, host).await, 200, "{host}");
            }
            for host in [
                OTHER,
                "localhost.example.com",
                "localhost.",
                "alocalhost:8080",
                "127.0.0.1.example.com",
                "192.0.2.1",
                "0.0.0.0:8080",
                "127.1",
                "2130706433",
                "[2001:db8::1]",
                "[::ffff:192.0.2.1]",
            ] {
                assert_eq!(with_host(&front, host).await, 421, "{host}");
            }
        }
    }

    #[tokio::test]
    async fn the_public_name_is_served_on_loopback() {
        let front = front("127.0.0.1:0", Some("https://Webhooks.Example.com/rung"));
        assert_eq!(with_host(&front, OTHER).await, 200);
        assert_eq!(with_host(&front, "webhooks.example.com:443").await, 200);
        assert_eq!(with_host(&front, "example.com").await, 421);
        assert_eq!(with_host(&front, "localhost").await, 200);
    }

    #[tokio::test]
    async fn a_server_for_others_goes_by_any_name() {
        let front = front("0.0.0.0:8080", None);
        assert_eq!(with_host(&front, OTHER).await, 200);
        assert_eq!(with_host(&front, "192.0.2.1:80").await, 200);
        assert_eq!(with_host(&front, "a b").await, 400);
    }

    #[tokio::test]
    async fn a_host_is_there_once_and_is_one() {
        let front = front("127.0.0.1:0", None);
        for wrong in [
            "",
            " ",
            ":8080",
            "user@localhost",
            "localhost@",
            "localhost, localhost",
            "localhost/",
            "localhost?",
            "localhost#a",
            "http://localhost",
            "localhost:port",
            "localhost:65536",
            "localhost:+80",
            "localhost:8080:8080",
            "[::1",
            "::1",
            "local host",
            "localh\u{f6}st",
        ] {
            assert_eq!(with_host(&front, wrong).await, 400, "{wrong:?}");
        }
        let none = Request::get("/");
        assert_eq!(answered(&front, none).await, 400);
        let twice = Request::get("/").header("host", "localhost");
        let twice = twice.header("host", "localhost");
        assert_eq!(answered(&front, twice).await, 400);
    }

    #[tokio::test]
    async fn only_http_1_0_has_no_host() {
        let front = front("127.0.0.1:0", None);
        let old = || Request::get("/").version(Version::HTTP_10);
        assert_eq!(answered(&front, old()).await, 200);
        assert_eq!(answered(&front, old().header("host", OTHER)).await, 421);
    }

    #[tokio::test]
    async fn a_target_with_a_host_counts_too() {
        let front = front("127.0.0.1:0", None);
        for (target, status) in [
            ("http://localhost/", 200),
            ("http://webhooks.example.com/", 421),
            ("http://user@localhost/", 421),
        ] {
            let request = Request::get(target).header("host", "localhost");
            assert_eq!(answered(&front, request).await, status, "{target}");
        }
        let request = Request::get("http://localhost/").header("host", OTHER);
        assert_eq!(answered(&front, request).await, 421);
    }

    #[tokio::test]
    async fn a_body_comes_in_chunks_or_by_its_length() {
        let front = front("127.0.0.1:0", None);
        for (codings, status) in [
            (&["chunked"][..], 200),
            (&["Chunked"], 200),
            (&["gzip, chunked"], 400),
            (&["chunked, chunked"], 400),
            (&["chunked", "chunked"], 400),
            (&["gzip", "chunked"], 400),
            (&["identity"], 400),
            (&[""], 400),
        ] {
            let request = Request::post("/").header("host", "localhost");
            let with =
                |request: Builder, coding: &&str| request.header("transfer-encoding", *coding);
            let request = codings.iter().fold(request, with);
            assert_eq!(answered(&front, request).await, status, "{codings:?}");
        }
    }

    #[tokio::test]
    async fn nothing_but_100_continue_can_be_expected() {
        let front = front("127.0.0.1:0", None);
        for (expected, status) in [
            ("100-continue", 200),
            ("100-Continue", 200),
            ("200-ok", 417),
            ("100-continue, 200-ok", 417),
            ("", 417),
        ] {
            let request = Request::post("/").header("host", "localhost");
            let request = request.header("expect", expected);
            assert_eq!(answered(&front, request).await, status, "{expected:?}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_of_the_api() {
        let front = front("127.0.0.1:0", None);
        let request = Request::get("/").body(Body::empty()).unwrap();
        let answer = front.oneshot(request).await.unwrap();
        assert!(answer.headers().contains_key("x-request-id"));
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let body = axum::body::to_bytes(answer.into_body(), 10_000)
            .await
            .unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "malformed_request");
        assert_eq!(body["error"]["details"][0]["field"], "Host");
    }
}
