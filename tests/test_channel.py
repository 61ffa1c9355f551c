"""What goes between a dispatcher and a process slot: cut anywhere, mixed, large, and of a slot that dies."""

from __future__ import annotations

import json
import multiprocessing
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from types import SimpleNamespace
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qw.slots import Outcome, Report
from qw.slots.channel import BUFFER, DOWN, READY, UP, Channel, pack_end, pack_limit, pack_outcome, pair
from qw.slots.tally import RING, Tally
from tests.support.wait import wait_until

#: Times whose four bytes look like the beginnings of frames.
TRAPS: Final = [struct.unpack("<f", raw)[0] for raw in (b"OOOO", b"TTTT", b"OROR", b"\0\0\0E", b"RRRR")]

SECONDS: Final = st.one_of(st.sampled_from(TRAPS), st.floats(0, 1e6, width=32))
ANY_TEXT: Final = st.text(st.characters(), max_size=30)
OUTCOMES: Final = st.builds(
    Outcome,
    st.sampled_from(["result", "bury", "crash"]),
    st.floats(0, 1e9),
    ANY_TEXT,
    st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3),
)
REPORTS: Final[st.SearchStrategy[list[Report]]] = st.lists(
    st.tuples(SECONDS, st.one_of(st.none(), st.none(), OUTCOMES)), max_size=30
)

BURIED: Final = Outcome("bury", 60.0, "DOD", {"qw:error": "é\ud800\n"})
MIXED: Final[list[Report]] = [
    (0.5, None),
    (0.25, BURIED),
    (TRAPS[0], None),
    (TRAPS[1], None),
    (0.0, Outcome("result", 1.5, "")),
    (TRAPS[2], BURIED),
    (1.0, None),
]


