//! Waiting for conditions: polled often, given up late, so that a slow machine fails no test and a fast one wastes no time.

use std::time::{Duration, Instant};

/// How long anything may take before a test calls it missing.
pub const PATIENCE: Duration = Duration::from_secs(45);

const PAUSE: Duration = Duration::from_millis(15);

/// Calls `probe` until it gives something.
///
/// # Panics
/// After [`PATIENCE`], naming `what` was waited for.
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "waited {PATIENCE:?} in vain for: {what}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}
