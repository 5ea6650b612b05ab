//! Header names, their values' templates, signatures.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue, header::CONTENT_TYPE, header::USER_AGENT};

use super::{choice, template};
use crate::{
    document::{Table, Text},
    envelope::{Kept, Node},
    fault::Faults,
    headers::{Headers, STANDARD_WEBHOOKS, is_printable},
    reserved::is_reserved,
    secret::{Key, KeyForm},
    signature::{Algorithm, Encoding, Signature},
    template::Template,
    value::Value,
};

const DEFAULT_USER_AGENT: &str = concat!("Rung/", env!("CARGO_PKG_VERSION"));
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn compile(file: &Table<'_>, root: &Node, is_form: bool, faults: &Faults) -> Headers {
    let standard_webhooks = file.flag("standard_webhooks").unwrap_or(true);
    let mut taken = HashSet::new();
    let mut own = Vec::new();
    for (name, value) in file.text_entries("headers") {
        let name = header_name(name, standard_webhooks, &mut taken, faults);
        let value = header_template(value, faults, |value| {
            !matches!(
                value,
                Value::Body | Value::FormFields | Value::Signature | Value::Token
            )
        });
        own.extend(name.zip(value));
    }
    let mut names = HashSet::new();
    let tables = file.tables("signature");
    let signatures = tables.iter().filter_map(|table| {
        let name = table.text("name");
        if let Some(name) = name
            && !names.insert(name.text)
        {
            let reason = format!("two signatures have the name `{}`", name.text);
            faults.add(name.at, reason, "give one of them another");
        }
        let header = table.text("header");
        let header =
            header.and_then(|header| header_name(header, standard_webhooks, &mut taken, faults));
        signature(table, header, is_form, faults)
    });
    let signatures: Vec<_> = signatures.collect();
    let sent = own.iter().flat_map(|(_, template)| template.values());
    let sends_secret = sent
        .chain(root.values())
        .any(|value| *value == Value::Secret);
    Headers {
        content_type: header_value(
            file,
            "content_type",
            if is_form { FORM } else { JSON },
            faults,
        ),
        user_agent: header_value(file, "user_agent", DEFAULT_USER_AGENT, faults),
        own,
        signatures,
        spelled: spelled(file),
        standard_webhooks,
        sends_secret,
    }
}

/// What headers and signatures have that only the event knows.
pub(super) fn kept(headers: &Headers) -> Vec<Kept> {
    let in_headers = headers
        .own
        .iter()
        .flat_map(|(_, template)| template.values());
    let in_values = headers.signatures.iter().flat_map(|signature| {
        let overlap = signature.overlap.iter().flat_map(Template::values);
        signature.value.values().chain(overlap)
    });
    let signed = headers
        .signatures
        .iter()
        .flat_map(|signature| signature.signed.values());
    let told = in_headers.chain(in_values).map(|value| (value, true));
    let mut kept: Vec<Kept> = Vec::new();
    for (value, in_header) in told.chain(signed.map(|value| (value, false))) {
        if value.is_early() && kept.iter().all(|known| known.value != *value) {
            let value = value.clone();
            kept.push(Kept { value, in_header });
        }
    }
    kept
}

/// The names of its own headers and of its signatures, as the file spells them.
fn spelled(file: &Table<'_>) -> Vec<String> {
    let own = file.text_entries("headers");
    let own = own.into_iter().map(|(name, _)| name);
    let signatures = file.tables("signature");
    let signatures = signatures.iter().filter_map(|table| table.text("header"));
    own.chain(signatures)
        .map(|name| name.text.to_owned())
        .collect()
}

fn header_value(
    file: &Table<'_>,
    key: &str,
    default: &'static str,
    faults: &Faults,
) -> HeaderValue {
    match file.text(key) {
        None => HeaderValue::from_static(default),
        Some(written) => {
            check_printable(written, faults);
            HeaderValue::from_str(written.text)
                .unwrap_or_else(|_| HeaderValue::from_static(default))
        }
    }
}

