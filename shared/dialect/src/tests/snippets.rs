//! Snippets for receivers. That they verify what arrives is tested end to end, in the languages themselves.

use crate::{Dialects, Language, NoSnippet};

/// A dialect whose own lines these are.
fn snippet(lines: &str) -> Result<String, NoSnippet> {
    let text = format!(
        r#"
        name = "own"
        description = "One of the operator's own."
        event_id = "{{uuid}}"
        timeout = "3s"
        body_limit = 1000
        success = ["2xx"]
        disable = "never"
        envelope = [{{ key = "data", from = "data" }}]
        ladder = {{ waits = [] }}
        any_type = {{ example = "x", sample = "{{}}" }}
        {lines}
    "#
    );
    let dialects = Dialects::builtin().with_file("own.toml", &text).unwrap();
    dialects.get("own").unwrap().snippet(Language::Python)
}

#[test]
fn every_dialect_has_one_in_every_language() {
    for dialect in Dialects::builtin().iter() {
        for language in Language::ALL {
            let snippet = dialect.snippet(language).unwrap();
            assert!(snippet.contains(&dialect.name), "{snippet}");
            assert!(snippet.ends_with('\n') && !snippet.ends_with("\n\n"));
            assert!(!snippet.contains(" \n"), "{snippet}");
        }
    }
}

/// It is run nowhere, as few machines have .NET: it has at least what it must have.
#[test]
fn the_snippets_in_csharp_have_what_is_signed() {
    let written = |name: &str| super::builtin(name).snippet(Language::CSharp).unwrap();
    for (name, parts) in [
        (
            "odin",
            &[
                "ToleranceSeconds = 300",
                r#"headers("x-odin-signature")"#,
                r#"Between(header, "t=", ",v1=")"#,
                "CreateHMAC(HashAlgorithmName.SHA256, key)",
                r#"GetBytes(timestamp + ".")"#,
                "Convert.ToHexString",
                r#""t=" + timestamp + ",v1=" + signature"#,
                "return Same(header, expected)",
            ][..],
        ),
        (
            "shopify",
            &[
                r#"headers("x-shopify-hmac-sha256")"#,
                "Convert.ToBase64String",
                "Encoding.UTF8.GetBytes(secret)",
            ],
        ),
        (
            "standard",
            &[
                r#"headers("webhook-signature")"#,
                "Convert.FromBase64String(",
                "header.Split(' ')",
                r#""v1," + signature"#,
            ],
        ),
    ] {
        let written = written(name);
        for part in parts {
            assert!(written.contains(part), "{part} is not in:\n{written}");
        }
        assert_eq!(written.matches('{').count(), written.matches('}').count());
    }
}

#[test]
fn key_pairs_sign_where_standard_webhooks_go_along() {
    for language in Language::ALL {
        let found = super::builtin("standard").key_pair_snippet(language);
        let found = found.unwrap();
        for part in [
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
            "v1a",
            "whpk_",
            "300",
        ] {
            assert!(found.contains(part), "{language}: {part}");
        }
    }
    let text = include_str!("../../../../dialects/xero.toml");
    let dialects = Dialects::builtin().with_file("xero.toml", text).unwrap();
    let none = dialects.get("xero").unwrap().key_pair_snippet(Language::Go);
    assert_eq!(none, Err(NoSnippet::NoKeyPairs));
}

#[test]
fn the_page_for_receivers_shows_one() {
    let page = include_str!("../../../../docs/receivers.md");
    let odin = super::builtin("odin").snippet(Language::Python).unwrap();
    assert!(page.contains(&format!("```python\n{odin}```\n")), "{odin}");
}

#[test]
fn the_strongest_signature_is_the_one_to_verify() {
    let signature = |algorithm: &str| {
        format!(
            "\n[[signature]]\nalgorithm = \"hmac-{algorithm}\"\nencoding = \"hex\"\nsigned = \"{{body}}\"\nheader = \"X-{algorithm}\"\nvalue = \"{{signature}}\""
        )
    };
    let strongest = |algorithms: [&str; 3]| snippet(&algorithms.map(signature).concat()).unwrap();
    assert!(strongest(["sha1", "sha512", "sha256"]).contains("x-sha512"));
}

