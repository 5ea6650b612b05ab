//! Changes that are made anew when others change the same thing meanwhile.

use std::time::Duration;

use rung_api::{ApiError, Code};
use rung_base::chance;
use tokio::time::sleep;

/// How often a change is tried. The waits between the tries come to some 2 s, which is long enough for dozens at once.
const MOST: u32 = 24;
/// The first wait at most; each next one may be twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(4);
const LONGEST_WAIT: Duration = Duration::from_millis(256);

/// The tries of one change.
pub(crate) struct Tries<'a> {
    thing: &'a str,
    made: u32,
}

impl<'a> Tries<'a> {
    /// Those of a change of such a thing.
    pub(crate) fn to_change(thing: &'a str) -> Self {
        Self { thing, made: 0 }
    }

    /// Waits after a try that another change was faster than: each for another time, or all would meet again.
    ///
    /// # Errors
    /// 409 `busy` when this was the last try.
    pub(crate) async fn again(&mut self) -> Result<(), ApiError> {
        self.made += 1;
        if self.made == MOST {
            let message = format!(
                "concurrent changes of this {}; send the same request again",
                self.thing
            );
            return Err(ApiError::new(Code::Busy, message));
        }
        let longest = FIRST_WAIT.saturating_mul(1 << (self.made - 1).min(16));
        let [share] = chance::bytes();
        sleep(longest.min(LONGEST_WAIT) * u32::from(share) / 256).await;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tries_end_with_a_word_that_the_same_request_may_be_sent_again() {
        let start = Instant::now();
        let mut tries = Tries::to_change("webhook");
        for _ in 1..MOST {
            tries.again().await.unwrap();
        }
        let error = tries.again().await.unwrap_err();
        assert_eq!(error.code, Code::Busy);
        assert!(error.message.contains("this webhook"), "{}", error.message);
        assert_eq!(error.retry_after_s, Some(1));
        let waited = start.elapsed();
        // None of the waits is long, and all together are not so short that a crowd has no time.
        let range = LONGEST_WAIT..LONGEST_WAIT * MOST;
        assert!(range.contains(&waited), "{waited:?}");
    }
}
