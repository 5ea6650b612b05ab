"""A receiver of Stripe's events with Stripe's own library: it verifies, and reads the event."""

import stripe
from cases import judge


def accepts(headers, raw, secret):
    event = stripe.Webhook.construct_event(raw, headers["stripe-signature"], secret)
    return event.object == "event" and event.id == headers["webhook-id"] and event.data.object is not None


judge(accepts)
