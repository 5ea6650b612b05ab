//! Rust.

use super::{
    Piece, TOLERANCE_S, Variable,
    scheme::{Clock, Encoding, Hash, Key, Place, Run, Scheme},
    snake_case,
};

pub(super) fn write(scheme: &Scheme) -> String {
    let (hash_crate, hash) = match scheme.hash {
        Hash::Sha256 => ("sha2", "Sha256"),
        Hash::Sha1 => ("sha1", "Sha1"),
        Hash::Sha512 => ("sha2", "Sha512"),
    };
    let is_keyed = scheme.key != Key::None;
    let hash_version = format!("{hash_crate} 0.11");
    let crates = [
        ("base64", scheme.has_base64()),
        ("hex", scheme.has_hex()),
        ("hmac 0.13", is_keyed),
        ("http", true),
        ("jiff", scheme.time == Some(Clock::Rfc3339)),
        (&hash_version, true),
    ];
    let used = crates.iter().filter(|(_, is_used)| *is_used);
    let used: Vec<_> = used.map(|(name, _)| *name).collect();
    let mut lines = vec![format!(
        "// Needs the crates {} and subtle.",
        used.join(", ")
    )];
    if scheme.time.is_some() {
        lines.push("use std::time::{SystemTime, UNIX_EPOCH};\n".to_owned());
    }
    if scheme.has_base64() {
        let engine = match scheme.encoding {
            Encoding::Base64Url => "URL_SAFE_NO_PAD",
            Encoding::Base64UrlPadded => "URL_SAFE",
            _ => "STANDARD as BASE64",
        };
        let also = match scheme.key {
            Key::StandardWebhooks if engine != "STANDARD as BASE64" => {
                format!("{{STANDARD as BASE64, {engine}}}")
            }
            _ => engine.to_owned(),
        };
        lines.push(format!(
            "use base64::{{Engine as _, engine::general_purpose::{also}}};"
        ));
    }
    if is_keyed {
        lines.push(format!(
            "use hmac::{{Hmac, KeyInit as _, Mac as _}};
use http::HeaderMap;
use {hash_crate}::{hash};"
        ));
    } else {
        lines.push(format!(
            "use http::HeaderMap;
use {hash_crate}::{{Digest as _, {hash}}};"
        ));
    }
    lines.push("use subtle::ConstantTimeEq as _;\n".to_owned());
    if scheme.time.is_some() {
        lines.push(format!("const TOLERANCE_S: u64 = {TOLERANCE_S};\n"));
    }
    let parameters = scheme.parameters(|name| format!("{name}: &str"));
    lines.push(format!(
        "/// Whether a delivery of the dialect {} is genuine; `body` is the raw body{}.
pub fn verify(headers: &HeaderMap, body: &[u8], secret: &str{parameters}) -> bool {{
    is_signed(headers, body, secret{}).unwrap_or(false)
}}

fn is_signed(headers: &HeaderMap, body: &[u8], secret: &str{parameters}) -> Option<bool> {{
    let header = headers.get({})?.to_str().ok()?;",
        scheme.dialect,
        scheme.meanings(|name| format!("`{name}`")),
        scheme.parameters(str::to_owned),
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
    if let Some(clock) = scheme.time {
        let sent = match clock {
            Clock::Seconds => "timestamp.parse().ok()?",
            Clock::Millis => "timestamp.parse::<u64>().ok()? / 1000",
            Clock::Rfc3339 => {
                "timestamp.parse::<jiff::Timestamp>().ok()?.as_second().try_into().ok()?"
            }
        };
        lines.push(format!(
            "    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    if now.abs_diff({sent}) > TOLERANCE_S {{
        return Some(false);
    }}"
        ));
    }
    let maker = scheme.maker();
    lines.push(match scheme.key {
        Key::Text => format!(
            "    let key = secret.as_bytes();
    let mut {maker} = Hmac::<{hash}>::new_from_slice(key).ok()?;"
        ),
        Key::StandardWebhooks => format!(
            "    let key = BASE64.decode(secret.strip_prefix(\"whsec_\")?).ok()?;
    let mut {maker} = Hmac::<{hash}>::new_from_slice(&key).ok()?;"
        ),
        Key::None => format!("    let mut {maker} = {hash}::new();"),
    });
    for run in scheme.runs() {
        lines.push(match run {
            Run::Body => format!("    {maker}.update(body);"),
            Run::Text([Piece::Variable(variable)]) => {
                format!("    {maker}.update({}.as_bytes());", snake_case(*variable))
            }
            Run::Text([Piece::Text(text)]) => format!("    {maker}.update(b{});", quoted(text)),
            Run::Text(pieces) => {
                format!(
                    "    {maker}.update(format!({}).as_bytes());",
                    template(pieces)
                )
            }
        });
    }
    let bytes = if is_keyed {
        "mac.finalize().into_bytes()"
    } else {
        "hash.finalize()"
    };
    let signature = match scheme.encoding {
        Encoding::Hex => format!("hex::encode({bytes})"),
        Encoding::UpperHex => format!("hex::encode_upper({bytes})"),
        Encoding::Base64 => format!("BASE64.encode({bytes})"),
        Encoding::Base64Url => format!("URL_SAFE_NO_PAD.encode({bytes})"),
        Encoding::Base64UrlPadded => format!("URL_SAFE.encode({bytes})"),
        Encoding::Base64OfHex => format!("BASE64.encode(hex::encode({bytes}))"),
    };
    lines.push(format!("    let signature = {signature};"));
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
