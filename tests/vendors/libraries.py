"""What the vendors' own libraries from PyPI say to each request, as judge.mjs has it. With `--list`: which library receives for which
vendor, in which version.
"""

import importlib.metadata
import json
import os
import sys
import traceback


def adyen(r, h):
    from Adyen.util import is_valid_hmac_notification

    return is_valid_hmac_notification(json.loads(r["body"]), r["secret"])


def box(r, h):
    from box_sdk_gen.managers.webhooks import WebhooksManager

    return WebhooksManager.validate_message(r["body"], h, r["secret"])


def coinbase_commerce(r, h):
    from coinbase_commerce.webhook import Webhook

    event = Webhook.construct_event(r["body"], h["x-cc-webhook-signature"], r["secret"])
    return len(event.type) > 0


def gocardless(r, h):
    from gocardless_pro import webhooks

    return len(webhooks.parse(r["body"], r["secret"], h["webhook-signature"])) == 1


def hubspot(version, name):
    def accepts(r, h):
        from hubspot.utils.signature import Signature

        time = h.get("x-hubspot-request-timestamp")
        return Signature.is_valid(h[name], r["secret"], r["body"], r["url"], "POST", version, time)

    return accepts


def sendgrid(r, h):
    from sendgrid.helpers.eventwebhook import EventWebhook

    time = h["x-twilio-email-event-webhook-timestamp"]
    signature = h["x-twilio-email-event-webhook-signature"]
    return EventWebhook(r["public"]).verify_signature(r["body"], signature, time)


def slack(r, h):
    from slack_sdk.signature import SignatureVerifier

    return SignatureVerifier(r["secret"]).is_valid_request(r["body"], h)


def square(r, h):
    from square.utils.webhooks_helper import verify_signature

    return verify_signature(
        request_body=r["body"],
        signature_header=h["x-square-hmacsha256-signature"],
        signature_key=r["secret"],
        notification_url=r["url"],
    )


def stripe(r, h):
    import stripe

    event = stripe.Webhook.construct_event(r["body"], h["stripe-signature"], r["secret"])
    return event.object == "event" and event.id == h["webhook-id"] and event.data.object is not None


def telnyx(r, h):
    import telnyx

    client = telnyx.Telnyx(api_key="key", public_key=r["public"].removeprefix("whpk_"))
    return client.webhooks.unwrap(r["body"], headers=h) is not None


LIBRARIES = {
    "adyen": ("Adyen", adyen),
    "box": ("box-sdk-gen", box),
    "coinbase-commerce": ("coinbase-commerce", coinbase_commerce),
    "gocardless": ("gocardless_pro", gocardless),
    "hubspot-v1": ("hubspot-api-client", hubspot("v1", "x-hubspot-signature")),
    "hubspot-v2": ("hubspot-api-client", hubspot("v2", "x-hubspot-signature")),
    "hubspot-v3": ("hubspot-api-client", hubspot("v3", "x-hubspot-signature-v3")),
    "sendgrid": ("sendgrid", sendgrid),
    "slack": ("slack_sdk", slack),
    "square": ("squareup", square),
    "stripe": ("stripe", stripe),
    "telnyx": ("telnyx", telnyx),
}


def verdict(request):
    try:
        return bool(LIBRARIES[request["vendor"]][1](request, request["headers"]))
    except Exception:
        return traceback.format_exc() if os.environ.get("WHY") else False


if sys.argv[1:] == ["--list"]:
    versions = {
        vendor: f"`{name}` {importlib.metadata.version(name)}, PyPI"
        for vendor, (name, _) in LIBRARIES.items()
    }
    json.dump(versions, sys.stdout)
else:
    json.dump([verdict(request) for request in json.load(sys.stdin)], sys.stdout)
