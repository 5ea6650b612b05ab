//! The body of a delivery: a dialect's members around an event's data, in the dialect's order.

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use rung_json::{
    Json, UnstableNumber, UnstableNumbers, array_index, in_script_order, write_string,
};

/// What a body is made of.
#[derive(Debug, Clone, Copy)]
pub struct EventFacts<'a> {
    /// The event's id.
    pub id: &'a str,
    /// Its type, by the name the catalogue has (see [`super::Catalogue::resolve_type`]).
    pub event_type: &'a str,
    /// What was published: an object.
    pub data: &'a Json,
    /// When it happened.
    pub time: Timestamp,
    /// Whether its publisher said so; Rung knows milliseconds, a publisher may know more or less.
    pub is_time_given: bool,
    /// The id of the request that published it.
    pub request_id: &'a str,
    /// What was published beside the data, if anything: an object.
    pub metadata: Option<&'a Json>,
}

/// Why an event has no body in a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// `data` or `metadata` is something else.
    #[error("`{field}` must be an object")]
    NotAnObject {
        /// Which of the two.
        field: &'static str,
    },
    /// A number that receivers of this dialect would not see unchanged.
    #[error(transparent)]
    UnstableNumber(#[from] UnstableNumber),
    /// A member of the data that the dialect cannot place beside its own.
    #[error(
        "`data` must not have the member `{member}`: this dialect puts the data's members beside its own, \
         which keep their names and places; rename it"
    )]
    ReservedMember {
        /// Its name.
        member: String,
    },
    /// A body beyond the dialect's limit.
    #[error("the delivered body would have {actual} bytes; this dialect's limit is {limit}")]
    TooLarge {
        /// The most bytes.
        limit: usize,
        /// The bytes it would have.
        actual: usize,
    },
}

/// How a time is written. All are UTC; what is finer than the form is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// RFC 3339 with as many fraction digits as a given time has, at most nine, and three where Rung made it.
    Rfc3339,
    /// RFC 3339 without a fraction.
    Rfc3339Seconds,
    /// RFC 3339 with exactly three fraction digits.
    Rfc3339Millis,
    /// A number: whole seconds since the Unix epoch.
    UnixSeconds,
    /// A number: whole milliseconds since the Unix epoch.
    UnixMillis,
}

/// The members of the body, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    slots: Vec<Slot>,
    numbers: UnstableNumbers,
    limit_bytes: usize,
}

/// A place in an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Slot {
    /// One member.
    Member(Field),
    /// The members of the data, each by itself.
    DataMembers,
}

/// A member with its key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    key: String,
    /// `"key":` as it stands in the body.
    written_key: Vec<u8>,
    source: Source,
}

/// Where a member's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    Id,
    EventType,
    Time(TimeForm),
    RequestId,
    Data,
    /// What was published; no member if nothing was.
    Metadata,
    /// The same in every body.
    Constant(Json),
    /// An object of its own, with the members of the published metadata after `fields` if `with_metadata`.
    Object {
        fields: Vec<Field>,
        with_metadata: bool,
    },
}

impl Field {
    pub(super) fn new(key: &str, source: Source) -> Self {
        let mut written_key = Vec::with_capacity(key.len() + 3);
        write_string(key, &mut written_key);
        written_key.push(b':');
        Self {
            key: key.to_owned(),
            written_key,
            source,
        }
    }
}

impl Envelope {
    /// Keys of `slots` must be distinct, and no array indices.
    pub(super) fn new(slots: Vec<Slot>, numbers: UnstableNumbers, limit_bytes: usize) -> Self {
        Self {
            slots,
            numbers,
            limit_bytes,
        }
    }

    pub(super) fn body(&self, facts: &EventFacts<'_>) -> Result<Vec<u8>, BodyFault> {
        let data = facts
            .data
            .as_object()
            .ok_or(BodyFault::NotAnObject { field: "data" })?;
        let metadata = match facts.metadata {
            Some(metadata) => metadata
                .as_object()
                .ok_or(BodyFault::NotAnObject { field: "metadata" })?,
            None => &[],
        };
        let mut object = ObjectWriter {
            out: Vec::with_capacity(1024),
            numbers: self.numbers,
            facts,
            metadata,
        };
        object.open();
        for slot in &self.slots {
            match slot {
                Slot::Member(field) => object.field(field)?,
                Slot::DataMembers => {
                    if let Some((member, _)) = data.iter().find(|(key, _)| self.reserves(key)) {
                        return Err(BodyFault::ReservedMember {
                            member: member.clone(),
                        });
                    }
                    for (key, value) in data {
                        object.published("data", key, value)?;
                    }
                }
            }
        }
        object.close();
        let body = object.out;
        if body.len() > self.limit_bytes {
            return Err(BodyFault::TooLarge {
                limit: self.limit_bytes,
                actual: body.len(),
            });
        }
        Ok(body)
    }

    /// The data that was published, out of a body made by [`Envelope::body`]; `None` if it is none of those.
    pub(super) fn data(&self, body: Json) -> Option<Json> {
        let Json::Object(mut members) = body else {
            return None;
        };
        if self.slots.contains(&Slot::DataMembers) {
            members.retain(|(key, _)| !self.reserves(key));
            return Some(Json::Object(members));
        }
        let fields = self.slots.iter().filter_map(|slot| match slot {
            Slot::Member(field) => Some(field),
            Slot::DataMembers => None,
        });
        find_data(fields, members)
    }

