//! What every route has: a request id, bounds on the body, one log line, and answers in one form whatever happens.

use std::{convert::Infallible, panic::AssertUnwindSafe};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody as _},
    extract::{FromRequestParts, MatchedPath, Request},
    middleware::{Next, from_fn, map_response},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use rung_base::chance;
use rung_json::{
    Json, ParseError, ParseErrorKind,
    limits::{JSON_DEPTH, REQUEST_BYTES},
};
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, error_span, field::Empty};

use super::{
    ApiError, Code, Fields, auth::single, page::query_object, precondition::known, source::Source,
};
use crate::limits::{BODY_TIME, IDEMPOTENCY_KEY_BYTES};

/// The id of a request: in its answer's `x-request-id`, in the log, and in what it publishes.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("req_{}", chance::hex::<10>()))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .unwrap_or_else(|| Self(String::new())))
    }
}

/// Routes with what every route has.
pub fn router(routes: Router) -> Router {
    let routes = routes
        .fallback(async || ApiError::from(Code::NotFound))
        .method_not_allowed_fallback(other_method)
        .layer(from_fn(serve));
    // The header `Allow` is added around all layers of a router.
    Router::new()
        .fallback_service(routes)
        .layer(map_response(allowing_options))
}

/// The answer, whose `Allow` names the method that every path has, too.
async fn allowing_options(mut response: Response) -> Response {
    if let Some(allowed) = response.headers().get(header::ALLOW)
        && let Ok(allowed) = HeaderValue::try_from([allowed.as_bytes(), b",OPTIONS"].concat())
    {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// Answers a method that the path does not have; the header `Allow` is added on the way out.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        ApiError::from(Code::MethodNotAllowed).into_response()
    }
}

/// The answer to a request that is refused before any route sees it.
#[must_use]
pub fn refusal(error: ApiError) -> Response {
    tracing::info!(
        status = error.code.status().as_u16(),
        code = error.code.as_str(),
        "refused"
    );
    let id = RequestId::random();
    finished(error.response(Some(&id.0)), id)
}

async fn serve(mut request: Request, next: Next) -> Response {
    let id = RequestId::random();
    let source = Source::of(&request, &id);
    let (next_cursor, uri) = (source.next_cursor(), request.uri().clone());
    let known = is_read(request.method()).then(|| request.headers().clone());
    request.extensions_mut().insert(id.clone());
    // Every line of this request says whose it is; who calls is found out by the handler. Of the highest level, so that error
    // lines have it where only those are written.
    let span = error_span!("request", id = id.0, tenant = Empty);
    let served = served(request, next).instrument(span);
    let mut response = source.of_all(served).await;
    if let Some(link) = next_cursor
        .get()
        .and_then(|cursor| link_to_next(&uri, cursor))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    if let Some(tag) = known.and_then(|known| brings_nothing_new(&response, &known)) {
        response = without_body(response);
        response.headers_mut().insert(header::ETAG, tag);
    }
    finished(response, id)
}

fn is_read(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// The `ETag` of what the client of a read has, if that is what the answer brings.
fn brings_nothing_new(response: &Response, request: &HeaderMap) -> Option<HeaderValue> {
    let tag = response.headers().get(header::ETAG)?;
    let known = (response.status() == StatusCode::OK).then(|| known(request, tag));
    known.flatten()
}

/// The answer that what the client has is still right.
fn without_body(response: Response) -> Response {
    let mut headers = response.into_parts().0.headers;
    for of_the_body in [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
    ] {
        headers.remove(of_the_body);
    }
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// The header `Link` that leads to the next page of a list (RFC 8288).
fn link_to_next(uri: &Uri, cursor: &str) -> Option<HeaderValue> {
    let given = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let others = given.filter(|(name, _)| name != "cursor");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .append_pair("cursor", cursor)
        .finish();
    HeaderValue::try_from(format!("<{}?{query}>; rel=\"next\"", uri.path())).ok()
}

/// An answer with the headers that each has. Only what says otherwise is kept by caches: answers hold payloads and secrets.
fn finished(mut response: Response, RequestId(id): RequestId) -> Response {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert("x-request-id", id);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Refuses a body in a form that nobody here unpacks. That of a read is nobody's business.
fn check_encoding(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if is_read(method) {
        return Ok(());
    }
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut encodings = encodings.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let is_plain = encodings.all(|encoding| {
        let encoding = encoding.trim_ascii();
        encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity")
    });
    if is_plain {
        return Ok(());
    }
    let problem =
        "content encodings are not supported; send the body uncompressed, without this header";
    Err(ApiError::of_field(
        Code::UnsupportedEncoding,
        "Content-Encoding",
        problem,
    ))
}

async fn served(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let started = Instant::now();
    let response = match check_encoding(&method, request.headers()) {
        Ok(()) => {
            let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
            answered.unwrap_or_else(|_| ApiError::from(Code::Internal).into_response())
        }
        Err(error) => error.into_response(),
    };
    // What is accepted is in the table and in the metrics; a line for each event would be a twentieth of its price.
    if response.status() == StatusCode::ACCEPTED {
        return response;
    }
    tracing::info!(
        %method,
        route = route.as_deref().unwrap_or("-"),
        status = response.status().as_u16(),
        code = response.extensions().get::<Code>().map(|code| code.as_str()),
        ms = started.elapsed().as_millis(),
        "served"
    );
    response
}

/// The request's `Idempotency-Key`.
///
/// # Errors
/// When it stands twice, is empty, too long, or not printable.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = single(headers, "Idempotency-Key")? else {
        return Ok(None);
    };
    // A key in quotes, as RFC 8941 writes a text, is the same without.
    let key = value
        .to_str()
        .ok()
        .map(|key| {
            let quoted = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
            quoted.unwrap_or(key)
        })
        .filter(|key| (1..=IDEMPOTENCY_KEY_BYTES).contains(&key.len()))
        // A header's value may have tabs.
        .filter(|key| !key.contains('\t'));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        let problem = format!("must be 1 to {IDEMPOTENCY_KEY_BYTES} printable ASCII characters");
        ApiError::of_field(Code::InvalidRequest, "Idempotency-Key", problem)
    })
}

