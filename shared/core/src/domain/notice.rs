//! Notices: what the operator is told of webhooks. One travels through the queue as a message of its own, so that no delivery waits
//! for whoever is notified.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    attempt::Attempt,
    hops::Hops,
    id::{EventId, TenantId, WebhookId},
    message::AttemptMessage,
    outage::Outage,
    pause::Pause,
    time::Time,
    webhook::{Disabled, Webhook},
};

/// The event type of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeType {
    /// A webhook's outage goes on.
    #[serde(rename = "webhook.failing")]
    Failing,
    /// The job has ended.
    #[serde(rename = "webhook.recovered")]
    Recovered,
    /// A webhook gets nothing for a while.
    #[serde(rename = "webhook.paused")]
    Paused,
    /// That is over.
    #[serde(rename = "webhook.resumed")]
    Resumed,
    /// Failures, or the tenant's plan, have disabled a webhook.
    #[serde(rename = "webhook.disabled")]
    Disabled,
    /// A delivery's ladder is used up.
    #[serde(rename = "delivery.failed")]
    DeliveryFailed,
}

impl NoticeType {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Failing,
        Self::Recovered,
        Self::Paused,
        Self::Resumed,
        Self::Disabled,
        Self::DeliveryFailed,
    ];

    /// Its public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failing => "webhook.failing",
            Self::Recovered => "webhook.recovered",
            Self::Paused => "webhook.paused",
            Self::Resumed => "webhook.resumed",
            Self::Disabled => "webhook.disabled",
            Self::DeliveryFailed => "delivery.failed",
        }
    }
}

/// What has become of a webhook whose pause has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", schemars(rename = "ResumedAs"))]
pub enum ResumedAs {
    /// It gets deliveries again.
    Active,
    /// It was disabled.
    Disabled,
    /// It was deleted.
    Deleted,
}

/// A notice to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The webhook's tenant.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// The webhook.
    #[serde(rename = "w")]
    pub webhook: WebhookId,
    /// The event type.
    #[serde(rename = "y")]
    pub notice_type: NoticeType,
    /// What happened once, within the webhook and the type: the event's id is derived from it.
    #[serde(rename = "o")]
    pub once: String,
    /// When it happened, in milliseconds.
    #[serde(rename = "h")]
    pub happened_ms: u64,
    /// The log entry that shows it.
    #[serde(rename = "l")]
    pub log_id: String,
    /// The deliveries in a row that led to it.
    #[serde(rename = "p")]
    pub hops: Hops,
    /// The event's data.
    #[serde(rename = "v")]
    pub data: Map<String, Value>,
}

impl Webhook {
    /// The notice that its outage goes on, as an attempt shows.
    #[must_use]
    pub fn failing(&self, attempt: &Attempt, outage: &Outage) -> Notice {
        let more = json!({
            "failing_since": Time::at_ms(outage.since_ms),
            "last_error": attempt.error,
        });
        let once = outage.since_ms.to_string();
        self.notice(NoticeType::Failing, once, attempt, more)
    }

    /// The notice that its outage has ended with an attempt.
    #[must_use]
    pub fn recovered(&self, attempt: &Attempt, outage: &Outage) -> Notice {
        let more = json!({
            "failing_since": Time::at_ms(outage.since_ms),
            "recovered_at": Time::at_ms(attempt.ended_ms),
        });
        let once = outage.since_ms.to_string();
        self.notice(NoticeType::Recovered, once, attempt, more)
    }

    /// The notice that it is paused, as an attempt's answer asks.
    #[must_use]
    pub fn paused_by(&self, pause: &Pause, attempt: &Attempt) -> Notice {
        let once = pause.since_ms.to_string();
        self.notice(NoticeType::Paused, once, attempt, begun(pause))
    }

    /// The notice that an attempt has ended its pause.
    #[must_use]
    pub fn resumed_by(&self, pause: &Pause, attempt: &Attempt) -> Notice {
        let once = pause.since_ms.to_string();
        let more = ended(pause, pause.ended_ms, ResumedAs::Active);
        self.notice(NoticeType::Resumed, once, attempt, more)
    }

    /// The notice that somebody has paused it.
    #[must_use]
    pub fn paused_by_hand(&self, pause: &Pause) -> Notice {
        let once = pause.since_ms.to_string();
        self.by_hand(NoticeType::Paused, once, pause.since_ms, begun(pause))
    }

    /// The notice that somebody has ended its pause.
    #[must_use]
    pub fn resumed_by_hand(&self, pause: &Pause) -> Notice {
        let ended_ms = pause.ended_ms.unwrap_or(pause.until_ms);
        self.resumed_as(ResumedAs::Active, pause, ended_ms)
    }

    /// The notice that its pause has ended with its disabling or its deletion at `ended_ms`, or by a call.
    #[must_use]
    pub fn resumed_as(&self, status: ResumedAs, pause: &Pause, ended_ms: u64) -> Notice {
        let once = pause.since_ms.to_string();
        let more = ended(pause, Some(ended_ms), status);
        self.by_hand(NoticeType::Resumed, once, ended_ms, more)
    }

