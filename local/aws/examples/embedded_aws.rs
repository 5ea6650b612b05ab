//! What the embedded AWS takes: time and CPU per SDK call, the start after a crash, and the
//! memory of a long backlog.
//!
//! `cargo run --release -p rung-local-aws --example embedded_aws`

// A measurement looks at the real machine: the rule against wall clocks is for the product.
#![allow(clippy::disallowed_methods)]

use std::{
    error::Error,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::{AttributeDefinition, AttributeValue, KeySchemaElement, KeyType};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use rung_base::clock::SystemClock;
use rung_local_aws::{Aws, QueueSpec, Sqs, clients, connector::InProcess, sqs::queue_url};

type Outcome = Result<(), Box<dyn Error>>;

const CALLS: u32 = 5_000;
const BACKLOG: usize = 600_000;
const CONCURRENT_SENDS: usize = 64;

#[tokio::main]
async fn main() -> Outcome {
    let folder = tempfile::tempdir()?;
    let aws = Aws::open(folder.path(), &queues(), Arc::new(SystemClock))?;
    let (dynamodb, sqs) = clients(InProcess::new(aws.clone()));
    let body = "x".repeat(1_024);

    measure("an unknown queue: the SDK alone", CALLS, async || {
        let receive = sqs.receive_message().queue_url("http://aws.invalid/0/none");
        receive.send().await.err().ok_or("found")?;
        Ok(())
    })
    .await?;

    create_table(&dynamodb).await?;
    let mut n = 0;
    measure("PutItem, conditional, 1 KiB", CALLS, async || {
        n += 1;
        let put = dynamodb.put_item().table_name("table");
        let put = put.item("pk", AttributeValue::S(n.to_string()));
        let put = put.item("v", AttributeValue::S(body.clone()));
        let put = put.condition_expression("attribute_not_exists(pk)");
        put.send().await?;
        Ok(())
    })
    .await?;
    measure("GetItem, strong, 1 KiB", CALLS, async || {
        let get = dynamodb.get_item().table_name("table");
        let get = get.key("pk", AttributeValue::S("1".to_owned()));
        get.consistent_read(true).send().await?;
        Ok(())
    })
    .await?;

    for size in [1, 10] {
        let name = format!("SendMessageBatch of {size} x 1 KiB");
        measure(&name, CALLS, async || send(&sqs, &body, size).await).await?;
    }
    measure("receive 10 and delete 10", CALLS, async || {
        let receive = sqs.receive_message().queue_url(queue_url("jobs"));
        let received = receive.max_number_of_messages(10).send().await?;
        let mut delete = sqs.delete_message_batch().queue_url(queue_url("jobs"));
        for (n, message) in received.messages().iter().enumerate() {
            let handle = message.receipt_handle().unwrap_or_default();
            let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
            delete = delete.entries(entry.receipt_handle(handle).build()?);
        }
        delete.send().await?;
        Ok(())
    })
    .await?;

    let before = aws.sqs().commits();
    let rounds = CALLS / 10;
    measure("64 SendMessageBatch of 1 at a time", rounds, async || {
        let sends = (0..CONCURRENT_SENDS).map(|_| send(&sqs, &body, 1));
        let sent = futures_util::future::join_all(sends).await;
        sent.into_iter().collect()
    })
    .await?;
    let commits = aws.sqs().commits() - before;
    println!("    in {commits} transactions");

    backlog(&body, folder.path()).await
}

/// Fills the queue, then opens a copy of its files as a kill would leave them.
async fn backlog(body: &str, folder: &Path) -> Outcome {
    for filled in [100_000, BACKLOG] {
        let fresh = folder.join(filled.to_string());
        fs::create_dir(&fresh)?;
        let queue = Aws::open(&fresh, &queues(), Arc::new(SystemClock))?;
        let client = clients(InProcess::new(queue.clone())).1;
        let before = resident_kib()?;
        for _ in 0..filled / 10 {
            send(&client, body, 10).await?;
        }
        let grown = resident_kib()?.saturating_sub(before) / 1_024;
        println!("{filled} messages waiting: {grown} MiB more");
        for suffix in ["", "-wal"] {
            let file = |name: &str| fresh.join(format!("{name}.sqlite{suffix}"));
            fs::copy(file("sqs"), file("copy"))?;
        }
        let start = Instant::now();
        let reopened = Sqs::open(&fresh.join("copy.sqlite"), &queues(), Arc::new(SystemClock))?;
        println!("    opened after a kill in {:?}", start.elapsed());
        drop(reopened);
    }
    Ok(())
}

fn queues() -> [QueueSpec; 1] {
    [QueueSpec {
        name: "jobs".to_owned(),
        visibility_timeout_s: 180,
        retention_s: 7 * 86_400,
        redrive: None,
        sharing: None,
    }]
}

async fn send(sqs: &aws_sdk_sqs::Client, body: &str, size: usize) -> Outcome {
    let mut send = sqs.send_message_batch().queue_url(queue_url("jobs"));
    for n in 0..size {
        let entry = SendMessageBatchRequestEntry::builder().id(n.to_string());
        let entry = entry.message_body(body).message_group_id("group");
        send = send.entries(entry.build()?);
    }
    send.send().await?;
    Ok(())
}

async fn create_table(dynamodb: &aws_sdk_dynamodb::Client) -> Outcome {
    let pk = AttributeDefinition::builder().attribute_name("pk");
    let pk = pk.attribute_type("S".into()).build()?;
    let key = KeySchemaElement::builder().attribute_name("pk");
    let key = key.key_type(KeyType::Hash).build()?;
    let create = dynamodb.create_table().table_name("table");
    let create = create.attribute_definitions(pk).key_schema(key);
    create.billing_mode("PAY_PER_REQUEST".into()).send().await?;
    Ok(())
}

async fn measure(name: &str, calls: u32, mut call: impl AsyncFnMut() -> Outcome) -> Outcome {
    let (start, cpu) = (Instant::now(), cpu_time()?);
    for _ in 0..calls {
        call().await?;
    }
    let (took, cpu) = (start.elapsed() / calls, (cpu_time()? - cpu) / calls);
    println!("{name}: {took:?}, CPU {cpu:?}");
    Ok(())
}

/// User and system time of this process so far; Linux counts it in hundredths of a second.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat.split(' ').collect();
    let ticks: u64 = fields[13].parse::<u64>()? + fields[14].parse::<u64>()?;
    Ok(Duration::from_millis(10 * ticks))
}

fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.ok_or("no VmRSS in /proc/self/status")?.parse()?)
}
