//! The shape of the ownership challenge.

use http::{HeaderName, Method};

use super::{envelope, template};
use crate::{
    challenge::{Challenge, Proof},
    document::{Table, Text},
    fault::Faults,
    headers::is_printable,
    reserved::is_reserved,
    template::Template,
    value::Value,
};

pub(super) fn compile(file: &Table<'_>, faults: &Faults) -> Option<Challenge> {
    let table = file.table("challenge")?;
    let method = match table.text("method").map(|method| method.text) {
        Some("GET") => Method::GET,
        Some("OPTIONS") => Method::OPTIONS,
        _ => Method::POST,
    };
    let query = table.text_entries("query").into_iter();
    let query: Vec<_> = query
        .filter_map(|(name, value)| Some((name.text.to_owned(), text(value, faults)?)))
        .collect();
    let headers = table.text_entries("headers").into_iter();
    let headers: Vec<_> = headers
        .filter_map(|(name, value)| Some((header_name(name, faults)?, header_text(value, faults)?)))
        .collect();
    let body = table.tables("body");
    if !body.is_empty() && method != Method::POST {
        let reason = format!("a challenge by {method} has no body");
        faults.add(table.place("body"), reason, "use `query` or `headers`");
    }
    let body = (!body.is_empty()).then(|| envelope::of_challenge(&body, faults));
    let proof = proof(&table, faults);
    let in_body = body.iter().flat_map(|body| body.values());
    let templates = query.iter().map(|(_, value)| value);
    let templates = templates.chain(headers.iter().map(|(_, value)| value));
    let sends_token = templates
        .flat_map(Template::values)
        .chain(in_body)
        .any(|value| *value == Value::Token);
    let is_default =
        method == Method::POST && query.is_empty() && headers.is_empty() && body.is_none();
    if matches!(proof, Proof::Body | Proof::Header { value: None, .. })
        && !sends_token
        && !is_default
    {
        let mend = "add it, as in `query = { challenge = \"{token}\" }`";
        faults.add(
            table.at,
            "the challenge does not say the `{token}` that its receiver is to return",
            mend,
        );
    }
    Some(Challenge {
        method,
        query,
        headers,
        body,
        proof,
    })
}

fn proof(table: &Table<'_>, faults: &Faults) -> Proof {
    let Some(header) = table.text("answer_header") else {
        if let Some(value) = table.text("answer_value") {
            faults.add(
                value.at,
                "`answer_value` belongs to `answer_header`",
                "add `answer_header`",
            );
        }
        return Proof::Body;
    };
    let Ok(name) = HeaderName::try_from(header.text) else {
        let reason = format!("`{}` is not a valid header name", header.text);
        faults.add(header.at, reason, "as in \"WebHook-Allowed-Origin\"");
        return Proof::Body;
    };
    let value = table.text("answer_value").map(|value| value.text);
    Proof::Header {
        name,
        value: value.filter(|value| *value != "{token}").map(str::to_owned),
    }
}

fn header_name(written: Text<'_>, faults: &Faults) -> Option<HeaderName> {
    let name = HeaderName::try_from(written.text).ok();
    let name = name.filter(|name| !is_reserved(name));
    if name.is_none() {
        let reason = format!("`{}` cannot be a header of a challenge", written.text);
        faults.add(written.at, reason, "as in `WebHook-Request-Origin`");
    }
    name
}

fn header_text(written: Text<'_>, faults: &Faults) -> Option<Template> {
    if !is_printable(written.text) {
        let mend = "a header value has printable ASCII characters only";
        faults.add(written.at, "this cannot be a header's value", mend);
    }
    text(written, faults)
}

fn text(written: Text<'_>, faults: &Faults) -> Option<Template> {
    let is_allowed = |value: &Value| {
        matches!(
            value,
            Value::Token
                | Value::Secret
                | Value::WebhookId
                | Value::Tenant
                | Value::Url
                | Value::Host
                | Value::AttemptTime(_)
        )
    };
    template(written, is_allowed, faults)
}
