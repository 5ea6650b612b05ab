use http::{HeaderMap, HeaderValue};
use rung_api::{
    ApiError, idempotency_key,
    limits::{BATCH_EVENTS, IDEMPOTENCY_KEY_BYTES, PROBLEMS},
};
use rung_core::flow::accept::NewEvent;
use rung_dialect::limits::EVENT_TYPE_CHARS;
use rung_enqueue::{
    batch::{Batch, read_batch},
    request::read_event,
};
use rung_json::{Json, limits::JSON_DEPTH};

/// A request to publish (the value of `Idempotency-Key`, a line feed, the body) becomes an event within all bounds, with nothing
/// in it that a header cannot have, or an answer that a person can read.
pub fn publish(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let key = parts.next().unwrap_or_default();
    let body = parts.next().unwrap_or_default();

    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(key) {
        headers.insert("idempotency-key", value);
    }
    let key = match idempotency_key(&headers) {
        Ok(key) => key,
        Err(error) => return readable(&error),
    };
    if let Some(key) = &key {
        assert!((1..=IDEMPOTENCY_KEY_BYTES).contains(&key.len()));
        assert!(
            key.bytes()
                .all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
        );
    }
    // As the handlers do: the data of an event stands one level deep.
    if let Ok(body) = Json::parse(body, JSON_DEPTH + 1) {
        match read_event(&body, "", key.clone()) {
            Ok(given) => within_bounds(&given.event),
            Err(error) => readable(&error),
        }
    }
    match read_batch(body, key.as_deref()) {
        Ok(Batch { events, .. }) => {
            assert!((1..=BATCH_EVENTS).contains(&events.len()));
            for event in &events {
                match event {
                    Ok(given) => within_bounds(&given.event),
                    Err(error) => readable(error),
                }
            }
        }
        Err(error) => readable(&error),
    }
}

fn within_bounds(event: &NewEvent) {
    assert!((1..=EVENT_TYPE_CHARS).contains(&event.event_type.len()));
    for text in [
        Some(event.event_type.as_str()),
        event.id.as_ref().map(|id| id.as_str()),
    ] {
        let text = text.unwrap_or_default();
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    }
    assert!(event.data.as_object().is_some() && event.data.depth() <= JSON_DEPTH);
    if let Some(metadata) = &event.metadata {
        assert!(metadata.as_object().is_some() && metadata.depth() <= JSON_DEPTH);
    }
}

fn readable(error: &ApiError) {
    assert!(error.code.status().is_client_error(), "{error:?}");
    assert!(!error.message.is_empty());
    assert!(error.details.len() <= PROBLEMS);
    assert!(serde_json::to_vec(error).unwrap().len() < 64 * 1024);
}
