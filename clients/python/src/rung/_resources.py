"""The calls of the API."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack, cast

import httpx

from . import types as t
from ._http import Http, error_of, parse, path
from ._pages import Pages
from ._publish import PublishResult, publish, publish_batch


# What one request of an import may have; Rung takes 4 MiB.
_IMPORT_BYTES = 4_000_000


class Deleted(TypedDict):
    """A resource that is no more."""

    id: str
    deleted: Literal[True]


class Secrets(TypedDict):
    """The secret in force, and older ones that are still valid."""

    secret: str
    old_secrets: list[t.OldSecret]


class PutTenant(TypedDict):
    """A tenant, how many of its webhooks the plan has disabled or activated, and the job that sends what they missed, if asked for."""

    tenant: t.Tenant
    webhooks: t.PlanChange
    job: t.Job | None


class Activated(TypedDict):
    """A webhook that is active again, and the job that sends what it missed."""

    webhook: t.Webhook
    job: t.Job


class DeadLetterSample(TypedDict):
    """Some dead letters, and how many there are."""

    dead_letters: list[t.DeadLetter]
    counts: dict[str, int]


class _Resource:
    def __init__(self, http: Http) -> None:
        self._http = http

    def _one(self, member: str, method: str, path: str, **request: Any) -> Any:
        """The member of the answer's data."""
        return self._http.call(method, path, member, **request)[member]


class Tenants(_Resource):
    """Your customers. Needs an operator's key."""

    def create(self, *, idempotency_key: str | None = None, **body: Unpack[t.CreateTenantRequest]) -> t.Tenant:
        return cast(t.Tenant, self._one("tenant", "POST", "/v1/tenants", body=body, idempotency_key=idempotency_key))

    def put(
        self,
        id: str,
        /,
        *,
        recover: bool | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        **body: Unpack[t.PutTenantRequest],
    ) -> PutTenant:
        """Creates or replaces."""
        return cast(
            PutTenant,
            self._http.call(
                "PUT",
                path("/v1/tenants/{}", id),
                "tenant",
                query={"recover": recover},
                body=body,
                if_match=if_match,
                if_none_match=if_none_match,
            ),
        )

    def list(self, **query: Unpack[t.ListTenantsQuery]) -> Pages[t.Tenant]:
        return Pages(self._http, "/v1/tenants", "tenants", query)

    def get(self, id: str) -> t.Tenant:
        return cast(t.Tenant, self._one("tenant", "GET", path("/v1/tenants/{}", id)))

    def update(
        self,
        id: str,
        /,
        *,
        recover: bool | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        **body: Unpack[t.UpdateTenantRequest],
    ) -> PutTenant:
        """Changes what is named (RFC 7396)."""
        return cast(
            PutTenant,
            self._http.call(
                "PATCH",
                path("/v1/tenants/{}", id),
                "tenant",
                query={"recover": recover},
                body=body,
                if_match=if_match,
                if_none_match=if_none_match,
            ),
        )

    def delete(self, id: str) -> t.Job:
        """Deletes the tenant and erases what it has; the job shows how far that is."""
        return cast(t.Job, self._one("job", "DELETE", path("/v1/tenants/{}", id)))


class TenantKeys(_Resource):
    """Keys of tenants. Needs an operator's key."""

    def create(
        self, tenant: str, /, *, idempotency_key: str | None = None, **body: Unpack[t.CreateKeyRequest]
    ) -> t.Key:
        """`key`, the key itself, is answered once."""
        return cast(
            t.Key,
            self._one("key", "POST", path("/v1/tenants/{}/keys", tenant), body=body, idempotency_key=idempotency_key),
        )

    def list(self, tenant: str, /, **query: Unpack[t.ListKeysQuery]) -> Pages[t.Key]:
        return Pages(self._http, path("/v1/tenants/{}/keys", tenant), "keys", query)

    def get(self, tenant: str, id: str) -> t.Key:
        return cast(t.Key, self._one("key", "GET", path("/v1/tenants/{}/keys/{}", tenant, id)))

    def update(self, tenant: str, id: str, /, **body: Unpack[t.UpdateKeyRequest]) -> t.Key:
        return cast(t.Key, self._one("key", "PATCH", path("/v1/tenants/{}/keys/{}", tenant, id), body=body))

    def delete(self, tenant: str, id: str) -> Deleted:
        return cast(Deleted, self._one("key", "DELETE", path("/v1/tenants/{}/keys/{}", tenant, id)))


