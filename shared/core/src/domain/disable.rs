//! When failing attempts disable a webhook.
//!
//! No counter is the truth: the log is. The rule is judged after an attempt is logged, by strong reads, so that of several
//! attempts failing at once the last to be logged sees all of them. Tests don't count, nor do failures of what people send by hand: a
//! success of that shows that the receiver is well.

use super::attempt::{Attempt, LogId, Outcome};

/// The log entries that disable a webhook after `limit` consecutive failures: the newest `limit` that count, if all of them failed.
pub fn consecutive_failures<'a>(
    newest_first: impl Iterator<Item = &'a Attempt>,
    limit: usize,
) -> Option<Vec<LogId>> {
    let failures: Vec<_> = newest_first
        .filter(|attempt| attempt.counts())
        .take(limit)
        .take_while(|attempt| attempt.outcome == Outcome::Failed)
        .map(|attempt| attempt.key.log_id())
        .collect();
    (failures.len() == limit).then_some(failures)
}
