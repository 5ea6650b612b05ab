//! The table's definition, for machines without the template.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification, TimeToLiveStatus,
};

use super::{Store, StoreError};

/// A sparse index, of keys alone, with the attributes that are its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) name: &'static str,
    pub(super) pk: &'static str,
    pub(super) sk: &'static str,
}

/// What stands in lists: deliveries, jobs, tenants, a tenant's webhooks, the audit log.
pub(super) const LISTS: Index = index("lists", "g", "gs");
/// The webhooks of all tenants, by their health.
pub(super) const WEBHOOKS: Index = index("webhooks", "wh", "whs");

const fn index(name: &'static str, pk: &'static str, sk: &'static str) -> Index {
    Index { name, pk, sk }
}

/// The attribute that says when an item expires, in seconds since the Unix epoch.
const EXPIRY: &str = "exp";

impl Store {
    /// Makes the table unless it is there, and has it delete what has expired.
    ///
    /// # Errors
    /// When DynamoDB cannot be asked or does not do it.
    pub async fn create_table(&self) -> Result<(), StoreError> {
        self.make_table().await?;
        let asked = self.client.describe_time_to_live();
        let answer = asked.table_name(&*self.table).send().await?;
        let status = answer
            .time_to_live_description
            .and_then(|description| description.time_to_live_status);
        if status == Some(TimeToLiveStatus::Enabled) {
            return Ok(());
        }
        let by = TimeToLiveSpecification::builder()
            .attribute_name(EXPIRY)
            .enabled(true)
            .build()?;
        self.client
            .update_time_to_live()
            .table_name(&*self.table)
            .time_to_live_specification(by)
            .send()
            .await?;
        Ok(())
    }

    async fn make_table(&self) -> Result<(), StoreError> {
        let asked = self
            .client
            .describe_table()
            .table_name(&*self.table)
            .send()
            .await;
        match asked.map_err(|error| error.into_service_error()) {
            Ok(_) => return Ok(()),
            Err(error) if error.is_resource_not_found_exception() => {}
            Err(error) => return Err(StoreError::Unavailable(error.to_string().into())),
        }
        let keys = |hash, range| {
            [(hash, KeyType::Hash), (range, KeyType::Range)]
                .into_iter()
                .map(|(name, kind)| {
                    KeySchemaElement::builder()
                        .attribute_name(name)
                        .key_type(kind)
                        .build()
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let attributes = ["pk", "sk", "g", "gs", "wh", "whs"]
            .into_iter()
            .map(|name| {
                AttributeDefinition::builder()
                    .attribute_name(name)
                    .attribute_type(ScalarAttributeType::S)
                    .build()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let indexes = [LISTS, WEBHOOKS].map(|index| {
            GlobalSecondaryIndex::builder()
                .index_name(index.name)
                .set_key_schema(Some(keys(index.pk, index.sk)?))
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::KeysOnly)
                        .build(),
                )
                .build()
        });
        let indexes = indexes.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.client
            .create_table()
            .table_name(&*self.table)
            .set_attribute_definitions(Some(attributes))
            .set_key_schema(Some(keys("pk", "sk")?))
            .set_global_secondary_indexes(Some(indexes))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await?;
        Ok(())
    }
}
