//! Several rows written as one.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update},
};

use super::{
    Store, StoreError,
    item::{self, Builder},
};

/// One row's part of a transaction.
pub(super) enum Part {
    Put(Box<Put>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Check(Box<ConditionCheck>),
}

/// What came of a transaction.
pub(super) enum Transacted {
    /// All of it was written.
    Written,
    /// Nothing was: for each part, whether its condition failed.
    Refused(Vec<bool>),
}

impl From<Part> for TransactWriteItem {
    fn from(part: Part) -> Self {
        let item = Self::builder();
        match part {
            Part::Put(put) => item.put(*put),
            Part::Update(update) => item.update(*update),
            Part::Delete(delete) => item.delete(*delete),
            Part::Check(check) => item.condition_check(*check),
        }
        .build()
    }
}

impl Store {
    /// Writes all parts or none. Tries again while other transactions hold one of the rows.
    pub(super) async fn transact(
        &self,
        parts: impl IntoIterator<Item = Part>,
    ) -> Result<Transacted, StoreError> {
        let items: Vec<TransactWriteItem> = parts.into_iter().map(Into::into).collect();
        let mut turns = Turns::default();
        loop {
            let answer = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items.clone()))
                .send()
                .await;
            let error = match answer {
                Ok(_) => return Ok(Transacted::Written),
                Err(error) => error,
            };
            let Some(codes) = cancellation_codes(&error) else {
                return Err(error.into());
            };
            if codes.contains(&"ConditionalCheckFailed") {
                return Ok(Transacted::Refused(
                    codes
                        .iter()
                        .map(|code| *code == "ConditionalCheckFailed")
                        .collect(),
                ));
            }
            if codes
                .iter()
                .any(|code| !matches!(*code, "None" | "TransactionConflict" | "ThrottlingError"))
            {
                return Err(error.into());
            }
            turns.next().await?;
        }
    }

    /// The part of a transaction that writes the row over the one that is there, where `condition` holds, in which the named values
    /// stand for themselves. What this version does not know of the row stays.
    pub(super) fn rewrite(
        &self,
        row: Builder,
        condition: impl Into<String>,
        values: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Result<Part, StoreError> {
        let mut update = row
            .update()
            .table_name(&*self.table)
            .condition_expression(condition);
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        Ok(Part::Update(Box::new(update.build()?)))
    }

    /// The part of a transaction that deletes the row if it is there.
    pub(super) fn delete_existing(&self, pk: String, sk: String) -> Result<Part, StoreError> {
        let delete = Delete::builder()
            .table_name(&*self.table)
            .key("pk", item::text(pk))
            .key("sk", item::text(sk));
        Ok(Part::Delete(Box::new(
            delete
                .condition_expression("attribute_exists(pk)")
                .build()?,
        )))
    }
}

/// The pauses while other transactions hold a row: 25 ms, doubling up to 200 ms, given up after some 8 s. Of all that meet one gets
/// through each time, so this is long enough for dozens.
#[derive(Default)]
pub(super) struct Turns(u32);

impl Turns {
    pub(super) async fn next(&mut self) -> Result<(), StoreError> {
        const MOST: u32 = 40;
        if self.0 == MOST {
            return Err(StoreError::Unavailable(
                "other transactions held a row all the time".into(),
            ));
        }
        tokio::time::sleep(Duration::from_millis(25 << self.0.min(3))).await;
        self.0 += 1;
        Ok(())
    }
}

/// Why each part kept the transaction from being written; `None` for any other error.
fn cancellation_codes<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<Vec<&str>> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => Some(
            cancelled
                .cancellation_reasons()
                .iter()
                .map(|reason| reason.code().unwrap_or("None"))
                .collect(),
        ),
        _ => None,
    }
}
