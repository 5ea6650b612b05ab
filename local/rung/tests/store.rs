//! Writers of tenants, keys and webhooks that meet: nobody's change is lost, and publishing sees each. And rows that have expired
//! count as gone.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use rung_api::limits::{
    BATCH_EVENTS, CLIENT_CERTIFICATE_BYTES, CLIENT_KEY_BYTES, DESCRIPTION_CHARS, METADATA_BYTES,
    NAME_CHARS, SECRET_BYTES, URL_CHARS, WEBHOOK_EVENTS, WEBHOOK_HEADERS_BYTES,
};
use rung_base::clock::VirtualClock;
use rung_core::{
    domain::{
        attempt::{Attempt, AttemptKey, Exchange, Outcome, Trigger},
        audit::{Action, Origin, Record},
        client_certificate::ClientCertificate,
        delivery::{Delivery, State},
        hops::Hops,
        id::{DeliveryKey, EventId, JobId, KeyId, TenantId, WebhookId},
        job::{Erasure, Reach, Recovering, Subject, Task, Work},
        message::{At, AttemptMessage, Content, JobPage, RecoverPage},
        position::Position,
        recovery::{Scope as Sent, Selection},
        tenant::{ApiKey, Changed, Changes, KeyHash, KeyOwner, Scope, Tenant},
        webhook::{Disabled, OldSecret, Reason, Secret, Webhook},
    },
    encryption::KeyRing,
    limits::{
        DELIVERY_ATTEMPTS, EVENT_SHARDS, INLINE_BODY_BYTES, LATE_MS, LOGGED_BODY_BYTES,
        LOGGED_HEADERS_BYTES, OLD_SECRETS, WEBHOOKS_PER_TENANT,
    },
    store::{
        Store,
        api_keys::KeyCreated,
        attempts::{Log, LogFilter},
        deliveries::{AdvanceIf, Written},
        jobs::Begun,
        recoveries::Numbered,
        span::{Order, Span},
        webhooks::WebhookWritten,
    },
};
use rung_dialect::limits::{EVENT_TYPE_CHARS, ID_CHARS, LADDER_WAITS};
use rung_json::{Json, filter::Filter, limits::FILTER_BYTES};
use rung_local_aws::Aws;

type Item = HashMap<String, AttributeValue>;

/// A table with the tenant `t`.
async fn store() -> Store {
    store_over_table().await.0
}

/// The same, and the way to the table.
async fn store_over_table() -> (Store, aws_sdk_dynamodb::Client) {
    let clock = Arc::new(VirtualClock::starting_at(1_760_000_000_000));
    let aws = Aws::memory(&[], clock.clone()).unwrap();
    let (dynamodb, _) = rung_local_aws::clients(rung_local_aws::connector::InProcess::new(aws));
    let store = Store::new(
        dynamodb.clone(),
        "rung",
        KeyRing::of_tests(),
        clock,
        Duration::from_secs(30 * 86_400),
    );
    store.create_table().await.unwrap();
    let tenant = Tenant {
        id: tenant(),
        name: Some("T".to_owned()),
        dialect: "standard".to_owned(),
        plan: None,
        retention_days: None,
        metadata: Json::empty(),
        webhooks: 0,
        webhook_shards: BTreeSet::new(),
        version: 0,
        changes: Changes::default(),
        portal_round: 0,
        created_ms: 1_760_000_000_000,
    };
    let made = store.create_tenant(&tenant, &by_nobody()).await.unwrap();
    assert_eq!(made.as_ref(), Some(&tenant));
    assert_eq!(
        store.create_tenant(&tenant, &by_nobody()).await.unwrap(),
        None
    );
    assert_eq!(store.tenant(&tenant.id).await.unwrap(), Some(tenant));
    (store, dynamodb)
}

/// What the audit log says of a change here.
fn by_nobody() -> Record {
    Record::new(&Origin::system(), None, Action::TenantUpdated, "t")
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
        pace_epoch: 0,
        max_in_flight: Some(1),
        keep_alive: Some(false),
        name: Some("n".to_owned()),
        description: None,
        secret: Secret::new("s".to_owned()),
        old_secrets: Vec::new(),
        headers: [("X-A".to_owned(), "b".to_owned())].into(),
        secret_headers: [("Cookie".to_owned(), Secret::new("c".to_owned()))].into(),
        client_certificate: Some(client_certificate("c", "k")),
        metadata: Json::parse(br#"{"k": 12345678901234567890123, "a": 1e2}"#, 2).unwrap(),
        dialect: "standard".to_owned(),
        challenge: false,
        disabled: None,
        disabled_before_ms: None,
        outage: None,
        pause: None,
        epoch: 0,
        first_epoch: 0,
        revision: 0,
        enabled_ms: 1_760_000_000_000,
        created_ms: 1_760_000_000_000,
    }
}

