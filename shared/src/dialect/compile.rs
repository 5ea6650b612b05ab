//! From a file to a [`Dialect`]: every check that serde cannot make, each fault at its place.

use std::{collections::HashSet, ops::RangeInclusive};

use http::{
    HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
        USER_AGENT,
    },
};
use jiff::Timestamp;
use toml::Spanned;

use super::{
    Dialect, EventFacts,
    catalogue::{AnyType, Catalogue, EventType, is_event_type},
    envelope::{Envelope, Field, Slot, Source, TimeForm},
    event_id::EventIdForm,
    fault::Fault,
    file::{DialectFile, DisableFile, FieldFile, FromFile, LadderFile, SignatureFile, TypeFile},
    headers::{Headers, STANDARD_WEBHOOKS},
    signature::Signature,
    template::{Template, Variable},
};
use crate::{
    domain::ladder::{DisableRule, Ladder},
    json::{Json, UnstableNumbers, array_index},
};

/// Longest name of a dialect, in characters.
const NAME_CHARS: usize = 64;
/// Longest time-out, in milliseconds: a delivering function has 30 s for everything.
const TIMEOUT_MAX_MS: u64 = 25_000;
/// Largest body limit, in bytes: that of a publishing request.
const BODY_LIMIT_MAX: usize = 256 * 1024;
/// Most waits of a ladder, and the longest of them, in milliseconds.
const WAITS_MAX: usize = 100;
/// Longest wait, in milliseconds: 30 days, for which events are kept.
const WAIT_MAX_MS: u64 = 30 * 86_400_000;
/// Nesting of sample data.
const SAMPLE_DEPTH: usize = 100;

/// Header fields that are Rung's or the HTTP client's to set.
const RESERVED_HEADERS: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
];
/// What marks a test.
const RUNG_TEST: HeaderName = HeaderName::from_static("rung-test");

const DEFAULT_USER_AGENT: &str = concat!("Rung/", env!("CARGO_PKG_VERSION"));

/// Reads and checks a dialect file's `text`. Its name may not be one that `is_taken`.
pub(super) fn compile(text: &str, is_taken: impl Fn(&str) -> bool) -> Result<Dialect, Fault> {
    let file: DialectFile = toml::from_str(text)?;
    let in_name = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
    };
    let name = file.name.get_ref();
    if !(1..=NAME_CHARS).contains(&name.len()) || !name.bytes().all(in_name) {
        let reason = format!(
            "a dialect's name has 1 to {NAME_CHARS} characters out of a-z, 0-9, `_` and `-`"
        );
        return Err(Fault::new(&file.name, reason));
    }
    if is_taken(name) {
        let reason = format!("there is a dialect `{name}` already; give this one another name");
        return Err(Fault::new(&file.name, reason));
    }
    let event_id = EventIdForm::parse(file.event_id.get_ref()).ok_or_else(|| {
        let reason = "an event id needs one of `{ulid}`, `{ULID}`, `{uuid}`, `{hex}`, `{base62}`, and at most 64 characters \
                      out of A-Z, a-z, 0-9, `_` and `-` in all, as in \"evt_{base62}\"";
        Fault::new(&file.event_id, reason)
    })?;
    let timeout_ms = duration_ms(&file.timeout)?;
    if !(1..=TIMEOUT_MAX_MS).contains(&timeout_ms) {
        let reason = format!(
            "a time-out is longer than 0 and at most {} s",
            TIMEOUT_MAX_MS / 1000
        );
        return Err(Fault::new(&file.timeout, reason));
    }
    let body_limit_bytes = *file.body_limit.get_ref();
    if !(1..=BODY_LIMIT_MAX).contains(&body_limit_bytes) {
        let reason = format!("a body limit is 1 to {BODY_LIMIT_MAX} bytes");
        return Err(Fault::new(&file.body_limit, reason));
    }
    let numbers = if file.reparse_safe {
        UnstableNumbers::Refuse
    } else {
        UnstableNumbers::Keep
    };
    let dialect = Dialect {
        name: name.clone(),
        description: file.description.clone(),
        docs: file.docs.clone(),
        source: text.to_owned(),
        timeout_ms,
        body_limit_bytes,
        reparse_safe: file.reparse_safe,
        gone_disables: file.gone_disables,
        honours_retry_after: file.honour_retry_after,
        ladder: ladder(&file.ladder)?,
        disable: disable_rule(&file.disable)?,
        catalogue: catalogue(&file, text)?,
        plans: file.plans.clone(),
        success: successes(&file)?,
        event_id,
        headers: headers(&file)?,
        envelope: Envelope::new(slots(&file.envelope)?, numbers, body_limit_bytes),
    };
    check_samples(&file, &dialect)?;
    Ok(dialect)
}

