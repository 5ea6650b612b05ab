//! One walk over a payload.

use std::hint::black_box;

use super::{Asked, Place, conditions::Conditions};
use crate::{Json, Member};

pub(super) fn walk(places: &[Place], payload: &Json) -> Asked {
    let mut walk = Walk { places, work: 0 };
    let takes = places
        .first()
        .is_some_and(|whole| walk.patterns(whole, payload) != Conditions::default());
    Asked {
        takes,
        work: walk.work,
    }
}

/// Finds out what holds of a place where it or all its members are missing, when that is known of all that lies within it.
pub(super) fn without_members(places: &mut [Place], number: usize) {
    let mut empty = Conditions::default();
    for member in &places[number].members {
        empty |= places[*member].missing;
    }
    let place = &mut places[number];
    place.empty = empty;
    place.empty_patterns = place.held(empty, &mut 0);
    place.missing = place.tests.missing();
    place.missing |= place.empty_patterns;
}

impl Place {
    /// The patterns that hold of an object here of which these conditions on its members do.
    fn held(&self, mut held: Conditions, work: &mut usize) -> Conditions {
        *work += 2 + self.patterns.work();
        for choices in &self.choices {
            *work += 1 + choices.alternatives.work() + choices.choices.work();
            held |= choices.alternatives.all(held);
            held |= choices.choices.any(held);
        }
        self.patterns.all(held)
    }
}

/// How many elements of a list are read before they are looked at.
const AHEAD: usize = 16;

/// Reads what the elements of a list consist of. Looking at one of them waits for memory again and again, as each object leads to the
/// next; reading several at once waits for all of them together.
fn read_ahead(elements: &[Json]) {
    fn read(value: &Json) -> usize {
        match value {
            Json::Array(elements) => elements.first().map_or(0, read),
            Json::Object(members) => {
                let members = members.iter().take(4);
                let member = |(name, value): &Member| {
                    name.bytes().next().map_or(0, usize::from) + read(value)
                };
                members.map(member).sum()
            }
            _ => 0,
        }
    }
    black_box(elements.iter().map(read).sum::<usize>());
}

struct Walk<'p> {
    places: &'p [Place],
    work: usize,
}

impl Walk<'_> {
    /// The conditions that hold of the value at a place.
    fn member(&mut self, here: &Place, value: &Json) -> Conditions {
        let mut held = here.tests.passed(value, &mut self.work);
        match value {
            _ if here.patterns.is_empty() => {}
            Json::Array(elements) if !elements.is_empty() => {
                for elements in elements.chunks(AHEAD) {
                    read_ahead(elements);
                    for element in elements {
                        held |= self.patterns(here, element);
                    }
                }
            }
            value => held |= self.patterns(here, value),
        }
        held
    }

    /// Which patterns for an object at a place hold of a value.
    fn patterns(&mut self, here: &Place, value: &Json) -> Conditions {
        self.work += 1;
        // What is no object has no members.
        let Json::Object(members) = value else {
            return here.empty_patterns;
        };
        self.work += 2;
        let (mut held, mut left) = (here.empty, here.members.len());
        for (name, value) in members {
            self.work += here.names.work(name);
            let Some(found) = here.names.hits(name).passed.first() else {
                continue;
            };
            let member = &self.places[here.members[found]];
            held.replace(member.decides, self.member(member, value));
            left -= 1;
            if left == 0 {
                break;
            }
        }
        if held == here.empty {
            return here.empty_patterns;
        }
        here.held(held, &mut self.work)
    }
}
