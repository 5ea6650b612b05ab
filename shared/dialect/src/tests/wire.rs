//! Bytes on the wire. Signatures were computed with Python's `hmac`, as the documents' snippets do.

use rung_json::{Json, UnstableNumber};
use rung_node::in_node;
use uuid::Uuid;

use super::{builtin, json};
use crate::{BodyFault, Dialect, Dialects, EventFacts, HeaderFault, SecretFault, SignInput};

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

fn facts<'a>(event_type: &'a str, data: &'a Json, time: &str) -> EventFacts<'a> {
    EventFacts {
        id: "evt_abc123",
        event_type,
        data,
        time: time.parse().unwrap(),
        is_time_given: true,
        request_id: "req_123456",
        metadata: None,
    }
}

fn body(dialect: &Dialect, facts: &EventFacts<'_>) -> String {
    String::from_utf8(dialect.body(facts).unwrap()).unwrap()
}

/// The headers as they stand in a request, one a line.
fn headers(dialect: &Dialect, input: &SignInput<'_>) -> String {
    let fields = dialect.request(input).unwrap().headers;
    let lines = fields
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    lines.collect::<Vec<_>>().join("\n")
}

fn input<'a>(event_type: &'a str, body: &'a str, secret: &'a str) -> SignInput<'a> {
    SignInput {
        event_id: "evt_abc123",
        event_type,
        delivery_id: Uuid::from_u128(0x0192_7d5c_0000_8000_8000_0000_0000_0001),
        time_ms: 1_696_680_000_987,
        body: body.as_bytes(),
        secret,
        ..SignInput::default()
    }
}

fn user_agent() -> String {
    format!("user-agent: Rung/{}", env!("CARGO_PKG_VERSION"))
}

#[test]
fn odin_as_document_004_shows_it() {
    let odin = builtin("odin");
    let data = json(
        r#"{"user_id": "user_xyz789", "lesson_id": "lesson_non_01", "language": "non", "score": 95, "completion_time_seconds": 450}"#,
    );
    let body = body(
        &odin,
        &facts("user.lesson.completed", &data, "2025-10-10T12:30:00.987Z"),
    );
    assert_eq!(
        body,
        r#"{"id":"evt_abc123","type":"user.lesson.completed","created_at":"2025-10-10T12:30:00Z","data":{"user_id":"user_xyz789","lesson_id":"lesson_non_01","language":"non","score":95,"completion_time_seconds":450},"metadata":{"api_version":"v1","request_id":"req_123456"}}"#
    );
    assert_eq!(
        headers(&odin, &input("user.lesson.completed", &body, "your_webhook_secret_key")),
        [
            "content-type: application/json",
            &user_agent(),
            "x-odin-signature: t=1696680000,v1=35895cfb58400243637ca0f60d26bd5b65cf37d3e5ee0fe7251d22c0760f469c",
            "webhook-id: evt_abc123",
            "webhook-timestamp: 1696680000",
        ]
        .join("\n")
    );
}

#[test]
fn badger_as_document_000_shows_it() {
    let badger = builtin("badger");
    let data = badger.catalogue.sample("user.badge.unlocked").unwrap();
    let body = body(
        &badger,
        &facts("user.badge.unlocked", data, "2024-01-15T10:30:00Z"),
    );
    assert_eq!(
        body,
        r#"{"event":"user.badge.unlocked","userId":"user123","badgeId":"first_purchase","badge":{"name":"First Purchase","description":"Make your first purchase","imageUrl":"https://example.com/badge.png"},"timestamp":"2024-01-15T10:30:00Z"}"#
    );
    assert!(
        headers(&badger, &input("user.badge.unlocked", &body, "your_webhook_secret")).contains(
            "\nx-badger-signature: 42a9017a66a1d48d2cb7b4971e3887cee7cf91f3a7e7078f3a8c7785bad20418\n"
        )
    );
}

