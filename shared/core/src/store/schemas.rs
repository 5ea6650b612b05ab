//! Schemas that a tenant has given its event types: `T#t` / `Y#type`.
//!
//! Each change raises the tenant's version, as changes of its webhooks do: publishing sees it with its next event.

use rung_json::{Json, schema::Schema};

use super::{
    Query, Range, Store, StoreError,
    item::{Builder, Row},
    tenant_row::partition,
    transact::{Outcome, Part},
};
use crate::domain::{audit::Record, id::TenantId};

impl Store {
    /// Gives an event type a schema, in place of what it had. Whether the tenant is there.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put_schema(
        &self,
        tenant: &TenantId,
        event_type: &str,
        schema: &Schema,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let row = Builder::new(partition(tenant), sort_key(event_type)).json("schema", schema);
        let row = row.update().table_name(&*self.table).build()?;
        let parts = [Part::Update(row.into()), self.raise_version(tenant)?];
        Ok(matches!(
            self.change(parts, record).await?,
            Outcome::Written
        ))
    }

    /// Takes an event type's schema away. Whether it was there.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_schema(
        &self,
        tenant: &TenantId,
        event_type: &str,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let parts = [
            self.delete_existing(partition(tenant), sort_key(event_type))?,
            self.raise_version(tenant)?,
        ];
        Ok(matches!(
            self.change(parts, record).await?,
            Outcome::Written
        ))
    }

    /// All schemas of a tenant with their event types, in the order of these, by strong reads. They are as they were given, some
    /// perhaps when more was taken than now.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn schemas_of(&self, tenant: &TenantId) -> Result<Vec<(String, Json)>, StoreError> {
        let pk = partition(tenant);
        let query = Query {
            range: Range::Prefix("Y#"),
            ..Query::of(&pk)
        };
        let rows = self.query_all(query).await?;
        rows.iter().map(from_row).collect()
    }
}

fn sort_key(event_type: &str) -> String {
    format!("Y#{event_type}")
}

fn from_row(row: &Row) -> Result<(String, Json), StoreError> {
    let event_type = row.parsed("sk", |sk| Some(sk.strip_prefix("Y#")?.to_owned()))?;
    Ok((event_type, row.document("schema")?))
}
