use rung_json::{
    Json,
    filter::Filter,
    limits::{FILTER_WORK_PER_BYTE, STORED_JSON_DEPTH},
};

use crate::work::{Input, large};

/// Most work besides what each byte of a payload may take.
const WORK_ONCE: usize = 1_000;

/// A filter and a payload, a line each. A filter is refused with a place and a reason, or the work for a payload is bounded by its
/// size, whatever the filter: for this one, and for those that consist of it many times over.
pub fn filter(input: &[u8]) {
    let Some(Input { asked, value }) = Input::read(input) else {
        return;
    };
    let filter = match Filter::compile(&asked) {
        Ok(filter) => filter,
        Err(fault) => {
            assert!(!fault.reason.is_empty());
            return;
        }
    };
    let stored = serde_json::to_vec(&filter).unwrap();
    let stored = Json::parse(&stored, STORED_JSON_DEPTH).expect("what is taken can be read again");
    assert_eq!(Filter::compile(&stored).as_ref(), Ok(&filter));
    for payload in large(&value) {
        let bytes = serde_json::to_vec(&payload).unwrap().len();
        let asked = filter.ask(&payload);
        let most = WORK_ONCE + FILTER_WORK_PER_BYTE * bytes;
        assert!(asked.work <= most, "{} for {bytes} bytes", asked.work);
    }
}
