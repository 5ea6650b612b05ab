//! Every bound on JSON, schemas and filters, by name.

/// Largest body of a request, in bytes.
pub const REQUEST_BYTES: usize = 256 * 1024;
/// Deepest nesting of published data.
pub const JSON_DEPTH: usize = 100;
/// Deepest nesting of JSON that was stored: deeper than any that is taken, so that what was stored can be read.
pub const STORED_JSON_DEPTH: usize = 2 * JSON_DEPTH;
/// Largest filter of a webhook, as JSON, in bytes.
pub const FILTER_BYTES: usize = 8 * 1024;
/// Most patterns of a filter in one another.
pub const FILTER_DEPTH: usize = 10;
/// Most values and operators of a filter.
pub const FILTER_PARTS: usize = 200;
/// Most numbers of a filter that a double does not tell from all others of as many digits.
pub const FILTER_LONG_NUMBERS: usize = 8;
/// Most choices of a filter in one another on the same object.
pub const FILTER_CHOICES: usize = 2;
/// Most conditions of a filter on the members of one object, all patterns for it together: a choice is one, and each of its
/// patterns with several conditions.
pub const FILTER_CONDITIONS: usize = 32;
/// Most work of a filter for each byte of a payload, in units of about a nanosecond: a millisecond for the largest.
pub const FILTER_WORK_PER_BYTE: usize = 4;
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
/// Violations of a schema that are named in an answer.
pub const SCHEMA_VIOLATIONS: usize = 20;
/// Characters of a member's name in a violation; a longer one is cut.
pub const SCHEMA_VIOLATION_CHARS: usize = 200;
/// Most reports of what is wrong with a value, and most times that schemas pass one on to a schema that asks them: beyond, it only
/// matters whether the value is valid. Each takes some 100 ns.
pub const SCHEMA_REPORTS: usize = 5_000;
// Each value that the walk is in leaves twice the violations to those that it lies in.
const _: () = assert!(SCHEMA_REPORTS > 2 * SCHEMA_VIOLATIONS * (JSON_DEPTH + 3));
