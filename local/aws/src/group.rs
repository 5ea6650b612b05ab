//! Group commit: writes that come in at the same moment become one transaction of the database.
//!
//! To dynoxide every item is a transaction of its own, with its own pages in SQLite's log. A hundred of them in one take half
//! the time and a fraction of the pages. A transaction that is refused (a condition fails, a key stands twice) has changed
//! nothing; then each writes by itself and gets its own answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use dynoxide::Database;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
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
    actions: Actions,
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
    pub(super) async fn commit(&self, actions: Actions) -> bool {
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
                actions += write.actions.count;
                actions <= ACTIONS
            });
            let fits = fits.count().max(1);
            let transaction: Vec<_> = writes.drain(..fits).collect();
            let written = self.transact(&transaction);
            for write in transaction {
                // A caller that has gone away needs no answer.
                let _ = write.written.send(written);
            }
        }
    }

    fn transact(&self, writes: &[Write]) -> bool {
        let actions: Vec<_> = writes.iter().map(|write| &*write.actions.json).collect();
        let request = format!(r#"{{"TransactItems":[{}]}}"#, actions.join(","));
        let Ok(request) = serde_json::from_str(&request) else {
            return false;
        };
        self.database.transact_write_items(request).is_ok()
    }
}

/// The actions of a transaction that do what a call asks for.
pub(super) struct Actions {
    json: String,
    count: usize,
}

impl Actions {
    /// Reads a call; `None` when it asks for more than a transaction can answer.
    pub(super) fn read(operation: &str, body: &[u8]) -> Option<Self> {
        let actions = match operation {
            "PutItem" => vec![Action::Put(serde_json::from_slice(body).ok()?)],
            "BatchWriteItem" => {
                let batch: BatchWrite = serde_json::from_slice(body).ok()?;
                let tables = batch.request_items.into_iter();
                tables
                    .flat_map(|(table_name, requests)| {
                        let requests = requests.into_iter();
                        requests.map(move |request| request.on(table_name))
                    })
                    .collect()
            }
            _ => return None,
        };
        let json = serde_json::to_string(&actions).ok()?;
        Some(Self {
            json: json.strip_prefix('[')?.strip_suffix(']')?.to_owned(),
            count: actions.len(),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct BatchWrite<'a> {
    #[serde(borrow)]
    request_items: HashMap<&'a str, Vec<WriteRequest<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
enum WriteRequest<'a> {
    #[serde(rename_all = "PascalCase")]
    PutRequest {
        #[serde(borrow)]
        item: &'a RawValue,
    },
    #[serde(rename_all = "PascalCase")]
    DeleteRequest {
        #[serde(borrow)]
        key: &'a RawValue,
    },
}

impl<'a> WriteRequest<'a> {
    fn on(self, table_name: &'a str) -> Action<'a> {
        match self {
            Self::PutRequest { item } => Action::Put(Put {
                table_name,
                item,
                condition_expression: None,
                expression_attribute_names: None,
                expression_attribute_values: None,
                return_values_on_condition_check_failure: None,
            }),
            Self::DeleteRequest { key } => Action::Delete { table_name, key },
        }
    }
}

#[derive(Serialize)]
enum Action<'a> {
    Put(Put<'a>),
    #[serde(rename_all = "PascalCase")]
    Delete {
        table_name: &'a str,
        key: &'a RawValue,
    },
}

/// What PutItem and a transaction's Put have in common.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Put<'a> {
    table_name: &'a str,
    #[serde(borrow)]
    item: &'a RawValue,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    condition_expression: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    expression_attribute_names: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    expression_attribute_values: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    return_values_on_condition_check_failure: Option<&'a RawValue>,
}
