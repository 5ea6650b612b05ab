//! Texts, found by their words of eight bytes: what a text is, begins with or ends with takes a few look-ups for each word.

use std::{collections::HashMap, hash::BuildHasher};

use foldhash::fast::RandomState;

use super::conditions::Hits;

/// Bytes of a word.
const WORD: usize = 8;

/// Where words are counted from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum End {
    #[default]
    Front,
    Back,
}

impl End {
    /// The first word as a number, its first byte lowest. Zeros follow a text that is shorter.
    fn word(self, text: &[u8]) -> u64 {
        let append = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
        match self {
            Self::Front => match text.first_chunk::<WORD>() {
                Some(word) => u64::from_le_bytes(*word),
                None => text.iter().rev().fold(0, append),
            },
            Self::Back => match text.last_chunk::<WORD>() {
                Some(word) => u64::from_be_bytes(*word),
                None => text.iter().fold(0, append),
            },
        }
    }

    /// What follows the first word of a text that has one.
    fn behind_word(self, text: &[u8]) -> &[u8] {
        match self {
            Self::Front => &text[WORD..],
            Self::Back => &text[..text.len() - WORD],
        }
    }

    fn begins(self, text: &[u8], beginning: &[u8]) -> bool {
        match self {
            Self::Front => text.starts_with(beginning),
            Self::Back => text.ends_with(beginning),
        }
    }
}

/// A text, or the rest of one, with what is hit by each that begins with it and by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'t> {
    text: &'t [u8],
    beginning: Hits,
    whole: Hits,
}

impl<'t> Known<'t> {
    /// What is hit by texts that begin so.
    pub(super) fn beginning(text: &'t str, hits: Hits) -> Self {
        Self {
            text: text.as_bytes(),
            beginning: hits,
            whole: Hits::default(),
        }
    }

    /// What is hit by this text alone.
    pub(super) fn whole(text: &'t str, hits: Hits) -> Self {
        Self {
            text: text.as_bytes(),
            beginning: Hits::default(),
            whole: hits,
        }
    }
}

/// A tree of texts. A node stands for the words that lead to it, the first for none.
#[derive(Debug, Default)]
pub(super) struct Words {
    end: End,
    /// The steps that there are from each node.
    nodes: Vec<Steps>,
    /// Where they lead.
    found: Table,
    /// What the steps hit that end a text or a beginning.
    hits: Vec<Hits>,
    /// What follows the last word that a text shares with another: the text, what it hits as a beginning, and as a whole.
    rests: Vec<(Box<[u8]>, Hits, Hits)>,
    /// Bytes of the longest text.
    longest: usize,
}

/// Steps from a node with the rest of a text: to the next node with its first word (0), to what it hits because it begins with 1 to 8
/// bytes (1 to 8), to the only rest that goes on with its first word (9), and to what it hits because it is 0 to 8 bytes (16 to 24).
#[derive(Debug, Clone, Copy, Default)]
struct Steps(u32);

impl Steps {
    const ON: u32 = 0;
    const ALONE: u32 = 9;
    const IS: u32 = 16;

    fn has(self, step: u32) -> bool {
        self.0 >> step & 1 == 1
    }

    /// Those that beginnings of at most so many bytes are.
    fn beginnings(self, bytes: u32) -> impl Iterator<Item = u32> {
        let mut left = self.0 & ((2 << bytes) - 2);
        std::iter::from_fn(move || {
            let next = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (next < u32::BITS).then_some(next)
        })
    }
}

impl Words {
    pub(super) fn of(end: End, known: Vec<Known<'_>>) -> Self {
        let mut words = Self {
            end,
            longest: known
                .iter()
                .map(|known| known.text.len())
                .max()
                .unwrap_or(0),
            ..Self::default()
        };
        if known.is_empty() {
            return words;
        }
        let mut steps = HashMap::new();
        let mut open = vec![known];
        words.nodes.push(Steps::default());
        let mut node = 0;
        while let Some(known) = open.get_mut(node as usize).map(std::mem::take) {
            for group in words.add(node, known, &mut steps) {
                open.push(group);
                words.nodes.push(Steps::default());
            }
            node += 1;
        }
        words.found = Table::of(&steps);
        words
    }

