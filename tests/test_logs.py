"""What qw says: events as plain lines or JSON, and nothing in them that a terminal would obey."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qw import logs
from qw.errors import UsageError
from qw.log_writer import MOST
from qw.logs import duration, redact, safe, say
from tests.support.wait import wait_until

#: Text that does something to a terminal, to a log, or to who reads it: what it does, and the text.
HOSTILE = {
    "retitles the terminal": "\x1b]0;owned\x07",
    "writes the clipboard": "\x1b]52;c;cm0gLXJm\x1b\\",
    "clears the screen": "\x1b[2J",
    "clears it with one character": "\x9b2J",
    "goes back in the line": "good\rbad",
    "forges a line": "x\n12:00:00 INFO  finish job=y",
    "forges it with another separator": "x\u2028y\u2029z\x85",
    "rubs out": "abc\x08\x08\x7f",
    "turns the reading direction": "\u202egpj.exe\u2066x\u2069",
    "hides": "a\u200bb\ufeffc\u00add\U000e0041",
    "hides a message of any length": "a\ufe00\U000e0100\U000e01ef",
    "is drawn as nothing": "\u034f\u115f\u3164\uffa0\U0001d173",
    "cannot be encoded": "\udc80\ud800",
}

#: What may not come out of it.
FORBIDDEN = frozenset(
    [
        *map(chr, range(32)),
        *map(chr, range(127, 160)),
        *"\u2028\u2029\u202e\u2066\u2069\u200b\ufeff\u00ad\U000e0041\udc80\ud800",
        *"\ufe00\U000e0100\U000e01ef\u034f\u115f\u3164\uffa0\U0001d173",
    ]
)

LOGGER = logging.getLogger("qw.test")


@pytest.fixture(autouse=True)
def leave_logging_as_it_was() -> Iterator[None]:
    """Put back what `setup` changes for a whole process."""
    root = logging.getLogger()
    handlers, level, kept = root.handlers[:], root.level, {name: getattr(logging, name) for name in _SWITCHES}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, value in kept.items():
        setattr(logging, name, value)


_SWITCHES = ("raiseExceptions", "logThreads", "logProcesses", "logMultiprocessing")


def said(
    event: str = "finish",
    *,
    form: Literal["plain", "json"] = "plain",
    logger: logging.Logger | logging.LoggerAdapter[logging.Logger] = LOGGER,
    **fields: object,
) -> str:
    """Return what a command with this log format prints for one event."""
    stream = io.StringIO()
    logs.setup("debug", form=form, stream=stream)
    say(logger, logging.INFO, event, **fields)
    logs.flush()
    return stream.getvalue()


def raised(error: ValueError) -> ValueError:
    """Return the error with a traceback."""
    try:
        raise error
    except ValueError as caught:
        return caught


class TestSafe:
    """`safe`: text from anywhere becomes text for a terminal."""

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_nothing_hostile_is_left(self, text: str) -> None:
        """What a terminal obeys, or a reader is fooled by, comes out escaped."""
        assert not FORBIDDEN.intersection(safe(text))

    @given(st.text(max_size=300))
    def test_any_text_is_one_line_that_can_be_encoded(self, text: str) -> None:
        """Whatever the text, the result is one line, of no control character, and UTF-8 can hold it."""
        shown = safe(text)

        assert len(shown.splitlines()) <= 1
        assert shown.encode().decode() == shown
        assert not FORBIDDEN.intersection(shown)

    @pytest.mark.parametrize("text", ["", "abc", "a b", "größe", "日本語", "\\x1b", "😀"])
    def test_harmless_text_stays_what_it_is(self, text: str) -> None:
        """Letters of all languages are shown as they are."""
        assert safe(text) == text

    def test_what_is_escaped_can_be_recognised(self) -> None:
        """An escape is written as Python writes it."""
        assert safe("a\x1b[2J\u202e\n") == "a\\x1b[2J\\u202e\\n"

    def test_long_text_is_cut(self) -> None:
        """At most `limit` characters of a text are shown, the last one says that there were more."""
        assert safe("x" * 300) == "x" * 199 + "…"
        assert safe("x" * 200) == "x" * 200
        assert safe("abcdef", 3) == "ab…"


class TestRedact:
    """`redact`: a URL without its password."""

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("redis://localhost:6379/0", "redis://localhost:6379/0"),
            ("redis://:secret@host:6379/0", "redis://:***@host:6379/0"),
            ("rediss://ann:secret@host/1", "rediss://ann:***@host/1"),
            ("redis://secret@host", "redis://***@host"),
            ("redis://:se/cr@et@host/2", "redis://:***@host/2"),
            ("redis://:sec?ret@host/2", "redis://***"),
            ("redis://host/0?password=secret&db=3", "redis://host/0?db=3"),
            ("redis://host/0?password=se@cret", "redis://***"),
            ("unix://:secret@/run/redis.sock?db=2", "unix://:***@/run/redis.sock?db=2"),
            (":secret@host:6379", ":***@host:6379"),
            ("redis://host/\x1b[2J", "redis://host/\\x1b[2J"),
        ],
    )
    def test_a_password_is_never_shown(self, url: str, shown: str) -> None:
        """Wherever the password stands, and even where it makes the URL a wrong one."""
        assert redact(url) == shown


class TestPlain:
    """Plain lines."""

    def test_a_line_has_time_level_event_and_fields(self) -> None:
        """Times in seconds are shown in the unit that suits them; None says nothing."""
        line = said(job="a1", type=None, worker="web.x.1", wait=0.0031, run=1.25, count=3, last=True)

        clock, rest = line.split(" ", 1)
        assert len(clock.split(":")) == 3
        assert rest == "INFO  finish job=a1 worker=web.x.1 wait=3.1ms run=1.2s count=3 last=yes\n"

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ("a b", '"a b"'),
            ("a=b", '"a=b"'),
            ("", '""'),
            ('a"b\\', '"a\\"b\\\\"'),
            ("x outcome=fine", '"x outcome=fine"'),
            ("\x1b[2J", '"\\x1b[2J"'),
            ("größe", '"größe"'),
            (ValueError("no"), "no"),
        ],
    )
    def test_a_value_cannot_pass_for_another_field(self, value: object, shown: str) -> None:
        """What holds more than plain characters is quoted."""
        assert said(job=value).endswith(f" job={shown}\n")

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_nothing_hostile_is_printed(self, text: str) -> None:
        """A field with hostile text is one line without anything that a terminal obeys."""
        line = said(job=text)

        assert not FORBIDDEN.intersection(line.removesuffix("\n"))

    def test_an_adapter_says_its_fields_on_each_line(self) -> None:
        """What an adapter knows, such as the worker's name, is said once in the program."""
        adapter = logging.LoggerAdapter(LOGGER, {"worker": "web.x.1"})

        assert said(logger=adapter, job="a1").endswith(" finish worker=web.x.1 job=a1\n")

    def test_what_another_library_logs_is_made_safe(self) -> None:
        """A message that is no event is shown with its logger, in one line."""
        stream = io.StringIO()
        logs.setup("info", stream=stream)
        logging.getLogger("other").warning("one\n%s", "\x1b[2J")
        logs.flush()

        assert stream.getvalue().endswith(" WARN  other: one\\n\\x1b[2J\n")

    def test_a_traceback_keeps_its_lines(self) -> None:
        """Each is indented, so that none can pass for a line of the log, and is made safe."""
        stream = io.StringIO()
        logs.setup("info", stream=stream)
        LOGGER.error("broken", exc_info=raised(ValueError("x\x1b[2J")))
        logs.flush()

        head, *trace = stream.getvalue().splitlines()
        assert head.endswith("ERROR qw.test: broken")
        assert all(line.startswith("    ") for line in trace)
        assert trace[-1].endswith("ValueError: x\\x1b[2J")

    @pytest.mark.parametrize(
        ("seconds", "shown"),
        [(0.0, "0.0ms"), (0.00042, "0.4ms"), (0.012, "12ms"), (0.9994, "999ms"), (0.9996, "1.0s"), (75.2, "75s")],
    )
    def test_a_time_is_shown_in_its_unit(self, seconds: float, shown: str) -> None:
        """Two or three digits say enough."""
        assert duration(seconds) == shown


