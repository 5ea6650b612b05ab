//! What a message that arrives still means.
//!
//! SQS delivers late, twice and out of order, and functions die between any two calls. Each delivery is therefore a chain of
//! positions `(n, due)`; its row is the chain's head. **A row at a position means that its message was durable before**, so
//! whoever finds the row ahead of its message, or at another due time, may drop the message: another one carries on. The log
//! entry of an attempt holds its outcome and the next due time, so all that follows an attempt can be repeated from it.
//!
//! The order in which a failed attempt is settled keeps that true: log, then the successor's message, then the row.

use super::{
    attempt::{Outcome, Trigger},
    delivery::{Delivery, State},
    message::AttemptMessage,
    position::Position,
    webhook::Webhook,
};
use crate::limits::{EARLY_MS, FRESH_MS};

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

/// Judges a message of the position `at` by the delivery's row, what the log says of the attempt if it is there, and whether the webhook
/// takes it.
#[must_use]
pub fn inspect(
    at: &Position,
    row: Option<&Delivery>,
    outcome: Option<Outcome>,
    active: bool,
) -> Step {
    let logged = outcome.is_some();
    match row {
        // Somebody has ended the delivery while the attempt was being made, and its handler has died before it could say how that went.
        Some(row)
            if outcome == Some(Outcome::Succeeded)
                && row.position.is(at)
                && row.state != State::Succeeded =>
        {
            return Step::Settle;
        }
        // By an earlier copy of this message, whose handler may have died before it looked for a recovery.
        Some(row) if !active && !logged && is_held_by(row, at) => return Step::Hold,
        Some(_) if at.n == 1 => return Step::Drop,
        None if at.n > 1 => return Step::Place,
        Some(row) if row.position.n + 1 == at.n && may_advance(row, at) => return Step::Advance,
        Some(row) if !stands_at(row, at) => return Step::Drop,
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
        Trigger::Recover => from.job < to.job && !(waits && from.epoch == to.epoch),
        Trigger::Event | Trigger::Retry | Trigger::Test => waits,
    }
}

