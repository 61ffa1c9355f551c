"""What reads and what shows text from outside, fuzzed for a moment; and that the fuzzer finds what it is there for."""

from __future__ import annotations

import string
import time
from functools import partial
from random import Random
from typing import Any

import pytest

from qw.errors import UsageError
from qw.logs import safe
from qw.units import parse_duration
from qw.wire import Reader
from tests.fuzz import __main__ as command
from tests.fuzz.engine import ENOUGH, LIMIT, Report, Target, fuzz, make
from tests.fuzz.showing import make_text, show
from tests.fuzz.streams import make_replies, read_replies
from tests.fuzz.words import DURATIONS, words

SEED = 1
#: For each target: all of them take about a second.
INPUTS = 250


def fuzzed(target: Target[Any], count: int = INPUTS) -> Report:
    """Return what comes of some inputs of a target."""
    report = Report(target.name)
    fuzz(target, SEED, 0, count, report)
    return report


@pytest.mark.parametrize("name", command.TARGETS)
def test_nothing_but_what_is_documented_comes_of_any_input(name: str) -> None:
    """And of many of them something does: neither all are accepted, nor all refused."""
    report = fuzzed(command.TARGETS[name])

    assert [line for find in report.finds for line in command.told(find)] == []
    assert report.accepted + report.refused == INPUTS
    assert report.refused
    assert report.accepted or name == "ascii_json", "which never is what went in"


def test_an_input_follows_from_its_number() -> None:
    """Whatever was made before it."""
    target = command.TARGETS["decoder"]

    assert make(target, SEED, 7) == make(target, SEED, 7)
    assert len({repr(make(target, SEED, number)) for number in range(20)}) > 10
    assert make(target, SEED, 7) != make(target, SEED + 1, 7)


# -- Planted bugs ------------------------------------------------------------------------------------------------------


class Forgetful(Reader):
    """Loses a line's end that comes in two pieces."""

    def feed(self, data: bytes) -> None:
        """Add bytes, but for a line feed that stands at the front."""
        super().feed(data.removeprefix(b"\n"))


def careless(text: str) -> bool:
    """Read a time, and let a number through that is none for `float`."""
    try:
        parse_duration(text)
    except UsageError:
        # Some characters are digits for one and none for the other.
        return text.isdigit() and bool(float(text))
    return True


PLANTED: list[Target[Any]] = [
    Target("lost line feeds", make_replies, partial(read_replies, Forgetful)),
    Target("C1 shown", make_text, partial(show, lambda text: text if "\x9b" in text else safe(text), None)),
    Target("too long", make_text, partial(show, safe, 100)),
    Target("division", words(DURATIONS), lambda text: bool(1 / (len(text) - 3))),
    Target("digits", lambda chance: chance.choice((*string.digits, "²", "x")), careless),
]


@pytest.mark.parametrize("target", PLANTED, ids=lambda target: target.name)
def test_a_bug_is_found(target: Target[Any]) -> None:
    """Soon, and not more often than is of use."""
    report = fuzzed(target, 2000)

    assert len(report.finds) == ENOUGH
    assert make(target, SEED, report.finds[0].number) == report.finds[0].input


def burn(seconds: float) -> bool:
    """Compute for so long; it is accepted."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return True


def test_what_takes_too_long_is_found() -> None:
    """By the CPU that it takes each time."""
    report = fuzzed(Target("slow", Random.random, lambda _: burn(LIMIT * 1.2)), 1)

    assert report.slowest > LIMIT
    assert [find.wrong.startswith("took ") for find in report.finds] == [True]
    assert fuzzed(Target("slow", Random.random, lambda _: burn(LIMIT * 1.2), readings=2), 1).finds == []


def test_what_took_long_once_is_passed_over() -> None:
    """The machine was busy."""
    times = iter((LIMIT * 1.2, 0.0, 0.0))
    report = fuzzed(Target("slow once", Random.random, lambda _: burn(next(times))), 1)

    assert report.finds == []


# -- The command -------------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_has_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the number by which it finds it again."""
    planted = Target("planted", make_text, partial(show, lambda text: text, None))
    monkeypatch.setattr(command, "TARGETS", {"planted": planted, "right": command.TARGETS["sizes"]})

    assert command.main(["--seed=3", "--minutes=0.001"]) == 1

    out = capsys.readouterr().out
    again = next(line.split("tests.fuzz ")[1] for line in out.splitlines() if line.startswith("  again: "))
    assert out.replace("\n", "").isprintable()
    assert out.isascii()
    assert command.main([word.strip("'") for word in again.split()]) == 1
    assert out.splitlines()[1] == capsys.readouterr().out.splitlines()[1]


def test_the_command_is_content_with_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    """The table says how much there was of it."""
    assert command.main(["--seed=3", "--minutes=0.001", "sizes", "durations"]) == 0

    head, *rows = capsys.readouterr().out.splitlines()[1:]
    assert head.split() == ["target", "inputs", "accepted", "refused", "slowest"]
    assert {row.split()[0] for row in rows} == {"sizes", "durations"}
    with pytest.raises(SystemExit):
        command.main(["nobody"])
