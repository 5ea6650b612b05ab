//! C#.

use super::{
    Piece, TOLERANCE_S, Variable, camel_case, joined, quoted,
    scheme::{Algorithm, Encoding, Key, Place, Run, Scheme},
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, camel_case);
    let is_within = |(_, place): &(Variable, Place)| matches!(place, Place::Within { .. });
    let mut lines = vec!["#nullable enable\nusing System;".to_owned()];
    if scheme.is_timed() {
        lines.push("using System.Globalization;".to_owned());
    }
    lines.push(format!(
        "using System.Security.Cryptography;
using System.Text;

/// <summary>Says whether a delivery of the dialect {} is genuine. .NET 6 or newer.</summary>
public static class Webhooks
{{",
        scheme.dialect
    ));
    if scheme.is_timed() {
        lines.push(format!(
            "    private const long ToleranceSeconds = {TOLERANCE_S};\n"
        ));
    }
    lines.push(format!(
        "    /// <summary>The headers by their names, as name => (string?)request.Headers[name] of ASP.NET Core; the raw body, as read from request.Body.</summary>
    public static bool Verify(Func<string, string?> headers, byte[] body, string secret)
    {{
        string header = headers({}) ?? \"\";",
        quoted(&scheme.header)
    ));
    for (variable, place) in &scheme.found {
        let value = match place {
            Place::Header(name) => format!("headers({}) ?? \"\"", quoted(name)),
            Place::Within { before, after } => {
                format!("Between(header, {}, {})", quoted(before), quoted(after))
            }
        };
        lines.push(format!(
            "        string {} = {value};",
            camel_case(*variable)
        ));
        if *variable == Variable::Timestamp && scheme.is_timed() {
            lines.push(
                "        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out long sent)
            || Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - sent) > ToleranceSeconds) return false;"
                    .to_owned(),
            );
        }
    }
    lines.push(
        match scheme.key {
            Key::Text => "        byte[] key = Encoding.UTF8.GetBytes(secret);",
            Key::StandardWebhooks => {
                "        byte[] key = Convert.FromBase64String(secret.StartsWith(\"whsec_\") ? secret.Substring(6) : secret);"
            }
        }
        .to_owned(),
    );
    let algorithm = match scheme.algorithm {
        Algorithm::HmacSha256 => "SHA256",
        Algorithm::HmacSha1 => "SHA1",
        Algorithm::HmacSha512 => "SHA512",
    };
    lines.push(format!(
        "        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.{algorithm}, key);"
    ));
    lines.extend(scheme.runs().iter().map(|run| match run {
        Run::Body => "        mac.AppendData(body);".to_owned(),
        Run::Text(pieces) => format!(
            "        mac.AppendData(Encoding.UTF8.GetBytes({}));",
            expression(pieces)
        ),
    }));
    lines.push(
        match scheme.encoding {
            Encoding::Hex => {
                "        string signature = Convert.ToHexString(mac.GetHashAndReset()).ToLowerInvariant();"
            }
            Encoding::Base64 => {
                "        string signature = Convert.ToBase64String(mac.GetHashAndReset());"
            }
        }
        .to_owned(),
    );
    lines.push(format!(
        "        string expected = {};",
        expression(&scheme.expected)
    ));
    lines.push(match scheme.separator {
        None => "        return Same(header, expected);".to_owned(),
        Some(separator) => format!(
            "        foreach (string given in header.Split('{separator}'))
        {{
            if (Same(given, expected)) return true;
        }}
        return false;"
        ),
    });
    lines.push(
        "    }

    private static bool Same(string given, string expected) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(expected));"
            .to_owned(),
    );
    if scheme.found.iter().any(is_within) {
        lines.push(
            "
    private static string Between(string text, string before, string after)
    {
        int from = text.IndexOf(before, StringComparison.Ordinal);
        if (from < 0) return \"\";
        from += before.Length;
        int to = after.Length == 0 ? text.Length : text.IndexOf(after, from, StringComparison.Ordinal);
        return to < 0 ? \"\" : text.Substring(from, to - from);
    }"
            .to_owned(),
        );
    }
    lines.push("}\n".to_owned());
    lines.join("\n")
}
