//! Definitions of event types: a tenant's own, `T#t` / `Y#type`, and the deployment's, `Y` / `dialect#type`.
//!
//! Each change of a tenant's raises the tenant's version, as changes of its webhooks do: publishing sees it with its next event. The
//! deployment's have one revision, `Y` / `-`, which their changes raise. It is read along with a tenant, in the same call, where the
//! last time is longer ago than [`EVENT_TYPES_MS`]: so publishing sees those changes that much later at most, for no call more.

use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::{Delete, Update};
use rung_json::Json;

use super::{
    Query, Range, Store, StoreError, batch,
    item::{self, Builder, Row},
    tenant_row::{What, partition},
    transact::{Part, Transacted},
};
use crate::{
    domain::{
        audit::Record,
        event_type::{Definition, Deprecated, Owner},
    },
    limits::EVENT_TYPES_MS,
};

/// The partition of the deployment's definitions.
const DEPLOYMENT: &str = "Y";
/// The sort key of their revision, which stands before them all.
const REVISION: &str = "-";

/// The revision of the deployment's definitions as it was read last.
#[derive(Default)]
pub(super) struct Known(Mutex<Option<(u64, u64)>>);

impl Known {
    /// The revision, unless it was read too long before `now_ms`.
    fn at(&self, now_ms: u64) -> Option<u64> {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (revision, _) =
            known.filter(|(_, read_ms)| now_ms.saturating_sub(*read_ms) < EVENT_TYPES_MS)?;
        Some(revision)
    }

    fn set(&self, known: Option<(u64, u64)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

impl Store {
    /// Where the revision of the deployment's definitions is to be read along with something else: its key.
    pub(super) fn revision_to_read(&self) -> Option<batch::Key> {
        let is_known = self.event_types.at(self.clock.wall_ms()).is_some();
        (!is_known).then(|| (DEPLOYMENT.to_owned(), REVISION.to_owned()))
    }

    /// Notes the revision that was read, and answers it.
    pub(super) fn note_revision(&self, row: Option<&Row>) -> u64 {
        let revision = row.and_then(|row| row.maybe_number("rev")).unwrap_or(0);
        self.event_types.set(Some((revision, self.clock.wall_ms())));
        revision
    }

    /// The revision of the deployment's definitions, as it was [`EVENT_TYPES_MS`] ago at most.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn event_types_revision(&self) -> Result<u64, StoreError> {
        match self.event_types.at(self.clock.wall_ms()) {
            Some(revision) => Ok(revision),
            None => Ok(self.note_revision(self.get(DEPLOYMENT, REVISION).await?.as_ref())),
        }
    }

    /// Writes a definition over the one of the revision before it, or where there is none if that is 0. `false` when another change
    /// was faster, or the tenant is gone.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put_event_type(
        &self,
        owner: Owner<'_>,
        definition: &Definition,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let row = to_row(owner, definition);
        let row = match definition.revision.checked_sub(1) {
            None => self.rewrite(row, "attribute_not_exists(pk)", [])?,
            Some(before) => self.rewrite(row, "rev = :rev", [(":rev", item::number(before))])?,
        };
        self.change_event_types(owner, row, record).await
    }

