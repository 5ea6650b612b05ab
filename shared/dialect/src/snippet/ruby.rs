//! Ruby.

use super::{
    Piece, TOLERANCE_S, Variable, joined,
    scheme::{Clock, Encoding, Hash, Key, Place, Run, Scheme},
    snake_case,
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, snake_case);
    let parser = match scheme.time {
        Some(Clock::Rfc3339) => "require \"time\"\n",
        _ => "",
    };
    let mut lines = vec![format!("require \"openssl\"\n{parser}")];
    if scheme.time.is_some() {
        lines.push(format!("TOLERANCE_S = {TOLERANCE_S}\n"));
    }
    lines.push(format!(
        "# Whether a delivery of the dialect {} is genuine. `headers` has names in lower case, or tells them apart without case, as Rails'
# request.headers; `body` is the raw body, as in request.raw_post{}.
def verify(headers, body, secret{})
  header = headers[{}].to_s",
        scheme.dialect,
        scheme.meanings(|name| format!("`{name}`")),
        scheme.parameters(str::to_owned),
        quoted(&scheme.header)
    ));
    for (variable, place) in &scheme.found {
        let value = match place {
            Place::Header(name) => format!("headers[{}].to_s", quoted(name)),
            Place::Within { before, after } => {
                let mut value = "header".to_owned();
                if !before.is_empty() {
                    value.push_str(&format!(".partition({}).last", quoted(before)));
                }
                if !after.is_empty() {
                    value.push_str(&format!(".partition({}).first", quoted(after)));
                }
                value
            }
        };
        lines.push(format!("  {} = {value}", snake_case(*variable)));
        if *variable == Variable::Timestamp
            && let Some(clock) = scheme.time
        {
            lines.push(is_fresh(clock).to_owned());
        }
    }
    let hash = match scheme.hash {
        Hash::Sha256 => "SHA256",
        Hash::Sha1 => "SHA1",
        Hash::Sha512 => "SHA512",
    };
    let signed: Vec<String> = scheme
        .runs()
        .iter()
        .map(|run| match run {
            Run::Body => "body".to_owned(),
            Run::Text(pieces) => expression(pieces),
        })
        .collect();
    let signed = signed.join(" + ");
    let (class, key) = match scheme.key {
        Key::Text => ("HMAC", ", secret"),
        Key::StandardWebhooks => ("HMAC", ", secret.delete_prefix(\"whsec_\").unpack1(\"m\")"),
        Key::None => ("Digest", ""),
    };
    let hex = format!("OpenSSL::{class}.hexdigest(\"{hash}\"{key}, {signed})");
    let base64 = format!("[OpenSSL::{class}.digest(\"{hash}\"{key}, {signed})].pack(\"m0\")");
    let signature = match scheme.encoding {
        Encoding::Hex => hex,
        Encoding::UpperHex => format!("{hex}.upcase"),
        Encoding::Base64 => base64,
        Encoding::Base64Url => format!("{base64}.tr(\"+/\", \"-_\").delete(\"=\")"),
        Encoding::Base64UrlPadded => format!("{base64}.tr(\"+/\", \"-_\")"),
        Encoding::Base64OfHex => format!("[{hex}].pack(\"m0\")"),
    };
    lines.push(format!("  signature = {signature}"));
    lines.push(format!("  expected = {}", expression(&scheme.expected)));
    lines.push(match scheme.separator {
        None => "  OpenSSL.secure_compare(header, expected)".to_owned(),
        Some(separator) => format!(
            "  header.split({}).any? {{ |given| OpenSSL.secure_compare(given, expected) }}",
            quoted(&separator.to_string())
        ),
    });
    lines.push("end\n".to_owned());
    lines.join("\n")
}

/// Refuses what is too old.
fn is_fresh(clock: Clock) -> &'static str {
    match clock {
        Clock::Seconds => {
            "  return false unless timestamp.match?(/\\A\\d+\\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE_S\n"
        }
        Clock::Millis => {
            "  return false unless timestamp.match?(/\\A\\d+\\z/) && (Time.now.to_i - timestamp.to_i / 1000).abs <= TOLERANCE_S\n"
        }
        Clock::Rfc3339 => {
            "  begin
    return false unless (Time.now - Time.iso8601(timestamp)).abs <= TOLERANCE_S
  rescue ArgumentError
    return false
  end\n"
        }
    }
}

/// In double quotes, where `#` would begin an interpolation.
pub(super) fn quoted(text: &str) -> String {
    super::quoted(text).replace('#', "\\#")
}
