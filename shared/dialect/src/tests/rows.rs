//! The rows of the dialects' table that are no bytes: ladders, rules, catalogues.

use rung_json::Json;

use super::builtin;
use crate::{Dialects, EVERY_TYPE, ladder::DisableRule};

const S: u64 = 1000;
const MIN: u64 = 60 * S;
const H: u64 = 60 * MIN;

const STANDARD_WAITS: [u64; 9] = [
    5 * S,
    5 * MIN,
    30 * MIN,
    2 * H,
    5 * H,
    10 * H,
    14 * H,
    20 * H,
    24 * H,
];

#[test]
fn each_ladder_has_the_waits_of_its_document() {
    for (name, waits_ms, jitter) in [
        ("standard", &STANDARD_WAITS[..], 0.1),
        ("badger", &STANDARD_WAITS, 0.1),
        ("patra", &[0, 5 * MIN, H, 6 * H, 24 * H], 0.0),
        ("bharatcart", &[MIN, 10 * MIN, H], 0.0),
        (
            "reward",
            &[30 * S, 2 * MIN, 8 * MIN, 32 * MIN, 128 * MIN],
            0.1,
        ),
        ("odin", &[MIN, 5 * MIN, 30 * MIN, 2 * H, 6 * H], 0.0),
        ("github", &[], 0.0),
        ("slack", &[0, MIN, 5 * MIN], 0.0),
    ] {
        let ladder = &builtin(name).ladder;
        assert_eq!(ladder.waits_ms(), waits_ms, "{name}");
        assert_eq!(ladder.jitter(), jitter, "{name}");
    }
}

#[test]
fn each_rule_is_that_of_its_document() {
    for (name, timeout_ms, body_limit_bytes, disable) in [
        (
            "standard",
            15_000,
            262_144,
            DisableRule::FailingFor { ms: 5 * 24 * H },
        ),
        ("badger", 10_000, 102_400, DisableRule::Never),
        ("patra", 5_000, 102_400, DisableRule::LadderUsedUp),
        (
            "bharatcart",
            10_000,
            102_400,
            DisableRule::ConsecutiveFailures(10),
        ),
        ("reward", 10_000, 102_400, DisableRule::Never),
        ("odin", 5_000, 102_400, DisableRule::LadderUsedUp),
    ] {
        let dialect = builtin(name);
        assert_eq!(dialect.timeout_ms, timeout_ms, "{name}");
        assert_eq!(dialect.body_limit_bytes, body_limit_bytes, "{name}");
        assert_eq!(dialect.disable, disable, "{name}");
        let own_rules = [
            dialect.gone_disables,
            dialect.honours_retry_after,
            dialect.throttles,
        ];
        assert_eq!(own_rules, [name == "standard"; 3], "{name}");
        for status in [200, 400, 408, 429, 500, 501, 502, 503, 504, 505] {
            let throttled = name == "standard" && [429, 502, 503, 504].contains(&status);
            assert_eq!(
                dialect.is_throttled_by(status),
                throttled,
                "{name} {status}"
            );
        }
        assert!(!dialect.prolongs_waits(), "{name}");
        assert_eq!(
            dialect.reparse_safe,
            ["patra", "badger"].contains(&name),
            "{name}"
        );
        assert_eq!(
            dialect.signs_with_one_secret(),
            !["standard", "reward"].contains(&name),
            "{name}"
        );
    }
}

#[test]
fn patra_wants_200_the_others_any_2xx() {
    for dialect in Dialects::builtin().iter() {
        assert!(dialect.is_success(200), "{}", dialect.name);
        assert_eq!(dialect.is_success(204), dialect.name != "patra");
        assert_eq!(dialect.is_success(299), dialect.name != "patra");
        for status in [0, 199, 300, 410, 500] {
            assert!(!dialect.is_success(status), "{} {status}", dialect.name);
        }
    }
}

#[test]
fn odin_has_webhooks_on_two_plans_the_others_on_all() {
    for dialect in Dialects::builtin().iter() {
        let limited = dialect.name == "odin";
        assert_eq!(dialect.allows_plan(None), !limited);
        assert_eq!(dialect.allows_plan(Some("free")), !limited);
        assert_eq!(dialect.knows_plan("Pro"), !limited);
        assert!(dialect.knows_plan("free"));
        assert!(dialect.allows_plan(Some("pro")));
        assert!(dialect.allows_plan(Some("enterprise")));
    }
}