class Ends:
    """A dispatcher's channel, and what its slot has: a socket and the tally."""

    def __init__(self) -> None:
        mine, self.its = pair()
        self.channel = Channel(mine, Tally.make(mine))
        self.tally = Tally.receive(self.its)

    def report(self, reports: Sequence[Report]) -> None:
        """Report as a slot does."""
        for seconds, outcome in reports:
            if outcome is not None:
                self.its.sendall(pack_outcome(seconds, self.tally.ended(), outcome))
            self.tally.note(seconds)

    def close(self) -> None:
        """Close both ends."""
        self.channel.close()
        self.its.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Return both ends; the slot is ready."""
    made = Ends()
    made.its.sendall(READY)
    made.channel.reports()
    yield made
    made.close()


def steps(reports: Sequence[Report]) -> list[bytes | float]:
    """Return what a slot does one after the other to report: bytes that it writes, and seconds that it notes."""
    out: list[bytes | float] = [READY]
    for number, (seconds, outcome) in enumerate(reports):
        out += [] if outcome is None else [pack_outcome(seconds, number, outcome)]
        out.append(seconds)
    return out


def pieces(reports: Sequence[Report]) -> list[bytes | float]:
    """Return the same byte by byte."""
    return [
        piece
        for step in steps(reports)
        for piece in ([step] if isinstance(step, float) else [bytes((byte,)) for byte in step])
    ]


def read(ends: Ends, *parts: Sequence[bytes | float]) -> list[list[Report]]:
    """Let a slot take part after part of its steps, and return what its dispatcher reads after each."""
    out = []
    for part in parts:
        for step in part:
            if isinstance(step, float):
                ends.tally.note(step)
            else:
                ends.its.sendall(step)
        out.append(ends.channel.reports())
    return out


def all_of(channel: Channel, count: int) -> list[Report]:
    """Write and read as a dispatcher does, until nothing waits to be written and `count` reports have come."""
    got: list[Report] = []

    def enough() -> bool:
        channel.write()
        got.extend(channel.reports())
        return len(got) >= count and not channel.wants_to_write()

    wait_until(enough)
    return got


def test_nothing_was_reported(ends: Ends) -> None:
    """A slot that says nothing is ready and alive."""
    assert ends.channel.reports() == []
    assert not ends.channel.untold
    assert ends.channel.ready
    assert not ends.channel.ended


def test_says_when_the_slot_is_ready() -> None:
    """A slot that is not born yet has said nothing; its first word is no report."""
    with closing(Ends()) as ends:
        assert (ends.channel.reports(), ends.channel.ready) == ([], False)

        ends.its.sendall(READY)
        assert (ends.channel.reports(), ends.channel.ready) == ([], True)


def test_what_left_nothing_is_known_without_a_word(ends: Ends) -> None:
    """It is asked for without a system call, and told once."""
    ends.report([(0.5, None), (0.25, None)])

    assert not select.select([ends.channel], [], [], 0)[0]
    told = [(ends.channel.untold > 0, ends.channel.reports()) for _ in range(2)]
    assert told == [(True, [(0.5, None), (0.25, None)]), (False, [])]


@pytest.mark.parametrize("at", range(len(steps(MIXED)) + 1))
def test_each_step_counts_at_once(at: int, ends: Ends) -> None:
    """What a job left tells that it has ended before that is counted; nothing is told twice, or too early."""
    done = steps(MIXED)
    first, second = read(ends, done[:at], done[at:])
    noted = sum(isinstance(step, float) for step in done[:at])

    assert first == MIXED[: noted + (at > 1 and not isinstance(done[at - 1], float))]
    assert first + second == MIXED


@pytest.mark.parametrize("at", range(len(pieces(MIXED)) + 1))
def test_cut_at_every_byte(at: int, ends: Ends) -> None:
    """Wherever what arrives first ends: what a frame left unfinished is about waits for the rest, in order."""
    done = pieces(MIXED)
    first, second = read(ends, done[:at], done[at:])

    assert first == MIXED[: len(first)]
    assert first + second == MIXED


def test_byte_by_byte(ends: Ends) -> None:
    """Every report comes out, however slowly it arrives."""
    assert [report for part in read(ends, *([piece] for piece in pieces(MIXED))) for report in part] == MIXED


@given(REPORTS, st.lists(st.integers(0, 1000), max_size=5))
@example(MIXED * 5, [])
def test_any_reports_in_any_pieces(reports: list[Report], places: list[int]) -> None:
    """Runs of jobs that left nothing, with results and failures of any text among them, arrive as they were sent."""
    done = pieces(reports)
    cuts = sorted(min(place, len(done)) for place in places)
    with closing(Ends()) as ends:
        parts = read(ends, *(done[a:b] for a, b in zip([0, *cuts], [*cuts, len(done)], strict=True)))

    assert [report for part in parts for report in part] == reports


@pytest.mark.parametrize("before", [0, 1, RING - 13, RING - 12])
def test_long_runs(before: int, ends: Ends) -> None:
    """Thousands of jobs that left nothing, and a failure after them, come out in one go, wherever the ring begins."""
    for reports in ([(0.5, None)] * 7, [*[(0.5, None)] * before, (1.0, BURIED), *[(0.25, None)] * 11]):
        ends.report(reports)

        assert ends.channel.reports() == reports


def test_more_than_a_slot_can_hold_is_none_of_its_words(ends: Ends) -> None:
    """A target has written there: its slot is given up, and what it says now counts for nothing."""
    ends.report([(0.5, None)] * RING)

    assert ends.channel.reports() == []
    assert ends.channel.ended


@pytest.mark.parametrize("number", [0, 2, 2**63])
def test_what_a_job_left_is_of_the_next_job(number: int, ends: Ends) -> None:
    """A frame for a job that was told of, or has not begun, was written by somebody else."""
    ends.report([(0.5, None)])
    assert ends.channel.reports() == [(0.5, None)]
    ends.its.sendall(pack_outcome(0.5, number, BURIED))

    assert ends.channel.reports() == []
    assert ends.channel.ended


def assert_limit(ends: Ends, seconds: float) -> None:
    """Whether the job that runs is to be cut off about so many seconds from now."""
    assert ends.channel.limit is not None
    assert ends.channel.limit[0] - time.monotonic() == pytest.approx(seconds, abs=10)


def test_the_limit_is_that_of_the_job_that_runs(ends: Ends) -> None:
    """It is over with the job, though nothing may have been written then."""
    ends.its.sendall(pack_limit(60.0, 0, BURIED))
    ends.channel.reports()
    assert_limit(ends, 60)
    ends.report([(0.5, None)])
    ends.channel.reports()
    assert ends.channel.limit is None

    ends.its.sendall(pack_limit(60.0, 1, BURIED))
    ends.report([(0.5, None)])
    ends.its.sendall(pack_limit(30.0, 2, BURIED))
    ends.channel.reports()
    assert_limit(ends, 30)


@pytest.mark.parametrize("dead", [False, True])
def test_what_is_counted_behind_what_was_read_comes_with_its_end(dead: bool, ends: Ends) -> None:
    """A slot that wants to be replaced, or was killed, has counted all that it has run."""
    counted = iter([1, 2])
    tally: Any = SimpleNamespace(ended=lambda: next(counted, 2), seconds=ends.tally.seconds)
    ends.report([(0.5, None), (0.25, None)])
    ends.channel._tally = tally  # noqa: SLF001 - it counts on between two looks
    if not dead:
        ends.its.sendall(pack_end())

    assert ends.channel.reports(dead=dead) == [(0.5, None), (0.25, None)]
    assert (ends.channel.ended, ends.channel.retired) == (True, not dead)


def test_all_at_the_same_time(ends: Ends) -> None:
    """A slot of its own process says all it can while its dispatcher reads: everything arrives, in order."""
    reports: list[Report] = [(n % 100, BURIED if n % 7 % 3 == 1 else None) for n in range(RING - 1)]
    process = multiprocessing.get_context("fork").Process(target=ends.report, args=(reports,))
    process.start()
    got = all_of(ends.channel, len(reports))
    process.join()

    assert got == reports


@pytest.mark.parametrize("size", [65536 - 17, 65536, 300_000, 5_000_000])
def test_large_outcomes(size: int, ends: Ends) -> None:
    """A result larger than all buffers between the two arrives whole, with what comes after it."""
    channel = ends.channel
    reports: list[Report] = [(0.5, None), (1.0, Outcome("result", 60.0, "x" * size)), (0.25, None)]
    slot = threading.Thread(target=ends.report, args=(reports,))
    slot.start()

    assert all_of(channel, 3) == reports
    slot.join()


def test_what_a_dead_slot_wrote_is_read_to_the_end(ends: Ends) -> None:
    """Death is seen only after the last report, be it of several buffers' size."""
    channel, its = ends.channel, ends.its
    reports: list[Report] = [(0.5, Outcome("result", 60.0, "x" * 100_000)), *[(0.25, None)] * 1000]
    ends.report(reports)
    its.close()

    assert channel.reports() == reports
    assert channel.reports() == []
    assert channel.ended


