//! Lists over all tenants, for an operator's key that names none.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{As, World};

/// What the items of a list say of one member, page by page.
async fn walk(world: &World, path: &str, list: &str, member: &str, limit: usize) -> Vec<String> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let first = format!("{path}{joint}limit={limit}");
    let (mut all, mut path) = (Vec::new(), first.clone());
    loop {
        let page = world.get(&As::operator(), &path).await;
        let data = page.data(200);
        let items = data[list].as_array().unwrap();
        assert!(items.len() <= limit, "{path}");
        let members = items.iter().map(|item| item[member].as_str().unwrap());
        all.extend(members.map(str::to_owned));
        match data["next_cursor"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => return all,
        }
    }
}

async fn publish(world: &World, tenant: &As, id: &str) {
    let event = json!({"id": id, "type": "a.b", "data": {}});
    let published = world.send(tenant, "POST", "/v1/events", event).await;
    published.data(202);
    world.pass(10).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_tenant_lists_span_all_of_them() {
    let world = World::new().await;
    let mut tenants = Vec::new();
    // Ids are each tenant's own.
    for name in ["one", "two", "three"] {
        let tenant = world.tenant(name, "standard", "pro").await;
        let whole = json!({
            "url": format!("https://example.com/{name}"), "events": ["a.*"], "metadata": {"of": name},
        });
        let operator = As::operator_for(name);
        let made = world
            .send(&operator, "PUT", "/v1/webhooks/same", whole)
            .await;
        made.data(201);
        tenants.push(tenant);
        world.pass(10).await;
    }
    for id in ["e1", "e2"] {
        for tenant in &tenants {
            publish(&world, tenant, id).await;
        }
    }
    world.pass(1_000).await;
    let once = ["three", "two", "one"];
    let twice = ["three", "two", "one", "three", "two", "one"];
    for (path, list, all) in [
        ("/v1/webhooks", "webhooks", &once[..]),
        ("/v1/webhooks?status=active", "webhooks", &once),
        ("/v1/webhooks?event_type=a.b&q=EXAMPLE", "webhooks", &once),
        ("/v1/webhooks?metadata.of=two", "webhooks", &["two"]),
        ("/v1/webhooks?event_type=b.*,a.*", "webhooks", &once),
        ("/v1/webhooks?event_type=b.*", "webhooks", &[]),
        ("/v1/webhooks?health=disabled", "webhooks", &[]),
        ("/v1/webhooks?health=disabled,healthy", "webhooks", &once),
        (
            "/v1/webhooks?health=healthy&status=disabled",
            "webhooks",
            &[],
        ),
        ("/v1/events", "events", &twice),
        ("/v1/events?type=a.b", "events", &twice),
        ("/v1/events?type=a.c", "events", &[]),
        ("/v1/events?type=a.*", "events", &twice),
        ("/v1/events?type=b.*,a.b", "events", &twice),
        ("/v1/events?type=b.*,a.b.*", "events", &[]),
        ("/v1/logs", "logs", &twice),
        ("/v1/logs?event_id=e1", "logs", &once),
        ("/v1/logs?event_id=e1,e2,e3", "logs", &twice),
        ("/v1/logs?event_type=a.*&status=succeeded", "logs", &twice),
        ("/v1/logs?status=failed", "logs", &[]),
    ] {
        for limit in [1, 2, 4, 100] {
            let newest_first = walk(&world, path, list, "tenant_id", limit).await;
            assert_eq!(newest_first, all, "{path} by {limit}");
            let joint = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{joint}order=asc");
            let mut oldest_first = walk(&world, &path, list, "tenant_id", limit).await;
            oldest_first.reverse();
            assert_eq!(oldest_first, all, "{path} by {limit}");
        }
    }
    let stats = world.get(&As::operator(), "/v1/stats").await;
    assert_eq!(stats.data(200)["stats"]["succeeded"], 6);

    // An id is one within a tenant.
    for path in [
        "/v1/webhooks/same",
        "/v1/webhooks/same/logs",
        "/v1/webhooks/same/stats",
        "/v1/events/e1",
        "/v1/logs?webhook_id=same",
    ] {
        let refused = world.get(&As::operator(), path).await;
        refused.assert_error(422, "tenant_required");
        if path.contains('?') {
            assert_eq!(refused.fields(), ["webhook_id"]);
        }
    }
    // A cursor is good for the list that it is of.
    let page = world.get(&As::operator(), "/v1/events?limit=1").await;
    let cursor = page.data(200)["next_cursor"].as_str().unwrap().to_owned();
    let refused = world
        .get(&tenants[0], &format!("/v1/events?cursor={cursor}"))
        .await;
    refused.assert_error(422, "invalid_request");
    assert_eq!(refused.fields(), ["cursor"]);
}

/// What more than one batch holds comes batch by batch, each item once.
#[tokio::test(start_paused = true)]
async fn lists_of_many_tenants_are_read_in_batches() {
    let world = World::new().await;
    let mut expected = BTreeSet::new();
    for number in 0..28 {
        let name = format!("t{number}");
        let tenant = world.tenant(&name, "standard", "pro").await;
        world.webhook(&tenant).await;
        publish(&world, &tenant, &name).await;
        expected.insert(name);
    }
    world.pass(1_000).await;
    for (path, list, member) in [
        ("/v1/events", "events", "id"),
        ("/v1/events?order=asc", "events", "id"),
        ("/v1/logs", "logs", "event_id"),
        ("/v1/logs?order=asc", "logs", "event_id"),
    ] {
        for limit in [3, 25, 100] {
            let found = walk(&world, path, list, member, limit).await;
            assert_eq!(found.len(), 28, "{path} by {limit}");
            assert_eq!(
                found.into_iter().collect::<BTreeSet<_>>(),
                expected,
                "{path}"
            );
        }
    }
    let first = world.get(&As::operator(), "/v1/events?limit=100").await;
    let events = first.data(200)["events"].clone();
    assert_eq!(
        (&events[0]["id"], &events[25]["id"]),
        (&json!("t24"), &json!("t27"))
    );
}

/// One call for the failing ones of all tenants, whose cost is that of its page: it reads no webhook that is not failing.
#[tokio::test(start_paused = true)]
async fn failing_webhooks_of_all_tenants_are_found_in_one_call() {
    let world = World::new().await;
    let mut tenants = Vec::new();
    for number in 0..40 {
        let tenant = world.tenant(&format!("t{number}"), "brief", "pro").await;
        world.webhook(&tenant).await;
        tenants.push(tenant);
        world.pass(1).await;
    }
    let failing = async || {
        let before = world.calls();
        let found = world
            .get(&As::operator(), "/v1/webhooks?health=failing")
            .await;
        let found = found.data(200)["webhooks"].clone();
        let names = found.as_array().unwrap().iter();
        let names: Vec<_> = names
            .map(|webhook| webhook["tenant_id"].as_str().unwrap().to_owned())
            .collect();
        (names, world.calls() - before)
    };
    assert_eq!(failing().await.0, Vec::<String>::new());
    world.answer(500);
    for number in [3, 17] {
        publish(&world, &tenants[number], "failed").await;
    }
    world.pass(5_000).await;
    let (names, calls) = failing().await;
    assert_eq!(names, ["t17", "t3"]);
    // The list, the two webhooks, and what each one's statistics say.
    assert!(calls <= 4, "{calls} calls");

    // What is changed meanwhile stays in its list; what is disabled, or succeeds, leaves it.
    let list = world.get(&tenants[3], "/v1/webhooks").await;
    let id = list.data(200)["webhooks"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/webhooks/{id}");
    let patch = async |change: Value| {
        let changed = world.send(&tenants[3], "PATCH", &path, change).await;
        changed.data(200)["webhook"]["health"].clone()
    };
    assert_eq!(patch(json!({"name": "n"})).await, "failing");
    assert_eq!(failing().await.0, ["t17", "t3"]);
    assert_eq!(patch(json!({"status": "disabled"})).await, "disabled");
    assert_eq!(failing().await.0, ["t17"]);
    let disabled = walk(&world, "/v1/webhooks?health=disabled", "webhooks", "id", 1).await;
    assert_eq!(disabled, [id]);
    assert_eq!(patch(json!({"status": "active"})).await, "healthy");
    world.answer(200);
    publish(&world, &tenants[17], "succeeds").await;
    world.pass(1_000).await;
    assert_eq!(failing().await.0, Vec::<String>::new());
    let healthy = walk(&world, "/v1/webhooks?health=healthy", "webhooks", "id", 100).await;
    assert_eq!(healthy.len(), 40);
}