fn client_certificate(certificate: &str, key: &str) -> Arc<ClientCertificate> {
    Arc::new(ClientCertificate {
        certificate: certificate.to_owned(),
        private_key: Secret::new(key.to_owned()),
        sha256: "0".repeat(64),
        unknown: Default::default(),
    })
}

fn task(id: &str, work: Work) -> Task {
    Task {
        id: JobId::parse(id).unwrap(),
        work,
        created_by: "admin".to_owned(),
        created_ms: 1_760_000_000_000,
    }
}

async fn begin_erasure(store: &Store, id: &str, subject: Subject) -> Begun {
    let erasure = Erasure {
        tenant: tenant(),
        subject,
    };
    let task = task(id, Work::Erase(erasure.clone()));
    let nobody = by_nobody();
    let begun = store.begin_erasure(&task, &erasure, &nobody);
    begun.await.unwrap()
}

/// A recovery, and its page at a position.
fn recovery(webhook: &WebhookId, deliveries: usize) -> Task {
    let selection = Selection {
        scope: Sent::Any,
        since_ms: 0,
        until_ms: 1_760_000_000_000,
        event_types: vec!["e".repeat(EVENT_TYPE_CHARS); deliveries],
        deliveries: vec![uuid::Uuid::nil(); deliveries],
        rate_per_second: None,
    };
    let reach = Reach::Webhook {
        tenant: tenant(),
        webhook: webhook.clone(),
    };
    let recovering = Recovering { reach, selection };
    task("job_r", Work::Recover(recovering))
}

fn recover_at(cursor: &str) -> At {
    At::Recover(RecoverPage {
        cursor: cursor.to_owned(),
        ..RecoverPage::default()
    })
}

fn disabled() -> Disabled {
    Disabled::new(
        1_760_000_000_007,
        Reason::LadderUsedUp,
        vec!["log_1-1-e".to_owned()],
    )
}

async fn version(store: &Store) -> u64 {
    store.tenant(&tenant()).await.unwrap().unwrap().version
}

async fn stored(store: &Store) -> Webhook {
    stored_as(store, &WebhookId::parse("w").unwrap()).await
}

