//! Every bound of the HTTP functions by name. They are part of the API's documentation.

use std::time::Duration;

pub use rung_dialect::limits::SECRET_BYTES;

/// How long a request's body may take to come.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// Most events of one batch publish.
pub const BATCH_EVENTS: usize = 100;
/// Longest webhook URL, in characters.
pub const URL_CHARS: usize = 2048;
/// How long a replaced secret signs on when the rotation does not say, in milliseconds.
pub const OVERLAP_DEFAULT_MS: u64 = 24 * 3_600_000;
/// Longest that a replaced secret may sign on, in milliseconds.
pub const OVERLAP_MAX_MS: u64 = 7 * 24 * 3_600_000;
/// How long a portal link lasts when it does not say, in milliseconds.
pub const PORTAL_LINK_DEFAULT_MS: u64 = 3_600_000;
/// Longest that a portal link may last, in milliseconds.
pub const PORTAL_LINK_MAX_MS: u64 = 24 * 3_600_000;
/// Longest name, in characters.
pub const NAME_CHARS: usize = 128;
/// Longest description, in characters.
pub const DESCRIPTION_CHARS: usize = 1024;
/// Largest metadata of a webhook, as JSON, in bytes.
pub const METADATA_BYTES: usize = 4096;
/// Most event types that a tenant defines for itself, or the operator for a dialect.
pub const EVENT_TYPES: usize = 200;
/// Most groups of an event type.
pub const EVENT_TYPE_GROUPS: usize = 100;
/// Largest sample of an event type, as JSON, in bytes: a page of types, each with its schema, stays within what Lambda answers.
pub const SAMPLE_BYTES: usize = 16 * 1024;
/// The OpenAPI document of event types has so many bytes of their samples, as JSON; those that follow are left out.
pub const DESCRIBED_SAMPLES_BYTES: usize = 1024 * 1024;
/// The same document has so many bytes of their schemas, as JSON; the data of those that follow is an open object. AWS passes on 6 MB.
pub const DESCRIBED_SCHEMAS_BYTES: usize = 2 * 1024 * 1024;
/// Most webhooks whose statistics are summed up in one call: each is a read.
pub const STATS_WEBHOOKS: usize = 10_000;
/// Highest rate limit of a webhook, in deliveries a second: its place is one item, which DynamoDB writes 1,000 times a second.
pub const RATE_LIMIT_MAX: u32 = 500;
/// Most deliveries of a webhook that may be under way at once from one process.
pub const IN_FLIGHT_MAX: u32 = 1_000;
/// Most problems of a request that are answered at once.
pub const PROBLEMS: usize = 20;
/// Most characters of a field's name in an answer. What was sent may be longer.
pub const TOLD_FIELD_CHARS: usize = 256;
/// Most characters of a problem in an answer.
pub const TOLD_PROBLEM_CHARS: usize = 2_048;
/// The share of a publishing limit that a function takes at a time: one part of so many, and at most so many events.
pub const METER_SHARE: u64 = 200;
/// Most events of a publishing limit that a function takes at a time.
pub const METER_SHARE_MAX: u64 = 500;
/// The share of a tenant's limit per second that a function takes at a time.
pub const RATE_SHARE: u64 = 20;
/// The share of a tenant's limit per second that a function admits before it counts in the table.
pub const RATE_UNCOUNTED: u64 = 100;
/// The windows in which calls that send something at once are counted, in milliseconds.
pub const BY_HAND_WINDOW_MS: u64 = 10_000;
/// Most tests and challenges of one webhook in a window.
pub const TESTS_OF_WEBHOOK: u64 = 20;
/// Most tests and challenges by one key in a window.
pub const TESTS_OF_KEY: u64 = 60;
/// As how many tests an examination of a receiver counts: as many requests may it make.
pub const TESTS_OF_EXAMINATION: u64 = 10;
const _: () = assert!(TESTS_OF_EXAMINATION <= TESTS_OF_WEBHOOK);
const _: () = assert!(TESTS_OF_WEBHOOK <= TESTS_OF_KEY);
/// How long an examination of a receiver may take: API Gateway waits 30 s for an answer, and the function has 29 s.
pub const EXAMINATION: Duration = Duration::from_secs(25);
/// Most retries by hand of one webhook in a window.
pub const RETRIES_OF_WEBHOOK: u64 = 30;
/// Most retries by hand by one key in a window.
pub const RETRIES_OF_KEY: u64 = 90;
/// Most event patterns of one webhook.
pub const WEBHOOK_EVENTS: usize = 200;
/// Most static headers of one webhook, secret ones included.
pub const WEBHOOK_HEADERS: usize = 20;
/// Largest static headers of one webhook, secret ones included, all names and values together, in bytes. Receivers commonly take 8 KiB of headers.
pub const WEBHOOK_HEADERS_BYTES: usize = 6 * 1024;
/// Longest value of a webhook's static header, in bytes.
pub const HEADER_VALUE_BYTES: usize = 1024;
/// Longest chain of a webhook's client certificate in PEM, in bytes.
pub const CLIENT_CERTIFICATE_BYTES: usize = 16 * 1024;
/// Longest key of a webhook's client certificate in PEM, in bytes.
pub const CLIENT_KEY_BYTES: usize = 8 * 1024;
/// Longest `Idempotency-Key`, in bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Most items of a parameter that takes several.
pub const QUERY_ITEMS: usize = 20;
/// Most parameters of a query: no call has as many.
pub const QUERY_PARAMETERS: usize = 32;
/// Items of a list when the request does not say.
pub const PAGE_DEFAULT: usize = 50;
/// How long requests with a wrong key are counted together, in milliseconds.
pub const WRONG_KEYS_WINDOW_MS: u64 = 60_000;
/// Requests with a wrong key that one address may make in that time; those beyond it are refused with 429. As many as a scan of all
/// operations makes: no key is guessed by them, since those that Rung makes have 256 bits.
pub const WRONG_KEYS: u32 = 600;
/// How long the last use of an API key that is written down may lie behind the last one, in milliseconds.
pub const KEY_USE_NOTED_MS: u64 = 3_600_000;
/// Longest name of a client (`User-Agent`) in an entry of the audit log, in characters.
pub const AUDIT_USER_AGENT_CHARS: usize = 256;
/// How long a looked-up API key may be used without looking again, in milliseconds.
pub const KEY_CACHE_MS: u64 = 10_000;
/// Most buckets of an answer with statistics.
pub const STATS_BUCKETS: u64 = 1_000;
/// Failed attempts in a row are counted up to this.
pub const FAILURES_COUNTED: usize = 100;
/// A page of an export ends when it is so long, in bytes. A line may come on top.
pub const EXPORT_PAGE_BYTES: usize = 1024 * 1024;
/// Longest body of an import, in bytes. AWS passes on 6 MB, and lines as base64.
pub const IMPORT_BYTES: usize = 4 * 1024 * 1024;
/// Most lines that one import takes.
pub const IMPORT_LINES: usize = 1_000;
/// An import stops when it has told so much of what was refused, in bytes.
pub const IMPORT_TOLD_BYTES: usize = 1024 * 1024;
/// Most events that a filter is tried on.
pub const PREVIEW_EVENTS: usize = 100;
/// A filter is tried on no further event when those before have so many bytes together.
pub const PREVIEW_BYTES: usize = 4 * 1024 * 1024;
/// The greatest `rate_per_second` of a recovery.
pub const RECOVERY_RATE_MAX: u32 = 1_000;
/// How long a call of the API may count or change things one by one before it answers how far it came, in milliseconds.
pub const COUNTING_MS: u64 = 15_000;
