//! Verifying: what the documents' receivers accept is accepted, everything else is refused with the reason.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use uuid::Uuid;

use super::builtin;
use crate::{
    ChallengeRequest, Dialect, Dialects, EventFacts, Reading, SignInput, SignatureCheck,
    SignatureFault, Verified, VerifyInput,
};

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW_S: u64 = 1_696_680_000;

fn header_map(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(field).collect()
}

/// The first check's result, at `NOW_S` and with 300 s tolerated.
fn first(
    dialect: &Dialect,
    headers: &HeaderMap,
    body: &str,
    secret: &str,
) -> Result<Verified, SignatureFault> {
    let checks = dialect.verify(&VerifyInput {
        headers,
        body: body.as_bytes(),
        method: "POST",
        url: "",
        tenant: "",
        webhook_id: "",
        secrets: &[secret.to_owned()],
        now_s: NOW_S,
        tolerance_s: 300,
    });
    checks.into_iter().next().unwrap().result
}

const ODIN_BODY: &str = r#"{"id":"evt_abc123","type":"user.lesson.completed","created_at":"2025-10-10T12:30:00Z","data":{"user_id":"user_xyz789","lesson_id":"lesson_non_01","language":"non","score":95,"completion_time_seconds":450},"metadata":{"api_version":"v1","request_id":"req_123456"}}"#;
const ODIN_SECRET: &str = "your_webhook_secret_key";
const ODIN_SIGNATURE: &str = "35895cfb58400243637ca0f60d26bd5b65cf37d3e5ee0fe7251d22c0760f469c";

/// The signatures are those of the tests of signing: made with Python's `hmac`, as the documents' snippets do.
#[test]
fn the_documents_own_signatures_hold() {
    for (name, body, secret, header, value) in [
        (
            "odin",
            ODIN_BODY,
            ODIN_SECRET,
            "x-odin-signature",
            &*format!("t=1696680000,v1={ODIN_SIGNATURE}"),
        ),
        (
            "badger",
            r#"{"event":"user.badge.unlocked","userId":"user123","badgeId":"first_purchase","badge":{"name":"First Purchase","description":"Make your first purchase","imageUrl":"https://example.com/badge.png"},"timestamp":"2024-01-15T10:30:00Z"}"#,
            "your_webhook_secret",
            "x-badger-signature",
            "42a9017a66a1d48d2cb7b4971e3887cee7cf91f3a7e7078f3a8c7785bad20418",
        ),
        (
            "patra",
            r#"{"id":"evt_abc123","event":"card.updated","created":1638360000,"data":{"id":"card_abc123","username":"johndoe","updatedAt":"2024-12-01T14:22:00Z","changes":["bio","jobTitle"]}}"#,
            STANDARD_SECRET,
            "x-patra-signature",
            "sha256=f6ca881825de64d11ea2bd612da53df55e687ac3a6a6360df47bf6cf1b05c460",
        ),
        (
            "bharatcart",
            r#"{"event":"order.paid","timestamp":"2024-01-01T00:05:00Z","data":{"orderId":"ORD-2024-00001","paymentId":"txn_123","amount":235997,"currency":"INR","paymentMethod":"stripe"}}"#,
            "s3cret",
            "x-webhook-signature",
            "da875878ed4299012341d7edb2374fdb8960c6245a532ce3e870f24d7abb081d",
        ),
    ] {
        let dialect = builtin(name);
        let headers = header_map(&[(header, value)]);
        let timestamp_s = (name == "odin").then_some(NOW_S);
        assert_eq!(
            first(&dialect, &headers, body, secret),
            Ok(Verified {
                secret: 0,
                signature: 0,
                timestamp_s
            }),
            "{name}"
        );
        assert_eq!(
            first(&dialect, &headers, body, "another"),
            Err(SignatureFault::Mismatch),
            "{name}"
        );
        let longer = format!("{body}\n");
        assert_eq!(
            first(&dialect, &headers, &longer, secret),
            Err(SignatureFault::Mismatch),
            "{name}"
        );
        let other = format!("{}e", &value[..value.len() - 1]);
        let other = header_map(&[(header, &other)]);
        assert_eq!(
            first(&dialect, &other, body, secret),
            Err(SignatureFault::Mismatch),
            "{name}"
        );
        assert_eq!(
            first(&dialect, &HeaderMap::new(), body, secret),
            Err(SignatureFault::Missing),
            "{name}"
        );
    }
}

