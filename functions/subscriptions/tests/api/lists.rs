//! Lists: newest first, in pages, each item once.

use std::collections::HashMap;

use serde_json::json;

use crate::world::{As, World};

/// All ids of a list, page by page. With a filter the path has a query already.
async fn walk(world: &World, caller: &As, path: &str, list: &str, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let joint = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{joint}limit={limit}");
    let mut query = path.clone();
    loop {
        let page = world.get(caller, &query).await;
        let data = page.data(200);
        let items = data[list].as_array().unwrap();
        // Never a page of nothing: the one before it says that it was the last.
        assert!((1..=limit).contains(&items.len()), "{query}");
        let named = items.iter().map(|item| &item["id"]);
        ids.extend(named.map(|id| id.as_str().unwrap().to_owned()));
        match data["next_cursor"].as_str() {
            Some(cursor) => {
                query = format!("{path}&cursor={cursor}");
            }
            None => return ids,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_hold_everything_once_newest_first() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    // Each by its moment: some are made at the same one.
    let mut made = HashMap::new();
    for place in 0..25 {
        made.insert(world.webhook(&tenant).await, place / 3);
        if place % 3 == 2 {
            world.pass(1).await;
        }
    }
    let listed = walk(&world, &tenant, "/v1/webhooks", "webhooks", 7).await;
    let moments: Vec<_> = listed.iter().map(|id| made.remove(id).unwrap()).collect();
    assert!(made.is_empty());
    assert!(moments.is_sorted_by(|one, next| one >= next), "{moments:?}");
}

#[tokio::test(start_paused = true)]
async fn tenants_keys_logs_and_deliveries_have_pages_too() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let operator = As::operator();
    for number in 0..4 {
        world.tenant(&format!("t{number}"), "standard", "pro").await;
        world.key("acme", json!({"scopes": ["publish"]})).await;
        world.pass(1).await;
    }
    let tenants = walk(&world, &operator, "/v1/tenants", "tenants", 2).await;
    assert_eq!(tenants, ["t3", "t2", "t1", "t0", "acme"]);
    let keys = walk(&world, &operator, "/v1/tenants/acme/keys", "keys", 2).await;
    assert_eq!(keys.len(), 5);

    let webhook = world.webhook(&tenant).await;
    world.answer(500);
    for number in 0..9 {
        let event = json!({"id": format!("e{number}"), "type": "a.b", "data": {}});
        world
            .send(&tenant, "POST", "/v1/events", event)
            .await
            .data(202);
    }
    world.pass(1_000).await;
    for (list, limit) in [("logs", 2), ("deliveries", 4)] {
        let path = format!("/v1/webhooks/{webhook}/{list}");
        let mut items = walk(&world, &tenant, &path, list, limit).await;
        items.sort();
        items.dedup();
        assert_eq!(items.len(), 9, "{list}");
    }
}

/// A list in the one order is the other one turned round, whatever the size of its pages; a cursor goes on in its own.
#[tokio::test(start_paused = true)]
async fn lists_can_be_read_from_their_beginning() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let mut webhook = String::new();
    for _ in 0..4 {
        webhook = world.webhook(&tenant).await;
        world.pass(1).await;
    }
    world.answer(500);
    for number in 0..5 {
        let event = json!({"id": format!("e{number}"), "type": "a.b", "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        world.pass(5).await;
    }
    world.pass(100).await;
    for number in 0..3 {
        world.key("acme", json!({"scopes": ["publish"]})).await;
        let name = format!("k{number}");
        let key = json!({"name": name, "scopes": ["read"]});
        let made = world.send(&As::operator(), "POST", "/v1/keys", key).await;
        made.data(201);
        let links = "/v1/tenants/acme/portal-links";
        let made = world.send(&As::operator(), "POST", links, json!({})).await;
        made.data(201);
        world.pass(1).await;
    }
    for path in ["/v1/events/e0", "/v1/events/e1", "/v1/events/e2"] {
        let operator = As::operator_for("acme");
        let erased = world.send_text(&operator, "DELETE", path, "").await;
        erased.data(202);
        world.pass(1).await;
    }
    let own = |list: &str| format!("/v1/webhooks/{webhook}/{list}");
    let operator = As::operator();
    for (caller, path, list) in [
        (&tenant, "/v1/webhooks".to_owned(), "webhooks"),
        (&tenant, "/v1/webhooks?status=active".to_owned(), "webhooks"),
        (&tenant, "/v1/events".to_owned(), "events"),
        (&tenant, "/v1/events?type=a.b".to_owned(), "events"),
        (&tenant, own("logs"), "logs"),
        (&tenant, own("logs?status=failed"), "logs"),
        (&tenant, "/v1/logs".to_owned(), "logs"),
        (&tenant, own("deliveries"), "deliveries"),
        (&tenant, "/v1/jobs".to_owned(), "jobs"),
        (&tenant, "/v1/audit".to_owned(), "entries"),
        (&operator, "/v1/webhooks".to_owned(), "webhooks"),
        (&operator, "/v1/keys".to_owned(), "keys"),
        (&operator, "/v1/tenants/acme/keys".to_owned(), "keys"),
        (
            &operator,
            "/v1/tenants/acme/portal-links".to_owned(),
            "portal_links",
        ),
        (&operator, "/v1/jobs".to_owned(), "jobs"),
        (&operator, "/v1/audit".to_owned(), "entries"),
    ] {
        let joint = if path.contains('?') { '&' } else { '?' };
        let oldest_first = format!("{path}{joint}order=asc");
        let mut newest = walk(
            &world,
            caller,
            &format!("{path}{joint}order=desc"),
            list,
            100,
        )
        .await;
        assert!(newest.len() >= 3, "{path}");
        assert_eq!(walk(&world, caller, &path, list, 2).await, newest, "{path}");
        newest.reverse();
        for limit in [1, 2, 3, 100] {
            let oldest = walk(&world, caller, &oldest_first, list, limit).await;
            assert_eq!(oldest, newest, "{path} by {limit}");
        }
        let page = world.get(caller, &format!("{oldest_first}&limit=1")).await;
        let link = page.headers["link"].to_str().unwrap().to_owned();
        assert!(
            link.contains("order=asc") && link.contains("cursor="),
            "{link}"
        );
        let cursor = page.data(200)["next_cursor"].as_str().unwrap().to_owned();
        let turned = world
            .get(caller, &format!("{path}{joint}cursor={cursor}"))
            .await;
        turned.assert_error(422, "invalid_request");
        assert_eq!(turned.fields(), ["cursor"], "{path}");
        let wrong = world.get(caller, &format!("{path}{joint}order=up")).await;
        wrong.assert_error(422, "invalid_request");
        assert_eq!(wrong.fields(), ["order"], "{path}");
    }
}

/// What a filter leaves over fills the last page: nothing follows it, whatever else the list has.
#[tokio::test(start_paused = true)]
async fn filtered_lists_end_with_their_last_full_page() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let mut webhook = String::new();
    for place in 0..6 {
        let metadata = json!({"half": (place % 2).to_string()});
        let made = json!({"url": "https://example.com/", "events": ["*"], "metadata": metadata});
        let made = world.send(&tenant, "POST", "/v1/webhooks", made).await;
        webhook = made.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
        world.pass(1).await;
    }
    for place in 0..8 {
        world.answer(if place % 2 == 0 { 500 } else { 200 });
        let event = json!({"type": format!("half.{}", place % 2), "data": {}});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        // Sooner than the first retry.
        world.pass(100).await;
    }
    let logs = format!("/v1/webhooks/{webhook}/logs");
    for (path, list, count) in [
        ("/v1/webhooks?status=active".to_owned(), "webhooks", 6),
        ("/v1/webhooks?metadata.half=0".to_owned(), "webhooks", 3),
        ("/v1/webhooks?metadata.half=2,0".to_owned(), "webhooks", 3),
        ("/v1/webhooks?metadata.half=1,0".to_owned(), "webhooks", 6),
        (format!("{logs}?status=failed"), "logs", 4),
        (format!("{logs}?event_type=half.1"), "logs", 4),
        (format!("{logs}?until=2100-01-01T00:00:00Z"), "logs", 8),
        ("/v1/events?type=half.0".to_owned(), "events", 4),
        ("/v1/events?type=half.*".to_owned(), "events", 8),
        (
            "/v1/events?since=2025-10-09T08:00:00Z".to_owned(),
            "events",
            8,
        ),
    ] {
        for limit in 1..=count {
            let mut ids = walk(&world, &tenant, &path, list, limit).await;
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count, "{path} by {limit}");
        }
    }
}

