//! Java.

use super::{
    Piece, TOLERANCE_S, Variable, camel_case, joined, quoted,
    scheme::{Clock, Encoding, Hash, Key, Place, Run, Scheme},
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, camel_case);
    let is_within = |(_, place): &(Variable, Place)| matches!(place, Place::Within { .. });
    let is_date = scheme.time == Some(Clock::Rfc3339);
    let is_keyed = scheme.key != Key::None;
    let imports = [
        ("java.nio.charset.StandardCharsets", true),
        ("java.security.GeneralSecurityException", true),
        ("java.security.MessageDigest", true),
        ("java.time.DateTimeException", is_date),
        ("java.time.OffsetDateTime", is_date),
        ("java.util.Base64", scheme.has_base64()),
        ("java.util.HexFormat", scheme.has_hex()),
        ("java.util.function.UnaryOperator", true),
        ("java.util.regex.Pattern", scheme.separator.is_some()),
        ("javax.crypto.Mac", is_keyed),
        ("javax.crypto.spec.SecretKeySpec", is_keyed),
    ];
    let used = imports.iter().filter(|(_, is_used)| *is_used);
    let mut lines: Vec<String> = used.map(|(name, _)| format!("import {name};")).collect();
    lines.push(format!(
        "
/** Says whether a delivery of the dialect {} is genuine. Java 17 or newer. */
public final class Webhooks {{",
        scheme.dialect
    ));
    if scheme.time.is_some() {
        lines.push(format!(
            "  private static final long TOLERANCE_S = {TOLERANCE_S};\n"
        ));
    }
    lines.push(format!(
        "  /** The headers by their names, as a servlet's request::getHeader gives them; the raw body, as in getInputStream().readAllBytes(){}. */
  public static boolean verify(UnaryOperator<String> headers, byte[] body, String secret{})
      throws GeneralSecurityException {{
    String header = headers.apply({});
    if (header == null) return false;",
        scheme.meanings(str::to_owned),
        scheme.parameters(|name| format!("String {name}")),
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
        if *variable == Variable::Timestamp
            && let Some(clock) = scheme.time
        {
            lines.push(format!(
                "{}
    if (Math.abs(age) > TOLERANCE_S) return false;",
                age(clock)
            ));
        }
    }
    let (mac, plain) = match scheme.hash {
        Hash::Sha256 => ("HmacSHA256", "SHA-256"),
        Hash::Sha1 => ("HmacSHA1", "SHA-1"),
        Hash::Sha512 => ("HmacSHA512", "SHA-512"),
    };
    let maker = scheme.maker();
    let keyed = |key: &str| {
        format!(
            "    byte[] key = {key};
    Mac {maker} = Mac.getInstance(\"{mac}\");
    {maker}.init(new SecretKeySpec(key, \"{mac}\"));"
        )
    };
    lines.push(match scheme.key {
        Key::Text => keyed("secret.getBytes(StandardCharsets.UTF_8)"),
        Key::StandardWebhooks => {
            keyed("Base64.getDecoder().decode(secret.replaceFirst(\"^whsec_\", \"\"))")
        }
        Key::None => {
            format!("    MessageDigest {maker} = MessageDigest.getInstance(\"{plain}\");")
        }
    });
    lines.extend(scheme.runs().iter().map(|run| match run {
        Run::Body => format!("    {maker}.update(body);"),
        Run::Text(pieces) => format!(
            "    {maker}.update(({}).getBytes(StandardCharsets.UTF_8));",
            expression(pieces)
        ),
    }));
    let bytes = if is_keyed {
        "mac.doFinal()"
    } else {
        "hash.digest()"
    };
    let signature = match scheme.encoding {
        Encoding::Hex => format!("HexFormat.of().formatHex({bytes})"),
        Encoding::UpperHex => format!("HexFormat.of().withUpperCase().formatHex({bytes})"),
        Encoding::Base64 => format!("Base64.getEncoder().encodeToString({bytes})"),
        Encoding::Base64Url => {
            format!("Base64.getUrlEncoder().withoutPadding().encodeToString({bytes})")
        }
        Encoding::Base64UrlPadded => format!("Base64.getUrlEncoder().encodeToString({bytes})"),
        Encoding::Base64OfHex => format!(
            "Base64.getEncoder().encodeToString(HexFormat.of().formatHex({bytes}).getBytes(StandardCharsets.UTF_8))"
        ),
    };
    lines.push(format!("    String signature = {signature};"));
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

/// How old the delivery is, in seconds.
fn age(clock: Clock) -> &'static str {
    match clock {
        Clock::Seconds => {
            "    if (timestamp == null || !timestamp.matches(\"[0-9]{1,15}\")) return false;
    long age = System.currentTimeMillis() / 1000 - Long.parseLong(timestamp);"
        }
        Clock::Millis => {
            "    if (timestamp == null || !timestamp.matches(\"[0-9]{1,18}\")) return false;
    long age = (System.currentTimeMillis() - Long.parseLong(timestamp)) / 1000;"
        }
        Clock::Rfc3339 => {
            "    if (timestamp == null) return false;
    long age;
    try {
      age = System.currentTimeMillis() / 1000 - OffsetDateTime.parse(timestamp).toEpochSecond();
    } catch (DateTimeException noTime) {
      return false;
    }"
        }
    }
}