    /// Deletes a definition as it was read. `false` when another change was faster.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn delete_event_type(
        &self,
        owner: Owner<'_>,
        definition: &Definition,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let (pk, sk) = key(owner, &definition.name);
        let delete = Delete::builder()
            .table_name(&*self.table)
            .key("pk", item::text(pk))
            .key("sk", item::text(sk))
            .condition_expression("rev = :rev")
            .expression_attribute_values(":rev", item::number(definition.revision));
        let part = Part::Delete(Box::new(delete.build()?));
        self.change_event_types(owner, part, record).await
    }

    async fn change_event_types(
        &self,
        owner: Owner<'_>,
        part: Part,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let raise = match owner {
            Owner::Tenant(tenant) => self.raise_version(tenant, What::EventTypes)?,
            Owner::Deployment(_) => {
                let update = Update::builder()
                    .table_name(&*self.table)
                    .key("pk", item::text(DEPLOYMENT))
                    .key("sk", item::text(REVISION))
                    .update_expression("ADD rev :one")
                    .expression_attribute_values(":one", item::number(1));
                vec![Part::Update(Box::new(update.build()?))]
            }
        };
        let parts = [part].into_iter().chain(raise);
        let outcome = self.change(parts, record).await;
        // What is read next in this process is as of now.
        self.event_types.set(None);
        Ok(matches!(outcome?, Transacted::Written))
    }

    /// All definitions of an owner, by name, by strong reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn event_types_of(&self, owner: Owner<'_>) -> Result<Vec<Definition>, StoreError> {
        let (pk, prefix) = key(owner, "");
        let query = Query {
            range: Range::Prefix(&prefix),
            ..Query::of(&pk)
        };
        let rows = self.query_all(query).await?.into_iter();
        rows.map(|row| from_row(row, &prefix)).collect()
    }

    /// All definitions of the deployment, with the dialects that they are for, by strong reads.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn event_types_of_deployment(&self) -> Result<Vec<(String, Definition)>, StoreError> {
        let rows = self.query_all(Query::of(DEPLOYMENT)).await?.into_iter();
        let rows = rows.filter(|row| row.key().is_ok_and(|(_, sk)| sk != REVISION));
        rows.map(|row| {
            let (dialect, prefix) = row.parsed("sk", |sk| {
                let (dialect, _) = sk.split_once('#')?;
                Some((dialect.to_owned(), format!("{dialect}#")))
            })?;
            Ok((dialect, from_row(row, &prefix)?))
        })
        .collect()
    }
}

fn key(owner: Owner<'_>, event_type: &str) -> batch::Key {
    match owner {
        Owner::Tenant(tenant) => (partition(tenant), format!("Y#{event_type}")),
        Owner::Deployment(dialect) => (DEPLOYMENT.to_owned(), format!("{dialect}#{event_type}")),
    }
}

fn to_row(owner: Owner<'_>, definition: &Definition) -> Builder {
    let (pk, sk) = key(owner, &definition.name);
    let deprecated = definition.deprecated.as_ref();
    let replacement = deprecated.and_then(|deprecated| deprecated.r#use.as_ref());
    Builder::new(pk, sk)
        .json("groups", &definition.groups)
        .maybe("about", definition.description.as_ref().map(item::text))
        .maybe("sample", definition.sample.as_ref().map(item::json))
        .maybe("schema", definition.schema.as_ref().map(item::json))
        .number("schemas", definition.schema_version)
        .maybe(
            "since",
            deprecated.map(|deprecated| item::number(deprecated.since_ms)),
        )
        .maybe("use", replacement.map(item::text))
        .maybe("arch", definition.archived.then(|| item::number(1)))
        .number("rev", definition.revision)
}

fn from_row(mut row: Row, prefix: &str) -> Result<Definition, StoreError> {
    let document = |name: &'static str| -> Result<Option<Json>, StoreError> {
        let is_there = row.0.contains_key(name);
        is_there.then(|| row.document(name)).transpose()
    };
    let schema = document("schema")?;
    Ok(Definition {
        // What an older function has written has none.
        schema_version: row
            .maybe_number("schemas")
            .unwrap_or_else(|| u64::from(schema.is_some())),
        schema,
        name: row.parsed("sk", |sk| Some(sk.strip_prefix(prefix)?.to_owned()))?,
        groups: row.parsed("groups", |text| serde_json::from_str(text).ok())?,
        sample: document("sample")?,
        archived: row.maybe_number::<u64>("arch").is_some(),
        revision: row.number("rev")?,
        deprecated: row.maybe_number("since").map(|since_ms| Deprecated {
            since_ms,
            r#use: row.maybe_text("use"),
        }),
        description: row.maybe_text("about"),
    })
}
