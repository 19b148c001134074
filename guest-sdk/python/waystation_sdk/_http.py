"""Outbound HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Mapping, Protocol

from ._errors import HttpError
from ._json import encode

RESPONSE_BYTES_MAX = 8 * 1024 * 1024
"""The most that an answer may bring. The host passes no more on."""


@dataclass(frozen=True)
class Response:
    """An answer, whatever its status. The names of headers are in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body, as UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, read from JSON."""
        return json.loads(self.body)

    def raise_for_status(self) -> Response:
        """Itself if the status is one of success, else raises."""
        if not self.ok:
            raise HttpError(f"the answer has the status {self.status}")
        return self


class Send(Protocol):
    """What sends a request."""

    def send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, timeout: float | None
    ) -> Response: ...


class Http:
    """Calls other hosts, as far as they were granted.

    The host adds `Idempotency-Key`, which is the same for every attempt at an event.
    It follows no redirect.
    """

    def __init__(self, outside: Send) -> None:
        self._outside = outside

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Response:
        """Gets a URL, within `timeout` seconds if given."""
        return self.request("GET", url, headers=headers, timeout=timeout)

    def post_json(
        self,
        url: str,
        data: Any,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Posts a value as JSON."""
        headers = {"content-type": "application/json", **(headers or {})}
        return self.request("POST", url, headers=headers, body=encode(data), timeout=timeout)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Sends a request. Raises `HttpError` if no answer comes."""
        named = {name.lower(): value for name, value in (headers or {}).items()}
        return self._outside.send(method.upper(), url, named, body, timeout)
