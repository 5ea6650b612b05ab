//! The table as its clients see it: through the real SDK client.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{
        AttributeDefinition, AttributeValue, BatchStatementRequest, DeleteRequest,
        GlobalSecondaryIndex, KeySchemaElement, KeyType, KeysAndAttributes, Projection,
        ProjectionType, Put, PutRequest, ReturnConsumedCapacity,
        ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TimeToLiveSpecification,
        TransactWriteItem, WriteRequest,
    },
};
use futures_util::future::join_all;
use rung_base::clock::VirtualClock;

use super::*;
use crate::{Aws, Sqs, clients, connector::InProcess};

fn clock() -> Arc<dyn Clock> {
    Arc::new(VirtualClock::starting_at(1_760_000_000_000))
}

fn client_of(dynamodb: DynamoDb) -> Client {
    let sqs = Sqs::memory(&[], clock()).unwrap();
    clients(InProcess::new(Aws { dynamodb, sqs })).0
}

fn key(name: &str, key_type: KeyType) -> KeySchemaElement {
    let key = KeySchemaElement::builder().attribute_name(name);
    key.key_type(key_type).build().unwrap()
}

/// The table of these tests.
pub(crate) const TABLE: &str = "rung";

/// A table of Rung's shape: `pk`, `sk`, and a sparse index of keys by `g`.
pub(crate) async fn create_table(client: &Client) {
    let string = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly);
    let index = GlobalSecondaryIndex::builder()
        .index_name("by-g")
        .key_schema(key("g", KeyType::Hash))
        .key_schema(key("gs", KeyType::Range))
        .projection(keys_only.build());
    let names = ["pk", "sk", "g", "gs"];
    let create = client.create_table().table_name(TABLE);
    let create = create.set_attribute_definitions(Some(names.map(string).to_vec()));
    create
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index.build().unwrap())
        .billing_mode("PAY_PER_REQUEST".into())
        .send()
        .await
        .unwrap();
}

async fn in_memory() -> Client {
    let client = client_of(DynamoDb::memory(clock()).unwrap());
    create_table(&client).await;
    client
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn item(pk: &str, sk: &str, v: &str) -> HashMap<String, AttributeValue> {
    [("pk", pk), ("sk", sk), ("v", v)]
        .map(|(name, value)| (name.to_owned(), text(value)))
        .into()
}

async fn value(client: &Client, pk: &str, sk: &str) -> Option<String> {
    let get = client.get_item().table_name(TABLE).consistent_read(true);
    let get = get.key("pk", text(pk)).key("sk", text(sk));
    let item = get.send().await.unwrap().item?;
    Some(item["v"].as_s().unwrap().clone())
}

async fn put(client: &Client, item: HashMap<String, AttributeValue>) {
    let put = client.put_item().table_name(TABLE);
    put.set_item(Some(item)).send().await.unwrap();
}

fn put_request(item: HashMap<String, AttributeValue>) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item)).build().unwrap();
    WriteRequest::builder().put_request(put).build()
}

#[tokio::test]
async fn items_are_put_updated_and_deleted() {
    let client = in_memory().await;
    put(&client, item("a", "1", "one")).await;
    assert_eq!(value(&client, "a", "1").await.unwrap(), "one");

    let update = client.update_item().table_name(TABLE);
    let update = update.key("pk", text("a")).key("sk", text("1"));
    let update = update.update_expression("SET v = :v");
    let update = update.expression_attribute_values(":v", text("two"));
    update.send().await.unwrap();
    assert_eq!(value(&client, "a", "1").await.unwrap(), "two");

    let delete = client.delete_item().table_name(TABLE);
    let delete = delete.key("pk", text("a")).key("sk", text("1"));
    delete.send().await.unwrap();
    assert_eq!(value(&client, "a", "1").await, None);
}

#[tokio::test]
async fn a_failed_condition_gives_back_the_item_in_its_way() {
    let client = in_memory().await;
    put(&client, item("a", "1", "first")).await;
    let again = client.put_item().table_name(TABLE);
    let again = again.set_item(Some(item("a", "1", "second")));
    let again = again.condition_expression("attribute_not_exists(pk)");
    let again =
        again.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let error = again.send().await.unwrap_err().into_service_error();
    let PutItemError::ConditionalCheckFailedException(failed) = error else {
        panic!("{error:?}");
    };
    assert_eq!(failed.item().unwrap()["v"], text("first"));
}

