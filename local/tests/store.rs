//! Writers of tenants, keys and webhooks that meet: nobody's change is lost, and publishing sees each.

#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use rung_local::aws::{self, Aws};
use rung_shared::{
    clock::VirtualClock,
    domain::{
        id::{KeyId, TenantId, TenantName, WebhookId},
        tenant::{ApiKey, KeyHash, Scope, Tenant},
        webhook::{Disabled, Reason, Secret, Webhook},
    },
    json::Json,
    store::{Store, api_keys::KeyCreated, webhooks::WebhookWritten},
};

/// A table with the tenant `t`.
async fn store() -> Store {
    let clock = Arc::new(VirtualClock::starting_at(1_760_000_000_000));
    let aws = Aws::memory(&[], clock.clone()).unwrap();
    let (dynamodb, _) = aws::clients(aws::connector::InProcess::new(aws));
    let store = Store::new(dynamodb, "rung", clock, Duration::from_secs(30 * 86_400));
    store.create_table().await.unwrap();
    let tenant = Tenant {
        id: tenant(),
        name: Some("T".to_owned()),
        dialect: "standard".to_owned(),
        plan: None,
        retention_days: None,
        version: 0,
        created_ms: 1_760_000_000_000,
    };
    let made = store.create_tenant(&tenant).await.unwrap();
    assert_eq!(made.as_ref(), Some(&tenant));
    assert_eq!(store.create_tenant(&tenant).await.unwrap(), None);
    assert_eq!(store.tenant(&tenant.id).await.unwrap(), Some(tenant));
    store
}

fn tenant() -> TenantId {
    TenantId::parse("t").unwrap()
}