#[test]
fn each_catalogue_has_its_documents_types_in_its_groups() {
    for (name, expected) in [
        ("standard", &[][..]),
        (
            "badger",
            &[
                "even.created: event",
                "user.badge.unlocked: badge",
                "user.badge.progress.updated: badge",
                "user.reward.unlocked: reward",
                "user.points.earned: reward",
                "user_badge.streak.started: streak",
                "user.badge.streak.updated: streak",
                "user.badge.streak.ended: streak",
            ],
        ),
        (
            "patra",
            &[
                "card.created: card",
                "card.updated: card",
                "card.deleted: card",
                "contact.shared: contact",
                "contact.link_clicked: contact",
                "analytics.milestone: analytics",
            ],
        ),
        (
            "bharatcart",
            &[
                "order.created: order",
                "order.paid: order",
                "order.shipped: order",
                "order.delivered: order",
                "order.cancelled: order",
                "product.created: product",
                "product.updated: product",
                "product.deleted: product",
                "inventory.low: inventory",
            ],
        ),
        (
            "reward",
            &[
                "trigger_event.created: trigger_event",
                "balance.credit_points_issued: balance",
            ],
        ),
        (
            "odin",
            &[
                "user.lesson.completed: user",
                "user.progress.milestone: user",
                "user.streak.achieved: user",
                "content.mythology.updated: content",
                "content.saga.added: content",
                "content.rune.inscriptions.updated: content",
                "api.key.expiring: system",
                "api.rate_limit.warning: system",
                "api.quota.exceeded: system",
            ],
        ),
    ] {
        let dialect = builtin(name);
        let types = dialect.catalogue.types().iter();
        let listed: Vec<String> = types
            .map(|listed| format!("{}: {}", listed.name, listed.groups.join(" ")))
            .collect();
        assert_eq!(listed, expected, "{name}");
    }
}

#[test]
fn a_subscription_takes_in_types_by_name_alias_group_and_star() {
    let badger = builtin("badger");
    let catalogue = &badger.catalogue;
    for pattern in ["even.created", "event.created", "event", EVERY_TYPE] {
        assert_eq!(catalogue.check_pattern(pattern), Ok(()));
        assert!(catalogue.matches(pattern, "even.created"), "{pattern}");
        assert!(catalogue.matches(pattern, "event.created"), "{pattern}");
        assert_eq!(
            catalogue.matches(pattern, "user.points.earned"),
            pattern == EVERY_TYPE
        );
    }
    assert!(catalogue.matches("reward", "user.points.earned"));
    assert!(catalogue.matches("streak", "user_badge.streak.started"));
    assert!(!catalogue.matches("badge", "user_badge.streak.started"));
    assert_eq!(
        catalogue.resolve_type("event.created"),
        Some("even.created")
    );
    assert_eq!(catalogue.resolve_type("order.paid"), None);
    assert_eq!(catalogue.resolve_type("event"), None, "a group is no type");
    assert_eq!(
        catalogue.first_type_of("streak"),
        Some("user_badge.streak.started")
    );
    assert_eq!(
        catalogue.first_type_of("event.created"),
        Some("even.created")
    );
    assert_eq!(catalogue.first_type_of(EVERY_TYPE), Some("even.created"));
    assert_eq!(catalogue.first_type_of("order"), None);
    let fault = catalogue.check_pattern("order").unwrap_err().to_string();
    assert!(fault.starts_with("`order` is not an event type, group or prefix; known: `*`, badge, reward, streak, event, even.created"), "{fault}");
}

#[test]
fn standard_takes_any_well_formed_type() {
    let standard = builtin("standard");
    let catalogue = &standard.catalogue;
    let longest = "x".repeat(128);
    for name in ["a", "Order/paid_2-b.c", &longest] {
        assert_eq!(catalogue.resolve_type(name), Some(name));
        assert_eq!(catalogue.check_pattern(name), Ok(()));
        assert!(catalogue.matches(name, name));
        assert!(catalogue.matches(EVERY_TYPE, name));
        assert!(!catalogue.matches("b", name));
        assert!(catalogue.sample(name).is_some());
    }
    let too_long = "x".repeat(129);
    for name in ["", "a b", "ä", "a*", &too_long] {
        assert_eq!(catalogue.resolve_type(name), None);
        assert!(catalogue.check_pattern(name).is_err());
        assert!(catalogue.sample(name).is_none());
    }
    assert_eq!(catalogue.first_type_of(EVERY_TYPE), Some("example.created"));
}

