//! Go.

use super::{
    Piece, TOLERANCE_S, Variable, camel_case, joined, quoted,
    scheme::{Algorithm, Encoding, Key, Place, Run, Scheme},
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, camel_case);
    let is_within = |(_, place): &(Variable, Place)| matches!(place, Place::Within { .. });
    let (package, new) = match scheme.algorithm {
        Algorithm::HmacSha256 => ("sha256", "sha256.New"),
        Algorithm::HmacSha1 => ("sha1", "sha1.New"),
        Algorithm::HmacSha512 => ("sha512", "sha512.New"),
    };
    let is_base64 = scheme.encoding == Encoding::Base64 || scheme.key == Key::StandardWebhooks;
    let cuts = scheme.separator.is_some()
        || scheme.key == Key::StandardWebhooks
        || scheme.found.iter().any(is_within);
    let imports = [
        ("crypto/hmac", true),
        (&format!("crypto/{package}"), true),
        ("encoding/base64", is_base64),
        ("encoding/hex", scheme.encoding == Encoding::Hex),
        ("net/http", true),
        ("strconv", scheme.is_timed()),
        ("strings", cuts),
        ("time", scheme.is_timed()),
    ];
    let mut lines = vec!["package webhooks\n\nimport (".to_owned()];
    let used = imports.iter().filter(|(_, is_used)| *is_used);
    lines.extend(used.map(|(name, _)| format!("\t\"{name}\"")));
    lines.push(")\n".to_owned());
    if scheme.is_timed() {
        lines.push(format!("const toleranceSeconds = {TOLERANCE_S}\n"));
    }
    lines.push(format!(
        "// Verify reports whether a delivery of the dialect {} is genuine. The body is the raw one, as io.ReadAll(request.Body) gives it.
func Verify(headers http.Header, body []byte, secret string) bool {{
\theader := headers.Get({})",
        scheme.dialect,
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
        if *variable == Variable::Timestamp && scheme.is_timed() {
            lines.push(
                "\tsent, err := strconv.ParseInt(timestamp, 10, 64)
\tif age := time.Now().Unix() - sent; err != nil || age > toleranceSeconds || age < -toleranceSeconds {
\t\treturn false
\t}"
                    .to_owned(),
            );
        }
    }
    lines.push(
        match scheme.key {
            Key::Text => "\tkey := []byte(secret)",
            Key::StandardWebhooks => {
                "\tkey, keyErr := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, \"whsec_\"))
\tif keyErr != nil {
\t\treturn false
\t}"
            }
        }
        .to_owned(),
    );
    lines.push(format!("\tmac := hmac.New({new}, key)"));
    lines.extend(scheme.runs().iter().map(|run| match run {
        Run::Body => "\tmac.Write(body)".to_owned(),
        Run::Text(pieces) => format!("\tmac.Write([]byte({}))", expression(pieces)),
    }));
    lines.push(
        match scheme.encoding {
            Encoding::Hex => "\tsignature := hex.EncodeToString(mac.Sum(nil))",
            Encoding::Base64 => "\tsignature := base64.StdEncoding.EncodeToString(mac.Sum(nil))",
        }
        .to_owned(),
    );
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
