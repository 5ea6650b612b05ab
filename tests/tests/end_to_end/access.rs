//! Tenants and keys: who may do what, and what the operator can send wrong.

use rung_tests::{Tenant, eventually};
use serde_json::json;

use crate::rung;

#[tokio::test]
async fn keys() {
    let rung = rung(&[]).await;
    let admin = rung.admin();
    let odin = Tenant::create(&rung, "t", "odin").await;
    let list = "/v1/webhooks";
    odin.api
        .without_key()
        .get(list)
        .await
        .refused(401, "unauthorized");
    for key in [
        "",
        "rk_wrong",
        &format!("{}x", odin.key),
        &odin.key[..odin.key.len() - 1],
    ] {
        odin.api
            .with_key(key)
            .get(list)
            .await
            .refused(401, "unauthorized");
    }
    let basic = odin
        .api
        .without_key()
        .with_header("Authorization", &format!("Basic {}", odin.key));
    basic.get(list).await.refused(401, "unauthorized");

    // Scopes.
    let event = json!({"type": "user.lesson.completed", "data": {}});
    let webhook = json!({"url": "http://127.0.0.1:9/", "events": ["user"]});
    for (scope, may_manage) in [("manage", true), ("publish", false)] {
        let reply = admin
            .post(
                "/v1/tenants/t/keys",
                &json!({"name": scope, "scopes": [scope]}),
            )
            .await;
        let key = reply.ok()["key"].clone();
        assert!(key["key"].as_str().unwrap().starts_with("rk_"), "{key}");
        assert_eq!(key["scopes"], json!([scope]));
        let api = odin.api.with_key(key["key"].as_str().unwrap());
        let managing = api.post(list, &webhook).await;
        let publishing = api.post("/v1/events", &event).await;
        let (granted, refused) = if may_manage {
            (managing, publishing)
        } else {
            (publishing, managing)
        };
        granted.ok();
        refused.refused(403, "forbidden");
    }

    // Tenants and keys are the operator's affair.
    for (method, path) in [
        ("GET", "/v1/tenants"),
        ("GET", "/v1/tenants/t"),
        ("DELETE", "/v1/tenants/t"),
        ("GET", "/v1/tenants/t/keys"),
    ] {
        odin.api
            .call(method, path)
            .send()
            .await
            .refused(403, "forbidden");
    }
    odin.api
        .post("/v1/tenants", &json!({"id": "mine", "name": "Mine"}))
        .await
        .refused(403, "forbidden");
    odin.api
        .post("/v1/tenants/t/keys", &json!({"scopes": ["manage"]}))
        .await
        .refused(403, "forbidden");

    // The operator speaks for a tenant, and says for which.
    admin
        .get("/v1/webhooks/webhook_1")
        .await
        .refused(422, "tenant_required");
    admin.get(list).await.data(200);
    admin.for_tenant("t").get(list).await.data(200);
    admin
        .for_tenant("nobody")
        .get(list)
        .await
        .refused(404, "not_found");

    // No key is made that has ended.
    let past = json!({"scopes": ["manage"], "expires_at": "2001-01-01T00:00:00Z"});
    admin
        .post("/v1/tenants/t/keys", &past)
        .await
        .refused_for(422, "invalid_request", "expires_at");
}

/// An operator who moves to Rung brings the customers' keys along as hashes.
#[tokio::test]
async fn a_key_brought_along() {
    use sha2::Digest as _;
    let rung = rung(&[]).await;
    let odin = Tenant::create(&rung, "t", "odin").await;
    let hash = hex::encode(sha2::Sha256::digest("YOUR_API_KEY"));
    let request = json!({"name": "old", "scopes": ["manage"], "key_sha256": hash});
    rung.admin().post("/v1/tenants/t/keys", &request).await.ok();
    odin.api
        .with_key("YOUR_API_KEY")
        .get("/v1/webhooks")
        .await
        .data(200);
    odin.api
        .with_key(&hash)
        .get("/v1/webhooks")
        .await
        .refused(401, "unauthorized");
    let wrong = json!({"scopes": ["manage"], "key_sha256": "not a hash"});
    rung.admin()
        .post("/v1/tenants/t/keys", &wrong)
        .await
        .refused_for(422, "invalid_request", "key_sha256");
}

#[tokio::test]
async fn tenants() {
    let rung = rung(&[]).await;
    let admin = rung.admin();
    let existing = Tenant::create(&rung, "t", "odin").await;
    for (body, name) in [
        (json!({}), "name"),
        (json!({"name": 7}), "name"),
        (json!({"name": "N", "colour": "red"}), "colour"),
        (json!({"name": "N", "dialect": "klingon"}), "dialect"),
        (json!({"name": "N", "dialect": 7}), "dialect"),
        (json!({"name": "N", "id": "a b"}), "id"),
        (json!({"name": "N", "id": "a".repeat(65)}), "id"),
        (json!({"name": "N", "id": ""}), "id"),
        (json!({"name": "N", "plan": 7}), "plan"),
    ] {
        admin
            .post("/v1/tenants", &body)
            .await
            .refused_for(422, code_of(name), name);
    }
    admin
        .post(
            "/v1/tenants",
            &json!({"id": "t", "name": "Again", "dialect": "patra"}),
        )
        .await
        .refused(409, "id_taken");
    admin
        .patch("/v1/tenants/t", &json!({"dialect": "klingon"}))
        .await
        .refused_for(422, "invalid_request", "dialect");
    admin
        .patch("/v1/tenants/t", &json!({"colour": "red"}))
        .await
        .refused_for(422, "unknown_field", "colour");
    let shown = admin.get("/v1/tenants/t").await.data(200)["tenant"].clone();
    assert_eq!(
        (&shown["id"], &shown["dialect"], &shown["plan"]),
        (&json!("t"), &json!("odin"), &json!("pro"))
    );
    let listed = admin.get("/v1/tenants").await.data(200)["tenants"].clone();
    assert_eq!(
        listed.as_array().map(Vec::len),
        Some(1),
        "nothing was made: {listed}"
    );
    for (body, name) in [
        (json!({"scopes": []}), "scopes"),
        (json!({"scopes": ["rule"]}), "scopes"),
        (json!({"scopes": "manage"}), "scopes"),
        (
            json!({"scopes": ["manage"], "expires_at": "soon"}),
            "expires_at",
        ),
        (json!({"scopes": ["manage"], "colour": "red"}), "colour"),
    ] {
        admin
            .post("/v1/tenants/t/keys", &body)
            .await
            .refused_for(422, code_of(name), name);
    }
    for path in ["/v1/tenants/nobody", "/v1/tenants/nobody/keys"] {
        admin.get(path).await.refused(404, "not_found");
    }
    admin
        .delete("/v1/tenants/t/keys/none")
        .await
        .refused(404, "not_found");

    // A deleted tenant's keys open nothing any more.
    admin.delete("/v1/tenants/t").await.ok();
    admin.get("/v1/tenants/t").await.refused(404, "not_found");
    eventually("the key to be refused", async || {
        (existing.api.get("/v1/webhooks").await.status == 401).then_some(())
    })
    .await;
}

fn code_of(field: &str) -> &'static str {
    match field {
        "colour" => "unknown_field",
        _ => "invalid_request",
    }
}
