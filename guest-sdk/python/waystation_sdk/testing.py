"""Runs a handler as the host would, without WebAssembly.

    attempt = deliver(handle, event("com.example.joined.v1", {"name": "Ada"}))
    assert attempt.outcome == "ack"
    assert attempt.only_draft.json() == {"greeting": "Hello, Ada!"}
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import logging
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import _run
from ._context import Context
from ._errors import HttpError, StateError
from ._event import Draft, Event
from ._handler import Handler
from ._http import Response
from ._json import encode

__all__ = ["Attempt", "Call", "World", "deliver", "event", "load"]

_NOON = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.timezone.utc)


@dataclass(frozen=True)
class Call:
    """An outbound request."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None

    def json(self) -> Any:
        """The body, read from JSON."""
        return json.loads(self.body or b"null")


@dataclass(frozen=True)
class Attempt:
    """What an attempt came to."""

    outcome: Literal["ack", "retry", "reject"]
    drafts: list[Draft]
    """What it publishes: nothing unless the outcome is `ack`."""
    reason: str | None
    """Why it was not handled."""
    after: float | None
    """Not again before so many seconds."""
    error: BaseException | None
    """What the handler raised."""
    logs: list[str]
    """Its log lines, as `LEVEL message`, and what it printed."""
    calls: list[Call]
    """Its outbound requests."""

    @property
    def only_draft(self) -> Draft:
        """The draft of a handler that publishes exactly one."""
        if len(self.drafts) != 1:
            said = f"{len(self.drafts)} drafts, not one; {self.outcome}: {self.reason}"
            raise AssertionError(said) from self.error
        return self.drafts[0]


class World:
    """The state and the settings that a handler finds, the time, chance, and who
    answers its requests. State stays from one delivery to the next."""

    def __init__(
        self,
        *,
        state: dict[str, dict[str, Any]] | None = None,
        config: dict[str, str] | None = None,
        secrets: dict[str, str] | None = None,
        now: datetime.datetime = _NOON,
        seed: int = 0,
    ) -> None:
        self.now = now
        self.seed = seed
        self._settings = {**(config or {}), **(secrets or {})}
        self._answers: dict[tuple[str, str], Response | str] = {}
        self._states = {
            name: {key: encode(value) for key, value in keys.items()}
            for name, keys in (state or {}).items()
        }

    def state(self, namespace: str, key: str) -> Any:
        """A value of state, or None."""
        data = self._states.get(namespace, {}).get(key)
        return None if data is None else json.loads(data)

    def answer(
        self,
        method: str,
        url: str,
        *,
        status: int = 200,
        json: Any = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        error: str | None = None,
    ) -> World:
        """Answers a request from now on, or lets it fail with an error."""
        if json is not None:
            body, headers = encode(json), {"content-type": "application/json", **(headers or {})}
        answer = error or Response(status, headers or {}, body)
        self._answers[method.upper(), url] = answer
        return self

    def deliver(self, handler: Handler, event: Event[Any], *, attempt: int = 1) -> Attempt:
        """Makes an attempt at an event. State is kept if it is handled."""
        if not handler.takes(event.type, event.source, event.subject):
            raise AssertionError(
                f"the handler does not subscribe to {event.type} from {event.source}: it is on "
                f"{', '.join(handler.on)}"
            )
        outside = _Outside(self)
        ctx = Context(handler, f"test-{event.id}", attempt, 1, outside)
        with _log_lines() as lines:
            ended = _run.attempt(handler, event, ctx)
        if outside.mistake is not None:
            raise AssertionError(outside.mistake)
        if ended.outcome == "ack":
            self._states = outside.states
        return Attempt(
            ended.outcome, ended.drafts, ended.reason, ended.after, ended.error, lines, outside.calls
        )


def deliver(handler: Handler, event: Event[Any], *, attempt: int = 1) -> Attempt:
    """Makes an attempt at an event in an empty world."""
    return World().deliver(handler, event, attempt=attempt)


def event(
    type: str,
    data: Any = None,
    *,
    id: str = "1",
    source: str = "/test",
    subject: str | None = None,
    time: str | None = None,
    data_content_type: str | None = None,
    data_schema: str | None = None,
    extensions: dict[str, str] | None = None,
) -> Event[Any]:
    """An event with JSON data, or with bytes as they are."""
    if not isinstance(data, bytes):
        data, data_content_type = encode(data), data_content_type or "application/json"
    return Event(
        id, source, type, data, subject, time, data_content_type, data_schema, extensions or {}
    )


def load(path: str | Path) -> Event[Any]:
    """An event from a file in CloudEvents' JSON format, with JSON data."""
    attributes = json.loads(Path(path).read_text(encoding="utf-8"))
    known = {name: attributes.pop(name, None) for name in _ATTRIBUTES}
    extensions = {name: _canonical(value) for name, value in attributes.items()}
    named = {_ATTRIBUTES[name]: value for name, value in known.items() if _ATTRIBUTES[name]}
    return event(**named, extensions=extensions)


_ATTRIBUTES = {
    "specversion": "",
    "id": "id",
    "source": "source",
    "type": "type",
    "subject": "subject",
    "time": "time",
    "datacontenttype": "data_content_type",
    "dataschema": "data_schema",
    "data": "data",
}


def _canonical(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class _Outside:
    def __init__(self, world: World) -> None:
        self._world = world
        self.states = {name: dict(keys) for name, keys in world._states.items()}
        self.calls: list[Call] = []
        self.mistake: str | None = None

    def open(self, namespace: str) -> _Keys:
        return _Keys(self.states.setdefault(namespace, {}))

    def config(self, key: str) -> str | None:
        return self._world._settings.get(key)

    def now(self) -> datetime.datetime:
        return self._world.now

    def random(self) -> random.Random:
        return random.Random(self._world.seed)

    def send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, timeout: float | None
    ) -> Response:
        self.calls.append(Call(method, url, headers, body))
        answer = self._world._answers.get((method, url))
        if answer is None:
            # The handler may catch what is raised here, so the test is told besides.
            self.mistake = f"nobody answers {method} {url}: see World.answer"
            raise HttpError(self.mistake)
        if isinstance(answer, str):
            raise HttpError(answer)
        return answer


class _Keys:
    def __init__(self, keys: dict[str, bytes]) -> None:
        self._keys = keys

    def get(self, key: str) -> bytes | None:
        return self._keys.get(key)

    def set(self, key: str, value: bytes) -> None:
        self._keys[key] = value

    def delete(self, key: str) -> None:
        self._keys.pop(key, None)

    def increment(self, key: str, by: int) -> int:
        value = self._keys.get(key, b"0")
        if not value.isdigit():
            raise StateError(f"the value of `{key}` is no number")
        self._keys[key] = str(int(value) + by).encode()
        return int(value) + by

    def keys(self) -> list[str]:
        return sorted(self._keys)


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{record.levelname} {self.format(record)}")


@contextlib.contextmanager
def _log_lines() -> Any:
    lines: list[str] = []
    root = logging.getLogger()
    level, collecting, printed = root.level, _Lines(lines), io.StringIO()
    root.addHandler(collecting)
    root.setLevel(logging.INFO)
    try:
        with contextlib.redirect_stdout(printed):
            yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(collecting)
        lines.extend(printed.getvalue().splitlines())
