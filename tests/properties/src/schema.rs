use rung_json::{
    Json,
    limits::{REQUEST_BYTES, SCHEMA_REPORTS, SCHEMA_WORK, STORED_JSON_DEPTH},
    schema::Schema,
};

use crate::work::{Input, large};

/// A schema and a value, a line each. A schema is refused with a place and a reason, or no value as large as an event can be takes
/// more work than it may: neither this one nor one that consists of it many times over.
pub fn schema(input: &[u8]) {
    let Some(Input { asked, value }) = Input::read(input) else {
        return;
    };
    let schema = match Schema::compile(&asked) {
        Ok(schema) => schema,
        Err(fault) => {
            assert!(!fault.reason.is_empty());
            return;
        }
    };
    let stored = serde_json::to_vec(&schema).unwrap();
    let stored = Json::parse(&stored, STORED_JSON_DEPTH).expect("what is taken can be read again");
    Schema::compile(&stored).expect("what is taken is taken again");
    for value in large(&value) {
        let bytes = serde_json::to_vec(&value).unwrap().len();
        let checked = schema.check(&value);
        assert!(
            bytes > REQUEST_BYTES || checked.work <= SCHEMA_WORK,
            "{}",
            checked.work
        );
        assert!(checked.reports <= 2 * SCHEMA_REPORTS, "{}", checked.reports);
        let again = schema.check(&value);
        assert_eq!(again, checked, "the same value is judged alike");
    }
}
