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

    /// Whether all of the others are among them.
    pub(super) fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether one of the others at least is among them.
    pub(super) fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
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
