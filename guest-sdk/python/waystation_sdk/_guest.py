"""The component: the contract's functions, over the bindings of componentize-py.

Only the build imports this. A test never does: natively there are no bindings.
"""

from __future__ import annotations

import datetime
import importlib
import linecache
import logging
import random
import sys
from types import ModuleType
from typing import Any, Callable
from urllib.parse import urlsplit

from componentize_py_types import Err
from wit_world.imports import atomics, outgoing_handler
from wit_world.imports import logging as host_log
from wit_world.imports import streams, wasi_config_store as config_store
from wit_world.imports import wasi_http_types as wasi
from wit_world.imports import wasi_keyvalue_store as store
from wit_world.imports import waystation_events_types as wit

from . import _loaded as _loaded
from . import _run
from ._context import Context
from ._errors import ConfigError, HttpError, StateError
from ._event import Draft, Event
from ._handler import Handler, handlers_of
from ._http import RESPONSE_BYTES_MAX, Response, shown

_CHUNK = 64 * 1024




class Unloadable(Exception):
    """The author's module cannot be loaded; what the build shows of it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"<<<\n{why}\n>>>")


def load(name: str) -> type:
    """The class that componentize-py exports: it hands each event to the handler of
    the module that takes it. Runs at the build."""
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        raise Unloadable(_run.trace(error)) from None
    handlers = handlers_of(module)
    if not handlers:
        raise Unloadable(f"no function of the module `{name}` has the decorator `@handler`")
    for each in handlers:
        try:
            each.decode()
        except (NameError, TypeError) as error:
            raise Unloadable(f"{_run.place(each.function)}: {error}") from None
    _keep_sources()

    class Exported:
        def describe(self) -> wit.Descriptor:
            return _descriptor(handlers)

        def handle(self, event: wit.Event, delivery: wit.Delivery) -> list[wit.Draft]:
            _begin()
            try:
                return _handle(handlers, event, delivery)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()

    return Exported


def _keep_sources() -> None:
    """The files are not there when events come; tracebacks show their lines."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None) or ""
        if _run.is_authors(file) and (lines := linecache.getlines(file)):
            # Without a time it is not compared with the file again.
            linecache.cache[file] = (sum(map(len, lines)), None, lines, file)


class _NothingMore:
    """What is imported while the handler runs would have to be in the component."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        raise ModuleNotFoundError(
            f"`{name}` was not loaded at the build: import it at the top of a module", name=name
        )


_is_begun = False


def _begin() -> None:
    """The interpreter was started at the build and its memory kept, so what the build
    drew for the module `random` must not be drawn in every instance again."""
    global _is_begun
    if not _is_begun:
        _is_begun = True
        random.seed()
        sys.meta_path.append(_NothingMore())


def _handle(handlers: list[Handler], event: wit.Event, delivery: wit.Delivery) -> list[wit.Draft]:
    handler = next(
        (each for each in handlers if each.takes(event.type, event.source, event.subject)),
        # The operator's sidecar may send what no handler asks for.
        handlers[0],
    )
    ctx = Context(handler, delivery.id, delivery.attempt, delivery.sequence, _Host())
    ended = _run.attempt(handler, _event(event), ctx)
    if ended.outcome == "ack":
        return [_draft(draft) for draft in ended.drafts]
    if ended.outcome == "reject":
        raise Err(wit.Failure_Reject(ended.reason or ""))
    after = None if ended.after is None else max(0, round(ended.after * 1000))
    raise Err(wit.Failure_Retry(wit.Retry(ended.reason or "", after)))


def _event(event: wit.Event) -> Event[bytes | None]:
    return Event(
        event.id,
        event.source,
        event.type,
        event.data,
        event.subject,
        event.time,
        event.data_content_type,
        event.data_schema,
        dict(event.extensions),
    )


def _draft(draft: Draft) -> wit.Draft:
    return wit.Draft(
        draft.type,
        draft.subject,
        draft.data_content_type,
        draft.data_schema,
        list(draft.extensions.items()),
        draft.data,
    )


def _descriptor(handlers: list[Handler]) -> wit.Descriptor:
    def all_of(names: Callable[[Handler], tuple[str, ...]]) -> list[str]:
        return list(dict.fromkeys(name for each in handlers for name in names(each)))

    kinds: list[tuple[Any, list[str]]] = [
        (wit.Capability_Http, all_of(lambda each: each.http)),
        (wit.Capability_Config, all_of(lambda each: each.config)),
        (wit.Capability_Secret, all_of(lambda each: each.secrets)),
        (wit.Capability_State, all_of(lambda each: each.state)),
    ]
    # Who needs order, or an interpreter of its own, decides for all.
    is_ordered = any(each.order == "key" for each in handlers)
    is_fresh = any(each.instances == "fresh" for each in handlers)
    return wit.Descriptor(
        " ".join(each.description for each in handlers if each.description),
        [wit.Subscription(list(each.on), each.source, each.subject) for each in handlers],
        all_of(lambda each: each.publishes),
        [kind(name) for kind, names in kinds for name in names],
        wit.Order.KEY if is_ordered else wit.Order.NONE,
        wit.Instances.FRESH if is_fresh else wit.Instances.REUSED,
    )


class _Host:
    """What a handler reaches, through the host's interfaces."""

    def open(self, namespace: str) -> _Bucket:
        return _Bucket(namespace)

    def config(self, key: str) -> str | None:
        try:
            return config_store.get(key)
        except Err as error:
            raise ConfigError(f"`{key}` cannot be read: {error.value.value}") from None

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.timezone.utc)

    def random(self) -> random.Random:
        return random.Random()

    def send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, timeout: float | None
    ) -> Response:
        try:
            return _send(method, url, headers, body, timeout)
        except Err as error:
            raise HttpError(f"{method} {shown(url)} {_fault(error.value, url)}") from None


