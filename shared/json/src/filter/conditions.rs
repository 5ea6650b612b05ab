//! Sets of conditions on the members of an object, by their numbers.

use std::ops::BitOrAssign;

use crate::limits::FILTER_CONDITIONS;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Conditions(u32);

const _: () = assert!(FILTER_CONDITIONS <= 32);

impl Conditions {
    /// The one of a number.
    pub(super) fn only(number: usize) -> Self {
        Self(1 << number)
    }

    /// These, or none.
    pub(super) fn if_so(self, so: bool) -> Self {
        Self(self.0 * u32::from(so))
    }

    pub(super) fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The number of the first of them.
    pub(super) fn first(self) -> Option<usize> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as usize)
    }

    /// Puts others in the place of those of a range.
    pub(super) fn replace(&mut self, range: Self, others: Self) {
        self.0 = self.0 & !range.0 | others.0;
    }
}

impl BitOrAssign for Conditions {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// What follows from conditions: each rule wants some and gives others. They stand side by side, so that one instruction compares
/// several of them; a rule that fills a row up gives nothing.
#[derive(Debug, Default)]
pub(super) struct Rules {
    wanted: Vec<[u32; ROW]>,
    given: Vec<[u32; ROW]>,
    count: usize,
}

/// Rules that stand side by side.
const ROW: usize = 4;

impl Rules {
    pub(super) fn push(&mut self, wanted: Conditions, given: Conditions) {
        let (row, place) = (self.count / ROW, self.count % ROW);
        if place == 0 {
            self.wanted.push([0; ROW]);
            self.given.push([0; ROW]);
        }
        self.wanted[row][place] = wanted.0;
        self.given[row][place] = given.0;
        self.count += 1;
    }

    /// The work that asking them takes.
    pub(super) fn work(&self) -> usize {
        self.wanted.len().div_ceil(2)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// What the rules give that want nothing but what holds.
    pub(super) fn all(&self, held: Conditions) -> Conditions {
        self.given_if(|wanted| held.0 & wanted == wanted)
    }

    /// What the rules give that want something that does not hold.
    pub(super) fn not_all(&self, held: Conditions) -> Conditions {
        self.given_if(|wanted| held.0 & wanted != wanted)
    }

    /// What the rules give that want something that holds.
    pub(super) fn any(&self, held: Conditions) -> Conditions {
        self.given_if(|wanted| held.0 & wanted != 0)
    }

    fn given_if(&self, holds: impl Fn(u32) -> bool) -> Conditions {
        let mut all = [0; ROW];
        for (wanted, given) in self.wanted.iter().zip(&self.given) {
            for ((all, wanted), given) in all.iter_mut().zip(wanted).zip(given) {
                *all |= if holds(*wanted) { *given } else { 0 };
            }
        }
        Conditions(all.into_iter().fold(0, |all, given| all | given))
    }
}

/// What a value hits: conditions that it passes by a test, and numbers of tests that exclude it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hits {
    pub(super) passed: Conditions,
    pub(super) excluded: Conditions,
}

impl Hits {
    pub(super) fn passed(passed: Conditions) -> Self {
        Self {
            passed,
            excluded: Conditions::default(),
        }
    }

    pub(super) fn excluded(excluded: Conditions) -> Self {
        Self {
            passed: Conditions::default(),
            excluded,
        }
    }

    /// These, or none.
    pub(super) fn if_so(self, so: bool) -> Self {
        Self {
            passed: self.passed.if_so(so),
            excluded: self.excluded.if_so(so),
        }
    }
}

impl BitOrAssign for Hits {
    fn bitor_assign(&mut self, other: Self) {
        self.passed |= other.passed;
        self.excluded |= other.excluded;
    }
}