/// Whether the row waits for exactly this message.
fn stands_at(row: &Delivery, at: &Position) -> bool {
    row.position.n == at.n && row.position.due_ms == at.due_ms && row.state == State::Pending
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        id::{DeliveryKey, EventId, TenantId, WebhookId},
        message::Turn,
        pause::Pause,
        secret::tests::webhook,
        stored::Stored,
        webhook::{Disabled, Reason},
    };

    const DUE_MS: u64 = 1_000_000;
    const EPOCH: u64 = 4;

    fn message(n: u32, trigger: Trigger) -> AttemptMessage {
        AttemptMessage {
            delivery: DeliveryKey {
                tenant: TenantId::parse("t").expect("it is an id"),
                webhook: WebhookId::parse("w").expect("it is an id"),
                event: EventId::parse("e").expect("it is an id"),
                accepted_ms: 1,
            },
            position: Position {
                n,
                attempt: n,
                trigger,
                ..Position::first(DUE_MS, EPOCH)
            },
            repeated: false,
            place_ms: None,
            pace_epoch: 0,
            turn: None,
            content: None,
        }
    }

    /// The row that waits at a message's position.
    fn row(of: &AttemptMessage) -> Delivery {
        of.row(String::new())
    }

    /// The same, moved.
    fn moved(row: &Delivery, change: impl FnOnce(&mut Position)) -> Delivery {
        let mut row = row.clone();
        change(&mut row.position);
        row
    }

    const FAILED: Option<Outcome> = Some(Outcome::Failed);

    const ENDED: [State; 5] = [
        State::Succeeded,
        State::Failed,
        State::Held,
        State::Missed,
        State::Cancelled,
    ];

    fn active() -> Webhook {
        Webhook {
            epoch: EPOCH,
            ..webhook()
        }
    }

    fn at_receipt(message: &AttemptMessage, webhook: &Webhook, now_ms: u64) -> Receipt {
        receive(message, Some(webhook), 1, now_ms)
    }

    #[test]
    fn a_first_attempt_without_a_past_is_posted() {
        let first = message(1, Trigger::Event);
        assert_eq!(receive(&first, None, 1, DUE_MS), Receipt::Drop);
        let at = |now_ms| at_receipt(&first, &active(), now_ms);
        assert_eq!(at(DUE_MS), Receipt::Post);
        assert_eq!(at(DUE_MS + FRESH_MS), Receipt::Post);
        assert_eq!(at(DUE_MS + FRESH_MS + 1), Receipt::Inspect);
        let webhook = active();
        let again = receive(&first, Some(&webhook), 2, DUE_MS);
        assert_eq!(again, Receipt::Inspect);
        let repeated = AttemptMessage {
            repeated: true,
            ..first
        };
        assert_eq!(at_receipt(&repeated, &webhook, DUE_MS), Receipt::Inspect);
        let later = message(2, Trigger::Retry);
        assert_eq!(at_receipt(&later, &webhook, DUE_MS), Receipt::Inspect);
    }

    #[test]
    fn a_webhook_takes_messages_of_its_epoch_while_it_is_active() {
        let first = message(1, Trigger::Event);
        for epoch in [EPOCH - 1, EPOCH + 1] {
            let other = Webhook { epoch, ..active() };
            assert_eq!(at_receipt(&first, &other, DUE_MS), Receipt::Inspect);
        }
        let disabled = Webhook {
            disabled: Some(Disabled::new(1, Reason::Manual, Vec::new())),
            ..active()
        };
        assert_eq!(at_receipt(&first, &disabled, DUE_MS), Receipt::Inspect);
    }

    #[test]
    fn what_is_early_waits_in_the_function_for_moments_only() {
        let later = message(2, Trigger::Retry);
        let at = |early_ms| at_receipt(&later, &active(), DUE_MS - early_ms);
        assert_eq!(at(1), Receipt::Wait(1));
        assert_eq!(at(EARLY_MS), Receipt::Wait(EARLY_MS));
        assert_eq!(at(EARLY_MS + 1), Receipt::Resend(EARLY_MS + 1));
    }

    #[test]
    fn what_has_a_place_or_a_turn_waits_for_it() {
        let placed = AttemptMessage {
            place_ms: Some(DUE_MS + EARLY_MS + 1),
            pace_epoch: 3,
            ..message(1, Trigger::Event)
        };
        let paced = Webhook {
            rate_limit: Some(1),
            pace_epoch: 3,
            ..active()
        };
        let resent = Receipt::Resend(EARLY_MS + 1);
        assert_eq!(at_receipt(&placed, &paced, DUE_MS), resent);
        let changed = Webhook {
            pace_epoch: 5,
            ..paced
        };
        // Its copy comes sooner, if the limit was raised.
        assert_eq!(at_receipt(&placed, &changed, DUE_MS), resent);
        let removed = Webhook {
            rate_limit: None,
            ..changed
        };
        assert_eq!(at_receipt(&placed, &removed, DUE_MS), Receipt::Post);
        let pause = Pause::by_hand(None, EPOCH, 1, DUE_MS + 60_000);
        let turn = Turn {
            pause: pause.id,
            at_ms: DUE_MS + EARLY_MS + 1,
        };
        let paused = Webhook {
            pause: Some(Stored::of(pause)),
            ..active()
        };
        let first = message(1, Trigger::Event);
        assert_eq!(at_receipt(&first, &paused, DUE_MS), Receipt::Inspect);
        let waiting = AttemptMessage {
            turn: Some(turn),
            ..first
        };
        assert_eq!(at_receipt(&waiting, &paused, DUE_MS), resent);
        assert_eq!(at_receipt(&waiting, &active(), DUE_MS), Receipt::Post);
    }

    #[test]
    fn a_message_is_for_the_row_that_waits_at_its_very_position() {
        let later = message(2, Trigger::Retry);
        let own = row(&later);
        let step = |row: &Delivery| inspect(&later.position, Some(row), None, true);
        assert_eq!(step(&own), Step::Post);
        assert_eq!(
            inspect(&later.position, Some(&own), FAILED, true),
            Step::Settle
        );
        assert_eq!(
            inspect(&later.position, Some(&own), None, false),
            Step::Hold
        );
        for due_ms in [DUE_MS - 1, DUE_MS + 1] {
            let other = moved(&own, |at| at.due_ms = due_ms);
            assert_eq!(step(&other), Step::Drop, "another's wait");
        }
        for n in [3, 4] {
            let ahead = moved(&own, |at| at.n = n);
            assert_eq!(step(&ahead), Step::Drop, "the chain has moved on");
        }
        for state in ENDED {
            let ended = Delivery {
                state,
                ..own.clone()
            };
            assert_eq!(step(&ended), Step::Drop, "{state:?}");
            let logged = |outcome| inspect(&later.position, Some(&ended), Some(outcome), true);
            assert_eq!(logged(Outcome::Failed), Step::Drop, "{state:?}");
            let is_told = state == State::Succeeded;
            let settled = if is_told { Step::Drop } else { Step::Settle };
            assert_eq!(logged(Outcome::Succeeded), settled, "{state:?}");
        }
    }

    #[test]
    fn a_first_attempt_ends_with_its_row_and_a_later_one_writes_it() {
        let (first, later) = (message(1, Trigger::Event), message(2, Trigger::Retry));
        assert_eq!(inspect(&first.position, None, None, true), Step::Post);
        assert_eq!(inspect(&first.position, None, FAILED, true), Step::Settle);
        assert_eq!(inspect(&first.position, None, None, false), Step::Hold);
        assert_eq!(
            inspect(&first.position, Some(&row(&first)), None, true),
            Step::Drop
        );
        for (logged, active) in [(None, true), (FAILED, true), (None, false)] {
            assert_eq!(inspect(&later.position, None, logged, active), Step::Place);
        }
    }

    #[test]
    fn a_retry_moves_a_row_that_waits_one_position_behind_it() {
        let next = message(3, Trigger::Retry);
        let behind = row(&message(2, Trigger::Retry));
        let step = |row: &Delivery| inspect(&next.position, Some(row), None, true);
        assert_eq!(step(&behind), Step::Advance);
        let far = moved(&behind, |at| at.n = 1);
        assert_eq!(step(&far), Step::Drop);
        for state in ENDED {
            let ended = Delivery {
                state,
                ..behind.clone()
            };
            assert_eq!(step(&ended), Step::Drop, "{state:?}");
        }
    }

    #[test]
    fn what_is_sent_by_hand_moves_a_row_in_any_state() {
        let by_hand = message(3, Trigger::Manual);
        for state in ENDED.into_iter().chain([State::Pending]) {
            let behind = Delivery {
                state,
                ..row(&message(2, Trigger::Retry))
            };
            let step = inspect(&by_hand.position, Some(&behind), None, true);
            assert_eq!(step, Step::Advance, "{state:?}");
        }
    }

    #[test]
    fn a_recovery_moves_what_is_at_rest_once() {
        let mut recovered = message(3, Trigger::Recover);
        recovered.position.job = Some(7);
        let at = |state, job, epoch| {
            let waits = row(&message(2, Trigger::Retry));
            let behind = Delivery {
                state,
                ..moved(&waits, |at| (at.job, at.epoch) = (job, epoch))
            };
            inspect(&recovered.position, Some(&behind), None, true)
        };
        assert_eq!(at(State::Failed, None, EPOCH), Step::Advance);
        assert_eq!(at(State::Failed, Some(6), EPOCH), Step::Advance);
        assert_eq!(at(State::Failed, Some(7), EPOCH), Step::Drop);
        assert_eq!(at(State::Failed, Some(8), EPOCH), Step::Drop);
        // What waits is on its way without it, unless its webhook was disabled since.
        assert_eq!(at(State::Pending, None, EPOCH), Step::Drop);
        assert_eq!(at(State::Pending, None, EPOCH - 1), Step::Advance);
    }

    #[test]
    fn a_recovery_of_what_waits_takes_the_place_of_the_very_wait_it_has_found() {
        let mut in_place = message(3, Trigger::Manual);
        in_place.position.job = Some(7);
        in_place.position.resume_ms = Some(DUE_MS);
        let at = |state, job, due_ms| {
            let waits = row(&message(2, Trigger::Retry));
            let behind = Delivery {
                state,
                ..moved(&waits, |at| (at.job, at.due_ms) = (job, due_ms))
            };
            inspect(&in_place.position, Some(&behind), None, true)
        };
        assert_eq!(at(State::Pending, None, DUE_MS), Step::Advance);
        assert_eq!(at(State::Pending, Some(6), DUE_MS), Step::Advance);
        assert_eq!(at(State::Pending, Some(7), DUE_MS), Step::Drop);
        assert_eq!(at(State::Pending, None, DUE_MS + 1), Step::Drop);
        assert_eq!(at(State::Cancelled, None, DUE_MS), Step::Drop);
    }

    #[test]
    fn a_copy_of_what_held_a_delivery_holds_it_again() {
        for (n, trigger) in [(1, Trigger::Event), (2, Trigger::Retry)] {
            let message = message(n, trigger);
            let held = Delivery {
                state: State::Held,
                ..row(&message)
            };
            let step = |logged, active| inspect(&message.position, Some(&held), logged, active);
            assert_eq!(step(None, false), Step::Hold);
            assert_eq!(step(None, true), Step::Drop);
            assert_eq!(step(FAILED, false), Step::Drop);
        }
    }
}