fn header_name(
    written: Text<'_>,
    standard_webhooks: bool,
    taken: &mut HashSet<HeaderName>,
    faults: &Faults,
) -> Option<HeaderName> {
    let Text { at, text } = written;
    let Ok(name) = HeaderName::try_from(text) else {
        let mend = "it has letters, digits and `-`, as in `X-Acme-Topic`";
        faults.add(at, format!("`{text}` is not a valid header name"), mend);
        return None;
    };
    let reason = format!("the header `{name}` is set by Rung itself");
    if name == CONTENT_TYPE {
        faults.add(at, reason, "use the key `content_type`");
    } else if name == USER_AGENT {
        faults.add(at, reason, "use the key `user_agent`");
    } else if standard_webhooks && STANDARD_WEBHOOKS.contains(&name) {
        faults.add(
            at,
            reason,
            "leave it out, or set `standard_webhooks = false`",
        );
    } else if is_reserved(&name) {
        faults.add(at, reason, "leave it out");
    } else if !taken.insert(name.clone()) {
        let reason = format!("the header `{name}` is defined twice");
        faults.add(at, reason, "leave one of the two out");
    } else {
        return Some(name);
    }
    None
}

fn check_printable(written: Text<'_>, faults: &Faults) {
    let Text { at, text } = written;
    if !is_printable(text) {
        let mend = "a header value has printable ASCII characters only";
        faults.add(at, "this cannot be a header's value", mend);
    } else if text.trim() != text || text.is_empty() {
        let mend = "receivers take blanks off both ends: a value has some other character there";
        faults.add(
            at,
            "this header value is empty, or has a blank at one end",
            mend,
        );
    }
}

fn header_template(
    written: Text<'_>,
    faults: &Faults,
    allowed: impl Fn(&Value) -> bool,
) -> Option<Template> {
    check_printable(written, faults);
    template(written, allowed, faults)
}

fn signature(
    table: &Table<'_>,
    header: Option<HeaderName>,
    is_form: bool,
    faults: &Faults,
) -> Option<Signature> {
    let name = table.text("name");
    if name.is_none() && !table.has("header") {
        let mend = "add `header = \"X-Acme-Signature\"`, or a `name` by which the body or another header has it";
        faults.add(table.at, "nothing has this signature", mend);
    }
    if let Some(name) = name
        && (name.text.is_empty()
            || Value::parse(&format!("signature.{}", name.text)).is_none()
            || name.text.contains('{'))
    {
        faults.add(
            name.at,
            format!("`{}` cannot be a name", name.text),
            "write letters, as in \"hook\"",
        );
    }
    let signed = table.text("signed").and_then(|written| {
        let signed = template(
            written,
            |value| match value {
                Value::Signature | Value::SignatureOf(_) | Value::Token => false,
                Value::FormFields => is_form,
                _ => true,
            },
            faults,
        )?;
        if signed.values().next().is_none() {
            let mend = "it has at least one value, as in \"{body}\"";
            faults.add(written.at, "the signed text is the same each time", mend);
        }
        Some(signed)
    });
    let value_of = |written: Text<'_>| {
        let value = header_template(written, faults, |value| {
            !matches!(
                value,
                Value::Body
                    | Value::FormFields
                    | Value::SignatureOf(_)
                    | Value::Token
                    | Value::Secret
            )
        })?;
        if !value.mentions(&Value::Signature) {
            let mend = "it must contain `{signature}`, as in \"v1={signature}\"";
            faults.add(written.at, "the value has no signature", mend);
        }
        Some(value)
    };
    let value = match table.text("value") {
        Some(written) => value_of(written),
        None => Some(Template::of(Value::Signature)),
    };
    // It is appended: a blank at its beginning separates.
    let overlap = table.text("overlap").and_then(|written| {
        let trimmed = Text {
            text: written.text.trim_start(),
            ..written
        };
        value_of(trimmed)?;
        template(written, |_| true, faults)
    });
    let algorithm = choice(table, "algorithm", &Algorithm::ALL)?;
    check_key(table, algorithm, faults);
    Some(Signature {
        algorithm,
        encoding: choice(table, "encoding", &Encoding::ALL)?,
        key: Key {
            form: choice(table, "key", &KeyForm::ALL).unwrap_or_default(),
            prefix: table
                .text("key_prefix")
                .map_or_else(String::new, |prefix| prefix.text.to_owned()),
        },
        signed: signed?,
        name: name.map(|name| name.text.into()),
        header,
        value: value?,
        overlap,
        newest_first: table
            .text("secrets")
            .is_some_and(|order| order.text == "newest-first"),
    })
}

/// A key's form belongs to an HMAC.
fn check_key(table: &Table<'_>, algorithm: Algorithm, faults: &Faults) {
    let is_hmac = !algorithm.is_plain_hash() && algorithm.pair_kind().is_none();
    for key in ["key", "key_prefix"] {
        if table.has(key) && !is_hmac {
            let reason = format!("`{}` has no such key", algorithm.scheme());
            faults.add(
                table.place(key),
                reason,
                format!("leave out `{key}`, or use an `hmac-` algorithm"),
            );
        }
    }
}
