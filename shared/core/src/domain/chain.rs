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
    message::Due,
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
pub fn receive(message: &Due, webhook: Option<&Webhook>, receives: u32, now_ms: u64) -> Receipt {
    let Some(webhook) = webhook else {
        return Receipt::Drop;
    };
    if !webhook.takes(message.epoch) {
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
    let is_fresh = receives == 1 && !message.repeated && now_ms - message.due_ms <= FRESH_MS;
    if message.n == 1 && is_fresh && !webhook.holds_back(now_ms, now_ms) {
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

/// Judges a message by the delivery's row, whether the attempt is in the log, and whether the webhook takes it.
#[must_use]
pub fn inspect(message: &Due, row: Option<&Delivery>, logged: bool, active: bool) -> Step {
    match row {
        // By an earlier copy of this message, whose handler may have died before it looked for a recovery.
        Some(row) if !active && !logged && is_held_by(row, message) => return Step::Hold,
        Some(_) if message.n == 1 => return Step::Drop,
        None if message.n > 1 => return Step::Place,
        Some(row) if row.n + 1 == message.n && may_advance(row, message) => return Step::Advance,
        Some(row)
            if !(stands_at(row, message)
                || mutated(Mutation::DropOnlyAhead) && row.n <= message.n) =>
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
fn is_held_by(row: &Delivery, message: &Due) -> bool {
    row.state == State::Held && (row.n, row.due_ms) == (message.n, message.due_ms)
}

/// Whether the message may move the row that stands one position behind it. A recovery leaves alone what it has sent already,
/// and what is on its way without it. One of what waits takes the place of the very wait that it has found.
fn may_advance(row: &Delivery, message: &Due) -> bool {
    let waits = row.state == State::Pending;
    match message.trigger {
        Trigger::Manual => {
            message.job.is_none()
                || waits && row.job < message.job && Some(row.due_ms) == message.resume_ms
        }
        Trigger::Recover => {
            (row.job < message.job || mutated(Mutation::JobIgnored))
                && !(waits && row.epoch == message.epoch)
        }
        Trigger::Event | Trigger::Retry | Trigger::Test => waits,
    }
}

/// Whether the row waits for exactly this message.
fn stands_at(row: &Delivery, message: &Due) -> bool {
    row.n == message.n
        && (row.due_ms == message.due_ms || mutated(Mutation::NoDueTest))
        && (row.state == State::Pending || mutated(Mutation::NoPendingTest))
}
