"""Tickets: each goes to exactly one of the two who want it, also when one of them is killed."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Final

import pytest

from qw.slots.tickets import Tickets
from tests.support.wait import wait_until

#: Rounds in which both got some: those in which one came too late do not count.
MEETINGS: Final = 30
#: So many that taking them all lasts longer than one of the two may have to wait for a processor.
MANY: Final = 5000
SPAWN: Final = multiprocessing.get_context("spawn")


@pytest.fixture
def tickets() -> Iterator[Tickets]:
    """Return the tickets of one slot."""
    made = Tickets()
    yield made
    made.close()


def take(end: Connection) -> int | None:
    """Take one ticket as a slot does; None when there is none."""
    try:
        return os.read(end.fileno(), 1)[0]
    except BlockingIOError:
        return None


def take_all(end: Connection) -> list[int]:
    """Take tickets until there are none."""
    return list(iter(lambda: take(end), None))


def test_nothing_was_issued(tickets: Tickets) -> None:
    """Without tickets there is nothing to take, to take back, or to count."""
    assert take(tickets.out) is None
    assert tickets.take_back() == 0
    assert tickets.taken() == 0


def test_a_ticket_for_each_job(tickets: Tickets) -> None:
    """As many tickets as jobs, each with the generation of its batch, in the order of the batches."""
    first, second = tickets.issue(3), tickets.issue(2)

    assert first != second
    assert take_all(tickets.out) == [first, first, first, second, second]


def test_counts_what_was_taken(tickets: Tickets) -> None:
    """The count is of all that was ever taken by the slot; what was taken back never counts."""
    tickets.issue(3)
    take(tickets.out)
    assert tickets.taken() == 1
    assert tickets.take_back() == 2
    assert tickets.taken() == 1
    assert tickets.take_back() == 0

    tickets.issue(4)
    take(tickets.out)
    take(tickets.out)
    assert tickets.taken() == 3
    assert tickets.take_back() == 2
    assert tickets.taken() == 3


def test_taken_back_is_gone(tickets: Tickets) -> None:
    """What was taken back cannot be taken any more, and the next batch can be told from it."""
    before = tickets.issue(5)
    assert tickets.take_back() == 5
    assert take(tickets.out) is None

    after = tickets.issue(1)
    assert after != before
    assert take_all(tickets.out) == [after]


def test_generations_go_round(tickets: Tickets) -> None:
    """A generation is one byte, and no two of 256 in a row are the same."""
    generations = [tickets.issue(1) for _ in range(256)]

    assert sorted(generations) == list(range(256))
    assert take_all(tickets.out) == generations
    assert tickets.issue(1) == generations[0]


def test_a_thousand_at_a_time(tickets: Tickets) -> None:
    """As many as one exchange may bring are issued, counted and taken back at once."""
    tickets.issue(1000)
    taken = [take(tickets.out) for _ in range(10)]

    assert len(set(taken)) == 1
    assert tickets.taken() == 10
    assert tickets.take_back() == 990


def test_made_to_block(tickets: Tickets) -> None:
    """A target that makes all that it finds block does not make whoever takes tickets back wait for some."""
    tickets.issue(3)
    os.set_blocking(tickets.out.fileno(), True)

    assert tickets.take_back() == 3
    assert tickets.take_back() == 0


def test_more_than_a_pipe_holds(tickets: Tickets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tickets that are not there would count as jobs that were started: it is an error, and so is a small pipe."""
    with pytest.raises(RuntimeError, match="did not take 1000000 tickets"):
        tickets.issue(1_000_000)

    monkeypatch.setattr("qw.slots.tickets.MOST", 1 << 30)
    with pytest.raises(OSError, match="only pipes of a page left"):
        Tickets()


def race(tickets: Tickets, pipe: Connection) -> None:
    """Take back, in each round, what a slot at the other end of the pipe is taking; count every ticket."""
    chance = random.Random(1)
    taken = both = 0
    while both < MEETINGS:
        tickets.issue(MANY)
        pipe.send_bytes(b"go")
        low = taken + chance.randrange(1, MANY // 2)
        while tickets.taken() < low:  # no pause: the two are to meet
            pass
        mine = tickets.take_back()
        pipe.send_bytes(b"stop")
        its = pipe.recv()
        taken += its
        both += bool(mine and its)

        assert mine + its == MANY
        assert tickets.taken() == taken


def take_by_word(end: Connection, pipe: Connection) -> None:
    """Take tickets from the word "go" on until there is the next word; say how many. Any other word ends it."""
    while pipe.recv_bytes() == b"go":
        got = 0
        while not pipe.poll():
            got += take(end) is not None
        pipe.recv_bytes()
        pipe.send(got + len(take_all(end)))


def test_two_threads_want_them(tickets: Tickets) -> None:
    """A thread and the dispatcher take at the same time, many times: together they have each ticket once."""
    mine, its = SPAWN.Pipe()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # else a thread has taken all before the other one comes to look
    thread = threading.Thread(target=take_by_word, args=(tickets.out, its))
    thread.start()
    try:
        race(tickets, mine)
    finally:
        sys.setswitchinterval(usual)
        mine.send_bytes(b"end")
        thread.join()
        mine.close()
        its.close()


@pytest.fixture
def slot(tickets: Tickets) -> Iterator[tuple[multiprocessing.process.BaseProcess, Connection]]:
    """Return a process that takes tickets, and the pipe to it."""
    mine, its = SPAWN.Pipe()
    process = SPAWN.Process(target=take_by_word, args=(tickets.out, its), daemon=True)
    process.start()
    its.close()
    yield process, mine
    process.kill()
    process.join()
    process.close()
    mine.close()


def test_two_processes_want_them(
    tickets: Tickets, slot: tuple[multiprocessing.process.BaseProcess, Connection]
) -> None:
    """A process and the dispatcher take at the same time, many times: together they have each ticket once."""
    race(tickets, slot[1])


def test_a_killed_process_keeps_none(
    tickets: Tickets, slot: tuple[multiprocessing.process.BaseProcess, Connection]
) -> None:
    """What a killed slot has not read is there to be taken back, and what it has read is known."""
    process, pipe = slot
    pipe.send_bytes(b"go")
    tickets.issue(5)
    wait_until(lambda: tickets.taken() == 5)
    process.kill()
    process.join()
    tickets.issue(3)

    assert tickets.taken() == 5
    assert tickets.take_back() == 3
    assert tickets.taken() == 5
