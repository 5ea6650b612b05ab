//! What travels through the queues.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use serde::{
    Deserialize, Serialize,
    de::{Error as _, IgnoredAny},
};

use super::{
    attempt::{Attempt, AttemptKey},
    delivery::Delivery,
    hops::Hops,
    id::{DeliveryKey, EventId, JobId, KeyId, TenantId, WebhookId},
    job::Task,
    notice::Notice,
    position::Position,
    tenant::ApiKey,
    trace::TraceParent,
};

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueName {
    /// First attempts.
    Deliver,
    /// Later attempts.
    Retry,
}

impl QueueName {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Deliver, Self::Retry];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::Retry => "retry",
        }
    }
}

/// A message of the queues `deliver` and `retry`. On the wire: JSON with one-letter names, since SQS is billed by size. Fields that
/// are unknown are passed over: while a deployment is under way, newer functions write for older ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// One attempt to make.
    Attempt(AttemptMessage),
    /// First attempts to many webhooks, to be split into messages of their own.
    Fanout(Fanout),
    /// A page of a job.
    Job(JobPage),
    /// Word to a tenant that a key of its own ends.
    KeyEnds(KeyEnds),
    /// A notice to the operator.
    Notice(Notice),
    /// A page of what waited for a pause that people have ended.
    Release(Release),
}

impl Message {
    /// Reads a message's body.
    ///
    /// # Errors
    /// When it is of none of the forms.
    pub fn parse(text: &str) -> Result<Self, MessageFault> {
        // A newer function writes what an older one cannot read, but nothing else writes objects into these queues.
        let members: BTreeMap<Form, IgnoredAny> =
            serde_json::from_str(text).map_err(MessageFault::Foreign)?;
        let form = members.into_keys().next().unwrap_or(Form::Unknown);
        let message = match form {
            Form::Attempt => serde_json::from_str(text).map(Self::Attempt),
            Form::Fanout => serde_json::from_str(text).map(Self::Fanout),
            Form::Job => serde_json::from_str(text).map(Self::Job),
            Form::KeyEnds => serde_json::from_str(text).map(Self::KeyEnds),
            Form::Notice => serde_json::from_str(text).map(Self::Notice),
            Form::Release => serde_json::from_str(text).map(Self::Release),
            Form::Unknown => Err(serde_json::Error::custom("no member tells what it is")),
        };
        message.map_err(MessageFault::Unknown)
    }

    /// Whose it is; `None` for the operator's own.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        Some(match self {
            Self::Attempt(attempt) => &attempt.delivery.tenant,
            Self::Fanout(fanout) => &fanout.tenant,
            Self::Job(page) => return page.tenant.as_ref(),
            Self::KeyEnds(key) => &key.tenant,
            Self::Notice(notice) => &notice.tenant,
            Self::Release(release) => &release.tenant,
        })
    }

    /// Writes a message's body.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = match self {
            Self::Attempt(attempt) => serde_json::to_string(attempt),
            Self::Fanout(fanout) => serde_json::to_string(fanout),
            Self::Job(page) => serde_json::to_string(page),
            Self::KeyEnds(key) => serde_json::to_string(key),
            Self::Notice(notice) => serde_json::to_string(notice),
            Self::Release(release) => serde_json::to_string(release),
        };
        text.expect("a message has string keys only")
    }
}

/// What a message is, by the member that tells: the first of these that it has. (An attempt may have a `z` too.)
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Form {
    #[serde(rename = "g")]
    Attempt,
    #[serde(rename = "x")]
    Fanout,
    #[serde(rename = "z")]
    Job,
    #[serde(rename = "i")]
    KeyEnds,
    #[serde(rename = "v")]
    Notice,
    #[serde(rename = "release")]
    Release,
    #[serde(other)]
    Unknown,
}

/// The webhook that a message's text names, without reading the rest: to tell apart what waits, not to handle it.
#[must_use]
pub fn webhook_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "w")]
        webhook: Option<String>,
    }
    serde_json::from_str::<Named>(text).ok()?.webhook
}

/// Why a text is no message.
#[derive(Debug, thiserror::Error)]
pub enum MessageFault {
    /// It is an object, but of no form that this version knows: one of a newer version, perhaps.
    #[error("no form of this version: {0}")]
    Unknown(serde_json::Error),
    /// It is nothing that any version writes.
    #[error("no message of Rung's: {0}")]
    Foreign(serde_json::Error),
}

