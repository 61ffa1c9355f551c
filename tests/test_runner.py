"""One job in a slot: what it is given, what it returns, and what cannot be read or kept."""

from __future__ import annotations

import json
from typing import Final, NoReturn

import attrs
import pytest

from qw.job import Job, Options, current_job
from qw.slots import Outcome
from tests.support import targets
from tests.support.names import shown
from tests.support.runs import awaited, line, reason, run

# -- Jobs that finish --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("returned", [None, 1, "text", object(), BaseException()], ids=shown)
def test_what_a_plain_target_returns_is_not_kept(returned: object) -> None:
    """A target `(job_id, job_data)` has no result."""

    def target(job_id: str, job_data: dict[str, str]) -> object:
        return returned

    assert run(target) is None
    assert run(awaited(target)) is None


def test_a_plain_target_gets_id_and_data() -> None:
    """It sees the fields as they are, and none of qw's own."""
    got: list[object] = []
    job = line("j\udcff\n", path="/a\x00é", qw_type="T", qw_queue="x", **{"": "empty", "qw": "mine"})
    run(lambda job_id, job_data: got.append((job_id, job_data)), job)

    assert got == [("j\udcff\n", {"path": "/a\x00é", "": "empty", "qw": "mine"})]


@pytest.mark.parametrize("target", [targets.add, targets.add_async])
def test_a_result_is_json(target: object) -> None:
    """A typed result is kept for the time that its class says."""
    assert run(target, line(a="1", b="2", qw_type="Add")) == Outcome("result", 3600.0, '{"result":3}')


def test_a_result_has_the_time_to_live_of_its_type() -> None:
    """Options of the class say how long."""
    outcome = run(targets.short, line(value="7", qw_type="short"))

    assert outcome == Outcome("result", 0.5, '{"result":7}')


def test_a_typed_job_without_a_result() -> None:
    """`Job[None]` leaves nothing."""
    assert run(targets.add_or_record, line(file="/dev/null", qw_type="Record")) is None


@attrs.frozen
class Say(Job[str]):
    """Return a text."""

    text: str = ""
    options = Options(result_ttl=5.0)


@pytest.mark.parametrize("text", ["", "é", '"}', "\x00\n\x7f\u2028", "\ud800", "a\udcff", "x" * 2_000_000], ids=len)
def test_a_result_of_any_text(text: str) -> None:
    """Whatever a result holds, Redis can keep it, and it comes back."""

    def say(job: Say) -> str:
        return text

    outcome = run(say)
    assert outcome is not None
    assert json.loads(outcome.body) == {"result": text}


# -- Jobs that cannot be read ------------------------------------------------------------------------------------------

UNREADABLE: Final = [
    (targets.add, line(a="1", qw_type="Ad\ud800d"), "target tests.support.targets:add takes Add"),
    (targets.work, line(a="1"), "a job without qw:type"),
    (targets.add, line(b="1", qw_type="Add"), "a"),
    (targets.add, line(a="one", qw_type="Add"), "a"),
    (targets.add, line(a='"1"', qw_type="Add"), "a"),
    (targets.record_word, line(file="\udcff", qw_type="Record"), "file"),
    (targets.add_async, line(a="one", qw_type="Add"), "a"),
]


@pytest.mark.parametrize(("target", "job", "said"), UNREADABLE)
def test_a_job_that_cannot_be_decoded_is_not_run(target: object, job: str, said: str) -> None:
    """It is buried with what is wrong with it, and where; a traceback would tell nothing."""
    error, trace = reason(target, job)

    assert error.startswith("UndecodableJob: ")
    assert said in error
    assert trace == ""


@pytest.mark.parametrize("job", ["", "{", "[]", "5", '["a","b","c","d"]'])
def test_a_line_that_is_none(job: str) -> None:
    """Not even a line that no script would write brings a slot down."""
    assert reason(targets.succeed, job)[0]
    assert reason(targets.succeed_async, job)[0]


# -- Results that cannot be kept ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("returned", [None, "3", 1.5, object(), [1], ValueError("x")], ids=shown)
def test_a_result_of_another_type(returned: object) -> None:
    """What is not of the type that the class promises is no result: the job is buried, and it is said why."""

    def wrong(job: targets.Add) -> int:
        return returned  # type: ignore[return-value]

    assert reason(wrong, line(a="1"))[0].startswith("UsageError: the result of Add: ")


class Boom:
    """Cannot be looked at."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise SystemExit(name)


@attrs.frozen
class Anything(Job[list[object]]):
    """Return a list of whatever."""


def test_a_result_that_cannot_be_written() -> None:
    """A value that JSON has no words for, or that raises when it is looked at, is a failure of its job."""

    def anything(job: Anything) -> list[object]:
        return [Boom()]

    def endless(job: Anything) -> list[object]:
        made: list[object] = []
        made.append(made)
        return made

    assert reason(anything, line())[0]
    assert reason(endless, line())[0]


# -- What a target knows of itself -------------------------------------------------------------------------------------

ATTEMPTS: Final = [
    ({}, 1),
    ({"qw:crashes": "1"}, 2),
    ({"qw:tries": "1", "qw:crashes": "2", "qw:rescues": "3"}, 7),
    ({"qw:tries": "0"}, 1),
    ({"qw:tries": ""}, 1),
    ({"qw:tries": "many", "qw:rescues": "1"}, 2),
    ({"qw:tries": "-1"}, 1),
    ({"qw:tries": "1.5"}, 1),
    ({"qw:tries": " 1"}, 1),
    ({"qw:tries": "²"}, 1),
    ({"qw:tries": "9" * 5000}, 1),
    ({"tries": "5", "crashes": "5"}, 1),
]


@pytest.mark.parametrize(("fields", "attempt"), ATTEMPTS, ids=lambda value: str(value)[:40])
def test_attempts_are_counted(fields: dict[str, str], attempt: int) -> None:
    """A job knows which run of it this is; a count that another program has spoilt counts as none."""
    got: list[int] = []

    def note(job_id: str, job_data: dict[str, str]) -> None:
        got.append(current_job().attempt)

    assert run(note, line(**fields)) is None
    assert got == [attempt]


def test_a_job_is_current_only_while_it_runs() -> None:
    """Inside, a target knows id and worker; outside nobody does, however the job ended."""
    got: list[object] = []

    def note(job_id: str, job_data: dict[str, str]) -> NoReturn:
        got.append((current_job().id, current_job().worker))
        raise SystemExit

    for one in (note, awaited(note)):
        assert reason(one, line("me"))
        with pytest.raises(LookupError):
            current_job()
    assert got == [("me", "w1")] * 2
