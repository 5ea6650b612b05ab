//! That the simulation bites: each mistake that the product could make is made, and noticed. The product knows nothing of them: the
//! simulation makes them at the seams that it owns, see [`mistakes`](crate::mistakes).

use std::sync::Mutex;

use clap::ValueEnum;

use crate::{
    on_all_cores,
    plan::Kind,
    world::{Mode, play},
};

/// A mistake that goes unnoticed in so many runs goes unnoticed.
const SEEDS: u64 = 600;

/// A step of the protocol that is left out, or taken at the wrong time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mutation {
    /// An event is accepted although the queue did not take its messages.
    AcceptedUnsent,
    /// Publishing goes by webhooks that have changed since.
    StaleRoutes,
    /// A batch is acknowledged before it is handled.
    AckBeforeWork,
    /// A message of an earlier epoch is taken for one of the present.
    EpochIgnored,
    /// A message without a row is dropped instead of writing its row.
    NoPlace,
    /// A message ahead of its row is dropped instead of advancing the row.
    NoAdvance,
    /// A row with another due time is taken for the message's own.
    NoDueTest,
    /// A row whose chain has ended is taken for one that waits.
    NoPendingTest,
    /// A message is dropped only if the row is ahead of it.
    DropOnlyAhead,
    /// A failure overwrites what a copy of its message has logged.
    UnconditionalFailureLog,
    /// What follows an attempt is put in place before its log entry.
    LogAfterSuccessor,
    /// The row moves on before the successor's message is durable.
    RowBeforeSend,
    /// The row moves on whatever became of its chain, if only its number is the message's.
    RowByNumberAlone,
    /// A wait that took long to be parked is left to the sweep, which may be past it.
    NoSecondLook,
    /// The sweep's cursor moves before the queue has taken the page.
    CursorBeforeSend,
    /// A recovery sends again what it has sent already.
    JobIgnored,
    /// A message that is faster than its recovery moves the row without saying which recovery it is of.
    JobForgotten,
    /// Who sends a delivery again does not know that it had succeeded.
    SuccessForgotten,
    /// A fault of the function's host counts as an attempt that failed.
    HostFaultCounted,
    /// Nothing waits for a pause that people have set.
    PauseIgnored,
    /// A notice to the operator is taken from the queue, and not published.
    NoticeDropped,
    /// Nobody looks for messages that were lost.
    NoWatchdog,
    /// A recovery or a cancellation looks into the lists at once, which lag.
    NoLagAwaited,
    /// A webhook's pace forgets the places that it has given.
    PlacesForgotten,
    /// A recovery does not keep the events of its ladders.
    NotKept,
    /// A delivery's event is any that has its id, whenever that was accepted.
    AnyOfThatId,
    /// All bodies of an event stand in its row, however large they are.
    BodiesTogether,
}

impl Mutation {
    /// The runs in which it can show.
    fn kind(self) -> Kind {
        match self {
            Self::NoDueTest | Self::SuccessForgotten => Kind::Meddled,
            Self::RowByNumberAlone => Kind::Cancelling,
            Self::NoSecondLook => Kind::Frozen,
            Self::JobIgnored | Self::JobForgotten => Kind::Recovering,
            Self::NoLagAwaited => Kind::Lagging,
            Self::PlacesForgotten => Kind::Stalled,
            Self::NotKept | Self::AnyOfThatId => Kind::Aging,
            _ => Kind::Any,
        }
    }

    /// Where a search takes long, the seed that noticed it last comes first: a change elsewhere makes it another one.
    fn first_seed(self) -> u64 {
        match self {
            Self::AcceptedUnsent => 14,
            Self::AnyOfThatId => 2,
            Self::BodiesTogether => 23,
            Self::CursorBeforeSend => 73,
            Self::DropOnlyAhead => 2,
            Self::EpochIgnored => 40,
            Self::HostFaultCounted => 15,
            Self::JobForgotten => 24,
            Self::JobIgnored => 4,
            Self::LogAfterSuccessor => 199,
            Self::NoAdvance => 2,
            Self::NoDueTest => 396,
            Self::NoLagAwaited => 9,
            Self::NoPendingTest => 112,
            Self::NoPlace => 3,
            Self::NoSecondLook => 5,
            Self::NoWatchdog => 7,
            Self::NotKept => 12,
            Self::NoticeDropped => 10,
            Self::PauseIgnored => 23,
            Self::PlacesForgotten => 3,
            Self::RowByNumberAlone => 10,
            Self::StaleRoutes => 15,
            Self::SuccessForgotten => 203,
            Self::UnconditionalFailureLog => 31,
            _ => 0,
        }
    }
}

#[test]
fn each_mutation_is_caught() {
    let uncaught = Mutex::new(Vec::new());
    on_all_cores(Mutation::value_variants().iter(), |mutation| {
        let seeds = std::iter::once(mutation.first_seed()).chain(0..SEEDS);
        let caught = seeds.into_iter().find_map(|seed| {
            let mode = Mode::Mutated(*mutation);
            let violations = play(seed, mutation.kind(), mode).violations;
            Some((seed, violations.into_iter().next()?))
        });
        match caught {
            Some((seed, violation)) => println!("{mutation:?}: seed {seed}: {violation}"),
            None => uncaught.lock().unwrap().push(mutation),
        }
    });
    let uncaught = uncaught.into_inner().unwrap();
    assert!(uncaught.is_empty(), "nobody notices {uncaught:?}");
}
