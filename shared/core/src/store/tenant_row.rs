//! The row of a tenant, `T#name` / `A`, as far as what hangs on it needs it: webhooks, keys and event types stand in partitions of
//! their tenant, and are written in one transaction with a change of the row, or a look at it. Both insist on its being the row of
//! this tenant, and not of a later one of its name.
//!
//! Each publishing call reads the row strongly, and a partition takes 3,000 such reads a second. So there are [`TENANT_COPIES`] of it,
//! `T#name#copy` / `A`, each in a partition of its own. Whatever writes the row writes all copies in the same transaction, under the
//! same condition, so they are the same but for the list of tenants, which names the first alone. A reader takes any of them.
//!
//! The row names what changed lately, each with the version that the change raised: the map `chg`. Every now and then a change begins
//! the map anew with itself, and `chs` becomes the version that it raises. So the map stays small, and nobody has to read it to write it.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Update, builders::UpdateBuilder};
use rung_base::chance;

use super::{
    Store, StoreError,
    item::{self, Row},
    transact::Part,
};
use crate::{
    domain::{
        id::{TenantId, TenantName, WebhookId},
        tenant::Changes,
    },
    limits::{TENANT_COPIES, TENANT_COPY_MS, WEBHOOK_SHARDS},
};

/// The row's sort key.
pub(super) const SK: &str = "A";

/// The partition of a tenant's own things: its keys, its event types.
pub(super) fn partition(tenant: &TenantId) -> String {
    format!("T#{tenant}")
}

/// The partition of the row itself, which there is one of for all tenants of a name.
pub(super) fn row_partition(name: &str) -> String {
    format!("T#{name}")
}

/// The partitions of the row and its copies. The first is that of the row itself.
pub(super) fn row_partitions(name: &str) -> impl Iterator<Item = String> {
    (0..TENANT_COPIES).map(move |copy| copy_partition(name, copy))
}

fn copy_partition(name: &str, copy: u8) -> String {
    match copy {
        0 => row_partition(name),
        _ => format!("{}#{copy}", row_partition(name)),
    }
}

/// The name of the tenant whose row, or a copy of it, stands in this partition.
pub(super) fn name_in(pk: &str) -> Option<TenantName> {
    let place = pk.strip_prefix("T#")?;
    let name = place.split_once('#').map_or(place, |(name, _)| name);
    TenantName::parse(name).ok()
}

/// The attribute that says which of its name the tenant is.
pub(super) const NUMBER: &str = "nth";

/// The tenant whose row this is.
pub(super) fn id_of(name: &TenantName, row: &Row) -> TenantId {
    TenantId::first(name).with_number(row.maybe_number(NUMBER).unwrap_or(1))
}

/// The attribute that says how many webhooks the tenant has.
pub(super) const WEBHOOKS: &str = "hooks";

/// The attribute that says which shards webhooks of the tenant were ever put into: a list of all its webhooks reads no others.
const SHARDS: &str = "hs";

/// The attribute that says how often all of the tenant's portal links were ended.
pub(super) const PORTAL_ROUND: &str = "links";

/// The attribute that names what changed lately.
pub(super) const CHANGES: &str = "chg";

/// The attribute with the version from which on every change is named.
const CHANGES_SINCE: &str = "chs";

/// How many changes the row names on average before it begins anew: at some 35 bytes each it stays below the 4 KB of a read unit.
const CHANGES_NAMED: u8 = 32;

/// What of a tenant changes with its version.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    /// A webhook is made, changed or deleted.
    Webhook(&'a WebhookId),
    /// Event types of its own.
    EventTypes,
    /// Nothing that publishing knows.
    Nothing,
}

impl What<'_> {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Webhook(id) => Some(id.as_str()),
            Self::EventTypes => Some(Changes::EVENT_TYPES),
            Self::Nothing => None,
        }
    }

    /// Names the change in an update that raises the version, beginning the map `anew` or not: the update, and the clause of its
    /// expression.
    fn named_in(&self, update: UpdateBuilder, anew: bool) -> (UpdateBuilder, String) {
        let Some(name) = self.name() else {
            return (update, String::new());
        };
        if anew {
            let first = HashMap::from([(name.to_owned(), item::number(0))]);
            let update = update.expression_attribute_values(":changes", AttributeValue::M(first));
            let clause = format!("SET {CHANGES_SINCE} = ver, {CHANGES} = :changes ");
            return (update, clause);
        }
        let update = update.expression_attribute_names("#what", name);
        (update, format!("SET {CHANGES}.#what = ver "))
    }
}

