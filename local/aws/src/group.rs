//! Group commit: writes that come in at the same moment become one transaction of the database.
//!
//! To dynoxide every item is a transaction of its own, with its own pages in SQLite's log. A hundred of them in one take half
//! the time and a fraction of the pages. A transaction that is refused (a condition fails, a key stands twice) has changed
//! nothing; then each writes by itself and gets its own answer.

use std::sync::{Arc, Mutex, PoisonError};

use dynoxide::{
    Database,
    actions::{
        batch_write_item::{BatchWriteItemRequest, WriteRequest},
        delete_item::DeleteItemRequest,
        put_item::PutItemRequest,
        transact_write_items::{
            TransactDelete, TransactPut, TransactUpdate, TransactWriteItem,
            TransactWriteItemsRequest,
        },
        update_item::UpdateItemRequest,
    },
};
use tokio::sync::oneshot;

/// Actions that DynamoDB takes in one transaction.
const ACTIONS: usize = 100;

/// The writes that wait for their transaction. Clones share them.
#[derive(Clone)]
pub(super) struct Group {
    database: Database,
    waiting: Arc<Mutex<Vec<Write>>>,
}

/// A call's actions, and who waits for them.
struct Write {
    actions: Vec<TransactWriteItem>,
    written: oneshot::Sender<bool>,
}

impl Group {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            waiting: Arc::default(),
        }
    }

    /// Writes together with what others write now. `false`: nothing was written.
    pub(super) async fn commit(&self, actions: Vec<TransactWriteItem>) -> bool {
        let (written, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(Write { actions, written });
            waiting.len() == 1
        };
        if first {
            let group = self.clone();
            tokio::spawn(async move {
                // Whoever is ready to write comes along.
                tokio::task::yield_now().await;
                group.flush();
            });
        }
        answer.await.unwrap_or(false)
    }

    fn flush(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writes = std::mem::take(&mut *waiting);
        drop(waiting);
        while !writes.is_empty() {
            let mut actions = 0;
            let fits = writes.iter().take_while(|write| {
                actions += write.actions.len();
                actions <= ACTIONS
            });
            let fits = fits.count().max(1);
            let (actions, callers): (Vec<_>, Vec<_>) = writes
                .drain(..fits)
                .map(|write| (write.actions, write.written))
                .unzip();
            let request = TransactWriteItemsRequest {
                transact_items: actions.into_iter().flatten().collect(),
                ..TransactWriteItemsRequest::default()
            };
            let written = self.database.transact_write_items(request).is_ok();
            for caller in callers {
                // A caller that has gone away needs no answer.
                let _ = caller.send(written);
            }
        }
    }
}

/// The actions of a transaction that do what a call asks for; `None` when it asks for more than a transaction can answer, or is
/// none that writes.
pub(super) fn actions(operation: &str, body: &[u8]) -> Option<Vec<TransactWriteItem>> {
    match operation {
        "BatchWriteItem" => batch(serde_json::from_slice(body).ok()?),
        "DeleteItem" => delete(serde_json::from_slice(body).ok()?).map(|action| vec![action]),
        "PutItem" => put(serde_json::from_slice(body).ok()?).map(|action| vec![action]),
        "UpdateItem" => update(serde_json::from_slice(body).ok()?).map(|action| vec![action]),
        _ => None,
    }
}

/// Whether a member is left out that asks for something in the answer.
fn unasked(members: [&Option<String>; 3]) -> bool {
    let mut members = members.into_iter();
    members.all(|member| member.as_deref().is_none_or(|asked| asked == "NONE"))
}

fn batch(request: BatchWriteItemRequest) -> Option<Vec<TransactWriteItem>> {
    let asked = [
        &request.return_consumed_capacity,
        &request.return_item_collection_metrics,
        &None,
    ];
    if !unasked(asked) {
        return None;
    }
    let tables = request.request_items.into_iter();
    let actions = tables.flat_map(|(table_name, requests)| {
        let requests = requests.into_iter();
        requests.map(move |request| batched(table_name.clone(), request))
    });
    actions.collect()
}

fn batched(table_name: String, request: WriteRequest) -> Option<TransactWriteItem> {
    match (request.put_request, request.delete_request) {
        (Some(put), None) => Some(TransactWriteItem {
            put: Some(TransactPut {
                table_name,
                item: put.item,
                ..TransactPut::default()
            }),
            ..TransactWriteItem::default()
        }),
        (None, Some(delete)) => Some(TransactWriteItem {
            delete: Some(TransactDelete {
                table_name,
                key: delete.key,
                ..TransactDelete::default()
            }),
            ..TransactWriteItem::default()
        }),
        _ => None,
    }
}

fn delete(request: DeleteItemRequest) -> Option<TransactWriteItem> {
    let asked = [
        &request.return_consumed_capacity,
        &request.return_item_collection_metrics,
        &request.return_values,
    ];
    let is_plain = request.expected.is_none()
        && request.conditional_operator.is_none()
        && request.expression_attribute_values_raw.is_none();
    (is_plain && unasked(asked)).then(|| TransactWriteItem {
        delete: Some(TransactDelete {
            table_name: request.table_name,
            key: request.key,
            condition_expression: request.condition_expression,
            expression_attribute_names: request.expression_attribute_names,
            expression_attribute_values: request.expression_attribute_values,
            return_values_on_condition_check_failure: request
                .return_values_on_condition_check_failure,
        }),
        ..TransactWriteItem::default()
    })
}

fn put(request: PutItemRequest) -> Option<TransactWriteItem> {
    let asked = [
        &request.return_consumed_capacity,
        &request.return_item_collection_metrics,
        &request.return_values,
    ];
    let is_plain = request.expected.is_none() && request.conditional_operator.is_none();
    (is_plain && unasked(asked)).then(|| TransactWriteItem {
        put: Some(TransactPut {
            table_name: request.table_name,
            item: request.item,
            condition_expression: request.condition_expression,
            expression_attribute_names: request.expression_attribute_names,
            expression_attribute_values: request.expression_attribute_values,
            return_values_on_condition_check_failure: request
                .return_values_on_condition_check_failure,
        }),
        ..TransactWriteItem::default()
    })
}

fn update(request: UpdateItemRequest) -> Option<TransactWriteItem> {
    let asked = [
        &request.return_consumed_capacity,
        &request.return_item_collection_metrics,
        &request.return_values,
    ];
    let is_plain = request.attribute_updates.is_none()
        && request.expected.is_none()
        && request.conditional_operator.is_none();
    if !(is_plain && unasked(asked)) {
        return None;
    }
    Some(TransactWriteItem {
        update: Some(TransactUpdate {
            table_name: request.table_name,
            key: request.key,
            update_expression: request.update_expression?,
            condition_expression: request.condition_expression,
            expression_attribute_names: request.expression_attribute_names,
            expression_attribute_values: request.expression_attribute_values,
            return_values_on_condition_check_failure: request
                .return_values_on_condition_check_failure,
        }),
        ..TransactWriteItem::default()
    })
}
