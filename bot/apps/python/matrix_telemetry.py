"""Hand alerts and heartbeats to matrix-telemetry-bot, with nothing but the standard library.

    from matrix_telemetry import matrix_send_message, reporting

    matrix_send_message(app="data_factory", kind="node_failed", run_id="r-81",
                        fields={"node_id": "etl_users", "duration_ms": 5321, "error": "refused"})

    with reporting(app="backup", title="nightly"):      # an exception is an alert, success resolves it
        run()

An alert is on the daemon's disk when matrix_send_message() returns. With the daemon down it is in
the spool folder, which the daemon reads when it is back: nothing is lost, nothing comes twice.

The socket is $MATRIX_TELEMETRY_BOT_SOCKET or /run/matrix-telemetry-bot/socket, the spool
$MATRIX_TELEMETRY_BOT_SPOOL or /var/spool/matrix-telemetry-bot. Python 3.9 or later. MIT license.
"""
from __future__ import annotations

import contextlib
import functools
import inspect
import json
import logging
import os
import queue
import socket as sockets
import threading
import time
import traceback
import uuid
from datetime import datetime, timezone
from typing import Any, Callable, Iterator, Mapping, Optional, TypeVar, Union

__all__ = ["AlertRefused", "MatrixHandler", "heartbeat", "matrix_send_message", "report_failure", "reporting"]

SOCKET = "/run/matrix-telemetry-bot/socket"
SPOOL = "/var/spool/matrix-telemetry-bot"
LINE_MAX = 64 * 1024  # bytes of one request, its newline included
TEXT_MAX = 16 * 1024  # code points kept of the end of a longer text
FIELDS_MAX, FIELD_NAME_MAX = 64, 128  # as many as the daemon keeps
CONNECT_TRIES = 5  # a full backlog, for a moment
SPOOL_TRIES = 100  # names in the spool

Scalar = Union[str, int, float, bool, None]
Function = TypeVar("Function", bound=Callable[..., Any])


class AlertRefused(ValueError):
    """The daemon can never take this request; `answer` is what it said, with the field to blame."""

    def __init__(self, answer: Mapping[str, Any]):
        super().__init__(answer.get("message") or answer.get("error") or "refused")
        self.answer = answer


def matrix_send_message(text: Optional[str] = None, *, app: str, kind: str = "message",
                        severity: Optional[str] = None, status: str = "firing",
                        run_id: Optional[str] = None, title: Optional[str] = None,
                        url: Optional[str] = None, key: Optional[str] = None,
                        id: Optional[str] = None, at: Optional[datetime] = None,
                        fields: Optional[Mapping[str, Scalar]] = None,
                        socket: Optional[str] = None, spool: Optional[str] = None,
                        timeout: float = 10.0) -> dict[str, Any]:
    """Hands in one alert and returns the daemon's answer once it is durable.

    severity is "critical", "warning" or "info"; by default the kind decides. status="resolved"
    ends what fired. at is when it happened, by default now. fields' values are strings, numbers
    or booleans; others are written as text.

    The answer has "state": "queued", "grouped", "silenced", "duplicate", "ignored", or "spooled" when
    the daemon could not be asked within timeout seconds. Raises AlertRefused for what can never be
    taken, OSError when there is neither daemon nor spool.
    """
    request: dict[str, Any] = {"op": "alert", "app": app, "kind": kind, "severity": severity,
                               "status": status, "run_id": run_id, "title": title, "url": url,
                               "key": key, "text": None if text is None else str(text),
                               "at": _rfc3339(at) if at else None}
    request = {name: value for name, value in request.items() if value is not None}
    request["id"] = id or uuid.uuid4().hex
    if fields:
        request["fields"] = {str(name): _scalar(value) for name, value in fields.items() if value is not None}
    return _hand_in(request, socket, spool, timeout)


def heartbeat(app: str, *, every: Optional[str] = None, schedule: Optional[str] = None,
              grace: Optional[str] = None, name: Optional[str] = None, stop: bool = False,
              socket: Optional[str] = None, spool: Optional[str] = None,
              timeout: float = 10.0) -> dict[str, Any]:
    """Says that an app is alive, and when the next heartbeat is due: every="1h" or a cron line.

    When the next one stays away for longer than grace, the operators get a critical alert.
    stop=True expects no more. Returns and raises as matrix_send_message() does.
    """
    request: dict[str, Any] = {"op": "heartbeat", "app": app, "every": every, "schedule": schedule,
                               "grace": grace, "name": name, "stop": True if stop else None}
    request = {key: value for key, value in request.items() if value is not None}
    return _hand_in(request, socket, spool, timeout)


