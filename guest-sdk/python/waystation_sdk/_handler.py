"""The attribute that makes a function a handler."""

from __future__ import annotations

import inspect
import sys
import typing
from dataclasses import dataclass
from typing import Any, Callable

from ._context import Context
from ._decode import Decode, decoder
from ._event import Event

Names = typing.Union[str, typing.Iterable[str]]


@dataclass
class Handler:
    """A function and what it says of itself. It can be called like the function."""

    function: Callable[[Event[Any], Context], None]
    name: str
    description: str
    on: tuple[str, ...]
    source: str | None
    subject: str | None
    publishes: tuple[str, ...]
    state: tuple[str, ...]
    config: tuple[str, ...]
    secrets: tuple[str, ...]
    http: tuple[str, ...]
    order: str
    instances: str
    _data: tuple[Any, Decode | None] | None = None

    def __call__(self, event: Event[Any], ctx: Context) -> None:
        self.function(event, ctx)

    def takes(self, event_type: str, source: str, subject: str | None) -> bool:
        """Whether it subscribes to such an event."""
        return (
            matches(self.on, event_type)
            and self.source in (None, source)
            and self.subject in (None, subject)
        )

    def decode(self) -> Decode | None:
        """What decodes the data from JSON. None takes the bytes as they came."""
        if self._data is None:
            wanted = _data_type(self.function)
            self._data = (wanted, None if wanted is bytes else decoder(wanted))
        return self._data[1]


def handler(
    on: Names,
    *,
    publishes: Names = (),
    source: str | None = None,
    subject: str | None = None,
    state: Names = (),
    config: Names = (),
    secrets: Names = (),
    http: Names = (),
    order: typing.Literal["none", "key"] = "none",
    instances: typing.Literal["fresh", "reused"] = "reused",
) -> Callable[[Callable[[Event[Any], Context], None]], Handler]:
    """Makes a function `(event, ctx)` a handler of the events of these types.

    A type is exact or ends in `.*`. What the handler asks for besides (`state`,
    `config`, `secrets`, and `http` as `host` or `host:port`) it gets once the
    operator granted it. Its description is the first paragraph of the docstring.
    `instances="reused"` lets one interpreter handle up to 100 events, one after
    another; what the module keeps in variables is then seen by the next event.
    """
    _one_of("order", order, ("none", "key"))
    _one_of("instances", instances, ("fresh", "reused"))

    def decorate(function: Callable[[Event[Any], Context], None]) -> Handler:
        parameters = len(inspect.signature(function).parameters)
        if parameters != 2:
            raise TypeError(
                f"a handler takes two parameters, event and ctx; {function.__name__} takes "
                f"{parameters}"
            )
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"a handler is a plain function; {function.__name__} is `async`")
        made = Handler(
            function=function,
            name=function.__name__,
            description=(inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " "),
            on=_names("on", on),
            source=source,
            subject=subject,
            publishes=_names("publishes", publishes),
            state=_names("state", state),
            config=_names("config", config),
            secrets=_names("secrets", secrets),
            http=_names("http", http),
            order=order,
            instances=instances,
        )
        if not made.on:
            raise ValueError("a handler needs the type of an event: on=\"...\"")
        return made

    return decorate


def handlers_of(module: Any) -> list[Handler]:
    """The handlers of a module, in the order in which they are written."""
    found = [value for value in vars(module).values() if isinstance(value, Handler)]
    return [each for index, each in enumerate(found) if each not in found[:index]]


def matches(patterns: tuple[str, ...], event_type: str) -> bool:
    """Whether one of the patterns is the type, or ends in `.*` and is its beginning."""
    return any(
        event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern
        for pattern in patterns
    )


def _names(argument: str, given: Names) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"`{argument}` takes texts, not {name!r}")
    return names


def _one_of(argument: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(f"`{argument}` is {' or '.join(map(repr, known))}, not {given!r}")


def _data_type(function: Callable[..., Any]) -> Any:
    """The T of the parameter `event: Event[T]`; without one it is what JSON has."""
    first = next(iter(inspect.signature(function).parameters))
    names = {**vars(sys.modules[function.__module__])}
    annotation = typing.get_type_hints(function, names).get(first, Event)
    if typing.get_origin(annotation) is Event:
        return typing.get_args(annotation)[0]
    if annotation in (Event, Any):
        return Any
    raise TypeError(
        f"the first parameter of {function.__name__} is an Event, such as Event[dict], not "
        f"{annotation!r}"
    )
