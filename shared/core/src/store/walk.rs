//! Walking partitions together in the order of time, in pages: a webhook's deliveries, its log, a tenant's events.
//!
//! A position is what a sort key begins with: `time#event` in the index and the log, `time#call` in the list of events.

use std::cmp::Ordering;

use futures_util::future::try_join_all;

use super::{
    Query, Range, Row, Store, StoreError,
    deliveries::{List, key_of, list_partitions},
    item::time,
    table::{Index, LISTS},
};
use crate::domain::{
    delivery::Delivery,
    id::{TenantId, WebhookId},
};

/// A stretch of time in milliseconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub since_ms: u64,
    /// Its end.
    pub until_ms: u64,
}

impl Span {
    /// All time that sort keys can tell.
    pub const ALL: Self = Self {
        since_ms: 0,
        until_ms: 9_999_999_999_999,
    };
}

/// Which way to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Forward in time.
    OldestFirst,
    /// Backward in time.
    NewestFirst,
}

impl Order {
    /// How two sort keys stand to each other in this order: what comes first is less.
    #[must_use]
    pub fn compare<T: Ord + ?Sized>(self, one: &T, other: &T) -> Ordering {
        match self {
            Self::OldestFirst => one.cmp(other),
            Self::NewestFirst => other.cmp(one),
        }
    }
}

/// Where a walk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start<'a> {
    /// At the end of the span that the order begins with.
    AtTheEnd,
    /// With the rows at this position.
    At(&'a str),
    /// With the first row behind this position.
    Behind(&'a str),
}

impl<'a> Start<'a> {
    pub(super) fn behind(position: Option<&'a str>) -> Self {
        position.map_or(Self::AtTheEnd, Self::Behind)
    }
}

/// A partition of the table or of the index.
pub(super) struct Source {
    pub(super) pk: String,
    pub(super) index: Option<Index>,
}

/// What a page of a walk holds, in the order of the walk.
pub(super) struct Walked {
    /// Each row with its position. Those of one position are on one page.
    pub(super) rows: Vec<(String, Row)>,
    /// The position to go on from; `None` at the end.
    pub(super) next: Option<String>,
}

impl Store {
    /// Deliveries of a webhook that stand in any of the lists and were accepted within `span`, oldest first: those of `limit`
    /// entries after the position `after` (one that an earlier call answered), and the position to go on from, `None` at the end.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn deliveries_after(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
        lists: &[List],
        span: Span,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Delivery>, Option<String>), StoreError> {
        let partitions = lists
            .iter()
            .flat_map(|list| list_partitions(tenant, webhook, *list));
        let sources: Vec<_> = partitions
            .map(|pk| Source {
                pk,
                index: Some(LISTS),
            })
            .collect();
        let walked = self
            .walk(
                &sources,
                Order::OldestFirst,
                span,
                Start::behind(after),
                limit,
            )
            .await?;
        let keys = walked.rows.iter().map(|(_, row)| key_of(row));
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?;
        // The index answers a moment late, and may tell of a delivery in both lists.
        keys.dedup();
        let mut deliveries = self.deliveries(&keys).await?;
        deliveries.sort_by(|one, next| {
            let place = |row: &Delivery| (row.key.accepted_ms, row.key.event.clone());
            place(one).cmp(&place(next))
        });
        Ok((deliveries, walked.next))
    }

    /// A page of several partitions as one list: about `limit` rows within `span`, from `start` on. Reads so many of each, for they
    /// may all be of one.
    pub(super) async fn walk(
        &self,
        sources: &[Source],
        order: Order,
        span: Span,
        start: Start<'_>,
        limit: usize,
    ) -> Result<Walked, StoreError> {
        self.walk_reading(sources, order, span, start, limit, limit)
            .await
    }

    /// The same, reading about `each` rows of each partition: a page ends where one of them was not read further.
    pub(super) async fn walk_reading(
        &self,
        sources: &[Source],
        order: Order,
        span: Span,
        start: Start<'_>,
        limit: usize,
        each: usize,
    ) -> Result<Walked, StoreError> {
        let backward = order == Order::NewestFirst;
        let (mut from, mut until) = (time(span.since_ms), format!("{}~", time(span.until_ms)));
        // BETWEEN takes its ends in; this lies behind all keys that begin with the position, and before all others.
        let behind = |position: &str| format!("{position}#~");
        match (start, order) {
            (Start::AtTheEnd, _) => {}
            (Start::At(at), Order::OldestFirst) => from = from.max(at.to_owned()),
            (Start::At(at), Order::NewestFirst) => until = until.min(behind(at)),
            (Start::Behind(after), Order::OldestFirst) => from = from.max(behind(after)),
            (Start::Behind(after), Order::NewestFirst) => until = until.min(after.to_owned()),
        }
        // DynamoDB refuses a range whose ends are the wrong way round.
        if from > until {
            return Ok(Walked {
                rows: Vec::new(),
                next: None,
            });
        }
        // One row more than asked for tells whether others follow. On the way back the row at `after` itself may come along, which is
        // to be left out.
        let after = match start {
            Start::Behind(after) => Some(after),
            Start::AtTheEnd | Start::At(_) => None,
        };
        let most = each + 1 + usize::from(backward && after.is_some());
        let pages = sources.iter().map(async |source| {
            self.query(Query {
                range: Range::Between(&from, &until),
                index: source.index,
                newest_first: backward,
                limit: Some(most),
                ..Query::of(&source.pk)
            })
            .await
        });
        let mut rows = Vec::new();
        let mut end: Option<String> = None;
        // Whether one position comes before another on this walk.
        let earlier = |one: &str, other: &str| (one < other) != backward && one != other;
        for (source, page) in sources.iter().zip(try_join_all(pages).await?) {
            let sk = source.index.map_or("sk", |index| index.sk);
            for row in page.rows {
                rows.push((row.parsed(sk, position)?, row));
            }
            // A partition that has more was read to here only: what others have behind it comes later.
            let read_to = page
                .after
                .as_ref()
                .and_then(|key| position(key.get(sk)?.as_s().ok()?));
            if let Some(read_to) = read_to
                && end.as_deref().is_none_or(|end| earlier(&read_to, end))
            {
                end = Some(read_to);
            }
        }
        rows.retain(|(position, _)| after != Some(position.as_str()));
        rows.sort_by(|(one, _), (next, _)| {
            if backward {
                next.cmp(one)
            } else {
                one.cmp(next)
            }
        });
        // Cut behind a position that others follow: of those at one position none is left over.
        if let (Some((last, _)), Some((behind, _))) = (rows.get(limit - 1), rows.last())
            && earlier(last, end.as_deref().unwrap_or(behind))
        {
            end = Some(last.clone());
        }
        rows.retain(|(position, _)| end.as_deref().is_none_or(|end| !earlier(end, position)));
        Ok(Walked { rows, next: end })
    }
}

/// The time and the event or call that a sort key begins with.
fn position(key: &str) -> Option<String> {
    let mut parts = key.splitn(3, '#');
    Some(format!("{}#{}", parts.next()?, parts.next()?))
}