class Keys(_Resource):
    """The operator's own keys."""

    def create(self, *, idempotency_key: str | None = None, **body: Unpack[t.CreateOperatorKeyRequest]) -> t.Key:
        """`key`, the key itself, is answered once."""
        return cast(t.Key, self._one("key", "POST", "/v1/keys", body=body, idempotency_key=idempotency_key))

    def list(self, **query: Unpack[t.ListOperatorKeysQuery]) -> Pages[t.Key]:
        return Pages(self._http, "/v1/keys", "keys", query)

    def get(self, id: str) -> t.Key:
        return cast(t.Key, self._one("key", "GET", path("/v1/keys/{}", id)))

    def update(self, id: str, /, **body: Unpack[t.UpdateOperatorKeyRequest]) -> t.Key:
        return cast(t.Key, self._one("key", "PATCH", path("/v1/keys/{}", id), body=body))

    def delete(self, id: str) -> Deleted:
        return cast(Deleted, self._one("key", "DELETE", path("/v1/keys/{}", id)))


class PortalLinks(_Resource):
    """Links with which a tenant's people see their webhooks. Needs an operator's key."""

    def create(
        self, tenant: str, /, *, idempotency_key: str | None = None, **body: Unpack[t.CreatePortalLinkRequest]
    ) -> t.PortalLink:
        """`url` and `token` are answered once."""
        return cast(
            t.PortalLink,
            self._one(
                "portal_link",
                "POST",
                path("/v1/tenants/{}/portal-links", tenant),
                body=body,
                idempotency_key=idempotency_key,
            ),
        )

    def list(self, tenant: str, /, **query: Unpack[t.ListPortalLinksQuery]) -> Pages[t.PortalLink]:
        return Pages(self._http, path("/v1/tenants/{}/portal-links", tenant), "portal_links", query)

    def get(self, tenant: str, id: str) -> t.PortalLink:
        return cast(t.PortalLink, self._one("portal_link", "GET", path("/v1/tenants/{}/portal-links/{}", tenant, id)))

    def delete(self, tenant: str, id: str) -> Deleted:
        return cast(Deleted, self._one("portal_link", "DELETE", path("/v1/tenants/{}/portal-links/{}", tenant, id)))

    def delete_all(self, tenant: str) -> None:
        self._http.call("DELETE", path("/v1/tenants/{}/portal-links", tenant))


