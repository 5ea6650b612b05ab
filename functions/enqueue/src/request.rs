//! What a client sends to publish.

use http::HeaderMap;
use rung_api::{ApiError, Code, Fields, read};
use rung_core::{
    domain::{
        hops::Hops,
        id::{EventId, TenantName},
        trace::TraceParent,
    },
    flow::accept::NewEvent,
};
use rung_dialect::{
    is_event_type, is_reserved_type,
    limits::{EVENT_TYPE_CHARS, ID_CHARS},
};
use rung_json::{Json, limits::REQUEST_BYTES};

/// The trace that a request belongs to. As its specification wants it, a header that makes no sense is as none.
pub(crate) fn trace(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all("traceparent").iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    TraceParent::parse(value.to_str().ok()?).ok()
}

/// An event of a request, and the tenant whose it is, where the event says so.
#[derive(Debug)]
pub struct Given {
    /// The tenant.
    pub tenant: Option<TenantName>,
    /// The event.
    pub event: NewEvent,
}

/// Reads an event that stands at `path` of the request.
///
/// # Errors
/// Every problem with its fields.
pub fn read_event(
    value: &Json,
    path: &str,
    idempotency_key: Option<String>,
) -> Result<Given, ApiError> {
    let mut fields = Fields::at(value, path)?;
    let tenant = fields.optional("tenant", read::id(TenantName::parse));
    if idempotency_key.is_some() && value.get("id").is_some_and(|id| *id != Json::Null) {
        fields.problem(
            "id",
            "is given together with an Idempotency-Key; give one of the two",
        );
    }
    let event = read_fields(fields, idempotency_key)?;
    Ok(Given { tenant, event })
}

/// Reads the `detail` of an event of a bus: its tenant and the event itself, for which the bus's own id serves where it has
/// none. A bus has no headers: what a delivery carried in `Rung-Hops` stands in `hops`, as a number or a text.
///
/// # Errors
/// Every problem with its fields.
pub(crate) fn read_detail(detail: &Json, id: String) -> Result<(String, NewEvent), ApiError> {
    let mut fields = Fields::at(detail, "detail")?;
    let tenant = fields.required("tenant", read::text(ID_CHARS));
    let hops = fields.optional("hops", |value| match value {
        Json::Number(text) => Ok(match text.unsigned() {
            Some(number) => number.to_string(),
            None => text.to_string(),
        }),
        Json::String(text) => Ok(text.clone()),
        _ => Err("must be the number from the delivery's `Rung-Hops`".to_owned()),
    });
    let event = read_fields(fields, Some(id))?;
    let hops = hops.map(|text| rung_api::counted("detail.hops", &text));
    let hops = hops.transpose()?.unwrap_or_default();
    Ok((tenant, NewEvent { hops, ..event }))
}

fn read_fields(
    mut fields: Fields<'_>,
    idempotency_key: Option<String>,
) -> Result<NewEvent, ApiError> {
    let id = fields.optional("id", read::id(EventId::parse));
    let event_type = fields.required("type", event_type);
    if is_reserved_type(&event_type) {
        let problem = "may not end with the segment `schema`; choose another name";
        fields.problem_of(Code::ReservedType, "type", problem);
    }
    let data = fields.required("data", |value| read::payload(value).map(Some));
    let timestamp = fields.optional("timestamp", read::time);
    let metadata = fields.optional("metadata", metadata);
    fields.finish()?;
    Ok(NewEvent {
        id,
        idempotency_key,
        event_type,
        data: data.cloned().unwrap_or(Json::Null),
        timestamp,
        metadata: metadata.cloned(),
        trace: None,
        hops: Hops::NONE,
    })
}

/// Metadata as large as in a request for one event: so much, compressed, has room in an item of the table. Those of a batch may be larger.
fn metadata(value: &Json) -> Result<&Json, String> {
    let object = read::payload(value)?;
    let fits = serde_json::to_vec(object).is_ok_and(|text| text.len() <= REQUEST_BYTES);
    fits.then_some(object)
        .ok_or_else(|| format!("must have at most {REQUEST_BYTES} bytes as JSON"))
}

/// A well-formed type; whether the tenant's dialect has it is seen later.
fn event_type(value: &Json) -> Result<String, String> {
    let text = value.as_str().filter(|text| is_event_type(text));
    text.map(str::to_owned).ok_or_else(|| {
        format!("must be a string of 1 to {EVENT_TYPE_CHARS} characters from A-Z, a-z, 0-9, `_`, `.`, `-` and `/`, with no segment that is empty, `.` or `..`")
    })
}
