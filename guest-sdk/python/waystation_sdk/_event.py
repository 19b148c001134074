"""What comes in and what goes out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Event(Generic[T]):
    """An event, in the attributes of CloudEvents 1.0. `Event[bytes]` takes the data
    as it came, every other `Event[T]` decodes it from JSON."""

    id: str
    source: str
    type: str
    data: T
    subject: str | None = None
    time: str | None = None
    data_content_type: str | None = None
    data_schema: str | None = None
    extensions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """An event to publish. The host adds id, source, time and what caused it."""

    type: str
    data: bytes | None = None
    subject: str | None = None
    data_content_type: str | None = None
    data_schema: str | None = None
    extensions: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The data, read from JSON."""
        return json.loads(self.data or b"null")
