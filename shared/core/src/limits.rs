//! Every bound of the core by name.

use std::{ops::RangeInclusive, time::Duration};

/// Deliveries in a row, each of which publishes the event of the next: the last of them publishes nothing any more.
pub const HOPS_MAX: u8 = 3;
/// Largest body of a batch publish, in bytes.
pub const BATCH_REQUEST_BYTES: usize = 1024 * 1024;
/// Most secrets of a webhook that were replaced and still sign.
pub const OLD_SECRETS: usize = 3;
/// Most certificates of a webhook's client certificate: the client's own, and those of the authorities above it.
pub const CLIENT_CERTIFICATES: usize = 10;
/// Client certificates in use for which connections are kept, each with its pools: so many, and as many that were used before.
pub const CLIENT_IDENTITIES: usize = 64;
/// Most encryption keys at a time: one, and while it is replaced another.
pub const ENCRYPTION_KEYS: usize = 16;
/// Length of an encryption key, in characters.
pub const ENCRYPTION_KEY_CHARS: RangeInclusive<usize> = 32..=1024;
/// How long the deployment's definitions of event types are used without asking whether one has changed, in milliseconds.
pub const EVENT_TYPES_MS: u64 = 1_000;
/// Size of all compiled schemas that a process remembers of those that were defined, in bytes.
pub const SCHEMA_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of an event from which on holding it against schemas and filters may take long: a tenant's take turns.
pub const COSTLY_EVENT_BYTES: usize = 16 * 1024;
/// What a schema asks of all parts of a value from which on holding an event against it may take long, however small the event is.
pub const COSTLY_SCHEMA_ASKS: usize = 500;
/// Webhooks from which on finding those that an event is for may take long.
pub const COSTLY_WEBHOOKS: usize = 200;
/// Work on filters after which other tasks have their turn, in units of about a nanosecond.
pub const FILTER_SLICE: usize = 100_000;
/// Attempts of a delivery after which nobody sends it again: its row names the time of each, in some 10 bytes, and has room for 400 KB.
pub const DELIVERY_ATTEMPTS: u32 = 1_000;
/// How long it is taken for granted that there is no tenant to tell the operator through, in milliseconds.
pub const OPERATOR_ABSENT_MS: u64 = 60_000;
/// Attempts of a delivery that failed in a row after which its webhook counts as failing for a while.
pub const FAILING_ATTEMPTS: u32 = 3;
/// How long before its end a key's tenant is told of it, in milliseconds.
pub const KEY_EXPIRING_MS: u64 = 30 * 86_400_000;
/// How long after its end it is known of a portal link that it has ended, in milliseconds.
pub const PORTAL_LINK_KEPT_MS: u64 = 7 * 86_400_000;
/// Webhooks of a tenant unless the deployment says otherwise.
pub const WEBHOOKS_PER_TENANT: u32 = 10_000;
/// Most items of a list.
pub const PAGE_MAX: usize = 100;
/// How many reads of a list of unknown length are made at once.
pub const READS_AT_ONCE: usize = 8;
/// Fewest characters of the operator's key.
pub const ADMIN_KEY_CHARS: usize = 16;
/// How long an entry of the audit log is kept, in seconds.
pub const AUDIT_RETENTION_S: u64 = 365 * 86_400;
/// How long a call has the `Idempotency-Key` that it claims to itself, in milliseconds: as long as it may run on AWS.
pub const CLAIM_MS: u64 = 30_000;
/// How long the repeats of a request show the secrets that it made, in seconds.
pub const SECRETS_REPEATED_S: u64 = 24 * 3_600;
/// Largest answer that is kept for repeats, in bytes of JSON: that of an import, which is the longest.
pub const FIRST_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Longest JSON of a value that an entry of the audit log has whole, in bytes; of a longer one it has the beginning.
pub const AUDIT_VALUE_BYTES: usize = 4 * 1024;
/// Matches that stand in the event's row itself; more go to match sets.
pub const INLINE_MATCHES: usize = 500;
/// Bodies and metadata of an event that stand in its row, all of them compressed, in bytes; the others get items of their own. An item of DynamoDB
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
/// Fair-queue groups of a tenant's later attempts.
pub const RETRY_GROUPS: u8 = 16;
/// Longest delay SQS offers for one message, in milliseconds.
pub const QUEUE_DELAY_MAX_MS: u64 = 900_000;
/// How late a first attempt may be and still be posted without looking for earlier traces of it, in milliseconds. It is over before
/// a repeat's message comes: that would find no trace, and post as well.
pub const FRESH_MS: u64 = 20_000;
const _: () = assert!(FRESH_MS + HANDLER_MS < REPEAT_DELAY_MS);
/// How late an attempt may begin, in milliseconds, and still be listed by its due time: spans of the log look for it so far back. One
/// that is later looks for traces anyway.
pub const LATE_MS: u64 = FRESH_MS;
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
/// Tenants that a lap of the watchdog may leave behind because they cannot be read. Where there are more, the table itself fails, and
/// the piece with it.
pub const WATCH_BEHIND: usize = 100;
/// A wait whose look at the clock after parking shows less than this left goes to the delay queue as well, in milliseconds.
pub const PARK_MIN_MS: u64 = 12 * 60_000;
/// How long after a write the index may still answer without it, in milliseconds. What goes by the lists of deliveries and must miss
/// none looks again after this time.
pub const INDEX_LAG_MS: u64 = 2_000;
/// How far ahead the sweep takes parked waits, in milliseconds. Below [`PARK_MIN_MS`], so a minute is closed before it is read.
pub const SWEEP_AHEAD_MS: u64 = 10 * 60_000;
/// Shards of a minute of parked waits.
pub const PARK_SHARDS: u8 = 16;
/// Shards of a webhook's log and of its delivery lists.
pub const LOG_SHARDS: u8 = 4;
/// Shards of a tenant's list of events, each of which takes 1,000 publishing calls a second.
pub const EVENT_SHARDS: u8 = 12;
/// Shards of a tenant's webhooks. Each takes 3,000 reads a second, and ids spread unevenly.
pub const WEBHOOK_SHARDS: u8 = 16;
/// How often a tenant's row stands in the table, each in a partition that takes 3,000 reads a second.
pub const TENANT_COPIES: u8 = 5;
/// How long a process reads one of these before it reads the next, in milliseconds: each comes five times in a
/// second.
pub const TENANT_COPY_MS: u64 = 40;
/// By how much a retention must exceed the longest ladder: what failed must still be there for somebody to look at.
pub const RETENTION_MARGIN: Duration = Duration::from_secs(7 * 86_400);
/// How much later than its waits say a ladder may end, for what its attempts wait in queues.
pub const LADDER_DELAY: Duration = Duration::from_secs(86_400);
/// How long a tenant's retention is used without looking again, in milliseconds.
pub const RETENTION_CACHE_MS: u64 = 600_000;
/// How long an attempt may wait for a connection and its receiver then take, together: less than a batch has.
pub const SLOT_AND_POST_TIME: Duration = Duration::from_secs(20);
/// Deliveries of a webhook that are under way at once from one process, if the webhook does not say.
pub const MAX_IN_FLIGHT: u32 = 100;
/// How long an attempt that this host could not make is put off at least, in milliseconds; half as long when it is spread.
pub const PUT_OFF_MIN_MS: u64 = 5_000;
/// How long it is put off at most, in milliseconds.
pub const PUT_OFF_MAX_MS: u64 = 300_000;
/// How often the log says that this host cannot deliver, in milliseconds.
pub const HOST_FAULT_TOLD_MS: u64 = 60_000;
/// Recoveries of a webhook, the latest, among which one that is asked for is looked for.
pub const RECOVERIES_LOOKED_AT: usize = 25;
/// Webhooks that a recovery of a tenant or of the deployment looks at for one message.
pub const REACH_STEPS: usize = 100;
/// Deliveries or events that a recovery looks at for one message.
pub const RECOVERY_PAGE: usize = 100;
/// Calls by which a redrive moves dead letters for one message, ten with each.
pub const REDRIVE_CALLS: usize = 10;
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
/// Receives after which a message of the queue of events goes to the dead letters, though it might be taken later: ten hours at a
/// visibility time-out of 3 minutes. The queue itself would move it with the next receive, without a word about why.
pub const EVENT_RECEIVES: u32 = 200;
/// Response body kept in the log, in bytes.
pub const LOGGED_BODY_BYTES: usize = 4 * 1024;
/// How long the function `deliver` goes on to begin writes of statistics after a batch.
pub const STATS_TIME: Duration = Duration::from_secs(1);
/// How long a write that has begun by then may take: with [`STATS_TIME`] less than [`HANDLER_RESERVE`].
pub const STATS_GRACE: Duration = Duration::from_secs(1);
/// Writes of statistics at once.
pub const STATS_WRITES: usize = 32;
/// Response headers kept in the log, all names and values together, in bytes.
pub const LOGGED_HEADERS_BYTES: usize = 8 * 1024;
/// To how many bytes a value of these is cut at least, where they are too long together; the longest are cut first.
pub const LOGGED_HEADER_BYTES: usize = 256;
/// How many times a response body may have been packed, one packing in the other, for the log to show what is in it.
pub const LOGGED_CODINGS: usize = 3;
/// Time left for reporting when a batch is cut off before the function's own time-out.
pub const HANDLER_RESERVE: Duration = Duration::from_secs(3);
/// The first pause of an overloaded receiver that does not say for how long, in milliseconds: as long as the first wait of `standard`,
/// which it leaves where it is. Each that follows is twice as long.
pub const PAUSE_FIRST_MS: u64 = 5_000;
/// The longest of them, in milliseconds.
pub const PAUSE_GROWN_MAX_MS: u64 = 3_600_000;
/// By which share they may be longer or shorter.
pub const PAUSE_JITTER: f64 = 0.1;
/// The longest pause that a receiver can ask for, in milliseconds.
pub const PAUSE_MAX_MS: u64 = 86_400_000;
/// How far ahead a maintenance window may end, in milliseconds: less than a retention exceeds a ladder by.
pub const MAINTENANCE_MAX_MS: u64 = 7 * 86_400_000;
const _: () = assert!(MAINTENANCE_MAX_MS <= RETENTION_MARGIN.as_secs() * 1000);
/// How long after a probe the first delivery follows that has waited behind it, in milliseconds.
pub const PAUSE_LEAD_MS: u64 = 5_000;
/// How long after a pause deliveries take turns, in milliseconds: by then some million have followed.
pub const PAUSE_RAMP_MS: u64 = 180_000;
/// How long a probe may take before another is made, in milliseconds of the wall clock: its function may have died.
pub const PROBE_MS: u64 = HANDLER_MS;
/// Deliveries that are sent for one message when people have ended the pause that they wait for, or have raised the rate limit.
pub const RELEASE_PAGE: usize = 100;
/// How long after one page of them the next one follows, in milliseconds.
pub const RELEASE_DELAY_MS: u64 = 1_000;
/// Webhooks whose pauses a process remembers.
pub const REMEMBERED_PAUSES: usize = 10_000;
/// Characters of the name in the heads of the portal's pages.
pub const BRANDING_NAME_CHARS: usize = 60;
/// Origins that may frame the portal.
pub const BRANDING_ORIGINS: usize = 20;
