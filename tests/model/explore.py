"""Breadth first through all states of the protocol."""

from __future__ import annotations

from collections import deque

import attrs

from tests.model.protocol import Mutant, State, steps, violation


@attrs.frozen
class Finding:
    """What was found: nothing wrong, or the shortest way there."""

    states: int
    transitions: int
    wrong: str
    trace: tuple[str, ...]


def explore(mutant: Mutant = "", most_faults: int = 3, *, letters: bool = True) -> Finding:
    """
    Visit every state; stop at the first that is wrong. `letters`: with jobs for one worker, which takes thrice as long.

    Then look for states from which the job can never come to an end, whoever lives on.
    """
    first = State()
    came_from: dict[State, tuple[State | None, str]] = {first: (None, "")}
    before: dict[State, list[State]] = {}
    todo, transitions = deque([first]), 0
    while todo:
        state = todo.popleft()
        wrong = violation(state)
        if wrong:
            return Finding(len(came_from), transitions, wrong, _trace(came_from, state))
        for words, following in steps(state, mutant, most_faults, letters=letters):
            transitions += 1
            before.setdefault(following, []).append(state)
            if following not in came_from:
                came_from[following] = (state, words)
                todo.append(following)
    stuck = _without_an_end(came_from, before)
    if stuck is not None:
        return Finding(len(came_from), transitions, "a job can never end", _trace(came_from, stuck))
    return Finding(len(came_from), transitions, "", ())


def _without_an_end(came_from: dict[State, tuple[State | None, str]], before: dict[State, list[State]]) -> State | None:
    """Return the first state from which no state can be reached in which all jobs are finished or buried."""
    good = {state for state in came_from if not state.alive or state.buried}
    todo = list(good)
    while todo:
        for state in before.get(todo.pop(), ()):
            if state not in good:
                good.add(state)
                todo.append(state)
    return next((state for state in came_from if state not in good), None)


def _trace(came_from: dict[State, tuple[State | None, str]], state: State) -> tuple[str, ...]:
    words: list[str] = []
    at: State | None = state
    while at is not None:
        at, word = came_from[at]
        words.append(word)
    return tuple(reversed(words[:-1]))