#[test]
fn a_header_of_another_form_is_told_with_its_own() {
    for value in [
        "",
        ODIN_SIGNATURE,
        &format!("v1={ODIN_SIGNATURE},t=1696680000"),
        &format!("t=1696680000,v1={ODIN_SIGNATURE}0"),
        &format!("t=soon,v1={ODIN_SIGNATURE}"),
        "t=1696680000,v1=é",
        "t=1696680000,v1=abc",
    ] {
        let headers = header_map(&[("x-odin-signature", value)]);
        let fault = first(&builtin("odin"), &headers, ODIN_BODY, ODIN_SECRET).unwrap_err();
        if value.is_ascii() {
            let form = "`t={timestamp},v1={signature}`, with a signature of 64 characters";
            assert!(fault.to_string().contains(form), "{value}: {fault}");
        } else {
            assert_eq!(fault, SignatureFault::Missing, "no text");
        }
    }
}

#[test]
fn a_time_too_far_away_either_way_is_refused() {
    let odin = builtin("odin");
    let headers = header_map(&[(
        "x-odin-signature",
        &format!("t=1696680000,v1={ODIN_SIGNATURE}"),
    )]);
    let at = |now_s| {
        let checks = odin.verify(&VerifyInput {
            headers: &headers,
            body: ODIN_BODY.as_bytes(),
            method: "POST",
            url: "",
            tenant: "",
            webhook_id: "",
            secrets: &[ODIN_SECRET.to_owned()],
            now_s,
            tolerance_s: 300,
        });
        checks[0]
            .result
            .clone()
            .map(|verified| verified.timestamp_s)
    };
    for now_s in [NOW_S - 300, NOW_S, NOW_S + 300] {
        assert_eq!(at(now_s), Ok(Some(NOW_S)));
    }
    assert_eq!(
        at(NOW_S + 301),
        Err(SignatureFault::Stale {
            age_s: 301,
            tolerance_s: 300
        })
    );
    assert_eq!(
        at(NOW_S - 301),
        Err(SignatureFault::Ahead {
            ahead_s: 301,
            tolerance_s: 300
        })
    );
}

#[test]
fn the_references_signature_holds_and_needs_its_kind_of_secret() {
    let standard = builtin("standard");
    let body = r#"{"type":"a","timestamp":"2022-11-03T20:26:10Z","data":{}}"#;
    let oracle = standardwebhooks::Webhook::new(STANDARD_SECRET).unwrap();
    let signature = oracle
        .sign("evt_1", i64::try_from(NOW_S).unwrap(), body.as_bytes())
        .unwrap();
    let sent = |signature: &str| {
        header_map(&[
            ("webhook-id", "evt_1"),
            ("webhook-timestamp", &NOW_S.to_string()),
            ("webhook-signature", signature),
        ])
    };
    // Others may be listed before it, of keys and versions that this receiver does not know.
    let headers = sent(&format!("v1a,{} {signature}", "A".repeat(88)));
    assert_eq!(
        first(&standard, &headers, body, STANDARD_SECRET),
        Ok(Verified {
            secret: 0,
            signature: 1,
            timestamp_s: Some(NOW_S)
        })
    );
    assert_eq!(
        first(&standard, &headers, body, "plain"),
        Err(SignatureFault::NoKey)
    );
    let others = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
    assert_eq!(
        first(&standard, &headers, body, others),
        Err(SignatureFault::Mismatch)
    );

    let mut without_time = sent(&signature);
    without_time.remove("webhook-timestamp");
    assert_eq!(
        first(&standard, &without_time, body, STANDARD_SECRET),
        Err(SignatureFault::Untold {
            value: "timestamp".to_owned()
        })
    );
    let mut unsigned = sent(&signature);
    unsigned.remove("webhook-signature");
    assert_eq!(
        first(&standard, &unsigned, body, STANDARD_SECRET),
        Err(SignatureFault::Missing)
    );
    let nothing_to_check = standard.verify(&VerifyInput {
        headers: &unsigned,
        body: body.as_bytes(),
        method: "POST",
        url: "",
        tenant: "",
        webhook_id: "",
        secrets: &["plain".to_owned()],
        now_s: NOW_S,
        tolerance_s: 300,
    });
    assert_eq!(nothing_to_check, []);
}