async fn stored_as(store: &Store, id: &WebhookId) -> Webhook {
    store.webhook(&tenant(), id).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_webhook_comes_back_as_it_was_written() {
    let store = store().await;
    let webhook = Webhook {
        disabled: Some(disabled()),
        disabled_before_ms: Some(disabled().at_ms),
        description: Some("d".to_owned()),
        ..webhook()
    };
    assert_eq!(
        store
            .create_webhook(&webhook, WEBHOOKS_PER_TENANT, &by_nobody())
            .await
            .unwrap(),
        WebhookWritten::Done
    );
    assert_eq!(stored(&store).await, webhook);
    let named = [(webhook.tenant.clone(), webhook.id.clone())];
    let (name, found) = store.webhooks(&named).await.unwrap().remove(0);
    assert_eq!((name, found.unwrap()), (named[0].clone(), webhook.clone()));
    let tenant = store.tenant(&webhook.tenant).await.unwrap().unwrap();
    let subscription = store.subscriptions_of(&tenant).await.unwrap().remove(0);
    assert_eq!(
        (
            &subscription.id,
            &subscription.events,
            subscription.is_active,
            subscription.epoch
        ),
        (&webhook.id, &webhook.events, false, webhook.epoch)
    );
    assert_eq!(store.webhooks_of(&webhook.tenant).await.unwrap(), [webhook]);
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_of_what_both_read_the_second_is_told() {
    let store = store().await;
    store
        .create_webhook(&webhook(), WEBHOOKS_PER_TENANT, &by_nobody())
        .await
        .unwrap();
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
        store.update_webhook(&first, &by_nobody()).await.unwrap(),
        WebhookWritten::Done
    );
    assert_eq!(
        store.update_webhook(&second, &by_nobody()).await.unwrap(),
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
    store
        .create_webhook(&webhook, WEBHOOKS_PER_TENANT, &by_nobody())
        .await
        .unwrap();
    assert_eq!(version(&store).await, 1);
    assert_eq!(
        store
            .create_webhook(&webhook, WEBHOOKS_PER_TENANT, &by_nobody())
            .await
            .unwrap(),
        WebhookWritten::Conflict
    );
    assert_eq!(version(&store).await, 1);
    store.update_webhook(&webhook, &by_nobody()).await.unwrap();
    assert_eq!(version(&store).await, 2);
    assert!(store.disable(&tenant(), &id, 0, &disabled()).await.unwrap());
    assert_eq!(version(&store).await, 3);
    let subject = |epoch| Subject::Webhook {
        webhook: id.clone(),
        epoch,
    };
    let stale = begin_erasure(&store, "job_1", subject(0)).await;
    assert_eq!(stale, Begun::Changed);
    assert_eq!(version(&store).await, 3);
    let begun = begin_erasure(&store, "job_2", subject(1)).await;
    assert!(matches!(begun, Begun::Job(_)));
    assert_eq!(version(&store).await, 4);
    let again = begin_erasure(&store, "job_3", subject(1)).await;
    assert_eq!(again, Begun::Changed);
    assert_eq!(version(&store).await, 4);
    let gone = store.update_webhook(&webhook, &by_nobody()).await.unwrap();
    assert_eq!(gone, WebhookWritten::Conflict);
}

/// What has changed of the tenant since it was at `version`.
async fn changed_after(store: &Store, version: u64) -> Option<Changed> {
    let tenant = store.tenant(&tenant()).await.unwrap().unwrap();
    tenant.changes.after(version)
}

#[tokio::test(start_paused = true)]
async fn whoever_knows_the_version_before_a_change_is_told_what_it_was_of() {
    let store = store().await;
    let webhooks: Vec<_> = (0..20)
        .map(|number| Webhook {
            id: WebhookId::parse(&format!("w{number}")).unwrap(),
            ..webhook()
        })
        .collect();
    let only = |webhook: &Webhook| Changed {
        webhooks: vec![webhook.id.clone()],
        event_types: false,
    };
    for webhook in &webhooks {
        let before = version(&store).await;
        store
            .create_webhook(webhook, WEBHOOKS_PER_TENANT, &by_nobody())
            .await
            .unwrap();
        assert_eq!(changed_after(&store, before).await, Some(only(webhook)));
    }
    // So often that the row begins anew what it names, now and then.
    let mut renewed = 0;
    for round in 0..200 {
        let webhook = stored_as(&store, &webhooks[round % webhooks.len()].id).await;
        let before = version(&store).await;
        store.update_webhook(&webhook, &by_nobody()).await.unwrap();
        assert_eq!(changed_after(&store, before).await, Some(only(&webhook)));
        assert_eq!(
            changed_after(&store, before + 1).await,
            Some(Changed::default())
        );
        // Of what lies further back everything is told, or that this is not known.
        match changed_after(&store, before - 2).await {
            Some(changed) => assert_eq!(changed.webhooks.len(), 3),
            None => renewed += 1,
        }
    }
    assert!((1..100).contains(&renewed), "{renewed}");

    let before = version(&store).await;
    let tenant = store.tenant(&tenant()).await.unwrap().unwrap();
    assert!(store.update_tenant(&tenant, &by_nobody()).await.unwrap());
    assert!(store.end_portal_links(&tenant, &by_nobody()).await.unwrap());
    assert_eq!(
        changed_after(&store, before).await,
        Some(Changed::default()),
        "neither changes what an event is for"
    );
    assert_eq!(version(&store).await, before + 2);
}

/// What stands under the name of the tenant, of the row and its copies alone: each by its partition, without what names that.
async fn copies(dynamodb: &aws_sdk_dynamodb::Client) -> BTreeMap<String, Item> {
    let table = dynamodb.scan().table_name("rung").send().await.unwrap();
    let rows = table.items.unwrap().into_iter();
    let rows = rows.filter(|row| row["sk"].as_s().unwrap() == "A");
    rows.map(|mut row| {
        let pk = row.remove("pk").unwrap().as_s().unwrap().clone();
        let is_listed = row.remove("g").is_some() && row.remove("gs").is_some();
        assert_eq!(is_listed, pk == "T#t", "{pk}");
        (pk, row)
    })
    .collect()
}

/// Each copy of the tenant's row, after a change that it must show.
async fn same_copies(dynamodb: &aws_sdk_dynamodb::Client, before: &mut Item, at: &str) {
    let copies = copies(dynamodb).await;
    let places: Vec<_> = copies.keys().map(String::as_str).collect();
    assert_eq!(places, ["T#t", "T#t#1", "T#t#2", "T#t#3", "T#t#4"], "{at}");
    let first = &copies["T#t"];
    for (pk, copy) in &copies {
        assert_eq!(copy, first, "{at}: {pk}");
    }
    assert_ne!(first, before, "{at}");
    *before = first.clone();
}

#[tokio::test(start_paused = true)]
async fn whatever_changes_a_tenants_row_changes_all_its_copies() {
    let (store, dynamodb) = store_over_table().await;
    let (of, nobody, mut before) = (tenant(), by_nobody(), Item::new());
    same_copies(&dynamodb, &mut before, "made").await;
    let webhook = webhook();
    let made = store.create_webhook(&webhook, WEBHOOKS_PER_TENANT, &nobody);
    assert_eq!(made.await.unwrap(), WebhookWritten::Done);
    same_copies(&dynamodb, &mut before, "a webhook").await;
    // Now and then the row begins anew what it names: all copies at once.
    for round in 0..60 {
        let webhook = stored(&store).await;
        store.update_webhook(&webhook, &nobody).await.unwrap();
        same_copies(&dynamodb, &mut before, &format!("change {round}")).await;
    }
    let disabled_now = store.disable(&of, &webhook.id, 0, &disabled()).await;
    assert!(disabled_now.unwrap());
    same_copies(&dynamodb, &mut before, "disabled").await;
    let read = store.tenant(&of).await.unwrap().unwrap();
    assert!(store.end_portal_links(&read, &nobody).await.unwrap());
    same_copies(&dynamodb, &mut before, "links ended").await;
    let changed = Tenant {
        plan: Some("pro".to_owned()),
        ..store.tenant(&of).await.unwrap().unwrap()
    };
    assert!(store.update_tenant(&changed, &nobody).await.unwrap());
    assert!(!store.update_tenant(&changed, &nobody).await.unwrap());
    same_copies(&dynamodb, &mut before, "another plan").await;
    let subject = Subject::Webhook {
        webhook: webhook.id.clone(),
        epoch: 1,
    };
    begin_erasure(&store, "job_1", subject).await;
    same_copies(&dynamodb, &mut before, "webhook deleted").await;

    begin_erasure(&store, "job_2", Subject::Tenant).await;
    assert_eq!(copies(&dynamodb).await, BTreeMap::new());
    let again = Tenant {
        webhooks: 0,
        webhook_shards: BTreeSet::new(),
        version: 0,
        changes: Changes::default(),
        ..changed
    };
    let again = store.create_tenant(&again, &nobody).await.unwrap().unwrap();
    same_copies(&dynamodb, &mut before, "made again").await;
    assert_eq!(again.id, of.with_number(2));
    assert_eq!(store.tenant(&again.id).await.unwrap(), Some(again));
    assert_eq!(store.tenant(&of).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn calls_take_turns_at_the_shards_of_the_list_and_all_are_listed() {
    const CALLS: u64 = 600;
    let (store, dynamodb) = store_over_table().await;
    let of = tenant();
    let ids: Vec<_> = (0..CALLS)
        .map(|number| EventId::parse(&format!("e{number:03}")).unwrap())
        .collect();
    // Some of them within one millisecond.
    for (number, id) in ids.iter().enumerate() {
        let call = store.call_at(1_760_000_000_000 + number as u64 / 7);
        let named = [(id, "a.b")];
        store.list_events(&of, &call, &named).await.unwrap();
    }
    let table = dynamodb.scan().table_name("rung").send().await.unwrap();
    let mut of_each = BTreeMap::new();
    for row in table.items.unwrap() {
        let pk = row["pk"].as_s().unwrap();
        if pk.starts_with("V#t#") {
            *of_each.entry(pk.clone()).or_default() += 1;
        }
    }
    let shards = u64::from(EVENT_SHARDS);
    assert_eq!(of_each.len() as u64, shards);
    assert!(of_each.values().all(|rows: &u64| *rows == CALLS / shards));

    // In order of time, forwards and back, in pages of any size.
    for (order, limit) in [
        (Order::OldestFirst, 7),
        (Order::NewestFirst, 50),
        (Order::OldestFirst, 1_000),
    ] {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let tenants = std::slice::from_ref(&of);
            let page = store.event_entries(tenants, order, Span::ALL, after.as_deref(), limit);
            let (entries, next) = page.await.unwrap();
            listed.extend(entries);
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let times = listed.iter().map(|entry| entry.call.accepted_ms);
        let in_order = times.is_sorted_by(|one, next| order.compare(one, next).is_le());
        assert!(in_order, "{order:?} {limit}");
        let found: BTreeSet<_> = listed.iter().map(|entry| &entry.event).collect();
        assert_eq!((listed.len(), found.len()), (ids.len(), ids.len()));
    }

    // The watchdog's way: many rows, and few.
    for rows in [20, 600] {
        let (mut listed, mut after) = (BTreeSet::new(), None);
        loop {
            let page = store.entries_by_shard(&of, Span::ALL, after.as_deref(), rows);
            let (entries, next) = page.await.unwrap();
            let count = entries.len();
            assert!(count <= 4 * rows + EVENT_SHARDS as usize, "{count}");
            for entry in entries {
                assert!(listed.insert(entry.event), "{rows}: read once");
            }
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(listed.len(), ids.len(), "{rows}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_disabled_once_per_epoch() {
    let store = store().await;
    let (webhook, id) = (webhook(), webhook().id);
    store
        .create_webhook(&webhook, WEBHOOKS_PER_TENANT, &by_nobody())
        .await
        .unwrap();
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
    let stale = store.update_webhook(&webhook, &by_nobody()).await.unwrap();
    assert_eq!(stale, WebhookWritten::Conflict);
    assert!(stored(&store).await.disabled.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_changes_only_as_it_was_read_and_takes_its_things_along() {
    let store = store().await;
    let read = store.tenant(&tenant()).await.unwrap().unwrap();
    store
        .create_webhook(&webhook(), WEBHOOKS_PER_TENANT, &by_nobody())
        .await
        .unwrap();
    assert!(!store.update_tenant(&read, &by_nobody()).await.unwrap());
    let read = store.tenant(&tenant()).await.unwrap().unwrap();
    assert!(store.update_tenant(&read, &by_nobody()).await.unwrap());
    assert_eq!(version(&store).await, 2);

    let key = ApiKey {
        id: KeyId::parse("key_1").unwrap(),
        owner: KeyOwner::Tenant(tenant()),
        portal: None,
        hash: KeyHash::of("rk_1"),
        name: None,
        scopes: vec![Scope::Manage],
        events_per_hour: Some(7),
        expires_ms: Some(1_760_000_000_001),
        remind_ms: None,
        used_ms: None,
        revision: 0,
        created_ms: 1_760_000_000_000,
    };
    assert_eq!(
        store.create_api_key(&key, &by_nobody()).await.unwrap(),
        KeyCreated::Done
    );
    assert_eq!(
        store.create_api_key(&key, &by_nobody()).await.unwrap(),
        KeyCreated::Taken
    );
    assert_eq!(store.api_key(&key.hash).await.unwrap(), Some(key.clone()));

    let begun = begin_erasure(&store, "job_1", Subject::Tenant).await;
    assert!(matches!(begun, Begun::Job(_)));
    let again = begin_erasure(&store, "job_2", Subject::Tenant).await;
    assert_eq!(again, Begun::Other(JobId::parse("job_1").unwrap()));
    assert_eq!(store.api_key(&key.hash).await.unwrap(), None);
    assert!(store.webhooks_of(&tenant()).await.unwrap().is_empty());
    assert_eq!(
        store
            .create_webhook(&webhook(), WEBHOOKS_PER_TENANT, &by_nobody())
            .await
            .unwrap(),
        WebhookWritten::NoTenant
    );
    assert_eq!(
        store.create_api_key(&key, &by_nobody()).await.unwrap(),
        KeyCreated::NoTenant
    );
}

/// TTL comes days late on AWS, and up to an hour on one machine.
#[tokio::test(start_paused = true)]
async fn what_has_expired_is_gone_for_writes_as_for_reads() {
    let store = store().await;
    let w = WebhookId::parse("w").unwrap();
    let key = DeliveryKey {
        tenant: tenant(),
        webhook: w.clone(),
        event: EventId::parse("e").unwrap(),
        accepted_ms: 1_760_000_000_000,
    };
    let position = Position {
        n: 2,
        trigger: Trigger::Retry,
        ..Position::first(1_760_000_005_000, 0)
    };
    let first = Delivery::waiting(key.clone(), position.clone(), "a.b".to_owned());
    let second = Delivery {
        position: Position {
            rung: 1,
            ..position.clone()
        },
        ..first.clone()
    };
    let third = Delivery {
        position: Position {
            n: 3,
            due_ms: position.due_ms + 1,
            ..position.clone()
        },
        ..first.clone()
    };
    let failure = Attempt {
        key: AttemptKey::first_of(&key),
        event_type: "a.b".to_owned(),
        attempt: 1,
        dialect: "standard".to_owned(),
        trigger: Trigger::Event,
        outcome: Outcome::Failed,
        started_ms: 1_760_000_000_000,
        ended_ms: 1_760_000_000_001,
        response_time_ms: 1,
        response_status: Some(500),
        error: None,
        error_code: None,
        asked_until_ms: None,
        next_due_ms: Some(position.due_ms),
        hops: Hops::NONE,
        erased_ms: None,
        exchange: Exchange::default(),
    };
    let recovery = recovery(&w, 0);
    let page = JobPage::first(&recovery, recover_at(""));
    let stands = |row: &Delivery| Written::Found(Some(row.clone()));

    assert_eq!(
        store.place(&first).await.unwrap(),
        Written::Done(first.clone())
    );
    assert_eq!(store.place(&second).await.unwrap(), stands(&first));
    assert_eq!(store.log_failure(&failure).await.unwrap(), None);
    let logged = store.log_failure(&failure).await.unwrap();
    assert_eq!(logged.as_ref(), Some(&failure));
    let of = (&key.tenant, &w);
    assert!(store.lease_notice(of, "n", "log_1").await.unwrap());
    assert!(store.lease_notice(of, "n", "log_1").await.unwrap());
    assert!(!store.lease_notice(of, "n", "log_2").await.unwrap());
    let begun = async || {
        let begun = store.begin_job(&recovery, &page, &by_nobody()).await;
        begun.unwrap().unwrap()
    };
    let next = page.next(recover_at("c"));
    let moved = store.advance_job(&begun().await, &next).await;
    let moved = moved.unwrap().unwrap();
    assert_eq!(moved.page, next);
    assert_eq!(begun().await, moved);

    tokio::time::sleep(Duration::from_secs(31 * 86_400)).await;
    assert_eq!(store.delivery(&key).await.unwrap(), None);
    let advanced = store.advance(&third, AdvanceIf::Pending).await.unwrap();
    assert_eq!(advanced, Written::Found(None));
    assert_eq!(store.cancel(&key).await.unwrap(), Written::Found(None));
    assert_eq!(store.place(&second).await.unwrap(), Written::Done(second));
    assert_eq!(store.log_failure(&failure).await.unwrap(), None);
    assert!(store.lease_notice(of, "n", "log_2").await.unwrap());
    let beyond = next.next(recover_at("d"));
    let advanced = store.advance_job(&moved, &beyond).await;
    assert_eq!(advanced.unwrap(), None);
    assert_eq!(begun().await.page, page);
}

/// An attempt that began late is listed at its start alone, by a row that nobody else takes for an entry.
#[tokio::test(start_paused = true)]
async fn an_entry_that_began_late_is_listed_once_where_it_began() {
    let (store, dynamodb) = store_over_table().await;
    let (of, w) = (tenant(), webhook().id);
    let due_ms = 1_760_000_000_000;
    let attempt = |event: &str, late_ms| Attempt {
        key: AttemptKey::first_of(&DeliveryKey {
            tenant: tenant(),
            webhook: w.clone(),
            event: EventId::parse(event).unwrap(),
            accepted_ms: due_ms,
        }),
        event_type: "a.b".to_owned(),
        attempt: 1,
        dialect: "standard".to_owned(),
        trigger: Trigger::Event,
        outcome: Outcome::Failed,
        started_ms: due_ms + late_ms,
        ended_ms: due_ms + late_ms + 1,
        response_time_ms: 1,
        response_status: Some(500),
        error: None,
        error_code: None,
        asked_until_ms: None,
        next_due_ms: None,
        hops: Hops::NONE,
        erased_ms: None,
        exchange: Exchange::default(),
    };
    let rows = async || {
        let all = dynamodb.scan().table_name("rung").send().await.unwrap();
        let rows = all.items.unwrap().into_iter();
        rows.filter(|row| row["pk"].as_s().unwrap().starts_with("L#"))
            .count()
    };
    let log = Log::whole(&of, &w);
    let listed = async |order, span: (Option<u64>, Option<u64>)| {
        let filter = LogFilter {
            since_ms: span.0,
            until_ms: span.1,
            ..LogFilter::default()
        };
        let page = store.log_page(&log, &filter, order, None, 100).await;
        let logs = std::slice::from_ref(&log);
        let together = store.logs_page(logs, &filter, order, None, 100).await;
        let (page, next) = page.unwrap();
        assert_eq!(next, None);
        assert_eq!(together.unwrap(), (page.clone(), None));
        page
    };
    let all = (None, None);

    let in_time = attempt("e1", LATE_MS);
    let late = attempt("e2", LATE_MS + 1);
    let latest = attempt("e3", 7 * 86_400_000);
    let second = attempt("e4", LATE_MS + 1);
    store.log_failure(&in_time).await.unwrap();
    assert_eq!(rows().await, 1, "what is in time costs nothing more");
    for attempt in [&latest, &late, &second] {
        assert_eq!(store.log_failure(attempt).await.unwrap(), None);
        let again = store.log_failure(attempt).await.unwrap();
        assert_eq!(again.as_ref(), Some(attempt));
    }
    assert_eq!(rows().await, 7);
    let oldest_first = [&in_time, &late, &second, &latest].map(Clone::clone);
    assert_eq!(listed(Order::OldestFirst, all).await, oldest_first);
    let mut newest_first = oldest_first.to_vec();
    newest_first.reverse();
    assert_eq!(listed(Order::NewestFirst, all).await, newest_first);
    for entry in &oldest_first {
        let at = entry.started_ms;
        let taken = listed(Order::OldestFirst, (Some(at), Some(at + 1))).await;
        let wanted = oldest_first.iter().filter(|it| it.started_ms == at);
        assert!(taken.iter().eq(wanted), "{taken:?}");
        let found = store.log_entry(&of, &w, &entry.key.log_id()).await;
        assert_eq!(found.unwrap().as_ref(), Some(entry));
    }

    // A copy of the message began at another time, and succeeded: it takes the place of the failure.
    let success = Attempt {
        outcome: Outcome::Succeeded,
        response_status: Some(200),
        started_ms: late.started_ms + 9,
        ..late.clone()
    };
    store.log_success(&success).await.unwrap();
    let with_success = [&in_time, &second, &success, &latest].map(Clone::clone);
    assert_eq!(listed(Order::OldestFirst, all).await, with_success);
    // A copy of a failure that is logged leaves a row that leads nowhere.
    let copy = Attempt {
        started_ms: latest.started_ms + 5,
        ..latest.clone()
    };
    assert_eq!(
        store.log_failure(&copy).await.unwrap().as_ref(),
        Some(&latest)
    );
    assert_eq!(listed(Order::OldestFirst, all).await, with_success);

    let counting = store.newest_counting(&of, &w, 0, 1).await.unwrap();
    assert_eq!(counting[0], second, "rules go by the dues");
    let found = store.entries_after(&of, &w, Span::ALL.until_ms, None, 100);
    let found = found.await.unwrap();
    assert_eq!(found.entries.len(), 4);
    assert_eq!((found.starts.len(), rows().await), (5, 9));
    let keys = found.entries.iter().map(|(_, entry)| entry.key.clone());
    let keys = Vec::from_iter(keys);
    store.delete_entries(&keys, found.starts).await.unwrap();
    assert_eq!(rows().await, 0);
}

/// What DynamoDB counts of a value, in bytes; of numbers the most that as many digits take.
fn bytes_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 2,
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::L(values) => {
            3 + values
                .iter()
                .map(|value| 1 + bytes_of(value))
                .sum::<usize>()
        }
        AttributeValue::M(values) => {
            let values = values.iter();
            3 + values
                .map(|(name, value)| 1 + name.len() + bytes_of(value))
                .sum::<usize>()
        }
        AttributeValue::Ns(numbers) => {
            let digits = numbers.iter().map(|digits| digits.len().div_ceil(2) + 2);
            3 + digits.sum::<usize>()
        }
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        other => panic!("no row has {other:?}"),
    }
}

/// DynamoDB refuses an item of more than 400 KB, and from then on nothing could move it. What grows has a bound; here it is at it.
#[tokio::test(start_paused = true)]
async fn the_largest_row_of_each_kind_has_room_in_an_item() {
    let (store, dynamodb) = store_over_table().await;
    let id = |first: &str| format!("{first}{}", "x".repeat(ID_CHARS - first.len()));
    let webhook = Webhook {
        id: WebhookId::parse(&id("w")).unwrap(),
        url: "u".repeat(URL_CHARS),
        events: vec!["e".repeat(EVENT_TYPE_CHARS); WEBHOOK_EVENTS],
        filter: Some(
            Filter::compile(
                &Json::parse(
                    format!(r#"{{"a": ["{}"]}}"#, "x".repeat(FILTER_BYTES - 20)).as_bytes(),
                    9,
                )
                .unwrap(),
            )
            .unwrap(),
        ),
        name: Some("ü".repeat(NAME_CHARS)),
        description: Some("ü".repeat(DESCRIPTION_CHARS)),
        secret: Secret::new("s".repeat(SECRET_BYTES)),
        old_secrets: vec![
            OldSecret {
                secret: Secret::new("s".repeat(SECRET_BYTES)),
                expires_ms: 1_760_000_000_000,
                unknown: Default::default(),
            };
            OLD_SECRETS
        ],
        headers: [("X-A".to_owned(), "b".repeat(WEBHOOK_HEADERS_BYTES))].into(),
        secret_headers: [(
            "Cookie".to_owned(),
            Secret::new("c".repeat(WEBHOOK_HEADERS_BYTES)),
        )]
        .into(),
        client_certificate: Some(client_certificate(
            // As JSON has it, with each end of a line as two characters.
            &"\n".repeat(CLIENT_CERTIFICATE_BYTES),
            &"\n".repeat(CLIENT_KEY_BYTES),
        )),
        metadata: Json::parse(
            format!(r#"{{"k": "{}"}}"#, "m".repeat(METADATA_BYTES - 9)).as_bytes(),
            2,
        )
        .unwrap(),
        dialect: "d".repeat(ID_CHARS),
        ..webhook()
    };
    let nobody = by_nobody();
    let made = store.create_webhook(&webhook, WEBHOOKS_PER_TENANT, &nobody);
    assert_eq!(made.await.unwrap(), WebhookWritten::Done);

    let key = DeliveryKey {
        tenant: tenant(),
        webhook: webhook.id.clone(),
        event: EventId::parse(&id("e")).unwrap(),
        accepted_ms: 1_760_000_000_000,
    };
    // The longest ladder of all, once it has begun with the last attempt that somebody may ask for.
    let attempts = DELIVERY_ATTEMPTS + 2 * LADDER_WAITS as u32;
    let delivery = Delivery {
        key: key.clone(),
        state: State::Pending,
        position: Position {
            n: attempts,
            due_ms: 1_760_000_000_000,
            attempt: attempts,
            rung: LADDER_WAITS,
            epoch: 1_760_000_000_000,
            trigger: Trigger::Recover,
            dialect: Some(webhook.dialect.clone()),
            job: Some(1_760_000_000_000),
            returns_to: Some(State::Succeeded),
            resume_ms: Some(1_760_000_000_000),
        },
        event_type: "e".repeat(EVENT_TYPE_CHARS),
        dues_ms: vec![1_760_000_000_000; attempts as usize - 1],
        ended_ms: Some(1_760_000_000_000),
    };
    store.place(&delivery).await.unwrap();
    let parked = AttemptMessage {
        place_ms: Some(1_760_000_000_000),
        pace_epoch: 1_760_000_000_000,
        content: Some(Content {
            event_type: delivery.event_type.clone(),
            body: vec![b'x'; INLINE_BODY_BYTES].into(),
            trace: None,
            hops: Hops::NONE,
        }),
        ..delivery.message()
    };
    store.park(&parked).await.unwrap();
    let attempt = Attempt {
        key: delivery.attempt_key(),
        event_type: delivery.event_type.clone(),
        attempt: attempts,
        dialect: webhook.dialect.clone(),
        trigger: Trigger::Recover,
        outcome: Outcome::Failed,
        started_ms: 1_760_000_000_000,
        ended_ms: 1_760_000_000_001,
        response_time_ms: 1,
        response_status: Some(500),
        error: None,
        error_code: None,
        asked_until_ms: None,
        next_due_ms: Some(delivery.position.due_ms),
        hops: Hops::NONE,
        erased_ms: None,
        exchange: Exchange {
            url: webhook.url.clone(),
            request_headers: vec![("h".to_owned(), Some("v".repeat(2 * WEBHOOK_HEADERS_BYTES)))],
            response_headers: vec![("h".to_owned(), "\u{1}".repeat(LOGGED_HEADERS_BYTES))],
            response_body: "\u{1}".repeat(LOGGED_BODY_BYTES),
        },
    };
    store.log_failure(&attempt).await.unwrap();
    let ids = vec![key.event.clone(); BATCH_EVENTS];
    let events: Vec<_> = ids
        .iter()
        .map(|id| (id, delivery.event_type.as_str()))
        .collect();
    let call = store.call_at(1_760_000_000_000);
    store.list_events(&tenant(), &call, &events).await.unwrap();
    let recovery = recovery(&webhook.id, 100);
    let page = JobPage::first(&recovery, recover_at(&"c".repeat(2 * ID_CHARS)));
    let begun = store.begin_job(&recovery, &page, &nobody).await.unwrap();
    assert!(begun.is_some());
    let numbered = Numbered {
        number: 1_760_000_000_000,
        job: recovery.id.clone(),
        epoch: 0,
    };
    let of = tenant();
    let given = store.number_recovery(&of, &webhook.id, &numbered);
    assert!(given.await.unwrap());
    let mut rows = Vec::new();
    let all = async || dynamodb.scan().table_name("rung").send().await.unwrap();
    rows.extend(all().await.items.unwrap());
    let subject = Subject::Webhook {
        webhook: webhook.id.clone(),
        epoch: webhook.epoch,
    };
    let begun = begin_erasure(&store, &id("job_"), subject).await;
    assert!(matches!(begun, Begun::Job(_)), "{begun:?}");
    rows.extend(all().await.items.unwrap());
    let mut sizes = BTreeMap::new();
    for row in &rows {
        let (kind, _) = row["pk"].as_s().unwrap().split_at(1);
        let bytes: usize = row
            .iter()
            .map(|(name, value)| name.len() + bytes_of(value))
            .sum();
        let largest = sizes.entry(kind).or_default();
        *largest = bytes.max(*largest);
    }
    for kind in ["B", "D", "J", "L", "Q", "T", "V"] {
        assert!(sizes.contains_key(kind), "none of {kind}: {sizes:?}");
    }
    let item_bytes = 400 * 1024;
    assert!(
        sizes.values().all(|bytes: &usize| *bytes < item_bytes / 2),
        "{sizes:?}"
    );
}