#[test]
fn patra_as_document_001_shows_it() {
    let patra = builtin("patra");
    let data = patra.catalogue.sample("card.updated").unwrap();
    let body = body(
        &patra,
        &facts("card.updated", data, "2021-12-01T12:00:00.999Z"),
    );
    assert_eq!(
        body,
        r#"{"id":"evt_abc123","event":"card.updated","created":1638360000,"data":{"id":"card_abc123","username":"johndoe","updatedAt":"2024-12-01T14:22:00Z","changes":["bio","jobTitle"]}}"#
    );
    let oracle = standardwebhooks::Webhook::new(STANDARD_SECRET).unwrap();
    let standard_signature = oracle
        .sign("evt_abc123", 1_696_680_000, body.as_bytes())
        .unwrap();
    assert_eq!(
        headers(&patra, &input("card.updated", &body, STANDARD_SECRET)),
        [
            "content-type: application/json",
            &user_agent(),
            "x-patra-delivery: 01927d5c-0000-8000-8000-000000000001",
            "x-patra-event: card.updated",
            "x-patra-signature: sha256=f6ca881825de64d11ea2bd612da53df55e687ac3a6a6360df47bf6cf1b05c460",
            "webhook-id: evt_abc123",
            "webhook-timestamp: 1696680000",
            &format!("webhook-signature: {standard_signature}"),
        ]
        .join("\n")
    );
}

#[test]
fn bharatcart_as_document_002_shows_it() {
    let bharatcart = builtin("bharatcart");
    let data = bharatcart.catalogue.sample("order.paid").unwrap();
    let body = body(
        &bharatcart,
        &facts("order.paid", data, "2024-01-01T00:05:00Z"),
    );
    assert_eq!(
        body,
        r#"{"event":"order.paid","timestamp":"2024-01-01T00:05:00Z","data":{"orderId":"ORD-2024-00001","paymentId":"txn_123","amount":235997,"currency":"INR","paymentMethod":"stripe"}}"#
    );
    assert!(headers(&bharatcart, &input("order.paid", &body, "s3cret")).contains(
        "\nx-webhook-signature: da875878ed4299012341d7edb2374fdb8960c6245a532ce3e870f24d7abb081d\n"
    ));
}

#[test]
fn reward_as_document_003_shows_it() {
    let reward = builtin("reward");
    let data = reward.catalogue.sample("trigger_event.created").unwrap();
    let facts = EventFacts {
        id: "we_01jf2wkmvcfw6ts1qmgzya291c",
        ..facts("trigger_event.created", data, "2024-12-14T15:29:18.8219Z")
    };
    let body = body(&reward, &facts);
    assert_eq!(
        body,
        r#"{"id":"we_01jf2wkmvcfw6ts1qmgzya291c","type":"trigger_event.created","time":"2024-12-14T15:29:18.821Z","data":{"user":{"id":"ca9bb5c2-25a6-43e9-972e-862d28241a47"},"value":2.99,"trigger":{"id":"successful_payment"}}}"#
    );
    let unsigned = reward.request(&input("trigger_event.created", &body, "s3cret"));
    assert_eq!(
        unsigned.err(),
        Some(HeaderFault::Secret(SecretFault::NoKey))
    );
    let signature = standardwebhooks::Webhook::new(STANDARD_SECRET)
        .unwrap()
        .sign("evt_abc123", 1_696_680_000, body.as_bytes())
        .unwrap();
    assert_eq!(
        headers(
            &reward,
            &input("trigger_event.created", &body, STANDARD_SECRET)
        ),
        format!(
            "content-type: application/json\n{}\nwebhook-id: evt_abc123\nwebhook-timestamp: 1696680000\nwebhook-signature: {signature}",
            user_agent()
        )
    );
}