/// Standard Webhooks' published vector: the pair's owner signs, a receiver has the public key alone.
#[test]
fn a_public_key_verifies() {
    const PAIR: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
    let signature = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
    let headers = header_map(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", signature),
    ]);
    let result = |secret: &str, body: &str| {
        let checks = builtin("standard").verify(&VerifyInput {
            headers: &headers,
            body: body.as_bytes(),
            method: "POST",
            url: "",
            tenant: "",
            webhook_id: "",
            secrets: &[secret.to_owned()],
            now_s: 1_614_265_330,
            tolerance_s: 0,
        });
        checks.into_iter().next().unwrap().result
    };
    let body = r#"{"test": 2432232314}"#;
    for secret in [PAIR, PUBLIC] {
        assert!(result(secret, body).is_ok(), "{secret}");
        assert_eq!(result(secret, "{}"), Err(SignatureFault::Mismatch));
    }
    let shared = format!("whsec_{}", &PUBLIC["whpk_".len()..]);
    assert_eq!(result(&shared, body), Err(SignatureFault::Mismatch));
}

/// Every type of every dialect, signed and verified, is told apart from all other dialects'.
#[test]
fn what_a_dialect_sends_it_recognises_reads_and_verifies() {
    let dialects = Dialects::builtin();
    for dialect in dialects.iter() {
        let catalogue = &dialect.catalogue;
        let listed = catalogue.types().iter().map(|listed| &*listed.name);
        for event_type in listed.chain(catalogue.first_type_of("*")) {
            let body = dialect
                .body(&EventFacts {
                    id: "evt_1",
                    event_type,
                    data: catalogue.sample(event_type).unwrap(),
                    time: "2025-10-10T12:30:00Z".parse().unwrap(),
                    is_time_given: true,
                    request_id: "req_1",
                    metadata: None,
                })
                .unwrap();
            let request = dialect.request(&SignInput {
                event_id: "evt_1",
                event_type,
                delivery_id: Uuid::from_u128(1),
                time_ms: NOW_S * 1000,
                body: &body,
                secret: STANDARD_SECRET,
                ..SignInput::default()
            });
            let headers: HeaderMap = request.unwrap().headers.into_iter().collect();
            let recognised: Vec<&str> = dialects
                .iter()
                .filter(|other| other.recognises(&headers, &body))
                .map(|other| &*other.name)
                .collect();
            assert_eq!(recognised, [&*dialect.name], "{event_type}");
            assert_eq!(
                dialect.read(&headers, &body),
                Reading {
                    event_id: Some("evt_1".to_owned()),
                    // Slack says it within the data, where it is the data's own.
                    event_type: (dialect.name != "slack").then(|| event_type.to_owned())
                }
            );
            let checks = dialect.verify(&VerifyInput {
                headers: &headers,
                body: &body,
                method: "POST",
                url: "",
                tenant: "",
                webhook_id: "",
                secrets: &["another".to_owned(), STANDARD_SECRET.to_owned()],
                now_s: NOW_S,
                tolerance_s: 0,
            });
            assert_eq!(
                checks.last().unwrap().place.to_string(),
                "webhook-signature"
            );
            for check in checks {
                let verified = check.result.unwrap();
                assert_eq!((verified.secret, verified.signature), (1, 0));
            }
        }
    }
}