/// One attempt to make: that of a position of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptMessage {
    /// Of which delivery.
    #[serde(flatten)]
    pub delivery: DeliveryKey,
    /// Of which position.
    #[serde(flatten)]
    pub position: Position,
    /// Whether earlier traces of this attempt must be looked for even if the message looks fresh.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    /// Its place in the pace of its webhook: the time from which it may be made, in milliseconds. `None` before it took one.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub place_ms: Option<u64>,
    /// The webhook's [`pace_epoch`](super::webhook::Webhook::pace_epoch) that the place was given in.
    #[serde(rename = "q", default, skip_serializing_if = "is_zero")]
    pub pace_epoch: u64,
    /// Its turn among what waits for a pause of its webhook to end. `None` before it waited for one.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// The event, when it is small enough to travel along.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// A turn among what waits for a pause to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The pause's [`id`](super::pause::Pause::id).
    #[serde(rename = "i")]
    pub pause: u64,
    /// When it comes, in milliseconds.
    #[serde(rename = "u")]
    pub at_ms: u64,
}

/// What `deliver` needs of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The event's type.
    #[serde(rename = "y")]
    pub event_type: String,
    /// The delivered body.
    #[serde(rename = "b", with = "base64_text")]
    pub body: bytes::Bytes,
    /// The trace it was published in.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
    /// The deliveries that led to it.
    #[serde(rename = "h", default, skip_serializing_if = "Hops::is_none")]
    pub hops: Hops,
}

/// First attempts of one event to many webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fanout {
    /// Tenant.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// Event.
    #[serde(rename = "e")]
    pub event: EventId,
    /// When the event was accepted, in milliseconds.
    #[serde(rename = "a")]
    pub accepted_ms: u64,
    /// Whether the messages made from this must look for earlier traces.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    /// The webhooks, as they were when the event was accepted.
    #[serde(rename = "x")]
    pub targets: Vec<Target>,
}

/// A webhook that an event goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Webhook.
    #[serde(rename = "w")]
    pub webhook: WebhookId,
    /// Its epoch.
    #[serde(rename = "p")]
    pub epoch: u64,
    /// The dialect it speaks.
    #[serde(rename = "l")]
    pub dialect: String,
}

/// A page of a job: where it goes on. What the job is to do stands in its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPage {
    /// The job.
    #[serde(rename = "z")]
    pub job: JobId,
    /// Whose it is; `None` for the operator's own.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// When the job was asked for, in milliseconds.
    #[serde(rename = "a")]
    pub created_ms: u64,
    /// The page's number, from 0.
    #[serde(rename = "n", default)]
    pub number: u32,
    /// Where it goes on.
    #[serde(rename = "p")]
    pub at: At,
}

impl JobPage {
    /// The first page of a job.
    #[must_use]
    pub fn first(task: &Task, at: At) -> Self {
        Self {
            job: task.id.clone(),
            tenant: task.tenant().cloned(),
            created_ms: task.created_ms,
            number: 0,
            at,
        }
    }

    /// The page after this one.
    #[must_use]
    pub fn next(&self, at: At) -> Self {
        Self {
            number: self.number + 1,
            at,
            ..self.clone()
        }
    }
}

/// Where a page of a job goes on, by the job's kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// One that sends deliveries again.
    Recover(RecoverPage),
    /// One that cancels deliveries: the position behind which it goes on; empty at the beginning.
    Cancel(String),
    /// One that moves dead letters: how many of each queue are left to look at.
    Redrive(RedrivePage),
    /// One that exports: the position behind which it goes on in the list of tenants; empty at the beginning.
    Export(String),
    /// One that erases.
    Erase(ErasePage),
}

/// A page of a recovery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverPage {
    /// What it does at the webhook that it stands at; `None` while it looks for the next one.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// The position behind which it goes on there; empty at the beginning.
    #[serde(rename = "c", default, skip_serializing_if = "String::is_empty")]
    pub cursor: String,
    /// Where it stands among the webhooks, if it is for several.
    #[serde(rename = "l", default)]
    pub place: Place,
}

/// Where a recovery stands that goes from webhook to webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The tenant whose webhooks it goes through.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// The position before which it goes on in the list of tenants.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The position behind which it goes on in the list of the tenant's webhooks.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

/// A recovery at one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The tenant.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// The webhook.
    #[serde(rename = "w")]
    pub webhook: WebhookId,
    /// The recovery's number within its webhook: the time it was asked for in milliseconds, made higher than those of the webhook's
    /// earlier ones.
    #[serde(rename = "j")]
    pub number: u64,
    /// The webhook's epoch when it came to it: disabling the webhook stops it.
    #[serde(rename = "p")]
    pub epoch: u64,
}

