//! What requests say of keys.

use rung_api::{Fields, Patch, limits::NAME_CHARS, read};
use rung_core::domain::{
    id::KeyId,
    tenant::{ApiKey, FIRST_KEY, KeyHash, KeyOwner, Scope, remind_ms},
};
use rung_json::Json;

use crate::webhooks::replaced;

/// A key to make.
pub(super) struct New {
    name: Option<String>,
    scopes: Vec<Scope>,
    events_per_hour: Option<u64>,
    expires_ms: Option<u64>,
    /// That of a key which is brought along.
    pub(super) hash: Option<KeyHash>,
    /// The id that it had, if it is told.
    pub(super) id: Option<KeyId>,
    /// When it was made, if that is told.
    pub(super) created_ms: Option<u64>,
}

impl New {
    pub(super) fn of_operator(fields: &mut Fields<'_>, now_ms: u64) -> Self {
        Self {
            name: Some(fields.required("name", read::text(NAME_CHARS))),
            scopes: fields.required("scopes", scopes(Scope::OF_OPERATORS)),
            events_per_hour: None,
            expires_ms: fields.optional("expires_at", future(now_ms)),
            hash: None,
            id: None,
            created_ms: None,
        }
    }

    pub(super) fn of_tenant(fields: &mut Fields<'_>, now_ms: u64) -> Self {
        let hash = fields.optional("key_sha256", sha256);
        Self::with_hash(fields, hash, now_ms)
    }

    /// A tenant's key that is brought along, known by its hash alone.
    pub(super) fn brought(fields: &mut Fields<'_>, now_ms: u64) -> Self {
        let hash = fields.required("key_sha256", |value| sha256(value).map(Some));
        Self {
            id: fields.optional("id", brought_id),
            created_ms: fields.optional("created_at", read::time_ms),
            ..Self::with_hash(fields, hash, now_ms)
        }
    }

    fn with_hash(fields: &mut Fields<'_>, hash: Option<KeyHash>, now_ms: u64) -> Self {
        Self {
            name: fields.text("name", NAME_CHARS),
            scopes: fields.required("scopes", scopes(Scope::OF_TENANTS)),
            events_per_hour: fields.optional("events_per_hour", events_per_hour),
            expires_ms: fields.optional("expires_at", future(now_ms)),
            hash,
            id: None,
            created_ms: None,
        }
    }

    /// A key that is there, with all of this in place of what it has.
    pub(super) fn over(&self, key: ApiKey) -> ApiKey {
        let tells_tenant = key.owner.tenant().is_some();
        ApiKey {
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            events_per_hour: self.events_per_hour,
            expires_ms: self.expires_ms,
            remind_ms: self.expires_ms.filter(|_| tells_tenant).map(remind_ms),
            ..key
        }
    }

    /// The key; `id` and `now_ms` serve unless others were told.
    pub(super) fn key(&self, id: KeyId, owner: KeyOwner, hash: KeyHash, now_ms: u64) -> ApiKey {
        let tells_tenant = owner.tenant().is_some();
        ApiKey {
            id: self.id.clone().unwrap_or(id),
            owner,
            portal: None,
            hash,
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            events_per_hour: self.events_per_hour,
            expires_ms: self.expires_ms,
            remind_ms: self.expires_ms.filter(|_| tells_tenant).map(remind_ms),
            used_ms: None,
            revision: 0,
            created_ms: self.created_ms.unwrap_or(now_ms),
        }
    }
}

/// A change of a key.
pub(super) struct Changes {
    name: Patch<String>,
    scopes: Option<Vec<Scope>>,
    events_per_hour: Patch<u64>,
    expires_ms: Patch<u64>,
}

impl Changes {
    pub(super) fn of_operator(fields: &mut Fields<'_>, now_ms: u64) -> Self {
        let name = fields.patch("name", read::text(NAME_CHARS));
        let scopes = fields.patch("scopes", scopes(Scope::OF_OPERATORS));
        Self {
            name: replaced(fields, "name", name).map_or(Patch::Keep, Patch::Set),
            scopes: replaced(fields, "scopes", scopes),
            events_per_hour: Patch::Keep,
            expires_ms: fields.patch("expires_at", future(now_ms)),
        }
    }