/// A whole number of milliseconds, written with its unit.
fn duration_ms(written: &Spanned<String>) -> Result<u64, Fault> {
    let text = written.get_ref();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    number
        .zip(unit_ms)
        .and_then(|(number, unit_ms)| number.checked_mul(unit_ms))
        .ok_or_else(|| {
            let reason = format!("`{text}` is no duration: write a whole number with ms, s, min, h or d, as in \"5min\"");
            Fault::new(written, reason)
        })
}

fn ladder(written: &Spanned<LadderFile>) -> Result<Ladder, Fault> {
    let file = written.get_ref();
    let waits_ms = match (&file.waits, &file.first, &file.factor, &file.retries) {
        (Some(waits), None, None, None) => listed_waits(written, waits)?,
        (None, Some(first), Some(factor), Some(retries)) => {
            exponential_waits(first, factor, retries)?
        }
        _ => {
            let reason = "a ladder has either `waits`, or `first`, `factor` and `retries`";
            return Err(Fault::new(written, reason));
        }
    };
    let jitter = match &file.jitter {
        Some(jitter) if !(0.0..=1.0).contains(jitter.get_ref()) => {
            return Err(Fault::new(
                jitter,
                "a jitter is a share from 0 to 1: 0.1 for ±10 %",
            ));
        }
        jitter => jitter.as_ref().map_or(0.0, |jitter| *jitter.get_ref()),
    };
    Ok(Ladder::new(waits_ms, jitter))
}

fn listed_waits(
    ladder: &Spanned<LadderFile>,
    waits: &[Spanned<String>],
) -> Result<Vec<u64>, Fault> {
    if waits.len() > WAITS_MAX {
        return Err(Fault::new(
            ladder,
            format!("a ladder has at most {WAITS_MAX} waits"),
        ));
    }
    waits
        .iter()
        .map(|wait| within_wait_max(wait, Some(duration_ms(wait)?)))
        .collect()
}

fn exponential_waits(
    first: &Spanned<String>,
    factor: &Spanned<u64>,
    retries: &Spanned<u32>,
) -> Result<Vec<u64>, Fault> {
    let first_ms = duration_ms(first)?;
    if *retries.get_ref() as usize > WAITS_MAX {
        return Err(Fault::new(
            retries,
            format!("a ladder has at most {WAITS_MAX} retries"),
        ));
    }
    if *factor.get_ref() == 0 {
        return Err(Fault::new(factor, "a factor is at least 1"));
    }
    (0..*retries.get_ref())
        .map(|retry| {
            let growth = factor.get_ref().checked_pow(retry);
            within_wait_max(
                factor,
                growth.and_then(|growth| first_ms.checked_mul(growth)),
            )
        })
        .collect()
}

fn within_wait_max<T>(place: &Spanned<T>, wait_ms: Option<u64>) -> Result<u64, Fault> {
    wait_ms
        .filter(|wait_ms| *wait_ms <= WAIT_MAX_MS)
        .ok_or_else(|| {
            Fault::new(
                place,
                format!("a wait is at most {} days", WAIT_MAX_MS / 86_400_000),
            )
        })
}

fn disable_rule(file: &DisableFile) -> Result<DisableRule, Fault> {
    match file {
        DisableFile::Never => Ok(DisableRule::Never),
        DisableFile::LadderUsedUp => Ok(DisableRule::LadderUsedUp),
        DisableFile::ConsecutiveFailures(count) if *count.get_ref() == 0 => Err(Fault::new(
            count,
            "failures are at least 1; \"never\" disables never",
        )),
        DisableFile::ConsecutiveFailures(count) => {
            Ok(DisableRule::ConsecutiveFailures(*count.get_ref()))
        }
        DisableFile::FailingFor(span) => match duration_ms(span)? {
            0 => Err(Fault::new(
                span,
                "the span is longer than 0; \"never\" disables never",
            )),
            ms => Ok(DisableRule::FailingFor { ms }),
        },
    }
}

