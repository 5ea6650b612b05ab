//! How a dialect makes the ids of events published without one.

use ulid::Ulid;

use crate::limits::ID_CHARS;

/// Characters of 128 bits in base 62.
const BASE62_CHARS: usize = 22;

/// The form of an event id: a text around one unique part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventIdForm {
    prefix: String,
    unique: Unique,
    suffix: String,
}

/// What makes an id unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unique {
    /// A ULID in lower case: 48 bits of time, 80 of chance.
    LowerUlid,
    /// A ULID in upper case, as its specification writes it.
    UpperUlid,
    /// A version 4 UUID.
    Uuid,
    /// 128 bits of chance in lower-case hexadecimal digits.
    Hex,
    /// 128 bits of chance in digits and letters.
    Base62,
}

impl EventIdForm {
    /// Reads a form such as `evt_{base62}`; `None` if it has not exactly one known variable, or makes what is no id.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once('{')?;
        let (variable, suffix) = rest.split_once('}')?;
        let unique = match variable {
            "ulid" => Unique::LowerUlid,
            "ULID" => Unique::UpperUlid,
            "uuid" => Unique::Uuid,
            "hex" => Unique::Hex,
            "base62" => Unique::Base62,
            _ => return None,
        };
        let form = Self {
            prefix: prefix.to_owned(),
            unique,
            suffix: suffix.to_owned(),
        };
        let made = form.make(0, [0; 16]);
        let printable = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        (made.len() <= ID_CHARS && made.bytes().all(printable)).then_some(form)
    }

    /// An id of this form made of `now_ms` (since the Unix epoch) and `random`.
    pub(super) fn make(&self, now_ms: u64, random: [u8; 16]) -> String {
        let chance = u128::from_be_bytes(random);
        let mut id = self.prefix.clone();
        match self.unique {
            Unique::LowerUlid => {
                let ulid = Ulid::from_parts(now_ms, chance).to_string();
                id.push_str(&ulid.to_ascii_lowercase());
            }
            Unique::UpperUlid => id.push_str(&Ulid::from_parts(now_ms, chance).to_string()),
            Unique::Uuid => {
                let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
                id.push_str(
                    uuid.hyphenated()
                        .encode_lower(&mut uuid::Uuid::encode_buffer()),
                );
            }
            Unique::Hex => id.push_str(&hex::encode(random)),
            Unique::Base62 => push_base62(chance, &mut id),
        }
        id.push_str(&self.suffix);
        id
    }
}

fn push_base62(mut number: u128, out: &mut String) {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut digits = [b'0'; BASE62_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    out.extend(digits.map(char::from));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_and_hold_all_the_chance() {
        for (form, zero, ones) in [
            (
                "we_{ulid}",
                "we_01jf2wkmvc0000000000000000",
                "we_01jf2wkmvczzzzzzzzzzzzzzzz",
            ),
            (
                "{ULID}",
                "01JF2WKMVC0000000000000000",
                "01JF2WKMVCZZZZZZZZZZZZZZZZ",
            ),
            (
                "evt_{base62}",
                "evt_0000000000000000000000",
                "evt_7n42DGM5Tflk9n8mt7Fhc7",
            ),
            (
                "{hex}-x",
                "00000000000000000000000000000000-x",
                "ffffffffffffffffffffffffffffffff-x",
            ),
            (
                "{uuid}",
                "00000000-0000-4000-8000-000000000000",
                "ffffffff-ffff-4fff-bfff-ffffffffffff",
            ),
        ] {
            let form = EventIdForm::parse(form).unwrap();
            let now_ms = 1_734_190_158_700; // the moment in the id that document 003 shows
            assert_eq!(form.make(now_ms, [0; 16]), zero);
            assert_eq!(form.make(now_ms, [0xff; 16]), ones);
        }
    }

    #[test]
    fn a_form_needs_one_known_variable_and_makes_a_valid_id() {
        let long = format!("{}{{ulid}}", "x".repeat(39));
        for wrong in [
            "evt_",
            "evt_{serial}",
            "{ulid}{ulid}",
            "evt.{ulid}",
            "evt {ulid}",
            "{ulid",
            &long,
        ] {
            assert_eq!(EventIdForm::parse(wrong), None, "{wrong}");
        }
    }
}
