//! Pages of other origins that may call the API, as `CorsConfiguration` in `template.yaml` lets them: keys travel in a header,
//! there are no cookies.

use std::{str::FromStr, time::Duration};

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// Headers of requests.
const SENT: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("rung-tenant"),
    HeaderName::from_static("traceparent"),
];

/// Headers of answers.
const READ: [HeaderName; 7] = [
    header::ETAG,
    header::LINK,
    header::LOCATION,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    header::RETRY_AFTER,
    HeaderName::from_static("x-request-id"),
];

/// How long a browser remembers what it may do.
const REMEMBERED: Duration = Duration::from_secs(600);

/// An origin as browsers send it, or `*` for any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "http://localhost:3000";
        let wrong = || format!("must be an origin such as {example}, without a path, or *");
        if text != "*" {
            let url = Url::parse(text).map_err(|_| wrong())?;
            let origin = url.origin();
            let is_http = matches!(url.scheme(), "http" | "https");
            if !origin.is_tuple() || !is_http || text.contains('*') {
                return Err(wrong());
            }
            let sent = origin.ascii_serialization();
            if sent != text {
                return Err(format!("must be as browsers send it: {sent}"));
            }
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| wrong())
    }
}

/// The routes, for pages of these origins as well.
pub(super) fn shared(routes: Router, origins: &[Origin]) -> Router {
    if origins.is_empty() {
        return routes;
    }
    let allowed = if origins.iter().any(|Origin(origin)| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().map(|Origin(origin)| origin.clone()))
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods(METHODS)
        .allow_headers(SENT)
        .expose_headers(READ)
        .max_age(REMEMBERED);
    routes.layer(layer).layer(from_fn(without_content))
}

/// Answers a preflight with 204, as API Gateway does.
async fn without_content(request: Request, next: Next) -> Response {
    let asks = request.method() == Method::OPTIONS;
    let mut answer = next.run(request).await;
    if asks && answer.status() == StatusCode::OK {
        *answer.status_mut() = StatusCode::NO_CONTENT;
    }
    answer
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::body::Body;
    use http::HeaderMap;
    use tower::ServiceExt as _;

    use super::*;

    const PAGE: &str = "http://localhost:3000";

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    async fn asked(
        origins: &[Origin],
        method: &str,
        from: Option<&str>,
    ) -> (StatusCode, HeaderMap) {
        let routes = shared(Router::new().fallback(async || "here"), origins);
        let mut request = Request::builder().method(method).uri("/");
        if let Some(from) = from {
            request = request.header("origin", from);
        }
        if method == "OPTIONS" {
            request = request.header("access-control-request-method", "POST");
        }
        let answer = routes.oneshot(request.body(Body::empty()).unwrap()).await;
        let (head, _) = answer.unwrap().into_parts();
        (head.status, head.headers)
    }

    #[tokio::test]
    async fn only_the_pages_that_were_named_may_read() {
        let origins = [origin(PAGE), origin("https://app.example.com")];
        for (from, allowed) in [
            (Some(PAGE), Some(PAGE)),
            (
                Some("https://app.example.com"),
                Some("https://app.example.com"),
            ),
            (Some("http://localhost:3001"), None),
            (Some("http://app.example.com"), None),
            (Some("null"), None),
            (None, None),
        ] {
            for method in ["OPTIONS", "GET"] {
                let (_, headers) = asked(&origins, method, from).await;
                let told = headers.get("access-control-allow-origin");
                assert_eq!(told.map(|told| told.to_str().unwrap()), allowed);
                assert!(headers["vary"].to_str().unwrap().contains("origin"));
                assert_eq!(headers.get("access-control-allow-credentials"), None);
            }
        }
        let (_, headers) = asked(&[origin("*")], "GET", Some(PAGE)).await;
        assert_eq!(headers["access-control-allow-origin"], "*");
    }

    #[tokio::test]
    async fn nobody_may_unless_somebody_was_named() {
        let (_, headers) = asked(&[], "GET", Some(PAGE)).await;
        assert_eq!(headers.get("access-control-allow-origin"), None);
    }

    #[test]
    fn an_origin_is_as_browsers_send_it() {
        for right in [
            "*",
            PAGE,
            "https://app.example.com",
            "http://127.0.0.1:8080",
            "http://[::1]:3000",
        ] {
            assert_eq!(origin(right).0, right);
        }
        for (wrong, problem) in [
            ("", "without a path"),
            ("localhost:3000", "without a path"),
            ("app.example.com", "without a path"),
            ("null", "without a path"),
            ("file:///tmp", "without a path"),
            ("http://localhost:3000/", PAGE),
            ("http://localhost:3000/page", PAGE),
            ("HTTP://LocalHost:3000", PAGE),
            ("http://user@localhost:3000", PAGE),
            ("https://app.example.com:443", "https://app.example.com"),
            ("https://*.example.com", "without a path"),
        ] {
            let error = wrong.parse::<Origin>().unwrap_err();
            assert!(error.contains(problem), "{wrong:?}: {error}");
        }
    }

    /// What the template lets pages do is what they may do here.
    #[tokio::test]
    async fn the_template_says_the_same() {
        let template = include_str!("../../../../template.yaml");
        let (_, section) = template.split_once("CorsConfiguration:\n").unwrap();
        let of_template = |name: &str| {
            let line = section.lines().take(8);
            let mut lines = line.filter_map(|line| line.trim().strip_prefix(name));
            let value = lines.next().unwrap().trim().trim_matches(['[', ']']);
            let mut names: Vec<_> = value.split(", ").map(str::to_ascii_lowercase).collect();
            names.sort();
            names
        };
        let (status, preflight) = asked(&[origin(PAGE)], "OPTIONS", Some(PAGE)).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        let (_, answer) = asked(&[origin(PAGE)], "GET", Some(PAGE)).await;
        let here = |headers: &HeaderMap, name: &str| {
            let value = headers[name].to_str().unwrap();
            let mut names: Vec<_> = value
                .split(',')
                .map(|name| name.trim().to_ascii_lowercase())
                .collect();
            names.sort();
            names
        };
        for (of_template, here) in [
            (
                of_template("AllowMethods:"),
                here(&preflight, "access-control-allow-methods"),
            ),
            (
                of_template("AllowHeaders:"),
                here(&preflight, "access-control-allow-headers"),
            ),
            (
                of_template("MaxAge:"),
                here(&preflight, "access-control-max-age"),
            ),
            (
                of_template("ExposeHeaders:"),
                here(&answer, "access-control-expose-headers"),
            ),
        ] {
            assert_eq!(of_template, here);
        }
    }
}
