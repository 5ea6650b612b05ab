//! PHP.

use super::{
    Piece, TOLERANCE_S, Variable, joined,
    scheme::{Clock, Encoding, Hash, Key, Place, Run, Scheme},
    snake_case,
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " . ", quoted, named);
    let mut lines = vec![format!(
        "<?php

// Whether a delivery of the dialect {} is genuine. $headers has names in lower case: array_change_key_case(getallheaders()).
// $body is the raw body: file_get_contents('php://input'){}.
function verify(array $headers, string $body, string $secret{}): bool
{{
    $header = $headers[{}] ?? '';",
        scheme.dialect,
        scheme.meanings(|name| format!("${name}")),
        scheme.parameters(|name| format!("string ${name}")),
        quoted(&scheme.header)
    )];
    for (variable, place) in &scheme.found {
        let value = match place {
            Place::Header(name) => format!("$headers[{}] ?? ''", quoted(name)),
            Place::Within { before, after } => {
                let rest = match before.as_str() {
                    "" => "$header".to_owned(),
                    before => format!("explode({}, $header, 2)[1] ?? ''", quoted(before)),
                };
                match after.as_str() {
                    "" => rest,
                    after => format!("explode({}, {rest}, 2)[0]", quoted(after)),
                }
            }
        };
        lines.push(format!("    {} = {value};", named(*variable)));
        if *variable == Variable::Timestamp
            && let Some(clock) = scheme.time
        {
            let (guard, seconds) = match clock {
                Clock::Seconds => ("!preg_match('/^[0-9]+$/D', $timestamp)", "(int) $timestamp"),
                Clock::Millis => (
                    "!preg_match('/^[0-9]+$/D', $timestamp)",
                    "intdiv((int) $timestamp, 1000)",
                ),
                Clock::Rfc3339 => ("strtotime($timestamp) === false", "strtotime($timestamp)"),
            };
            lines.push(format!(
                "    if ({guard} || abs(time() - {seconds}) > {TOLERANCE_S}) {{
        return false;
    }}"
            ));
        }
    }
    let key = match scheme.key {
        Key::Text => ", $secret",
        Key::None => "",
        Key::StandardWebhooks => {
            lines.push(
                "    $key = base64_decode(preg_replace('/^whsec_/', '', $secret));".to_owned(),
            );
            ", $key"
        }
    };
    let hash = match scheme.hash {
        Hash::Sha256 => "sha256",
        Hash::Sha1 => "sha1",
        Hash::Sha512 => "sha512",
    };
    let signed: Vec<String> = scheme
        .runs()
        .iter()
        .map(|run| match run {
            Run::Body => "$body".to_owned(),
            Run::Text(pieces) => expression(pieces),
        })
        .collect();
    let signed = signed.join(" . ");
    let function = match scheme.key {
        Key::None => "hash",
        _ => "hash_hmac",
    };
    let hex = format!("{function}('{hash}', {signed}{key})");
    let base64 = format!("base64_encode({function}('{hash}', {signed}{key}, true))");
    let signature = match scheme.encoding {
        Encoding::Hex => hex,
        Encoding::UpperHex => format!("strtoupper({hex})"),
        Encoding::Base64 => base64,
        Encoding::Base64Url => format!("rtrim(strtr({base64}, '+/', '-_'), '=')"),
        Encoding::Base64UrlPadded => format!("strtr({base64}, '+/', '-_')"),
        Encoding::Base64OfHex => format!("base64_encode({hex})"),
    };
    lines.push(format!("    $signature = {signature};"));
    lines.push(format!("    $expected = {};", expression(&scheme.expected)));
    lines.push(match scheme.separator {
        None => "    return hash_equals($expected, $header);".to_owned(),
        Some(separator) => format!(
            "    foreach (explode({}, $header) as $given) {{
        if (hash_equals($expected, $given)) {{
            return true;
        }}
    }}
    return false;",
            quoted(&separator.to_string())
        ),
    });
    lines.push("}\n".to_owned());
    lines.join("\n")
}

pub(super) fn named(variable: Variable) -> String {
    format!("${}", snake_case(variable))
}

/// In single quotes, where only these two mean something else.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
