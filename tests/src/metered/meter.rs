//! The wire to AWS with a meter on it: what each call would be billed as, and how long it would take.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::client::result::ConnectorError;
use rung_local_aws::{Aws, Response, connector::Backend};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Counts, Partitions, Prices};

/// Bytes that SQS bills as one request.
const SQS_CHUNK_BYTES: usize = 64 * 1024;

/// Counts everything that is billed. Clones share it.
#[derive(Clone)]
pub struct Meter {
    aws: Aws,
    prices: Arc<Prices>,
    counts: Arc<Mutex<Counts>>,
    partitions: Arc<Mutex<Option<Partitions>>>,
    began: Instant,
    /// What a call takes of the caller's processor.
    working: Duration,
}

impl Meter {
    /// A meter on the way to `aws`, which refuses nothing.
    #[must_use]
    pub fn new(aws: Aws, prices: Arc<Prices>) -> Self {
        Self {
            aws,
            prices,
            counts: Arc::default(),
            partitions: Arc::default(),
            began: Instant::now(),
            working: Duration::ZERO,
        }
    }

    /// From now on what partitions have no units left for is refused.
    pub fn bound(&self, partitions: Partitions) {
        *self.partitions() = Some(partitions);
    }

    /// The same meter on the wire of a process whose processor is busy for so long with each call.
    #[must_use]
    pub fn of_process(&self, working: Duration) -> Self {
        Self {
            working,
            ..self.clone()
        }
    }

    /// The partitions, if they are bounded.
    pub fn partitions(&self) -> MutexGuard<'_, Option<Partitions>> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What was counted so far.
    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call as AWS would take and bill it, tried again as the SDK does by default.
    async fn answer(&self, target: &str, body: &[u8]) -> Response {
        let (service, operation) = target.split_once('.').unwrap_or_default();
        let is_sqs = service == "AmazonSQS";
        let mut request: Value = serde_json::from_slice(body).expect("the SDK sends JSON");
        let wait_ms = if is_sqs {
            self.prices.assumed.sqs_ms
        } else {
            self.prices.assumed.dynamodb_ms
        };
        for backoff in SDK_BACKOFFS {
            tokio::time::sleep(Duration::from_millis(wait_ms) + self.working).await;
            if let Some(unprocessed) = self.admit(operation, &mut request) {
                return self.admitted(target, operation, request, unprocessed).await;
            }
            tokio::time::sleep(backoff).await;
        }
        throttled(operation, &request)
    }

    /// Takes out of a request what is refused for its rate; `None` if that is all of it.
    fn admit(&self, operation: &str, request: &mut Value) -> Option<Vec<Value>> {
        let second = self.began.elapsed().as_secs();
        match &mut *self.partitions() {
            Some(partitions) => partitions.admit(operation, request, second),
            None => Some(Vec::new()),
        }
    }

    async fn admitted(
        &self,
        target: &str,
        operation: &str,
        request: Value,
        unprocessed: Vec<Value>,
    ) -> Response {
        let is_sqs = target.starts_with("AmazonSQS");
        let began = cpu();
        let mut asked = request.clone();
        if !is_sqs {
            asked["ReturnConsumedCapacity"] = "TOTAL".into();
        }
        let mut response = self
            .aws
            .dispatch(target, asked.to_string().as_bytes())
            .await;
        let mut answer = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        let mut counts = self.counts();
        // What AWS and this meter work is not the function's.
        counts.elsewhere_cpu += cpu().saturating_sub(began);
        // An event source asks again and again; what that costs is counted by the month.
        if operation == "ReceiveMessage" && answer["Messages"].as_array().is_none_or(Vec::is_empty)
        {
            return response;
        }
        if is_sqs {
            counts.fair_messages += fair_messages(&request);
        }
        let calls = counts.calls.entry(operation.to_owned()).or_default();
        calls.count += 1.0;
        if is_sqs {
            calls.sqs_requests += sqs_requests(operation, &request, &answer);
            return response;
        }
        let units = if response.status == 200 {
            consumed(&answer)
        } else {
            // A condition that fails is billed as a write, and answered without saying so.
            1.0
        };
        if matches!(operation, "GetItem" | "BatchGetItem" | "Query") {
            calls.read_units += units;
        } else {
            calls.write_units += units;
        }
        if let Some(partitions) = &mut *self.partitions() {
            let second = self.began.elapsed().as_secs();
            partitions.use_up(operation, &request, units, second);
        }
        if !unprocessed.is_empty() {
            leave(&mut answer, operation, &request, unprocessed);
            response.body = answer.to_string().into_bytes();
        }
        response
    }
}