fn webhook() -> Webhook {
    Webhook {
        tenant: tenant(),
        id: WebhookId::parse("w").unwrap(),
        url: "https://example.com/".to_owned(),
        events: vec!["*".to_owned()],
        filter: None,
        rate_limit: None,
        name: Some("n".to_owned()),
        description: None,
        secret: Secret::new("s".to_owned()),
        old_secrets: Vec::new(),
        headers: [("X-A".to_owned(), "b".to_owned())].into(),
        metadata: Json::parse(br#"{"k": 12345678901234567890123, "a": 1e2}"#, 2).unwrap(),
        dialect: "standard".to_owned(),
        challenge: false,
        disabled: None,
        epoch: 0,
        revision: 0,
        enabled_ms: 1_760_000_000_000,
        created_ms: 1_760_000_000_000,
    }
}

fn disabled() -> Disabled {
    Disabled {
        at_ms: 1_760_000_000_007,
        reason: Reason::LadderUsedUp,
        log_ids: vec!["log_1-1-e".to_owned()],
    }
}

async fn version(store: &Store) -> u64 {
    store.tenant(&tenant()).await.unwrap().unwrap().version
}

async fn stored(store: &Store) -> Webhook {
    let id = WebhookId::parse("w").unwrap();
    store.webhook(&tenant(), &id).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_webhook_comes_back_as_it_was_written() {
    let store = store().await;
    let webhook = Webhook {
        disabled: Some(disabled()),
        description: Some("d".to_owned()),
        ..webhook()
    };
    assert_eq!(
        store.create_webhook(&webhook).await.unwrap(),
        WebhookWritten::Done
    );
    assert_eq!(stored(&store).await, webhook);
    let named = [(webhook.tenant.clone(), webhook.id.clone())];
    assert_eq!(
        store.webhooks(&named).await.unwrap(),
        std::slice::from_ref(&webhook)
    );
    assert_eq!(store.webhooks_of(&webhook.tenant).await.unwrap(), [webhook]);
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_of_what_both_read_the_second_is_told() {
    let store = store().await;
    store.create_webhook(&webhook()).await.unwrap();
    let read = stored(&store).await;
    let first = Webhook {
        name: None,
        ..read.clone()
    };
    let second = Webhook {
        url: "https://other.example/".to_owned(),
        ..read
    };
    assert_eq!(
        store.update_webhook(&first).await.unwrap(),
        WebhookWritten::Done
    );
    assert_eq!(
        store.update_webhook(&second).await.unwrap(),
        WebhookWritten::Conflict
    );
    assert_eq!(
        stored(&store).await,
        Webhook {
            revision: 1,
            ..first
        }
    );
}

#[tokio::test(start_paused = true)]
async fn each_change_of_a_webhook_raises_its_tenants_version_and_what_fails_does_not() {
    let store = store().await;
    let (webhook, id) = (webhook(), webhook().id);
    store.create_webhook(&webhook).await.unwrap();
    assert_eq!(version(&store).await, 1);
    assert_eq!(
        store.create_webhook(&webhook).await.unwrap(),
        WebhookWritten::Conflict
    );
    assert_eq!(version(&store).await, 1);
    store.update_webhook(&webhook).await.unwrap();
    assert_eq!(version(&store).await, 2);
    assert!(store.disable(&tenant(), &id, 0, &disabled()).await.unwrap());
    assert_eq!(version(&store).await, 3);
    assert!(store.delete_webhook(&tenant(), &id).await.unwrap());
    assert_eq!(version(&store).await, 4);
    assert!(!store.delete_webhook(&tenant(), &id).await.unwrap());
    assert_eq!(version(&store).await, 4);
    let gone = store.update_webhook(&webhook).await.unwrap();
    assert_eq!(gone, WebhookWritten::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_disabled_once_per_epoch() {
    let store = store().await;
    let (webhook, id) = (webhook(), webhook().id);
    store.create_webhook(&webhook).await.unwrap();
    assert!(!store.disable(&tenant(), &id, 1, &disabled()).await.unwrap());
    assert!(store.disable(&tenant(), &id, 0, &disabled()).await.unwrap());
    for epoch in [0, 1] {
        assert!(
            !store
                .disable(&tenant(), &id, epoch, &disabled())
                .await
                .unwrap()
        );
    }
    let stands = stored(&store).await;
    assert_eq!(
        (stands.epoch, stands.disabled.as_ref()),
        (1, Some(&disabled()))
    );
    // A change read before the disabling must not undo it.
    let stale = store.update_webhook(&webhook).await.unwrap();
    assert_eq!(stale, WebhookWritten::Conflict);
    assert!(stored(&store).await.disabled.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_changes_only_as_it_was_read_and_takes_its_things_along() {
    let store = store().await;
    let read = store.tenant(&tenant()).await.unwrap().unwrap();
    store.create_webhook(&webhook()).await.unwrap();
    assert!(!store.update_tenant(&read).await.unwrap());
    let read = store.tenant(&tenant()).await.unwrap().unwrap();
    assert!(store.update_tenant(&read).await.unwrap());
    assert_eq!(version(&store).await, 2);

    let key = ApiKey {
        id: KeyId::parse("key_1").unwrap(),
        tenant: tenant(),
        hash: KeyHash::of("rk_1"),
        name: None,
        scopes: vec![Scope::Manage],
        events_per_hour: Some(7),
        expires_ms: Some(1_760_000_000_001),
        remind_ms: None,
        created_ms: 1_760_000_000_000,
    };
    assert_eq!(
        store.create_api_key(&key, None).await.unwrap(),
        KeyCreated::Done
    );
    assert_eq!(
        store.create_api_key(&key, None).await.unwrap(),
        KeyCreated::Taken
    );
    assert_eq!(store.api_key(&key.hash).await.unwrap(), Some(key.clone()));

    let name = TenantName::parse(tenant().name()).unwrap();
    assert!(store.delete_tenant(&name).await.unwrap());
    assert!(!store.delete_tenant(&name).await.unwrap());
    assert_eq!(store.api_key(&key.hash).await.unwrap(), None);
    assert!(store.webhooks_of(&tenant()).await.unwrap().is_empty());
    assert_eq!(
        store.create_webhook(&webhook()).await.unwrap(),
        WebhookWritten::NoTenant
    );
    assert_eq!(
        store.create_api_key(&key, None).await.unwrap(),
        KeyCreated::NoTenant
    );
}
