//! One walk over a payload.

use super::{Asked, Place, conditions::Conditions};
use crate::Json;

pub(super) fn walk(places: &[Place], payload: &Json) -> Asked {
    let mut walk = Walk { places, work: 0 };
    Asked {
        takes: !places.is_empty() && walk.patterns(0, payload) != Conditions::default(),
        work: walk.work,
    }
}

/// Finds out what holds of a place where it or all its members are missing, when that is known of all that lies within it.
pub(super) fn without_members(places: &mut [Place], number: usize) {
    let members = places[number].members.iter();
    let mut empty = Conditions::default();
    for (_, member) in members {
        empty |= places[*member].missing;
    }
    let place = &mut places[number];
    place.empty = empty;
    place.empty_patterns = place.held(empty, &mut 0);
    place.missing = place.tests.missing();
    place.missing |= place.empty_patterns;
}

impl Place {
    /// The patterns that hold of an object here of which these conditions do.
    fn held(&self, conditions: Conditions, work: &mut usize) -> Conditions {
        *work += self.plain.len() + 2 * self.choosing.len();
        let mut held = Conditions::default();
        for (wanted, condition) in &self.plain {
            held |= condition.if_so(conditions.contains(*wanted));
        }
        for (pattern, condition) in &self.choosing {
            held |= condition.if_so(pattern.holds(conditions, work));
        }
        held
    }

    fn has_patterns(&self) -> bool {
        !self.plain.is_empty() || !self.choosing.is_empty()
    }
}

struct Walk<'p> {
    places: &'p [Place],
    work: usize,
}

impl Walk<'_> {
    /// The conditions that hold of the value at a place.
    fn member(&mut self, place: usize, value: &Json) -> Conditions {
        let here = &self.places[place];
        let mut held = here.tests.passed(value, &mut self.work);
        match value {
            _ if !here.has_patterns() => {}
            Json::Array(elements) if !elements.is_empty() => {
                for element in elements {
                    held |= self.patterns(place, element);
                }
            }
            value => held |= self.patterns(place, value),
        }
        held
    }

    /// Which patterns for an object at a place hold of a value.
    fn patterns(&mut self, place: usize, value: &Json) -> Conditions {
        let here = &self.places[place];
        self.work += 2;
        // What is no object has no members.
        let Json::Object(members) = value else {
            return here.empty_patterns;
        };
        let mut held = here.empty;
        for (name, value) in members {
            self.work += 4 + name.len().min(16);
            let known = &here.members;
            let Ok(found) = known.binary_search_by(|(known, _)| known.as_str().cmp(name)) else {
                continue;
            };
            let member = known[found].1;
            held.replace(self.places[member].decides, self.member(member, value));
        }
        if held == here.empty {
            return here.empty_patterns;
        }
        here.held(held, &mut self.work)
    }
}
