//! A webhook that learns another dialect while deliveries are on their way.

use serde_json::json;

use crate::world::{Reply, World};

#[tokio::test(start_paused = true)]
async fn a_delivery_keeps_the_dialect_that_its_event_was_accepted_in() {
    // The event has a body in the tenant's dialect, `standard`, and none in `reward`.
    for learnt in ["standard", "reward"] {
        let (world, _) = World::of("standard").await;
        let import = |dialect: &str| {
            let webhook = json!({"url": "http://b.test/hook", "events": ["*"], "dialect": dialect});
            world.call("PUT", "/v1/webhooks/w", webhook)
        };
        import("patra").await;
        world.script(|_, outgoing| {
            Reply::Status(if outgoing.url.host_str() == Some("b.test") {
                500
            } else {
                200
            })
        });
        world.publish("card.created").await;
        world.pass(1_000).await;
        import(learnt).await;
        world.script(|_, _| Reply::Status(200));
        world.pass(600_000).await;
        let logs = world.get("/v1/webhooks/w/logs").await;
        let newest = &logs["logs"][0];
        assert_eq!(newest["status"], "succeeded", "{learnt}: {logs}");
        let entry = newest["id"].as_str().unwrap();
        world
            .call(
                "POST",
                &format!("/v1/webhooks/w/logs/{entry}/retry"),
                json!(null),
            )
            .await;
        world.pass(10_000).await;

        let posts = world.posts();
        let of_patra: Vec<_> = posts
            .iter()
            .filter(|post| post.headers.contains_key("x-patra-signature"))
            .collect();
        assert_eq!(of_patra.len(), posts.len() - 1, "{learnt}: {posts:#?}");
        assert!(of_patra.len() >= 3, "{learnt}: {posts:#?}");
        assert!(
            of_patra.iter().all(|post| post.body == of_patra[0].body),
            "{learnt}: {posts:#?}"
        );
        let shown = world.get(&format!("/v1/webhooks/w/logs/{entry}")).await;
        assert_eq!(
            shown["log"]["request"]["body"],
            *String::from_utf8_lossy(&of_patra[0].body),
            "{learnt}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovered_delivery_keeps_the_dialect_that_it_was_posted_in() {
    for status in ["held", "any"] {
        let (world, _) = World::of("standard").await;
        let path = "/v1/webhooks/w";
        let import = |dialect: &str| {
            let webhook = json!({"url": "http://b.test/hook", "events": ["*"], "dialect": dialect});
            world.call("PUT", "/v1/webhooks/w", webhook)
        };
        import("patra").await;
        world.script(|_, _| Reply::Status(500));
        world.publish("card.created").await;
        // It waits for its third attempt.
        world.pass(10_000).await;
        let change = |status: &str| world.call("PATCH", path, json!({ "status": status }));
        change("disabled").await;
        import("standard").await;
        change("active").await;
        world.script(|_, _| Reply::Status(200));
        let request = json!({"since": "2025-10-09T00:00:00Z", "statuses": [status]});
        let recover = format!("{path}/recover");
        world.call("POST", &recover, request).await;
        world.pass(10_000).await;

        let posts = world.posts();
        let of_patra = posts
            .iter()
            .filter(|post| post.headers.contains_key("x-patra-signature"));
        let of_patra: Vec<_> = of_patra.collect();
        assert_eq!(of_patra.len(), 3, "{status}: {posts:#?}");
        assert!(
            of_patra.iter().all(|post| post.body == of_patra[0].body),
            "{status}: {posts:#?}"
        );
    }
}