class Webhooks(_Resource):
    """Endpoints of a tenant."""

    def create(self, *, idempotency_key: str | None = None, **body: Unpack[t.CreateWebhookRequest]) -> t.Webhook:
        """`secret` is answered here and at a rotation only."""
        return cast(t.Webhook, self._one("webhook", "POST", "/v1/webhooks", body=body, idempotency_key=idempotency_key))

    def put(
        self,
        id: str,
        /,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        **body: Unpack[t.PutWebhookRequest],
    ) -> t.Webhook:
        """Imports or replaces, with secrets and all. Needs an operator's key."""
        return cast(
            t.Webhook,
            self._one(
                "webhook", "PUT", path("/v1/webhooks/{}", id), body=body, if_match=if_match, if_none_match=if_none_match
            ),
        )

    def list(self, **query: Unpack[t.ListWebhooksQuery]) -> Pages[t.Webhook]:
        return Pages(self._http, "/v1/webhooks", "webhooks", query)

    def get(self, id: str) -> t.Webhook:
        return cast(t.Webhook, self._one("webhook", "GET", path("/v1/webhooks/{}", id)))

    def update(
        self,
        id: str,
        /,
        *,
        if_match: str | None = None,
        if_none_match: str | None = None,
        **body: Unpack[t.UpdateWebhookRequest],
    ) -> t.Webhook:
        """Changes what is named (RFC 7396)."""
        return cast(
            t.Webhook,
            self._one(
                "webhook",
                "PATCH",
                path("/v1/webhooks/{}", id),
                body=body,
                if_match=if_match,
                if_none_match=if_none_match,
            ),
        )

    def activate(self, id: str) -> Activated:
        """Activates a disabled webhook, and starts a job that sends what it missed."""
        body = {"status": "active", "recover": True}
        return cast(Activated, self._http.call("PATCH", path("/v1/webhooks/{}", id), "webhook", "job", body=body))

    def delete(self, id: str, *, if_match: str | None = None) -> t.Job:
        """Deletes the webhook and erases its log; the job shows how far that is."""
        return cast(t.Job, self._one("job", "DELETE", path("/v1/webhooks/{}", id), if_match=if_match))

    def secret(self, id: str) -> Secrets:
        return cast(Secrets, self._http.call("GET", path("/v1/webhooks/{}/secret", id), "secret", "old_secrets"))

    def test(self, id: str, /, **body: Unpack[t.TestWebhookRequest]) -> t.LogEntry:
        """Sends a sample event now and answers what came of it."""
        return cast(t.LogEntry, self._one("log", "POST", path("/v1/webhooks/{}/test", id), body=body))

    def prove(self, id: str, /, **body: Unpack[t.ProveWebhookRequest]) -> t.ReceiverReport:
        """Examines the receiver: sends it genuine and forged deliveries, and answers what is to be mended."""
        report = self._one("report", "POST", path("/v1/webhooks/{}/prove", id), body=body)
        return cast(t.ReceiverReport, report)

    def verify(self, id: str, *, if_match: str | None = None) -> t.Webhook:
        """Asks the endpoint to echo a token."""
        return cast(
            t.Webhook, self._one("webhook", "POST", path("/v1/webhooks/{}/verify", id), body={}, if_match=if_match)
        )

    def rotate_secret(
        self,
        id: str,
        /,
        *,
        if_match: str | None = None,
        idempotency_key: str | None = None,
        **body: Unpack[t.RotateSecretRequest],
    ) -> t.Webhook:
        """Answers the webhook with its new `secret`. The old one is valid until `old_secret_expires_at`."""
        return cast(
            t.Webhook,
            self._one(
                "webhook",
                "POST",
                path("/v1/webhooks/{}/rotate-secret", id),
                body=body,
                if_match=if_match,
                idempotency_key=idempotency_key,
            ),
        )

    def finish_rotation(self, id: str, *, if_match: str | None = None) -> t.Webhook:
        """Ends the validity of the old secret now."""
        return cast(
            t.Webhook,
            self._one("webhook", "POST", path("/v1/webhooks/{}/rotate-secret/finish", id), body={}, if_match=if_match),
        )

    def preview_filter(self, **body: Unpack[t.PreviewFilterRequest]) -> t.FilterPreview:
        """Which of the last events a filter takes."""
        return cast(t.FilterPreview, self._http.call("POST", "/v1/filter-preview", "events", body=body))

    def recover(self, id: str, /, *, idempotency_key: str | None = None, **body: Unpack[t.RecoverRequest]) -> t.Job:
        """Sends again what did not arrive."""
        return cast(
            t.Job,
            self._one("job", "POST", path("/v1/webhooks/{}/recover", id), body=body, idempotency_key=idempotency_key),
        )

    def count_recoverable(self, id: str, /, **body: Unpack[t.RecoverRequest]) -> t.RecoveryCount:
        """How much `recover` would send."""
        return cast(
            t.RecoveryCount,
            self._http.call("POST", path("/v1/webhooks/{}/recover", id), "count", body={**body, "dry_run": True}),
        )

    def recover_all(self, *, idempotency_key: str | None = None, **body: Unpack[t.RecoverRequest]) -> t.Job:
        """Sends again what did not arrive at any webhook of the tenant."""
        return cast(t.Job, self._one("job", "POST", "/v1/recover", body=body, idempotency_key=idempotency_key))

    def stats(self, id: str, /, **query: Unpack[t.GetWebhookStatsQuery]) -> t.Stats:
        return cast(t.Stats, self._one("stats", "GET", path("/v1/webhooks/{}/stats", id), query=query))


