"""A receiver of Slack's events with Slack's own library."""

from cases import judge
from slack_sdk.signature import SignatureVerifier


def accepts(headers, raw, secret):
    return SignatureVerifier(secret).is_valid_request(raw, headers)


judge(accepts)
