//! Python 3.

use super::{
    Piece, TOLERANCE_S, Variable, joined, quoted,
    scheme::{Algorithm, Encoding, Key, Place, Run, Scheme},
    snake_case,
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, snake_case);
    let is_base64 = scheme.encoding == Encoding::Base64 || scheme.key == Key::StandardWebhooks;
    let mut lines = vec![
        format!(
            "\"\"\"Whether a delivery of the dialect {} is genuine. `headers` is a mapping whose names are in lower case, or told apart without",
            scheme.dialect
        ),
        "case, as in Flask's request.headers; `body` is the raw body, as in request.get_data()."
            .to_owned(),
        "\"\"\"\n".to_owned(),
    ];
    if is_base64 {
        lines.push("import base64".to_owned());
    }
    lines.push("import hashlib\nimport hmac".to_owned());
    if scheme.is_timed() {
        lines.push(format!("import time\n\nTOLERANCE_S = {TOLERANCE_S}"));
    }
    lines.push("\n\ndef verify(headers, body: bytes, secret: str) -> bool:".to_owned());
    lines.push(format!(
        "    header = headers.get({}) or \"\"",
        quoted(&scheme.header)
    ));
    for (variable, place) in &scheme.found {
        let value = match place {
            Place::Header(name) => format!("headers.get({}) or \"\"", quoted(name)),
            Place::Within { before, after } => {
                let mut value = "header".to_owned();
                if !before.is_empty() {
                    value.push_str(&format!(".partition({})[2]", quoted(before)));
                }
                if !after.is_empty() {
                    value.push_str(&format!(".partition({})[0]", quoted(after)));
                }
                value
            }
        };
        lines.push(format!("    {} = {value}", snake_case(*variable)));
        if *variable == Variable::Timestamp && scheme.is_timed() {
            lines.push(
                "    if len(timestamp) > 15 or not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return False"
                    .to_owned(),
            );
        }
    }
    lines.push(
        match scheme.key {
            Key::Text => "    key = secret.encode()",
            Key::StandardWebhooks => "    key = base64.b64decode(secret.removeprefix(\"whsec_\"))",
        }
        .to_owned(),
    );
    let signed: Vec<String> = scheme
        .runs()
        .iter()
        .map(|run| match run {
            Run::Body => "body".to_owned(),
            Run::Text([piece]) => {
                format!("{}.encode()", expression(std::slice::from_ref(piece)))
            }
            Run::Text(pieces) => format!("({}).encode()", expression(pieces)),
        })
        .collect();
    let hash = match scheme.algorithm {
        Algorithm::HmacSha256 => "sha256",
        Algorithm::HmacSha1 => "sha1",
        Algorithm::HmacSha512 => "sha512",
    };
    let signed = signed.join(" + ");
    lines.push(format!("    mac = hmac.new(key, {signed}, hashlib.{hash})"));
    lines.push(
        match scheme.encoding {
            Encoding::Hex => "    signature = mac.hexdigest()",
            Encoding::Base64 => "    signature = base64.b64encode(mac.digest()).decode()",
        }
        .to_owned(),
    );
    lines.push(format!("    expected = {}", expression(&scheme.expected)));
    lines.push(match scheme.separator {
        None => "    return hmac.compare_digest(header.encode(), expected.encode())\n".to_owned(),
        Some(separator) => format!(
            "    given = header.split({})
    return any(hmac.compare_digest(one.encode(), expected.encode()) for one in given)\n",
            quoted(&separator.to_string())
        ),
    });
    lines.join("\n")
}
