"""
What qw says of itself: one event a line, on standard error or wherever the program's own logging leads.

Whatever comes out of Redis may be hostile: an id can hold an escape sequence that retitles a
terminal, writes its clipboard or forges the next line. So text is made `safe` before it is
shown, and here is the only place that knows how.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Final, Literal, TextIO

from qw.errors import UsageError
from qw.log_writer import Writer

if TYPE_CHECKING:
    # At run time LoggerAdapter takes no parameter before Python 3.11.
    Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]

#: The names of `--level`, in the order of what they let through.
LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

#: Characters of one value that a plain line shows. An id is 36; a longer one is hardly read.
LIMIT: Final = 200

# What a terminal obeys instead of showing it: C0, DEL, C1; what turns the text around it, or is drawn as nothing and
# may hide a message of its own: bidirectional marks, line and paragraph separators, and what Unicode calls
# Default_Ignorable, such as soft hyphen, zero-width marks, fillers, variation selectors and tags; and half a
# surrogate pair, which no stream can encode.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)
# What needs no quotes as the value of `key=value`: printable ASCII without space, quote, `=` and backslash, as
# anything else could forge a second field.
_BARE = re.compile(r"[!#-<>-\[\]-~]+")


def safe(text: str, limit: int = LIMIT) -> str:
    r"""
    Return `text` fit for a terminal or a log: one line, no control, nothing invisible, `limit` characters of it.

    What is unsafe comes out as Python would escape it (`\x1b`, `\u202e`); what is too long ends in `…`.
    """
    if len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def redact(url: str) -> str:
    """
    Return the URL of a Redis without what may be secret in it, safe to show.

    The user's name stays, if it can be told from a password; of the query only the number of the database does.
    A URL in which `@` stands so that a password cannot be told from a host is not shown at all.
    """
    scheme, colons, rest = url.partition("://")
    if not colons:
        scheme, rest = "", url
    head, _, query = rest.partition("?")
    if "@" in query:
        return safe(f"{scheme}{colons}***")
    secret, at, place = head.rpartition("@")
    user, colon, _ = secret.partition(":")
    who = f"{user}:***@" if colon and "/" not in user else "***@" if at else ""
    database = "&".join(part for part in query.split("&") if part.startswith("db="))
    return safe(f"{scheme}{colons}{who}{place}{'?' if database else ''}{database}")


def say(logger: Logger, level: int, event: str, /, **fields: object) -> None:
    """
    Log one event with its fields: `finish job=… type=Thumbnail wait=3ms run=12ms`.

    A `float` is a time in seconds; counts are `int`; None means that there is nothing to say, and is left out of
    a plain line. An adapter's `extra` become the first fields. Costs next to nothing while the level is off.
    """
    if not logger.isEnabledFor(level):
        return
    if isinstance(logger, logging.LoggerAdapter):
        fields = {**(logger.extra or {}), **fields}
        logger = logger.logger
    # Logger.log would look for the caller's file and line: half of the cost of a line, and nobody reads it.
    record = logger.makeRecord(logger.name, level, __file__, 0, _Line(event, fields), (), None, event)
    record.qw_event = event
    record.qw_fields = fields
    logger.handle(record)


class _Line:
    """The message of an event: made into text only by a handler that wants it."""

    __slots__ = ("event", "fields")

    def __init__(self, event: str, fields: dict[str, object]) -> None:
        self.event = event
        self.fields = fields

    def __str__(self) -> str:
        told = [f" {name}={shown(value)}" for name, value in self.fields.items() if value is not None]
        return self.event + "".join(told)


def shown(value: object) -> str:
    """Return a field's value as a plain line shows it."""
    if isinstance(value, float):
        return duration(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if len(text) <= LIMIT and _BARE.fullmatch(text):
        return text
    if len(text) > LIMIT:
        text = text[: LIMIT - 1] + "…"
    return '"' + _UNSAFE.sub(_escaped, text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def duration(seconds: float) -> str:
    """Return a time as it is read: `0.4ms`, `12ms`, `1.2s`, `75s`."""
    if seconds >= 9.95:
        return f"{seconds:.0f}s"
    if seconds >= 0.9995:
        return f"{seconds:.1f}s"
    return f"{seconds * 1000:.0f}ms" if seconds >= 0.00995 else f"{seconds * 1000:.1f}ms"


def _level_name(levelno: int) -> str:
    """Return the nearest of the four names that is not above the level."""
    if levelno >= logging.WARNING:
        return "error" if levelno >= logging.ERROR else "warn"
    return "info" if levelno >= logging.INFO else "debug"


_COLOURS: Final = {"debug": "\x1b[2m", "info": "\x1b[32m", "warn": "\x1b[33m", "error": "\x1b[31m"}


class _Plain(logging.Formatter):
    """`12:01:02 INFO  finish job=… worker=…`, with the level coloured on a terminal."""

    def __init__(self, *, colours: bool) -> None:
        super().__init__()
        self._words = {name: _word(name, colours=colours) for name in LEVELS}
        self._second = 0
        self._clock = ""

    def format(self, record: logging.LogRecord) -> str:
        if int(record.created) != self._second:
            self._second = int(record.created)
            self._clock = time.strftime("%H:%M:%S", time.localtime(self._second))
        line = f"{self._clock} {self._words[_level_name(record.levelno)]} {_message(record)}"
        # A traceback keeps its lines, each of them safe, and indented: none can pass for a line of the log.
        return line + "".join(f"\n    {safe(trace, 2000)}" for trace in _traceback(self, record).splitlines())


def _word(level: str, *, colours: bool) -> str:
    word = f"{level.upper():<5}"
    return f"{_COLOURS[level]}{word}\x1b[0m" if colours else word


def _message(record: logging.LogRecord) -> str:
    """Return what the record says: an event is safe already, what another library logs is not."""
    if isinstance(record.msg, _Line):
        return str(record.msg)
    return safe(f"{record.name}: {record.getMessage()}", 2000)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""


class _JSON(logging.Formatter):
    """One object a line: `ts` (ISO 8601, UTC), `level`, `event`, then the fields, times in seconds."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, object] = {"ts": _utc(record.created), "level": _level_name(record.levelno)}
        if isinstance(record.msg, _Line):
            told["event"] = record.msg.event
            told.update((name, value) for name, value in record.msg.fields.items() if name not in told)
        else:
            told.update(event="log", logger=record.name, message=record.getMessage())
        if record.exc_info:
            told["traceback"] = _traceback(self, record)
        return ascii_json(told)


def _utc(seconds: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1000):03}Z"


def ascii_json(value: object) -> str:
    """Return `value` as JSON in one line of printable ASCII: nothing in it can reach a terminal as an order."""
    # JSON's own escapes leave DEL as it is. It can only stand inside a string.
    return json.dumps(value, default=str).replace("\x7f", "\\u007f")


def setup(level: str, *, form: Literal["plain", "json"] = "plain", stream: TextIO | None = None) -> None:
    """
    Let the two commands log to `stream` (None: standard error) from `level` up.

    A failure to log never harms a job: a full disk, a closed or a stalled standard error is passed over.
    A program that uses qw as a library does its own logging; nothing else here is for it.
    Raises `UsageError` for a level that is none of debug, info, warn and error, and for an unknown form.
    """
    if level not in LEVELS:
        raise UsageError(f"--level={safe(level)}: use one of {', '.join(LEVELS)}")
    if form not in ("plain", "json"):
        raise UsageError(f"--log-format={safe(form)}: use plain or json")
    stream = stream or sys.stderr
    handler = Writer(stream, _lost)
    handler.setFormatter(_JSON() if form == "json" else _Plain(colours=_wants_colours(stream)))
    logging.raiseExceptions = False
    # What no line shows need not be found out for each of them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level])


def _lost(lines: int) -> logging.LogRecord:
    line = _Line("lost", {"lines": lines, "reason": "nobody read them"})
    return logging.LogRecord("qw.logs", logging.WARNING, __file__, 0, line, None, None)


def flush() -> None:
    """Wait until what was said is written, before something else goes to the same stream; at most a second."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _wants_colours(stream: TextIO | None) -> bool:
    """Tell whether the stream is a terminal whose user has not said no (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or stream is None:
        return False
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False
