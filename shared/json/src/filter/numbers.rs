//! Numbers that others are compared with.

use super::{
    conditions::Hits,
    tests::{Comparison, Test},
};
use crate::{Decimal, Number, limits::FILTER_PARTS, number::Bound};

/// Doubles that are compared with one at once, and blocks of them.
const BLOCK: usize = 16;

const _: () = assert!(FILTER_PARTS < BLOCK * BLOCK);

/// The smallest integer of two characters.
const SMALLEST: i32 = -9;

/// What numbers hit: below the first bound, at it, between it and the second, and so on.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    bounds: Vec<Bound>,
    /// The doubles next to the bounds, in order, and infinity behind them.
    blocks: Vec<[f64; BLOCK]>,
    /// The last of each block, and infinity behind them.
    last: [f64; BLOCK],
    spans: Vec<Hits>,
    /// What the integers of one or two characters hit, from −9 on: a list can have as many of no other number.
    small: Vec<Hits>,
    /// The span of a short number, by the first bound with the same double.
    short: Vec<u32>,
}

impl Numbers {
    /// The numbers that pass tests, each with what it hits.
    pub(super) fn of(tests: &[(&Test, Hits)]) -> Self {
        let mut wanted: Vec<(Vec<(Comparison, &Decimal)>, Hits)> = Vec::new();
        for (test, hits) in tests {
            match test {
                Test::Number(value) => wanted.push((vec![(Comparison::Equal, value)], *hits)),
                Test::Numeric(bounds) => {
                    let bounds = bounds
                        .iter()
                        .map(|(comparison, bound)| (*comparison, bound));
                    wanted.push((bounds.collect(), *hits));
                }
                _ => {}
            }
        }
        let all = wanted.iter().flat_map(|(bounds, _)| bounds);
        let mut bounds: Vec<&Decimal> = all.map(|(_, bound)| *bound).collect();
        bounds.sort_unstable();
        bounds.dedup();
        if bounds.is_empty() {
            return Self::default();
        }
        let span_of = |number: &Decimal| match bounds.binary_search(&number) {
            Ok(place) => 2 * place + 1,
            Err(place) => 2 * place,
        };
        let mut spans = vec![Hits::default(); 2 * bounds.len() + 1];
        for (wanted, hits) in &wanted {
            let wanted: Vec<_> = wanted
                .iter()
                .map(|(comparison, bound)| (*comparison, span_of(bound)))
                .collect();
            for (span, all) in spans.iter_mut().enumerate() {
                let holds =
                    |(comparison, bound): &(Comparison, usize)| comparison.holds(span.cmp(bound));
                *all |= hits.if_so(wanted.iter().all(holds));
            }
        }
        let bounds = bounds.iter().map(|bound| Bound::of((*bound).clone()));
        let bounds: Vec<Bound> = bounds.collect();
        let short = bounds.iter().map(Bound::short_with_same_double);
        let short = short.map(|number| span_of(&number) as u32).collect();
        let mut doubles: Vec<f64> = bounds.iter().map(Bound::double).collect();
        doubles.resize((bounds.len() / BLOCK + 1) * BLOCK, f64::INFINITY);
        let (blocks, _) = doubles.as_chunks::<BLOCK>();
        let mut last = [f64::INFINITY; BLOCK];
        for (last, block) in last.iter_mut().zip(blocks) {
            *last = block[BLOCK - 1];
        }
        let mut numbers = Self {
            blocks: blocks.to_vec(),
            last,
            bounds,
            spans,
            short,
            small: Vec::new(),
        };
        let small = (SMALLEST..100).map(|small| numbers.found(&Number::from(small.to_string())));
        numbers.small = small.collect();
        numbers
    }

    /// The work that a look-up takes.
    pub(super) fn work(&self) -> usize {
        if self.bounds.is_empty() { 0 } else { 4 }
    }

    /// What a number hits.
    pub(super) fn hits(&self, number: &Number) -> Hits {
        if self.bounds.is_empty() {
            Hits::default()
        } else if number.len() <= 2 {
            self.small[(number.double() as i32 - SMALLEST) as usize]
        } else {
            self.found(number)
        }
    }

    fn found(&self, number: &Number) -> Hits {
        let double = number.double();
        // A smaller number never has the larger double.
        let block = count_below(&self.last, double);
        let within = count_below(&self.blocks[block], double);
        let place = block * BLOCK + within;
        if self.blocks[block][within] != double {
            return self.spans[2 * place];
        }
        if number.is_short() {
            return self.spans[self.short[place] as usize];
        }
        let same = self.bounds[place..].iter();
        let same = same.take_while(|bound| bound.double() == double).count();
        let exact = Decimal::of(number);
        let found = self.bounds[place..place + same].binary_search_by(|bound| bound.cmp(&exact));
        self.spans[match found {
            Ok(at) => 2 * (place + at) + 1,
            Err(at) => 2 * (place + at),
        }]
    }
}

/// How many of sorted doubles are below another: without a branch, as it could not be foretold.
fn count_below(sorted: &[f64; BLOCK], double: f64) -> usize {
    sorted
        .iter()
        .map(|bound| usize::from(*bound < double))
        .sum()
}