/// What is covered may stand in another header, and a header may have signatures of several secrets.
#[test]
fn an_own_file_is_verified_by_its_own_rules() {
    let text = r#"
        name = "own"
        description = "A version, a time in a header of its own, and room for more than one signature."
        event_id = "{uuid}"
        timeout = "3s"
        body_limit = 1000
        success = ["2xx"]
        standard_webhooks = false
        disable = "never"
        envelope = [{ from = "data_members" }]

        [headers]
        X-Own-Timestamp = "at {timestamp}"
        X-Own-Event = "{event_type}"

        [ladder]
        waits = ["1s"]

        [[signature]]
        algorithm = "hmac-sha512"
        encoding = "base64"
        signed = "v0:{timestamp}:{event_type}:{body}"
        header = "X-Own-Signature"
        value = "v0={signature}"
        overlap = ",v0={signature}"

        [any_type]
        example = "x"
        sample = '{}'
    "#;
    let dialects = Dialects::builtin().with_file("own.toml", text).unwrap();
    let own = dialects.get("own").unwrap();
    let signed_with = |secret, newer_secrets| -> HeaderMap {
        let request = own.request(&SignInput {
            event_id: "1",
            event_type: "a.b",
            delivery_id: Uuid::from_u128(1),
            time_ms: NOW_S * 1000,
            body: b"{}",
            secret,
            newer_secrets,
            ..SignInput::default()
        });
        request.unwrap().headers.into_iter().collect()
    };
    let both = signed_with("old", &["new", "newer"]);
    for (secret, signature) in [("old", 0), ("new", 1), ("newer", 2)] {
        let verified = first(own, &both, "{}", secret).unwrap();
        assert_eq!(verified.signature, signature);
        assert_eq!(verified.timestamp_s, Some(NOW_S));
    }
    assert_eq!(
        own.read(&both, b"{}"),
        Reading {
            event_id: None,
            event_type: Some("a.b".to_owned())
        }
    );
    let mut other_type = both.clone();
    other_type.insert("x-own-event", HeaderValue::from_static("a.c"));
    assert_eq!(
        first(own, &other_type, "{}", "old"),
        Err(SignatureFault::Mismatch)
    );
    let mut without_time = both;
    without_time.remove("x-own-timestamp");
    assert_eq!(
        first(own, &without_time, "{}", "old"),
        Err(SignatureFault::Untold {
            value: "timestamp".to_owned()
        })
    );
}

/// What listens to a sender's challenges answers what the sender wants, whatever shape they have.
#[test]
fn a_challenge_of_any_shape_is_answered_so_that_it_is_met() {
    let own = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dialects");
        let text = std::fs::read_to_string(format!("{folder}/{name}.toml")).unwrap();
        Dialects::builtin().with_file(name, &text).unwrap()
    };
    for name in [
        "cloudevents-structured",
        "dropbox",
        "meta",
        "microsoft-graph",
        "smartsheet",
        "standard",
        "slack",
        "twitch",
        "zoom",
    ] {
        let dialects = match Dialects::builtin().get(name) {
            Some(_) => Dialects::builtin(),
            None => own(name),
        };
        let dialect = dialects.get(name).unwrap();
        let input = SignInput {
            event_id: "evt_1",
            url: "https://example.com/hook?shop=1",
            secret: STANDARD_SECRET,
            time_ms: NOW_S * 1000,
            ..SignInput::default()
        };
        let asked = dialect.challenge(&input, "t0k-en").unwrap();
        let headers = HeaderMap::from_iter(asked.headers);
        let query = asked.url.split_once('?').unwrap().1;
        let answer = dialect.answer_to_challenge(&asked.method, query, &headers, &asked.body);
        let answer = answer.unwrap_or_else(|| panic!("{name}"));
        let header = answer
            .header
            .map(|(name, value)| (name, HeaderValue::try_from(value).unwrap()));
        let answered = HeaderMap::from_iter(header);
        assert!(
            dialect.proves_challenge("t0k-en", &answered, answer.body.as_bytes()),
            "{name}"
        );
        // A delivery is none.
        let none = dialect.answer_to_challenge(
            &http::Method::POST,
            "shop=1",
            &HeaderMap::new(),
            br#"{"event":"a","payload":{},"event_ts":1}"#,
        );
        assert_eq!(none, None, "{name}");
    }
}

