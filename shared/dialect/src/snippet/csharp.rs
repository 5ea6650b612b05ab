//! C#.

use super::{
    Piece, TOLERANCE_S, Variable, camel_case, joined, quoted,
    scheme::{Clock, Encoding, Hash, Key, Place, Run, Scheme},
};

pub(super) fn write(scheme: &Scheme) -> String {
    let expression = |pieces: &[Piece]| joined(pieces, " + ", quoted, camel_case);
    let is_within = |(_, place): &(Variable, Place)| matches!(place, Place::Within { .. });
    let mut lines = vec!["#nullable enable\nusing System;".to_owned()];
    if scheme.time.is_some() {
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
    if scheme.time.is_some() {
        lines.push(format!(
            "    private const long ToleranceSeconds = {TOLERANCE_S};\n"
        ));
    }
    lines.push(format!(
        "    /// <summary>The headers by their names, as name => (string?)request.Headers[name] of ASP.NET Core; the raw body, as read from request.Body{}.</summary>
    public static bool Verify(Func<string, string?> headers, byte[] body, string secret{})
    {{
        string header = headers({}) ?? \"\";",
        scheme.meanings(str::to_owned),
        scheme.parameters(|name| format!("string {name}")),
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
        if *variable == Variable::Timestamp
            && let Some(clock) = scheme.time
        {
            let number = "long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out long sent)";
            let date = "DateTimeOffset.TryParse(timestamp, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset sent)";
            let (parsed, seconds) = match clock {
                Clock::Seconds => (number, "sent"),
                Clock::Millis => (number, "sent / 1000"),
                Clock::Rfc3339 => (date, "sent.ToUnixTimeSeconds()"),
            };
            lines.push(format!(
                "        if (!{parsed}
            || Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - {seconds}) > ToleranceSeconds) return false;"
            ));
        }
    }
    let hash = match scheme.hash {
        Hash::Sha256 => "SHA256",
        Hash::Sha1 => "SHA1",
        Hash::Sha512 => "SHA512",
    };
    let maker = scheme.maker();
    let keyed = |key: &str| {
        format!(
            "        byte[] key = {key};
        using var {maker} = IncrementalHash.CreateHMAC(HashAlgorithmName.{hash}, key);"
        )
    };
    lines.push(match scheme.key {
        Key::Text => keyed("Encoding.UTF8.GetBytes(secret)"),
        Key::StandardWebhooks => keyed(
            "Convert.FromBase64String(secret.StartsWith(\"whsec_\") ? secret.Substring(6) : secret)",
        ),
        Key::None => format!(
            "        using var {maker} = IncrementalHash.CreateHash(HashAlgorithmName.{hash});"
        ),
    });
    lines.extend(scheme.runs().iter().map(|run| match run {
        Run::Body => format!("        {maker}.AppendData(body);"),
        Run::Text(pieces) => format!(
            "        {maker}.AppendData(Encoding.UTF8.GetBytes({}));",
            expression(pieces)
        ),
    }));
    let upper = format!("Convert.ToHexString({maker}.GetHashAndReset())");
    let base64 = format!("Convert.ToBase64String({maker}.GetHashAndReset())");
    let url_safe = format!("{base64}.Replace('+', '-').Replace('/', '_')");
    let signature = match scheme.encoding {
        Encoding::Hex => format!("{upper}.ToLowerInvariant()"),
        Encoding::UpperHex => upper,
        Encoding::Base64 => base64,
        Encoding::Base64Url => format!("{url_safe}.TrimEnd('=')"),
        Encoding::Base64UrlPadded => url_safe,
        Encoding::Base64OfHex => {
            format!("Convert.ToBase64String(Encoding.UTF8.GetBytes({upper}.ToLowerInvariant()))")
        }
    };
    lines.push(format!("        string signature = {signature};"));
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
