"""The frames between a dispatcher and a process slot: cut anywhere, mixed, large, and of a slot that dies."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qw.slots import Outcome, Report
from qw.slots.channel import BUFFER, DOWN, READY, Channel, pack_report, pair
from tests.support.wait import wait_until

Ends: TypeAlias = tuple[Channel, socket.socket]

#: Times whose four bytes look like the beginnings of frames.
TRAPS: Final = [struct.unpack("<f", raw)[0] for raw in (b"DDDD", b"OOOO", b"DODO", b"\0\0\0D", b"RRRR")]

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


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Return a dispatcher's channel, and the socket that its slot has; the slot is ready."""
    mine, its = pair()
    channel = Channel(mine)
    its.sendall(READY)
    channel.reports()
    yield channel, its
    channel.close()
    its.close()


def stream(reports: Sequence[Report]) -> bytes:
    """Return reports as a slot writes them."""
    return b"".join(pack_report(*report) for report in reports)


def read(pieces: Sequence[bytes]) -> list[Report]:
    """Let a slot write piece by piece, and return what its dispatcher reads after each."""
    mine, its = pair()
    channel = Channel(mine)
    try:
        out = []
        for piece in pieces:
            its.sendall(piece)
            out += channel.reports()
        return out
    finally:
        channel.close()
        its.close()


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
    channel, _ = ends

    assert channel.reports() == []
    assert channel.ready
    assert not channel.ended


def test_says_when_the_slot_is_ready() -> None:
    """A slot that is not born yet has said nothing; its first word is no report."""
    mine, its = pair()
    with mine, its:
        channel = Channel(mine)
        assert (channel.reports(), channel.ready) == ([], False)

        its.sendall(READY)
        assert (channel.reports(), channel.ready) == ([], True)


@pytest.mark.parametrize("at", range(len(READY + stream(MIXED)) + 1))
def test_frames_cut_at_every_byte(at: int) -> None:
    """Wherever what arrives first ends: what is whole comes out at once, and the rest with the rest."""
    sent = READY + stream(MIXED)
    whole = [n for n in range(len(MIXED)) if len(READY + stream(MIXED[: n + 1])) <= at]

    assert read([sent[:at]]) == MIXED[: len(whole)]
    assert read([sent[:at], sent[at:]]) == MIXED


def test_frames_byte_by_byte() -> None:
    """Every report comes out, however slowly it arrives."""
    assert read([bytes((byte,)) for byte in READY + stream(MIXED)]) == MIXED


@given(REPORTS, st.lists(st.integers(0, 1000), max_size=5))
@example(MIXED * 5, [])
def test_any_reports_in_any_pieces(reports: list[Report], places: list[int]) -> None:
    """Runs of jobs that left nothing, with results and failures of any text among them, arrive as they were sent."""
    sent = READY + stream(reports)
    cuts = sorted(min(place, len(sent)) for place in places)

    assert read([sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]) == reports


@pytest.mark.parametrize("before", [0, 1, 4095, 4096, 4097, 9000])
def test_long_runs(before: int, ends: Ends) -> None:
    """Thousands of jobs that left nothing, and a failure after them, come out in one go."""
    channel, its = ends
    reports: list[Report] = [*[(0.5, None)] * before, (1.0, BURIED), *[(0.25, None)] * 10]
    its.sendall(stream(reports))

    assert channel.reports() == reports


@pytest.mark.parametrize("size", [65536 - 9, 65536, 300_000, 5_000_000])
def test_large_outcomes(size: int, ends: Ends) -> None:
    """A result larger than all buffers between the two arrives whole, with what comes after it."""
    channel, its = ends
    reports: list[Report] = [(0.5, None), (1.0, Outcome("result", 60.0, "x" * size)), (0.25, None)]
    slot = threading.Thread(target=its.sendall, args=(stream(reports),))
    slot.start()

    assert all_of(channel, 3) == reports
    slot.join()


def test_what_a_dead_slot_wrote_is_read_to_the_end(ends: Ends) -> None:
    """Death is seen only after the last report, be it of several buffers' size."""
    channel, its = ends
    reports: list[Report] = [(0.5, Outcome("result", 60.0, "x" * 100_000)), *[(0.25, None)] * 1000]
    its.sendall(stream(reports))
    its.close()

    assert channel.reports() == reports
    assert channel.reports() == []
    assert channel.ended


def test_a_report_that_a_dead_slot_left_unfinished_is_none(ends: Ends) -> None:
    """A slot killed while it wrote has reported only what is whole."""
    channel, its = ends
    its.sendall(stream(MIXED)[:-1])
    its.close()

    assert channel.reports() + channel.reports() == MIXED[:-1]
    assert channel.ended


@pytest.mark.parametrize(
    "noise",
    [
        b"hello, world\n",
        b"X" * 5,
        b"O" + struct.pack("<fI", 1.0, 3) + b"{]}",
        b"O" + struct.pack("<fI", 1.0, 1) + b"5",
        b"O" + struct.pack("<fI", 1.0, 7) + b"[1,2,3]",
        b"O" + struct.pack("<fI", 1.0, 2) + b"\xff\xff",
    ],
)
def test_what_a_target_writes_there_ends_the_slot(noise: bytes, ends: Ends) -> None:
    """A target that writes to whatever descriptor it finds harms its own slot: the reports before count."""
    channel, its = ends
    its.sendall(stream(MIXED) + noise)

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
    channel, its = ends
    channel.send(1, b'["a"]\n["b"]')
    channel.send(255, b'["\xff"]')

    assert not channel.wants_to_write()
    assert receive(its, 2) == [(1, b'["a"]\n["b"]'), (255, b'["\xff"]')]


def test_a_slot_that_does_not_read_holds_up_nobody(ends: Ends) -> None:
    """What the socket does not take waits, and goes in order as soon as the slot reads."""
    channel, its = ends
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
    channel, its = ends
    reports: list[Report] = [(0.5, Outcome("result", 60.0, "x" * BUFFER))] * 3

    def slot() -> None:
        its.sendall(stream(reports))
        receive(its, 3)

    thread = threading.Thread(target=slot)
    for generation in range(3):
        channel.send(generation, b"y" * BUFFER)
    thread.start()

    assert all_of(channel, 3) == reports
    thread.join()


def test_to_a_dead_slot_nothing_is_sent(ends: Ends) -> None:
    """Its death is not the sender's error, and nothing waits for it any more."""
    channel, its = ends
    channel.send(1, b"x" * 5 * BUFFER)
    assert channel.wants_to_write()
    its.close()
    channel.send(2, b"y")

    assert not channel.wants_to_write()
    assert channel.reports() == []
    assert channel.ended


def test_a_closed_channel_is_over() -> None:
    """After `close` there is no descriptor, nothing comes, and nobody fails."""
    mine, its = pair()
    channel = Channel(mine)
    channel.close()
    channel.send(1, b"x")

    assert its.recv(10) == b""
    assert (channel.fileno(), channel.reports(), channel.ended) == (-1, [], True)
    its.close()


def test_an_outcome_is_plain_data() -> None:
    """A report is JSON in ASCII: no exception, no class, nothing that could fail in the manager."""
    sent = pack_report(0.5, BURIED)

    assert json.loads(sent[9:].decode("ascii")) == ["bury", 60.0, "DOD", {"qw:error": "é\ud800\n"}]