    /// Whether `body` has the members that a body of this envelope has, and no others.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn fits(&self, body: &Json) -> bool {
        let Some(members) = body.as_object() else {
            return false;
        };
        let named = || {
            self.slots.iter().filter_map(|slot| match slot {
                Slot::Member(field) => Some(field),
                Slot::DataMembers => None,
            })
        };
        let complete =
            named().all(|field| field.source == Source::Metadata || body.get(&field.key).is_some());
        let spread = named().count() < self.slots.len();
        let known = |key: &String| named().any(|field| field.key == *key);
        complete && (spread || members.iter().all(|(key, _)| known(key)))
    }

    /// What `body` has in the member that comes from `source`.
    #[cfg(any(feature = "receive", test))]
    pub(super) fn text_of<'b>(&self, body: &'b Json, source: &Source) -> Option<&'b str> {
        let key = self.slots.iter().find_map(|slot| match slot {
            Slot::Member(field) if field.source == *source => Some(&field.key),
            _ => None,
        })?;
        body.get(key)?.as_str()
    }

    fn reserves(&self, key: &str) -> bool {
        let taken = |slot: &Slot| matches!(slot, Slot::Member(field) if field.key == key);
        array_index(key).is_some() || self.slots.iter().any(taken)
    }
}

/// The data among the members that `fields` made, or in an object of theirs.
fn find_data<'a>(
    fields: impl Iterator<Item = &'a Field>,
    mut members: Vec<(String, Json)>,
) -> Option<Json> {
    let mut take = |key: &str| {
        let place = members.iter().position(|(name, _)| name == key)?;
        Some(members.swap_remove(place).1)
    };
    for field in fields {
        match &field.source {
            Source::Data => return take(&field.key),
            Source::Object { fields, .. } => {
                if let Some(Json::Object(inner)) = take(&field.key)
                    && let Some(data) = find_data(fields.iter(), inner)
                {
                    return Some(data);
                }
            }
            _ => {}
        }
    }
    None
}

/// Writes the members of one body.
struct ObjectWriter<'a> {
    out: Vec<u8>,
    numbers: UnstableNumbers,
    facts: &'a EventFacts<'a>,
    metadata: &'a [(String, Json)],
}

impl ObjectWriter<'_> {
    fn open(&mut self) {
        self.out.push(b'{');
    }

    /// Each member ends in a comma; the closing brace takes the last one's place.
    fn close(&mut self) {
        if self.out.last() == Some(&b',') {
            self.out.pop();
        }
        self.out.push(b'}');
    }

    fn field(&mut self, field: &Field) -> Result<(), UnstableNumber> {
        if field.source == Source::Metadata && self.facts.metadata.is_none() {
            return Ok(());
        }
        self.out.extend_from_slice(&field.written_key);
        match &field.source {
            Source::Id => write_string(self.facts.id, &mut self.out),
            Source::EventType => write_string(self.facts.event_type, &mut self.out),
            Source::RequestId => write_string(self.facts.request_id, &mut self.out),
            Source::Time(form) => write_time(self.facts, *form, &mut self.out),
            Source::Constant(value) => value.write_canonical(self.numbers, &mut self.out)?,
            Source::Data => self.value("data", self.facts.data)?,
            Source::Metadata => {
                if let Some(metadata) = self.facts.metadata {
                    self.value("metadata", metadata)?;
                }
            }
            Source::Object {
                fields,
                with_metadata,
            } => {
                let metadata = if *with_metadata { self.metadata } else { &[] };
                self.merged(fields, metadata)?;
            }
        }
        self.out.push(b',');
        Ok(())
    }

    /// An object of `fields`, then of `published` members whose keys `fields` don't have; array indices come first all the same.
    fn merged(
        &mut self,
        fields: &[Field],
        published: &[(String, Json)],
    ) -> Result<(), UnstableNumber> {
        self.open();
        let is_index = |key: &str| array_index(key).is_some();
        for (key, value) in in_script_order(published).take_while(|(key, _)| is_index(key)) {
            self.published("metadata", key, value)?;
        }
        for field in fields {
            self.field(field)?;
        }
        for (key, value) in published {
            if !is_index(key) && !fields.iter().any(|field| field.key == *key) {
                self.published("metadata", key, value)?;
            }
        }
        self.close();
        Ok(())
    }

    fn published(&mut self, within: &str, key: &str, value: &Json) -> Result<(), UnstableNumber> {
        write_string(key, &mut self.out);
        self.out.push(b':');
        value
            .write_canonical(self.numbers, &mut self.out)
            .map_err(|mut fault| {
                fault.path.enter_key(key);
                fault.path.enter_key(within);
                fault
            })?;
        self.out.push(b',');
        Ok(())
    }

    fn value(&mut self, name: &str, value: &Json) -> Result<(), UnstableNumber> {
        value
            .write_canonical(self.numbers, &mut self.out)
            .map_err(|mut fault| {
                fault.path.enter_key(name);
                fault
            })
    }
}

fn write_time(facts: &EventFacts<'_>, form: TimeForm, out: &mut Vec<u8>) {
    const RFC_3339: DateTimePrinter = DateTimePrinter::new();
    let time = facts.time;
    let printer = match form {
        TimeForm::Rfc3339 if facts.is_time_given => RFC_3339,
        TimeForm::Rfc3339 => RFC_3339.precision(Some(3)),
        TimeForm::Rfc3339Seconds => RFC_3339.precision(Some(0)),
        TimeForm::Rfc3339Millis => RFC_3339.precision(Some(3)),
        TimeForm::UnixSeconds => return write_integer(time.as_millisecond().div_euclid(1000), out),
        TimeForm::UnixMillis => return write_integer(time.as_millisecond(), out),
    };
    out.push(b'"');
    printer
        .print_timestamp(&time, &mut *out)
        .expect("writing to a vector does not fail");
    out.push(b'"');
}

fn write_integer(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(number.to_string().as_bytes());
}
