//! How often calls may send something at once: each makes a POST to a host of somebody else's.
//!
//! The calls of a webhook are counted, and those of a key, in windows that all functions share. What a call sends is its own
//! business; what is refused sends nothing.

use rung_api::{
    ApiError, Caller, Code,
    limits::{
        BY_HAND_WINDOW_MS, RETRIES_OF_KEY, RETRIES_OF_WEBHOOK, TESTS_OF_EXAMINATION, TESTS_OF_KEY,
        TESTS_OF_WEBHOOK,
    },
};
use rung_core::domain::id::WebhookId;

use crate::Management;

/// What people ask for by hand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ByHand {
    /// A sample event, or a challenge, while the caller waits.
    Test,
    /// Many sample events, while the caller waits: as many tests.
    Examination,
    /// A delivery once more.
    Retry,
}

impl ByHand {
    fn name(self) -> &'static str {
        match self {
            Self::Test | Self::Examination => "test",
            Self::Retry => "retry",
        }
    }

    /// As how many calls of its name it counts.
    fn counts(self) -> u64 {
        match self {
            Self::Test | Self::Retry => 1,
            Self::Examination => TESTS_OF_EXAMINATION,
        }
    }

    fn of_webhook(self) -> u64 {
        match self {
            Self::Test | Self::Examination => TESTS_OF_WEBHOOK,
            Self::Retry => RETRIES_OF_WEBHOOK,
        }
    }

    fn of_key(self) -> u64 {
        match self {
            Self::Test | Self::Examination => TESTS_OF_KEY,
            Self::Retry => RETRIES_OF_KEY,
        }
    }
}

impl Management {
    /// Admits a call that sends something to a webhook at once.
    ///
    /// # Errors
    /// 429 when the webhook or the key has had its calls for now.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        webhook: &WebhookId,
        call: ByHand,
    ) -> Result<(), ApiError> {
        let now_ms = self.api.clock.wall_ms();
        let window = now_ms / BY_HAND_WINDOW_MS;
        let end_ms = (window + 1) * BY_HAND_WINDOW_MS;
        let key = caller.key.id.as_str();
        for (whose, id, limit) in [
            ("webhook", webhook.as_str(), call.of_webhook()),
            ("key", key, call.of_key()),
        ] {
            let counter = format!("{}#{whose}#{id}#{window}", call.name());
            let store = &self.api.store;
            let more = call.counts();
            let counted = store.count(&caller.tenant.id, &counter, more, limit, end_ms);
            if counted.await?.is_none() {
                let calls = match call {
                    ByHand::Test | ByHand::Retry => "calls of this kind".to_owned(),
                    ByHand::Examination => format!("tests, of which this is {more},"),
                };
                let message = format!(
                    "more than {limit} {calls} per {whose} in {} s; wait for the number of seconds in Retry-After",
                    BY_HAND_WINDOW_MS / 1000
                );
                let left_s = end_ms.saturating_sub(now_ms).div_ceil(1000).max(1);
                return Err(ApiError::new(Code::RateLimited, message).retry_after_s(left_s));
            }
        }
        Ok(())
    }
}
