//! Errors as clients see them: a stable code, a sentence to act on, and the fields concerned.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{auth::TENANT_HEADER, source::Source};
use crate::limits::{TOLD_FIELD_CHARS, TOLD_PROBLEM_CHARS};
use rung_core::{egress::HostFault, flow::FlowError, queue::QueueError, store::StoreError};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $message:literal;)*) => {
        /// What went wrong, by a name that stays.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All codes, for documentation.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The message where none says more.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    InvalidJson = "invalid_json", BAD_REQUEST, "the body is not JSON";
    /// The request is not as HTTP has it.
    MalformedRequest = "malformed_request", BAD_REQUEST, "the request is not valid HTTP/1.1";
    /// No key, or none that is known.
    Unauthorized = "unauthorized", UNAUTHORIZED, "missing or unknown API key; send `Authorization: Bearer KEY`";
    /// The key has expired.
    KeyExpired = "key_expired", UNAUTHORIZED, "the API key has expired; ask for a new one";
    /// The portal link has expired.
    TokenExpired = "token_expired", UNAUTHORIZED, "the portal link has expired; open a new one";
    /// The key may not do this.
    Forbidden = "forbidden", FORBIDDEN, "the API key lacks the required scope";
    /// The tenant's plan has no webhooks.
    PlanWithoutWebhooks = "plan_without_webhooks", FORBIDDEN, "the tenant's plan has no webhooks; change the plan first";
    /// There is no such thing, or it is another tenant's.
    NotFound = "not_found", NOT_FOUND, "not found";
    /// The path has no such method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "the path does not support this method; see the header Allow";
    /// The body did not come in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "the body did not arrive in time; send it faster, or send less";
    /// Others change the same thing all the time.
    Busy = "busy", CONFLICT, "others are changing this; send the same request again";
    /// The id names something that is there.
    IdTaken = "id_taken", CONFLICT, "the id is taken; choose another";
    /// The id is that of an event with other content.
    EventIdReused = "event_id_reused", CONFLICT, "the id belongs to an event with other content; take a new one";
    /// The event has expired.
    EventExpired = "event_expired", CONFLICT, "the event has expired and cannot be sent again";
    /// What has succeeded cannot be cancelled.
    DeliverySucceeded = "delivery_succeeded", CONFLICT, "the delivery has succeeded and cannot be cancelled";
    /// What has ended cannot be cancelled.
    JobEnded = "job_ended", CONFLICT, "the job has ended and cannot be cancelled";
    /// An erasure goes on to its end.
    JobNotCancellable = "job_not_cancellable", CONFLICT, "an erasure cannot be cancelled once it has begun";
    /// A test is not sent again.
    TestDelivery = "test_delivery", CONFLICT, "a test cannot be retried; call test again";
    /// The key is there already.
    KeyTaken = "key_taken", CONFLICT, "the key already exists; delete it first to change it";
    /// The first key is not changed.
    FirstKey = "first_key", CONFLICT, "the first key belongs to the deployment and cannot be changed; create another key and delete this one";
    /// The operator's own tenant is not deleted.
    OwnTenant = "own_tenant", CONFLICT, "the tenant `_operator` belongs to the deployment and cannot be deleted; delete its webhooks instead";
    /// No other key with the scope `admin` would be left.
    LastAdminKey = "last_admin_key", CONFLICT, "this is the last key with the scope `admin`; create another first";
    /// The tenant has as many webhooks as it may have.
    TooManyWebhooks = "too_many_webhooks", CONFLICT, "the tenant has reached its maximum number of webhooks; delete one first";
    /// As many secrets sign still as may.
    TooManySecrets = "too_many_secrets", CONFLICT, "too many older secrets sign still; finish the rotation first";
    /// As many event types were set as may be.
    TooManyEventTypes = "too_many_event_types", CONFLICT, "too many event types were set; delete one first";
    /// The event type is not defined where it was asked to be deleted.
    EventTypeInherited = "event_type_inherited", CONFLICT, "the event type comes from the dialect or the deployment and cannot be deleted here; set `archived` to refuse its events";
    /// The webhook is disabled.
    WebhookDisabled = "webhook_disabled", CONFLICT, "the webhook is disabled; set its status to active first";
    /// The event was erased.
    EventErased = "event_erased", CONFLICT, "the event was erased and is not sent again";
    /// The delivery has had as many attempts as one may have.
    TooManyAttempts = "too_many_attempts", CONFLICT, "the delivery has had 1,000 attempts and is not sent again; publish the event under another id";
    /// It is not as `If-Match` or `If-None-Match` says.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "it has changed since it was read; read it again, and change that";
    /// The body, or what would be delivered, is too large.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "the body is too large";
    /// The request's target is too long.
    UriTooLong = "uri_too_long", URI_TOO_LONG, "the request's path and query are too long";
    /// The body is compressed.
    UnsupportedEncoding = "unsupported_encoding", UNSUPPORTED_MEDIA_TYPE, "send the body uncompressed, without the header Content-Encoding";
    /// `Expect` asks for something else than `100-continue`.
    ExpectationFailed = "expectation_failed", EXPECTATION_FAILED, "only `100-continue` is supported in the header Expect; remove the header";
    /// `Host` is not one of this server's names.
    MisdirectedRequest = "misdirected_request", MISDIRECTED_REQUEST, "the header Host does not name this server";
    /// A field is missing, unknown, or not as it must be.
    InvalidRequest = "invalid_request", UNPROCESSABLE_ENTITY, "the request is invalid; see details";
    /// A field is unknown.
    UnknownField = "unknown_field", UNPROCESSABLE_ENTITY, "the request has an unknown field; see details";
    /// A field cannot be changed.
    ReadOnly = "read_only", UNPROCESSABLE_ENTITY, "the request changes what cannot be changed; see details";
    /// The `Idempotency-Key` belongs to another request.
    IdempotencyMismatch = "idempotency_mismatch", UNPROCESSABLE_ENTITY, "the Idempotency-Key belongs to another request; take a new one";
    /// Deliveries of the dialect cannot be signed with the secret.
    InvalidSecret = "invalid_secret", UNPROCESSABLE_ENTITY, "deliveries cannot be signed with this secret";
    /// With an operator's key, a tenant's call says which tenant.
    TenantRequired = "tenant_required", UNPROCESSABLE_ENTITY, "with an operator's key, name the tenant: `Rung-Tenant: ID`";
    /// The request names two tenants.
    TenantMismatch = "tenant_mismatch", UNPROCESSABLE_ENTITY, "the request names another tenant than its key or path; omit it";
    /// No event of a batch was accepted.
    BatchRefused = "batch_refused", UNPROCESSABLE_ENTITY, "no event of the batch was accepted; see data.results";
    /// No line of an import was taken.
    ImportRefused = "import_refused", UNPROCESSABLE_ENTITY, "no line was imported; see data.results";
    /// The tenant's dialect names plans, and this is none of them.
    UnknownPlan = "unknown_plan", UNPROCESSABLE_ENTITY, "the tenant's dialect has no such plan";
    /// The last segment of a type may not be `schema`.
    ReservedType = "reserved_type", UNPROCESSABLE_ENTITY, "the last segment of an event type may not be `schema`";
    /// The tenant's dialect has no such type.
    UnknownEventType = "unknown_event_type", UNPROCESSABLE_ENTITY, "the tenant's dialect has no such event type";
    /// The event type is archived.
    EventTypeArchived = "event_type_archived", UNPROCESSABLE_ENTITY, "the event type is archived and takes no new events; publish another type";
    /// A number changes when the dialect's receivers read and write it.
    UnstableNumber = "unstable_number", UNPROCESSABLE_ENTITY, "receivers would change a number when they parse and serialize it";
    /// The endpoint did not echo the challenge.
    ChallengeFailed = "challenge_failed", UNPROCESSABLE_ENTITY, "the endpoint did not echo the challenge";
    /// The webhook's endpoint is not verified yet.
    WebhookUnverified = "webhook_unverified", CONFLICT, "the endpoint is not verified yet; POST /v1/webhooks/{id}/verify first";
    /// A limit for a span of time is used up.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "rate limit exceeded; wait for the number of seconds in Retry-After";
    /// The plan's quota for this month is used up.
    QuotaExceeded = "quota_exceeded", TOO_MANY_REQUESTS, "the quota of the tenant's plan is used up";
    /// Too many requests with a wrong key came from the client's address.
    TooManyWrongKeys = "too_many_wrong_keys", TOO_MANY_REQUESTS, "too many requests with a wrong key from this address; send a valid key";
    /// The request's headers are too long, or too many.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "the request may have at most 64 KiB of headers and 100 headers";
    /// The data is not as the schema of its type says.
    SchemaViolation = "schema_violation", UNPROCESSABLE_ENTITY, "the data violates the schema of its event type";
    /// The schema of the type was taken once, and is refused by now.
    UnusableSchema = "unusable_schema", UNPROCESSABLE_ENTITY, "the stored schema of the event type exceeds the present limits; replace or delete it";
    /// A member of the data has a name that the dialect's envelope needs.
    ReservedMember = "reserved_member", UNPROCESSABLE_ENTITY, "a member of the data has a reserved name";
    /// The request is itself a delivery, and would lead to too many in a row.
    LoopDetected = "loop_detected", UNPROCESSABLE_ENTITY, "loop detected: this request is itself a delivery; change the URL of the webhook that leads here";
    /// A fault of Rung's.
    Internal = "internal", INTERNAL_SERVER_ERROR, "internal error; the request id identifies it in the log";
    /// Rung's own host, name servers or network keep it from sending.
    CannotSend = "cannot_send", SERVICE_UNAVAILABLE, "Rung cannot send at the moment, for reasons of its own host; send the same request again";
    /// The table or the queue did not answer.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "temporarily unavailable; send the same request again";
}

