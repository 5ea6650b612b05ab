//! Go.

use super::{
    Piece, TOLERANCE_S, Variable, camel_case, joined, quoted,
    scheme::{Clock, Encoding, Hash, Key, Place, Run, Scheme},
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, camel_case);
    let is_within = |(_, place): &(Variable, Place)| matches!(place, Place::Within { .. });
    let (package, new) = match scheme.hash {
        Hash::Sha256 => ("sha256", "sha256.New"),
        Hash::Sha1 => ("sha1", "sha1.New"),
        Hash::Sha512 => ("sha512", "sha512.New"),
    };
    let cuts = scheme.separator.is_some()
        || scheme.encoding == Encoding::UpperHex
        || scheme.key == Key::StandardWebhooks
        || scheme.found.iter().any(is_within);
    let imports = [
        ("crypto/hmac", true),
        (&format!("crypto/{package}"), true),
        ("encoding/base64", scheme.has_base64()),
        ("encoding/hex", scheme.has_hex()),
        ("net/http", true),
        (
            "strconv",
            scheme.time.is_some_and(|clock| clock != Clock::Rfc3339),
        ),
        ("strings", cuts),
        ("time", scheme.time.is_some()),
    ];
    let mut lines = vec!["package webhooks\n\nimport (".to_owned()];
    let used = imports.iter().filter(|(_, is_used)| *is_used);
    lines.extend(used.map(|(name, _)| format!("\t\"{name}\"")));
    lines.push(")\n".to_owned());
    if scheme.time.is_some() {
        lines.push(format!("const toleranceSeconds = {TOLERANCE_S}\n"));
    }
    lines.push(format!(
        "// Verify reports whether a delivery of the dialect {} is genuine. The body is the raw one, as io.ReadAll(request.Body) gives it{}.
func Verify(headers http.Header, body []byte, secret string{}) bool {{
\theader := headers.Get({})",
        scheme.dialect,
        scheme.meanings(str::to_owned),
        scheme.parameters(|name| format!("{name} string")),
        quoted(&scheme.header)
    ));
    for (variable, place) in &scheme.found {
        let name = camel_case(*variable);
        match place {
            Place::Header(header) => {
                lines.push(format!("\t{name} := headers.Get({})", quoted(header)));
            }
            Place::Within { before, after } => {
                let (before, after) = (quoted(before), quoted(after));
                lines.push(match (before.as_str(), after.as_str()) {
                    (r#""""#, r#""""#) => format!("\t{name} := header"),
                    (_, r#""""#) => format!("\t_, {name}, _ := strings.Cut(header, {before})"),
                    (r#""""#, _) => format!("\t{name}, _, _ := strings.Cut(header, {after})"),
                    _ => format!(
                        "\t_, from, _ := strings.Cut(header, {before})\n\t{name}, _, _ := strings.Cut(from, {after})"
                    ),
                });
            }
        }
        if *variable == Variable::Timestamp
            && let Some(clock) = scheme.time
        {
            let (parsed, seconds) = match clock {
                Clock::Seconds => ("strconv.ParseInt(timestamp, 10, 64)", "sent"),
                Clock::Millis => ("strconv.ParseInt(timestamp, 10, 64)", "sent/1000"),
                Clock::Rfc3339 => ("time.Parse(time.RFC3339, timestamp)", "sent.Unix()"),
            };
            lines.push(format!(
                "\tsent, err := {parsed}
\tif age := time.Now().Unix() - {seconds}; err != nil || age > toleranceSeconds || age < -toleranceSeconds {{
\t\treturn false
\t}}"
            ));
        }
    }
    let maker = scheme.maker();
    lines.push(match scheme.key {
        Key::Text => format!("\t{maker} := hmac.New({new}, []byte(secret))"),
        Key::StandardWebhooks => format!(
            "\tkey, keyErr := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, \"whsec_\"))
\tif keyErr != nil {{
\t\treturn false
\t}}
\t{maker} := hmac.New({new}, key)"
        ),
        Key::None => format!("\t{maker} := {new}()"),
    });
    lines.extend(scheme.runs().iter().map(|run| match run {
        Run::Body => format!("\t{maker}.Write(body)"),
        Run::Text(pieces) => format!("\t{maker}.Write([]byte({}))", expression(pieces)),
    }));
    let sum = format!("{maker}.Sum(nil)");
    lines.push(match scheme.encoding {
        Encoding::Hex => format!("\tsignature := hex.EncodeToString({sum})"),
        Encoding::UpperHex => {
            format!("\tsignature := strings.ToUpper(hex.EncodeToString({sum}))")
        }
        Encoding::Base64 => format!("\tsignature := base64.StdEncoding.EncodeToString({sum})"),
        Encoding::Base64Url => {
            format!("\tsignature := base64.RawURLEncoding.EncodeToString({sum})")
        }
        Encoding::Base64UrlPadded => {
            format!("\tsignature := base64.URLEncoding.EncodeToString({sum})")
        }
        Encoding::Base64OfHex => format!(
            "\tsignature := base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString({sum})))"
        ),
    });
    lines.push(format!(
        "\texpected := []byte({})",
        expression(&scheme.expected)
    ));
    lines.push(match scheme.separator {
        None => "\treturn hmac.Equal([]byte(header), expected)\n}\n".to_owned(),
        Some(separator) => format!(
            "\tfor _, given := range strings.Split(header, {}) {{
\t\tif hmac.Equal([]byte(given), expected) {{
\t\t\treturn true
\t\t}}
\t}}
\treturn false
}}
",
            quoted(&separator.to_string())
        ),
    });
    lines.join("\n")
}