/// What the SDK waits before it tries a throttled call again, on average: its standard mode makes three attempts.
const SDK_BACKOFFS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::ZERO,
];

/// DynamoDB's answer to a call of which all is refused for its rate.
fn throttled(operation: &str, request: &Value) -> Response {
    let name = |error| format!("com.amazonaws.dynamodb.v20120810#{error}");
    let body = if operation == "TransactWriteItems" {
        let parts = request["TransactItems"].as_array().map_or(0, Vec::len);
        let reason = json!({ "Code": "ThrottlingError", "Message": "Throughput exceeds the current capacity." });
        json!({ "__type": name("TransactionCanceledException"), "CancellationReasons": vec![reason; parts] })
    } else {
        json!({ "__type": name("ThrottlingException"), "message": "Throughput exceeds the current capacity of your table or index." })
    };
    Response {
        status: 400,
        query_error: None,
        body: body.to_string().into_bytes(),
    }
}

/// Notes in the answer to a batch what was left out of it.
fn leave(answer: &mut Value, operation: &str, request: &Value, unprocessed: Vec<Value>) {
    let tables = request["RequestItems"].as_object();
    let Some((table, asked)) = tables.and_then(|tables| tables.iter().next()) else {
        return;
    };
    if operation == "BatchGetItem" {
        let mut left = asked.clone();
        left["Keys"] = unprocessed.into();
        answer["UnprocessedKeys"][table] = left;
    } else {
        answer["UnprocessedItems"][table] = unprocessed.into();
    }
}

/// What a call of SQS is billed as: its messages' bytes by 64 KiB, at least one request.
fn sqs_requests(operation: &str, request: &Value, answer: &Value) -> f64 {
    let bodies = |of: &Value, list: &str, body: &str| {
        let messages = of[list].as_array().into_iter().flatten();
        messages
            .map(|message| message[body].as_str().unwrap_or_default().len())
            .sum::<usize>()
    };
    let bytes = match operation {
        "SendMessage" => request["MessageBody"].as_str().unwrap_or_default().len(),
        "SendMessageBatch" => bodies(request, "Entries", "MessageBody"),
        _ => bodies(answer, "Messages", "Body"),
    };
    bytes.div_ceil(SQS_CHUNK_BYTES).max(1) as f64
}

/// The messages that a call sends in the name of a group.
fn fair_messages(request: &Value) -> f64 {
    let entries = request["Entries"].as_array().into_iter().flatten();
    let named = |message: &&Value| message["MessageGroupId"].is_string();
    entries.chain([request]).filter(named).count() as f64
}

/// The units that a call of DynamoDB has used up, as it says itself.
fn consumed(answer: &Value) -> f64 {
    let consumed = &answer["ConsumedCapacity"];
    let tables = consumed
        .as_array()
        .map_or_else(|| std::slice::from_ref(consumed), Vec::as_slice);
    let units = tables
        .iter()
        .filter_map(|table| table["CapacityUnits"].as_f64());
    units.sum()
}

/// The processor time of this thread, which all of this runs on.
#[must_use]
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

impl Backend for Meter {
    async fn call(&self, target: &str, body: &[u8]) -> Result<Response, ConnectorError> {
        Ok(self.answer(target, body).await)
    }
}
