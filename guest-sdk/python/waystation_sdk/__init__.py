"""Handlers for Waystation: functions from one event to the events that follow."""

from ._context import Context, State
from ._errors import ConfigError, HttpError, Reject, Retry, StateError
from ._event import Draft, Event
from ._handler import Handler, handler
from ._http import Http, Response

__all__ = [
    "ConfigError",
    "Context",
    "Draft",
    "Event",
    "Handler",
    "Http",
    "HttpError",
    "Reject",
    "Response",
    "Retry",
    "State",
    "StateError",
    "handler",
]