fn successes(file: &DialectFile) -> Result<Vec<RangeInclusive<u16>>, Fault> {
    if file.success.get_ref().is_empty() {
        let reason = "`success` names at least one status, as in [\"2xx\"]";
        return Err(Fault::new(&file.success, reason));
    }
    file.success
        .get_ref()
        .iter()
        .map(|written| {
            let class = written
                .get_ref()
                .strip_suffix("xx")
                .and_then(|class| class.parse::<u16>().ok());
            let exact = written.get_ref().parse::<u16>().ok();
            match (class, exact) {
                (Some(class @ 2..=5), _) => Ok(class * 100..=class * 100 + 99),
                (_, Some(status @ 200..=599)) => Ok(status..=status),
                _ => {
                    let reason = format!(
                        "`{written}` is no status: write \"2xx\" for a class or \"200\" for one"
                    );
                    Err(Fault::new(written, reason))
                }
            }
        })
        .collect()
}

fn headers(file: &DialectFile) -> Result<Headers, Fault> {
    let user_agent = match &file.user_agent {
        None => HeaderValue::from_static(DEFAULT_USER_AGENT),
        Some(written) => HeaderValue::from_str(written.get_ref()).map_err(|_| {
            Fault::new(
                written,
                "a header value has printable ASCII characters only",
            )
        })?,
    };
    let mut taken = HashSet::new();
    let own = file
        .headers
        .iter()
        .map(|(name, value)| {
            const KNOWN: &[Variable] = &[
                Variable::Id,
                Variable::EventType,
                Variable::DeliveryId,
                Variable::Timestamp,
            ];
            Ok((
                header_name(name, file, &mut taken)?,
                header_template(value, KNOWN)?,
            ))
        })
        .collect::<Result<_, Fault>>()?;
    let signatures = file
        .signatures
        .iter()
        .map(|written| signature(written, header_name(&written.header, file, &mut taken)?))
        .collect::<Result<_, Fault>>()?;
    Ok(Headers {
        user_agent,
        own,
        signatures,
        standard_webhooks: file.standard_webhooks,
    })
}

fn header_name(
    written: &Spanned<String>,
    file: &DialectFile,
    taken: &mut HashSet<HeaderName>,
) -> Result<HeaderName, Fault> {
    let name = HeaderName::try_from(written.get_ref())
        .map_err(|_| Fault::new(written, format!("`{written}` is no name of a header")))?;
    let standard = file.standard_webhooks && STANDARD_WEBHOOKS.contains(&name);
    if standard || name == RUNG_TEST || RESERVED_HEADERS.contains(&name) {
        let reason = format!("the header `{name}` is set by Rung itself");
        return Err(Fault::new(written, reason));
    }
    if !taken.insert(name.clone()) {
        return Err(Fault::new(
            written,
            format!("the header `{name}` is there twice"),
        ));
    }
    Ok(name)
}

fn header_template(
    written: &Spanned<String>,
    known: &'static [Variable],
) -> Result<Template, Fault> {
    if HeaderValue::from_str(written.get_ref()).is_err() {
        return Err(Fault::new(
            written,
            "a header value has printable ASCII characters only",
        ));
    }
    template(written, known)
}

fn template(written: &Spanned<String>, known: &'static [Variable]) -> Result<Template, Fault> {
    Template::parse(written.get_ref(), known).map_err(|fault| Fault::new(written, fault))
}

fn signature(file: &SignatureFile, header: HeaderName) -> Result<Signature, Fault> {
    const SIGNED: &[Variable] = &[
        Variable::Body,
        Variable::Timestamp,
        Variable::Id,
        Variable::EventType,
        Variable::DeliveryId,
    ];
    const VALUE: &[Variable] = &[Variable::Signature, Variable::Timestamp, Variable::Id];
    let signed = template(&file.signed, SIGNED)?;
    if !signed.mentions(Variable::Body) {
        return Err(Fault::new(
            &file.signed,
            "what is signed must have the `{body}` in it",
        ));
    }
    let value_of = |written: &Spanned<String>| {
        let value = header_template(written, VALUE)?;
        if !value.mentions(Variable::Signature) {
            return Err(Fault::new(
                written,
                "the value must have the `{signature}` in it",
            ));
        }
        Ok(value)
    };
    Ok(Signature {
        algorithm: file.algorithm,
        encoding: file.encoding,
        signed,
        header,
        value: value_of(&file.value)?,
        overlap: file.overlap.as_ref().map(value_of).transpose()?,
    })
}

