//! The messages that bring an event on its way.

use crate::{
    domain::{
        attempt::Trigger,
        id::{DeliveryKey, WebhookId},
        message::{Content, Due, Fanout, Message, Target},
        webhook::Subscription,
    },
    limits::INLINE_BODY_BYTES,
    store::events::{Body, Event},
};

pub(in crate::flow) fn delivery_key(event: &Event, webhook: &WebhookId) -> DeliveryKey {
    DeliveryKey {
        tenant: event.tenant.clone(),
        webhook: webhook.clone(),
        event: event.id.clone(),
        accepted_ms: event.accepted_ms,
    }
}

pub(super) fn first_attempt(event: &Event, webhook: &Subscription, repeated: bool) -> Message {
    Message::Attempt(first_due(event, target(event, webhook), repeated))
}

/// A webhook as the event was accepted for it.
pub(super) fn target(event: &Event, webhook: &Subscription) -> Target {
    // A repeat may find that it has learnt a dialect since, in which the event has no body.
    let dialect = event.dialect_for(&webhook.dialect);
    Target {
        webhook: webhook.id.clone(),
        epoch: webhook.epoch,
        dialect: dialect.unwrap_or(&webhook.dialect).to_owned(),
    }
}

/// The first attempt of an event to a target. A small body travels along.
pub(in crate::flow) fn first_due(event: &Event, target: Target, repeated: bool) -> Due {
    let body = match event.bodies.get(&target.dialect) {
        Some(Body::Here(body)) if body.len() <= INLINE_BODY_BYTES => Some(body),
        _ => None,
    };
    Due {
        dialect: Some(target.dialect),
        repeated,
        content: body.map(|body| Content {
            event_type: event.event_type.clone(),
            body: body.clone(),
            trace: event.trace.clone(),
            hops: event.hops,
        }),
        ..first_copy(&delivery_key(event, &target.webhook), target.epoch)
    }
}

/// The first attempt of a delivery to its webhook at this epoch, where an earlier message of it may be under way. It is posted in the
/// dialect that the webhook speaks when it arrives, if the event has a body in that.
pub(in crate::flow) fn first_copy(delivery: &DeliveryKey, epoch: u64) -> Due {
    Due {
        tenant: delivery.tenant.clone(),
        webhook: delivery.webhook.clone(),
        event: delivery.event.clone(),
        accepted_ms: delivery.accepted_ms,
        n: 1,
        due_ms: delivery.accepted_ms,
        attempt: 1,
        rung: 0,
        epoch,
        trigger: Trigger::Event,
        dialect: None,
        job: None,
        repeated: true,
        through: false,
        resume_ms: None,
        place_ms: None,
        pace_epoch: 0,
        turn: None,
        content: None,
    }
}

pub(super) fn fanout(event: &Event, repeated: bool, targets: Vec<Target>) -> Message {
    Message::Fanout(Fanout {
        tenant: event.tenant.clone(),
        event: event.id.clone(),
        accepted_ms: event.accepted_ms,
        repeated,
        targets,
    })
}
