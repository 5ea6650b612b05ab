//! AWS inside the process: ordinary SDK clients whose requests never leave it.
//!
//! [`DynamoDb`] and [`Sqs`] are the services, [`Aws`] is the two behind one door: it takes what an
//! SDK client puts on the wire (the `X-Amz-Target` header and the body) and gives back what the
//! service would answer. [`connector`] hangs an [`Aws`] under an SDK client, [`clients`] makes the
//! clients, stripped of what only a real network needs.
//!
//! Faults and recording belong on the wire: a connector of one's own around [`Aws::dispatch`] and
//! [`Response::into_http`], handed to [`clients`], sees every request and answer.

pub mod clients;
pub mod connector;
pub mod dynamodb;
mod group;
pub mod sqs;

use std::{path::Path, sync::Arc};

use rung_base::clock::Clock;

pub use self::{
    clients::clients,
    connector::Response,
    dynamodb::DynamoDb,
    sqs::{QueueSpec, Redrive, Sharing, Sqs},
};

/// The file that the table's database is in, within its folder.
pub const DATABASE: &str = "dynamodb.sqlite";
/// The file that the queues are in, likewise.
pub const QUEUES: &str = "sqs.sqlite";

/// DynamoDB and SQS in this process. Clones share them.
#[derive(Clone)]
pub struct Aws {
    dynamodb: DynamoDb,
    sqs: Sqs,
}

/// Why a service's data could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The table's database.
    #[error("cannot open the database: {0}")]
    DynamoDb(#[from] dynamodb::OpenError),
    /// The log of the table's database.
    #[error("cannot open the database's log: {0}")]
    Log(#[from] std::io::Error),
    /// The queues' database.
    #[error("cannot open the queues: {0}")]
    Sqs(#[from] sqs::OpenError),
}

impl Aws {
    /// Opens the data in `folder`, or starts it there. What was answered as done is still there
    /// after a `kill -9`; a power cut may take the last milliseconds, of both services alike.
    ///
    /// # Errors
    /// A file cannot be opened or is no database of ours, or `queues` contradict themselves.
    pub fn open(
        folder: &Path,
        queues: &[QueueSpec],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let database = folder.join(DATABASE);
        let dynamodb = DynamoDb::open(&database)?;
        let log = sqs::Log::of(&database)?;
        Ok(Self {
            dynamodb,
            sqs: Sqs::open_beside(log, &folder.join(QUEUES), queues, clock)?,
        })
    }

    /// Starts empty and in memory: no thread, no file, and under tokio's paused time the same
    /// answers at every run.
    ///
    /// # Errors
    /// `queues` contradict themselves.
    pub fn memory(queues: &[QueueSpec], clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Ok(Self {
            dynamodb: DynamoDb::memory(Arc::clone(&clock))?,
            sqs: Sqs::memory(queues, clock)?,
        })
    }

    /// The DynamoDB of this process.
    pub fn dynamodb(&self) -> &DynamoDb {
        &self.dynamodb
    }

    /// The SQS of this process.
    pub fn sqs(&self) -> &Sqs {
        &self.sqs
    }

    /// Answers one request as AWS would: `target` is its `X-Amz-Target` header.
    pub async fn dispatch(&self, target: &str, body: &[u8]) -> Response {
        match target.split_once('.') {
            Some(("DynamoDB_20120810", operation)) => self.dynamodb.answer(operation, body).await,
            Some(("AmazonSQS", operation)) => self.sqs.call(operation, body).await,
            _ => Response::unknown_operation(),
        }
    }
}