#[tokio::test]
async fn batches_reach_every_item() {
    let client = in_memory().await;
    let puts = ["1", "2", "3"].map(|sk| put_request(item("a", sk, sk)));
    let write = client
        .batch_write_item()
        .request_items("rung", puts.to_vec());
    assert!(
        write
            .send()
            .await
            .unwrap()
            .unprocessed_items()
            .unwrap()
            .is_empty()
    );

    let delete = DeleteRequest::builder()
        .key("pk", text("a"))
        .key("sk", text("2"));
    let delete = WriteRequest::builder().delete_request(delete.build().unwrap());
    let write = client.batch_write_item();
    let write = write.request_items("rung", vec![delete.build()]);
    write.send().await.unwrap();

    let keys = ["1", "2", "3"].map(|sk| {
        let mut key = item("a", sk, "");
        key.remove("v");
        key
    });
    let keys = KeysAndAttributes::builder().set_keys(Some(keys.to_vec()));
    let get = client.batch_get_item();
    let get = get.request_items("rung", keys.build().unwrap());
    let found = get
        .send()
        .await
        .unwrap()
        .responses
        .unwrap()
        .remove("rung")
        .unwrap();
    assert_eq!(found.len(), 2);

    let statement = BatchStatementRequest::builder();
    let statement = statement.statement(r#"SELECT v FROM "rung" WHERE pk = 'a' AND sk = '3'"#);
    let execute = client.batch_execute_statement();
    let execute = execute.statements(statement.build().unwrap());
    let answer = execute.send().await.unwrap().responses.unwrap().remove(0);
    assert_eq!(answer.item.unwrap()["v"], text("3"));
}

#[tokio::test]
async fn a_transaction_is_done_as_a_whole_or_says_what_stood_in_its_way() {
    let client = in_memory().await;
    put(&client, item("a", "1", "one")).await;
    let fresh = |sk: &str| {
        let put = Put::builder().table_name(TABLE);
        let put = put.set_item(Some(item("a", sk, "new")));
        let put = put.condition_expression("attribute_not_exists(pk)");
        TransactWriteItem::builder()
            .put(put.build().unwrap())
            .build()
    };
    let write = client.transact_write_items();
    let write = write.transact_items(fresh("2")).transact_items(fresh("1"));
    let error = write.send().await.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("{error:?}");
    };
    let reasons = cancelled.cancellation_reasons().iter();
    let reasons: Vec<_> = reasons.map(|r| r.code().unwrap()).collect();
    assert_eq!(reasons, ["None", "ConditionalCheckFailed"]);
    assert_eq!(value(&client, "a", "2").await, None);

    let write = client.transact_write_items();
    let write = write.transact_items(fresh("2")).transact_items(fresh("3"));
    write.send().await.unwrap();
    assert_eq!(value(&client, "a", "3").await.unwrap(), "new");
}

#[tokio::test]
async fn queries_page_through_tables_and_the_index() {
    let client = in_memory().await;
    for n in 0..5 {
        let mut item = item("a", &n.to_string(), "");
        if n % 2 == 0 {
            item.insert("g".to_owned(), text("even"));
            item.insert("gs".to_owned(), text(&n.to_string()));
        }
        put(&client, item).await;
    }
    let query = client.query().table_name(TABLE).limit(2);
    let query = query.key_condition_expression("pk = :pk AND sk > :sk");
    let query = query.expression_attribute_values(":pk", text("a"));
    let query = query.expression_attribute_values(":sk", text("1"));
    let query = query.scan_index_forward(false);
    let query = query.return_consumed_capacity(ReturnConsumedCapacity::Total);
    let page = query.clone().send().await.unwrap();
    let sks = |items: &[HashMap<String, AttributeValue>]| -> Vec<_> {
        items
            .iter()
            .map(|item| item["sk"].as_s().unwrap().clone())
            .collect()
    };
    assert_eq!(sks(page.items()), ["4", "3"]);
    assert!(page.consumed_capacity().is_some());
    let rest = query.set_exclusive_start_key(page.last_evaluated_key);
    assert_eq!(sks(rest.send().await.unwrap().items()), ["2"]);

    let query = client.query().table_name(TABLE).index_name("by-g");
    let query = query.key_condition_expression("g = :g");
    let query = query.expression_attribute_values(":g", text("even"));
    assert_eq!(sks(query.send().await.unwrap().items()), ["0", "2", "4"]);
}

