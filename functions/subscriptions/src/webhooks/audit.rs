//! What the audit log says of a webhook's changes.

use std::collections::BTreeSet;

use rung_api::Caller;
use rung_core::domain::{
    audit::{Action, Change, Record},
    webhook::{Secret, Webhook},
};
use serde_json::Value;

use super::view::{Instants, WebhookView};

/// The audit log's record of what becomes of a webhook. Its secret, the values of its
/// headers and the key of its client certificate are named and not kept: the table has them encrypted only.
pub(super) fn record(
    caller: &Caller,
    action: Action,
    before: Option<&Webhook>,
    after: Option<&Webhook>,
) -> Record {
    let webhook = after.or(before);
    let id = webhook.map(|webhook| webhook.id.as_str());
    let record = caller
        .record(action, id.unwrap_or_default())
        .changing_all(Change::between(before.map(visible), after.map(visible)));
    let changes = |confidential: &dyn Fn(&'_ Webhook) -> Option<&'_ str>| {
        before.map(confidential) != after.map(confidential)
    };
    let mut hidden = Vec::new();
    if changes(&|webhook| Some(webhook.secret.expose())) {
        hidden.push(Change::hidden("secret"));
    }
    let both = || before.into_iter().chain(after);
    let names: BTreeSet<_> = both().flat_map(|webhook| webhook.headers.keys()).collect();
    for name in names {
        if changes(&|webhook| webhook.headers.get(name).map(String::as_str)) {
            hidden.push(Change::hidden(format!("headers.{name}")));
        }
    }
    let names: BTreeSet<_> = both()
        .flat_map(|webhook| webhook.secret_headers.keys())
        .collect();
    for name in names {
        if changes(&|webhook| webhook.secret_headers.get(name).map(Secret::expose)) {
            hidden.push(Change::hidden(format!("secret_headers.{name}")));
        }
    }
    if before.and_then(client_key) != after.and_then(client_key) {
        hidden.push(Change::hidden("client_certificate.private_key"));
    }
    record.changing_all(hidden)
}

/// The key of its client certificate.
fn client_key(webhook: &Webhook) -> Option<&Secret> {
    let certificate = webhook.client_certificate.as_deref()?;
    Some(&certificate.private_key)
}

/// What of a webhook everybody may see who may see it.
fn visible(webhook: &Webhook) -> Value {
    // Whether a replaced secret still signs is no change of the webhook: the time itself says when it ends.
    let mut view =
        serde_json::to_value(WebhookView::stored(webhook, Instants::BEFORE)).unwrap_or_default();
    if let Some(view) = view.as_object_mut() {
        // What follows from something else is no change of its own.
        for name in [
            "headers",
            "health",
            "failing_since",
            "last_success_at",
            "last_failure",
            "signatures",
            "old_public_keys",
        ] {
            view.remove(name);
        }
        if let Some(Value::Object(pause)) = view.get_mut("pause") {
            pause.remove("waiting");
        }
    }
    view
}
