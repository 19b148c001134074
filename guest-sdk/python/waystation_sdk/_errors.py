"""What a handler raises, and what is raised to it."""

from __future__ import annotations


class Retry(Exception):
    """Try this event again later, not before `after` seconds."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class Reject(Exception):
    """Never try this event again: it becomes a dead letter with this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StateError(Exception):
    """State could not be read or written."""


class ConfigError(Exception):
    """A value of configuration or a secret is not there."""


class HttpError(Exception):
    """A request got no answer, or not the one that was asked for. Who does not catch
    it has the event tried again, not before what the answer's `Retry-After` asks for."""

    def __init__(
        self, message: str, *, status: int | None = None, after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.after = after


# A traceback names them as an author imports them.
for _each in (Retry, Reject, StateError, ConfigError, HttpError):
    _each.__module__ = "waystation_sdk"