@contextlib.contextmanager
def reporting(*, app: str, title: str, severity: str = "critical", resolve: bool = True,
              **more: Any) -> Iterator[None]:
    """Reports an exception that leaves the block, with its duration and traceback, and raises it on.

    When the block ends well, what failed before under this title is resolved (unless resolve is
    False). more goes to matrix_send_message(). That the alert cannot be handed in is logged and
    never hides the exception.
    """
    started = time.monotonic()
    try:
        yield
    except BaseException as failure:
        if not isinstance(failure, GeneratorExit) and not _is_clean_exit(failure):
            fields = dict(more.pop("fields", None) or {})
            fields.setdefault("duration_ms", int((time.monotonic() - started) * 1000))
            fields.setdefault("exception", type(failure).__name__)
            _quietly(_text_of(failure), app=app, title=title, severity=severity, fields=fields, **more)
        raise
    if resolve:
        _quietly(None, app=app, title=title, severity=severity, status="resolved", **more)


def report_failure(*, app: str, title: Optional[str] = None, **more: Any) -> Callable[[Function], Function]:
    """A decorator: reporting() around each call, with the function's name as the default title.

    Of a coroutine it is around what it does, of a generator around all that it yields. A task that
    is cancelled has not failed.
    """

    def decorate(function: Function) -> Function:
        def block() -> Any:
            return reporting(app=app, title=title or function.__name__, **dict(more))

        def call(*args: Any, **kwargs: Any) -> Any:
            with block():
                return function(*args, **kwargs)

        async def wait(*args: Any, **kwargs: Any) -> Any:
            with block():
                return await function(*args, **kwargs)

        def generate(*args: Any, **kwargs: Any) -> Any:
            with block():
                return (yield from function(*args, **kwargs))

        if inspect.isasyncgenfunction(function):
            raise TypeError("report_failure: use reporting() inside an asynchronous generator")
        wrapper = (wait if inspect.iscoroutinefunction(function) else
                   generate if inspect.isgeneratorfunction(function) else call)
        return functools.wraps(function)(wrapper)  # type: ignore[return-value]

    return decorate


class MatrixHandler(logging.Handler):
    """A logging handler: records of its level (ERROR) and above become alerts.

    It never blocks the program: a thread hands the alerts in, and when more than capacity wait,
    the newest are dropped and counted in `dropped`. CRITICAL records are critical alerts, others
    warnings. The title is the logger's name with the message as it is written in the code, without
    its values, so that equal failures are one message. close() waits up to drain seconds.
    """

    def __init__(self, app: str, level: int = logging.ERROR, *, capacity: int = 1000, drain: float = 5.0,
                 socket: Optional[str] = None, spool: Optional[str] = None, timeout: float = 10.0):
        super().__init__(level)
        self.app = app
        self.dropped = 0
        self._drain = drain
        self._paths: dict[str, Any] = {"socket": socket, "spool": spool, "timeout": timeout}
        self._records: "queue.Queue[Optional[dict[str, Any]]]" = queue.Queue(capacity)
        self._thread: Optional[threading.Thread] = None
        self._process = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Queues a record; never raises, never waits."""
        if threading.current_thread() is self._thread:
            return  # what handing in logs is not handed in
        try:
            alert = self._alert_of(record)
            self._start()
            self._records.put_nowait(alert)
        except queue.Full:
            self.dropped += 1
        except Exception:  # noqa: BLE001 - a handler must not break its program
            self.handleError(record)

    def close(self) -> None:
        """Hands in what waits, for at most drain seconds."""
        if self._thread and self._process == os.getpid():
            with contextlib.suppress(queue.Full):
                self._records.put(None, timeout=self._drain)
            self._thread.join(self._drain)
        self._thread = None
        super().close()

    def _alert_of(self, record: logging.LogRecord) -> dict[str, Any]:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            text += "\n" + _text_of(record.exc_info[1])
        return {"text": text, "app": self.app, "title": f"{record.name}: {record.msg}"[:200],
                "severity": "critical" if record.levelno >= logging.CRITICAL else "warning",
                "at": datetime.fromtimestamp(record.created, timezone.utc),
                "fields": {"file": f"{record.pathname}:{record.lineno}", "function": record.funcName}}

    def _start(self) -> None:
        if self._process != os.getpid():  # the first record, also after a fork, which keeps no threads
            self._process = os.getpid()
            self._thread = threading.Thread(target=self._run, name="matrix-telemetry", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            alert = self._records.get()
            if alert is None:
                return
            try:
                matrix_send_message(alert.pop("text"), **alert, **self._paths)
            except Exception:  # noqa: BLE001
                self.dropped += 1


# --- handing in ---------------------------------------------------------------------------------


def _hand_in(request: dict[str, Any], socket: Optional[str], spool: Optional[str],
             timeout: float) -> dict[str, Any]:
    path = socket or os.environ.get("MATRIX_TELEMETRY_BOT_SOCKET") or SOCKET
    line = _line(request)
    try:
        answer = _ask(path, line, timeout)
    except (OSError, ValueError) as failure:
        problem: Exception = failure
    else:
        if answer.get("ok"):
            return answer
        if not answer.get("retry"):
            raise AlertRefused(answer)
        problem = OSError(answer.get("message") or answer.get("error"))
    if request["op"] == "heartbeat" and "at" not in request:
        line = _line({**request, "at": _rfc3339(datetime.now(timezone.utc))})
    folder = spool or os.environ.get("MATRIX_TELEMETRY_BOT_SPOOL") or SPOOL
    try:
        name = _spool(folder, line)
    except OSError as failure:
        denied = isinstance(problem, PermissionError) or isinstance(failure, PermissionError)
        hint = "; this user must be in the socket's group, usually telemetry" if denied else ""
        raise OSError(f"neither the daemon ({problem}) nor the spool took it ({failure}){hint}") from failure
    return {"ok": True, "state": "spooled", "id": request.get("id", name)}


def _ask(path: str, line: bytes, timeout: float) -> dict[str, Any]:
    end = time.monotonic() + timeout
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as stream:
        for attempt in range(CONNECT_TRIES):
            stream.settimeout(max(end - time.monotonic(), 0.001))
            try:
                stream.connect(path)
                break
            except BlockingIOError:  # many connect at once
                if attempt == CONNECT_TRIES - 1:
                    raise
                time.sleep(0.02 * 2 ** attempt)
        stream.sendall(line)
        answer = b""
        while not answer.endswith(b"\n"):
            stream.settimeout(max(end - time.monotonic(), 0.001))
            part = stream.recv(65536)
            if not part or len(answer) > 1024 * 1024:
                raise ConnectionError("the daemon closed the connection without an answer")
            answer += part
    found = json.loads(answer)
    if not isinstance(found, dict):
        raise ValueError("the answer is not a JSON object")
    return found


def _spool(folder: str, line: bytes) -> str:
    """Temporary name, fsync, rename, fsync of the folder; returns the name."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for count in range(SPOOL_TRIES):
            name = f"{time.time_ns()}-{os.getpid()}-{count}.json"
            try:
                file = os.open("." + name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640, dir_fd=place)
                break
            except FileExistsError:
                continue
        else:
            raise FileExistsError(folder)
        try:
            with os.fdopen(file, "wb") as out:
                # whatever the umask: the daemon reads it by the folder's group
                with contextlib.suppress(OSError):
                    os.fchmod(out.fileno(), 0o640)
                out.write(line)
                out.flush()
                os.fsync(out.fileno())
            os.rename("." + name, name, src_dir_fd=place, dst_dir_fd=place)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink("." + name, dir_fd=place)
            raise
        os.fsync(place)
        return name
    finally:
        os.close(place)


