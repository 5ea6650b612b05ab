//! The TOML of a dialect as it is written; what it means is checked in [`super::compile`].
//!
//! Values keep their place in the text, so that a fault found later still names the line. Serde's untagged, flattened and internally
//! tagged forms lose places, hence none of them here.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::signature::{Algorithm, Encoding};

/// A dialect's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DialectFile {
    /// What tenants and webhooks call it: `[a-z0-9_-]`.
    pub(super) name: Spanned<String>,
    pub(super) description: String,
    /// Where the format is documented.
    pub(super) docs: Option<String>,
    /// The form of the ids made for events: `evt_{base62}`, with `{ulid}`, `{ULID}`, `{uuid}`, `{hex}` or `{base62}`.
    pub(super) event_id: Spanned<String>,
    /// From DNS to the response's headers.
    pub(super) timeout: Spanned<String>,
    /// Of a body, in bytes.
    pub(super) body_limit: Spanned<usize>,
    /// Response statuses that count as success: `2xx`, `200`.
    pub(super) success: Spanned<Vec<Spanned<String>>>,
    /// The plans that a tenant may have, each with whether it has webhooks. If absent, any plan may be named, and all have them.
    pub(super) plans: Option<BTreeMap<String, bool>>,
    /// What tenants of a plan may publish, by plan.
    #[serde(default)]
    pub(super) limits: BTreeMap<String, LimitsFile>,
    /// Whether receivers verify signatures over a body they parsed and wrote again.
    #[serde(default)]
    pub(super) reparse_safe: bool,
    #[serde(default)]
    pub(super) gone_disables: bool,
    #[serde(default)]
    pub(super) honour_retry_after: bool,
    /// `1.1` where HTTP/2 is not to be offered.
    pub(super) http_version: Option<Spanned<String>>,
    /// Whether a connection serves one request after the other.
    #[serde(default = "yes")]
    pub(super) keep_alive: bool,
    /// Whether a 429, 502, 503 or 504 pauses the webhook.
    #[serde(default = "yes")]
    pub(super) throttle: bool,
    /// Whether the headers of Standard Webhooks go along.
    #[serde(default = "yes")]
    pub(super) standard_webhooks: bool,
    pub(super) user_agent: Option<Spanned<String>>,
    pub(super) disable: DisableFile,
    pub(super) ladder: Spanned<LadderFile>,
    /// Name to value; `{id}`, `{event_type}`, `{delivery_id}` and `{timestamp}` may stand in values.
    #[serde(default)]
    pub(super) headers: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default, rename = "signature")]
    pub(super) signatures: Vec<SignatureFile>,
    /// The body's members, in order.
    pub(super) envelope: Spanned<Vec<Spanned<FieldFile>>>,
    /// Present if any well-formed type may be published.
    pub(super) any_type: Option<AnyTypeFile>,
    #[serde(default, rename = "group")]
    pub(super) groups: Vec<GroupFile>,
    #[serde(default, rename = "type")]
    pub(super) types: Vec<TypeFile>,
}

/// What tenants of a plan may publish.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsFile {
    /// With each key.
    pub(super) events_per_hour: Option<Spanned<u64>>,
    /// In a calendar month of UTC, whatever the key.
    pub(super) events_per_month: Option<Spanned<u64>>,
}

/// When a webhook is disabled: `"never"`, `"ladder_used_up"`, `{ consecutive_failures = 10 }`, `{ failing_for = "5d" }`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DisableFile {
    Never,
    LadderUsedUp,
    ConsecutiveFailures(Spanned<u32>),
    FailingFor(Spanned<String>),
}

/// The waits: listed, or `first` × `factor`ⁿ for each of `retries`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LadderFile {
    pub(super) waits: Option<Vec<Spanned<String>>>,
    pub(super) first: Option<Spanned<String>>,
    pub(super) factor: Option<Spanned<u64>>,
    pub(super) retries: Option<Spanned<u32>>,
    /// Share of each wait: 0.1 is ±10 %.
    pub(super) jitter: Option<Spanned<f64>>,
}

/// A signature header.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignatureFile {
    pub(super) algorithm: Algorithm,
    pub(super) encoding: Encoding,
    /// With `{body}` and any of `{id}`, `{timestamp}`, `{event_type}`, `{delivery_id}`.
    pub(super) signed: Spanned<String>,
    pub(super) header: Spanned<String>,
    /// With `{signature}` and any of `{id}`, `{timestamp}`.
    pub(super) value: Spanned<String>,
    /// Appended to the value for each newer secret during a rotation's overlap; without it the oldest secret signs alone.
    pub(super) overlap: Option<Spanned<String>>,
}

/// A member of the body: `from`, `value`, or `fields` (with `from = "metadata"`, merged into the published metadata).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldFile {
    /// Absent for `data_members` only.
    pub(super) key: Option<Spanned<String>>,
    pub(super) from: Option<FromFile>,
    pub(super) value: Option<Spanned<toml::Value>>,
    pub(super) fields: Option<Vec<Spanned<FieldFile>>>,
}

/// Where a member's value comes from.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromFile {
    Id,
    Type,
    Data,
    DataMembers,
    Metadata,
    RequestId,
    TimeRfc3339,
    TimeRfc3339Seconds,
    TimeRfc3339Millis,
    TimeUnixSeconds,
    TimeUnixMillis,
}

/// What is known of types that are not listed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnyTypeFile {
    /// A type that stands for all.
    pub(super) example: Spanned<String>,
    /// JSON.
    pub(super) sample: Spanned<String>,
}

/// A group of types.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupFile {
    pub(super) name: Spanned<String>,
    pub(super) types: Vec<Spanned<String>>,
}

/// An event type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypeFile {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) aliases: Vec<Spanned<String>>,
    pub(super) description: String,
    /// JSON.
    pub(super) sample: Spanned<String>,
    /// A JSON Schema of the data, which what is published must meet.
    pub(super) schema: Option<Spanned<String>>,
}

fn yes() -> bool {
    true
}
