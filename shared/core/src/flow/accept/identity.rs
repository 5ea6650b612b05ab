//! What makes an event the same as another: its id, and a hash of its content.

use rung_base::chance;
use rung_dialect::Dialect;
use sha2::{Digest, Sha256};

use super::NewEvent;
use crate::domain::{
    id::{EventId, TenantId},
    tenant::Tenant,
};

/// The client's id, or one made: from the `Idempotency-Key` if there is one, so that its repeat finds the event.
pub(super) fn event_id(
    tenant: &Tenant,
    dialect: &Dialect,
    new: &NewEvent,
    wall_ms: u64,
) -> EventId {
    if let Some(id) = &new.id {
        return id.clone();
    }
    match &new.idempotency_key {
        Some(key) => idempotent_id(&tenant.id, dialect, key),
        None => new_event_id(dialect, wall_ms, chance::bytes()),
    }
}

/// The id that comes of an `Idempotency-Key`.
pub(super) fn idempotent_id(tenant: &TenantId, dialect: &Dialect, key: &str) -> EventId {
    let digest = Sha256::new()
        .chain_update(tenant.as_str())
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let mut random = [0; 16];
    random.copy_from_slice(&digest[..16]);
    let time_ms = digest[16..22]
        .iter()
        .fold(0, |time, byte| time << 8 | u64::from(*byte));
    new_event_id(dialect, time_ms, random)
}

/// An id as the dialect makes them.
pub(in crate::flow) fn new_event_id(dialect: &Dialect, time_ms: u64, random: [u8; 16]) -> EventId {
    EventId::parse(&dialect.new_event_id(time_ms, random))
        .expect("dialects make ids of the allowed characters")
}

/// A hash that is the same for two requests of an event of this type exactly if their contents are equal as JSON, and metadata without
/// members are none.
pub(super) fn content_hash(new: &NewEvent, event_type: &str) -> [u8; 32] {
    let mut content = Vec::with_capacity(1024);
    content.extend_from_slice(event_type.as_bytes());
    content.push(0);
    if let Some(time) = new.timestamp {
        content.extend_from_slice(time.as_nanosecond().to_string().as_bytes());
    }
    content.push(0);
    new.data.write_content(&mut content);
    content.push(0);
    // None, and nothing in it, say the same.
    let metadata = new.metadata.as_ref();
    if let Some(metadata) = metadata.filter(|it| it.as_object().is_none_or(|it| !it.is_empty())) {
        metadata.write_content(&mut content);
    }
    Sha256::digest(&content).into()
}
