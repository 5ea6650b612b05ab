//! What nodes need values to be, as far as that is known without asking them.

use super::Kind;
use crate::limits::SCHEMA_DEPTH;
use crate::schema::{Combination, Node, NodeId, Values};

/// What a value must be for a node to hold, as far as that is known without asking it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// The kinds of values, by [`Kind`].
    kinds: [bool; Kind::COUNT],
    /// A node that lists the texts that it must be one of.
    pub(super) listed: Option<NodeId>,
}

impl Needs {
    /// What nodes need. What a node needs, whoever asks it together with others needs as well.
    pub(super) fn of(nodes: &[Node]) -> Vec<Self> {
        let own = nodes.iter().enumerate().map(|(id, node)| Self {
            kinds: Kind::ALL.map(|kind| node.may_be(kind)),
            listed: node.listed_texts().map(|_| id),
        });
        let mut needs: Vec<_> = own.collect();
        // No chain is longer than that, and one that is cut off only says less.
        for _ in 0..SCHEMA_DEPTH {
            let mut is_same = true;
            for (id, node) in nodes.iter().enumerate() {
                for asked in node.always_asked() {
                    let Self { kinds, listed } = needs[asked];
                    let of_node = &mut needs[id];
                    for (may_be, may_be_too) in of_node.kinds.iter_mut().zip(kinds) {
                        is_same &= !*may_be || may_be_too;
                        *may_be &= may_be_too;
                    }
                    is_same &= of_node.listed.is_some() || listed.is_none();
                    of_node.listed = of_node.listed.or(listed);
                }
            }
            if is_same {
                break;
            }
        }
        needs
    }

    pub(super) fn excludes(self, kind: Kind) -> bool {
        !self.kinds[kind as usize]
    }
}

impl Node {
    /// Whether a value of a kind may be valid, by the node's own types and values.
    pub(super) fn may_be(&self, kind: Kind) -> bool {
        let is_of_type = self.types.is_empty() || self.types.iter().any(|known| kind.is_of(*known));
        !self.never && is_of_type && self.values.iter().all(|values| kind.is_among(values))
    }

    /// The texts that a value must be one of, by the node's own values.
    pub(super) fn listed_texts(&self) -> Option<Vec<&str>> {
        self.values.iter().find_map(Values::only_texts)
    }

    /// The nodes that must hold for this one to hold.
    pub(super) fn always_asked(&self) -> impl Iterator<Item = NodeId> {
        let combinations = self.combinations.iter();
        combinations
            .flat_map(|combination| match combination {
                Combination::All(nodes) => nodes.as_slice(),
                _ => &[],
            })
            .copied()
    }
}