def _line(request: Mapping[str, Any]) -> bytes:
    """One line of at most LINE_MAX bytes; a text that is too long keeps its end, other values their beginning."""
    kept = TEXT_MAX
    while True:
        line = json.dumps(request, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
        if len(line) <= LINE_MAX or kept < 64:
            return line
        request = {name: _end(value, kept) if name == "text" and isinstance(value, str) else
                   value[:kept] if isinstance(value, str) else value for name, value in request.items()}
        if isinstance(request.get("fields"), dict):
            request["fields"] = {name[:FIELD_NAME_MAX]: _end(value, kept // 4) if isinstance(value, str) else value
                                 for name, value in list(request["fields"].items())[:FIELDS_MAX]}
        kept //= 2


def _end(text: str, length: int) -> str:
    return text if len(text) <= length else "…" + text[-length:]


def _scalar(value: Any) -> Union[str, int, float, bool]:
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    if isinstance(value, int) and -2 ** 63 <= value < 2 ** 63:
        return value
    if isinstance(value, float) and value - value == 0:  # neither infinite nor NaN
        return value
    return str(value)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text_of(failure: BaseException) -> str:
    """What went wrong, which lists show alone, then where."""
    what = "".join(traceback.format_exception_only(type(failure), failure)).rstrip()
    where = "".join(traceback.format_exception(type(failure), failure, failure.__traceback__)).rstrip()
    return f"{what}\n{_end(where[:-len(what)] if where.endswith(what) else where, TEXT_MAX)}".rstrip()


def _is_clean_exit(failure: BaseException) -> bool:
    if type(failure).__name__ == "CancelledError":  # of asyncio, which need not be loaded for it
        return True
    return isinstance(failure, SystemExit) and failure.code in (None, 0)


def _quietly(text: Optional[str], **alert: Any) -> None:
    try:
        matrix_send_message(text, **alert)
    except Exception:  # noqa: BLE001 - the program's own failure matters more
        logging.getLogger(__name__).warning("an alert could not be handed in", exc_info=True)