fn slots(written: &Spanned<Vec<Spanned<FieldFile>>>) -> Result<Vec<Slot>, Fault> {
    if written.get_ref().is_empty() {
        return Err(Fault::new(written, "an envelope has at least one member"));
    }
    let mut keys = HashSet::new();
    let mut spread = false;
    written
        .get_ref()
        .iter()
        .map(|place| {
            let file = place.get_ref();
            if file.from != Some(FromFile::DataMembers) {
                return field(place, &mut keys).map(Slot::Member);
            }
            if file.key.is_some() || file.value.is_some() || file.fields.is_some() {
                let reason = "`data_members` puts the data's members here by themselves: it takes nothing else";
                return Err(Fault::new(place, reason));
            }
            if std::mem::replace(&mut spread, true) {
                return Err(Fault::new(place, "`data_members` is there twice"));
            }
            Ok(Slot::DataMembers)
        })
        .collect()
}

fn field<'a>(place: &'a Spanned<FieldFile>, keys: &mut HashSet<&'a str>) -> Result<Field, Fault> {
    let file = place.get_ref();
    let key = file
        .key
        .as_ref()
        .ok_or_else(|| Fault::new(place, "a member needs a `key`"))?;
    if array_index(key.get_ref()).is_some() {
        let reason = "a whole number cannot be a key here: JavaScript would move it to the front";
        return Err(Fault::new(key, reason));
    }
    if !keys.insert(key.get_ref()) {
        return Err(Fault::new(key, format!("the key `{key}` is there twice")));
    }
    let source = match (file.from, &file.value, &file.fields) {
        (Some(from), None, None) => match from {
            FromFile::Id => Source::Id,
            FromFile::Type => Source::EventType,
            FromFile::Data => Source::Data,
            FromFile::Metadata => Source::Metadata,
            FromFile::RequestId => Source::RequestId,
            FromFile::TimeRfc3339 => Source::Time(TimeForm::Rfc3339),
            FromFile::TimeRfc3339Seconds => Source::Time(TimeForm::Rfc3339Seconds),
            FromFile::TimeRfc3339Millis => Source::Time(TimeForm::Rfc3339Millis),
            FromFile::TimeUnixSeconds => Source::Time(TimeForm::UnixSeconds),
            FromFile::TimeUnixMillis => Source::Time(TimeForm::UnixMillis),
            FromFile::DataMembers => {
                return Err(Fault::new(
                    place,
                    "`data_members` stands at the envelope's top only",
                ));
            }
        },
        (None, Some(value), None) => Source::Constant(constant(value)?),
        (None | Some(FromFile::Metadata), None, Some(fields)) => {
            let mut keys = HashSet::new();
            Source::Object {
                fields: fields
                    .iter()
                    .map(|place| field(place, &mut keys))
                    .collect::<Result<_, _>>()?,
                with_metadata: file.from.is_some(),
            }
        }
        _ => {
            let reason = "a member has one of `from`, `value` and `fields`; only `from = \"metadata\"` goes with `fields`";
            return Err(Fault::new(place, reason));
        }
    };
    Ok(Field::new(key.get_ref(), source))
}

fn constant(written: &Spanned<toml::Value>) -> Result<Json, Fault> {
    match written.get_ref() {
        toml::Value::String(text) => Ok(Json::String(text.clone())),
        toml::Value::Integer(number) => Ok(Json::Number(number.to_string().into())),
        toml::Value::Boolean(value) => Ok(Json::Bool(*value)),
        _ => Err(Fault::new(
            written,
            "a constant is a text, a whole number, true or false",
        )),
    }
}

