//! Rust.

use super::{
    Piece, TOLERANCE_S, Variable,
    scheme::{Algorithm, Encoding, Key, Place, Run, Scheme},
    snake_case,
};

pub(super) fn write(scheme: &Scheme) -> String {
    let hash = match scheme.algorithm {
        Algorithm::HmacSha256 => "sha2::Sha256",
        Algorithm::HmacSha1 => "sha1::Sha1",
        Algorithm::HmacSha512 => "sha2::Sha512",
    };
    let is_base64 = scheme.encoding == Encoding::Base64 || scheme.key == Key::StandardWebhooks;
    let hash_crate = hash.split("::").next().unwrap_or_default();
    let encoding_crates = match (is_base64, scheme.encoding) {
        (true, Encoding::Hex) => "base64, hex",
        (true, Encoding::Base64) => "base64",
        (false, _) => "hex",
    };
    let mut lines = vec![format!(
        "// Needs the crates {encoding_crates}, hmac 0.13, http, {hash_crate} 0.11 and subtle."
    )];
    if scheme.is_timed() {
        lines.push("use std::time::{SystemTime, UNIX_EPOCH};\n".to_owned());
    }
    if is_base64 {
        lines.push(
            "use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};".to_owned(),
        );
    }
    lines.push(format!(
        "use hmac::{{Hmac, KeyInit as _, Mac as _}};
use http::HeaderMap;
use {hash};
use subtle::ConstantTimeEq as _;
"
    ));
    if scheme.is_timed() {
        lines.push(format!("const TOLERANCE_S: u64 = {TOLERANCE_S};\n"));
    }
    lines.push(format!(
        "/// Whether a delivery of the dialect {} is genuine; `body` is the raw body.
pub fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> bool {{
    is_signed(headers, body, secret).unwrap_or(false)
}}

fn is_signed(headers: &HeaderMap, body: &[u8], secret: &str) -> Option<bool> {{
    let header = headers.get({})?.to_str().ok()?;",
        scheme.dialect,
        quoted(&scheme.header)
    ));
    for (variable, place) in &scheme.found {
        let name = snake_case(*variable);
        match place {
            Place::Header(header) => {
                lines.push(format!(
                    "    let {name} = headers.get({})?.to_str().ok()?;",
                    quoted(header)
                ));
            }
            Place::Within { before, after } => {
                let mut from = "header";
                if !before.is_empty() {
                    lines.push(format!(
                        "    let (_, {name}) = header.split_once({})?;",
                        quoted(before)
                    ));
                    from = &name;
                }
                lines.push(match after.as_str() {
                    "" if before.is_empty() => format!("    let {name} = header;"),
                    "" => continue,
                    after => format!(
                        "    let ({name}, _) = {from}.split_once({})?;",
                        quoted(after)
                    ),
                });
            }
        }
    }
    if scheme.is_timed() {
        lines.push(
            "    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    if now.abs_diff(timestamp.parse().ok()?) > TOLERANCE_S {
        return Some(false);
    }"
            .to_owned(),
        );
    }
    lines.push(
        match scheme.key {
            Key::Text => "    let key = secret.as_bytes();",
            Key::StandardWebhooks => {
                "    let key = BASE64.decode(secret.strip_prefix(\"whsec_\")?).ok()?;"
            }
        }
        .to_owned(),
    );
    let reference = if scheme.key == Key::Text { "" } else { "&" };
    let hash_name = hash.split("::").last().unwrap_or_default();
    lines.push(format!(
        "    let mut mac = Hmac::<{hash_name}>::new_from_slice({reference}key).ok()?;"
    ));
    for run in scheme.runs() {
        lines.push(match run {
            Run::Body => "    mac.update(body);".to_owned(),
            Run::Text([Piece::Variable(variable)]) => {
                format!("    mac.update({}.as_bytes());", snake_case(*variable))
            }
            Run::Text([Piece::Text(text)]) => format!("    mac.update(b{});", quoted(text)),
            Run::Text(pieces) => {
                format!("    mac.update(format!({}).as_bytes());", template(pieces))
            }
        });
    }
    lines.push(
        match scheme.encoding {
            Encoding::Hex => "    let signature = hex::encode(mac.finalize().into_bytes());",
            Encoding::Base64 => "    let signature = BASE64.encode(mac.finalize().into_bytes());",
        }
        .to_owned(),
    );
    let is_bare = scheme.expected == [Piece::Variable(Variable::Signature)];
    let expected = if is_bare {
        "signature".to_owned()
    } else {
        let expected = template(&scheme.expected);
        lines.push(format!("    let expected = format!({expected});"));
        "expected".to_owned()
    };
    let is_equal = |given: &str| format!("{given}.as_bytes().ct_eq({expected}.as_bytes()).into()");
    lines.push(match scheme.separator {
        None => format!("    Some({})", is_equal("header")),
        Some(separator) => format!(
            "    let mut given = header.split({});
    Some(given.any(|one| {}))",
            quoted(&separator.to_string()),
            is_equal("one")
        ),
    });
    lines.push("}\n".to_owned());
    lines.join("\n")
}

/// Pieces as a format string.
pub(super) fn template(pieces: &[Piece]) -> String {
    let text: String = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.replace('{', "{{").replace('}', "}}"),
            Piece::Variable(variable) => format!("{{{}}}", snake_case(*variable)),
        })
        .collect();
    quoted(&text)
}

pub(super) fn quoted(text: &str) -> String {
    format!("{text:?}")
}