/// A page of a redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedrivePage {
    /// Dead letters of first attempts.
    #[serde(rename = "d")]
    pub deliver: u64,
    /// Dead letters of later attempts.
    #[serde(rename = "r")]
    pub retry: u64,
    /// Whether it has waited for those that were hidden, because somebody looked at them.
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    pub waited: bool,
}

/// A page of an erasure: where it goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasePage {
    /// Not to be handled before this, in milliseconds of the wall clock.
    #[serde(rename = "d", default)]
    pub not_before_ms: u64,
    /// From when on nothing can write any more that had begun before the erasure, in milliseconds of the wall clock. The first
    /// page finds it out.
    #[serde(rename = "o", default)]
    pub settled_ms: u64,
    /// How often everything was gone through before.
    #[serde(rename = "r", default)]
    pub round: u32,
    /// Whether an attempt may be under way, by what this round has found so far.
    #[serde(rename = "f", default)]
    pub in_flight: bool,
    /// The webhook that it stands at: the place in the list of those of the tenant that are being erased.
    #[serde(rename = "w", default, skip_serializing_if = "String::is_empty")]
    pub webhook: String,
    /// What of it.
    #[serde(rename = "k", default)]
    pub stage: EraseStage,
    /// The position behind which it goes on; empty at the beginning.
    #[serde(rename = "c", default, skip_serializing_if = "String::is_empty")]
    pub cursor: String,
    /// Whether the job has ended, and this looks once more.
    #[serde(rename = "l", default, skip_serializing_if = "std::ops::Not::not")]
    pub after_end: bool,
}

impl ErasePage {
    /// Whether everything that had begun before the erasure was over when this round began.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled_ms > 0 && self.not_before_ms >= self.settled_ms
    }
}

/// What a page of an erasure is at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseStage {
    /// A webhook's log, or an event's deliveries.
    #[default]
    Log,
    /// A webhook's deliveries that wait or have not succeeded.
    Deliveries,
    /// What else there is of a webhook.
    Rest,
    /// A tenant's list of events.
    Events,
    /// What else there is of a tenant.
    Tenant,
}

/// A key whose tenant is to be told that it ends, by its place in the tenant's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEnds {
    /// Tenant.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// The key's public name.
    #[serde(rename = "i")]
    pub key: KeyId,
    /// When it was made, in milliseconds.
    #[serde(rename = "a")]
    pub created_ms: u64,
}

/// What waits for a webhook is to come by now: people have ended the pause that it waits for, or have raised or removed the rate limit. As
/// a message it asks for the page at its cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Tenant.
    #[serde(rename = "t")]
    pub tenant: TenantId,
    /// Webhook.
    #[serde(rename = "w")]
    pub webhook: WebhookId,
    /// The position behind which it goes on; empty at the beginning.
    #[serde(rename = "release")]
    pub cursor: String,
}

impl KeyEnds {
    /// What is to be told of a key; `None` of the operator's, who has no tenant to tell.
    #[must_use]
    pub fn of(key: &ApiKey) -> Option<Self> {
        Some(Self {
            tenant: key.owner.tenant()?.clone(),
            key: key.id.clone(),
            created_ms: key.created_ms,
        })
    }
}

impl AttemptMessage {
    /// The message of a position that has had none before.
    #[must_use]
    pub fn new(delivery: DeliveryKey, position: Position) -> Self {
        Self {
            delivery,
            position,
            repeated: false,
            place_ms: None,
            pace_epoch: 0,
            turn: None,
            content: None,
        }
    }

    /// The message of the position that follows when this attempt has failed.
    #[must_use]
    pub fn successor(&self, failed: &Attempt, due_ms: u64) -> Self {
        Self::new(
            self.delivery.clone(),
            self.position.successor(failed, due_ms),
        )
    }

    /// The row of a delivery that waits for it.
    #[must_use]
    pub fn row(&self, event_type: String) -> Delivery {
        Delivery::waiting(self.delivery.clone(), self.position.clone(), event_type)
    }

    /// The name of the attempt it asks for.
    #[must_use]
    pub fn attempt_key(&self) -> AttemptKey {
        self.position.attempt_of(&self.delivery)
    }

