//! The documentation of webhooks' calls.

use http::StatusCode;
use rung_api::{
    Code,
    limits::{
        CLIENT_CERTIFICATE_BYTES, CLIENT_KEY_BYTES, DESCRIPTION_CHARS, EXAMINATION,
        HEADER_VALUE_BYTES, IN_FLIGHT_MAX, NAME_CHARS, OVERLAP_MAX_MS, RATE_LIMIT_MAX,
        SECRET_BYTES, TESTS_OF_EXAMINATION, URL_CHARS, WEBHOOK_EVENTS, WEBHOOK_HEADERS,
    },
    openapi::{Operation, Schemas, Who},
};
use rung_core::domain::{tenant::Scope, webhook::Health};
use rung_dialect::limits::{EVENT_TYPE_CHARS, ID_CHARS};
use schemars::json_schema;
use serde_json::{Value, json};

use super::{deleted_schema, free_text, id, jobs, logs, object, text, time, with};
use crate::{
    logs::Tested,
    webhooks::{OldSecretView, ReportView, view::WebhookView},
};

fn example() -> Value {
    json!({
        "id": "webhook_5kq2m8x1r7",
        "tenant_id": "acme",
        "url": "https://your-domain.com/webhooks/odin",
        "events": ["user.lesson.completed", "content"],
        "filter": null,
        "rate_limit_per_second": null,
        "max_in_flight": null,
        "keep_alive": null,
        "name": null,
        "description": "Production webhook for user events",
        "status": "active",
        "created_at": "2025-10-10T12:00:00.000Z",
        "dialect": "odin",
        "signing": "v1",
        "signatures": [{ "header": "X-Odin-Signature", "scheme": "hmac-sha256" }],
        "public_key": null,
        "old_public_keys": [],
        "old_secret_expires_at": null,
        "headers": {},
        "secret_headers": [],
        "client_certificate": null,
        "metadata": {},
        "challenge": false,
        "health": "healthy",
        "failing_since": null,
        "last_success_at": "2025-10-10T12:30:00.268Z",
        "last_failure": null,
        "pause": null,
        "disabled": null,
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
            "description": "The endpoint: an absolute URL with `https` (on one machine also `http`), without user information or fragment, with a public host.",
            "type": "string",
            "format": "uri",
            "maxLength": URL_CHARS,
        },
        "events": {
            "description": "Types, groups, prefixes such as `order.*`, or `*` for all; groups and prefixes include types that are added later.",
            "type": "array",
            "items": { "type": "string" },
            "minItems": 1,
            "maxItems": WEBHOOK_EVENTS,
        },
        "filter": {
            "description": "An event pattern that `data` must match; null matches all.",
            "type": ["object", "null"],
        },
        "rate_limit_per_second": {
            "description": "Most deliveries a second [default: no limit]; what is more waits.",
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": RATE_LIMIT_MAX,
        },
        "max_in_flight": {
            "description": "Most deliveries that are under way at once, from each process that delivers [default: 100]; what is more waits. 1 for a receiver that handles one request at a time.",
            "type": ["integer", "null"],
            "minimum": 1,
            "maximum": IN_FLIGHT_MAX,
        },
        "keep_alive": {
            "description": "Whether a connection serves one delivery after the other [default: as the dialect has it, and false where `max_in_flight` is 1]. With false each has a new one.",
            "type": ["boolean", "null"],
        },
        "name": free_text("A name, chosen by the tenant.", NAME_CHARS),
        "description": free_text("A description.", DESCRIPTION_CHARS),
        "headers": {
            "description": "Headers to send with each delivery. Not allowed: headers set by HTTP, Rung or the dialect, and those that carry credentials.",
            "type": ["object", "null"],
            "maxProperties": WEBHOOK_HEADERS,
            "additionalProperties": header,
        },
        "secret_headers": {
            "description": "Headers with credentials to send with each delivery. Values are never shown; the webhook lists the names.",
            "type": ["object", "null"],
            "maxProperties": WEBHOOK_HEADERS,
            "additionalProperties": header,
        },
        "client_certificate": {
            "description": "What deliveries present to a receiver that demands a client certificate (mutual TLS); null removes it. Requires `https`. The key is never shown; the webhook has the certificate's SHA-256.",
            "type": ["object", "null"],
            "properties": {
                "certificate": {
                    "description": "The chain in PEM, at most 10 certificates: the client's own first.",
                    "type": "string",
                    "maxLength": CLIENT_CERTIFICATE_BYTES,
                },
                "private_key": {
                    "description": "Its key in PEM: PKCS#8, PKCS#1 or SEC1, not encrypted; RSA, ECDSA on P-256 or P-384, or Ed25519.",
                    "type": "string",
                    "maxLength": CLIENT_KEY_BYTES,
                },
                "sha256": { "description": "As it is: alone, it changes nothing.", "type": ["string", "null"] },
            },
            "additionalProperties": false,
        },
        "metadata": {
            "description": "Data that the tenant stores with the webhook.",
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

pub(crate) fn create_webhook(schemas: &mut Schemas) -> Operation {
    let body = object(
        &["url", "events"],
        with(
            fields(header("string".into())),
            json!({
                "secret": secret(),
                "signing": signing(),
                "challenge": challenge(),
                "dialect": dialect("Another dialect than the tenant's, for a gradual move."),
                "id": id("With an operator's key: its id [default: a new one]."),
                "status": {
                    "description": "[default: active]",
                    "enum": ["active", "disabled", null],
                },
                "created_at": time("With an operator's key: when the webhook was created elsewhere."),
            }),
        ),
    );
    let example = json!({
        "url": "https://your-domain.com/webhooks/odin",
        "events": ["user.lesson.completed", "content"],
        "description": "Production webhook for user events",
    });
    let webhook = schemas.subschema_for::<WebhookView<'_>>();
    let data = json!({ "webhook": with_secret() });
    Operation::new(
        Who::Tenant(Scope::Manage),
        "createWebhook",
        "Create a webhook.",
    )
    .describe("The response shows the secret. Afterwards only the operator can read it.")
    .body(body, example)
    .answers(
        StatusCode::CREATED,
        "Webhook created.",
        [("webhook", webhook)],
        data,
    )
    .answers_header(StatusCode::CREATED, "ETag", "The version of what was made.")
    .refuses(&[
        Code::IdTaken,
        Code::Busy,
        Code::InvalidSecret,
        Code::PlanWithoutWebhooks,
        Code::ReservedType,
        Code::TooManyWebhooks,
        Code::UnknownEventType,
    ])
}

/// What a request may say of members that nobody sets, so that what was read can be sent back.
fn read_only() -> Value {
    let settled = |kinds: Value| json!({ "description": "The present value.", "type": kinds });
    let any = |kinds: Value| json!({ "description": "Has no effect.", "type": kinds });
    let time = || time("Has no effect.");
    json!({
        "tenant_id": settled(json!(["string", "null"])),
        "public_key": any(json!(["string", "null"])),
        "old_public_keys": any(json!(["array", "null"])),
        "signatures": settled(json!(["array", "null"])),
        "old_secret_expires_at": time(),
        "health": any(json!(["string", "null"])),
        "failing_since": time(),
        "last_success_at": time(),
        "last_failure": any(json!(["object", "null"])),
        "disabled": any(json!(["object", "null"])),
        "last_disabled_at": time(),
    })
}

pub(crate) fn put_webhook(schemas: &mut Schemas) -> Operation {
    let old_secrets = json!({
        "description": "Replaced secrets that still sign, oldest first [default: none; without `secret`, the present ones].",
        "type": ["array", "null"],
        "items": schemas.subschema_for::<OldSecretView<'_>>(),
    });
    let disabled = json!({
        "description": "With the status `disabled`: since when and why [default: now, `manual`].",
        "type": ["object", "null"],
        "required": ["at", "code"],
        "properties": { "at": { "type": "string", "format": "date-time" }, "code": { "type": "string" } },
    });
    let own = json!({
        "id": id("As in the path."),
        "secret": secret(),
        "old_secrets": old_secrets,
        "signing": signing(),
        "challenge": challenge(),
        "dialect": dialect("What it speaks [default: the tenant's]."),
        "status": { "description": "[default: active]", "enum": ["active", "disabled", null] },
        "disabled": disabled,
        "created_at": time("When the webhook was created elsewhere [default: now, or the present value]."),
        "pause": { "description": "Has no effect.", "type": ["object", "null"] },
    });
    let body = object(
        &["url", "events"],
        with(with(fields(header("string".into())), read_only()), own),
    );
    let example = json!({
        "url": "https://your-domain.com/webhooks/odin",
        "events": ["user.lesson.completed", "content"],
        "status": "active",
        "created_at": "2024-05-01T12:00:00.000Z",
    });
    let webhook = schemas.subschema_for::<WebhookView<'_>>();
    let data = json!({ "webhook": with_secret() });
    Operation::new(
        Who::Tenant(Scope::Admin),
        "putWebhook",
        "Import a webhook, or replace one.",
    )
    .describe(
        "Whole: what is left out gets its default, but for the secret, secret headers and client certificate of a webhook that is there, which stay. \
         With `challenge`, a new webhook that is given with the status `active` is taken to be verified.",
    )
    .preconditions()
    .body(body, example)
    .answers(
        StatusCode::CREATED,
        "Webhook created.",
        [("webhook", webhook.clone())],
        data.clone(),
    )
    .answers(
        StatusCode::OK,
        "Webhook replaced. `secret` is shown if it has changed.",
        [("webhook", webhook)],
        data,
    )
    .refuses(&[
        Code::Busy,
        Code::InvalidSecret,
        Code::PlanWithoutWebhooks,
        Code::ReservedType,
        Code::TooManyWebhooks,
        Code::UnknownEventType,
    ])
}

fn challenge() -> Value {
    json!({
        "description": "Whether the endpoint must echo a token before it gets events [default: false].",
        "type": ["boolean", "null"],
    })
}

fn secret() -> Value {
    json!({
        "description": "The signing secret, stored exactly as given, at most 4096 bytes [default: a new one]. If `webhook-signature` is the dialect's only signature, it must be base64 of 24 to 64 bytes, with or without the prefix `whsec_`, or a key pair.",
        "type": ["string", "null"],
        "minLength": 1,
        "maxLength": SECRET_BYTES,
    })
}

fn signing() -> Value {
    json!({
        "description": "`v1` is a shared secret; `v1a` a key pair, for dialects whose only signature is `webhook-signature`, and those that sign with key pairs themselves.",
        "enum": ["v1", "v1a", null],
    })
}

pub(crate) fn rotate_secret(schemas: &mut Schemas) -> Operation {
    let overlap = json!({
        "description": "How long the old secret stays valid, in seconds [default: a day].",
        "type": ["integer", "null"],
        "minimum": 0,
        "maximum": OVERLAP_MAX_MS / 1000,
    });
    let body = object(
        &[],
        json!({ "secret": secret(), "signing": signing(), "overlap_seconds": overlap }),
    );
    let mut rotated = with_secret();
    rotated["old_secret_expires_at"] = "2025-10-11T12:00:00.000Z".into();
    let webhook = schemas.subschema_for::<WebhookView<'_>>();
    Operation::new(Who::Tenant(Scope::Manage), "rotateSecret", "Rotate a webhook's secret.")
        .describe(
            "During the overlap, headers that can list several signatures have those of all secrets. Otherwise the old secret signs, and a 401 or 403 is followed at once by a POST signed with the new one.",
        )
        .optional_body(body, json!({ "overlap_seconds": 86_400 }))
        .answers(
            StatusCode::OK,
            "The webhook with its new secret; `old_secret_expires_at` is the end of the overlap.",
            [("webhook", webhook)],
            json!({ "webhook": rotated }),
        )
        .preconditions()
        .refuses(&[Code::Busy, Code::TooManySecrets, Code::InvalidSecret])
}

pub(crate) fn get_secret(schemas: &mut Schemas) -> Operation {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let text = json_schema!({ "type": "string" });
    let old_secrets = schemas.subschema_for::<Vec<OldSecretView<'_>>>();
    Operation::new(
        Who::Tenant(Scope::Admin),
        "getSecret",
        "Read a webhook's signing secrets.",
    )
    .links(true)
    .describe("A portal link needs the capability `secrets`.")
    .answers(
        StatusCode::OK,
        "The present secret, and replaced ones that are still valid, oldest first.",
        [("secret", text), ("old_secrets", old_secrets)],
        json!({ "secret": secret, "old_secrets": [] }),
    )
}

pub(crate) fn finish_rotation(schemas: &mut Schemas) -> Operation {
    let webhook = schemas.subschema_for::<WebhookView<'_>>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "finishRotation",
        "End a rotation's overlap now.",
    )
    .no_body()
    .answers(
        StatusCode::OK,
        "Overlap ended; only the new secret is valid.",
        [("webhook", webhook)],
        json!({ "webhook": example() }),
    )
    .preconditions()
    .refuses(&[Code::Busy])
}

pub(crate) fn list_webhooks(schemas: &mut Schemas) -> Operation {
    let webhook = schemas.subschema_for::<WebhookView<'_>>();
    let operation = Operation::new(
        Who::TenantOrAll(Scope::Read),
        "listWebhooks",
        "List the webhooks of a tenant, or of all tenants.",
    );
    operation
        .lists("webhooks", webhook, example())
        .query(
            "status",
            "Filter by status, several separated by commas.",
            json!({ "type": "string", "examples": ["active", "disabled"] }),
        )
        .query(
            "health",
            "Filter by health, several separated by commas.",
            json!({ "type": "string", "examples": Health::ALL.map(Health::as_str) }),
        )
        .query(
            "q",
            "Only those that have this text in their id, name, description or URL, in any case.",
            json!({ "type": "string", "minLength": 1, "maxLength": NAME_CHARS }),
        )
        .query(
            "event_type",
            "Filter by subscribed event type, by whatever pattern the webhook subscribes: types, groups or prefixes such as `order.*`, several separated by commas.",
            json!({ "type": "string" }),
        )
        // In the query, an object of this style is its members, each a parameter.
        .query(
            "metadata.NAME",
            "Filter by a member of the metadata: `metadata.tier=gold`. Several must all match; numbers and booleans are written as in JSON.",
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        )
}

pub(crate) fn get_webhook(schemas: &mut Schemas) -> Operation {
    let webhook = schemas.subschema_for::<WebhookView<'_>>();
    Operation::new(Who::Tenant(Scope::Read), "getWebhook", "Read a webhook.")
        .versioned()
        .answers(
            StatusCode::OK,
            "The webhook, without its secret.",
            [("webhook", webhook)],
            json!({ "webhook": example() }),
        )
}

pub(crate) fn update_webhook(schemas: &mut Schemas) -> Operation {
    let status = json!({
        "status": {
            "description": "`active` forgets the failures of a disabled one; it sends nothing by itself.",
            "enum": ["active", "disabled"],
        },
        "recover": {
            "description": "With `\"status\": \"active\"`: whether it is also sent what it missed; `job` does that [default: false].",
            "type": ["boolean", "null"],
        },
        "dialect": dialect("The new dialect; deliveries in progress keep their bodies."),
        "secret": {
            "description": "The present value; use `rotate-secret` to change it.",
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": SECRET_BYTES,
        },
        "signing": {
            "description": "The present value; use `rotate-secret` to change it.",
            "enum": ["v1", "v1a", null],
        },
        "challenge": {
            "description": "Whether another URL must echo a token before it gets events.",
            "type": "boolean",
        },
        "pause": {
            "description": "Pauses deliveries until a time, at most 7 days ahead: a maintenance window. Null ends a pause, whatever its cause.",
            "type": ["object", "null"],
            "properties": {
                "until": time("The end of the pause."),
                "since": { "description": "Has no effect.", "type": ["string", "null"] },
                "cause": { "description": "Has no effect.", "type": ["string", "null"] },
                "response_status": { "description": "Has no effect.", "type": ["integer", "null"] },
                "waiting": { "description": "Has no effect.", "type": ["integer", "null"] },
            },
            "required": ["until"],
            "additionalProperties": false,
        },
        "id": { "description": "The present value.", "type": ["string", "null"] },
        "created_at": { "description": "The present value.", "type": ["string", "null"] },
    });
    let webhook = schemas.subschema_for::<WebhookView<'_>>();
    Operation::new(Who::Tenant(Scope::Manage), "updateWebhook", "Change a webhook.")
        .describe(
            "A merge patch (RFC 7396): what is left out stays; null clears what may be missing. `headers`, `secret_headers` and \
             `metadata` are merged likewise, `events`, `filter` and `client_certificate` replaced. Members that nobody sets may stand in it as they were read.",
        )
        .preconditions()
        .body(
            object(&[], with(with(fields(header(json!(["string", "null"]))), status), read_only())),
            json!({ "events": ["user.lesson.completed", "user.progress.milestone"], "status": "active" }),
        )
        .answers(
            StatusCode::OK,
            "Updated.",
            [("webhook", webhook), ("job", jobs::schema_or_null(schemas))],
            json!({ "webhook": example(), "job": null }),
        )
        .refuses(&[
            Code::Busy,
            Code::InvalidSecret,
            Code::PlanWithoutWebhooks,
            Code::ReadOnly,
            Code::ReservedType,
            Code::UnknownEventType,
            Code::WebhookDisabled,
            Code::WebhookUnverified,
        ])
}

pub(crate) fn delete_webhook(schemas: &mut Schemas) -> Operation {
    Operation::new(Who::Tenant(Scope::Manage), "deleteWebhook", "Delete a webhook.")
        .describe(
            "Nothing is sent to it afterwards; waiting deliveries are dropped. A job erases its deliveries and log; `Location` has its URL.",
        )
        .preconditions()
        .no_body()
        .answers(
            StatusCode::OK,
            "Deleted.",
            [("webhook", deleted_schema()), ("job", jobs::schema(schemas))],
            json!({
                "webhook": { "id": "webhook_5kq2m8x1r7", "tenant_id": "acme", "deleted": true },
                "job": jobs::example_of_webhook(),
            }),
        )
        .answers_header(StatusCode::OK, "Location", "Where the job can be read.")
        .refuses(&[Code::Busy])
}

pub(crate) fn prove_webhook(schemas: &mut Schemas) -> Operation {
    let body = object(
        &[],
        json!({
            "event_type": {
                "description": "The event type of the sample [default: the first subscribed type that is not archived].",
                "type": ["string", "null"],
                "maxLength": EVENT_TYPE_CHARS,
            },
        }),
    );
    let finding = |check: &str, outcome: &str, response_status: u16, told: [Value; 2]| {
        let [problem, mend] = told;
        json!({
            "check": check,
            "outcome": outcome,
            "response_status": response_status,
            "elapsed_ms": 142,
            "problem": problem,
            "mend": mend,
        })
    };
    let report = json!({
        "webhook_id": "webhook_5kq2m8x1r7",
        "tenant_id": "acme",
        "url": "https://your-domain.com/webhooks/odin",
        "dialect": "odin",
        "event_type": "user.lesson.completed",
        "ok": false,
        "checks": [
            finding("delivery", "passed", 200, [Value::Null, Value::Null]),
            finding("no_signature", "failed", 200, [
                json!("it answers 200 OK to a delivery without a signature"),
                json!("answer 401 where the signature's header is missing"),
            ]),
        ],
    });
    Operation::new(
        Who::Tenant(Scope::Manage),
        "proveWebhook",
        "Examine the receiver.",
    )
    .describe(format!(
        "Sends about ten sample events as tests are sent, also to a disabled webhook: genuine ones, which are to be accepted, then forged ones, which are to be refused. None is logged, retried or counted. What {} s leave no time for is skipped. Counts as {TESTS_OF_EXAMINATION} tests. An unverified webhook cannot be examined.",
        EXAMINATION.as_secs(),
    ))
    .optional_body(body, json!({ "event_type": "user.lesson.completed" }))
    .answers(
        StatusCode::OK,
        "What was found.",
        [("report", schemas.subschema_for::<ReportView>())],
        json!({ "report": report }),
    )
    .refuses(&[
        Code::UnknownEventType,
        Code::EventTypeArchived,
        Code::PayloadTooLarge,
        Code::UnstableNumber,
        Code::ReservedMember,
        Code::WebhookUnverified,
        Code::RateLimited,
        Code::CannotSend,
    ])
}

pub(crate) fn test_webhook(schemas: &mut Schemas) -> Operation {
    let body = object(
        &[],
        json!({
            "event_type": {
                "description": "The event type of the sample [default: the first subscribed type that is not archived].",
                "type": ["string", "null"],
                "maxLength": EVENT_TYPE_CHARS,
            },
            "data": {
                "description": "The data to send instead of the sample, checked as published data: against the schema of the event type and the dialect's limits.",
                "type": ["object", "null"],
            },
        }),
    );
    let log = schemas.subschema_for::<Tested<'_>>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "testWebhook",
        "Send a sample event now.",
    )
    .describe(
        "Also sent to a disabled webhook, with a new id and the header `Rung-Test: true`. It is never retried and does not count as a failure. An unverified webhook cannot be tested.",
    )
    .optional_body(body, json!({ "event_type": "user.lesson.completed" }))
    .answers(
        StatusCode::OK,
        "The attempt's result.",
        [("log", log)],
        json!({ "log": logs::test_example() }),
    )
    .refuses(&[
        Code::UnknownEventType,
        Code::ReservedType,
        Code::EventTypeArchived,
        Code::SchemaViolation,
        Code::UnusableSchema,
        Code::PayloadTooLarge,
        Code::UnstableNumber,
        Code::ReservedMember,
        Code::WebhookUnverified,
        Code::RateLimited,
        Code::CannotSend,
    ])
}

pub(crate) fn verify_webhook(schemas: &mut Schemas) -> Operation {
    let webhook = schemas.subschema_for::<WebhookView<'_>>();
    Operation::new(
        Who::Tenant(Scope::Manage),
        "verifyWebhook",
        "Ask a webhook's endpoint to echo a token, and activate the webhook if it waits for that.",
    )
    .describe(
        "The token is in the header `Rung-Challenge` and in the body, `{\"type\": \"webhook.challenge\", \"challenge\": TOKEN}`; the \
         endpoint must return it as the body, or as a member of an object. The request has a delivery's headers and signatures. A dialect \
         may give the challenge another shape.",
    )
    .no_body()
    .answers(
        StatusCode::OK,
        "Endpoint verified.",
        [("webhook", webhook)],
        json!({ "webhook": example() }),
    )
    .preconditions()
    .refuses(&[
        Code::ChallengeFailed,
        Code::Busy,
        Code::PlanWithoutWebhooks,
        Code::RateLimited,
        Code::CannotSend,
    ])
}
