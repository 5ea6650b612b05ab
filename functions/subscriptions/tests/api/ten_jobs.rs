//! docs/the-ten-jobs.md, as it is written: each job with its calls, and as many as it says.

use serde_json::{Value, json};

use crate::world::{As, World};

const PAGE: &str = include_str!("../../../../docs/the-ten-jobs.md");

/// A call of the page.
struct Call<'p> {
    method: &'p str,
    path: &'p str,
    tenant: Option<&'p str>,
    body: String,
}

fn call(text: &str) -> Call<'_> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (method, path) = first.split_once(' ').unwrap();
    let (tenant, body) = match rest.strip_prefix("Rung-Tenant: ") {
        Some(rest) => {
            let (tenant, body) = rest.split_once('\n').unwrap_or((rest, ""));
            (Some(tenant), body)
        }
        None => (None, rest),
    };
    Call {
        method,
        path,
        tenant,
        body: body.to_owned(),
    }
}

/// The jobs: the heading of each, and its calls.
fn jobs() -> Vec<(&'static str, Vec<Call<'static>>)> {
    let sections = PAGE.split("\n## ").skip(1);
    let jobs = sections.map(|section| {
        let title = section.lines().next().unwrap();
        let block = section.split("```http\n").nth(1).unwrap();
        let block = block.split("\n```").next().unwrap();
        (title, block.split("\n\n").map(call).collect())
    });
    jobs.collect()
}

#[tokio::test(start_paused = true)]
async fn each_job_takes_the_calls_that_the_page_shows() {
    let world = World::new().await;
    let jobs = jobs();
    assert_eq!(jobs.len(), 10);
    for (title, calls) in &jobs {
        let told: usize = title
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .nth(1)
            .unwrap();
        // Moving is told with its one webhook, and exporting with erasing.
        let more = usize::from(title.contains("each"));
        assert_eq!(calls.len(), told + more, "{title}");
        // What may be repeated is.
        let times = if title.starts_with("1.") { 2 } else { 1 };
        for _ in 0..times {
            for call in calls {
                let caller = match call.tenant {
                    Some(tenant) => As::operator_for(tenant),
                    None => As::operator(),
                };
                let answered = world
                    .send_text(&caller, call.method, call.path, &call.body)
                    .await;
                let place = format!("{title}: {} {}", call.method, call.path);
                assert!(answered.status < 300, "{place}: {}", answered.body);
                assert_eq!(answered.body["success"], true, "{place}");
            }
        }
        // One delivery is lost before it is looked for.
        world.answer(if title.starts_with("1.") { 500 } else { 200 });
        world.pass(1_000).await;
    }
    // Both events were sent.
    assert!(world.posts() >= 2, "{}", world.posts());
}

/// An outbox of however many tenants takes a call for each hundred events.
#[tokio::test(start_paused = true)]
async fn an_outbox_takes_a_call_for_a_hundred_events_of_as_many_tenants() {
    let world = World::still().await;
    let tenants: Vec<_> = (0..200).map(|n| format!("t{n}")).collect();
    for tenant in &tenants {
        let path = format!("/v1/tenants/{tenant}");
        let tenant = json!({"name": tenant});
        world
            .send(&As::operator(), "PUT", &path, tenant)
            .await
            .data(201);
    }
    let mut calls = 0;
    for tenants in tenants.chunks(100) {
        let events = tenants
            .iter()
            .map(|tenant| json!({"tenant": tenant, "id": "row", "type": "order.paid", "data": {}}));
        let batch = json!({"events": events.collect::<Vec<_>>()});
        let sent = world
            .send(&As::operator(), "POST", "/v1/events/batch", batch)
            .await;
        let results = sent.data(202)["results"].as_array().unwrap().clone();
        assert!(
            results
                .iter()
                .all(|result: &Value| result["success"] == true)
        );
        calls += 1;
    }
    assert_eq!(calls, 2);
}