/// The body of a call without parameters, as JSON of at most `most` bytes, in which data of the greatest allowed depth may stand
/// `within` levels deep.
///
/// # Errors
/// 422 for a parameter, 413 beyond `most` bytes, 408 when it takes longer than [`BODY_TIME`], 400 for what is not JSON, 422 for
/// JSON that not every receiver would read alike.
pub async fn body(request: Request, most: usize, within: usize) -> Result<Json, ApiError> {
    parse(&bytes(request, most).await?, within)
}

/// As [`body`], of a call whose parameters are read elsewhere.
///
/// # Errors
/// As [`body`], save for parameters.
pub async fn body_beside_query(
    request: Request,
    most: usize,
    within: usize,
) -> Result<Json, ApiError> {
    parse(&read_bytes(request.into_body(), most).await?, within)
}

/// As [`body`], where an empty one stands for an empty object.
///
/// # Errors
/// As [`body`].
pub async fn empty_or_body(request: Request, most: usize) -> Result<Json, ApiError> {
    let text = bytes(request, most).await?;
    if text.is_empty() {
        Ok(Json::Object(Vec::new()))
    } else {
        parse(&text, 1)
    }
}

/// Looks whether a call that takes nothing is asked for more than it does: neither parameter nor body, or an empty object. Who
/// asks to delete some must not see all deleted.
///
/// # Errors
/// As [`empty_or_body`], and 422 for a field.
pub async fn nothing(request: Request) -> Result<(), ApiError> {
    let body = empty_or_body(request, REQUEST_BYTES).await?;
    Fields::of(&body)?.finish()
}

/// As [`nothing`], of a call whose parameters are read elsewhere.
///
/// # Errors
/// As [`nothing`], save for parameters.
pub async fn nothing_beside_query(request: Request) -> Result<(), ApiError> {
    let text = read_bytes(request.into_body(), REQUEST_BYTES).await?;
    if text.is_empty() {
        return Ok(());
    }
    Fields::of(&parse(&text, 1)?)?.finish()
}

/// Refuses every parameter.
fn no_query(query: Option<&str>) -> Result<(), ApiError> {
    match query {
        Some(_) => Fields::of(&query_object(query)?)?.finish(),
        None => Ok(()),
    }
}

/// The body of a call without parameters, of at most `most` bytes.
///
/// # Errors
/// 422 for a parameter, 413 beyond `most` bytes, 408 when it takes longer than [`BODY_TIME`], 400 when it breaks off.
pub async fn bytes(request: Request, most: usize) -> Result<Bytes, ApiError> {
    no_query(request.uri().query())?;
    read_bytes(request.into_body(), most).await
}

async fn read_bytes(body: Body, most: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body may have at most {most} bytes");
        ApiError::new(Code::PayloadTooLarge, message)
    };
    // What says beforehand that it is too large need not be read.
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let body = timeout(BODY_TIME, Limited::new(body, most).collect()).await;
    match body.map_err(|_| Code::RequestTimeout)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(ApiError::new(
            Code::MalformedRequest,
            "the body is incomplete or does not match its headers",
        )),
    }
}

/// JSON in which data of the greatest allowed depth may stand `within` levels deep.
///
/// # Errors
/// 400 for what is not JSON, 422 for JSON that not every receiver would read alike.
pub fn parse(bytes: &[u8], within: usize) -> Result<Json, ApiError> {
    Json::parse(bytes, JSON_DEPTH + within).map_err(|fault| fault.within(within).into())
}

impl From<ParseError> for ApiError {
    fn from(fault: ParseError) -> Self {
        let code = match fault.kind {
            ParseErrorKind::DuplicateKey
            | ParseErrorKind::LoneSurrogate
            | ParseErrorKind::NumberOutOfRange
            | ParseErrorKind::TooDeep { .. } => Code::InvalidRequest,
            _ => Code::InvalidJson,
        };
        let field = if fault.path == rung_json::JsonPath::default() {
            "body".to_owned()
        } else {
            fault.path.to_string()
        };
        let problem = format!("{} at byte {}", fault.kind, fault.offset);
        Self::of_field(code, field, problem)
    }
}

/// The query of a request as an object of texts, to be read as [`super::Fields`].
#[derive(Debug, Clone)]
pub struct Query(pub Json);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        query_object(parts.uri.query()).map(Self)
    }
}

/// Of a read without parameters: that there are none.
#[derive(Debug, Clone, Copy)]
pub struct NoQuery;

impl<S: Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        no_query(parts.uri.query()).map(|()| Self)
    }
}
