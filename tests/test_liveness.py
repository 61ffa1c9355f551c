"""Who is taken for dead by somebody who keeps looking, and who is not; every time is invented."""

from __future__ import annotations

from typing import Final

import pytest

from qw.dispatcher.liveness import Liveness, Suspect

ME: Final = "web.me"
LEASE: Final = 15.0
BEAT: Final = 5.0


@pytest.fixture
def liveness() -> Liveness:
    """Return somebody who has not looked yet."""
    return Liveness(ME, LEASE)


def look(liveness: Liveness, *shown: str | None, start: float = 0.0) -> list[list[Suspect]]:
    """Look once a beat at a start that shows these; return what each look found."""
    return [
        liveness.look(start + n * BEAT, {ME: str(n), **({} if one is None else {"web.a": one})})
        for n, one in enumerate(shown)
    ]


def test_dead_after_a_lease_without_a_beat(liveness: Liveness) -> None:
    """The same beat in looks that span the lease: not one look earlier."""
    assert look(liveness, "7", "7", "7", "7") == [[], [], [], [Suspect("web.a", "7")]]


def test_any_change_is_life(liveness: Liveness) -> None:
    """A counter may go up, down or become something else: only the same again is suspicious."""
    assert look(liveness, "7", "7", "7", "8", "8", "8", "1", "x", "x 1") == [[]] * 9


def test_it_is_not_dead_itself(liveness: Liveness) -> None:
    """Its own beat may stand still as long as it likes."""
    assert [liveness.look(n * BEAT, {ME: "7"}) for n in range(9)] == [[]] * 9


def test_a_late_look_starts_all_counts_again(liveness: Liveness) -> None:
    """Who was away, or cut off, cannot tell whether others were as well."""
    look(liveness, "7", "7", "7")

    assert look(liveness, "7", "7", "7", start=40.0) == [[], [], []]
    assert look(liveness, "7", start=55.0) == [[Suspect("web.a", "7")]]


def test_an_outage_starts_all_counts_again(liveness: Liveness) -> None:
    """So does a lost connection, however short it was."""
    look(liveness, "7", "7", "7")
    liveness.forget()

    assert look(liveness, "7", "7", "7", start=15.0) == [[], [], []]


def test_who_comes_back_starts_again(liveness: Liveness) -> None:
    """A start that was gone for a look, after a FLUSHALL say, is a new one."""
    assert look(liveness, "7", "7", None, "7", "7", "7") == [[]] * 6


def test_the_mark_is_swept_at_each_look_and_forgotten_after_two_leases(liveness: Liveness) -> None:
    """One that others have struck off is swept again each time; who has seen the mark for two leases forgets it."""
    looks = look(liveness, *["struck 1"] * 7)

    assert looks == [[Suspect("web.a", "struck 1")]] * 6 + [[Suspect("web.a", "struck 1", forget=True)]]


def test_known(liveness: Liveness) -> None:
    """It remembers who was there, itself apart."""
    look(liveness, "7")

    assert liveness.known == {"web.a"}