impl Code {
    /// Whether the same request may succeed later, after the seconds of `Retry-After`.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::RequestTimeout
                | Self::RateLimited
                | Self::QuotaExceeded
                | Self::TooManyWrongKeys
                | Self::CannotSend
                | Self::Unavailable
        )
    }

    /// The code of a detail that is wrong for this cause.
    fn of_detail(self) -> &'static str {
        match self {
            Self::InvalidRequest => INVALID,
            code => code.as_str(),
        }
    }
}

/// The code of a detail that is not as it must be.
const INVALID: &str = "invalid";
/// The code of a detail that is missing.
const REQUIRED: &str = "required";

/// A field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// Where in the request, as a path such as `events[0].data`; the name of a header or query parameter.
    pub field: String,
    /// What is wrong, by a name that stays.
    pub code: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Detail {
    /// That a field is missing which must be there.
    pub(super) fn missing(field: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            code: REQUIRED,
            problem: "is required".to_owned(),
        }
    }

    /// What is wrong with a field for this cause.
    #[must_use]
    pub fn new(code: Code, field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            code: code.of_detail(),
            problem: problem.into(),
        }
    }
}

/// An error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// Its code.
    pub code: Code,
    /// One sentence that a person can act on.
    pub message: String,
    /// The fields concerned.
    pub details: Vec<Detail>,
    /// When to try again, in seconds from now.
    pub retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct Wire<'a> {
    code: &'a str,
    message: &'a str,
    request_id: Option<&'a str>,
    retryable: bool,
    details: &'a [Detail],
}

