//! What is well-formed and cannot work: receivers could not verify it, or not for long.

use std::collections::HashSet;

use super::{envelope, uses};
use crate::{
    Dialect,
    document::{Table, Text},
    envelope::Node,
    fault::Faults,
    key_pair::PairKind,
    signature::{Algorithm, Signature},
    value::Value,
};

/// How old a signed time may be where a file does not say it, in milliseconds: what Standard Webhooks and Stripe recommend.
const TOLERANCE_MS: u64 = 300_000;

pub(super) fn check(file: &Table<'_>, dialect: &Dialect, faults: &Faults) {
    let root = &dialect.envelope.root;
    // Of a member that is wrong, nobody knows whether it was to have them.
    let members = Faults::default();
    _ = envelope::root(file, false, &members);
    if file.has("envelope") && members.is_empty() && !root.has_data() {
        let mend = "add `{ key = \"data\", from = \"data\" }`, `{ from = \"data_members\" }` or a `data.NAME`";
        faults.add(
            file.place("envelope"),
            "the envelope has nothing of the data",
            mend,
        );
    }
    check_algorithms(file, faults);
    check_names(file, dialect, faults);
    for table in file.tables("signature") {
        let header = table
            .text("header")
            .map(|header| header.text.to_ascii_lowercase());
        let name = table.text("name").map(|name| name.text);
        let found = dialect.headers.signatures.iter().find(|one| {
            one.name.as_deref() == name
                && one.header.as_ref().map(|header| header.as_str()) == header.as_deref()
        });
        if let (Some(signature), Some(signed)) = (found, table.text("signed")) {
            check_told(dialect, signature, signed, faults);
            check_age(&table, dialect, signature, signed, faults);
        }
    }
    let gives_up_on_success = dialect.give_up.iter().any(|range| {
        let both = dialect.success.iter();
        both.clone()
            .any(|success| success.contains(range.start()) || range.contains(success.start()))
    });
    if gives_up_on_success {
        let mend = "leave it out of one of the two";
        faults.add(
            file.place("give_up"),
            "a status of `give_up` is a success, too",
            mend,
        );
    }
}

/// One secret cannot be a key pair and the key of an HMAC, and no receiver may get a private key.
fn check_algorithms(file: &Table<'_>, faults: &Faults) {
    let tables = file.tables("signature");
    let of = |table: &Table<'_>| {
        table
            .text("algorithm")
            .map(|algorithm| algorithm.text.to_owned())
    };
    let kind = |name: &str| {
        let known = Algorithm::ALL.iter().find(|(known, _)| *known == name);
        known.and_then(|(_, algorithm)| algorithm.pair_kind())
    };
    let names = tables.iter().filter_map(|table| Some((table, of(table)?)));
    let names: Vec<_> = names.collect();
    let mut pairs = names
        .iter()
        .filter_map(|(table, name)| Some((table, kind(name)?, name)));
    let Some((pair, pair_kind, name)) = pairs.next() else {
        return;
    };
    if let Some((other, _)) = names.iter().find(|(_, other)| other.starts_with("hmac")) {
        let reason = format!(
            "a webhook has one secret: it cannot be a key pair for `{name}` and the key of an HMAC"
        );
        faults.add(other.place("algorithm"), reason, "use one of the two");
    }
    if let Some((other, _, other_name)) = pairs.find(|(_, other, _)| *other != pair_kind) {
        let reason = format!(
            "a webhook has one secret: it cannot be a key pair for `{name}` and for `{other_name}`"
        );
        faults.add(other.place("algorithm"), reason, "use one of the two");
    }
    if pair_kind == PairKind::P256 && file.flag("standard_webhooks").unwrap_or(true) {
        let reason = format!("a key pair for `{name}` cannot sign `webhook-signature`");
        faults.add(
            pair.place("algorithm"),
            reason,
            "set `standard_webhooks = false`",
        );
    }
    let signed = tables.iter().filter_map(|table| table.text("signed"));
    let signed = signed.flat_map(uses::of_text);
    let secrets = uses::sent(file).into_iter().chain(signed);
    for (at, _) in secrets.filter(|(_, value)| *value == Value::Secret) {
        let reason = format!("the secret of `{name}` is a private key, which no receiver may have");
        let mend = "leave out the secret, or use an `hmac-` algorithm";
        faults.add(at, reason, mend);
    }
}

