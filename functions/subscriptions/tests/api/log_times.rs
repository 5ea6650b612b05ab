//! The times of the log: spans and order are of the times that its entries show.

use serde_json::{Value, json};

use crate::world::{As, World};

/// Events numbered from `first` on, in one batch: all are due at one moment.
async fn burst(world: &World, caller: &As, first: usize, count: usize) {
    let events = (first..first + count)
        .map(|n| json!({"id": format!("e{n}"), "type": "a.b", "data": {"n": n}}));
    let batch = json!({"events": Vec::from_iter(events)});
    let path = "/v1/events/batch";
    world.send(caller, "POST", path, batch).await.data(202);
}

async fn change(world: &World, caller: &As, webhook: &str, change: Value) {
    let path = format!("/v1/webhooks/{webhook}");
    world.send(caller, "PATCH", &path, change).await.data(200);
}

/// All entries, page by page.
async fn walk(world: &World, caller: &As, path: &str) -> Vec<Value> {
    let (mut all, mut query) = (Vec::new(), path.to_owned());
    loop {
        let page = world.get(caller, &query).await;
        let data = page.data(200);
        let entries = data["logs"].as_array().unwrap();
        assert!(!entries.is_empty(), "{query}");
        all.extend(entries.clone());
        match data["next_cursor"].as_str() {
            Some(cursor) => query = format!("{path}&cursor={cursor}"),
            None => return all,
        }
    }
}

async fn page(world: &World, caller: &As, path: &str) -> Vec<Value> {
    let page = world.get(caller, path).await;
    page.data(200)["logs"].as_array().unwrap().clone()
}

/// Times of the API have one form, so they compare as texts.
fn starts(entries: &[Value]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| entry["attempted_at"].as_str().unwrap())
        .collect()
}

fn ids(entries: &[Value]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| entry["id"].as_str().unwrap())
        .collect()
}

/// Both lists, of a webhook and of the tenant's.
fn lists(webhook: &str) -> [String; 2] {
    [
        format!("/v1/webhooks/{webhook}/logs"),
        "/v1/logs".to_owned(),
    ]
}

/// Thirty events that are due at one moment, of which one follows each second, and what the log says of them, oldest first.
async fn paced(world: &World, tenant: &As) -> (String, Vec<Value>) {
    let webhook = world.webhook(tenant).await;
    change(world, tenant, &webhook, json!({"rate_limit_per_second": 1})).await;
    burst(world, tenant, 0, 30).await;
    world.pass(60_000).await;
    let mut entries = page(world, tenant, "/v1/logs?limit=100").await;
    entries.sort_by_key(|entry| entry["attempted_at"].to_string());
    assert_eq!(entries.len(), 30);
    assert!(starts(&entries).is_sorted_by(|one, next| one < next));
    (webhook, entries)
}

#[tokio::test(start_paused = true)]
async fn since_takes_what_began_then() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (webhook, entries) = paced(&world, &tenant).await;
    for list in lists(&webhook) {
        for place in [0, 1, 2, 19] {
            let at = starts(&entries)[place];
            for limit in [2, 100] {
                let path = format!("{list}?limit={limit}&order=asc&since={at}");
                let mut found = walk(&world, &tenant, &path).await;
                found.sort_by_key(|entry| entry["attempted_at"].to_string());
                assert_eq!(ids(&found), ids(&entries[place..]), "{path} {place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn until_leaves_out_what_began_then() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (webhook, entries) = paced(&world, &tenant).await;
    for list in lists(&webhook) {
        let first = format!("{list}?until={}", starts(&entries)[0]);
        assert!(page(&world, &tenant, &first).await.is_empty(), "{list}");
        for place in [1, 2, 19, 20, 21, 29] {
            let at = starts(&entries)[place];
            for limit in [2, 100] {
                let path = format!("{list}?limit={limit}&order=desc&until={at}");
                let mut found = walk(&world, &tenant, &path).await;
                found.sort_by_key(|entry| entry["attempted_at"].to_string());
                assert_eq!(ids(&found), ids(&entries[..place]), "{path} {place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_one_hold_what_a_page_of_a_hundred_holds_in_its_order() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (webhook, entries) = paced(&world, &tenant).await;
    // Another webhook, without a limit, has all at once.
    let other = world.webhook(&tenant).await;
    burst(&world, &tenant, 30, 10).await;
    world.pass(30_000).await;
    for list in lists(&webhook) {
        for filter in ["", "&status=succeeded", "&event_id=e3,e29,e33"] {
            for order in ["asc", "desc"] {
                let path = format!("{list}?order={order}{filter}");
                let listed = page(&world, &tenant, &format!("{path}&limit=100")).await;
                let mut wanted = starts(&listed);
                wanted.sort_unstable();
                if order == "desc" {
                    wanted.reverse();
                }
                assert_eq!(starts(&listed), wanted, "{path}");
                let others = if list == "/v1/logs" { 10 } else { 0 };
                let all = entries.len() + 10 + others;
                match filter {
                    "&event_id=e3,e29,e33" => assert_eq!(listed.len(), 3 + others / 10),
                    _ => assert_eq!(listed.len(), all, "{path}"),
                }
                for limit in [1, 3] {
                    let one = walk(&world, &tenant, &format!("{path}&limit={limit}")).await;
                    let (mut one, mut listed) = (ids(&one), ids(&listed));
                    one.sort_unstable();
                    listed.sort_unstable();
                    assert_eq!(one, listed, "{path} {limit} {other}");
                }
            }
        }
    }
}
