"""One job in a slot that fails, in every way there is: it comes out as plain data, bounded, and gets no further."""

from __future__ import annotations

import asyncio
from typing import Final, NoReturn, cast

import attrs
import pytest

from qw.job import Job, Options
from qw.slots.failures import ERROR_SIZE, FAILURE_TTL, TRACEBACK_SIZE
from qw.slots.runner import Runner
from qw.target import Target
from tests.support import targets
from tests.support.runs import awaited, line, raising, reason, run


@attrs.frozen
class Say(Job[str]):
    """Return a text."""

    text: str = ""
    options = Options(result_ttl=5.0)


@attrs.frozen
class Send(Job[None]):
    """Has options, but returns nothing."""

    options = Options(result_ttl=5.0, retries=1, backoff=0.0)


class Mute(BaseException):
    """Is no `Exception`, and its text cannot be had."""

    def __str__(self) -> str:
        raise SystemExit(9)


class Numb(Exception):
    """Has a text that is none."""

    def __str__(self) -> str:
        return cast("str", 5)


class Text(str):
    """A text that resists whatever is done with it."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise KeyboardInterrupt

    def __format__(self, spec: str) -> str:
        raise KeyboardInterrupt


class Slippery(Exception):
    """Has such a text, and lies about its class."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise KeyboardInterrupt

    def __str__(self) -> str:
        return Text("x")


class Outer:
    """A place for a class."""

    class Inner(Exception):
        """A class with a longer name."""


FAILURES: Final[list[tuple[BaseException | type[BaseException], str]]] = [
    (ValueError("no"), "ValueError: no"),
    (ValueError, "ValueError"),
    (ValueError(""), "ValueError"),
    (KeyError("a"), "KeyError: 'a'"),
    (Outer.Inner("no"), "Outer.Inner: no"),
    (SystemExit(3), "SystemExit: 3"),
    (SystemExit, "SystemExit"),
    (KeyboardInterrupt, "KeyboardInterrupt"),
    (GeneratorExit, "GeneratorExit"),
    (asyncio.CancelledError, "CancelledError"),
    (MemoryError, "MemoryError"),
    (BaseException("no"), "BaseException: no"),
    (TimeoutError("slow"), "TimeoutError: slow"),
    (ValueError("two\nlines\x00\x1b[31m"), "ValueError: two\nlines\x00\x1b[31m"),
    (ValueError("\ud800 \udcff"), "ValueError: \\ud800 \\udcff"),
    (Mute(), "Mute: (its message cannot be had: SystemExit)"),
    (Numb(), "Numb: (its message cannot be had: TypeError)"),
    (Slippery(), "Slippery: (its message cannot be had: KeyboardInterrupt)"),
    (targets.Evil(), "Evil: (its message cannot be had: RuntimeError)"),
]


@pytest.mark.parametrize(("error", "said"), FAILURES, ids=[said for _, said in FAILURES])
def test_whatever_a_target_raises_buries_its_job(error: BaseException | type[BaseException], said: str) -> None:
    """No exception leaves the slot, of whatever kind, from a function or a coroutine; its type and text are told."""
    target = raising(error)

    assert reason(target)[0] == said
    assert reason(awaited(target))[0] == said


def test_stop_iteration_of_a_coroutine() -> None:
    """Python itself makes a RuntimeError of it."""
    assert reason(raising(StopIteration("no")))[0] == "StopIteration: no"
    assert reason(awaited(raising(StopIteration("no"))))[0] == "RuntimeError: coroutine raised StopIteration"


def test_endless_recursion() -> None:
    """A target that runs out of stack is buried like any other; its traceback is short enough to read."""

    def target(job_id: str, job_data: dict[str, str]) -> None:
        target(job_id, job_data)

    error, trace = reason(target)
    assert error.startswith("RecursionError: maximum recursion depth exceeded")
    assert "Previous line repeated" in trace


def test_a_coroutine_that_nobody_awaits() -> None:
    """A function that returns a coroutine has not run: it is said what to do."""

    def target(job_id: str, job_data: dict[str, str]) -> object:
        return targets.succeed_async(job_id, job_data)

    assert "async def" in reason(target)[0]


