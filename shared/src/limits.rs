//! Every bound by name. Those a client can meet are part of the API's documentation.

use std::{ops::RangeInclusive, time::Duration};

/// Largest body of a request, in bytes.
pub const REQUEST_BYTES: usize = 256 * 1024;
/// How long a request's body may take to come.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// Deliveries in a row, each of which publishes the event of the next: the last of them publishes nothing any more.
pub const HOPS_MAX: u8 = 3;
/// Largest body of a batch publish, in bytes.
pub const BATCH_REQUEST_BYTES: usize = 1024 * 1024;
/// Most events of one batch publish.
pub const BATCH_EVENTS: usize = 100;
/// Deepest nesting of published data.
pub const JSON_DEPTH: usize = 100;
/// Deepest nesting of JSON that was stored: deeper than any that is taken, so that what was stored can be read.
pub const STORED_JSON_DEPTH: usize = 2 * JSON_DEPTH;
/// Longest event type, in characters.
pub const EVENT_TYPE_CHARS: usize = 128;
/// Longest webhook URL, in characters.
pub const URL_CHARS: usize = 2048;
/// Longest id, in characters.
pub const ID_CHARS: usize = 64;
/// Longest given secret, in bytes.
pub const SECRET_BYTES: usize = 4_096;
/// Most secrets of a webhook that were replaced and still sign.
pub const OLD_SECRETS: usize = 3;
/// How long a replaced secret signs on when the rotation does not say, in milliseconds.
pub const OVERLAP_DEFAULT_MS: u64 = 24 * 3_600_000;
/// Longest that a replaced secret may sign on, in milliseconds.
pub const OVERLAP_MAX_MS: u64 = 7 * 24 * 3_600_000;
/// Most encryption keys at a time: one, and while it is replaced another.
pub const ENCRYPTION_KEYS: usize = 16;
/// Length of an encryption key, in characters.
pub const ENCRYPTION_KEY_CHARS: RangeInclusive<usize> = 32..=1024;
/// Longest name, in characters.
pub const NAME_CHARS: usize = 128;
/// Longest description, in characters.
pub const DESCRIPTION_CHARS: usize = 1024;
/// Largest metadata of a webhook, as JSON, in bytes.
pub const METADATA_BYTES: usize = 4096;
/// Largest filter of a webhook, as JSON, in bytes.
pub const FILTER_BYTES: usize = 8 * 1024;
/// Most patterns of a filter in one another.
pub const FILTER_DEPTH: usize = 10;
/// Most values and operators of a filter.
pub const FILTER_PARTS: usize = 200;
/// Most conditions of a filter on the members of one object below the payload's own members, all patterns for it together.
pub const FILTER_CONDITIONS: usize = 32;
/// Largest JSON Schema of an event type, in bytes.
pub const SCHEMA_BYTES: usize = 32 * 1024;
/// Most schemas in one another, those that references lead to counted.
pub const SCHEMA_DEPTH: usize = 64;
/// Longest pattern of a schema, in characters.
pub const SCHEMA_PATTERN_CHARS: usize = 256;
/// Most groups in one another in a pattern.
pub const SCHEMA_PATTERN_DEPTH: u32 = 32;
/// Room for what all patterns of a schema are compiled to, in bytes.
pub const SCHEMA_PATTERN_BYTES: usize = 768 * 1024;
/// Most that a schema may ask of all parts of a value together, each schema counted for each part that it is asked of.
pub const SCHEMA_PLAN: usize = 20_000;
/// Most work for an event's value, in units of about a nanosecond. More than a schema that is accepted can take.
pub const SCHEMA_WORK: usize = SCHEMA_WORK_ONCE + SCHEMA_WORK_PER_BYTE * REQUEST_BYTES;
/// The share of it for what can stand in a value once.
pub const SCHEMA_WORK_ONCE: usize = 1_000_000;
/// The share of it for each byte of what can be repeated.
pub const SCHEMA_WORK_PER_BYTE: usize = 48;
/// Size of all compiled schemas of tenants that a process remembers, in bytes.
pub const SCHEMA_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of an event from which on holding it against schemas and filters may take long: a tenant's take turns.
pub const COSTLY_EVENT_BYTES: usize = 16 * 1024;
/// Webhooks from which on finding those that an event is for may take long.
pub const COSTLY_WEBHOOKS: usize = 200;
/// Work on filters after which other tasks have their turn, in units of about a nanosecond.
pub const FILTER_SLICE: usize = 200_000;
/// Violations of a schema that are named in an answer.
pub const SCHEMA_VIOLATIONS: usize = 20;
/// Most event types of a tenant that have a schema of its own.
pub const TENANT_SCHEMAS: usize = 200;
/// Highest rate limit of a webhook, in deliveries a second: its place is one item, which DynamoDB writes 1,000 times a second.
pub const RATE_LIMIT_MAX: u32 = 500;
/// Most problems of a request that are answered at once.
pub const PROBLEMS: usize = 20;
/// Most characters of a field's name in an answer. What was sent may be longer.
pub const TOLD_FIELD_CHARS: usize = 256;
/// Most characters of a problem in an answer.
pub const TOLD_PROBLEM_CHARS: usize = 2_048;
/// How long it is taken for granted that there is no tenant to tell the operator through, in milliseconds.
pub const OPERATOR_ABSENT_MS: u64 = 60_000;
/// Attempts of a delivery that failed in a row after which its webhook counts as failing for a while.
pub const FAILING_ATTEMPTS: u32 = 3;
/// How long before its end a key's tenant is told of it, in milliseconds.
pub const KEY_EXPIRING_MS: u64 = 30 * 86_400_000;
/// The share of a publishing limit that a function takes at a time: one part of so many, and at most so many events.
pub const METER_SHARE: u64 = 200;
/// Most events of a publishing limit that a function takes at a time.
pub const METER_SHARE_MAX: u64 = 500;
/// The windows in which calls that send something at once are counted, in milliseconds.
pub const BY_HAND_WINDOW_MS: u64 = 10_000;
/// Most tests and challenges of one webhook in a window.
pub const TESTS_OF_WEBHOOK: u64 = 20;
/// Most tests and challenges by one key in a window.
pub const TESTS_OF_KEY: u64 = 60;
/// Most retries by hand of one webhook in a window.
pub const RETRIES_OF_WEBHOOK: u64 = 30;
/// Most retries by hand by one key in a window.
pub const RETRIES_OF_KEY: u64 = 90;
/// Webhooks of a tenant unless the deployment says otherwise.
pub const WEBHOOKS_PER_TENANT: u32 = 10_000;
/// Most event patterns of one webhook.
pub const WEBHOOK_EVENTS: usize = 200;
/// Most static headers of one webhook, secret ones included.
pub const WEBHOOK_HEADERS: usize = 20;
/// Largest static headers of one webhook, secret ones included, all names and values together, in bytes. Receivers commonly take 8 KiB of headers.
pub const WEBHOOK_HEADERS_BYTES: usize = 6 * 1024;
/// Longest value of a webhook's static header, in bytes.
pub const HEADER_VALUE_BYTES: usize = 1024;
/// Longest `Idempotency-Key`, in bytes.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Most items of a parameter that takes several.
pub const QUERY_ITEMS: usize = 20;
/// Most parameters of a query: no call has as many.
pub const QUERY_PARAMETERS: usize = 32;
/// Items of a list when the request does not say.
pub const PAGE_DEFAULT: usize = 50;
/// Most items of a list.
pub const PAGE_MAX: usize = 100;

