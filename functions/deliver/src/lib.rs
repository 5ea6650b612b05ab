//! Delivering: handles batches of the queues `deliver` and `retry`.
//!
//! Each record is read by itself, so that one that makes no sense fails alone, and only the records that must be handed out
//! again are answered.

use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use rung_core::flow::deliver::{Deliverer, Record};

/// Handles a batch for at most `time`.
pub async fn handle(deliverer: &Deliverer, event: SqsEvent, time: Duration) -> SqsBatchResponse {
    let records = event.records.into_iter().map(|record| Record {
        message_id: record.message_id.unwrap_or_default(),
        body: record.body.unwrap_or_default(),
        receives: record
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
    });
    let failed = deliverer.deliver(records.collect(), time).await;
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failed
        .into_iter()
        .map(|message_id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message_id;
            failure
        })
        .collect();
    response
}
