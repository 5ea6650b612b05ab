//! Moving dead letters back to their queues.

use super::Next;
use crate::{
    domain::{
        job::{Counts, Job},
        message::{At, RedrivePage},
    },
    flow::{FlowError, control::Control},
    limits::REDRIVE_CALLS,
    queue::QueueName,
};

/// How long to wait for dead letters that are hidden because somebody has looked at them, in milliseconds.
const HIDDEN_MS: u64 = 6_000;

impl Control {
    /// Moves some. It looks at as many as there were when it was asked for: what comes back to the dead letters meanwhile, and what is
    /// none of Rung's, is not moved for ever. A crash repeats no move; the count of its page may be lost.
    pub(super) async fn redrive_page(
        &self,
        job: &Job,
        mut left: RedrivePage,
    ) -> Result<Next, FlowError> {
        let mut counts = Counts::default();
        let mut is_empty = false;
        for _ in 0..REDRIVE_CALLS {
            let Some((queue, left)) = first_left(&mut left) else {
                break;
            };
            let Some(redriven) = self.queue.redrive(queue).await? else {
                is_empty = true;
                break;
            };
            counts.messages += redriven.moved as u64;
            counts.skipped += redriven.unknown as u64;
            *left = left.saturating_sub((redriven.moved + redriven.unknown) as u64);
        }
        let Some(job) = self.noted(job, counts, None).await? else {
            return Ok(Next::Left);
        };
        let mut delay_ms = 0;
        if is_empty && counts == Counts::default() && !left.waited {
            left.waited = true;
            delay_ms = HIDDEN_MS;
        } else if is_empty {
            // They are gone: somebody else has moved them.
            first_left(&mut left)
                .into_iter()
                .for_each(|(_, left)| *left = 0);
            left.waited = false;
        }
        Ok(match first_left(&mut left) {
            Some(_) => Next::Page(job, At::Redrive(left), delay_ms),
            None => Next::End(None),
        })
    }
}

/// The first queue with dead letters that are left to look at, and how many.
fn first_left(left: &mut RedrivePage) -> Option<(QueueName, &mut u64)> {
    let both = [
        (QueueName::Deliver, &mut left.deliver),
        (QueueName::Retry, &mut left.retry),
    ];
    both.into_iter().find(|(_, left)| **left > 0)
}
