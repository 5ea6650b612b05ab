//! What a message that arrives still means.
//!
//! SQS delivers late, twice and out of order, and functions die between any two calls. Each delivery is therefore a chain of
//! positions `(n, due)`; its row is the chain's head. **A row at a position means that its message was durable before**, so
//! whoever finds the row ahead of its message, or at another due time, may drop the message: another one carries on. The log
//! entry of an attempt holds its outcome and the next due time, so all that follows an attempt can be repeated from it.
//!
//! The order in which a failed attempt is settled keeps that true: log, then the successor's message, then the row.

use super::{
    attempt::Trigger,
    delivery::{Delivery, State},
    message::AttemptMessage,
    position::Position,
    webhook::Webhook,
};
use crate::{
    limits::{EARLY_MS, FRESH_MS},
    mutation::{Mutation, mutated},
};

/// What to do with a message on receipt, by its webhook and the clock alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// Its webhook is gone.
    Drop,
    /// Due within moments: wait so many milliseconds, then post or inspect as if received then.
    Wait(u64),
    /// Not due, or its place in the webhook's pace not come, for so many milliseconds: send it again with that delay.
    Resend(u64),
    /// A first attempt without a past: post it.
    Post,
    /// Look at the log and the row first.
    Inspect,
}

/// Judges a message on receipt. `receives` is SQS's count, 1 at the first.
#[must_use]
pub fn receive(
    message: &AttemptMessage,
    webhook: Option<&Webhook>,
    receives: u32,
    now_ms: u64,
) -> Receipt {
    let Some(webhook) = webhook else {
        return Receipt::Drop;
    };
    if !webhook.takes(message.position.epoch) {
        return Receipt::Inspect;
    }
    let early_ms = webhook.earliest_ms(message).saturating_sub(now_ms);
    if early_ms > EARLY_MS {
        return Receipt::Resend(early_ms);
    }
    if early_ms > 0 {
        return Receipt::Wait(early_ms);
    }
    // Without a past: nobody can have posted it before, save a copy of SQS's own making. One that waits for a pause has left a row.
    let is_fresh =
        receives == 1 && !message.repeated && now_ms - message.position.due_ms <= FRESH_MS;
    if message.position.n == 1 && is_fresh && !webhook.holds_back(now_ms, now_ms) {
        Receipt::Post
    } else {
        Receipt::Inspect
    }
}

/// What to do with a message after a look at the log and the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Another message carries on, or the chain has ended.
    Drop,
    /// The row was never written: write it at this position unless one is there, and look again.
    Place,
    /// The row stands one position behind: advance it, and look again.
    Advance,
    /// The attempt is in the log: take its outcome.
    Settle,
    /// The webhook was disabled before the attempt: hold the delivery, unless that is done, and see whether a recovery is for it.
    Hold,
    /// Post it.
    Post,
}

/// Judges a message of the position `at` by the delivery's row, whether the attempt is in the log, and whether the webhook takes it.
#[must_use]
pub fn inspect(at: &Position, row: Option<&Delivery>, logged: bool, active: bool) -> Step {
    match row {
        // By an earlier copy of this message, whose handler may have died before it looked for a recovery.
        Some(row) if !active && !logged && is_held_by(row, at) => return Step::Hold,
        Some(_) if at.n == 1 => return Step::Drop,
        None if at.n > 1 => return Step::Place,
        Some(row) if row.position.n + 1 == at.n && may_advance(row, at) => return Step::Advance,
        Some(row)
            if !(stands_at(row, at)
                || mutated(Mutation::DropOnlyAhead) && row.position.n <= at.n) =>
        {
            return Step::Drop;
        }
        _ => {}
    }
    if logged {
        Step::Settle
    } else if active {
        Step::Post
    } else {
        Step::Hold
    }
}

/// Whether the message held the delivery.
fn is_held_by(row: &Delivery, at: &Position) -> bool {
    row.state == State::Held && row.position.is(at)
}

/// Whether the message may move the row that stands one position behind it. A recovery leaves alone what it has sent already,
/// and what is on its way without it. One of what waits takes the place of the very wait that it has found.
fn may_advance(row: &Delivery, to: &Position) -> bool {
    let (waits, from) = (row.state == State::Pending, &row.position);
    match to.trigger {
        Trigger::Manual => {
            to.job.is_none() || waits && from.job < to.job && Some(from.due_ms) == to.resume_ms
        }
        Trigger::Recover => {
            (from.job < to.job || mutated(Mutation::JobIgnored))
                && !(waits && from.epoch == to.epoch)
        }
        Trigger::Event | Trigger::Retry | Trigger::Test => waits,
    }
}

/// Whether the row waits for exactly this message.
fn stands_at(row: &Delivery, at: &Position) -> bool {
    row.position.n == at.n
        && (row.position.due_ms == at.due_ms || mutated(Mutation::NoDueTest))
        && (row.state == State::Pending || mutated(Mutation::NoPendingTest))
}
