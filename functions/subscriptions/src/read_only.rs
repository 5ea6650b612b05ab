//! Members that answers have and requests cannot change: whoever sends back what was read may leave them in.

use rung_api::{Code, Fields, read};
use rung_json::Json;
use serde_json::Value;

/// What a request may say of a member that it cannot change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReadOnly {
    /// Its present value.
    Settled(&'static str),
    /// A time or null: it may have changed since it was read.
    Time(&'static str),
    /// A text: it may have changed since it was read.
    Text(&'static str),
    /// A number or null: it may have changed since it was read.
    Number(&'static str),
    /// A list or null: it may have changed since it was read.
    List(&'static str),
    /// An object or null: it may have changed since it was read.
    Object(&'static str),
}

/// Notes a problem with each of these members that is given and is not as the present thing, `shown` as answers show it, has it.
pub(crate) fn check(fields: &mut Fields<'_>, members: &[ReadOnly], shown: Option<&Value>) {
    for member in members {
        match *member {
            ReadOnly::Settled(name) => {
                let given = fields.given(name);
                let present = shown.and_then(|shown| shown.get(name));
                let is_present = |given: &Json| {
                    let given = serde_json::to_value(given).ok();
                    present.is_none_or(|present| given.as_ref() == Some(present))
                };
                if given.is_some_and(|given| !is_present(given)) {
                    let problem = "cannot be changed; leave it out, or give it as it is";
                    fields.problem_of(Code::ReadOnly, name, problem);
                }
            }
            ReadOnly::Time(name) => {
                fields.optional(name, read::time_ms);
            }
            ReadOnly::Text(name) => {
                fields.optional(name, |value| {
                    value.as_str().ok_or_else(|| "must be a text".to_owned())
                });
            }
            ReadOnly::Number(name) => {
                fields.optional(name, |value| match value {
                    Json::Number(_) => Ok(()),
                    _ => Err("must be a number".to_owned()),
                });
            }
            ReadOnly::List(name) => {
                fields.optional(name, read::list);
            }
            ReadOnly::Object(name) => {
                fields.optional(name, read::object);
            }
        }
    }
}
