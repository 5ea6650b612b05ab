#nullable enable
using System;
using System.Globalization;
using System.Linq;
using System.Text;
using NSec.Cryptography;

/// <summary>Says whether a delivery that a key pair has signed (v1a of Standard Webhooks) is genuine. With the package NSec.Cryptography.</summary>
public static class Webhooks
{
    private const long ToleranceSeconds = 300;

    /// <summary>The headers by their names, as name => (string?)request.Headers[name] of ASP.NET Core; the raw body, as read from
    /// request.Body; the webhook's public_key, whpk_….</summary>
    public static bool Verify(Func<string, string?> headers, byte[] body, string publicKey)
    {
        string id = headers("webhook-id") ?? "";
        string timestamp = headers("webhook-timestamp") ?? "";
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out long sent)
            || Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - sent) > ToleranceSeconds) return false;
        byte[] raw = Convert.FromBase64String(publicKey.StartsWith("whpk_") ? publicKey.Substring(5) : publicKey);
        PublicKey key = PublicKey.Import(SignatureAlgorithm.Ed25519, raw, KeyBlobFormat.RawPublicKey);
        byte[] signed = Encoding.UTF8.GetBytes($"{id}.{timestamp}.").Concat(body).ToArray();
        foreach (string given in (headers("webhook-signature") ?? "").Split(' '))
        {
            if (!given.StartsWith("v1a,")) continue;
            byte[] signature = new byte[64];
            if (Convert.TryFromBase64String(given.Substring(4), signature, out int length) && length == 64
                && SignatureAlgorithm.Ed25519.Verify(key, signed, signature)) return true;
        }
        return false;
    }
}
