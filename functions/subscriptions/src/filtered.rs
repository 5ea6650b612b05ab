//! Pages of lists of which a filter leaves items out.

use rung_api::Page;
use rung_core::store::{Listed, StoreError};

/// How many items a page may read in search of those that are wanted. The page ends there, with a cursor.
const READ_PER_PAGE: usize = 1_000;

/// A page of the wanted items. `read` reads up to so many items of the list from behind a position on and returns those that are
/// wanted, each with its position, and the position to go on from.
pub(crate) async fn filtered<T, Wanted>(
    page: &Page,
    read: impl Fn(Option<String>, usize) -> Wanted,
) -> Result<Listed<T>, StoreError>
where
    Wanted: Future<Output = Result<Listed<(String, T)>, StoreError>>,
{
    // One item more than fits tells whether there is a next page.
    let chunk = page.limit + 1;
    let (mut items, mut last) = (Vec::new(), None);
    let (mut after, mut have_read) = (page.after.clone(), 0);
    loop {
        let wanted = read(after, chunk).await?;
        have_read += chunk;
        for (position, item) in wanted.items {
            if items.len() == page.limit {
                return Ok(Listed { items, next: last });
            }
            items.push(item);
            last = Some(position);
        }
        after = wanted.next;
        if after.is_none() || have_read >= READ_PER_PAGE {
            return Ok(Listed { items, next: after });
        }
    }
}
