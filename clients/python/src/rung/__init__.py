"""Client for Rung: publish events, manage webhooks, verify deliveries."""

from types import EllipsisType, TracebackType
from typing import Any, Self, TypedDict, cast

import httpx

from . import _resources as resources
from . import types as t
from ._errors import ApiError, ConnectionFailed, ErrorBody, ErrorDetail, RungError
from ._http import Http
from ._pages import Page, Pages
from ._publish import PublishAccepted, PublishFailed, PublishRefused, PublishResult
from ._verify import Dialect, VerificationError, verify

__all__ = [
    "ApiError",
    "ConnectionFailed",
    "Dialect",
    "ErrorBody",
    "ErrorDetail",
    "Me",
    "Page",
    "Pages",
    "PublishAccepted",
    "PublishFailed",
    "PublishRefused",
    "PublishResult",
    "Rung",
    "RungError",
    "VerificationError",
    "verify",
]


class Me(TypedDict):
    """Whose key this is, and what is left of its quota. A portal's token has a link in place of a key."""

    key: t.Key | None
    portal_link: t.PortalLink | None
    tenant: t.Tenant | None
    quota: dict[str, t.Quota | None]


class Rung:
    """Rung's API. Threads may share it."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        tenant: str | EllipsisType = ...,
        max_retries: int = 4,
        timeout: float = 30.0,
        http_client: httpx.Client | None = None,
    ) -> None:
        """`url` is where Rung is, such as `https://hooks.example.com`; `key` an operator's, a tenant's or a portal's.

        `tenant` is the tenant to act for with an operator's key; leave it out to act for none. `max_retries` is how often a request is repeated after 429, 503, another
        retryable error or a failed connection. `timeout` is in seconds, for each step of an attempt. `http_client` serves in place of a new one,
        for proxies and the like; it brings its own time-outs.
        """
        if not isinstance(timeout, (int, float)) or not timeout > 0:
            raise ValueError("timeout: must be a number above 0")
        client = _client(timeout) if http_client is None else http_client
        http = Http(url, key, max_retries, client)
        self._use(http if tenant is ... else http.for_tenant(tenant))

    def _use(self, http: Http) -> None:
        self._http = http
        self.tenants = resources.Tenants(http)
        self.tenant_keys = resources.TenantKeys(http)
        self.keys = resources.Keys(http)
        self.portal_links = resources.PortalLinks(http)
        self.webhooks = resources.Webhooks(http)
        self.events = resources.Events(http)
        self.event_types = resources.EventTypes(http)
        self.logs = resources.Logs(http)
        self.deliveries = resources.Deliveries(http)
        self.jobs = resources.Jobs(http)
        self.stats = resources.Stats(http)
        self.audit = resources.Audit(http)
        self.dead_letters = resources.DeadLetters(http)
        self.exports = resources.Exports(http)

    def for_tenant(self, tenant: str) -> "Rung":
        """The same client with the same connections, acting for a tenant. Needs an operator's key."""
        view = Rung.__new__(Rung)
        view._use(self._http.for_tenant(tenant))
        return view

    def about(self) -> t.About:
        """Version, features and limits of the deployment."""
        return cast(t.About, self._http.call("GET", "/v1", "version", "limits"))

    def me(self) -> Me:
        """Whose key this is, and what is left of its quota."""
        return cast(Me, self._http.call("GET", "/v1/me", "key", "tenant", "quota"))

    def health(self) -> dict[str, Any]:
        """Status and version."""
        return cast(dict[str, Any], self._http.call("GET", "/v1/health", "status"))

    def egress_ips(self) -> list[str]:
        """The addresses that deliveries come from."""
        return cast(list[str], self._http.call("GET", "/v1/egress-ips", "egress_ips")["egress_ips"])

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _client(timeout: float) -> httpx.Client:
    """With the proxies and certificates that the environment names."""
    try:
        return httpx.Client(timeout=timeout)
    except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
        message = f"the environment's proxies or certificates: {error}"
        raise RungError(message, retryable=False) from error