/// The challenge of every dialect holds for whoever verifies all that comes, but where the dialect shapes it otherwise.
#[test]
fn a_challenge_verifies_as_deliveries_do_wherever_a_dialect_can_say_it() {
    let mut unsigned = Vec::new();
    let files = deliveries().into_iter().map(|(dialect, ..)| dialect);
    let builtin = Dialects::builtin();
    let all = files.chain(builtin.iter().map(|dialect| Dialect::clone(dialect)));
    for dialect in all {
        if let Some(reason) = dialect.unsigned_challenge() {
            unsigned.push(format!("{}: {reason}", dialect.name));
            continue;
        }
        let secret = dialect.new_secret([1; 32]);
        let asked = challenge(&dialect, &secret);
        let headers = HeaderMap::from_iter(asked.headers);
        for check in verified(&dialect, &headers, &asked.body, &secret) {
            assert!(check.result.is_ok(), "{}: {check:?}", dialect.name);
        }
        let answer = dialect.answer_to_challenge(&asked.method, "", &headers, &asked.body);
        assert_eq!(answer.unwrap().body, "t0k-en", "{}", dialect.name);
    }
    unsigned.sort();
    let expected = [
        "cloudevents-structured: it is sent by OPTIONS, without a signature",
        "dropbox: it is sent by GET, without a signature",
        "meta: it is sent by GET, without a signature",
        "microsoft-graph: it has no body, and so no signature",
    ];
    assert_eq!(unsigned, expected);
}

fn challenge(dialect: &Dialect, secret: &str) -> ChallengeRequest {
    let input = SignInput {
        event_id: "evt_1",
        webhook_id: "wh_1",
        tenant: "acme",
        url: "https://example.com/hook",
        secret,
        time_ms: NOW_S * 1000,
        ..SignInput::default()
    };
    dialect.challenge(&input, "t0k-en").unwrap()
}

fn verified(
    dialect: &Dialect,
    headers: &HeaderMap,
    body: &[u8],
    secret: &str,
) -> Vec<SignatureCheck> {
    dialect.verify(&VerifyInput {
        headers,
        body,
        method: "POST",
        url: "https://example.com/hook",
        tenant: "acme",
        webhook_id: "wh_1",
        secrets: &[secret.to_owned()],
        now_s: NOW_S,
        tolerance_s: 300,
    })
}