def test_a_report_that_a_dead_slot_left_unfinished_is_none(ends: Ends) -> None:
    """A slot killed while it wrote has reported only what is whole."""
    channel, its = ends.channel, ends.its
    ends.report(MIXED[:-2])
    its.sendall(pack_outcome(0.5, len(MIXED) - 2, BURIED)[:-1])
    its.close()

    assert channel.reports() + channel.reports() == MIXED[:-2]
    assert channel.ended


@pytest.mark.parametrize(
    "noise",
    [
        b"hello, world\n",
        b"X" * 5,
        b"O" + struct.pack("<fQI", 1.0, len(MIXED), 3) + b"{]}",
        b"O" + struct.pack("<fQI", 1.0, len(MIXED), 1) + b"5",
        b"O" + struct.pack("<fQI", 1.0, len(MIXED), 7) + b"[1,2,3]",
        b"O" + struct.pack("<fQI", 1.0, len(MIXED), 2) + b"\xff\xff",
    ],
)
def test_what_a_target_writes_there_ends_the_slot(noise: bytes, ends: Ends) -> None:
    """A target that writes to whatever descriptor it finds harms its own slot: the reports before count."""
    channel, its = ends.channel, ends.its
    ends.report(MIXED)
    its.sendall(noise)

    assert channel.reports() == MIXED
    assert channel.ended


def receive(its: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Read batches as a slot does: generation and lines of each."""
    its.settimeout(10)
    file = its.makefile("rb")
    out = []
    for _ in range(count):
        length, generation = DOWN.unpack(file.read(DOWN.size))
        out.append((generation, file.read(length)))
    return out


def test_batches_go_down(ends: Ends) -> None:
    """A batch arrives with its generation, and at once when there is room."""
    channel, its = ends.channel, ends.its
    channel.send(1, b'["a"]\n["b"]')
    channel.send(255, b'["\xff"]')

    assert not channel.wants_to_write()
    assert receive(its, 2) == [(1, b'["a"]\n["b"]'), (255, b'["\xff"]')]


def test_a_slot_that_does_not_read_holds_up_nobody(ends: Ends) -> None:
    """What the socket does not take waits, and goes in order as soon as the slot reads."""
    channel, its = ends.channel, ends.its
    batches = [(generation, bytes((generation,)) * BUFFER) for generation in range(5)]
    for generation, lines in batches:
        channel.send(generation, lines)
    assert channel.wants_to_write()

    got: list[tuple[int, bytes]] = []
    slot = threading.Thread(target=lambda: got.extend(receive(its, len(batches))))
    slot.start()
    all_of(channel, 0)
    slot.join()

    assert got == batches


def test_both_sides_have_much_to_say(ends: Ends) -> None:
    """Neither waits for the other: large batches down and large results up meet on the way."""
    channel, its = ends.channel, ends.its
    reports: list[Report] = [(0.5, Outcome("result", 60.0, "x" * BUFFER))] * 3

    def slot() -> None:
        ends.report(reports)
        receive(its, 3)

    thread = threading.Thread(target=slot)
    for generation in range(3):
        channel.send(generation, b"y" * BUFFER)
    thread.start()

    assert all_of(channel, 3) == reports
    thread.join()


def test_to_a_dead_slot_nothing_is_sent(ends: Ends) -> None:
    """Its death is not the sender's error, and nothing waits for it any more."""
    channel, its = ends.channel, ends.its
    channel.send(1, b"x" * 5 * BUFFER)
    assert channel.wants_to_write()
    its.close()
    channel.send(2, b"y")

    assert not channel.wants_to_write()
    assert channel.reports() == []
    assert channel.ended


def test_a_closed_channel_is_over(ends: Ends) -> None:
    """After `close` there is no descriptor, nothing comes, and nobody fails."""
    channel = ends.channel
    channel.close()
    channel.send(1, b"x")

    assert ends.its.recv(10) == b""
    assert (channel.fileno(), channel.reports(), channel.ended) == (-1, [], True)


def test_an_outcome_is_plain_data() -> None:
    """A report is JSON in ASCII: no exception, no class, nothing that could fail in the manager."""
    sent = pack_outcome(0.5, 7, BURIED)

    assert json.loads(sent[UP.size :].decode("ascii")) == ["bury", 60.0, "DOD", {"qw:error": "é\ud800\n"}]
