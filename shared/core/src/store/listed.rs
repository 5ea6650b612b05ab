//! Pages of lists in the order of creation, newest first.

use super::{Row, Store, StoreError, item};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// What is on it, newest first.
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
    /// A page of the index partition `g`, each item's row by a strong read. Rows that went away since they were indexed are
    /// left out, so a page may hold fewer than `limit` before the end.
    pub(super) async fn listed(
        &self,
        g: &str,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Row>, StoreError> {
        let partition = [g.to_owned()];
        let (entries, next) = self
            .merged_page(&partition, true, "0", before, limit)
            .await?;
        let part = |row: &Row, name| row.parsed(name, |key| Some(key.to_owned()));
        let keys = entries
            .iter()
            .map(|row| Ok((part(row, "pk")?, part(row, "sk")?)))
            .collect::<Result<_, StoreError>>()?;
        let mut items = self.get_all(keys).await?;
        items.sort_by_cached_key(|row| std::cmp::Reverse(part(row, "gs").ok()));
        Ok(Listed { items, next })
    }
}