/// What a receiver verifies with stands in the body: the challenge is a delivery then, with the token where the data would be.
#[test]
fn a_challenge_has_the_envelope_where_the_proof_is_in_the_body() {
    let of = |envelope: &str, rest: &str| {
        let text = format!(
            "name = \"own\"\nstandard_webhooks = false\n{envelope}\nany_type = {{ example = \"x\", sample = \"{{}}\" }}\n{rest}"
        );
        let dialects = Dialects::builtin().with_file("own.toml", &text).unwrap();
        Dialect::clone(dialects.get("own").unwrap())
    };
    const SIGNED: &str = "[[signature]]\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"";
    for (envelope, signature, body) in [
        // An id that the body alone has.
        (
            "envelope = [{ key = \"id\", from = \"id\" }, { key = \"data\", from = \"data\" }]",
            "header = \"X-S\"\nsigned = \"{id}\"",
            r#"{"id":"evt_1","data":{"challenge":"t0k-en"}}"#,
        ),
        // Of the event's own time, which is the challenge's.
        (
            "envelope = [{ key = \"at\", from = \"time_unix_seconds\" }, { from = \"data_members\" }]",
            "header = \"X-S\"\nsigned = \"{time_unix_seconds}\"\ntolerance = \"any\"",
            r#"{"at":1696680000,"challenge":"t0k-en"}"#,
        ),
        // A form, whose member has the name of the token.
        (
            "body = \"form\"\nenvelope = [{ key = \"challenge\", from = \"signature.s\" }, { from = \"data_members\" }]",
            "name = \"s\"\nsigned = \"{secret}\"",
            "challenge=",
        ),
        // A header covers the body: nothing is to be said in it.
        (
            "envelope = [{ key = \"id\", from = \"id\" }, { key = \"data\", from = \"data\" }]",
            "header = \"X-S\"\nsigned = \"{body}\"",
            r#"{"type":"webhook.challenge","challenge":"t0k-en"}"#,
        ),
    ] {
        let own = of(envelope, &format!("{SIGNED}\n{signature}"));
        assert_eq!(own.unsigned_challenge(), None, "{envelope}");
        let secret = "a secret of many characters";
        let asked = challenge(&own, secret);
        let sent = String::from_utf8(asked.body.clone()).unwrap();
        assert!(sent.starts_with(body), "{sent}");
        let headers = HeaderMap::from_iter(asked.headers);
        let checks = verified(&own, &headers, &asked.body, secret);
        assert_eq!(checks.len(), 1);
        assert!(checks[0].result.is_ok(), "{checks:?}");
        assert_eq!(headers["rung-challenge"], "t0k-en");
    }
}

/// A shape of the dialect's own may leave no room for what proves its deliveries.
#[test]
fn a_challenge_that_cannot_be_verified_says_why() {
    for (challenge, reason) in [
        (
            "method = \"GET\"\nquery = { c = \"{token}\" }",
            Some("it is sent by GET, without a signature"),
        ),
        (
            "query = { c = \"{token}\" }",
            Some("it has no body, and so no signature"),
        ),
        (
            "body = [{ key = \"c\", from = \"token\" }]",
            Some("its body has no `signature.s`, which deliveries are verified with"),
        ),
        (
            "body = [{ key = \"c\", from = \"token\" }, { key = \"s\", from = \"signature.s\" }]",
            Some("its body has no `attempt_id`, which deliveries are verified with"),
        ),
        (
            "body = [{ key = \"c\", from = \"token\" }, { key = \"s\", from = \"signature.s\" }, { key = \"a\", from = \"attempt_id\" }]",
            None,
        ),
        ("answer_header = \"X-Agreed\"", None),
    ] {
        let text = format!(
            "name = \"own\"\nstandard_webhooks = false\nenvelope = [{{ key = \"s\", from = \"signature.s\" }}, {{ key = \"a\", from = \"attempt_id\" }}, {{ key = \"d\", from = \"data\" }}]\nany_type = {{ example = \"x\", sample = \"{{}}\" }}\n[[signature]]\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\nname = \"s\"\nsigned = \"{{attempt_id}}\"\n[challenge]\n{challenge}"
        );
        let dialects = Dialects::builtin().with_file("own.toml", &text).unwrap();
        let told = dialects.get("own").unwrap().unsigned_challenge();
        assert_eq!(told.as_deref(), reason, "{challenge}");
    }
}

