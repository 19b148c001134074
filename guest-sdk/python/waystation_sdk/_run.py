"""One attempt: from an event to an outcome."""

from __future__ import annotations

import logging
import re
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ._context import Context
from ._decode import DecodeError, decode_json
from ._errors import Reject, Retry
from ._event import Draft, Event
from ._handler import Handler

_OWN = str(Path(__file__).parent)
_MOUNT = re.compile(r"^/\d+/")

log = logging.getLogger("waystation")


@dataclass(frozen=True)
class Ended:
    """How an attempt ended."""

    outcome: Literal["ack", "retry", "reject"]
    drafts: list[Draft]
    reason: str | None = None
    after: float | None = None
    error: BaseException | None = None


def attempt(handler: Handler, event: Event[bytes | None], ctx: Context) -> Ended:
    """Has the handler handle an event, whatever it raises."""
    try:
        handler.function(_decoded(handler, event), ctx)
        return Ended("ack", ctx._drafts)
    except Reject as error:
        return Ended("reject", [], error.reason, error=error)
    except Retry as error:
        return Ended("retry", [], error.reason, error.after, error)
    except BaseException as error:
        log.error("%s", trace(error))
        return Ended("retry", [], reason(error), error=error)


def _decoded(handler: Handler, event: Event[bytes | None]) -> Event[Any]:
    decode = handler.decode()
    if decode is None:
        return event
    if not _is_json(event.data_content_type):
        raise Reject("the handler wants JSON, but the event's datacontenttype is another media type")
    try:
        return replace(event, data=decode_json(event.data, decode, "data"))
    except DecodeError as error:
        raise Reject(str(error)) from None


def _is_json(content_type: str | None) -> bool:
    if content_type is None:
        return True
    essence = content_type.split(";")[0].strip().lower()
    return essence.endswith(("/json", "+json"))


def reason(error: BaseException) -> str:
    """The last line of the traceback, and the author's line that it comes from."""
    shown = traceback.TracebackException.from_exception(error, lookup_lines=False)
    last = list(shown.format_exception_only())[-1].strip()
    for frame in reversed(shown.stack):
        if _is_authors(frame.filename):
            return f"{last} (at {_MOUNT.sub('', frame.filename)}:{frame.lineno} in {frame.name})"
    return last


def trace(error: BaseException) -> str:
    """The traceback as the author knows it: without the frames of this package."""
    shown = traceback.TracebackException.from_exception(error)
    chain: traceback.TracebackException | None = shown
    while chain is not None:
        frames = [frame for frame in chain.stack if not frame.filename.startswith(_OWN)]
        chain.stack = traceback.StackSummary.from_list(frames)
        for frame in chain.stack:
            frame.filename = _MOUNT.sub("", frame.filename)
        chain = chain.__cause__ or chain.__context__
    return "".join(shown.format()).rstrip()


def _is_authors(file: str) -> bool:
    library = ("/python/", "<", "/bundled/")
    return not file.startswith((_OWN, *library)) and "site-packages" not in file
