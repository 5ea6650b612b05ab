//! The key that nobody outside a deployment knows, for ever: `S#key` / `-`. It seals the cursors of lists and makes the API keys that are
//! asked for under an `Idempotency-Key`. All functions share it; delete the row and restart them to have another, at the price of
//! the cursors in use and of repeats of what made keys: the keys themselves stay.

use super::{
    Store, StoreError,
    item::{Builder, Row},
    put_if,
};
use crate::chance;

const PK: &str = "S#key";
const SK: &str = "-";

impl Store {
    /// The key, made at its first use.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn deployment_key(&self) -> Result<[u8; 32], StoreError> {
        if let Some(row) = self.get(PK, SK).await? {
            return from_row(&row);
        }
        let key = chance::bytes();
        let item = Builder::new(PK, SK).bytes("k", key.to_vec()).build();
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item));
        // Whoever came first has made it for all.
        let there = put_if(put.condition_expression("attribute_not_exists(pk)")).await?;
        there.map_or(Ok(key), |row| from_row(&row))
    }
}

fn from_row(row: &Row) -> Result<[u8; 32], StoreError> {
    row.bytes("k")?.try_into().map_err(|_| row.missing("k"))
}
