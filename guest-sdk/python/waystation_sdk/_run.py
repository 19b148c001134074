"""One attempt: from an event to an outcome."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Literal

from ._context import Context
from ._decode import DecodeError, decode_json
from ._errors import HttpError, Reject, Retry
from ._event import Draft, Event
from ._handler import Handler

_OWN, _LIBRARY = str(Path(__file__).parent), str(Path(traceback.__file__).parent)
# Where the build puts the author's modules, and all others.
_AUTHORS, _MOUNT = "/0/", re.compile(r"^/\d+/")
_IS_GUEST = sys.platform == "wasi"

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
        for line in trace(error).splitlines():
            log.error("%s", line)
        after = error.after if isinstance(error, HttpError) else None
        return Ended("retry", [], reason(error), after, error)


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
        if is_authors(frame.filename):
            return f"{last} (at {_shown(frame.filename)}:{frame.lineno} in {frame.name})"
    return last


def place(function: Callable[..., Any]) -> str:
    """Where the author wrote a function."""
    code = function.__code__
    return f"{_shown(code.co_filename)}:{code.co_firstlineno} in {code.co_name}"


def trace(error: BaseException) -> str:
    """The traceback as the author knows it, without the frames of this package."""
    shown = traceback.TracebackException.from_exception(error)
    chain: traceback.TracebackException | None = shown
    while chain is not None:
        frames = _told(chain.stack)
        for frame in frames:
            frame.filename = _shown(frame.filename)
        # None leaves out the heading of a traceback too.
        stack: Any = traceback.StackSummary.from_list(frames) if frames else None
        chain.stack = stack
        if isinstance(getattr(chain, "filename", None), str):
            chain.filename = _shown(chain.filename)  # of a SyntaxError
        chain = chain.__cause__ or chain.__context__
    return "".join(shown.format()).rstrip()


def _told(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """The author's frames and those of libraries that they called."""
    told, is_shown = [], False
    for frame in stack:
        is_shown = is_authors(frame.filename) or (is_shown and not frame.filename.startswith(_OWN))
        if is_shown:
            told.append(frame)
    return told


def is_authors(file: str) -> bool:
    """Whether the author wrote a file."""
    if _IS_GUEST:
        return file.startswith(_AUTHORS)
    return not file.startswith((_OWN, _LIBRARY, "<")) and "site-packages" not in file


def _shown(file: str) -> str:
    """A file by its path in the author's package."""
    if _IS_GUEST and file.startswith(_AUTHORS):
        return f"src/{file.removeprefix(_AUTHORS)}"
    return _MOUNT.sub("", file)