/// An event of each file in `dialects`, as its receiver has it: the request's headers, its body, and its dialect.
fn deliveries() -> Vec<(Dialect, HeaderMap, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dialects");
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    assert!(files.len() > 80, "{}", files.len());
    let delivery = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let dialects = Dialects::builtin().with_file("f", &text).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let dialect = Dialect::clone(dialects.get(name).unwrap());
        let listed = dialect.catalogue.types().first().map(|one| &*one.name);
        let event_type = listed.or_else(|| dialect.catalogue.first_type_of("*"));
        let event_type = event_type.unwrap();
        let facts = EventFacts {
            id: "evt_1",
            event_type,
            data: dialect.catalogue.sample(event_type).unwrap(),
            time: "2023-10-07T12:00:00Z".parse().unwrap(),
            is_time_given: true,
            request_id: "req_1",
            metadata: None,
        };
        let body = dialect.body(&facts).unwrap();
        let secret = dialect.new_secret([1; 32]);
        let request = dialect
            .request(&SignInput {
                event_id: "evt_1",
                event_type,
                webhook_id: "wh_1",
                tenant: "acme",
                url: "https://example.com/hooks?shop=1",
                time_ms: NOW_S * 1000,
                body: &body,
                secret: &secret,
                ..SignInput::default()
            })
            .unwrap();
        let headers = HeaderMap::from_iter(request.headers);
        let body = request.body.into_owned();
        (dialect, headers, body)
    };
    files.iter().map(delivery).collect()
}

#[test]
fn what_each_file_of_vendors_sends_is_verified_by_who_knows_the_url() {
    for (dialect, headers, body) in deliveries() {
        let name = &dialect.name;
        let checks = |url: &str, seed: u8| {
            dialect.verify(&VerifyInput {
                headers: &headers,
                body: &body,
                method: "POST",
                url,
                tenant: "acme",
                webhook_id: "wh_1",
                secrets: &[dialect.new_secret([seed; 32])],
                now_s: NOW_S,
                tolerance_s: 300,
            })
        };
        let right = checks("https://example.com/hooks?shop=1", 1);
        for check in &right {
            assert!(check.result.is_ok(), "{name}: {check:?}");
        }
        assert_eq!(right.is_empty(), dialect.proves_nothing(), "{name}");
        for check in checks("https://example.com/hooks?shop=1", 2) {
            assert!(check.result.is_err(), "{name}: {check:?}");
        }
        for check in checks("", 1) {
            let fault = check.result.err();
            let is_unknown = matches!(
                fault,
                Some(SignatureFault::Unknown { flag: "url", .. }) | None
            );
            assert!(is_unknown, "{name}: {fault:?}");
        }
    }
}