    /// Adds rests of texts to a node. Of each node that is to follow, in the order of their numbers, its own rests are returned.
    fn add<'t>(
        &mut self,
        node: u32,
        rests: Vec<Known<'t>>,
        steps: &mut HashMap<Step, u32>,
    ) -> Vec<Vec<Known<'t>>> {
        let mut by_word: HashMap<u64, Vec<Known<'t>>> = HashMap::new();
        for mut rest in rests {
            let word = self.end.word(rest.text);
            let bytes = rest.text.len() as u32;
            if rest.text.len() > WORD {
                rest.text = self.end.behind_word(rest.text);
                by_word.entry(word).or_default().push(rest);
                continue;
            }
            for (step, hits) in [(bytes, rest.beginning), (Steps::IS + bytes, rest.whole)] {
                if hits != Hits::default() {
                    self.nodes[node as usize].0 |= 1 << step;
                    let place = *steps.entry(Step::of(node, step, word)).or_insert_with(|| {
                        self.hits.push(Hits::default());
                        self.hits.len() as u32 - 1
                    });
                    self.hits[place as usize] |= hits;
                }
            }
        }
        let mut nodes = Vec::new();
        for (word, rests) in by_word {
            let (step, place) = if let [only] = rests.as_slice() {
                self.rests
                    .push((only.text.into(), only.beginning, only.whole));
                (Steps::ALONE, self.rests.len() - 1)
            } else {
                nodes.push(rests);
                (Steps::ON, self.nodes.len() + nodes.len() - 1)
            };
            self.nodes[node as usize].0 |= 1 << step;
            steps.insert(Step::of(node, step, word), place as u32);
        }
        nodes
    }

    /// The work that it takes to look a text up.
    pub(super) fn work(&self, text: &str) -> usize {
        if self.nodes.is_empty() {
            return 0;
        }
        4 + 2 * text.len().min(self.longest)
    }

    /// What a text hits.
    pub(super) fn hits(&self, text: &str) -> Hits {
        let (mut hits, mut rest, mut node) = (Hits::default(), text.as_bytes(), 0);
        while let Some(steps) = self.nodes.get(node as usize) {
            let word = self.end.word(rest);
            let bytes = rest.len().min(WORD) as u32;
            for length in steps.beginnings(bytes) {
                let beginning = word & u64::MAX >> (64 - 8 * length);
                hits |= self.hits_of(node, length, beginning);
            }
            if rest.len() <= WORD {
                if steps.has(Steps::IS + bytes) {
                    hits |= self.hits_of(node, Steps::IS + bytes, word);
                }
                return hits;
            }
            rest = self.end.behind_word(rest);
            if steps.has(Steps::ALONE)
                && let Some(known) = self.found.get(&Step::of(node, Steps::ALONE, word))
            {
                let (known, beginning, whole) = &self.rests[known as usize];
                if self.end.begins(rest, known) {
                    hits |= *beginning;
                    hits |= whole.if_so(rest.len() == known.len());
                }
                return hits;
            }
            let on = Step::of(node, Steps::ON, word);
            match steps.has(Steps::ON).then(|| self.found.get(&on)) {
                Some(Some(next)) => node = next,
                _ => return hits,
            }
        }
        hits
    }

    fn hits_of(&self, node: u32, step: u32, word: u64) -> Hits {
        let found = self.found.get(&Step::of(node, step, word));
        found.map_or_else(Hits::default, |found| self.hits[found as usize])
    }
}

/// A step from a node with a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Step {
    word: u64,
    /// Never 0.
    from: u32,
}

impl Step {
    fn of(node: u32, step: u32, word: u64) -> Self {
        Self {
            word,
            from: (node << 5 | step) + 1,
        }
    }
}

/// Where steps lead, by open addressing: what `HashMap` does in three times as long.
#[derive(Debug)]
struct Table {
    /// More than twice as many as there are steps; a power of two.
    slots: Box<[(Step, u32)]>,
    /// Drawn for each table, so that nobody can choose texts that collide.
    key: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self::of(&HashMap::new())
    }
}

impl Table {
    fn of(steps: &HashMap<Step, u32>) -> Self {
        let mut table = Self {
            slots: vec![<(Step, u32)>::default(); 2 * (steps.len() + 1).next_power_of_two()].into(),
            key: RandomState::default().hash_one(()) | 1,
        };
        for (step, found) in steps {
            let mut at = table.start(step);
            while table.slots[at].0.from != 0 {
                at = table.behind(at);
            }
            table.slots[at] = (*step, *found);
        }
        table
    }

    fn start(&self, step: &Step) -> usize {
        let from = u64::from(step.from).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let product = u128::from(step.word ^ from) * u128::from(self.key);
        (product ^ product >> 64) as usize & (self.slots.len() - 1)
    }

    fn behind(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    fn get(&self, step: &Step) -> Option<u32> {
        let mut at = self.start(step);
        loop {
            let (known, found) = &self.slots[at];
            if known == step {
                return Some(*found);
            }
            if known.from == 0 {
                return None;
            }
            at = self.behind(at);
        }
    }
}
