//! The secret itself in a header, and what a receiver does with it in each language.

use super::{Language, Piece, Variable, camel_case, joined, php, quoted, ruby, rust, snake_case};

/// A header by which a receiver knows who sends.
pub(super) struct Token {
    /// The dialect's name.
    pub(super) dialect: String,
    /// The header, in lower case.
    pub(super) header: String,
    /// What it has: texts and the secret.
    pub(super) expected: Vec<Piece>,
}

/// What nobody should read into it.
const LIMIT: &str =
    "The header has the secret itself: nothing proves that the body is as it was sent.";

pub(super) fn write(token: &Token, language: Language) -> String {
    let Token {
        dialect,
        header,
        expected,
    } = token;
    let pieces = |operator, quoted: fn(&str) -> String, named: fn(Variable) -> String| {
        joined(expected, operator, quoted, named)
    };
    let name = quoted(header);
    match language {
        Language::JavaScript | Language::TypeScript => {
            let (import, parameters, found) = match language {
                Language::TypeScript => (
                    "import type { IncomingHttpHeaders } from \"node:http\";\n",
                    "(headers: IncomingHttpHeaders, _body: Buffer, secret: string): boolean",
                    "?.toString()",
                ),
                _ => ("", "(headers, _body, secret)", ""),
            };
            let expected = pieces(" + ", quoted, camel_case);
            format!(
                "// Whether a delivery of the dialect {dialect} is genuine. `headers` are Node's, with names in lower case.
// {LIMIT}
import {{ timingSafeEqual }} from \"node:crypto\";
{import}
export function verify{parameters} {{
  const [given, expected] = [Buffer.from(headers[{name}]{found} ?? \"\"), Buffer.from({expected})];
  return secret !== \"\" && given.length === expected.length && timingSafeEqual(given, expected);
}}
"
            )
        }
        Language::Python => {
            let expected = pieces(" + ", quoted, snake_case);
            format!(
                "\"\"\"Whether a delivery of the dialect {dialect} is genuine. `headers` is a mapping whose names are in lower case, or told apart without
case, as in Flask's request.headers. {LIMIT}
\"\"\"

import hmac


def verify(headers, body: bytes, secret: str) -> bool:
    header = headers.get({name}) or \"\"
    expected = {expected}
    return secret != \"\" and hmac.compare_digest(header.encode(), expected.encode())
"
            )
        }
        Language::Go => {
            let expected = pieces(" + ", quoted, camel_case);
            format!(
                "package webhooks

import (
\t\"crypto/subtle\"
\t\"net/http\"
)

// Verify reports whether a delivery of the dialect {dialect} is genuine. {LIMIT}
func Verify(headers http.Header, _ []byte, secret string) bool {{
\theader := headers.Get({name})
\texpected := {expected}
\treturn secret != \"\" && subtle.ConstantTimeCompare([]byte(header), []byte(expected)) == 1
}}
"
            )
        }
        Language::Java => {
            let expected = pieces(" + ", quoted, camel_case);
            format!(
                "import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.function.UnaryOperator;

/** Says whether a delivery of the dialect {dialect} is genuine. {LIMIT} */
public final class Webhooks {{
  /** The headers by their names, as a servlet's request::getHeader gives them. */
  public static boolean verify(UnaryOperator<String> headers, byte[] body, String secret) {{
    String header = headers.apply({name});
    String expected = {expected};
    if (header == null || secret.isEmpty()) return false;
    return MessageDigest.isEqual(
        header.getBytes(StandardCharsets.UTF_8), expected.getBytes(StandardCharsets.UTF_8));
  }}
}}
"
            )
        }
        Language::Php => {
            let (name, expected) = (php::quoted(header), pieces(" . ", php::quoted, php::named));
            format!(
                "<?php

// Whether a delivery of the dialect {dialect} is genuine. $headers has names in lower case: array_change_key_case(getallheaders()).
// {LIMIT}
function verify(array $headers, string $body, string $secret): bool
{{
    $header = $headers[{name}] ?? '';
    $expected = {expected};
    return $secret !== '' && hash_equals($expected, $header);
}}
"
            )
        }
        Language::Ruby => {
            let (name, expected) = (
                ruby::quoted(header),
                pieces(" + ", ruby::quoted, snake_case),
            );
            format!(
                "require \"openssl\"

# Whether a delivery of the dialect {dialect} is genuine. `headers` has names in lower case, or tells them apart without case, as Rails'
# request.headers. {LIMIT}
def verify(headers, _body, secret)
  header = headers[{name}].to_s
  expected = {expected}
  !secret.empty? && OpenSSL.secure_compare(header, expected)
end
"
            )
        }
        Language::Rust => {
            let name = rust::quoted(header);
            let expected = rust::template(expected);
            format!(
                "// Needs the crates http and subtle.
use http::HeaderMap;
use subtle::ConstantTimeEq as _;

/// Whether a delivery of the dialect {dialect} is genuine. {LIMIT}
pub fn verify(headers: &HeaderMap, _body: &[u8], secret: &str) -> bool {{
    let Some(header) = headers.get({name}) else {{
        return false;
    }};
    let expected = format!({expected});
    !secret.is_empty() && header.as_bytes().ct_eq(expected.as_bytes()).into()
}}
"
            )
        }
        Language::CSharp => {
            let expected = pieces(" + ", quoted, camel_case);
            format!(
                "#nullable enable
using System;
using System.Security.Cryptography;
using System.Text;

/// <summary>Says whether a delivery of the dialect {dialect} is genuine. {LIMIT} .NET 6 or newer.</summary>
public static class Webhooks
{{
    /// <summary>The headers by their names, as name => (string?)request.Headers[name] of ASP.NET Core.</summary>
    public static bool Verify(Func<string, string?> headers, byte[] body, string secret)
    {{
        string header = headers({name}) ?? \"\";
        string expected = {expected};
        return secret != \"\" && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(header), Encoding.UTF8.GetBytes(expected));
    }}
}}
"
            )
        }
    }
}