class _Bucket:
    """Opens the namespace for each call, so that no handle outlives an attempt."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def _with(self, use: Callable[[store.Bucket], Any]) -> Any:
        try:
            with store.open(self._namespace) as bucket:
                return use(bucket)
        except Err as error:
            raise StateError(self._why(error.value)) from None

    def _why(self, fault: Any) -> str:
        if isinstance(fault, store.Error_Other):
            return f"state `{self._namespace}`: {fault.value}"
        return f"state `{self._namespace}` was not granted to this handler"

    def get(self, key: str) -> bytes | None:
        return self._with(lambda bucket: bucket.get(key))

    def set(self, key: str, value: bytes) -> None:
        self._with(lambda bucket: bucket.set(key, value))

    def delete(self, key: str) -> None:
        self._with(lambda bucket: bucket.delete(key))

    def increment(self, key: str, by: int) -> int:
        return self._with(lambda bucket: atomics.increment(bucket, key, by))

    def keys(self) -> list[str]:
        return self._with(_keys)


def _keys(bucket: store.Bucket) -> list[str]:
    keys: list[str] = []
    cursor = None
    while True:
        page = bucket.list_keys(cursor)
        keys.extend(page.keys)
        cursor = page.cursor
        if cursor is None:
            return keys


def _send(
    method: str, url: str, headers: dict[str, str], body: bytes | None, timeout: float | None
) -> Response:
    request = _request(method, url, headers, body)
    outgoing = request.body() if body else None
    with outgoing_handler.handle(request, _options(timeout)) as future:
        if outgoing is not None:
            _write(outgoing, body or b"")
        with future.subscribe() as ready:
            ready.block()
        # It is ready once, and taken once: a result of a result.
        answer = future.get().value
        if isinstance(answer, Err):
            raise answer
        with answer.value as response:
            return _read(response)


def _request(method: str, url: str, headers: dict[str, str], body: bytes | None) -> Any:
    fields = wasi.Fields()
    if body:
        headers = {**headers, "content-length": str(len(body))}
    for name, value in headers.items():
        try:
            fields.append(name, value.encode())
        except Err:
            raise HttpError(f"a handler may not set the header `{name}`") from None
    parts = urlsplit(url)
    request = wasi.OutgoingRequest(fields)
    try:
        request.set_scheme(wasi.Scheme_Https() if parts.scheme == "https" else wasi.Scheme_Http())
        request.set_authority(parts.netloc)
        request.set_path_with_query((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        request.set_method(_method(method))
    except Err:
        raise HttpError(f"{method} {shown(url)} is no request that can be sent") from None
    return request


def _method(name: str) -> Any:
    known = getattr(wasi, f"Method_{name.capitalize()}", None)
    return wasi.Method_Other(name) if known in (None, wasi.Method_Other) else known()


def _options(timeout: float | None) -> Any:
    if timeout is None:
        return None
    options = wasi.RequestOptions()
    nanos = round(timeout * 1e9)
    options.set_connect_timeout(nanos)
    options.set_first_byte_timeout(nanos)
    options.set_between_bytes_timeout(nanos)
    return options


def _write(outgoing: Any, body: bytes) -> None:
    """A host that refuses the request, or another side that does not read it to its
    end, ends the stream: the response tells what came of it."""
    try:
        with outgoing.write() as stream:
            for start in range(0, len(body), 4096):
                stream.blocking_write_and_flush(body[start : start + 4096])
    except Err:
        return
    wasi.OutgoingBody.finish(outgoing, None)


def _read(response: Any) -> Response:
    with response.headers() as fields:
        headers = {name.lower(): value.decode("utf-8", "replace") for name, value in fields.entries()}
    body = bytearray()
    with response.consume() as incoming, incoming.stream() as stream:
        while len(body) <= RESPONSE_BYTES_MAX:
            try:
                body += stream.blocking_read(_CHUNK)
            except Err as error:
                if isinstance(error.value, streams.StreamError_Closed):
                    break
                with error.value.value as fault:
                    code = wasi.http_error_code(fault)
                raise Err(code) from None
    return Response(response.status(), headers, bytes(body))


_FAULTS = {
    "ConnectionTimeout": "got no answer in time",
    "ConnectionReadTimeout": "got no answer in time",
    "ConnectionWriteTimeout": "got no answer in time",
    "HttpResponseTimeout": "got no answer in time",
    "DnsTimeout": "got no answer: looking its name up took too long",
    "DnsError": "got no answer: its name has no address",
    "DestinationIpProhibited": "got no answer: its name leads to no public address; the operator "
    "may grant its network",
    "ConnectionRefused": "got no answer: it refused the connection",
    "ConnectionLimitReached": "got no answer: the attempt made too many requests",
    "ConnectionTerminated": "got no answer: the connection ended before it was whole",
    "HttpResponseIncomplete": "got no answer: the connection ended before it was whole",
    "TlsCertificateError": "got no answer: its certificate is not trusted",
    "TlsProtocolError": "got no answer: there is no agreement on TLS",
    "TlsAlertReceived": "got no answer: there is no agreement on TLS",
    "HttpProtocolError": "got no answer: what it says is not HTTP",
    "HttpResponseBodySize": f"answered more than {RESPONSE_BYTES_MAX} bytes",
    "HttpRequestUriInvalid": "was not sent: the host does not take its URL",
}


def _fault(code: Any, url: str) -> str:
    """What the host says, in the words of whoever wrote the handler."""
    name = type(code).__name__.removeprefix("ErrorCode_")
    if name == "HttpRequestDenied":
        host = urlsplit(url).netloc.rpartition("@")[2]
        return (
            f"was refused: this handler may not call `{host}`; it needs `http=\"{host}\"` in its "
            "decorator and the operator's grant"
        )
    if name == "InternalError" and code.value:
        return f"got no answer: {code.value}"
    return _FAULTS.get(name, f"got no answer: {name}")


class _HostLog(logging.Handler):
    """Lines of Python's `logging` become lines of the host's log. The host knows the
    handler, the event and the attempt."""

    def emit(self, record: logging.LogRecord) -> None:
        host_log.log(_level(record.levelno), record.name, self.format(record))


def _level(number: int) -> host_log.Level:
    levels = [
        (logging.CRITICAL, host_log.Level.CRITICAL),
        (logging.ERROR, host_log.Level.ERROR),
        (logging.WARNING, host_log.Level.WARN),
        (logging.INFO, host_log.Level.INFO),
        (logging.DEBUG, host_log.Level.DEBUG),
    ]
    return next((level for least, level in levels if number >= least), host_log.Level.TRACE)


logging.getLogger().addHandler(_HostLog())
logging.getLogger().setLevel(logging.INFO)