/// Fewest characters of the operator's key.
pub const ADMIN_KEY_CHARS: usize = 16;
/// How long requests with a wrong key are counted together, in milliseconds.
pub const WRONG_KEYS_WINDOW_MS: u64 = 60_000;
/// Requests with a wrong key that one address may make in that time; those beyond it are refused with 429.
pub const WRONG_KEYS: u32 = 60;
/// How long the last use of an API key that is written down may lie behind the last one, in milliseconds.
pub const KEY_USE_NOTED_MS: u64 = 3_600_000;
/// How long an entry of the audit log is kept, in seconds.
pub const AUDIT_RETENTION_S: u64 = 365 * 86_400;
/// Longest JSON of a value that an entry of the audit log has whole, in bytes; of a longer one it has the beginning.
pub const AUDIT_VALUE_BYTES: usize = 4 * 1024;
/// Longest name of a client (`User-Agent`) in an entry of the audit log, in characters.
pub const AUDIT_USER_AGENT_CHARS: usize = 256;

/// How long a looked-up API key may be used without looking again, in milliseconds.
pub const KEY_CACHE_MS: u64 = 10_000;

/// Matches that stand in the event's row itself; more go to match sets.
pub const INLINE_MATCHES: usize = 500;
/// Bodies of an event that stand in its row, all of them compressed, in bytes; the others get items of their own. An item of DynamoDB
/// holds 400 KB: with [`INLINE_MATCHES`] ids, the dialects' names and the rest, 80,000 bytes are plenty.
pub const ROW_BODIES_BYTES: usize = 320_000;
/// Webhook ids in one item of a match set.
pub const MATCH_SET_IDS: usize = 2_000;
/// Targets of one message; an event with more matches is fanned out by `deliver`.
pub const FANOUT_TARGETS: usize = 100;
/// Largest delivered body that travels in its message; a larger one is read from the event.
pub const INLINE_BODY_BYTES: usize = 4 * 1024;

/// Entries of one SQS batch call.
pub const QUEUE_BATCH: usize = 10;
/// Bytes of one SQS batch call: just under the 64 KiB that are billed as one request.
pub const QUEUE_BATCH_BYTES: usize = 64_000;
/// Longest delay SQS offers for one message, in milliseconds.
pub const QUEUE_DELAY_MAX_MS: u64 = 900_000;

