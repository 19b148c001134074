"""JSON to the types that a handler asks for."""

import datetime
import enum
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, Optional, TypedDict, Union

import pytest

from waystation_sdk._decode import DecodeError, decode_json, decoder


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Item:
    sku: str
    count: int = 1
    parts: "list[Item]" = field(default_factory=list)


class Price(TypedDict):
    cents: int


def decode(wanted: Any, text: str) -> Any:
    return decode_json(text.encode(), decoder(wanted), "data")


@pytest.mark.parametrize(
    ("wanted", "text", "expected"),
    [
        (Any, '{"a": [1]}', {"a": [1]}),
        (Item, '{"sku": "a", "more": 1}', Item("a")),
        (Item, '{"sku": "a", "parts": [{"sku": "b"}]}', Item("a", 1, [Item("b")])),
        (Price, '{"cents": 5}', {"cents": 5}),
        (list[Size], '["s", "l"]', [Size.SMALL, Size.LARGE]),
        (Optional[int], "null", None),
        (Union[int, str], '"a"', "a"),
        (Literal["a", 1], "1", 1),
        (float, "2", 2.0),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (datetime.date, '"2030-01-31"', datetime.date(2030, 1, 31)),
        (
            datetime.datetime,
            '"2030-01-31T12:00:00Z"',
            datetime.datetime(2030, 1, 31, 12, tzinfo=datetime.timezone.utc),
        ),
    ],
)
def test_what_fits_is_decoded(wanted, text, expected):
    assert decode(wanted, text) == expected


@pytest.mark.parametrize(
    ("wanted", "text", "expected"),
    [
        (Item, '{"sku": 7}', "data.sku: expected a string"),
        (Item, "[]", "data: expected an object"),
        (Item, "{}", "data: the field `sku` is missing"),
        (Item, '{"sku": "a", "parts": [{}]}', "data.parts[0]: the field `sku` is missing"),
        (int, "true", "data: expected an integer"),
        (list[Size], '["x"]', 'data[0]: expected "s" or "l"'),
        (dict[str, int], '{"ada@example.com": "x"}', "data.*: expected an integer"),
        (Literal["a"], '"b"', 'data: expected "a"'),
        (datetime.datetime, '"soon"', "data: expected a time in RFC 3339"),
        (Any, "{", "data: expected JSON (line 1 column 2)"),
    ],
)
def test_what_does_not_fit_is_said_by_its_place_and_not_by_its_value(wanted, text, expected):
    with pytest.raises(DecodeError) as error:
        decode(wanted, text)
    assert str(error.value) == expected


@pytest.mark.skipif(not hasattr(typing, "NotRequired"), reason="Python 3.10 does not have it")
def test_a_member_that_need_not_be_there():
    Offer = TypedDict("Offer", {"cents": int, "note": getattr(typing, "NotRequired", Optional)[str]})
    assert decode(Offer, '{"cents": 5}') == {"cents": 5}
    assert decode(Offer, '{"cents": 5, "note": "a"}') == {"cents": 5, "note": "a"}
    with pytest.raises(DecodeError, match="data.note: expected a string"):
        decode(Offer, '{"cents": 5, "note": 1}')


def test_a_type_that_json_does_not_have_is_refused_at_once():
    with pytest.raises(TypeError, match="set"):
        decoder(set)