/// A filter by type takes what subscribing takes: types by any of their names, groups, prefixes.
#[tokio::test(start_paused = true)]
async fn events_are_found_by_any_pattern_of_their_type() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "badger", "pro").await;
    let data = json!({"id": 1});
    for (id, name) in [("e1", "event.created"), ("e2", "user.reward.unlocked")] {
        let event = json!({"id": id, "type": name, "data": data});
        let published = world.send(&tenant, "POST", "/v1/events", event).await;
        published.data(202);
        world.pass(1).await;
    }
    for (query, found) in [
        ("event.created", &["e1"][..]),
        ("even.created", &["e1"]),
        ("event.*", &["e1"]),
        ("event", &["e1"]),
        ("reward", &["e2"]),
        ("badge", &[]),
        ("badge,user.reward.*,event", &["e2", "e1"]),
        ("*", &["e2", "e1"]),
    ] {
        let path = format!("/v1/events?type={query}");
        assert_eq!(walk_any(&world, &tenant, &path).await, found, "{query}");
    }
    for query in [
        "a%20b",
        "",
        "event,",
        "event*",
        "user.lesson.completed",
        "nope.*",
    ] {
        let path = format!("/v1/events?type={query}");
        let refused = world.get(&tenant, &path).await;
        refused.assert_error(422, "invalid_request");
        assert_eq!(refused.fields(), ["type"], "{query}");
    }
}

