"""Outbound HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Mapping, Protocol
from urllib.parse import urlsplit

from ._errors import HttpError
from ._json import encode

RESPONSE_BYTES_MAX = 8 * 1024 * 1024
"""The most that an answer may bring. The host passes no more on."""

RETRY_AFTER_MAX = 3600.0
"""Who asks to be left alone for longer is asked once an hour, so that no other side
makes a delivery too old to be tried at all."""


@dataclass(frozen=True)
class Response:
    """An answer, whatever its status. The names of headers are in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    asked: str = ""
    """What it answers, such as `GET https://rates.example/usd`."""

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
            message = f"{self.asked or 'the other side'} answered {self.status}"
            raise HttpError(message, status=self.status, after=self._retry_after())
        return self

    def _retry_after(self) -> float | None:
        asked = self.headers.get("retry-after", "")
        return min(float(asked), RETRY_AFTER_MAX) if asked.isdecimal() else None


def shown(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


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
        method = method.upper()
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a URL begins with `https://` or `http://` and names a host")
        response = self._outside.send(method, url, named, body, timeout)
        return replace(response, asked=f"{method} {shown(url)}")
