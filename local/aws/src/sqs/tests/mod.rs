//! The queues as a receiver and a sender see them: through the real SDK client.

mod file;
mod limits;
mod model;
mod order;
mod time;

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::receive_message::builders::ReceiveMessageFluentBuilder,
    types::{
        Message, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
    },
};
use rung_base::clock::{Clock, VirtualClock};

use super::{QueueSpec, Redrive, Sharing, Sqs, queue_url};
use crate::{Aws, DynamoDb, clients, connector::InProcess};

const EPOCH_MS: u64 = 1_760_000_000_000;

/// `jobs`, which gives up a message after three receives and whose lines are what stands before a slash, and its `dead` letters.
fn specs() -> [QueueSpec; 2] {
    [
        QueueSpec {
            name: "jobs".to_owned(),
            visibility_timeout_s: 30,
            retention_s: 3_600,
            redrive: Some(Redrive {
                dead_letter: "dead".to_owned(),
                max_receive_count: 3,
            }),
            sharing: Some(Sharing {
                in_flight: 300,
                line_of: |body| Some(body.split_once('/')?.0.to_owned()),
            }),
        },
        QueueSpec {
            name: "dead".to_owned(),
            visibility_timeout_s: 30,
            retention_s: 7_200,
            redrive: None,
            sharing: None,
        },
    ]
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(VirtualClock::starting_at(EPOCH_MS))
}

fn client_of(sqs: Sqs) -> Client {
    let dynamodb = DynamoDb::memory(clock()).unwrap();
    clients(InProcess::new(Aws { dynamodb, sqs })).1
}

fn in_memory() -> Client {
    client_of(Sqs::memory(&specs(), clock()).unwrap())
}

fn jobs() -> String {
    queue_url("jobs")
}

async fn send(client: &Client, body: &str) {
    let send = client.send_message().queue_url(jobs()).message_body(body);
    send.send().await.unwrap();
}

async fn send_to_group(client: &Client, group: &str, body: &str) {
    let send = client.send_message().queue_url(jobs()).message_body(body);
    send.message_group_id(group).send().await.unwrap();
}

async fn send_delayed(client: &Client, body: &str, delay_s: i32) {
    let send = client.send_message().queue_url(jobs()).message_body(body);
    send.delay_seconds(delay_s).send().await.unwrap();
}

fn receive(client: &Client, max: i32) -> ReceiveMessageFluentBuilder {
    let receive = client.receive_message().queue_url(jobs());
    receive
        .max_number_of_messages(max)
        .message_system_attribute_names(MessageSystemAttributeName::All)
}

async fn messages(receive: ReceiveMessageFluentBuilder) -> Vec<Message> {
    receive.send().await.unwrap().messages.unwrap_or_default()
}

async fn bodies(receive: ReceiveMessageFluentBuilder) -> Vec<String> {
    let messages = messages(receive).await;
    messages.into_iter().map(|m| m.body.unwrap()).collect()
}

async fn delete(client: &Client, message: &Message) {
    let delete = client.delete_message().queue_url(jobs());
    let handle = message.receipt_handle().unwrap();
    delete.receipt_handle(handle).send().await.unwrap();
}

async fn change_visibility(
    client: &Client,
    message: &Message,
    visibility_s: i32,
) -> Result<(), String> {
    let change = client.change_message_visibility().queue_url(jobs());
    let change = change.receipt_handle(message.receipt_handle().unwrap());
    let changed = change.visibility_timeout(visibility_s).send().await;
    changed.map(drop).map_err(|error| code(&error))
}

/// Visible, in flight, delayed.
async fn counts(client: &Client, queue: &str) -> [String; 3] {
    let names = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    let get = client.get_queue_attributes().queue_url(queue_url(queue));
    let get = get.set_attribute_names(Some(names.to_vec()));
    let attributes = get.send().await.unwrap().attributes.unwrap();
    names.map(|name| attributes[&name].clone())
}

fn attribute(message: &Message, name: MessageSystemAttributeName) -> &str {
    &message.attributes().unwrap()[&name]
}

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    let entry = SendMessageBatchRequestEntry::builder();
    entry.id(id).message_body(body).build().unwrap()
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    error.code().unwrap_or("none").to_owned()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
