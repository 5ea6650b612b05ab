//! A batch of events as it comes. What is wrong with one of them alone is that one's answer, not the batch's.

use rung_api::{ApiError, Code, Fields, limits::BATCH_EVENTS, read};
use rung_json::{Json, limits::JSON_DEPTH};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::request::{Given, read_event};

/// In a batch the data of an event stands within the event, the list and the body.
const WITHIN: usize = 3;

/// A batch by the texts of its events.
#[derive(Deserialize)]
struct Texts<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// A batch that is well-formed.
#[derive(Debug)]
pub struct Batch {
    /// Its events, each read by itself.
    pub events: Vec<Result<Given, ApiError>>,
    /// What the batch says, the same for bodies that are equal as JSON. Empty without an `Idempotency-Key`.
    pub content: Vec<u8>,
}

/// Reads a batch. With an `Idempotency-Key`, each event without an id has its own by its place.
///
/// # Errors
/// When the batch as such is not well-formed.
pub fn read_batch(text: &[u8], idempotency_key: Option<&str>) -> Result<Batch, ApiError> {
    let mut content = Vec::new();
    let events = match rung_api::parse(text, WITHIN) {
        Ok(body) => {
            if idempotency_key.is_some() {
                body.write_content(&mut content);
            }
            read_events(&body, idempotency_key)?
        }
        // Where an event of it ends, nobody knows.
        Err(fault) if fault.code == Code::InvalidJson => return Err(fault),
        Err(fault) => {
            if idempotency_key.is_some() {
                content.extend_from_slice(text);
            }
            read_sound_events(text, fault, idempotency_key)?
        }
    };
    Ok(Batch { events, content })
}

/// Reads a batch that has the `fault` of being JSON which not every receiver would read alike: refuses the events that have such
/// themselves, or the batch if it is elsewhere.
fn read_sound_events(
    text: &[u8],
    fault: ApiError,
    idempotency_key: Option<&str>,
) -> Result<Vec<Result<Given, ApiError>>, ApiError> {
    let texts: Texts<'_> = match serde_json::from_slice(text) {
        Ok(texts) => texts,
        Err(error) if error.is_data() => return Err(fault),
        Err(error) => {
            let problem = error.to_string();
            return Err(ApiError::of_field(Code::InvalidJson, "body", problem));
        }
    };
    if texts.events.len() > BATCH_EVENTS {
        return Err(fault);
    }
    let mut refused = Vec::new();
    let mut sound = text.to_vec();
    for (index, event) in texts.events.iter().enumerate() {
        let event = event.get();
        let Err(fault) = Json::parse(event.as_bytes(), JSON_DEPTH + 1) else {
            continue;
        };
        let mut fault = fault.within(1);
        let start = event.as_ptr().addr() - text.as_ptr().addr();
        fault.offset += start;
        fault.path.enter_index(index);
        fault.path.enter_key("events");
        refused.push((index, ApiError::from(fault)));
        // Something stays in its place, so that all else keeps its own.
        sound[start..start + event.len()].fill(b' ');
        sound[start] = b'0';
    }
    let mut events = read_events(&rung_api::parse(&sound, WITHIN)?, idempotency_key)?;
    for (index, error) in refused {
        events[index] = Err(error);
    }
    Ok(events)
}

