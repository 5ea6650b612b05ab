//! One walk over a payload.

use super::{Asked, Condition, Held, Pattern, Place, tests::Bits};
use crate::Json;

pub(super) fn walk(places: &[Place], payload: &Json) -> Asked {
    if places.is_empty() {
        return Asked {
            takes: false,
            work: 0,
        };
    }
    let mut walk = Walk {
        places,
        held: vec![Held::default(); places.len()],
        work: places.len(),
    };
    let patterns = walk.patterns(0, payload);
    Asked {
        takes: patterns.has(0),
        work: walk.work,
    }
}

/// What holds of a place that is missing, when that is known of all that lies within it.
pub(super) fn missing(places: &[Place], place: usize) -> Held {
    let held: Vec<Held> = places.iter().map(|place| place.missing).collect();
    let mut patterns = Bits::default();
    for (number, pattern) in places[place].patterns.iter().enumerate() {
        if holds(pattern, &held, &mut 0) {
            patterns.set(number);
        }
    }
    Held {
        tests: places[place].tests.passed(None, &mut 0),
        patterns,
    }
}

struct Walk<'p> {
    places: &'p [Place],
    /// What holds of each place, as far as the walk has come in the object that it lies in.
    held: Vec<Held>,
    work: usize,
}

impl Walk<'_> {
    /// Finds out what holds of a place where this value is.
    fn member(&mut self, place: usize, value: &Json) {
        let here = &self.places[place];
        let tests = here.tests.passed(Some(value), &mut self.work);
        let patterns = match value {
            Json::Array(elements) if !elements.is_empty() && !here.patterns.is_empty() => {
                let mut held = Bits::default();
                for element in elements {
                    held |= self.patterns(place, element);
                }
                held
            }
            value => self.patterns(place, value),
        };
        self.held[place] = Held { tests, patterns };
    }

    /// Which patterns for an object at a place hold of a value.
    fn patterns(&mut self, place: usize, value: &Json) -> Bits {
        let here = &self.places[place];
        self.work += 2;
        let members = match value {
            Json::Object(members) if !here.patterns.is_empty() => members,
            // What is no object has no members.
            _ => return here.missing.patterns,
        };
        let mut known = false;
        for (name, value) in members {
            self.work += 4 + name.len().min(16);
            let found = here
                .members
                .binary_search_by(|(known, _)| known.as_str().cmp(name));
            let Ok(found) = found else {
                continue;
            };
            if !known {
                known = true;
                self.work += 4 * here.members.len();
                for (_, member) in &here.members {
                    self.held[*member] = self.places[*member].missing;
                }
            }
            self.member(here.members[found].1, value);
        }
        if !known {
            return here.missing.patterns;
        }
        let mut held = Bits::default();
        for (number, pattern) in here.patterns.iter().enumerate() {
            if holds(pattern, &self.held, &mut self.work) {
                held.set(number);
            }
        }
        held
    }
}

fn holds(pattern: &Pattern, held: &[Held], work: &mut usize) -> bool {
    pattern.iter().all(|condition| {
        *work += 2;
        match condition {
            Condition::Tests { place, number } => held[*place].tests.has(*number),
            Condition::Within { place, number } => held[*place].patterns.has(*number),
            Condition::Or(patterns) => patterns.iter().any(|pattern| holds(pattern, held, work)),
        }
    })
}
