//! The members of the body.

use std::collections::HashSet;

use rung_json::{Json, array_index};
use toml::Spanned;

use crate::{
    envelope::{Field, Slot, Source, TimeForm},
    fault::Fault,
    file::{FieldFile, FromFile},
};

pub(super) fn slots(written: &Spanned<Vec<Spanned<FieldFile>>>) -> Result<Vec<Slot>, Fault> {
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
                return Err(Fault::new(place, "`data_members` is used twice"));
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
        return Err(Fault::new(key, format!("the key `{key}` is defined twice")));
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