impl Serialize for ApiError {
    /// As an error of the request that is being handled.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let source = Source::current();
        let request_id = source.as_ref().map(|source| source.request_id.as_str());
        self.wire(request_id).serialize(serializer)
    }
}

impl ApiError {
    fn wire<'a>(&'a self, request_id: Option<&'a str>) -> Wire<'a> {
        Wire {
            code: self.code.as_str(),
            message: &self.message,
            request_id,
            retryable: self.code.is_retryable(),
            details: &self.details,
        }
    }

    /// An error with a message of its own.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: Vec::new(),
            retry_after_s: match code {
                Code::Unavailable | Code::Busy => Some(1),
                Code::CannotSend => Some(5),
                _ => None,
            },
        }
    }

    /// An error that concerns one field.
    #[must_use]
    pub fn of_field(code: Code, field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::of_fields(code, vec![Detail::new(code, field, problem)])
    }

    /// An error about a field that is missing and must be there.
    #[must_use]
    pub fn missing(field: impl Into<String>) -> Self {
        Self::of_fields(Code::InvalidRequest, vec![Detail::missing(field)])
    }

    /// An error that concerns fields; its message is about the first. What was sent is repeated no further than a person reads.
    #[must_use]
    pub fn of_fields(code: Code, mut details: Vec<Detail>) -> Self {
        for Detail { field, problem, .. } in &mut details {
            clip(field, TOLD_FIELD_CHARS);
            clip(problem, TOLD_PROBLEM_CHARS);
        }
        let message = details.first().map_or_else(
            || code.message().to_owned(),
            |Detail { field, problem, .. }| format!("{field}: {problem}"),
        );
        Self {
            details,
            ..Self::new(code, message)
        }
    }

    /// The same, to be tried again in so many seconds.
    #[must_use]
    pub fn retry_after_s(self, seconds: u64) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }

    /// The same about what stands at `path` of the request.
    #[must_use]
    pub fn within(mut self, path: &str) -> Self {
        for Detail { field, .. } in &mut self.details {
            field.insert_str(0, path);
        }
        self
    }

    /// An operator's call that must name a tenant.
    #[must_use]
    pub fn tenant_required() -> Self {
        let problem = "is required with an operator's key; set it to the tenant's id";
        Self::of_field(Code::TenantRequired, TENANT_HEADER, problem)
    }

    /// An `Idempotency-Key` that was used for a request with another body.
    #[must_use]
    pub fn idempotency_mismatch() -> Self {
        let problem = "was used for a request with another body; use a new key";
        Self::of_field(Code::IdempotencyMismatch, "Idempotency-Key", problem)
    }

    /// There is nothing by this name.
    #[must_use]
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} {id:?} not found"))
    }
}

