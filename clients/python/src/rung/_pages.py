"""Lists."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ._http import Http

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list."""

    items: list[T]
    next_cursor: str | None
    """Where the next page starts; None at the end."""


class Pages(Generic[T]):
    """A list. Iterating reads page after page; `page` reads one."""

    def __init__(self, http: Http, path: str, member: str, query: Mapping[str, Any]) -> None:
        self._http = http
        self._path = path
        self._member = member
        self._query = query

    def page(self, cursor: str | None = None) -> Page[T]:
        """One page: the first, or the one at `cursor`."""
        query = self._query if cursor is None else {**self._query, "cursor": cursor}
        data = self._http.call("GET", self._path, self._member, "next_cursor", query=query)
        return Page(data[self._member], data["next_cursor"])

    def pages(self) -> Iterator[Page[T]]:
        """Page by page."""
        page = self.page()
        yield page
        while page.next_cursor is not None:
            page = self.page(page.next_cursor)
            yield page

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items
