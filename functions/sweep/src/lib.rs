//! The sweep: every minute, brings parked waits that come due back to the delay queue.

use rung_core::flow::{FlowError, sweep::Sweeper};

/// One sweep; answers how many waits it sent.
///
/// # Errors
/// When the table or the queue fails; the next sweep goes on where this one stopped.
pub async fn handle(sweeper: &Sweeper) -> Result<usize, FlowError> {
    let sent = sweeper.sweep().await?;
    if sent > 0 {
        tracing::info!(sent, "parked waits sent");
    }
    Ok(sent)
}