def test_a_target_that_cancels_itself() -> None:
    """Its job is buried, and the loop goes on."""

    async def target(job_id: str, job_data: dict[str, str]) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    assert reason(target)[0] == "CancelledError"


@pytest.mark.parametrize("text", ["x" * 10_000_000, "é" * 5000, "\ud800" * 5000], ids=["ascii", "é", "surrogates"])
def test_a_huge_message_is_cut(text: str) -> None:
    """The error is told in one bounded text, the traceback in another."""
    error, trace = reason(raising(ValueError(text)))

    assert error.startswith("ValueError: " + text[:1].encode("utf-8", "backslashreplace").decode())
    assert len(error) <= ERROR_SIZE * 6
    assert TRACEBACK_SIZE - 4 < len(trace.encode()) <= TRACEBACK_SIZE


def test_a_failure_is_kept_as_long_as_a_result() -> None:
    """Who waits for a job hears of its failure for the time its type says; of a plain job for an hour."""

    def say(job: Say) -> str:
        raise ValueError(job.text)

    typed, plain = run(say), run(raising(ValueError))
    assert typed is not None
    assert plain is not None
    assert (typed.ttl, plain.ttl) == (5.0, FAILURE_TTL)


def test_the_options_of_a_job_without_a_result() -> None:
    """They go for it as they do for one that returns something: it is tried again, and then its failure is kept."""

    def send(job: Send) -> None:
        raise ValueError("no")

    first, last = run(send), run(send, line(qw_tries="1"))
    assert first is not None
    assert last is not None
    assert (first.kind, last.kind, last.ttl) == ("retry", "bury", 5.0)


# -- Tracebacks --------------------------------------------------------------------------------------------------------


def test_a_traceback_begins_with_the_target() -> None:
    """The reader sees his own code, from the function he wrote to the line that raised, and nothing of qw."""

    def inner() -> NoReturn:
        raise ValueError("no")

    def target(job_id: str, job_data: dict[str, str]) -> None:
        inner()

    trace = reason(target)[1].splitlines()
    frames = [text.split(", in ")[1] for text in trace if text.startswith("  File ")]
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == "ValueError: no"
    assert [frame.rpartition(".")[2] for frame in frames] == ["target", "inner"]
    assert all(__file__ in text for text in trace if text.startswith("  File "))


def test_a_traceback_of_a_coroutine() -> None:
    """A coroutine's begins with it as well."""

    async def target(job_id: str, job_data: dict[str, str]) -> None:
        await asyncio.sleep(0)
        raising(ValueError("no"))(job_id, job_data)

    trace = reason(target)[1].splitlines()
    assert trace[1].startswith(f'  File "{__file__}"')
    assert not any("runner.py" in text for text in trace)


def test_a_traceback_tells_what_led_to_it() -> None:
    """The exceptions before the last one are there too."""

    def target(job_id: str, job_data: dict[str, str]) -> None:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    trace = reason(target)[1]
    assert trace.index("KeyError: 'first'") < trace.index("direct cause") < trace.index("ValueError: second")


def test_a_long_traceback_keeps_its_end() -> None:
    """Of more than 8 KiB the last ones are kept: there stands the reason."""

    def target(job_id: str, job_data: dict[str, str]) -> None:
        error: Exception = ValueError("first " + "é" * 100)
        for n in range(200):
            try:
                raise ValueError(f"{n} " + "é" * 100) from error
            except ValueError as raised:
                error = raised
        raise error

    trace = reason(target)[1]
    assert TRACEBACK_SIZE - 4 < len(trace.encode()) <= TRACEBACK_SIZE
    assert trace.endswith("ValueError: 199 " + "é" * 100 + "\n")


def test_who_calls_a_target_wrongly_is_told_in_a_line() -> None:
    """When not even the call succeeds there is no frame of the target to show."""

    def target(job_id: str, job_data: dict[str, str]) -> None:
        """Take two."""

    runner = Runner(Target.load(target), "w1")
    target.__defaults__ = ()
    target.__code__ = (lambda: None).__code__
    outcome = runner.run(line())

    assert outcome is not None
    assert outcome.fields["qw:traceback"].splitlines() == [outcome.fields["qw:error"]]