    /// The notice that an attempt has disabled it.
    #[must_use]
    pub fn disabled_by(&self, attempt: &Attempt, disabled: &Disabled) -> Notice {
        let more = json!({
            "reason": disabled.reason,
            "disabled_at": Time::at_ms(disabled.at_ms),
            "last_error": attempt.error,
        });
        // A copy of the attempt's message may be of a later epoch, and finds the same.
        let once = disabled.at_ms.to_string();
        self.notice(NoticeType::Disabled, once, attempt, more)
    }

    /// The notice that its tenant's plan has disabled it. No attempt shows it.
    #[must_use]
    pub fn disabled_by_plan(&self, disabled: &Disabled) -> Notice {
        let more = json!({
            "reason": disabled.reason,
            "disabled_at": Time::at_ms(disabled.at_ms),
            "last_error": null,
        });
        self.by_hand(
            NoticeType::Disabled,
            disabled.at_ms.to_string(),
            disabled.at_ms,
            more,
        )
    }

    /// The notice that an attempt was the last of its delivery's ladder.
    #[must_use]
    pub fn used_up(&self, attempt: &Attempt) -> Notice {
        let more = json!({
            "delivery_id": attempt.key.delivery.uuid(),
            "attempts": attempt.attempt,
            "failed_at": Time::at_ms(attempt.ended_ms),
            "last_error": attempt.error,
        });
        let once = attempt.key.log_id().to_string();
        self.notice(NoticeType::DeliveryFailed, once, attempt, more)
    }

    /// The notice that a delivery has ended before this attempt, since its event is gone. There is no log entry of it.
    #[must_use]
    pub fn expired(&self, message: &AttemptMessage, event_type: &str, now_ms: u64) -> Notice {
        let more = json!({
            "log_id": null,
            "delivery_id": message.delivery.uuid(),
            "attempts": message.position.attempt.saturating_sub(1),
            "failed_at": Time::at_ms(now_ms),
            "last_error": "The event expired before its ladder ended.",
        });
        Notice {
            tenant: self.tenant.clone(),
            webhook: self.id.clone(),
            notice_type: NoticeType::DeliveryFailed,
            once: message.attempt_key().log_id().to_string(),
            happened_ms: now_ms,
            log_id: message.attempt_key().log_id().to_string(),
            hops: Hops::NONE.of_consequence(),
            data: self.data(Some((&message.delivery.event, event_type)), more),
        }
    }

    /// A notice of what a call has done: no attempt shows it.
    fn by_hand(
        &self,
        notice_type: NoticeType,
        once: String,
        happened_ms: u64,
        more: Value,
    ) -> Notice {
        let mut data = self.data(None, more);
        data.insert("log_id".to_owned(), Value::Null);
        Notice {
            tenant: self.tenant.clone(),
            webhook: self.id.clone(),
            notice_type,
            once,
            happened_ms,
            log_id: String::new(),
            hops: Hops::NONE,
            data,
        }
    }

    fn notice(
        &self,
        notice_type: NoticeType,
        once: String,
        attempt: &Attempt,
        more: Value,
    ) -> Notice {
        let log_id = attempt.key.log_id().to_string();
        let event = (&attempt.key.delivery.event, attempt.event_type.as_str());
        let mut data = self.data(Some(event), more);
        data.insert("log_id".to_owned(), log_id.clone().into());
        Notice {
            tenant: self.tenant.clone(),
            webhook: self.id.clone(),
            notice_type,
            once,
            happened_ms: attempt.ended_ms,
            log_id,
            hops: attempt.hops.of_consequence(),
            data,
        }
    }

    fn data(&self, event: Option<(&EventId, &str)>, more: Value) -> Map<String, Value> {
        let own = json!({
            "tenant": self.tenant.name(),
            "webhook_id": self.id.as_str(),
            "url": self.url,
            "event_id": event.map(|(id, _)| id.as_str()),
            "event_type": event.map(|(_, event_type)| event_type),
        });
        let parts = [own, more].into_iter();
        let members = parts.filter_map(|part| match part {
            Value::Object(part) => Some(part),
            _ => None,
        });
        members.flatten().collect()
    }
}

/// What the notice of a pause says of it.
fn begun(pause: &Pause) -> Value {
    json!({
        "paused_at": Time::at_ms(pause.since_ms),
        "paused_until": Time::at_ms(pause.until_ms),
        "cause": pause.cause,
        "response_status": pause.response_status,
    })
}

/// What the notice of its end says.
fn ended(pause: &Pause, ended_ms: Option<u64>, status: ResumedAs) -> Value {
    json!({
        "status": status,
        "paused_at": Time::at_ms(pause.since_ms),
        "resumed_at": ended_ms.map(Time::at_ms),
        "cause": pause.cause,
        "response_status": pause.response_status,
    })
}