class TestJSON:
    """JSON lines."""

    def test_a_line_is_one_object(self) -> None:
        """With the time in UTC, the level, the event and its fields; times are numbers of seconds."""
        line = json.loads(said(form="json", job="a1", type=None, wait=0.5, count=3))

        at = line.pop("ts")
        assert at[10] == "T"
        assert at.endswith("Z")
        assert line == {"level": "info", "event": "finish", "job": "a1", "type": None, "wait": 0.5, "count": 3}

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_nothing_hostile_is_printed(self, text: str) -> None:
        """Only printable ASCII leaves, and the text can be had back from it."""
        line = said(form="json", job=text)

        assert line.removesuffix("\n").isascii()
        assert line.removesuffix("\n").isprintable()
        assert json.loads(line)["job"] == text

    def test_what_another_library_logs_is_an_object_too(self) -> None:
        """A program that reads the log has one form to deal with."""
        stream = io.StringIO()
        logs.setup("info", form="json", stream=stream)
        logging.getLogger("other").error("broken %d", 1, exc_info=raised(ValueError("no")))
        logs.flush()

        line = json.loads(stream.getvalue())
        assert (line["level"], line["logger"], line["message"]) == ("error", "other", "broken 1")
        assert line["traceback"].endswith("ValueError: no")