/// Signatures are used by names that there are, and a body has none that covers it.
fn check_names(file: &Table<'_>, dialect: &Dialect, faults: &Faults) {
    let signatures = &dialect.headers.signatures;
    let asked = dialect.challenge.iter().flat_map(|shape| &shape.body);
    let bodies = std::iter::once(&dialect.envelope.root).chain(asked);
    let in_body: HashSet<_> = names(bodies.flat_map(Node::values)).collect();
    let sent = uses::sent(file);
    let used: HashSet<_> = names(sent.iter().map(|(_, value)| value)).collect();
    let written: HashSet<&str> = file
        .tables("signature")
        .iter()
        .filter_map(|table| Some(table.text("name")?.text))
        .collect();
    for (at, value) in &sent {
        if let Value::SignatureOf(name) = value
            && !written.contains(&**name)
        {
            let reason =
                format!("`signature.{name}` is used, and no `[[signature]]` has this name");
            let mend = format!("add `name = \"{name}\"` to a `[[signature]]`");
            faults.add(*at, reason, mend);
        }
    }
    for signature in signatures {
        let Some(name) = signature.name.as_deref() else {
            continue;
        };
        let table = file.tables("signature").into_iter().find(|table| {
            table
                .text("name")
                .is_some_and(|written| written.text == name)
        });
        let Some(table) = table else { continue };
        if in_body.contains(name) && signature.covers_body() {
            let reason =
                "the signature stands in the body, and covers the body: it would cover itself";
            let mend = "sign other values, or send it in a header";
            faults.add(table.place("signed"), reason, mend);
        }
        if signature.header.is_none() && !table.has("header") && !used.contains(name) {
            let reason = format!("nothing has the signature `{name}`");
            let mend =
                format!("add a `header`, or use `signature.{name}` in the envelope or a header");
            faults.add(table.place("name"), reason, mend);
        }
    }
}

fn names<'a>(values: impl Iterator<Item = &'a Value>) -> impl Iterator<Item = &'a str> {
    values.filter_map(|value| match value {
        Value::SignatureOf(name) => Some(&**name),
        _ => None,
    })
}

/// Whether the request says each value that its signature covers.
fn check_told(dialect: &Dialect, signature: &Signature, signed: Text<'_>, faults: &Faults) {
    let untold = dialect.headers.untold(signature, &dialect.envelope.root);
    if let Some(value) = untold {
        let reason = format!(
            "the signature covers `{{{value}}}`, which no header and no member of the body has: receivers cannot make it anew"
        );
        let mend = format!(
            "add a header that has it, as in `X-Acme-Value = \"{{{value}}}\"`, or leave it out of `signed`"
        );
        faults.add(signed.at, reason, mend);
    }
}

/// A signed time that stays what it was at the first attempt is too old for receivers at some retry.
fn check_age(
    table: &Table<'_>,
    dialect: &Dialect,
    signature: &Signature,
    signed: Text<'_>,
    faults: &Faults,
) {
    let tolerance = table.text("tolerance");
    if tolerance.is_some_and(|tolerance| tolerance.text == "any") {
        return;
    }
    let is_attempts = |value: &&Value| matches!(value, Value::AttemptTime(_));
    let is_events = |value: &&Value| matches!(value, Value::Time(_));
    let root = &dialect.envelope.root;
    let by_body = tolerance.is_some() && signature.covers_body();
    let in_body = root.values().into_iter().filter(|_| by_body);
    let covered: Vec<&Value> = signature.signed.values().chain(in_body).collect();
    if covered.iter().any(is_attempts) {
        return;
    }
    let Some(time) = covered.iter().find(|value| is_events(value)) else {
        return;
    };
    let tolerance_ms = table.duration_ms("tolerance").unwrap_or(TOLERANCE_MS);
    let mut age_ms = 0;
    for (place, wait_ms) in dialect.ladder.waits_ms().iter().enumerate() {
        age_ms += wait_ms;
        if age_ms > tolerance_ms {
            let reason = format!(
                "the signed time `{{{time}}}` is the event's: at retry {} it is {} s old, and receivers take {} s",
                place + 1,
                age_ms / 1000,
                tolerance_ms / 1000
            );
            let mend = "use the attempt's time, `{timestamp}` or one of its forms; or set `tolerance` if your receivers take more, \"any\" if they do not look";
            faults.add(signed.at, reason, mend);
            return;
        }
    }
}
