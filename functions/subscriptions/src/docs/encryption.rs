//! The documentation of the call that replaces an encryption key.

use http::StatusCode;
use rung_api::openapi::{Operation, Schemas, Who};
use rung_core::domain::tenant::Scope;
use schemars::json_schema;
use serde_json::json;

use super::{next_cursor, object};

pub(crate) fn reencrypt(_: &mut Schemas) -> Operation {
    let body = object(
        &[],
        json!({
            "cursor": {
                "description": "The `next_cursor` of an earlier response.",
                "type": ["string", "null"],
            },
        }),
    );
    let count = || json_schema!({ "type": "integer", "minimum": 0 });
    Operation::new(
        Who::Operator(Scope::Admin),
        "reencrypt",
        "Encrypt secrets again with the newest encryption key.",
    )
    .describe(
        "Works for up to 15 seconds. Call again with `next_cursor` until that is null. When a whole round has rewritten nothing, the older keys can be removed.",
    )
    .optional_body(body, json!({}))
    .answers(
        StatusCode::OK,
        "The progress.",
        [
            (
                "key",
                json_schema!({ "description": "The id of the newest key.", "type": "string" }),
            ),
            ("checked", count()),
            ("rewritten", count()),
            ("next_cursor", next_cursor()),
        ],
        json!({ "key": "5b1f0c9e", "checked": 1200, "rewritten": 1200, "next_cursor": null }),
    )
}