#[test]
fn what_is_signed_is_read_from_wherever_it_stands() {
    let signature = "
        headers = { X-Kind = \"{event_type}\", X-Try = \"{delivery_id}\", X-Mixed = \"{id}/{timestamp}\" }
        [[signature]]
        algorithm = \"hmac-sha1\"
        encoding = \"base64\"
        signed = \"{event_type}|{delivery_id}|{id}|{timestamp}|{body}|{event_type}\"
        header = \"X-Sig\"
        value = \"at {timestamp}; by {signature}\"
    ";
    let found = snippet(signature).unwrap();
    for line in [
        r#"event_type = headers.get("x-kind") or """#,
        r#"delivery_id = headers.get("x-try") or """#,
        r#"id = headers.get("webhook-id") or """#,
        r#"timestamp = header.partition("at ")[2].partition("; by ")[0]"#,
        r#"expected = "at " + timestamp + "; by " + signature"#,
    ] {
        assert!(found.contains(line), "{line} is not in:\n{found}");
    }
    let hidden = signature
        .replace("X-Kind", "X-Other")
        .replace("\"{event_type}\", X-Try", "\"{event_type}!\", X-Try");
    assert_eq!(snippet(&hidden), Err(NoSnippet::Hidden("type".to_owned())));
}

#[test]
fn what_cannot_be_verified_has_none() {
    assert_eq!(
        snippet("standard_webhooks = false"),
        Err(NoSnippet::Unsigned)
    );
    let unlike = r#"
        [[signature]]
        algorithm = "hmac-sha256"
        encoding = "hex"
        signed = "{body}"
        header = "X-Sig"
        value = "first={signature}"
        overlap = ",second={signature}"
    "#;
    assert_eq!(snippet(unlike), Err(NoSnippet::Overlap));
}

/// A file in `dialects`.
fn of_file(name: &str) -> Result<String, NoSnippet> {
    in_language(name, Language::Python)
}

fn in_language(name: &str, language: Language) -> Result<String, NoSnippet> {
    let path = format!("{}/../../dialects/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let dialects = Dialects::builtin().with_file(name, &text).unwrap();
    dialects.get(name).unwrap().snippet(language)
}

#[test]
fn keys_in_base64_are_decoded() {
    for name in ["svix", "clerk"] {
        let code = of_file(name).unwrap();
        for line in [
            r#"header = headers.get("svix-signature") or """#,
            r#"key = base64.b64decode(secret.removeprefix("whsec_"))"#,
            r#"expected = "v1," + signature"#,
        ] {
            assert!(code.contains(line), "{line} is not in:\n{code}");
        }
    }
    assert!(of_file("microsoft-teams").is_ok());
}

#[test]
fn why_there_is_none_is_true() {
    for (name, reason) in [
        ("twilio", "a signature that covers `{form_fields}`"),
        ("discord", "Ed25519"),
        ("figma", "a secret in the body"),
        ("adyen", "a signature in the body"),
    ] {
        let told = of_file(name).unwrap_err().to_string();
        assert!(told.contains(reason), "{name}: {told}");
    }
}

#[test]
fn the_urls_of_webhooks_are_parameters() {
    for (name, parameter) in [("square", "url"), ("contentful", "path")] {
        for language in Language::ALL {
            let code = in_language(name, language).unwrap();
            let declared = match language {
                Language::JavaScript => format!("(headers, body, secret, {parameter}) {{"),
                Language::TypeScript => format!(", secret: string, {parameter}: string): boolean"),
                Language::Python => format!(", secret: str, {parameter}: str) -> bool"),
                Language::Go => format!(", secret string, {parameter} string) bool"),
                Language::Java => format!(", String secret, String {parameter})"),
                Language::Php => format!(", string $secret, string ${parameter}): bool"),
                Language::Ruby => format!("(headers, body, secret, {parameter})"),
                Language::Rust => format!(", secret: &str, {parameter}: &str) -> bool"),
                Language::CSharp => format!(", string secret, string {parameter})"),
            };
            assert!(code.contains(&declared), "{declared} is not in:\n{code}");
        }
    }
}

/// A receiver reads one variable for one text: which of two forms it would be, none can tell.
#[test]
fn a_time_in_two_forms_has_none() {
    let two = r#"
        headers = { X-Seconds = "{timestamp}", X-Millis = "{timestamp_unix_millis}" }
        [[signature]]
        algorithm = "hmac-sha256"
        encoding = "hex"
        signed = "{timestamp}.{timestamp_unix_millis}.{body}"
        header = "X-Sig"
    "#;
    let none = NoSnippet::Value("timestamp_unix_millis".to_owned());
    assert_eq!(snippet(two), Err(none));
    let one = two.replace("{timestamp}.{", "{");
    let code = snippet(&one).unwrap();
    let read = r#"timestamp = headers.get("x-millis") or """#;
    assert!(code.contains(read), "{code}");
}

#[test]
fn a_secret_in_a_header_is_compared() {
    let gitlab = of_file("gitlab").unwrap();
    for line in [
        r#"header = headers.get("x-gitlab-token") or """#,
        "expected = secret\n",
        "hmac.compare_digest(header.encode(), expected.encode())",
    ] {
        assert!(gitlab.contains(line), "{line} is not in:\n{gitlab}");
    }
    let postmark = of_file("postmark").unwrap();
    assert!(
        postmark.contains("expected = \"Basic \" + secret\n"),
        "{postmark}"
    );
    let csharp = in_language("gitlab", Language::CSharp).unwrap();
    assert!(
        csharp.contains(r#"headers("x-gitlab-token") ?? """#),
        "{csharp}"
    );
    assert_eq!(csharp.matches('{').count(), csharp.matches('}').count());
    // A receiver whose secret is not set takes nothing, rather than everything.
    for language in Language::ALL {
        let guard = match language {
            Language::JavaScript | Language::TypeScript => "secret !== \"\" &&",
            Language::Python => "secret != \"\" and",
            Language::Go | Language::CSharp => "secret != \"\" &&",
            Language::Java => "|| secret.isEmpty()) return false",
            Language::Php => "$secret !== '' &&",
            Language::Ruby => "!secret.empty? &&",
            Language::Rust => "!secret.is_empty() &&",
        };
        let code = in_language("gitlab", language).unwrap();
        assert!(code.contains(guard), "{code}");
    }
    let mixed = snippet("headers = { X-Token = \"{secret} at {timestamp}\" }");
    let reason = NoSnippet::Form("a header that has more than the secret");
    assert_eq!(mixed, Err(reason));
}

/// Whoever sends these gets no exception out of a receiver.
#[test]
fn the_snippets_in_python_read_times_of_any_length() {
    let odin = super::builtin("odin").snippet(Language::Python).unwrap();
    let pairs = super::builtin("standard");
    let pairs = pairs.key_pair_snippet(Language::Python).unwrap();
    for code in [&*odin, pairs] {
        assert!(code.contains("if len(timestamp) > 15 or not"), "{code}");
    }
    assert!(pairs.contains("except (InvalidSignature, ValueError):"));
}