/// The ids of a list of events that may be empty.
async fn walk_any(world: &World, caller: &As, path: &str) -> Vec<String> {
    let page = world.get(caller, path).await;
    let events = page.data(200)["events"].as_array().unwrap().clone();
    assert!(events.iter().all(|event| event["tenant_id"] == "acme"));
    let ids = events.iter().map(|event| event["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_refuses_what_it_cannot_read() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    world.webhook(&tenant).await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("cursor=%21", "cursor"),
        // A position that nobody has sealed.
        ("cursor=MTc2MDAwMDAwMDAwMCN3", "cursor"),
        ("page=2", "page"),
        ("limit=1&limit=2", "limit"),
    ] {
        let refused = world.get(&tenant, &format!("/v1/webhooks?{query}")).await;
        let code = if field == "page" {
            "unknown_field"
        } else {
            "invalid_request"
        };
        refused.assert_error(422, code);
        assert_eq!(refused.fields(), [field], "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_goes_on_in_its_own_list_alone() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let other = world.tenant("other", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let second = world.webhook(&tenant).await;
    let others = world.webhook(&other).await;
    world.webhook(&other).await;
    world.answer(500);
    for caller in [&tenant, &other] {
        for _ in 0..2 {
            let event = json!({"type": "a.b", "data": {}});
            let published = world.send(caller, "POST", "/v1/events", event).await;
            published.data(202);
        }
    }
    world.pass(1_000).await;

    let list = |of: &str, name: &str| format!("/v1/webhooks/{of}/{name}");
    let lists = [
        (&tenant, "/v1/webhooks".to_owned()),
        (&tenant, list(&webhook, "logs")),
        (&tenant, list(&webhook, "deliveries")),
        (&tenant, list(&second, "logs")),
        (&other, "/v1/webhooks".to_owned()),
        (&other, list(&others, "logs")),
    ];
    for (caller, path) in &lists {
        let page = world.get(caller, &format!("{path}?limit=1")).await;
        let cursor = page.data(200)["next_cursor"].as_str().unwrap().to_owned();
        for (caller, other_path) in &lists {
            let answer = world
                .get(caller, &format!("{other_path}?cursor={cursor}"))
                .await;
            if std::ptr::eq(path, other_path) {
                answer.data(200);
            } else {
                answer.assert_error(422, "invalid_request");
                assert_eq!(answer.fields(), ["cursor"], "{path} in {other_path}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_and_methods_are_answered_in_the_same_form() {
    let world = World::new().await;
    let nobody = As::nobody();
    world
        .get(&nobody, "/v2/webhooks")
        .await
        .assert_error(404, "not_found");
    let wrong = world.send(&nobody, "PUT", "/v1/webhooks", json!({})).await;
    wrong.assert_error(405, "method_not_allowed");
    let allowed = wrong.headers["allow"].to_str().unwrap();
    assert!(
        allowed.contains("GET") && allowed.contains("POST"),
        "{allowed}"
    );
    assert!(wrong.headers.contains_key("x-request-id"));
    assert_eq!(
        world.get(&nobody, "/v1/health").await.data(200)["status"],
        "ok"
    );
}

/// Whoever follows links comes to the end of the list.
#[tokio::test(start_paused = true)]
async fn a_page_links_to_the_next_one_with_the_same_query() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    for _ in 0..3 {
        world.webhook(&tenant).await;
        world.pass(1).await;
    }
    let (mut path, mut pages) = ("/v1/webhooks?status=active&limit=2".to_owned(), 0);
    loop {
        let page = world.get(&tenant, &path).await;
        pages += 1;
        let next = page.data(200)["next_cursor"].as_str();
        let link = page.headers.get("link").map(|link| link.to_str().unwrap());
        let Some(next) = next else {
            assert_eq!(link, None);
            break;
        };
        let target = format!("/v1/webhooks?status=active&limit=2&cursor={next}");
        assert_eq!(link, Some(&*format!("<{target}>; rel=\"next\"")));
        path = target;
    }
    assert_eq!(pages, 2);
}

#[tokio::test(start_paused = true)]
async fn a_filter_by_status_knows_the_classes_that_there_are() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    for (wanted, right) in [
        ("1xx", true),
        ("5xx", true),
        ("404,5xx", true),
        ("0xx", false),
        ("6xx", false),
        ("404,9xx", false),
        ("+5xx", false),
        ("+500", false),
    ] {
        let wanted = wanted.replace('+', "%2B");
        let path = format!("/v1/logs?response_status={wanted}");
        let listed = world.get(&tenant, &path).await;
        if right {
            listed.data(200);
        } else {
            listed.assert_error(422, "invalid_request");
            assert_eq!(listed.fields(), ["response_status"], "{wanted}");
        }
    }
}