/// Has the table's items expire by this attribute.
async fn expire_by(client: &Client, attribute: &str) {
    let ttl = TimeToLiveSpecification::builder().enabled(true);
    let ttl = ttl.attribute_name(attribute).build().unwrap();
    let update = client.update_time_to_live().table_name(TABLE);
    update.time_to_live_specification(ttl).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn items_expire_by_the_given_clock() {
    let dynamodb = DynamoDb::memory(clock()).unwrap();
    let client = client_of(dynamodb.clone());
    create_table(&client).await;
    expire_by(&client, "exp").await;
    let mut item = item("a", "1", "");
    let exp = AttributeValue::N("1760000100".to_owned());
    item.insert("exp".to_owned(), exp);
    put(&client, item).await;

    assert_eq!(dynamodb.sweep_expired().unwrap(), 0);
    tokio::time::sleep(std::time::Duration::from_secs(101)).await;
    assert_eq!(dynamodb.sweep_expired().unwrap(), 1);
}

/// Items of some size that have expired long ago.
async fn put_expired(client: &Client, items: usize) {
    for n in 0..items {
        let mut item = item("a", &n.to_string(), "even");
        item.insert("exp".to_owned(), AttributeValue::N("1".to_owned()));
        item.insert("v".to_owned(), text(&"x".repeat(4_000)));
        put(client, item).await;
    }
}

#[tokio::test]
async fn a_file_deletes_what_has_expired_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let dynamodb = DynamoDb::open(&folder.path().join("data")).unwrap();
    let client = client_of(dynamodb.clone());
    create_table(&client).await;
    expire_by(&client, "exp").await;
    put(&client, item("a", "stays", "")).await;
    put_expired(&client, 60).await;
    let _expiry = Expiry::start(
        dynamodb.database.clone(),
        std::time::Duration::from_millis(1),
    );
    loop {
        let left = client.scan().table_name(TABLE).send().await.unwrap();
        if let [left] = left.items() {
            assert_eq!(left["sk"], text("stays"));
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// What is deleted makes room for what comes: a file that gets as much as expires stays as large as it is. The file deletes once
/// by itself when it is opened, at any time within the first round, so the first round says nothing.
#[tokio::test]
async fn a_file_does_not_grow_by_what_has_expired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let dynamodb = DynamoDb::open(&path).unwrap();
    let client = client_of(dynamodb.clone());
    create_table(&client).await;
    expire_by(&client, "exp").await;
    let reader = rusqlite::Connection::open(&path).unwrap();
    let mut pages = Vec::new();
    for _ in 0..4 {
        put_expired(&client, 200).await;
        let written = reader.query_row("PRAGMA page_count", [], |row| row.get::<_, u32>(0));
        pages.push(written.unwrap());
        dynamodb.sweep_expired().unwrap();
    }
    assert!(pages[1] > 200, "{pages:?}");
    assert_eq!(pages[3], pages[1], "{pages:?}");
}

#[tokio::test]
async fn errors_keep_their_codes() {
    let client = client_of(DynamoDb::memory(clock()).unwrap());
    let code = |error: Option<&str>| error.map(str::to_owned);
    let describe = client.describe_table().table_name(TABLE).send().await;
    let error = describe.map_err(SdkError::into_service_error).unwrap_err();
    assert!(error.is_resource_not_found_exception());

    create_table(&client).await;
    let again = client.create_table().table_name(TABLE);
    let again = again.key_schema(key("pk", KeyType::Hash));
    let error = again.send().await.unwrap_err();
    assert_eq!(code(error.code()).as_deref(), Some("ValidationException"));

    let put = client.put_item().table_name(TABLE);
    let error = put.item("pk", text("a")).send().await.unwrap_err();
    assert_eq!(code(error.code()).as_deref(), Some("ValidationException"));

    let put = client.put_item().table_name(TABLE);
    let mut bad = item("a", "1", "");
    bad.insert("n".to_owned(), AttributeValue::N("twelve".to_owned()));
    let error = put.set_item(Some(bad)).send().await.unwrap_err();
    assert_eq!(code(error.code()).as_deref(), Some("ValidationException"));
}

#[test]
fn what_is_no_request_is_answered_not_panicked_at() {
    let dynamodb = DynamoDb::memory(clock()).unwrap();
    for body in [&b""[..], b"{", b"[]", b"\xff", br#"{"TableName": 1}"#] {
        assert_eq!(dynamodb.call("GetItem", body).status, 400);
    }
    let answer = dynamodb.call("Dance", b"{}");
    assert_eq!(answer, Response::unknown_operation());
}

#[tokio::test]
async fn writes_that_come_together_are_each_answered_for_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let dynamodb = DynamoDb::open(&folder.path().join("table")).unwrap();
    let client = client_of(dynamodb);
    create_table(&client).await;
    put(&client, item("a", "3", "first")).await;
    let fresh = async |sk: &str| {
        let fresh = client.put_item().table_name(TABLE);
        let fresh = fresh.set_item(Some(item("a", sk, "new")));
        let fresh = fresh
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        fresh
            .send()
            .await
            .map_err(|error| match error.into_service_error() {
                PutItemError::ConditionalCheckFailedException(failed) => {
                    failed.item().unwrap()["v"].clone()
                }
                error => panic!("{error:?}"),
            })
    };
    let batch = async {
        let puts = ["5", "6"].map(|sk| put_request(item("a", sk, "batch")));
        let write = client
            .batch_write_item()
            .request_items("rung", puts.to_vec());
        write.send().await.unwrap();
    };
    // All is well with the first two; the third stands there already, the fourth and the last are one.
    let (one, two, three, four, (), again) = tokio::join!(
        fresh("1"),
        fresh("2"),
        fresh("3"),
        fresh("4"),
        batch,
        fresh("4")
    );
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(three.unwrap_err(), text("first"));
    assert!(four.is_ok());
    assert_eq!(again.unwrap_err(), text("new"));
    for (sk, expected) in [("1", "new"), ("3", "first"), ("4", "new"), ("6", "batch")] {
        assert_eq!(value(&client, "a", sk).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn writes_that_come_together_are_one_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let client = client_of(DynamoDb::open(&path).unwrap());
    create_table(&client).await;
    let wal_bytes = || {
        std::fs::metadata(folder.path().join("table-wal"))
            .unwrap()
            .len()
    };
    let before = wal_bytes();
    put(&client, item("a", "alone", "")).await;
    let alone = wal_bytes() - before;
    let mut last = wal_bytes();
    let mut grown = || wal_bytes() - std::mem::replace(&mut last, wal_bytes());

    let puts = (0..20).map(|sk| put(&client, item("a", &sk.to_string(), "")));
    join_all(puts).await;
    let together = grown();
    assert!(together < 5 * alone, "{together} for 20, {alone} for one");

    let updates = (0..20).map(|sk| {
        let update = client.update_item().table_name(TABLE);
        let update = update.key("pk", text("a")).key("sk", text(&sk.to_string()));
        let update = update.update_expression("SET v = :v");
        update.expression_attribute_values(":v", text("new")).send()
    });
    for updated in join_all(updates).await {
        updated.unwrap();
    }
    let together = grown();
    assert!(together < 5 * alone, "{together} for 20, {alone} for one");
    assert_eq!(value(&client, "a", "19").await.unwrap(), "new");

    let deletions = (0..20).map(|sk| {
        let delete = client.delete_item().table_name(TABLE);
        let delete = delete.key("pk", text("a")).key("sk", text(&sk.to_string()));
        delete.send()
    });
    for deleted in join_all(deletions).await {
        deleted.unwrap();
    }
    let together = grown();
    assert!(together < 5 * alone, "{together} for 20, {alone} for one");
    assert_eq!(value(&client, "a", "19").await, None);
}

#[tokio::test]
async fn what_was_answered_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let client = client_of(DynamoDb::open(&path).unwrap());
    create_table(&client).await;
    put(&client, item("a", "1", "kept")).await;
    // What a kill would leave: the files as they are while the database is open.
    let copy = folder.path().join("copy");
    for suffix in ["", "-wal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(name(&path), name(&copy)).unwrap();
    }
    let client = client_of(DynamoDb::open(&copy).unwrap());
    assert_eq!(value(&client, "a", "1").await.unwrap(), "kept");
}
