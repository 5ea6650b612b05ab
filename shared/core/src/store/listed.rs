//! Pages of lists in the order of creation.

use super::{Row, Store, StoreError, Stretch, item};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// What is on it, in the order that was asked for.
    pub items: Vec<T>,
    /// The position from which the next page goes on; `None` at the end. It names an item of the list and no partition.
    pub next: Option<String>,
}

impl<T> Listed<T> {
    pub(super) fn try_map<U>(
        self,
        map: impl FnMut(T) -> Result<U, StoreError>,
    ) -> Result<Listed<U>, StoreError> {
        let items = self.items.into_iter().map(map).collect::<Result<_, _>>()?;
        Ok(Listed {
            items,
            next: self.next,
        })
    }
}

/// The position of something made at `created_ms` in its list.
pub(super) fn position(created_ms: u64, id: &str) -> String {
    format!("{}#{id}", item::time(created_ms))
}

impl Store {
    /// A page of partitions of an index as one list, each item's row by a strong read. Rows that went away since they were indexed
    /// are left out, so a page may hold fewer than `limit` before the end.
    pub(super) async fn listed(
        &self,
        partitions: &[String],
        stretch: Stretch<'_>,
        limit: usize,
    ) -> Result<Listed<Row>, StoreError> {
        let (entries, next) = self.merged_page(partitions, stretch, limit).await?;
        let part = |row: &Row, name| row.parsed(name, |key| Some(key.to_owned()));
        let mut keys = entries
            .iter()
            .map(|(_, row)| Ok((part(row, "pk")?, part(row, "sk")?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        // The index is a moment behind, and may name in two partitions what has just moved.
        keys.sort();
        keys.dedup();
        let mut items = self.get_all(keys).await?;
        let sk = stretch.index.map_or("sk", |index| index.sk);
        let place = |row: &Row| part(row, sk).unwrap_or_default();
        items.sort_by(|one, other| stretch.order.compare(&place(one), &place(other)));
        Ok(Listed { items, next })
    }
}