fn catalogue(file: &DialectFile, text: &str) -> Result<Catalogue, Fault> {
    if file.types.is_empty() && file.any_type.is_none() {
        return Err(Fault {
            at: 0,
            reason: "a dialect lists its types in [[type]], or takes any with [any_type]"
                .to_owned(),
        });
    }
    let mut names = HashSet::new();
    for name in file
        .types
        .iter()
        .flat_map(|listed| std::iter::once(&listed.name).chain(&listed.aliases))
    {
        check_name(name, &mut names)?;
    }
    let types = file
        .types
        .iter()
        .map(|listed| event_type(listed, file, text))
        .collect::<Result<_, _>>()?;
    for group in &file.groups {
        check_name(&group.name, &mut names)?;
        for member in &group.types {
            if !file.types.iter().any(|listed| listed.name == *member) {
                let reason = format!(
                    "the group `{}` names `{member}`, which no [[type]] has as its name",
                    group.name
                );
                return Err(Fault::new(member, reason));
            }
        }
    }
    let any_type = match &file.any_type {
        None => None,
        Some(any) if !is_event_type(any.example.get_ref()) => {
            return Err(malformed_type(&any.example));
        }
        Some(any) => Some(AnyType {
            example: any.example.get_ref().clone(),
            sample: sample(&any.sample, text)?,
        }),
    };
    let groups = file
        .groups
        .iter()
        .map(|group| group.name.get_ref().clone())
        .collect();
    Ok(Catalogue::new(types, groups, any_type))
}

fn event_type(listed: &TypeFile, file: &DialectFile, text: &str) -> Result<EventType, Fault> {
    let groups = file
        .groups
        .iter()
        .filter(|group| group.types.contains(&listed.name));
    Ok(EventType {
        name: listed.name.get_ref().clone(),
        aliases: listed
            .aliases
            .iter()
            .map(|alias| alias.get_ref().clone())
            .collect(),
        groups: groups.map(|group| group.name.get_ref().clone()).collect(),
        description: listed.description.clone(),
        sample: sample(&listed.sample, text)?,
    })
}

/// Types, aliases and groups share one set of names: a subscription has nothing else to tell them apart.
fn check_name<'a>(name: &'a Spanned<String>, names: &mut HashSet<&'a str>) -> Result<(), Fault> {
    if !is_event_type(name.get_ref()) {
        return Err(malformed_type(name));
    }
    if !names.insert(name.get_ref()) {
        return Err(Fault::new(
            name,
            format!("the name `{name}` is there twice among types, aliases and groups"),
        ));
    }
    Ok(())
}

fn malformed_type(name: &Spanned<String>) -> Fault {
    let reason = format!(
        "`{name}`: a name of types has 1 to 128 characters out of A-Z, a-z, 0-9, `_`, `.`, `-` and `/`"
    );
    Fault::new(name, reason)
}

fn sample(written: &Spanned<String>, text: &str) -> Result<Json, Fault> {
    const LITERAL: &str = "'''\n";
    match Json::parse(written.get_ref().as_bytes(), SAMPLE_DEPTH) {
        Ok(value @ Json::Object(_)) => Ok(value),
        Ok(_) => Err(Fault::new(written, "a sample is a JSON object")),
        Err(fault) => {
            // Only a multi-line literal stands in the file byte for byte; elsewhere the value's own line must do.
            let start = written.span().start;
            let is_literal = text
                .get(start..)
                .is_some_and(|rest| rest.starts_with(LITERAL));
            Err(Fault {
                at: if is_literal {
                    start + LITERAL.len() + fault.offset
                } else {
                    start
                },
                reason: format!("the sample is not JSON: {fault}"),
            })
        }
    }
}

/// Whatever a dialect shows must be deliverable in it.
fn check_samples(file: &DialectFile, dialect: &Dialect) -> Result<(), Fault> {
    let listed = file
        .types
        .iter()
        .map(|listed| (&listed.name, &listed.sample));
    let any = file.any_type.iter().map(|any| (&any.example, &any.sample));
    for (name, place) in listed.chain(any) {
        let Some(data) = dialect.catalogue.sample(name.get_ref()) else {
            continue;
        };
        let facts = EventFacts {
            id: "evt",
            event_type: name.get_ref(),
            data,
            time: Timestamp::UNIX_EPOCH,
            request_id: "req",
            metadata: None,
        };
        if let Err(fault) = dialect.body(&facts) {
            return Err(Fault::new(
                place,
                format!("the sample of `{name}` cannot be delivered: {fault}"),
            ));
        }
    }
    Ok(())
}