/// What changed lately, as the row names it.
pub(super) fn changes_of(row: &Row) -> Result<Changes, StoreError> {
    let named = row.0.get(CHANGES).and_then(|named| named.as_m().ok());
    let named = named.ok_or_else(|| row.missing(CHANGES))?.iter();
    let latest = named.map(|(name, version)| {
        let version = version.as_n().ok().and_then(|text| text.parse().ok());
        Ok((name.clone(), version.ok_or_else(|| row.missing(CHANGES))?))
    });
    Ok(Changes {
        since: row.maybe_number(CHANGES_SINCE).unwrap_or(0),
        latest: latest.collect::<Result<_, StoreError>>()?,
    })
}

/// The shards that the row names.
pub(super) fn shards_of(row: &Row) -> BTreeSet<u8> {
    let named = row.0.get(SHARDS).and_then(|named| named.as_ns().ok());
    let named = named.into_iter().flatten();
    let shards = named.filter_map(|shard| shard.parse().ok());
    shards.filter(|shard| *shard < WEBHOOK_SHARDS).collect()
}

/// The condition that the row is there and the tenant's, with what `:nth` stands for in it.
pub(super) fn is_of(tenant: &TenantId) -> (String, AttributeValue) {
    (format!("{NUMBER} = :nth"), item::number(tenant.number()))
}

impl Store {
    /// The partition of the copy to read now. A process reads each in turn, beginning anywhere, so that all take their share of every
    /// second; and what is read in one moment stays one read.
    pub(super) fn partition_to_read(&self, name: &str) -> String {
        let turn = self.clock.wall_ms() / TENANT_COPY_MS + u64::from(self.first_copy);
        copy_partition(name, (turn % u64::from(TENANT_COPIES)) as u8)
    }

    /// The parts of a transaction that raise the tenant's version for a change, if the tenant is there: one for each copy of its row.
    pub(super) fn raise_version(
        &self,
        tenant: &TenantId,
        what: What<'_>,
    ) -> Result<Vec<Part>, StoreError> {
        self.raise_version_and(tenant, what, "", |update| update)
    }

    /// The same for one webhook more, if there are fewer than `most`.
    pub(super) fn add_webhook(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        most: u32,
    ) -> Result<Vec<Part>, StoreError> {
        let (is_of, _) = is_of(tenant);
        let has_room = format!("(attribute_not_exists({WEBHOOKS}) OR {WEBHOOKS} < :most)");
        let one_more = format!(", {WEBHOOKS} :one, {SHARDS} :shard");
        let shard = AttributeValue::Ns(vec![webhook.shard_of(WEBHOOK_SHARDS).to_string()]);
        self.raise_version_and(tenant, What::Webhook(webhook), &one_more, |update| {
            update
                .expression_attribute_values(":shard", shard.clone())
                .condition_expression(format!("{is_of} AND {has_room}"))
                .expression_attribute_values(":most", item::number(most))
        })
    }

    /// The same for one webhook less.
    pub(super) fn remove_webhook(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
    ) -> Result<Vec<Part>, StoreError> {
        let one_less = format!(", {WEBHOOKS} :less");
        self.raise_version_and(tenant, What::Webhook(webhook), &one_less, |update| {
            update.expression_attribute_values(":less", item::number(-1))
        })
    }

    /// The same with more additions, each behind a comma, and with what else `change` gives the update.
    pub(super) fn raise_version_and(
        &self,
        tenant: &TenantId,
        what: What<'_>,
        additions: &str,
        change: impl Fn(UpdateBuilder) -> UpdateBuilder,
    ) -> Result<Vec<Part>, StoreError> {
        let (is_of, nth) = is_of(tenant);
        // All copies begin anew, or none.
        let anew = chance::bytes::<1>()[0] < u8::MAX / CHANGES_NAMED;
        let parts = row_partitions(tenant.name()).map(|pk| {
            let update = Update::builder()
                .table_name(&*self.table)
                .key("pk", item::text(pk))
                .key("sk", item::text(SK));
            let (update, named) = what.named_in(update, anew);
            let update = update
                .update_expression(format!("{named}ADD ver :one{additions}"))
                .condition_expression(&is_of)
                .expression_attribute_values(":nth", nth.clone())
                .expression_attribute_values(":one", item::number(1));
            Ok(Part::Update(Box::new(change(update).build()?)))
        });
        parts.collect()
    }

    /// The part of a transaction that insists on the tenant's being there.
    pub(super) fn tenant_exists(&self, tenant: &TenantId) -> Result<Part, StoreError> {
        let (is_of, nth) = is_of(tenant);
        let check = ConditionCheck::builder()
            .table_name(&*self.table)
            .key("pk", item::text(row_partition(tenant.name())));
        let check = check
            .key("sk", item::text(SK))
            .condition_expression(is_of)
            .expression_attribute_values(":nth", nth);
        Ok(Part::Check(Box::new(check.build()?)))
    }
}