    pub(super) fn of_tenant(fields: &mut Fields<'_>, now_ms: u64) -> Self {
        let scopes = fields.patch("scopes", scopes(Scope::OF_TENANTS));
        Self {
            name: fields.patch_text("name", NAME_CHARS),
            scopes: replaced(fields, "scopes", scopes),
            events_per_hour: fields.patch("events_per_hour", events_per_hour),
            expires_ms: fields.patch("expires_at", future(now_ms)),
        }
    }

    pub(super) fn applied_to(&self, key: ApiKey) -> ApiKey {
        let expires_ms = self.expires_ms.clone().or(key.expires_ms);
        let tells_tenant = key.owner.tenant().is_some();
        ApiKey {
            name: self.name.clone().or(key.name),
            scopes: self.scopes.clone().unwrap_or(key.scopes),
            events_per_hour: self.events_per_hour.clone().or(key.events_per_hour),
            expires_ms,
            remind_ms: expires_ms.filter(|_| tells_tenant).map(remind_ms),
            ..key
        }
    }
}

/// Reads a time that lies ahead.
fn future(now_ms: u64) -> impl Fn(&Json) -> Result<u64, String> {
    move |value| {
        let time_ms = read::time_ms(value)?;
        let problem = "must be in the future";
        (time_ms > now_ms)
            .then_some(time_ms)
            .ok_or_else(|| problem.to_owned())
    }
}

fn events_per_hour(value: &Json) -> Result<u64, String> {
    let limit = value.as_unsigned().filter(|limit| *limit > 0);
    limit.ok_or_else(|| "must be an integer of at least 1".to_owned())
}

/// Reads scopes out of those that a key may have.
fn scopes(allowed: &'static [Scope]) -> impl Fn(&Json) -> Result<Vec<Scope>, String> {
    move |value| {
        let mut scopes = Vec::new();
        for name in read::list(value).map_err(|_| one_of(allowed))? {
            let named = |scope: &&Scope| name.as_str() == Some(scope.as_str());
            let scope = allowed.iter().find(named).ok_or_else(|| one_of(allowed))?;
            if !scopes.contains(scope) {
                scopes.push(*scope);
            }
        }
        if scopes.is_empty() {
            return Err(one_of(allowed));
        }
        Ok(scopes)
    }
}

fn one_of(allowed: &[Scope]) -> String {
    let names: Vec<_> = allowed
        .iter()
        .map(|scope| format!("`{}`", scope.as_str()))
        .collect();
    format!("must be a list of one or more of {}", names.join(", "))
}

/// Reads the id of a key that is brought along. The first key's has a meaning of its own.
fn brought_id(value: &Json) -> Result<KeyId, String> {
    let id = read::id(KeyId::parse)(value)?;
    match id.as_str() {
        FIRST_KEY => Err(format!("may not be `{FIRST_KEY}`; omit it for a new one")),
        _ => Ok(id),
    }
}

fn sha256(value: &Json) -> Result<KeyHash, String> {
    let hash = value.as_str().and_then(KeyHash::from_hex);
    hash.ok_or_else(|| "must be the key's SHA-256 as 64 hexadecimal digits".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 9).unwrap()
    }

    #[test]
    fn scopes_are_one_or_more_of_the_allowed_ones() {
        let scopes = scopes(Scope::OF_TENANTS);
        let read = scopes(&json(r#"["publish","read","publish"]"#));
        assert_eq!(read, Ok(vec![Scope::Publish, Scope::Read]));
        for wrong in ["[]", r#"["admin"]"#, "[1]", r#""manage""#] {
            let problem = scopes(&json(wrong)).unwrap_err();
            assert!(problem.contains("`erase`"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn a_brought_key_is_named_by_its_hash_in_either_case() {
        let hash = KeyHash::of("rk_1");
        let digits: String = hash.0.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(sha256(&Json::String(digits.clone())), Ok(hash));
        assert!(sha256(&Json::String(digits[1..].to_owned())).is_err());
        assert!(sha256(&Json::String("rk_1".to_owned())).is_err());
    }
}
