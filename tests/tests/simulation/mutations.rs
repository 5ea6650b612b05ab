//! That the simulation bites: each mistake that the code could hold is made, and noticed.

use std::sync::Mutex;

use rung_core::mutation::{Mutation, make};

use crate::{on_all_cores, plan::Kind, world::play};

/// A mistake that goes unnoticed in so many runs goes unnoticed.
const SEEDS: u64 = 600;

const ALL: [Mutation; 23] = [
    Mutation::AcceptedUnsent,
    Mutation::StaleRoutes,
    Mutation::AckBeforeWork,
    Mutation::EpochIgnored,
    Mutation::NoPlace,
    Mutation::NoAdvance,
    Mutation::NoDueTest,
    Mutation::NoPendingTest,
    Mutation::DropOnlyAhead,
    Mutation::UnconditionalFailureLog,
    Mutation::LogAfterSuccessor,
    Mutation::RowBeforeSend,
    Mutation::RowByNumberAlone,
    Mutation::NoSecondLook,
    Mutation::CursorBeforeSend,
    Mutation::JobIgnored,
    Mutation::JobForgotten,
    Mutation::SuccessForgotten,
    Mutation::HostFaultCounted,
    Mutation::PauseIgnored,
    Mutation::NoWatchdog,
    Mutation::NoLagAwaited,
    Mutation::PlaceOutlived,
];

#[test]
fn each_mutation_is_caught() {
    let uncaught = Mutex::new(Vec::new());
    on_all_cores(ALL.into_iter(), |mutation| {
        // Where it can show.
        let kind = match mutation {
            Mutation::NoDueTest | Mutation::SuccessForgotten => Kind::Meddled,
            Mutation::RowByNumberAlone => Kind::Cancelling,
            Mutation::NoSecondLook => Kind::Frozen,
            Mutation::JobIgnored | Mutation::JobForgotten => Kind::Recovering,
            Mutation::NoLagAwaited => Kind::Lagging,
            Mutation::PlaceOutlived => Kind::Stalled,
            _ => Kind::Any,
        };
        // Where a search takes long, the seed that noticed it last comes first: a change elsewhere makes it another one.
        let first = match mutation {
            Mutation::CursorBeforeSend => 77,
            Mutation::EpochIgnored => 75,
            Mutation::HostFaultCounted => 14,
            Mutation::JobForgotten => 2,
            Mutation::JobIgnored => 15,
            Mutation::NoDueTest => 78,
            Mutation::NoLagAwaited => 67,
            Mutation::NoPendingTest => 104,
            Mutation::NoPlace => 13,
            Mutation::NoWatchdog => 7,
            Mutation::PlaceOutlived => 4,
            Mutation::RowByNumberAlone => 20,
            Mutation::SuccessForgotten => 306,
            _ => 0,
        };
        make(Some(mutation));
        let caught = std::iter::once(first).chain(0..SEEDS).find_map(|seed| {
            let violations = play(seed, kind, false).violations;
            Some((seed, violations.into_iter().next()?))
        });
        make(None);
        match caught {
            Some((seed, violation)) => println!("{mutation:?}: seed {seed}: {violation}"),
            None => uncaught.lock().unwrap().push(mutation),
        }
    });
    let uncaught = uncaught.into_inner().unwrap();
    assert!(uncaught.is_empty(), "nobody notices {uncaught:?}");
}
