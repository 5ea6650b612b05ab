//! Pages of lists in the order of creation, newest first.

use super::{Query, Range, Row, Store, StoreError, item};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// What is on it, newest first.
    pub items: Vec<T>,
    /// The position after which the next page begins; `None` at the end. It names an item of the list and no partition.
    pub next: Option<String>,
}

impl<T> Listed<T> {
    pub(super) fn try_map<U>(self, map: impl FnMut(T) -> Result<U, StoreError>) -> Result<Listed<U>, StoreError> {
        Ok(Listed { items: self.items.into_iter().map(map).collect::<Result<_, _>>()?, next: self.next })
    }
}

/// The position of something made at `created_ms` in its list.
pub(super) fn position(created_ms: u64, id: &str) -> String {
    format!("{}#{id}", item::time(created_ms))
}

impl Store {
    /// A page of the index partition `g`, each item's row by a strong read. Rows that went away since they were indexed are
    /// left out, so a page may hold fewer than `limit` before the end.
    pub(super) async fn listed(&self, g: &str, after: Option<&str>, limit: usize) -> Result<Listed<Row>, StoreError> {
        let page = self
            .query(Query {
                range: after.map_or(Range::All, Range::Below),
                index: true,
                newest_first: true,
                limit: Some(limit),
                ..Query::of(g)
            })
            .await?;
        let mut keys = page.rows.into_iter().map(|mut row| Ok((row.text("gs")?, row.text("pk")?, row.text("sk")?)));
        let keys = keys.by_ref().collect::<Result<Vec<_>, StoreError>>()?;
        let next = page.after.and_then(|_| keys.last().map(|(position, ..)| position.clone()));
        let mut rows = self.get_all(keys.into_iter().map(|(_, pk, sk)| (pk, sk)).collect()).await?;
        rows.sort_by(|one, other| other.peek("gs").cmp(&one.peek("gs")));
        Ok(Listed { items: rows, next })
    }
}
