//! Python 3.

use super::{
    Piece, TOLERANCE_S, Variable, joined, quoted,
    scheme::{Clock, Encoding, Hash, Key, Place, Run, Scheme},
    snake_case,
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, snake_case);
    let mut lines = vec![
        format!(
            "\"\"\"Whether a delivery of the dialect {} is genuine. `headers` is a mapping whose names are in lower case, or told apart without",
            scheme.dialect
        ),
        format!(
            "case, as in Flask's request.headers; `body` is the raw body, as in request.get_data(){}.",
            scheme.meanings(|name| format!("`{name}`"))
        ),
        "\"\"\"\n".to_owned(),
    ];
    if scheme.has_base64() {
        lines.push("import base64".to_owned());
    }
    lines.push("import hashlib\nimport hmac".to_owned());
    if let Some(clock) = scheme.time {
        let parser = match clock {
            Clock::Seconds | Clock::Millis => "",
            Clock::Rfc3339 => "from datetime import datetime\n",
        };
        lines.push(format!(
            "import time\n{parser}\nTOLERANCE_S = {TOLERANCE_S}"
        ));
    }
    lines.push(format!(
        "\n\ndef verify(headers, body: bytes, secret: str{}) -> bool:",
        scheme.parameters(|name| format!("{name}: str"))
    ));
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
        if *variable == Variable::Timestamp
            && let Some(clock) = scheme.time
        {
            lines.push(is_fresh(clock).to_owned());
        }
    }
    match scheme.key {
        Key::Text => lines.push("    key = secret.encode()".to_owned()),
        Key::StandardWebhooks => {
            lines.push("    key = base64.b64decode(secret.removeprefix(\"whsec_\"))".to_owned())
        }
        Key::None => {}
    }
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
    let hash = match scheme.hash {
        Hash::Sha256 => "sha256",
        Hash::Sha1 => "sha1",
        Hash::Sha512 => "sha512",
    };
    let (maker, signed) = (scheme.maker(), signed.join(" + "));
    lines.push(match scheme.key {
        Key::None => format!("    {maker} = hashlib.{hash}({signed})"),
        _ => format!("    {maker} = hmac.new(key, {signed}, hashlib.{hash})"),
    });
    lines.push(match scheme.encoding {
        Encoding::Hex => format!("    signature = {maker}.hexdigest()"),
        Encoding::UpperHex => format!("    signature = {maker}.hexdigest().upper()"),
        Encoding::Base64 => format!("    signature = base64.b64encode({maker}.digest()).decode()"),
        Encoding::Base64Url => format!(
            "    signature = base64.urlsafe_b64encode({maker}.digest()).decode().rstrip(\"=\")"
        ),
        Encoding::Base64UrlPadded => {
            format!("    signature = base64.urlsafe_b64encode({maker}.digest()).decode()")
        }
        Encoding::Base64OfHex => {
            format!("    signature = base64.b64encode({maker}.hexdigest().encode()).decode()")
        }
    });
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

/// Refuses what is too old.
fn is_fresh(clock: Clock) -> &'static str {
    match clock {
        Clock::Seconds => {
            "    if len(timestamp) > 15 or not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return False"
        }
        Clock::Millis => {
            "    if len(timestamp) > 18 or not timestamp.isdecimal() or abs(time.time() - int(timestamp) / 1000) > TOLERANCE_S:
        return False"
        }
        Clock::Rfc3339 => {
            "    try:
        sent = datetime.fromisoformat(timestamp.replace(\"Z\", \"+00:00\")).timestamp()
    except (ValueError, OverflowError):
        return False
    if abs(time.time() - sent) > TOLERANCE_S:
        return False"
        }
    }
}
