//! The messages that bring an event on its way.

use crate::{
    domain::{
        id::{DeliveryKey, WebhookId},
        message::{AttemptMessage, Content, Fanout, Message, Target},
        position::Position,
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
    Message::Attempt(first_message(event, target(event, webhook), repeated))
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
pub(in crate::flow) fn first_message(
    event: &Event,
    target: Target,
    repeated: bool,
) -> AttemptMessage {
    let body = match event.bodies.get(&target.dialect) {
        Some(Body::Here(body)) if body.len() <= INLINE_BODY_BYTES => Some(body),
        _ => None,
    };
    let delivery = delivery_key(event, &target.webhook);
    let position = Position {
        dialect: Some(target.dialect),
        ..Position::first(event.accepted_ms, target.epoch)
    };
    AttemptMessage {
        repeated,
        content: body.map(|body| Content {
            event_type: event.event_type.clone(),
            body: body.clone(),
            trace: event.trace.clone(),
            hops: event.hops,
        }),
        ..AttemptMessage::new(delivery, position)
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