class TestSay:
    """`say`, as a program that uses qw as a library has it."""

    def test_a_level_that_is_off_costs_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        """The fields are not even looked at."""
        with caplog.at_level(logging.WARNING):
            say(LOGGER, logging.INFO, "finish", job=_Unprintable())

        assert caplog.records == []

    def test_a_record_carries_event_and_fields(self, caplog: pytest.LogCaptureFixture) -> None:
        """A program's own handler finds them as they were said, and a readable message."""
        with caplog.at_level(logging.INFO):
            say(LOGGER, logging.INFO, "finish", job="a b", run=0.5)

        record: Any = caplog.records[0]
        assert (record.qw_event, record.qw_fields) == ("finish", {"job": "a b", "run": 0.5})
        assert record.getMessage() == 'finish job="a b" run=500ms'


class _Unprintable:
    def __str__(self) -> str:
        raise AssertionError("nobody should ask")


class TestSetup:
    """`setup`, as the two commands use it."""

    @pytest.mark.parametrize(
        ("level", "shown"),
        [
            ("debug", ["debug", "info", "warn", "error"]),
            ("info", ["info", "warn", "error"]),
            ("warn", ["warn", "error"]),
            ("error", ["error"]),
        ],
    )
    def test_the_four_levels(self, level: str, shown: list[str]) -> None:
        """Each lets through itself and what is worse."""
        stream = io.StringIO()
        logs.setup(level, form="json", stream=stream)
        for number in logs.LEVELS.values():
            say(LOGGER, number, "event")
        logs.flush()

        assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == shown

    @pytest.mark.parametrize("level", ["", "INFO", "warning", "\x1b[2J"])
    def test_another_level_is_refused(self, level: str) -> None:
        """With the four that there are, and without what was said if that is hostile."""
        with pytest.raises(UsageError, match="use one of debug, info, warn, error") as caught:
            logs.setup(level)

        assert "\x1b" not in str(caught.value)

    @pytest.mark.parametrize(
        ("terminal", "environment", "coloured"),
        [
            (True, {}, True),
            (False, {}, False),
            (True, {"NO_COLOR": "1"}, False),
            (True, {"NO_COLOR": ""}, True),
            (True, {"TERM": "dumb"}, False),
        ],
    )
    def test_colours_only_on_a_terminal_that_wants_them(
        self, monkeypatch: pytest.MonkeyPatch, terminal: bool, environment: dict[str, str], coloured: bool
    ) -> None:
        """Never into a file, and never where NO_COLOR says no."""
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        stream = _Terminal() if terminal else io.StringIO()
        logs.setup("info", stream=stream)
        say(LOGGER, logging.ERROR, "event")
        logs.flush()

        assert ("\x1b[31mERROR\x1b[0m" in stream.getvalue()) == coloured

    def test_a_stream_that_fails_is_passed_over(self) -> None:
        """Logging to a closed stream raises nothing, then or later."""
        stream = io.StringIO()
        logs.setup("info", stream=stream)
        stream.close()
        say(LOGGER, logging.INFO, "event", job=_Unprintable())
        say(LOGGER, logging.INFO, "event")
        logs.flush()

    def test_a_stream_that_nobody_reads_stops_nobody(self) -> None:
        """Who logs goes on; when the stream is read again, a line says how many were lost."""
        reading, writing = os.pipe()
        stream = os.fdopen(writing, "w")
        logs.setup("info", stream=stream)
        extra = 5_000
        for number in range(MOST * 2 + extra):
            say(LOGGER, logging.INFO, "event", number=number)
        read: list[str] = []
        with os.fdopen(reading) as end:
            reader = threading.Thread(target=lambda: read.extend(end), daemon=True)
            reader.start()
            wait_until(lambda: len(read) >= MOST, why="the lines that waited")
            say(LOGGER, logging.INFO, "last")
            logs.flush()
            stream.close()
            reader.join()

        lost = next(line for line in read if " lost " in line)
        assert 'reason="nobody read them"' in lost
        assert read[-1].endswith(" last\n")

    @pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
    def test_who_is_forked_while_nobody_reads_can_print(self) -> None:
        """The writer waits for the reader without the stream's lock, which nobody would give back in the fork."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writing, b"." * 4096)
        os.set_blocking(writing, True)
        stream = os.fdopen(writing, "w")
        logs.setup("info", stream=stream)
        say(LOGGER, logging.INFO, "event")
        wait_until(lambda: _waits_at("qw-log", writing), why="a writer that waits for the reader")
        pid = os.fork()
        if not pid:
            stream.buffer.write(b"kept for later")
            os._exit(0)
        try:
            wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0], why="a fork that has printed")
        except AssertionError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        finally:
            os.close(reading)
            logs.flush()
            stream.close()


def _waits_at(name: str, fileno: int) -> bool:
    """Tell whether a thread of this name is in a system call whose first argument is this descriptor."""
    mine = [thread.native_id for thread in threading.enumerate() if thread.name == name]
    calls = [Path(f"/proc/self/task/{number}/syscall").read_text("utf-8").split() for number in mine]
    return any(call[1:2] == [hex(fileno)] for call in calls)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