class Events(_Resource):
    """What happened."""

    def publish(
        self,
        *,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        **event: Unpack[t.PublishEventRequest],
    ) -> t.Published:
        """Returns once Rung has stored the event.

        Without an `id` or an `idempotency_key` of yours, calling this again publishes another event. `headers` are more headers,
        such as `traceparent`, or `Rung-Hops` of the delivery that the event results from.
        """
        return publish(self._http, event, idempotency_key, headers)

    def publish_batch(
        self,
        events: Sequence[t.PublishEventRequest],
        *,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Sequence[PublishResult]:
        """Publishes any number of events and returns one result per event, in order: look at each `success`."""
        return publish_batch(self._http, events, idempotency_key, headers)

    def list(self, **query: Unpack[t.ListEventsQuery]) -> Pages[t.ListedEvent]:
        return Pages(self._http, "/v1/events", "events", query)

    def get(self, id: str) -> t.Event:
        return cast(t.Event, self._one("event", "GET", path("/v1/events/{}", id)))

    def deliveries(self, id: str, /, **query: Unpack[t.GetEventQuery]) -> Pages[t.Delivery]:
        """The event's deliveries, one per webhook."""
        return Pages(self._http, path("/v1/events/{}", id), "deliveries", query)

    def delete(self, id: str) -> t.Job:
        """Erases the event; the job shows how far that is."""
        return cast(t.Job, self._one("job", "DELETE", path("/v1/events/{}", id)))


def _segments(type: str) -> str | list[str]:
    """Types may contain slashes."""
    return type.split("/") if isinstance(type, str) else type


class EventTypes(_Resource):
    """The catalogue."""

    def list(self, **query: Unpack[t.ListEventTypesQuery]) -> Pages[t.EventType]:
        return Pages(self._http, "/v1/event-types", "event_types", query)

    def get(self, type: str, /, *, dialect: str | None = None) -> t.EventType:
        query = {"dialect": dialect}
        return cast(
            t.EventType, self._one("event_type", "GET", path("/v1/event-types/{}", _segments(type)), query=query)
        )

    def put(
        self,
        type: str,
        /,
        *,
        dialect: str | None = None,
        if_match: str | None = None,
        if_none_match: str | None = None,
        **body: Any,
    ) -> t.EventType:
        """Creates or replaces. An operator's key without a tenant sets it for the deployment's `dialect`."""
        return cast(
            t.EventType,
            self._one(
                "event_type",
                "PUT",
                path("/v1/event-types/{}", _segments(type)),
                query={"dialect": dialect},
                body=body,
                if_match=if_match,
                if_none_match=if_none_match,
            ),
        )

    def delete(self, type: str, /, *, dialect: str | None = None) -> dict[str, Any]:
        return cast(
            dict[str, Any],
            self._http.call("DELETE", path("/v1/event-types/{}", _segments(type)), query={"dialect": dialect}),
        )


class Logs(_Resource):
    """Attempts."""

    def list(self, **query: Unpack[t.ListAllLogsQuery]) -> Pages[t.LogEntry]:
        """All of the tenant, newest first."""
        return Pages(self._http, "/v1/logs", "logs", query)

    def of_webhook(self, webhook: str, /, **query: Unpack[t.ListLogsQuery]) -> Pages[t.LogEntry]:
        """Those at one webhook."""
        return Pages(self._http, path("/v1/webhooks/{}/logs", webhook), "logs", query)

    def get(self, webhook: str, id: str) -> t.LogDetail:
        """One attempt with its request and response."""
        return cast(t.LogDetail, self._one("log", "GET", path("/v1/webhooks/{}/logs/{}", webhook, id)))

    def retry(self, webhook: str, id: str) -> t.Delivery:
        """Sends that delivery again now."""
        return cast(
            t.Delivery, self._one("delivery", "POST", path("/v1/webhooks/{}/logs/{}/retry", webhook, id), body={})
        )


class Deliveries(_Resource):
    """Events on their way to a webhook."""

    def list(self, webhook: str, /, **query: Unpack[t.ListDeliveriesQuery]) -> Pages[t.Delivery]:
        """Those that wait, or were held, missed, failed or cancelled."""
        return Pages(self._http, path("/v1/webhooks/{}/deliveries", webhook), "deliveries", query)

    def get(self, webhook: str, id: str) -> t.Delivery:
        return cast(t.Delivery, self._one("delivery", "GET", path("/v1/webhooks/{}/deliveries/{}", webhook, id)))

    def retry(self, webhook: str, id: str) -> t.Delivery:
        """Sends it again now."""
        return cast(
            t.Delivery, self._one("delivery", "POST", path("/v1/webhooks/{}/deliveries/{}/retry", webhook, id), body={})
        )

    def cancel(self, webhook: str, id: str) -> t.Delivery:
        return cast(
            t.Delivery,
            self._one("delivery", "POST", path("/v1/webhooks/{}/deliveries/{}/cancel", webhook, id), body={}),
        )

    def cancel_all(self, webhook: str, /, **body: Unpack[t.CancelDeliveriesRequest]) -> t.Job:
        """Cancels all of these statuses; the job shows how far that is."""
        return cast(t.Job, self._one("job", "POST", path("/v1/webhooks/{}/deliveries/cancel", webhook), body=body))


class Jobs(_Resource):
    """Work that goes on after the call that began it."""

    def list(self, **query: Unpack[t.ListJobsQuery]) -> Pages[t.Job]:
        return Pages(self._http, "/v1/jobs", "jobs", query)

    def get(self, id: str) -> t.Job:
        return cast(t.Job, self._one("job", "GET", path("/v1/jobs/{}", id)))

    def wait(self, id: str) -> t.Job:
        """Asks every second until the job has ended."""
        job = self.get(id)
        while job["ended_at"] is None:
            time.sleep(1)
            job = self.get(id)
        return job

    def cancel(self, id: str) -> t.Job:
        return cast(t.Job, self._one("job", "POST", path("/v1/jobs/{}/cancel", id), body={}))


class Stats(_Resource):
    """Statistics of the tenant's attempts; those of one webhook are `webhooks.stats`."""

    def get(self, **query: Unpack[t.GetStatsQuery]) -> t.Stats:
        return cast(t.Stats, self._one("stats", "GET", "/v1/stats", query=query))


class Audit(_Resource):
    """Who changed what."""

    def list(self, **query: Unpack[t.ListAuditQuery]) -> Pages[t.AuditEntry]:
        return Pages(self._http, "/v1/audit", "entries", query)


class DeadLetters(_Resource):
    """Messages that no function could handle. Needs an operator's key."""

    def list(self, **query: Unpack[t.ListDeadLettersQuery]) -> DeadLetterSample:
        return cast(DeadLetterSample, self._http.call("GET", "/v1/dead-letters", "dead_letters", "counts", query=query))

    def redrive(self, **body: Unpack[t.RedriveDeadLettersRequest]) -> t.Job:
        """Sends them again."""
        return cast(t.Job, self._one("job", "POST", "/v1/dead-letters/redrive", body=body))


class Exports(_Resource):
    """Tenants with their webhooks, keys and event types, to take elsewhere. Needs an operator's key."""

    def create(self, *, idempotency_key: str | None = None, **body: Unpack[t.CreateExportRequest]) -> t.Job:
        """Starts an export. Read its `output` when the job has succeeded."""
        return cast(t.Job, self._one("job", "POST", "/v1/exports", body=body, idempotency_key=idempotency_key))

    def output(self, job: str) -> Iterator[str]:
        """The lines of an export, each of them JSON."""
        query: dict[str, str] | None = {}
        while query is not None:
            answer = self._http.send("GET", path("/v1/jobs/{}/output", job), query)
            if answer.status_code != 200:
                raise error_of(answer)
            yield from filter(None, answer.text.split("\n"))
            following = answer.links.get("next")
            query = None if following is None else {"cursor": httpx.URL(following["url"]).params["cursor"]}

    def import_(self, lines: Iterable[str]) -> Sequence[t.ImportResult]:
        """Takes in the lines of an export, in as many requests as it needs.

        Returns one result per line: look at each `error`.
        """
        results: list[t.ImportResult] = []
        part: list[bytes] = []
        size = 0
        for line in map(str.encode, lines):
            size += len(line) + 1
            if size > _IMPORT_BYTES:
                results += self._import(part)
                part, size = [], len(line) + 1
            part.append(line)
        results += self._import(part)
        for number, result in enumerate(results, 1):
            result["line"] = number
        return results

    def _import(self, lines: Sequence[bytes]) -> list[t.ImportResult]:
        results: list[t.ImportResult] = []
        while lines:
            headers = {"content-type": "application/x-ndjson"}
            answer = self._http.send("POST", "/v1/import", content=b"\n".join(lines), headers=headers)
            # Where all of these lines were refused, the results are beside the error.
            data = parse(answer).get("data")
            if not isinstance(data, dict) or not data.keys() >= {"results", "next_line"} or answer.status_code >= 500:
                raise error_of(answer)
            results += data["results"]
            # The line that Rung had no time for.
            lines = lines[data["next_line"] - 1 :] if data["next_line"] else []
        return results