#[test]
fn standard_is_accepted_by_the_reference_with_either_secret() {
    let standard = builtin("standard");
    let data = json(r#"{"n": 9007199254740993, "b": {"z": 1.0, "5": "x"}}"#);
    let body = body(
        &standard,
        &facts("anything.goes", &data, "2022-11-03T20:26:10.344522Z"),
    );
    assert_eq!(
        body,
        r#"{"type":"anything.goes","timestamp":"2022-11-03T20:26:10.344522Z","data":{"n":9007199254740993,"b":{"5":"x","z":1}}}"#
    );
    let input = SignInput {
        newer_secrets: &[NEXT_SECRET],
        traceparent: None,
        ..input("anything.goes", &body, STANDARD_SECRET)
    };
    let fields = standard.request(&input).unwrap().headers;
    let signatures: Vec<&str> = fields
        .iter()
        .filter(|(name, _)| name == "webhook-signature")
        .flat_map(|(_, value)| value.to_str().unwrap().split(' '))
        .collect();
    for (secret, signature) in [STANDARD_SECRET, NEXT_SECRET].into_iter().zip(&signatures) {
        let oracle = standardwebhooks::Webhook::new(secret).unwrap();
        assert_eq!(
            *signature,
            oracle
                .sign("evt_abc123", 1_696_680_000, body.as_bytes())
                .unwrap()
        );
    }
    assert_eq!(signatures.len(), 2);
}

#[test]
fn times_take_the_dialects_form_and_are_cut_off_not_rounded() {
    let data = json("{}");
    for (name, time, expected) in [
        (
            "reward",
            "2024-12-14T15:29:18Z",
            r#""time":"2024-12-14T15:29:18.000Z""#,
        ),
        (
            "reward",
            "1969-12-31T23:59:59.9999Z",
            r#""time":"1969-12-31T23:59:59.999Z""#,
        ),
        (
            "standard",
            "2024-12-14T15:29:18Z",
            r#""timestamp":"2024-12-14T15:29:18Z""#,
        ),
        (
            "standard",
            "2024-12-14T15:29:18.120+01:00",
            r#""timestamp":"2024-12-14T14:29:18.12Z""#,
        ),
        ("patra", "1969-12-31T23:59:58.5Z", r#""created":-2"#),
        (
            "odin",
            "2024-12-14T15:29:18.999999Z",
            r#""created_at":"2024-12-14T15:29:18Z""#,
        ),
    ] {
        let body = body(&builtin(name), &facts("x", &data, time));
        assert!(body.contains(expected), "{name} {time}: {body}");
    }
}

#[test]
fn a_time_that_rung_makes_has_the_digits_of_its_dialect() {
    let data = json("{}");
    for (name, event_type, digits) in [
        ("badger", "user.badge.unlocked", ""),
        ("bharatcart", "order.created", ""),
        ("odin", "user.lesson.completed", ""),
        ("reward", "trigger_event.created", ".820"),
        ("standard", "a.b", ".820"),
    ] {
        let made = EventFacts {
            is_time_given: false,
            ..facts(event_type, &data, "2024-12-14T15:29:18.82Z")
        };
        let body = body(&builtin(name), &made);
        let time = format!("\"2024-12-14T15:29:18{digits}Z\"");
        assert!(body.contains(&time), "{name}: {body}");
    }
}

#[test]
fn published_metadata_is_merged_into_odins_whose_own_members_win() {
    let (data, metadata) = (
        json("{}"),
        json(r#"{"source":"app","request_id":"mine","7":1.0,"api_version":null,"3":[]}"#),
    );
    let facts = EventFacts {
        metadata: Some(&metadata),
        ..facts("user.streak.achieved", &data, "2025-10-10T12:30:00Z")
    };
    let body = body(&builtin("odin"), &facts);
    assert!(
        body.ends_with(r#""metadata":{"3":[],"7":1,"api_version":"v1","request_id":"req_123456","source":"app"}}"#),
        "{body}"
    );
}

#[test]
fn badger_refuses_members_it_cannot_place() {
    let badger = builtin("badger");
    for (data, member) in [
        (r#"{"a":1,"event":2}"#, "event"),
        (r#"{"timestamp":null}"#, "timestamp"),
        (r#"{"a":1,"42":2}"#, "42"),
    ] {
        let fault = badger.body(&facts("even.created", &json(data), "2024-01-15T10:30:00Z"));
        let is_it = matches!(&fault, Err(BodyFault::ReservedMember { member: found, .. }) if found == member);
        assert!(is_it, "{data}: {fault:?}");
    }
    let fine = json(r#"{"042":1,"nested":{"event":1,"7":2}}"#);
    assert_eq!(
        body(
            &badger,
            &facts("even.created", &fine, "2024-01-15T10:30:00Z")
        ),
        r#"{"event":"even.created","042":1,"nested":{"7":2,"event":1},"timestamp":"2024-01-15T10:30:00Z"}"#
    );
    assert_eq!(
        body(
            &badger,
            &facts("even.created", &json("{}"), "2024-01-15T10:30:00Z")
        ),
        r#"{"event":"even.created","timestamp":"2024-01-15T10:30:00Z"}"#
    );
}

#[test]
fn numbers_that_javascript_changes_are_refused_where_bodies_are_reparsed() {
    let data = json(r#"{"items":[{"id":9007199254740993}]}"#);
    let facts = facts("x", &data, "2024-01-15T10:30:00Z");
    for dialect in Dialects::builtin().iter() {
        match dialect.body(&facts) {
            Err(BodyFault::UnstableNumber(UnstableNumber { path, .. })) => {
                assert!(
                    ["patra", "badger"].contains(&dialect.name.as_str()),
                    "{}",
                    dialect.name
                );
                assert_eq!(path.to_string(), "data.items[0].id");
            }
            body => {
                assert!(!dialect.reparse_safe);
                assert!(
                    String::from_utf8(body.unwrap())
                        .unwrap()
                        .contains(r#"{"id":9007199254740993}"#)
                );
            }
        }
    }
}

#[test]
fn the_limit_is_on_the_bytes_of_the_whole_body() {
    const LIMIT: usize = 102_400;
    let bharatcart = builtin("bharatcart");
    let body_of = |text: String| {
        let data = Json::Object(vec![("p".to_owned(), Json::String(text))]);
        bharatcart.body(&facts("order.paid", &data, "2024-01-01T00:05:00Z"))
    };
    let room = LIMIT - body_of(String::new()).unwrap().len();
    assert_eq!(body_of("x".repeat(room)).unwrap().len(), LIMIT);
    for text in ["x".repeat(room + 1), "x".repeat(room - 1) + "é"] {
        let too_large = BodyFault::TooLarge {
            limit: LIMIT,
            actual: LIMIT + 1,
        };
        assert_eq!(body_of(text), Err(too_large));
    }
}

#[test]
fn data_and_metadata_must_be_objects() {
    let (object, array) = (json("{}"), json("[]"));
    let standard = builtin("standard");
    let facts = facts("x", &array, "2024-01-01T00:05:00Z");
    assert_eq!(
        standard.body(&facts),
        Err(BodyFault::NotAnObject { field: "data" })
    );
    let facts = EventFacts {
        data: &object,
        metadata: Some(&array),
        ..facts
    };
    assert_eq!(
        standard.body(&facts),
        Err(BodyFault::NotAnObject { field: "metadata" })
    );
}

/// As the snippets of documents 000 and 001 do: with the body that Express has parsed.
#[test]
fn node_verifies_every_sample_over_the_body_it_parsed() {
    const ODD: &str = r#"{"__proto__":{"b":1,"10":2,"9":3},"p":-0.0,"big":1e21,"small":1.50e-7,"s":"\u2028\u001f\u007f\"\/"}"#;
    for (name, header, prefix) in [
        ("badger", "x-badger-signature", ""),
        ("patra", "x-patra-signature", "sha256="),
        ("bharatcart", "x-webhook-signature", ""),
    ] {
        let dialect = builtin(name);
        let odd = json(ODD);
        let samples = dialect
            .catalogue
            .types()
            .iter()
            .map(|listed| &listed.sample);
        let bodies: Vec<String> = samples
            .chain([&odd])
            .map(|data| body(&dialect, &facts("x", data, "2024-01-15T10:30:00Z")))
            .collect();
        let answers = in_node(
            "require('crypto').createHmac('sha256', 's3cret').update(JSON.stringify(JSON.parse(line))).digest('hex')",
            &bodies,
        );
        for (answer, body) in answers.iter().zip(&bodies) {
            let headers = headers(&dialect, &input("x", body, "s3cret"));
            assert!(
                headers.contains(&format!("\n{header}: {prefix}{answer}\n")),
                "{body}"
            );
        }
    }
}

#[test]
fn a_value_that_no_header_can_have_is_a_fault_not_a_panic() {
    let fault = builtin("patra")
        .request(&input("card\n.created", "{}", "s"))
        .err()
        .unwrap();
    let name = "x-patra-event".parse().unwrap();
    assert_eq!(fault, HeaderFault::Value(name));
}

#[test]
fn nothing_goes_out_unsigned_or_signed_with_a_private_key() {
    const PAIR: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    let fault = |name: &str, secret, newer_secrets: &[&str]| {
        let input = SignInput {
            newer_secrets,
            ..input("a.b", "{}", secret)
        };
        builtin(name).request(&input).err()
    };
    let (no_key, pair) = (
        Some(HeaderFault::Secret(SecretFault::NoKey)),
        Some(HeaderFault::Secret(SecretFault::KeyPair)),
    );
    assert_eq!(fault("standard", "plain", &[]), no_key);
    assert_eq!(fault("standard", "plain", &["as plain"]), no_key);
    assert_eq!(
        fault("standard", "plain", &[STANDARD_SECRET]),
        None,
        "the newer one signs"
    );
    assert_eq!(
        fault("standard", STANDARD_SECRET, &["plain"]),
        None,
        "the older one signs"
    );
    assert_eq!(fault("standard", PAIR, &[]), None);
    assert_eq!(fault("odin", "plain", &[]), None);
    assert_eq!(fault("odin", PAIR, &[]), pair);
    assert_eq!(fault("odin", "plain", &[PAIR]), pair);
    assert_eq!(fault("stripe", PAIR, &["plain"]), pair);
}

#[test]
fn an_own_file_signs_for_each_secret_and_names_its_agent() {
    let stripe_like = r#"
        name = "own"
        description = "One that lists both signatures."
        event_id = "{uuid}"
        timeout = "3s"
        body_limit = 1000
        success = ["200", "204"]
        disable = "never"
        standard_webhooks = false
        user_agent = "Own-Webhooks/2"
        envelope = [
          { key = "meta", fields = [{ key = "v", value = 2 }, { key = "live", value = true }] },
          { key = "at", from = "time_unix_millis" },
          { key = "extra", from = "metadata" },
          { key = "payload", from = "data" },
        ]
        headers = { X-Sent = "{timestamp}/{id}" }
        ladder = { waits = [] }
        any_type = { example = "x", sample = "{}" }
        [[signature]]
        algorithm = "hmac-sha512"
        encoding = "base64"
        signed = "{id}.{timestamp}.{body}"
        header = "X-Sig"
        value = "t={timestamp},v1={signature}"
        overlap = ",v1={signature}"
    "#;
    let dialects = Dialects::builtin()
        .with_file("own.toml", stripe_like)
        .unwrap();
    let own = dialects.get("own").unwrap();
    let data = json("{}");
    let body = body(own, &facts("x", &data, "1970-01-01T00:00:01.5Z"));
    assert_eq!(
        body,
        r#"{"meta":{"v":2,"live":true},"at":1500,"payload":{}}"#
    );
    assert!(!own.signs_with_one_secret());

    let of = |secret, newer_secrets| {
        let input = SignInput {
            newer_secrets,
            traceparent: None,
            ..input("x", &body, secret)
        };
        headers(own, &input)
    };
    let (old, new) = (of("old", &[]), of("new", &[]));
    assert!(old.starts_with("content-type: application/json\nuser-agent: Own-Webhooks/2\nx-sent: 1696680000/evt_abc123\nx-sig: t=1696680000,v1="));
    let new_signature = new.rsplit_once(',').unwrap().1;
    assert_eq!(
        of("old", &["new", "new"]),
        format!("{old},{new_signature},{new_signature}")
    );
}

#[test]
fn names_are_spelled_as_in_the_file() {
    let spelled = |name| {
        builtin(name)
            .spelled_headers()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        spelled("patra"),
        ["X-Patra-Delivery", "X-Patra-Event", "X-Patra-Signature"]
    );
    assert!(spelled("standard").is_empty());
    let odin = builtin("odin");
    assert_eq!(
        odin.signed_with(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]),
        [
            ("X-Odin-Signature", "hmac-sha256"),
            ("webhook-signature", "v1")
        ]
    );
    let sent = |name: &str| match name {
        "x-odin-signature" => Some("t=1,v1=00"),
        "webhook-signature" => Some("v1a,x v1,y v1,z"),
        _ => None,
    };
    assert_eq!(
        odin.signed_in(sent),
        [
            ("X-Odin-Signature", "hmac-sha256"),
            ("webhook-signature", "v1"),
            ("webhook-signature", "v1a")
        ]
    );
    assert!(odin.signed_in(|_| None).is_empty());
    let plain = odin.source.replace(
        "name = \"odin\"",
        "name = \"own\"\nhttp_version = \"1.1\"\nkeep_alive = false",
    );
    let own = Dialects::builtin().with_file("own.toml", &plain);
    let own = own.unwrap().get("own").unwrap().clone();
    assert!(own.http1_only && !own.keep_alive && !odin.http1_only && odin.keep_alive);
}

#[test]
fn github_signs_the_bare_payload_twice() {
    let github = builtin("github");
    let data = json(r#"{"zen":"Small is beautiful.","hook_id":109}"#);
    let body = body(&github, &facts("ping", &data, "2025-01-15T09:30:00Z"));
    assert_eq!(body, r#"{"zen":"Small is beautiful.","hook_id":109}"#);
    let answers = in_node(
        "['sha256', 'sha1'].map((name) => `${name}=${require('crypto').createHmac(name, 's3cret').update(line).digest('hex')}`).join(' ')",
        std::slice::from_ref(&body),
    );
    let (sha256, sha1) = answers[0].split_once(' ').unwrap();
    let headers = headers(&github, &input("ping", &body, "s3cret"));
    for line in [
        "x-github-event: ping",
        "x-github-delivery: 01927d5c-0000-8000-8000-000000000001",
        &format!("x-hub-signature-256: {sha256}"),
        &format!("x-hub-signature: {sha1}"),
    ] {
        assert!(
            headers.contains(&format!("\n{line}\n")),
            "{line}: {headers}"
        );
    }
}

#[test]
fn stripe_wraps_the_object_in_an_event() {
    let stripe = builtin("stripe");
    let data = json(r#"{"object":{"id":"ch_1"},"previous_attributes":{"paid":false}}"#);
    let body = body(
        &stripe,
        &facts("charge.refunded", &data, "2025-01-15T09:30:00.5Z"),
    );
    assert_eq!(
        body,
        r#"{"id":"evt_abc123","object":"event","api_version":"2024-06-20","created":1736933400,"data":{"object":{"id":"ch_1"},"previous_attributes":{"paid":false}},"livemode":true,"pending_webhooks":1,"request":{"id":"req_123456"},"type":"charge.refunded"}"#
    );
    assert!(!stripe.signs_with_one_secret());
}

#[test]
fn slack_wraps_what_happened_in_a_callback() {
    let slack = builtin("slack");
    let data = json(r#"{"type":"message","text":"hi"}"#);
    let body = body(&slack, &facts("message", &data, "2025-01-15T09:30:00Z"));
    assert_eq!(
        body,
        r#"{"type":"event_callback","event":{"type":"message","text":"hi"},"event_id":"evt_abc123","event_time":1736933400}"#
    );
}

#[test]
fn both_schemes_of_a_rotation_are_told() {
    let standard = builtin("standard");
    let pair = crate::KeyPair::from_seed([7; 32]).secret();
    let name = "webhook-signature";
    assert_eq!(standard.signed_with(&[&pair]), [(name, "v1a")]);
    for secrets in [[&*pair, STANDARD_SECRET], [STANDARD_SECRET, &*pair]] {
        let told = standard.signed_with(&secrets);
        assert_eq!(told, [(name, "v1"), (name, "v1a")]);
    }
}