    /// When the message is to come by next, in milliseconds: when it is due, and its turn behind a pause has come.
    #[must_use]
    pub fn wakes_ms(&self) -> u64 {
        let turn_ms = self.turn.map_or(0, |turn| turn.at_ms);
        self.position.due_ms.max(turn_ms)
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

mod base64_text {
    use super::{Engine, STANDARD_NO_PAD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        body: &bytes::Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<bytes::Bytes, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        STANDARD_NO_PAD
            .decode(text.as_bytes())
            .map(Into::into)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTEMPT: &str =
        r#"{"t":"t","w":"w","e":"e","a":1,"n":1,"d":1,"k":1,"r":0,"p":0,"g":"event"}"#;
    const FANOUT: &str = r#"{"t":"t","e":"e","a":1,"x":[{"w":"w","p":0,"l":"odin"}]}"#;
    const KEY_ENDS: &str = r#"{"t":"t","i":"key_1","a":1}"#;
    const ERASE: &str = r#"{"z":"job_1","t":"t","a":2,"n":3,"p":{"erase":{"d":0,"o":0,"r":0,"f":false,"k":"log"}}}"#;
    const RECOVERY: &str = r#"{"z":"job_1","t":"t","a":2,"n":0,"p":{"recover":{"r":{"t":"t","w":"w","j":1,"p":0},"l":{}}}}"#;
    const REDRIVE: &str = r#"{"z":"job_1","a":2,"n":1,"p":{"redrive":{"d":3,"r":0}}}"#;
    const RELEASE: &str = r#"{"t":"t","w":"w","release":""}"#;
    const NOTICE: &str = r#"{"t":"t","w":"w","y":"webhook.failing","o":"1","h":1,"l":"log_1","p":0,"v":{"url":"u"}}"#;

    #[test]
    fn what_a_newer_function_writes_besides_is_passed_over() {
        for text in [
            ATTEMPT, FANOUT, RECOVERY, REDRIVE, KEY_ENDS, ERASE, NOTICE, RELEASE,
        ] {
            let known = Message::parse(text).unwrap();
            let newer = text.replacen('{', r#"{"later":{"x":[1]},"#, 1);
            assert_eq!(Message::parse(&newer).unwrap(), known, "{newer}");
            assert_eq!(known.to_json(), text);
        }
    }

    #[test]
    fn what_lacks_a_field_is_no_message() {
        for field in [r#""n":1,"#, r#""t":"t","#, r#","g":"event""#] {
            assert!(
                Message::parse(&ATTEMPT.replace(field, "")).is_err(),
                "{field}"
            );
        }
        assert!(Message::parse(&FANOUT.replace(r#""a":1,"#, "")).is_err());
        assert!(Message::parse(&NOTICE.replace(r#""h":1,"#, "")).is_err());
        let fault = Message::parse(&KEY_ENDS.replace(r#","a":1"#, "")).unwrap_err();
        assert!(fault.to_string().contains("`a`"), "{fault}");
        let fault = Message::parse(&ERASE.replace(r#""a":2,"#, "")).unwrap_err();
        assert!(fault.to_string().contains("`a`"), "{fault}");
    }

    #[test]
    fn what_a_newer_version_may_have_written_is_told_from_what_none_writes() {
        let unknown = [r#"{"t":"t","z":1}"#, "{}"];
        for text in unknown {
            let fault = Message::parse(text).unwrap_err();
            assert!(matches!(fault, MessageFault::Unknown(_)), "{text}: {fault}");
        }
        for text in ["", "no message", "7", "[]", "{", r#"{"t":"t"} and more"#] {
            let fault = Message::parse(text).unwrap_err();
            assert!(matches!(fault, MessageFault::Foreign(_)), "{text}: {fault}");
        }
    }

    #[test]
    fn a_message_sleeps_until_it_is_due_and_its_turn_has_come() {
        for (members, wakes_ms) in [
            ("", 1),
            (r#","f":{"i":9,"u":7}"#, 7),
            (r#","f":{"i":9,"u":0}"#, 1),
        ] {
            let text = format!("{}{members}}}", ATTEMPT.trim_end_matches('}'));
            let message = Message::parse(&text).unwrap();
            assert_eq!(message.to_json(), text);
            let Message::Attempt(attempt) = message else {
                panic!("no attempt");
            };
            assert_eq!(attempt.wakes_ms(), wakes_ms);
        }
    }

    #[test]
    fn a_place_travels_with_the_epoch_that_it_was_given_in() {
        for (members, place_ms, pace_epoch) in [
            ("", None, 0),
            (r#","s":7"#, Some(7), 0),
            (r#","s":7,"q":9"#, Some(7), 9),
        ] {
            let text = format!("{}{members}}}", ATTEMPT.trim_end_matches('}'));
            let message = Message::parse(&text).unwrap();
            assert_eq!(message.to_json(), text);
            let Message::Attempt(attempt) = message else {
                panic!("no attempt");
            };
            assert_eq!(
                (attempt.place_ms, attempt.pace_epoch),
                (place_ms, pace_epoch)
            );
        }
    }
}
