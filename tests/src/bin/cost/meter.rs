//! The wire to AWS with a meter on it: what each call would be billed as, and how long it would take.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_smithy_runtime_api::client::result::ConnectorError;
use rung_local_aws::{Aws, Response, connector::Backend};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

use crate::{counts::Counts, prices::Prices};

/// Bytes that SQS bills as one request.
const SQS_CHUNK_BYTES: usize = 64 * 1024;

/// Counts everything that is billed. Clones share it.
#[derive(Clone)]
pub(crate) struct Meter {
    aws: Aws,
    prices: Arc<Prices>,
    counts: Arc<Mutex<Counts>>,
}

impl Meter {
    pub(crate) fn new(aws: Aws, prices: Arc<Prices>) -> Self {
        Self {
            aws,
            prices,
            counts: Arc::default(),
        }
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
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
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

/// Takes a call as AWS would take and bill it.
impl Backend for Meter {
    async fn call(&self, target: &str, body: &[u8]) -> Result<Response, ConnectorError> {
        let (service, operation) = target.split_once('.').unwrap_or_default();
        let is_sqs = service == "AmazonSQS";
        let request: Value = serde_json::from_slice(body).expect("the SDK sends JSON");
        let wait_ms = if is_sqs {
            self.prices.assumed.sqs_ms
        } else {
            self.prices.assumed.dynamodb_ms
        };
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let began = cpu();
        let response = if is_sqs {
            self.aws.dispatch(target, body).await
        } else {
            let mut request = request.clone();
            request["ReturnConsumedCapacity"] = "TOTAL".into();
            self.aws
                .dispatch(target, request.to_string().as_bytes())
                .await
        };
        let answer = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        let mut counts = self.counts();
        // What AWS and this meter work is not the function's.
        counts.elsewhere_cpu += cpu().saturating_sub(began);
        // An event source asks again and again; what that costs is counted by the month.
        if operation == "ReceiveMessage" && answer["Messages"].as_array().is_none_or(Vec::is_empty)
        {
            return Ok(response);
        }
        if is_sqs {
            counts.fair_messages += fair_messages(&request);
        }
        let calls = counts.calls.entry(operation.to_owned()).or_default();
        calls.count += 1.0;
        if is_sqs {
            calls.sqs_requests += sqs_requests(operation, &request, &answer);
        } else if matches!(operation, "GetItem" | "BatchGetItem" | "Query") {
            calls.read_units += consumed(&answer);
        } else if response.status == 200 {
            calls.write_units += consumed(&answer);
        } else {
            // A condition that fails is billed as a write, and answered without saying so.
            calls.write_units += 1.0;
        }
        Ok(response)
    }
}
