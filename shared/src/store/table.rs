//! The table's definition, for machines without the template.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};

use super::{Store, StoreError};

/// The sparse index.
pub const INDEX: &str = "lists";

impl Store {
    /// Makes the table unless it is there.
    ///
    /// # Errors
    /// When DynamoDB cannot be asked or does not make it.
    pub async fn create_table(&self) -> Result<(), StoreError> {
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
        let attributes = ["pk", "sk", "g", "gs"]
            .into_iter()
            .map(|name| {
                AttributeDefinition::builder()
                    .attribute_name(name)
                    .attribute_type(ScalarAttributeType::S)
                    .build()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let index = GlobalSecondaryIndex::builder()
            .index_name(INDEX)
            .set_key_schema(Some(keys("g", "gs")?))
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::KeysOnly)
                    .build(),
            )
            .build()?;
        self.client
            .create_table()
            .table_name(&*self.table)
            .set_attribute_definitions(Some(attributes))
            .set_key_schema(Some(keys("pk", "sk")?))
            .global_secondary_indexes(index)
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await?;
        Ok(())
    }
}