fn read_events(
    body: &Json,
    idempotency_key: Option<&str>,
) -> Result<Vec<Result<Given, ApiError>>, ApiError> {
    let mut fields = Fields::of(body)?;
    let events = fields.required("events", |value| {
        let events = read::list(value)?;
        let fits = (1..=BATCH_EVENTS).contains(&events.len());
        fits.then_some(events)
            .ok_or_else(|| format!("must have 1 to {BATCH_EVENTS} events"))
    });
    fields.finish()?;
    let read = |(index, event): (usize, &Json)| {
        let has_id = event.get("id").is_some_and(|id| *id != Json::Null);
        let key = idempotency_key.filter(|_| !has_id);
        let key = key.map(|key| format!("{key}#{index}"));
        read_event(event, &format!("events[{index}]"), key)
    };
    Ok(events.iter().enumerate().map(read).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"type":"a.b","data":{}}"#;

    fn batch(events: &[&str]) -> String {
        format!("{{ \"events\" : [{}] }}", events.join(" ,\n"))
    }

    /// An event whose data has this member.
    fn with(member: &str) -> String {
        format!("{{\"type\":\"a.b\",\"data\":{{{member}}}}}")
    }

    #[test]
    fn events_that_receivers_would_read_differently_are_refused_alone() {
        let deep = "[".repeat(JSON_DEPTH) + &"]".repeat(JSON_DEPTH);
        for (member, field, problem) in [
            (r#""a":1,"a":2"#.to_owned(), "data.a", "duplicate key"),
            (r#""a":1e400"#.to_owned(), "data.a", "number"),
            (r#""a":"\ud800""#.to_owned(), "data.a", "lone surrogate"),
            (format!(r#""a":{deep}"#), "data.a", "nested deeper"),
            (r#""a":1e400,"b":1e400"#.to_owned(), "data.a", "number"),
        ] {
            let wrong = with(&member);
            let text = batch(&[GOOD, &wrong, GOOD, &wrong]);
            let events = read_batch(text.as_bytes(), Some("k")).unwrap().events;
            assert_eq!(events.len(), 4);
            for (place, event) in events.iter().enumerate() {
                let Err(error) = event else {
                    let event = &event.as_ref().unwrap().event;
                    assert_eq!(place % 2, 0, "{member}");
                    assert_eq!(event.idempotency_key, Some(format!("k#{place}")));
                    continue;
                };
                assert_eq!(error.code, Code::InvalidRequest);
                let told = &error.details[0];
                let path = format!("events[{place}].{field}");
                assert!(told.field.starts_with(&path), "{}", told.field);
                assert!(told.problem.contains(problem), "{}", told.problem);
                let offset = told.problem.rsplit(' ').next().unwrap();
                let offset: usize = offset.parse().unwrap();
                let begins = text.match_indices(&wrong).nth(place / 2).unwrap().0;
                assert!((begins..begins + wrong.len()).contains(&offset), "{offset}");
            }
        }
    }

    #[test]
    fn a_batch_that_is_wrong_itself_is_refused_whole() {
        let wrong = with(r#""a":1,"a":2"#);
        let of = |text: &str| read_batch(text.as_bytes(), None).unwrap_err();
        for (text, code, field) in [
            (batch(&[&wrong, "}"]), Code::InvalidJson, "body"),
            (batch(&[&wrong, "01"]), Code::InvalidJson, "body"),
            (batch(&[&wrong, "\"\u{1}\""]), Code::InvalidJson, "body"),
            (
                format!(r#"{{"events":[{wrong}],"more":1}}"#),
                Code::UnknownField,
                "more",
            ),
            (
                format!(r#"{{"events":[{wrong}],"events":[]}}"#),
                Code::InvalidRequest,
                "events[0].data.a",
            ),
            (
                format!(r#"{{"events":[{wrong}],"more":1e400}}"#),
                Code::InvalidRequest,
                "more",
            ),
            (
                batch(&vec![wrong.as_str(); BATCH_EVENTS + 1]),
                Code::InvalidRequest,
                "events[0].data.a",
            ),
        ] {
            let error = of(&text);
            assert_eq!(error.code, code, "{text}");
            assert_eq!(error.details[0].field, field, "{text}");
        }
    }

    /// Nothing here goes as deep as what is sent.
    #[test]
    fn an_event_of_nothing_but_brackets_is_refused_alone() {
        let brackets = "[".repeat(400_000) + &"]".repeat(400_000);
        let events = read_batch(batch(&[GOOD, &brackets]).as_bytes(), None)
            .unwrap()
            .events;
        assert!(events[0].is_ok());
        assert!(events[1].is_err());
        let open = "[".repeat(400_000);
        let error = read_batch(batch(&[GOOD, &open]).as_bytes(), None).unwrap_err();
        assert_eq!(error.code, Code::InvalidJson);
    }
}
