//! Lists over more sources than one page can read: the events of all tenants, the logs of many webhooks. They are read in batches
//! of sources, the oldest first, and within a batch in the order that is asked for. So a page reads a bounded number of
//! partitions, however many there are, and a list of one batch is in order as a whole.

use rung_api::Page;
use rung_core::store::{Listed, StoreError};

/// Where a page goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    /// The batch has the sources behind this position.
    behind: Option<String>,
    /// The position of its last source, once it was read: sources that come or go meanwhile shift no batch that was begun.
    last: Option<String>,
    /// The position within it.
    within: Option<String>,
}

impl Place {
    fn read(text: Option<&str>) -> Self {
        let mut parts = text.unwrap_or_default().splitn(3, '|');
        let mut part = || {
            parts
                .next()
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
        };
        Self {
            behind: part(),
            last: part(),
            within: part(),
        }
    }

    fn write(&self) -> String {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        format!(
            "{}|{}|{}",
            part(&self.behind),
            part(&self.last),
            part(&self.within)
        )
    }
}

/// A page over all sources, and where to go on, `None` at the end: it looks through so many batches at most. `sources` reads the batch
/// behind a position, each source with its own; `items` reads up to so many of a batch from behind a position within it.
pub(crate) async fn page<S, T, Sources, Items>(
    page: &Page,
    batches: usize,
    sources: impl Fn(Option<String>) -> Sources,
    items: impl Fn(Vec<S>, Option<String>, usize) -> Items,
) -> Result<(Vec<T>, Option<String>), StoreError>
where
    Sources: Future<Output = Result<Listed<(String, S)>, StoreError>>,
    Items: Future<Output = Result<(Vec<T>, Option<String>), StoreError>>,
{
    let mut place = Place::read(page.after.as_deref());
    let mut taken = Vec::new();
    for _ in 0..batches {
        let listed = sources(place.behind.clone()).await?;
        let (mut batch, mut next) = (listed.items, listed.next);
        if let Some(last) = &place.last {
            let whole = batch.len();
            batch.retain(|(position, _)| position <= last);
            if batch.len() < whole {
                next = Some(last.clone());
            }
        }
        let batch = batch.into_iter().map(|(_, source)| source).collect();
        let left = page.limit - taken.len();
        let (found, within) = items(batch, place.within.clone(), left).await?;
        taken.extend(found);
        if within.is_some() {
            let place = Place {
                last: place.last.or(next),
                within,
                ..place
            };
            return Ok((taken, Some(place.write())));
        }
        let Some(next) = next else {
            return Ok((taken, None));
        };
        place = Place {
            behind: Some(next),
            ..Place::default()
        };
        if taken.len() == page.limit {
            break;
        }
    }
    Ok((taken, Some(place.write())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = |behind: &str, last: &str, within: &str| Place {
            behind: Some(behind.to_owned()).filter(|part| !part.is_empty()),
            last: Some(last.to_owned()).filter(|part| !part.is_empty()),
            within: Some(within.to_owned()).filter(|part| !part.is_empty()),
        };
        for place in [
            Place::default(),
            place("1#a", "", ""),
            place("", "2#b", "3#e#~"),
            place("1#a", "2#b", "3#e#1#t/w"),
        ] {
            assert_eq!(Place::read(Some(&place.write())), place);
        }
        assert_eq!(Place::read(None), Place::default());
    }
}