#[test]
fn a_prefix_up_to_a_dot_takes_in_the_types_that_begin_so() {
    let badger = builtin("badger");
    let catalogue = &badger.catalogue;
    assert_eq!(catalogue.check_pattern("user.badge.*"), Ok(()));
    assert!(catalogue.matches("user.badge.*", "user.badge.streak.ended"));
    assert!(!catalogue.matches("user.badge.*", "user_badge.streak.started"));
    assert!(!catalogue.matches("user.badge.*", "user.points.earned"));
    assert!(catalogue.matches("event.*", "even.created"), "by its alias");
    assert_eq!(
        catalogue.first_type_of("user.points.*"),
        Some("user.points.earned")
    );
    for unknown in ["order.*", "user.b*", "user*", "*.created", ".*", "badge.*"] {
        assert!(catalogue.check_pattern(unknown).is_err(), "{unknown}");
    }

    let standard = builtin("standard");
    let catalogue = &standard.catalogue;
    assert_eq!(catalogue.check_pattern("order.*"), Ok(()));
    assert!(catalogue.matches("order.*", "order.paid.late"));
    assert!(!catalogue.matches("order.*", "order"));
    assert!(!catalogue.matches("order.*", "orders.paid"));
    assert_eq!(catalogue.first_type_of("order.*"), Some("example.created"));
    assert_eq!(
        catalogue.resolve_type("order.*"),
        None,
        "no type to publish"
    );
    for malformed in ["order*", "order.**", "a b.*", "*.*"] {
        assert!(catalogue.check_pattern(malformed).is_err(), "{malformed}");
    }
}

#[test]
fn the_schemas_of_the_documented_types_know_their_members_and_leave_the_rest_open() {
    for name in ["badger", "patra", "bharatcart", "reward", "odin"] {
        for listed in builtin(name).catalogue.types() {
            let schema = listed.schema.as_ref().unwrap();
            let (name, members) = (&listed.name, listed.sample.as_object().unwrap());
            assert_eq!(schema.check(&listed.sample).violations, [], "{name}");
            assert_eq!(
                schema.check(&Json::Object(Vec::new())).violations,
                [],
                "{name}"
            );
            let more = members
                .iter()
                .cloned()
                .chain([("more".to_owned(), Json::Null)]);
            assert_eq!(
                schema.check(&Json::Object(more.collect())).violations,
                [],
                "{name}"
            );
            for (member, _) in members {
                let wrong = Json::Object(vec![(member.clone(), Json::Bool(true))]);
                let violations = schema.check(&wrong).violations;
                assert_eq!(violations.len(), 1, "{name}: {member}");
                assert_eq!(violations[0].path.to_string(), *member);
            }
        }
    }
}

#[test]
fn every_type_has_a_sample_that_is_an_object_with_members() {
    for dialect in Dialects::builtin().iter() {
        for listed in dialect.catalogue.types() {
            assert!(
                listed
                    .sample
                    .as_object()
                    .is_some_and(|members| !members.is_empty()),
                "{}",
                listed.name
            );
            assert!(!listed.description.is_empty());
        }
    }
}

#[test]
fn ids_are_made_in_each_dialects_form() {
    for dialect in Dialects::builtin().iter() {
        let id = dialect.new_event_id(1_734_190_158_700, [7; 16]);
        let (prefix, length) = match &*dialect.name {
            "reward" => ("we_01jf2wkmvc", 29),
            "github" | "shopify" => ("07070707-0707-4707-8707-", 36),
            "slack" => ("Ev", 24),
            _ => ("evt_", 26),
        };
        assert!(id.starts_with(prefix), "{id}");
        assert_eq!(id.len(), length, "{id}");
    }
}

#[test]
fn the_longest_ladder_leaves_room_within_thirty_days() {
    for dialect in Dialects::builtin().iter() {
        assert!(
            dialect.longest_ladder_ms() < (30 - 7) * 24 * H,
            "{}",
            dialect.name
        );
    }
}