#[test]
fn a_number_is_spelled_alike_in_the_body_in_texts_and_in_what_is_signed() {
    for script in ["javascript", "python", "php"] {
        let text = format!(
            "name = \"own\"\nstandard_webhooks = false\njson = \"{script}\"\nheaders = {{ X-N = \"{{data.n}}\", X-M = \"{{metadata.n}}\" }}\nany_type = {{ example = \"x\", sample = \"{{}}\" }}\nenvelope = [{{ key = \"t\", text = \"{{data.n}}\" }}, {{ key = \"n\", from = \"data.n\" }}]\n[[signature]]\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\nheader = \"X-S\"\nsigned = \"{{data.n}}{{body}}\""
        );
        let dialects = Dialects::builtin().with_file("own.toml", &text).unwrap();
        let dialect = dialects.get("own").unwrap();
        for number in [
            "1130",
            "1130.0",
            "1e3",
            "1.13E3",
            "-0",
            "-0.0",
            "1e-7",
            "12345678901234567890",
        ] {
            let data = super::json(&format!(r#"{{"n":{number}}}"#));
            let facts = EventFacts {
                id: "evt_1",
                event_type: "x",
                data: &data,
                time: "2023-10-07T12:00:00Z".parse().unwrap(),
                is_time_given: true,
                request_id: "req_1",
                metadata: Some(&data),
            };
            let body = dialect.body(&facts).unwrap();
            let input = SignInput {
                event_id: "evt_1",
                event_type: "x",
                body: &body,
                secret: "s",
                ..SignInput::default()
            };
            let request = dialect.request(&input).unwrap();
            let headers = HeaderMap::from_iter(request.headers);
            let sent: &str = std::str::from_utf8(&request.body).unwrap();
            let spelled = headers["x-n"].to_str().unwrap();
            let (comma, colon) = match script {
                "python" => (", ", ": "),
                _ => (",", ":"),
            };
            assert_eq!(
                sent,
                format!(r#"{{"t"{colon}"{spelled}"{comma}"n"{colon}{spelled}}}"#),
                "{script} {number}"
            );
            assert_eq!(headers["x-m"], headers["x-n"], "{script} {number}");
            let mut signed = Hmac::<Sha256>::new_from_slice(b"s").unwrap();
            signed.update(format!("{spelled}{sent}").as_bytes());
            let signed = hex::encode(signed.finalize().into_bytes());
            assert_eq!(headers["x-s"], *signed, "{script} {number}");
        }
    }
}

#[test]
fn what_receivers_know_by_themselves_is_named_where_it_lacks() {
    let own = |signed: &str, more: &str| {
        let text = format!(
            "name = \"own\"\nstandard_webhooks = false\n{more}\nany_type = {{ example = \"x\", sample = \"{{}}\" }}\nenvelope = [{{ key = \"urn\", text = \"urn:{{id}}\" }}, {{ from = \"data_members\" }}]\n[[signature]]\nalgorithm = \"hmac-sha256\"\nencoding = \"hex\"\nheader = \"X-S\"\nsigned = \"{signed}\""
        );
        let dialects = Dialects::builtin().with_file("own.toml", &text).unwrap();
        Dialect::clone(dialects.get("own").unwrap())
    };
    for (signed, flag) in [
        ("{url}{body}", Some("url")),
        ("{host}{path}{method}{body}", Some("url")),
        ("{tenant}{body}", Some("tenant")),
        ("{webhook_id}{body}", Some("webhook-id")),
        ("{id}{body}", None),
        ("{data.a}{body}", None),
        ("{data.none}{body}", None),
    ] {
        let more = match signed.contains("data.") {
            true => "headers = { X-A = \"{data.a}\" }",
            false => "",
        };
        let dialect = own(signed, more);
        let data = super::json(r#"{"a":"b"}"#);
        let facts = EventFacts {
            id: "evt_1",
            event_type: "x",
            data: &data,
            time: "2023-10-07T12:00:00Z".parse().unwrap(),
            is_time_given: true,
            request_id: "req_1",
            metadata: None,
        };
        let body = dialect.body(&facts).unwrap();
        let input = SignInput {
            event_id: "evt_1",
            event_type: "x",
            webhook_id: "wh_1",
            tenant: "acme",
            url: "https://example.com:8443/hooks?shop=1",
            body: &body,
            secret: "s",
            ..SignInput::default()
        };
        let known = VerifyInput {
            headers: &HeaderMap::new(),
            body: b"",
            method: "POST",
            url: input.url,
            tenant: "acme",
            webhook_id: "wh_1",
            secrets: &["s".to_owned()],
            now_s: NOW_S,
            tolerance_s: 300,
        };
        let request = dialect.request(&input).unwrap();
        let headers = HeaderMap::from_iter(request.headers);
        let knowing = VerifyInput {
            headers: &headers,
            body: &request.body,
            ..known
        };
        assert!(dialect.verify(&knowing)[0].result.is_ok(), "{signed}");
        let unknowing = VerifyInput {
            url: "",
            tenant: "",
            webhook_id: "",
            ..knowing
        };
        let fault = dialect.verify(&unknowing).remove(0).result.err();
        let named = match &fault {
            Some(SignatureFault::Unknown { flag, .. }) => Some(*flag),
            _ => None,
        };
        assert_eq!(named, flag, "{signed}: {fault:?}");
        let ignorant = SignInput {
            url: "",
            tenant: "",
            webhook_id: "",
            ..input
        };
        assert_eq!(dialect.lacks(&ignorant), flag, "{signed}");
        assert_eq!(dialect.lacks(&input), None, "{signed}");
    }
}
