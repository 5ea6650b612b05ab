//! The documentation of webhooks' calls.

use http::StatusCode;
use rung_api::{
    Code,
    limits::{
        DESCRIPTION_CHARS, HEADER_VALUE_BYTES, NAME_CHARS, OVERLAP_MAX_MS, RATE_LIMIT_MAX,
        SECRET_BYTES, URL_CHARS, WEBHOOK_EVENTS, WEBHOOK_HEADERS,
    },
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::tenant::Scope;
use rung_dialect::limits::{EVENT_TYPE_CHARS, ID_CHARS};
use schemars::json_schema;
use serde_json::{Value, json};

use super::{id, jobs, logs, object, text, time};
use crate::{
    logs::View as LogView,
    webhooks::{OldSecretView, view::View},
};

fn example() -> Value {
    json!({
        "id": "webhook_5kq2m8x1r7",
        "url": "https://your-domain.com/webhooks/odin",
        "events": ["user.lesson.completed", "content"],
        "filter": null,
        "rate_limit": null,
        "name": null,
        "description": "Production webhook for user events",
        "status": "active",
        "created_at": "2025-10-10T12:00:00Z",
        "dialect": "odin",
        "signing": "v1",
        "public_key": null,
        "old_secret_expires_at": null,
        "headers": {},
        "secret_headers": [],
        "metadata": {},
        "challenge": false,
        "disabled_at": null,
        "disabled_reason": null,
        "last_disabled_at": null,
    })
}

fn with_secret() -> Value {
    let mut webhook = example();
    webhook["secret"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into();
    webhook
}

/// The fields that a webhook is made with and changed by. A change may remove single headers with null.
fn fields(header: Value) -> Value {
    json!({
        "url": {
            "description": "Where to: absolute, `https` (`http` too on one machine), without user information or fragment, at a public host.",
            "type": "string",
            "format": "uri",
            "maxLength": URL_CHARS,
        },
        "events": {
            "description": "Types, groups, prefixes such as `order.*`, or `*` for all; a group or prefix takes in its later types.",
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "maxItems": WEBHOOK_EVENTS,
        },
        "filter": {
            "description": "Which payloads to take, as an event pattern over `data`; null takes all.",
            "type": ["object", "null"],
        },
        "rate_limit": {
            "description": "Most deliveries a second [default: no limit]; what is more waits.",
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": RATE_LIMIT_MAX,
        },
        "name": text("A name of the tenant's own.", NAME_CHARS),
        "description": text("What it is for.", DESCRIPTION_CHARS),
        "headers": {
            "description": "Headers that go along with each delivery, except those that HTTP, Rung and the dialect set, and those that carry credentials.",
            "type": ["object", "null"],
            "maxProperties": WEBHOOK_HEADERS,
            "additionalProperties": header,
        },
        "secret_headers": {
            "description": "More of them, whose values are credentials: they are shown nowhere, the webhook lists their names.",
            "type": ["object", "null"],
            "maxProperties": WEBHOOK_HEADERS,
            "additionalProperties": header,
        },
        "metadata": {
            "description": "Whatever the tenant wants to keep with it.",
            "type": ["object", "null"],
        },
    })
}

fn header(kinds: Value) -> Value {
    json!({ "type": kinds, "maxLength": HEADER_VALUE_BYTES })
}

fn dialect(description: &str) -> Value {
    text(description, ID_CHARS)
}

fn with(mut fields: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}

pub(crate) fn create_webhook(schemas: &mut Schemas) -> Operation {
    let body = object(
        &["url", "events"],
        with(
            fields(header("string".into())),
            json!({
                "secret": secret(),
                "signing": signing(),
                "challenge": {
                    "description": "Whether the endpoint must echo a token before it gets events [default: false].",
                    "type": ["boolean", "null"],
                },
                "dialect": dialect("Another dialect than the tenant's, for a gradual move."),
                "id": id("With the admin key: the id to keep; one that is there is updated."),
                "status": {
                    "description": "With the admin key.",
                    "enum": ["active", "disabled", null],
                },
                "created_at": time("With the admin key: when it was made elsewhere."),
            }),
        ),
    );
    let example = json!({
        "url": "https://your-domain.com/webhooks/odin",
        "events": ["user.lesson.completed", "content"],
        "description": "Production webhook for user events",
    });
    let webhook = schemas.subschema_for::<View<'_>>();
    let data = json!({ "webhook": with_secret() });
    Operation::new(Who::Tenant(Scope::Manage), "createWebhook", "Make a webhook.")
        .describe("The answer shows the secret. Afterwards only the operator can read it.")
        .idempotency_key("Serves as an id where there is none: the same request again is answered with the webhook that it made, as long as that is \
             as the request says.")
        .body(body, example)
        .answers(
            StatusCode::CREATED,
            "It is made.",
            [("webhook", webhook.clone())],
            data.clone(),
        )
        .answers(
            StatusCode::OK,
            "It was there by this id, and is changed.",
            [("webhook", webhook)],
            data,
        )
        .refuses(&[
            Code::IdTaken,
            Code::Busy,
            Code::IdempotencyMismatch,
            Code::InvalidSecret,
            Code::PlanWithoutWebhooks,
            Code::TooManyWebhooks,
        ])
}

fn secret() -> Value {
    json!({
        "description": "What signs, kept exactly as given, at most 4096 bytes [default: a new one]. Where `webhook-signature` is the dialect's only \
                        signature it must be base64 of 24 to 64 bytes, with or without `whsec_` in front, or a key pair.",
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": SECRET_BYTES,
    })
}

fn signing() -> Value {
    json!({
        "description": "`v1` is a secret that both sides share; `v1a` an Ed25519 key pair, of which receivers have the public half, where \
                        `webhook-signature` is the dialect's only signature.",
        "enum": ["v1", "v1a", null],
    })
}

pub(crate) fn rotate_secret(schemas: &mut Schemas) -> Operation {
    let overlap = json!({
        "description": "How long the old secret signs on [default: a day].",
        "type": ["integer", "null"],
        "minimum": 0,
        "maximum": OVERLAP_MAX_MS / 1000,
    });
    let body = object(
        &[],
        json!({ "secret": secret(), "signing": signing(), "overlap_seconds": overlap }),
    );
    let mut rotated = with_secret();
    rotated["old_secret_expires_at"] = "2025-10-11T12:00:00Z".into();
    let expiry = schemas.subschema_for::<Option<jiff::Timestamp>>();
    let webhook = schemas.subschema_for::<View<'_>>();
    Operation::new(Who::Tenant(Scope::Manage), "rotateSecret", "Give a webhook a new secret.")
        .describe(
            "While the overlap lasts, signatures that have room for several list all secrets'. Where there is room for one, the old \
             one signs, and a 401 or 403 is followed at once by a POST signed with the new one.",
        )
        .optional_body(body, json!({ "overlap_seconds": 86_400 }))
        .answers(
            StatusCode::OK,
            "The webhook with its new secret, and until when the old one signs on.",
            [("old_secret_expires_at", expiry), ("webhook", webhook)],
            json!({ "old_secret_expires_at": rotated["old_secret_expires_at"], "webhook": rotated }),
        )
        .refuses(&[Code::Busy, Code::TooManySecrets, Code::InvalidSecret])
}

pub(crate) fn get_secret(schemas: &mut Schemas) -> Operation {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let text = json_schema!({ "type": "string" });
    let old_secrets = schemas.subschema_for::<Vec<OldSecretView<'_>>>();
    Operation::new(
        Who::Tenant(Scope::Admin),
        "getSecret",
        "Read what signs a webhook's deliveries.",
    )
    .answers(
        StatusCode::OK,
        "The secret in force, and those that a rotation has replaced and that sign on, oldest first.",
        [("secret", text), ("old_secrets", old_secrets)],
        json!({ "secret": secret, "old_secrets": [] }),
    )
}

pub(crate) fn finish_rotation(schemas: &mut Schemas) -> Operation {
    let webhook = schemas.subschema_for::<View<'_>>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "finishRotation",
        "End a rotation's overlap now.",
    )
    .empty_body()
    .answers(
        StatusCode::OK,
        "Only the new secret signs.",
        [("webhook", webhook)],
        json!({ "webhook": example() }),
    )
    .refuses(&[Code::Busy])
}

pub(crate) fn list_webhooks(schemas: &mut Schemas) -> Operation {
    let webhook = schemas.subschema_for::<View<'_>>();
    Operation::new(Who::Tenant(Scope::Read), "listWebhooks", "List webhooks.")
        .lists("webhooks", webhook, example())
        .query(
            "status",
            "Only those of this status.",
            json!({ "enum": ["active", "disabled"] }),
        )
        .query(
            "event_type",
            "Only those that subscribe to this type, by whatever pattern.",
            json!({ "type": "string" }),
        )
        // In the query, an object of this style is its members, each a parameter.
        .query(
            "metadata.NAME",
            "Only those whose metadata has this member: `metadata.tier=gold`. Each of several must be there; numbers and truth \
             values are given as in JSON.",
            json!({
                "type": "object",
                "patternProperties": { "^metadata\\.": { "type": "string" } },
                "additionalProperties": false,
                "examples": [{ "metadata.tier": "gold" }],
            }),
        )
}

pub(crate) fn get_webhook(schemas: &mut Schemas) -> Operation {
    let webhook = schemas.subschema_for::<View<'_>>();
    Operation::new(Who::Tenant(Scope::Read), "getWebhook", "Read a webhook.").answers(
        StatusCode::OK,
        "The webhook, without its secret.",
        [("webhook", webhook)],
        json!({ "webhook": example() }),
    )
}

pub(crate) fn update_webhook(schemas: &mut Schemas) -> Operation {
    let status = json!({
        "status": {
            "description": "`active` forgets its failures, and sends nothing by itself.",
            "enum": ["active", "disabled"],
        },
        "dialect": dialect("Another dialect from now on; what is under way goes out as it was."),
        "secret": {
            "description": "The present one; another is set with `rotate-secret`.",
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": SECRET_BYTES,
        },
        "signing": {
            "description": "The present one; another is set with `rotate-secret`.",
            "enum": ["v1", "v1a", null],
        },
    });
    let webhook = schemas.subschema_for::<View<'_>>();
    Operation::new(Who::Tenant(Scope::Manage), "updateWebhook", "Change a webhook.")
        .describe(
            "What is left out stays; null clears what may be missing. In `headers` and `secret_headers`, a header that is left out \
             stays, and null removes it.",
        )
        .body(
            object(&[], with(fields(header(json!(["string", "null"]))), status)),
            json!({ "events": ["user.lesson.completed", "user.progress.milestone"], "status": "active" }),
        )
        .answers(
            StatusCode::OK,
            "It is changed.",
            [("webhook", webhook)],
            json!({ "webhook": example() }),
        )
        .refuses(&[
            Code::Busy,
            Code::InvalidSecret,
            Code::PlanWithoutWebhooks,
            Code::WebhookUnverified,
        ])
}

pub(crate) fn delete_webhook(schemas: &mut Schemas) -> Operation {
    let webhook = json_schema!({
        "type": "object",
        "required": ["id", "deleted"],
        "properties": { "id": { "type": "string" }, "deleted": { "const": true } },
    });
    Operation::new(Who::Tenant(Scope::Manage), "deleteWebhook", "Delete a webhook.")
        .describe(
            "Nothing is sent to it afterwards; what waits for it is dropped. The job erases its deliveries and its log; `Location` says \
             where to read it.",
        )
        .no_body()
        .answers(
            StatusCode::OK,
            "It is gone.",
            [("webhook", webhook), ("job", jobs::schema(schemas))],
            json!({
                "webhook": { "id": "webhook_5kq2m8x1r7", "deleted": true },
                "job": jobs::example_of_webhook(),
            }),
        )
        .refuses(&[Code::Busy])
}

pub(crate) fn test_webhook(schemas: &mut Schemas) -> Operation {
    let body = object(
        &[],
        json!({
            "event_type": {
                "description": "Whose sample to send [default: the first that it subscribes to].",
                "type": ["string", "null"],
                "maxLength": EVENT_TYPE_CHARS,
            },
        }),
    );
    let log = schemas.subschema_for::<LogView>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "testWebhook",
        "Send a sample event now.",
    )
    .describe(
        "Also to a disabled webhook, with a fresh id and the header `Rung-Test: true`. \
             It is never sent again and counts as no failure. Not before a challenge is met.",
    )
    .optional_body(body, json!({ "event_type": "user.lesson.completed" }))
    .answers(
        StatusCode::OK,
        "What came of it, whether it arrived or not.",
        [("log", log)],
        json!({ "log": logs::test_example() }),
    )
    .refuses(&[
        Code::UnknownEventType,
        Code::WebhookUnverified,
        Code::RateLimited,
        Code::CannotSend,
    ])
}

pub(crate) fn verify_webhook(schemas: &mut Schemas) -> Operation {
    let webhook = schemas.subschema_for::<View<'_>>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "verifyWebhook",
        "Ask a webhook's endpoint to echo a token, and activate it if it does.",
    )
    .describe(
        "The token is in the header `Rung-Challenge` and in the body, `{\"type\": \"webhook.challenge\", \"challenge\": TOKEN}`; the \
         endpoint answers it as its body, or in an object as `challenge`.",
    )
    .empty_body()
    .answers(
        StatusCode::OK,
        "It is verified.",
        [("webhook", webhook)],
        json!({ "webhook": example() }),
    )
    .refuses(&[
        Code::ChallengeFailed,
        Code::Busy,
        Code::PlanWithoutWebhooks,
        Code::RateLimited,
        Code::CannotSend,
    ])
}
