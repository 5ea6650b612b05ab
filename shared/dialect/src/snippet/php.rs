//! PHP.

use super::{
    Piece, TOLERANCE_S, Variable, joined,
    scheme::{Algorithm, Encoding, Key, Place, Run, Scheme},
    snake_case,
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " . ", quoted, named);
    let mut lines = vec![format!(
        "<?php

// Whether a delivery of the dialect {} is genuine. $headers has names in lower case: array_change_key_case(getallheaders()).
// $body is the raw body: file_get_contents('php://input').
function verify(array $headers, string $body, string $secret): bool
{{
    $header = $headers[{}] ?? '';",
        scheme.dialect,
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
        if *variable == Variable::Timestamp && scheme.is_timed() {
            lines.push(format!(
                "    if (!preg_match('/^[0-9]+$/D', $timestamp) || abs(time() - (int) $timestamp) > {TOLERANCE_S}) {{
        return false;
    }}"
            ));
        }
    }
    let key = match scheme.key {
        Key::Text => "$secret",
        Key::StandardWebhooks => {
            lines.push(
                "    $key = base64_decode(preg_replace('/^whsec_/', '', $secret));".to_owned(),
            );
            "$key"
        }
    };
    let algorithm = match scheme.algorithm {
        Algorithm::HmacSha256 => "sha256",
        Algorithm::HmacSha1 => "sha1",
        Algorithm::HmacSha512 => "sha512",
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
    lines.push(match scheme.encoding {
        Encoding::Hex => format!("    $signature = hash_hmac('{algorithm}', {signed}, {key});"),
        Encoding::Base64 => format!(
            "    $signature = base64_encode(hash_hmac('{algorithm}', {signed}, {key}, true));"
        ),
    });
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
