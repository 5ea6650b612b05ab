use std::collections::HashSet;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use jiff::Timestamp;
use rung_core::domain::id::EventId;
use rung_dialect::{Dialect, Dialects, EventFacts, SignInput};
use rung_json::Json;

/// A wait of 30 days, its jitter, and what a receiver may add to it.
const LONGEST_WAIT_MS: u64 = 3 * 30 * 86_400_000;

/// A dialect file is refused with a line of it, or makes bodies that are JSON within the limit, headers that each stand once and
/// leave the connection's alone, ids, and waits that end.
pub fn dialect(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let dialects = match Dialects::builtin().with_file("file.toml", text) {
        Ok(dialects) => dialects,
        Err(faults) => {
            let lines = 1 + text.matches('\n').count();
            assert!(!faults.0.is_empty());
            for fault in faults.0 {
                assert!((1..=lines).contains(&fault.line), "{fault}");
                assert!(fault.column > 0 && !fault.reason.is_empty() && !fault.mend.is_empty());
            }
            return;
        }
    };
    let dialect = dialects.iter().last().unwrap();
    let attempts = dialect.ladder.attempts();
    assert!(attempts <= 1_000);
    assert!(dialect.longest_ladder_ms() <= attempts as u64 * LONGEST_WAIT_MS);
    assert!(
        (1..30_000).contains(&dialect.timeout_ms),
        "a batch has 30 s"
    );
    for now_ms in [0, 1_760_000_000_123, u64::MAX >> 16] {
        EventId::parse(&dialect.new_event_id(now_ms, [0xa5; 16])).expect("it makes ids");
    }
    for event_type in dialect.catalogue.types() {
        check_body(dialect, &event_type.name, &event_type.sample);
        check_headers(dialect, &event_type.name);
    }
    check_body(dialect, "a.b", &Json::Object(Vec::new()));
    check_headers(dialect, &"x".repeat(128));
}

fn check_body(dialect: &Dialect, event_type: &str, data: &Json) {
    let facts = EventFacts {
        id: "evt_1",
        event_type,
        data,
        time: Timestamp::from_millisecond(1_760_000_000_123).unwrap(),
        is_time_given: false,
        request_id: "req_1",
        metadata: None,
    };
    // Data that a dialect cannot say is refused; what is said gives the data back.
    if let Ok(body) = dialect.body(&facts) {
        assert!(body.len() <= dialect.body_limit_bytes);
        let read = dialect.data_of(&body).expect("the data is there");
        assert!(read.as_object().is_some());
    }
}

fn check_headers(dialect: &Dialect, event_type: &str) {
    let secret = dialect.new_secret([7; 32]);
    let request = dialect.request(&SignInput {
        event_id: "evt_1",
        event_type,
        time_ms: 1_760_000_000_000,
        body: b"{}",
        secret: &secret,
        ..SignInput::default()
    });
    let headers = request.expect("what is accepted can be sent").headers;
    let mut seen = HashSet::new();
    for (name, _) in &headers {
        assert!(seen.insert(name), "{name} stands twice");
        assert!(![CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING].contains(name));
    }
}
