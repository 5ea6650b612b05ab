//! The key that nobody outside a deployment knows, for ever: `S#key` / `-`. It seals the cursors of lists. It is
//! encrypted like webhooks' secrets, so the table does not give it away. All functions share it; delete the row and restart them to
//! have another, at the price of the cursors in use.

use rung_base::chance;

use super::{
    Item, Store, StoreError,
    item::{Builder, Row},
    put_if,
};

pub(super) const PK: &str = "S#key";
pub(super) const SK: &str = "-";
/// The attribute of the key.
pub(super) const KEY: &str = "k";

impl Store {
    /// The key, made at its first use.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn deployment_key(&self) -> Result<[u8; 32], StoreError> {
        if let Some(row) = self.get(PK, SK).await? {
            return self.deployment_key_of(&row);
        }
        let key = chance::bytes();
        let item = self.deployment_key_item(&key)?;
        let put = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item));
        // Whoever came first has made it for all.
        let there = put_if(put.condition_expression("attribute_not_exists(pk)")).await?;
        there.map_or(Ok(key), |row| self.deployment_key_of(&row))
    }

    pub(super) fn deployment_key_item(&self, key: &[u8; 32]) -> Result<Item, StoreError> {
        let encrypted = self.encrypt((PK, SK), KEY, key)?;
        Ok(Builder::new(PK, SK).with(KEY, encrypted).build())
    }

    pub(super) fn deployment_key_of(&self, row: &Row) -> Result<[u8; 32], StoreError> {
        let key = self.decrypt(row, KEY)?;
        key.try_into().map_err(|_| row.missing(KEY))
    }
}
