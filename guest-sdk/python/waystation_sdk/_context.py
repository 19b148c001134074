"""What a handler knows of its attempt, and where it leaves its effects."""

from __future__ import annotations

import datetime
import difflib
import random
from typing import TYPE_CHECKING, Any, Protocol

from ._decode import DecodeError, decode_json, decoder
from ._errors import ConfigError, StateError
from ._event import Draft
from ._http import Http, Send
from ._json import encode

if TYPE_CHECKING:
    from ._handler import Handler

_RAISE: Any = object()


class Bucket(Protocol):
    """The bytes of one namespace."""

    def get(self, key: str) -> bytes | None: ...
    def set(self, key: str, value: bytes) -> None: ...
    def delete(self, key: str) -> None: ...
    def increment(self, key: str, by: int) -> int: ...
    def keys(self) -> list[str]: ...


class Outside(Send, Protocol):
    """What a handler reaches: the host, or a test's world."""

    def open(self, namespace: str) -> Bucket: ...
    def config(self, key: str) -> str | None: ...
    def now(self) -> datetime.datetime: ...
    def random(self) -> random.Random: ...


class State:
    """One namespace of durable state.

    What is written is stored together with the outcome, or not at all. If another
    attempt changed what this one read, the host has the handler run again.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def get(self, key: str, default: Any = None, *, type: Any = Any) -> Any:
        """The value of a key, from JSON, decoded to `type`."""
        data = self._bucket.get(key)
        if data is None:
            return default
        try:
            return decode_json(data, decoder(type), f"state `{key}`")
        except DecodeError as error:
            raise StateError(str(error)) from None

    def set(self, key: str, value: Any) -> None:
        """Writes a value as JSON."""
        self._bucket.set(key, encode(value))

    def delete(self, key: str) -> None:
        """Removes a key, which need not be there."""
        self._bucket.delete(key)

    def increment(self, key: str, by: int = 1) -> int:
        """Adds to a number, which is 0 while there is none, and gives the sum."""
        if by < 0:
            raise ValueError("`increment` only adds: to subtract, use `get` and `set`")
        return self._bucket.increment(key, by)

    def compare_and_swap(self, key: str, old: Any, new: Any) -> bool:
        """Writes a value if the old one is as given. None is one that is not there."""
        if self.get(key) != old:
            return False
        if new is None:
            self.delete(key)
        else:
            self.set(key, new)
        return True

    def keys(self) -> list[str]:
        """All keys, in order."""
        return self._bucket.keys()

    def get_bytes(self, key: str) -> bytes | None:
        """The bytes of a key."""
        return self._bucket.get(key)

    def set_bytes(self, key: str, value: bytes) -> None:
        """Writes bytes."""
        self._bucket.set(key, value)


class Context:
    """One attempt, as the handler sees it."""

    def __init__(
        self, handler: Handler, delivery: str, attempt: int, sequence: int, outside: Outside
    ) -> None:
        self.attempt = attempt
        """The number of this attempt: 1 for the first."""
        self.idempotency_key = delivery
        """The same for every attempt at this event and for no other."""
        self.sequence = sequence
        """The position of the event in the host's journal."""
        self.http = Http(outside)
        """Calls other hosts."""
        self._handler = handler
        self._outside = outside
        self._random: random.Random | None = None
        self._drafts: list[Draft] = []

    def publish(
        self,
        type: str,
        data: Any = None,
        *,
        subject: str | None = None,
        partition_key: str | None = None,
        schema: str | None = None,
        content_type: str | None = None,
        extensions: dict[str, str] | None = None,
    ) -> None:
        """Publishes an event once the handler returns. The data is written as JSON,
        unless it is bytes of a `content_type`."""
        from ._handler import matches

        if not matches(self._handler.publishes, type):
            raise ValueError(_undeclared("publishes", type, self._handler.publishes))
        if isinstance(data, bytes):
            if content_type is None:
                raise ValueError("bytes need a content_type, such as \"text/plain\"")
        elif data is not None:
            data, content_type = encode(data), content_type or "application/json"
        extensions = dict(extensions or {})
        if partition_key is not None:
            extensions["partitionkey"] = partition_key
        self._drafts.append(Draft(type, data, subject, content_type, schema, extensions))

    def state(self, namespace: str) -> State:
        """The durable state of a namespace, which the attribute must name."""
        if namespace not in self._handler.state:
            raise StateError(_undeclared("state", namespace, self._handler.state))
        return State(self._outside.open(namespace))

    def config(self, key: str, default: Any = _RAISE) -> str:
        """What the operator set for a key that the attribute names."""
        return self._setting("config", key, self._handler.config, default)

    def secret(self, name: str) -> str:
        """A secret that the attribute names. Keep it out of events and log lines."""
        return self._setting("secrets", name, self._handler.secrets, _RAISE)

    def now(self) -> datetime.datetime:
        """The time, in UTC. In a test it is the one that the test set."""
        return self._outside.now()

    @property
    def random(self) -> random.Random:
        """Numbers by chance. In a test they come from the seed that the test set."""
        if self._random is None:
            self._random = self._outside.random()
        return self._random

    def _setting(self, kind: str, key: str, named: tuple[str, ...], default: Any) -> str:
        if key not in named:
            raise ConfigError(_undeclared(kind, key, named))
        value = self._outside.config(key)
        if value is None and default is _RAISE:
            raise ConfigError(f"`{key}` is not set: the operator sets it under [{kind}]")
        return default if value is None else value


def _undeclared(argument: str, name: str, named: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, named, 1)
    hint = f", did you mean `{close[0]}`?" if close else ""
    return f"`{name}` is not in `{argument}` of the handler{hint}"
