"""The protocol, explored in every order of its steps; and that it is found wrong without any one of its safeguards."""

from __future__ import annotations

import pytest

from tests.model.explore import explore
from tests.model.protocol import Mutant


@pytest.mark.parametrize(("faults", "letters"), [(3, False), (2, True)])
def test_nothing_goes_wrong(faults: int, letters: bool) -> None:
    """With so many faults anywhere: no job is in two places or in none, and each can still come to its end."""
    found = explore(most_faults=faults, letters=letters)

    assert (found.wrong, found.trace) == ("", ())
    assert found.states > 10_000, "it has really looked around"


@pytest.mark.parametrize(
    ("mutant", "wrong"),
    [
        ("no fence", "a job was finished that is another's now"),
        ("no sweep", "a job can never end"),
        ("one sweep", "a job was deleted that never ran"),
        ("register in two steps", "a job can never end"),
        ("claim in two steps", "a job is in 0 places"),
        ("no number", "a job was deleted that never ran"),
        ("mark unread", "a job was deleted that never ran"),
        ("letters when struck off", "a job is begun that is not there"),
        ("letters after a look", "a job is begun that is not there"),
        ("letters after registering", "a job is begun that is not there"),
    ],
)
def test_each_safeguard_is_needed(mutant: Mutant, wrong: str) -> None:
    """Without it, two faults at most are enough to do harm; the trace tells how."""
    found = explore(mutant, most_faults=2, letters=mutant.startswith("letters"))

    assert found.wrong == wrong
    assert found.trace