fn clip(text: &mut String, most_chars: usize) {
    if let Some((end, _)) = text.char_indices().nth(most_chars) {
        text.truncate(end);
        text.push('…');
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self::new(code, code.message())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        FlowError::from(error).into()
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        FlowError::from(error).into()
    }
}

impl From<HostFault> for ApiError {
    fn from(fault: HostFault) -> Self {
        FlowError::from(fault).into()
    }
}

impl From<FlowError> for ApiError {
    fn from(error: FlowError) -> Self {
        if !matches!(error, FlowError::WornOut) {
            tracing::error!(%error, "a request could not be done");
        }
        match error {
            FlowError::WornOut => Code::TooManyAttempts,
            FlowError::Host(_) => Code::CannotSend,
            // Asking again would not mend it.
            FlowError::Store(StoreError::Corrupt { .. }) => Code::Internal,
            FlowError::Store(
                StoreError::Unavailable(_)
                | StoreError::UnknownEncryptionKey { .. }
                | StoreError::NoEncryptionKey,
            )
            | FlowError::Queue(_)
            | FlowError::Topic(_)
            | FlowError::Untold { .. }
            | FlowError::NoDialect(_) => Code::Unavailable,
        }
        .into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let source = Source::current();
        self.response(source.as_ref().map(|source| source.request_id.as_str()))
    }
}

impl ApiError {
    /// The answer to the request of this id.
    pub(super) fn response(self, request_id: Option<&str>) -> Response {
        #[derive(Serialize)]
        struct Failure<'a> {
            success: bool,
            error: Wire<'a>,
        }
        let json = serde_json::to_vec(&Failure {
            success: false,
            error: self.wire(request_id),
        })
        .unwrap_or_default();
        let mut response = super::json_response(self.code.status(), json);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.code == Code::UnsupportedEncoding {
            headers.insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            );
        }
        response.extensions_mut().insert(self.code);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_clients_has_each_code_with_its_status() {
        let page = include_str!("../../../docs/errors.md");
        let rows = page.lines().filter(|line| line.starts_with("| `"));
        let rows = rows.map(|row| row.split(" | ").take(2).collect::<Vec<_>>().join(" | "));
        let codes = Code::ALL.iter();
        let codes = codes.map(|code| format!("| `{}` | {}", code.as_str(), code.status().as_u16()));
        assert!(
            rows.eq(codes),
            "docs/errors.md has other codes, or another order"
        );
    }

    #[test]
    fn what_was_sent_is_not_repeated_at_length() {
        let long = "é".repeat(100_000);
        let error = ApiError::of_field(Code::InvalidRequest, long.clone(), long);
        assert_eq!(error.details[0].field.chars().count(), TOLD_FIELD_CHARS + 1);
        assert!(error.details[0].problem.ends_with('…'));
        assert!(error.message.chars().count() < 3_000);
    }

    #[test]
    fn only_what_may_pass_is_to_be_tried_again() {
        let corrupt = StoreError::Corrupt {
            key: "T#t A".to_owned(),
            attribute: "dialect",
        };
        assert_eq!(ApiError::from(corrupt).code, Code::Internal);
        let away = StoreError::Unavailable("timed out".into());
        assert_eq!(ApiError::from(away).code, Code::Unavailable);
    }
}
