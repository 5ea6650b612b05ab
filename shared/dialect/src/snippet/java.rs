//! Java.

use super::{
    Piece, TOLERANCE_S, Variable, camel_case, joined, quoted,
    scheme::{Algorithm, Encoding, Key, Place, Run, Scheme},
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, camel_case);
    let is_base64 = scheme.encoding == Encoding::Base64 || scheme.key == Key::StandardWebhooks;
    let is_within = |(_, place): &(Variable, Place)| matches!(place, Place::Within { .. });
    let imports = [
        ("java.nio.charset.StandardCharsets", true),
        ("java.security.GeneralSecurityException", true),
        ("java.security.MessageDigest", true),
        ("java.util.Base64", is_base64),
        ("java.util.HexFormat", scheme.encoding == Encoding::Hex),
        ("java.util.function.UnaryOperator", true),
        ("java.util.regex.Pattern", scheme.separator.is_some()),
        ("javax.crypto.Mac", true),
        ("javax.crypto.spec.SecretKeySpec", true),
    ];
    let used = imports.iter().filter(|(_, is_used)| *is_used);
    let mut lines: Vec<String> = used.map(|(name, _)| format!("import {name};")).collect();
    lines.push(format!(
        "
/** Says whether a delivery of the dialect {} is genuine. Java 17 or newer. */
public final class Webhooks {{",
        scheme.dialect
    ));
    if scheme.is_timed() {
        lines.push(format!(
            "  private static final long TOLERANCE_S = {TOLERANCE_S};\n"
        ));
    }
    lines.push(format!(
        "  /** The headers by their names, as a servlet's request::getHeader gives them; the raw body, as in getInputStream().readAllBytes(). */
  public static boolean verify(UnaryOperator<String> headers, byte[] body, String secret)
      throws GeneralSecurityException {{
    String header = headers.apply({});
    if (header == null) return false;",
        quoted(&scheme.header)
    ));
    for (variable, place) in &scheme.found {
        let value = match place {
            Place::Header(name) => format!("headers.apply({})", quoted(name)),
            Place::Within { before, after } => {
                format!("between(header, {}, {})", quoted(before), quoted(after))
            }
        };
        let name = camel_case(*variable);
        lines.push(format!("    String {name} = {value};"));
        if *variable == Variable::Timestamp && scheme.is_timed() {
            lines.push(
                "    if (timestamp == null || !timestamp.matches(\"[0-9]{1,15}\")) return false;
    long age = System.currentTimeMillis() / 1000 - Long.parseLong(timestamp);
    if (Math.abs(age) > TOLERANCE_S) return false;"
                    .to_owned(),
            );
        }
    }
    lines.push(
        match scheme.key {
            Key::Text => "    byte[] key = secret.getBytes(StandardCharsets.UTF_8);",
            Key::StandardWebhooks => {
                "    byte[] key = Base64.getDecoder().decode(secret.replaceFirst(\"^whsec_\", \"\"));"
            }
        }
        .to_owned(),
    );
    let algorithm = match scheme.algorithm {
        Algorithm::HmacSha256 => "HmacSHA256",
        Algorithm::HmacSha1 => "HmacSHA1",
        Algorithm::HmacSha512 => "HmacSHA512",
    };
    lines.push(format!(
        "    Mac mac = Mac.getInstance(\"{algorithm}\");
    mac.init(new SecretKeySpec(key, \"{algorithm}\"));"
    ));
    lines.extend(scheme.runs().iter().map(|run| match run {
        Run::Body => "    mac.update(body);".to_owned(),
        Run::Text(pieces) => format!(
            "    mac.update(({}).getBytes(StandardCharsets.UTF_8));",
            expression(pieces)
        ),
    }));
    lines.push(
        match scheme.encoding {
            Encoding::Hex => "    String signature = HexFormat.of().formatHex(mac.doFinal());",
            Encoding::Base64 => {
                "    String signature = Base64.getEncoder().encodeToString(mac.doFinal());"
            }
        }
        .to_owned(),
    );
    lines.push(format!(
        "    String expected = {};",
        expression(&scheme.expected)
    ));
    lines.push(match scheme.separator {
        None => "    return equal(header, expected);".to_owned(),
        Some(separator) => format!(
            "    for (String given : header.split(Pattern.quote({}))) {{
      if (equal(given, expected)) return true;
    }}
    return false;",
            quoted(&separator.to_string())
        ),
    });
    lines.push(
        "  }

  private static boolean equal(String given, String expected) {
    return MessageDigest.isEqual(
        given.getBytes(StandardCharsets.UTF_8), expected.getBytes(StandardCharsets.UTF_8));
  }"
        .to_owned(),
    );
    if scheme.found.iter().any(is_within) {
        lines.push(
            "
  private static String between(String text, String before, String after) {
    int from = text.indexOf(before) + before.length();
    int to = after.isEmpty() ? text.length() : text.indexOf(after, from);
    return to < 0 ? \"\" : text.substring(from, to);
  }"
            .to_owned(),
        );
    }
    lines.push("}\n".to_owned());
    lines.join("\n")
}
