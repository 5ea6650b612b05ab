//! DynamoDB in this process: dynoxide, over SQLite.
//!
//! A call runs to its end on the thread that makes it: tens of microseconds, under one lock.
//! Writes to a file that come in together are written together. Every write is a transaction of SQLite with `synchronous=NORMAL`: what was answered survives a
//! `kill -9`; a power cut may take the last milliseconds, never the file.

mod checkpoint;
mod expiry;

use std::{path::Path, sync::Arc};

use dynoxide::{Database, DynoxideError, storage_backend};
use rung_base::clock::Clock;
use serde::{Serialize, de::DeserializeOwned};

use self::{checkpoint::Checkpoints, expiry::Expiry};
use super::{
    Response,
    group::{self, Group},
};

/// A DynamoDB in a file or in memory. Clones share it.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
    /// Where transactions cost: in a file.
    group: Option<Group>,
    /// Likewise; until the last clone goes.
    _upkeep: Option<Arc<(Checkpoints, Expiry)>>,
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path is not UTF-8.
    #[error("the path {0} is not UTF-8: choose another folder")]
    Path(String),
    /// What the database said.
    #[error("{0}")]
    Database(#[from] DynoxideError),
    /// What SQLite said.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

impl DynamoDb {
    /// Opens the file at `path`, or makes it.
    ///
    /// # Errors
    /// The file cannot be opened, or is something else.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let name = path
            .to_str()
            .ok_or_else(|| OpenError::Path(path.display().to_string()))?;
        let database = Database::new(name)?;
        // Besides small caches this sets `synchronous=NORMAL`, six times as fast as the default.
        database.disable_bulk_loading()?;
        let upkeep = (
            Checkpoints::start(path)?,
            Expiry::start(database.clone(), expiry::EVERY),
        );
        Ok(Self {
            group: Some(Group::new(database.clone())),
            _upkeep: Some(Arc::new(upkeep)),
            database,
        })
    }

    /// An empty one in memory; items expire by `clock`.
    ///
    /// # Errors
    /// SQLite has no memory.
    pub fn memory(clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let database = Database::memory_with_clock(Arc::new(Seconds { clock }))?;
        Ok(Self {
            database,
            group: None,
            _upkeep: None,
        })
    }

    /// Deletes the items that are past the time in their TTL attribute, and answers how many. In a file this happens by itself,
    /// once an hour; in memory somebody has to call.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn sweep_expired(&self) -> Result<usize, DynoxideError> {
        self.database.sweep_ttl()
    }

    /// Answers one request, once what it writes is written: `operation` is what follows the dot in its target.
    pub async fn answer(&self, operation: &str, body: &[u8]) -> Response {
        if let Some(group) = &self.group
            && let Some(actions) = group::actions(operation, body)
            && group.commit(actions).await
        {
            let nothing_left = match operation {
                "BatchWriteItem" => r#"{"UnprocessedItems":{}}"#,
                _ => "{}",
            };
            return Response::ok(nothing_left.into());
        }
        self.call(operation, body)
    }

    /// Answers one request by itself.
    pub fn call(&self, operation: &str, body: &[u8]) -> Response {
        let database = &self.database;
        let answer = match operation {
            "BatchExecuteStatement" => answer(body, |r| database.batch_execute_statement(r)),
            "BatchGetItem" => answer(body, |r| database.batch_get_item(r)),
            "BatchWriteItem" => answer(body, |r| database.batch_write_item(r)),
            "CreateTable" => answer(body, |r| database.create_table(r)),
            "DeleteItem" => answer(body, |r| database.delete_item(r)),
            "DescribeTable" => answer(body, |r| database.describe_table(r)),
            "DescribeTimeToLive" => answer(body, |r| database.describe_time_to_live(r)),
            "GetItem" => answer(body, |r| database.get_item(r)),
            "PutItem" => answer(body, |r| database.put_item(r)),
            "Query" => answer(body, |r| database.query(r)),
            "Scan" => answer(body, |r| database.scan(r)),
            "TransactGetItems" => answer(body, |r| database.transact_get_items(r)),
            "TransactWriteItems" => answer(body, |r| database.transact_write_items(r)),
            "UpdateItem" => answer(body, |r| database.update_item(r)),
            "UpdateTimeToLive" => answer(body, |r| database.update_time_to_live(r)),
            _ => return Response::unknown_operation(),
        };
        answer.unwrap_or_else(|error| Response {
            status: error.status_code(),
            query_error: None,
            body: error.to_json().into_bytes(),
        })
    }
}

fn answer<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    call: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<Response, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(refusal)?;
    serde_json::to_vec(&call(request)?)
        .map(Response::ok)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// dynoxide's request types refuse a value by a message that begins with the kind of error.
fn refusal(error: serde_json::Error) -> DynoxideError {
    let message = error.to_string();
    match message.split_once(':') {
        Some(("VALIDATION" | "VALIDATION_REQUEST" | "VALIDATION_AS_READ", said)) => {
            DynoxideError::ValidationException(said.to_owned())
        }
        Some(("SERIALIZATION" | "SERIALIZATION_AS_READ", said)) => {
            DynoxideError::SerializationException(said.to_owned())
        }
        _ => DynoxideError::SerializationException(message),
    }
}

/// Rung's clock as dynoxide wants it.
struct Seconds {
    clock: Arc<dyn Clock>,
}

impl storage_backend::Clock for Seconds {
    fn now_unix_secs(&self) -> u64 {
        self.clock.now_ms() / 1_000
    }

    fn now_unix_secs_f64(&self) -> f64 {
        // Milliseconds since 1970 stay below 2^53 for 285,000 years.
        self.clock.now_ms() as f64 / 1_000.0
    }
}

#[cfg(test)]
pub(crate) mod tests;