/// How late a first attempt may be and still be posted without looking for earlier traces of it, in milliseconds. It is over before
/// a repeat's message comes: that would find no trace, and post as well.
pub const FRESH_MS: u64 = 20_000;
const _: () = assert!(FRESH_MS + HANDLER_MS < REPEAT_DELAY_MS);
/// How far ahead of its due time a message may wait inside the function, in milliseconds.
pub const EARLY_MS: u64 = 2_000;
/// How long after a repeated publish its messages become visible, in milliseconds: by then the first ones have left their traces.
pub const REPEAT_DELAY_MS: u64 = 60_000;
/// How long something may be overdue before its message is taken for lost, in milliseconds: more than three times as long as a queue
/// hides a message from others while a function handles it. A backlog may take longer; a message sent twice is dropped once.
pub const OVERDUE_MS: u64 = 600_000;
/// How long something is overdue before the watchdog sends its message again, in milliseconds.
pub const LOST_MS: u64 = 3_600_000;
/// How long after one lap of the watchdog the next one begins at the earliest, in milliseconds.
pub const LAP_MS: u64 = 3_600_000;
/// Messages of a queue that may be received and are not, above which the watchdog rests: they are late, not lost.
pub const BACKLOG: u64 = 1_000;
/// What the watchdog reads of a list at a time.
pub const WATCH_PAGE: usize = 100;
/// Pages that it reads in a minute for each queue.
pub const WATCH_STEPS: usize = 500;
/// How long it reads at most in a minute for each queue, in milliseconds: a sweep that is cut off keeps no place.
pub const WATCH_TIME_MS: u64 = 15_000;
/// How old a job may be that it looks at, in milliseconds: they take minutes.
pub const WATCHED_JOBS_MS: u64 = 7 * 86_400_000;
/// A wait whose look at the clock after parking shows less than this left goes to the delay queue as well, in milliseconds.
pub const PARK_MIN_MS: u64 = 12 * 60_000;
/// How far ahead the sweep takes parked waits, in milliseconds. Below [`PARK_MIN_MS`], so a minute is closed before it is read.
pub const SWEEP_AHEAD_MS: u64 = 10 * 60_000;
/// Shards of a minute of parked waits.
pub const PARK_SHARDS: u8 = 16;
/// Shards of a webhook's log and of its delivery lists, and of a tenant's list of events.
pub const LOG_SHARDS: u8 = 4;
/// By how much a retention must exceed the longest ladder: what failed must still be there for somebody to look at.
pub const RETENTION_MARGIN: Duration = Duration::from_secs(7 * 86_400);
/// How much later than its waits say a ladder may end, for what its attempts wait in queues.
pub const LADDER_DELAY: Duration = Duration::from_secs(86_400);
/// How long a tenant's retention is used without looking again, in milliseconds.
pub const RETENTION_CACHE_MS: u64 = 600_000;
/// Most buckets of an answer with statistics.
pub const STATS_BUCKETS: u64 = 1_000;
/// How long an attempt may wait for a connection and its receiver then take, together: less than a batch has.
pub const SLOT_AND_POST_TIME: Duration = Duration::from_secs(20);
/// How long an attempt that this host could not make is put off at least, in milliseconds; half as long when it is spread.
pub const PUT_OFF_MIN_MS: u64 = 5_000;
/// How long it is put off at most, in milliseconds.
pub const PUT_OFF_MAX_MS: u64 = 300_000;
/// How often the log says that this host cannot deliver, in milliseconds.
pub const HOST_FAULT_TOLD_MS: u64 = 60_000;
/// Failed attempts in a row are counted up to this.
pub const FAILURES_COUNTED: usize = 100;
/// How long a call of the API may count or change things one by one before it answers how far it came, in milliseconds.
pub const COUNTING_MS: u64 = 15_000;
/// Deliveries or events that a recovery looks at for one message.
pub const RECOVERY_PAGE: usize = 100;
/// Rows that an erasure looks at for one message.
pub const ERASE_PAGE: usize = 100;
/// How long after it began a handler can still write, in milliseconds of the wall clock: its time-out, and some time for calls under
/// way.
pub const HANDLER_MS: u64 = 35_000;
/// Receives after which a message that cannot be handled goes to the dead letters.
pub const POISON_RECEIVES: u32 = 5;
/// Receives after which a message of an unknown form is buried: about an hour at a visibility time-out of 3 minutes, so that a newer
/// function takes it while a deployment is under way.
pub const UNKNOWN_RECEIVES: u32 = 20;

/// Response body kept in the log, in bytes.
pub const LOGGED_BODY_BYTES: usize = 4 * 1024;
/// How long the function `deliver` goes on to begin writes of statistics after a batch.
pub const TALLY_TIME: Duration = Duration::from_secs(1);
/// How long a write that has begun by then may take: with [`TALLY_TIME`] less than [`HANDLER_RESERVE`].
pub const TALLY_GRACE: Duration = Duration::from_secs(1);
/// Writes of statistics at once.
pub const TALLY_WRITES: usize = 32;
/// Response headers kept in the log, all names and values together, in bytes.
pub const LOGGED_HEADERS_BYTES: usize = 8 * 1024;
/// Time left for reporting when a batch is cut off before the function's own time-out.
pub const HANDLER_RESERVE: Duration = Duration::from_secs(3);
