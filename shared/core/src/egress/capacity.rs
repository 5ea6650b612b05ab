//! How many connections there may be, by how many file descriptors there are.

/// Deliveries that are under way at once, however many descriptors there are: what two queues have in hand.
const MAX_SLOTS: usize = 10_000;
/// Connections that are kept without need.
const MAX_KEPT: usize = 512;
/// A look-up asks for IPv4 and IPv6 at once.
const DESCRIPTORS_OF_A_SLOT: usize = 2;

/// The bounds of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capacity {
    /// Deliveries that may be under way, from the name look-up to the end of the answer.
    pub(super) slots: usize,
    /// Connections that may be open at a time and used again; those beyond serve one request.
    pub(super) kept: usize,
    /// Connections that may be open at a time.
    pub(super) open: usize,
}

impl Capacity {
    /// What so many descriptors are enough for.
    pub(super) fn of(descriptors: usize) -> Self {
        let kept = MAX_KEPT.min(descriptors / 4);
        let slots = (descriptors - kept) / DESCRIPTORS_OF_A_SLOT;
        Self {
            slots: slots.clamp(1, MAX_SLOTS),
            kept,
            open: descriptors.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_descriptors_are_used_than_there_are() {
        for descriptors in 2..5_000 {
            let Capacity { slots, kept, open } = Capacity::of(descriptors);
            assert!(
                slots * DESCRIPTORS_OF_A_SLOT + kept <= descriptors,
                "{descriptors}"
            );
            // Who has a slot finds room for its connection, though all kept ones be idle.
            assert!(slots + kept <= open, "{descriptors}");
            assert!(slots >= 3 * descriptors / 8, "{descriptors}");
        }
    }

    #[test]
    fn there_is_an_end_to_what_many_descriptors_are_used_for() {
        let capacity = Capacity::of(1 << 30);
        assert_eq!((capacity.slots, capacity.kept), (MAX_SLOTS, MAX_KEPT));
    }
}
