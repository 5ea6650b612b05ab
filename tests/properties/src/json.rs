use rung_json::{Json, UnstableNumbers};
use serde_json::{Value, value::RawValue};

const DEPTH: usize = 100;

/// What is read is JSON, of bounded depth, and has one canonical form, which means the same and stays the same when it is read
/// and written again.
pub fn json(input: &[u8]) {
    let read = match Json::parse(input, DEPTH) {
        Ok(read) => read,
        Err(fault) => {
            assert!(fault.offset <= input.len(), "{fault}");
            return;
        }
    };
    assert!(read.depth() <= DEPTH);
    serde_json::from_slice::<&RawValue>(input).expect("another parser reads it too");

    let canonical = canonical(&read);
    let again = Json::parse(&canonical, DEPTH).expect("the canonical form is JSON");
    assert_eq!(self::canonical(&again), canonical);
    assert_eq!(content(&again), content(&read));
    let by_other = |text: &[u8]| serde_json::from_slice::<Value>(text);
    // It takes some of the largest doubles for too large.
    if let (Ok(other), Ok(other_again)) = (by_other(input), by_other(&canonical)) {
        assert!(
            is_same(&other_again, &other),
            "{other_again} is not {other}"
        );
    }

    let mut stable = Vec::new();
    if read
        .write_canonical(UnstableNumbers::Refuse, &mut stable)
        .is_ok()
    {
        assert_eq!(stable, canonical);
    }
}

/// Whether two values are equal where every number is a double, `0.0` is `0`, and the other parser's last digit may be off.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-12
        }
        (Value::Array(ones), Value::Array(others)) => {
            ones.len() == others.len()
                && ones
                    .iter()
                    .zip(others)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::Object(ones), Value::Object(others)) => {
            let is_there = |(key, one)| {
                let other = others.get(key);
                other.is_some_and(|other| is_same(one, other))
            };
            ones.len() == others.len() && ones.iter().all(is_there)
        }
        _ => one == other,
    }
}

fn canonical(value: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    value
        .write_canonical(UnstableNumbers::Keep, &mut out)
        .expect("a number that is kept is no fault");
    out
}

fn content(value: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    value.write_content(&mut out);
    out
}
