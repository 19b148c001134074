"""JSON to the type that a handler asks for.

What does not decode is said by its place and by what was expected there, and never
by what was found: a reason is read by operators and stands in logs.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import types
import typing
from typing import Any, Callable

Decode = Callable[[Any, str], Any]

# Python 3.10 does not have them.
_MARKS = [getattr(typing, name, None) for name in ("Required", "NotRequired")]


class DecodeError(Exception):
    """Names the place and what was expected there."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: {expected}")


def decoder(wanted: Any, seen: dict[Any, Decode] | None = None) -> Decode:
    """What turns a value of JSON into one of a type. It is made once for a type."""
    seen = {} if seen is None else seen
    if wanted in (Any, object):
        return lambda value, path: value
    if wanted is None or wanted is type(None):
        return _scalar(type(None), "null")
    if wanted in _SCALARS:
        return _SCALARS[wanted]
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Annotated or (origin and origin in _MARKS):
        return decoder(arguments[0], seen)
    if origin in (typing.Union, types.UnionType):
        return _union([decoder(each, seen) for each in arguments], arguments)
    if origin is typing.Literal:
        return _literal(arguments)
    if wanted in (list, tuple, dict):
        origin = wanted
    if origin is list:
        return _sequence(decoder(arguments[0] if arguments else Any, seen), list)
    if origin is tuple and (not arguments or arguments[1:] == (...,)):
        return _sequence(decoder(arguments[0] if arguments else Any, seen), tuple)
    if origin is dict:
        return _mapping(decoder(arguments[1] if arguments else Any, seen))
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return _enum(wanted)
    if dataclasses.is_dataclass(wanted) or typing.is_typeddict(wanted):
        if wanted not in seen:
            # A type that holds itself finds this before it is made.
            seen[wanted] = lambda value, path: made[0](value, path)
            made = [_record(wanted, seen)]
        return seen[wanted]
    raise TypeError(
        f"data cannot be decoded to {wanted!r}: it takes dataclasses, TypedDicts, enums, lists, "
        "dicts, tuples of one type, unions, literals, datetimes and what JSON has"
    )


def decode_json(data: bytes | None, decode: Decode, path: str) -> Any:
    """Decodes bytes. No bytes are `null`."""
    try:
        value = json.loads(data or b"null")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise DecodeError(path, f"expected JSON ({place})") from None
    except (UnicodeDecodeError, RecursionError):
        raise DecodeError(path, "expected JSON in UTF-8") from None
    return decode(value, path)


def _scalar(kind: type, name: str) -> Decode:
    def decode(value: Any, path: str) -> Any:
        # For Python, but not for JSON, true is a number.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise DecodeError(path, f"expected {name}")
        return value

    return decode


def _float(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise DecodeError(path, "expected a number")
    return float(value)


def _time(kind: Any, name: str) -> Decode:
    def decode(value: Any, path: str) -> Any:
        try:
            # Python 3.10 knows no Z.
            return kind.fromisoformat(value.removesuffix("Z") + "+00:00" * value.endswith("Z"))
        except (AttributeError, ValueError):
            raise DecodeError(path, f"expected {name}") from None

    return decode


_SCALARS: dict[Any, Decode] = {
    str: _scalar(str, "a string"),
    int: _scalar(int, "an integer"),
    bool: _scalar(bool, "true or false"),
    float: _float,
    datetime.datetime: _time(datetime.datetime, "a time in RFC 3339"),
    datetime.date: _time(datetime.date, "a date such as 2030-01-31"),
}


def _union(decoders: list[Decode], wanted: tuple[Any, ...]) -> Decode:
    def decode(value: Any, path: str) -> Any:
        fault = None
        for each in decoders:
            try:
                return each(value, path)
            except DecodeError as error:
                # The deepest fault is of the alternative that was meant.
                if fault is None or len(str(error)) > len(str(fault)):
                    fault = error
        assert fault is not None
        raise fault

    if type(None) in wanted and len(decoders) == 2:
        inner = decoders[0] if wanted[1] is type(None) else decoders[1]
        return lambda value, path: None if value is None else inner(value, path)
    return decode


def _literal(values: tuple[Any, ...]) -> Decode:
    expected = " or ".join(json.dumps(value) for value in values)

    def decode(value: Any, path: str) -> Any:
        for each in values:
            if type(value) is type(each) and value == each:
                return value
        raise DecodeError(path, f"expected {expected}")

    return decode


def _enum(kind: type[enum.Enum]) -> Decode:
    expected = " or ".join(json.dumps(member.value) for member in kind)

    def decode(value: Any, path: str) -> Any:
        try:
            return kind(value)
        except ValueError:
            raise DecodeError(path, f"expected {expected}") from None

    return decode


def _sequence(item: Decode, kind: type) -> Decode:
    def decode(value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise DecodeError(path, "expected an array")
        return kind(item(each, f"{path}[{index}]") for index, each in enumerate(value))

    return decode


def _mapping(item: Decode) -> Decode:
    def decode(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise DecodeError(path, "expected an object")
        # The names of a free object are data, so the path does not hold them.
        return {name: item(each, f"{path}.*") for name, each in value.items()}

    return decode


def _record(kind: Any, seen: dict[Any, Decode]) -> Decode:
    hints = typing.get_type_hints(kind, include_extras=True)
    if dataclasses.is_dataclass(kind):
        fields = [each for each in dataclasses.fields(kind) if each.init]
        missing = dataclasses.MISSING
        needed = {
            each.name
            for each in fields
            if each.default is missing and each.default_factory is missing
        }
        decoders = {each.name: decoder(hints[each.name], seen) for each in fields}
    else:
        needed = set(kind.__required_keys__)
        decoders = {name: decoder(hint, seen) for name, hint in hints.items()}

    def decode(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise DecodeError(path, "expected an object")
        found = {}
        for name, each in decoders.items():
            if name in value:
                found[name] = each(value[name], f"{path}.{name}")
            elif name in needed:
                raise DecodeError(path, f"the field `{name}` is missing")
        return kind(**found)

    return decode
