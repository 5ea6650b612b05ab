//! The documentation of portal links' calls.

use http::StatusCode;
use rung_api::{
    Code,
    limits::{NAME_CHARS, URL_CHARS},
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::{portal::Capability, tenant::Scope};
use schemars::json_schema;
use serde_json::{Value, json};

use super::{deleted, free_text, id, object, text, time};
use crate::portal_links::PortalLinkView;

pub(super) fn example() -> Value {
    json!({
        "id": "plink_0199cd0c4a00e6f1b2c3d4e5",
        "tenant_id": "acme",
        "url": null,
        "token": null,
        "capabilities": ["view", "test"],
        "webhook_id": null,
        "actor": { "id": "user_42", "name": "jo@acme.example" },
        "return_url": "https://app.example/settings",
        "expires_at": "2025-10-10T13:00:00.000Z",
        "created_at": "2025-10-10T12:00:00.000Z",
    })
}

pub(crate) fn create_portal_link(schemas: &mut Schemas) -> Operation {
    let mut made = example();
    made["url"] = "https://hooks.example/#t=rp_8Zk1vQ…".into();
    made["token"] = "rp_8Zk1vQ…".into();
    let body = object(
        &[],
        json!({
            "expires_at": time("When the link ends, at most 24 hours from now [default: in an hour]."),
            "capabilities": {
                "description": "What the link lets people do; `view` is always part of it [default: `view` alone].",
                "type": ["array", "null"],
                "items": { "enum": Capability::ALL },
            },
            "webhook_id": id("The only webhook that the link shows [default: all]."),
            "actor": {
                "description": "Whom the link is for, as the audit log names them.",
                "type": ["object", "null"],
                "properties": {
                    "id": free_text("Their id in your product.", NAME_CHARS),
                    "name": free_text("Their name or address.", NAME_CHARS),
                },
                "additionalProperties": false,
            },
            "return_url": text("The page of your product that the dashboard leads back to.", URL_CHARS),
        }),
    );
    let link = schemas.subschema_for::<PortalLinkView<'_>>();
    let who = Who::Operator(Scope::Admin);
    Operation::new(who, "createPortalLink", "Create a link to the dashboard for a tenant's people.")
        .describe("The token is shown only in this response; Rung stores its hash. Whoever has it may use it, as a bearer key too.")
        .optional_body(
            body,
            json!({
                "capabilities": ["view", "test"],
                "actor": { "id": "user_42", "name": "jo@acme.example" },
                "return_url": "https://app.example/settings",
            }),
        )
        .answers(
            StatusCode::CREATED,
            "Created.",
            [("portal_link", link)],
            json!({ "portal_link": made }),
        )
}

pub(crate) fn list_portal_links(schemas: &mut Schemas) -> Operation {
    let link = schemas.subschema_for::<PortalLinkView<'_>>();
    let who = Who::Operator(Scope::Read);
    Operation::new(who, "listPortalLinks", "List a tenant's portal links.")
        .describe("Those that have not ended, without their tokens.")
        .lists("portal_links", link, example())
}

pub(crate) fn get_portal_link(schemas: &mut Schemas) -> Operation {
    let link = schemas.subschema_for::<PortalLinkView<'_>>();
    let who = Who::Operator(Scope::Read);
    Operation::new(who, "getPortalLink", "Read a portal link.")
        .describe("Without its token. One that has ended is not found.")
        .answers(
            StatusCode::OK,
            "The link.",
            [("portal_link", link)],
            json!({ "portal_link": example() }),
        )
}

pub(crate) fn delete_portal_link(_: &mut Schemas) -> Operation {
    let who = Who::Operator(Scope::Admin);
    let operation = Operation::new(who, "deletePortalLink", "End a portal link.")
        .describe("It takes effect at once on one machine, within 10 s on AWS.")
        .refuses(&[Code::Busy]);
    deleted(
        operation,
        "portal_link",
        "plink_0199cd0c4a00e6f1b2c3d4e5",
        Some("acme"),
    )
}

pub(crate) fn delete_portal_links(_: &mut Schemas) -> Operation {
    let who = Who::Operator(Scope::Admin);
    let ended = json_schema!({
        "type": "object",
        "required": ["tenant_id", "deleted"],
        "properties": { "tenant_id": { "type": "string" }, "deleted": { "const": true } },
    });
    Operation::new(
        who,
        "deletePortalLinks",
        "End all portal links of a tenant.",
    )
    .describe("It takes effect at once.")
    .no_body()
    .answers(
        StatusCode::OK,
        "Ended.",
        [("portal_links", ended)],
        json!({ "portal_links": { "tenant_id": "acme", "deleted": true } }),
    )
}
