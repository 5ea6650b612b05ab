//! Input whose work is measured: what asks, and what is asked.

use rung_json::{
    Json,
    limits::{JSON_DEPTH, REQUEST_BYTES},
};

/// A schema or a filter, and a value.
pub(crate) struct Input {
    pub(crate) asked: Json,
    pub(crate) value: Json,
}

impl Input {
    /// Reads a line each; `None` where one is no JSON that a request could hold.
    pub(crate) fn read(input: &[u8]) -> Option<Self> {
        let mut lines = input.splitn(2, |byte| *byte == b'\n');
        let mut line = || Json::parse(lines.next()?, JSON_DEPTH).ok();
        Some(Self {
            asked: line()?,
            value: line()?,
        })
    }
}

/// A value, and such as have each of its lists' elements so often that they are as large as an event can be.
pub(crate) fn large(value: &Json) -> Vec<Json> {
    let mut values = vec![value.clone()];
    let bytes = serde_json::to_vec(value).map_or(0, |json| json.len() + 1);
    let times = REQUEST_BYTES / bytes.max(1);
    if times > 1 {
        values.push(repeated(value, times));
        values.push(Json::Array(vec![value.clone(); times - 1]));
    }
    values
}

fn repeated(value: &Json, times: usize) -> Json {
    match value {
        // What lies within is as often there as the list itself.
        Json::Array(elements) => {
            let repeats = std::iter::repeat_n(elements, times);
            Json::Array(repeats.flatten().cloned().collect())
        }
        Json::Object(members) => {
            let members = members.iter();
            Json::Object(
                members
                    .map(|(name, value)| (name.clone(), repeated(value, times)))
                    .collect(),
            )
        }
        scalar => scalar.clone(),
    }
}
