//! The times of the log: spans and order are of the times that its entries show.

use rung_core::domain::time::Time;
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
        for place in [0, 1, 2, 19, 20, 21, 29] {
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
async fn pages_of_one_hold_what_a_page_of_a_hundred_holds() {
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

/// One second after another, though all are due at one moment.
#[tokio::test(start_paused = true)]
async fn what_waited_for_a_rate_limit_is_listed_when_it_began() {
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let (webhook, entries) = paced(&world, &tenant).await;
    for list in lists(&webhook) {
        // The last ones are more than twenty seconds late.
        let last = page(&world, &tenant, &format!("{list}?limit=5")).await;
        let newest: Vec<_> = ids(&entries).into_iter().rev().take(5).collect();
        assert_eq!(ids(&last), newest, "{list}");
    }
}

/// What waits for the end of a pause is due hours before it is sent.
#[tokio::test(start_paused = true)]
async fn what_waited_for_a_pause_is_listed_when_it_began() {
    const HOUR_MS: u64 = 3_600_000;
    let world = World::new().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = world.webhook(&tenant).await;
    let other = world.webhook(&tenant).await;
    let until_ms = world.now_ms() + 3 * HOUR_MS;
    let end = Time::at_ms(until_ms);
    change(&world, &tenant, &webhook, json!({"pause": {"until": end}})).await;
    burst(&world, &tenant, 0, 4).await;
    world.pass(HOUR_MS).await;
    burst(&world, &tenant, 4, 1).await;
    world.pass(1_000).await;
    let before = page(&world, &tenant, "/v1/logs?order=asc").await;
    assert_eq!(before.len(), 5, "the other webhook waits for nobody");
    assert!(before.iter().all(|entry| entry["webhook_id"] == other));
    world.pass(3 * HOUR_MS).await;

    for list in lists(&webhook) {
        let others = if list == "/v1/logs" { 5 } else { 0 };
        for limit in [1, 2, 5, 100] {
            let path = format!("{list}?limit={limit}");
            let since = format!("{path}&order=asc&since={end}");
            let since = walk(&world, &tenant, &since).await;
            assert_eq!(since.len(), 5, "{path}");
            assert!(since.iter().all(|entry| entry["webhook_id"] == webhook));
            assert!(starts(&since).is_sorted(), "{path}");
            // Newest first, they stand before what was sent while they waited.
            let all = walk(&world, &tenant, &path).await;
            assert_eq!(all.len(), 5 + others, "{path}");
            let newest: Vec<_> = ids(&since).into_iter().rev().collect();
            assert_eq!(ids(&all[..5]), newest, "{path}");
            let third = starts(&since)[2];
            let between = format!("{list}?since={end}&until={third}");
            assert_eq!(page(&world, &tenant, &between).await.len(), 2);
        }
        let until = page(&world, &tenant, &format!("{list}?until={end}")).await;
        assert_eq!(until.len(), others, "{list}");
    }
}
