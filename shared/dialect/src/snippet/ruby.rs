//! Ruby.

use super::{
    Piece, TOLERANCE_S, Variable, joined,
    scheme::{Algorithm, Encoding, Key, Place, Run, Scheme},
    snake_case,
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, snake_case);
    let mut lines = vec!["require \"openssl\"\n".to_owned()];
    if scheme.is_timed() {
        lines.push(format!("TOLERANCE_S = {TOLERANCE_S}\n"));
    }
    lines.push(format!(
        "# Whether a delivery of the dialect {} is genuine. `headers` has names in lower case, or tells them apart without case, as Rails'
# request.headers; `body` is the raw body, as in request.raw_post.
def verify(headers, body, secret)
  header = headers[{}].to_s",
        scheme.dialect,
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
        if *variable == Variable::Timestamp && scheme.is_timed() {
            lines.push(
                "  return false unless timestamp.match?(/\\A\\d+\\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE_S\n"
                    .to_owned(),
            );
        }
    }
    let key = match scheme.key {
        Key::Text => "secret",
        Key::StandardWebhooks => "secret.delete_prefix(\"whsec_\").unpack1(\"m\")",
    };
    let algorithm = match scheme.algorithm {
        Algorithm::HmacSha256 => "SHA256",
        Algorithm::HmacSha1 => "SHA1",
        Algorithm::HmacSha512 => "SHA512",
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
    lines.push(match scheme.encoding {
        Encoding::Hex => {
            format!("  signature = OpenSSL::HMAC.hexdigest(\"{algorithm}\", {key}, {signed})")
        }
        Encoding::Base64 => format!(
            "  signature = [OpenSSL::HMAC.digest(\"{algorithm}\", {key}, {signed})].pack(\"m0\")"
        ),
    });
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

/// In double quotes, where `#` would begin an interpolation.
pub(super) fn quoted(text: &str) -> String {
    super::quoted(text).replace('#', "\\#")
}
