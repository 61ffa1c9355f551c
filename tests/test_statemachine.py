"""Managers, producers and foreign programs on a real Redis, in any order: what it holds is what it ought to hold."""

from __future__ import annotations

import hashlib

import pytest

from qw.scripts import Script, dispatcher
from tests.statemachine.run import explore
from tests.support.server import RedisServer


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_redis_holds_what_it_ought_to(redis_server: RedisServer) -> None:
    """After each step: each job in one place, the one that is right, in its order; and at the end nothing is left."""
    explore(redis_server.unix_url, examples=150, steps=40)


def without(script: Script, safeguard: str, instead: str) -> Script:
    """Return a script that does something else in the place of a safeguard."""
    assert safeguard.encode() in script.source
    source = script.source.replace(safeguard.encode(), instead.encode(), 1)
    return Script(script.name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest(), script.num_keys)


#: Safeguard → the script it is in, its text there, and what stands in its place.
BREAKS = {
    "no number": ("EXCHANGE", "plan.number == applied", "false"),
    "no fence": ("EXCHANGE", "if type(redis.pcall('LPOS', list, ids[i])) == 'number' then", "if true then"),
    "wrong end": ("EXCHANGE", "redis.pcall('RPUSH', queue_of(id), id)", "redis.pcall('LPUSH', queue_of(id), id)"),
    "mark unread": ("EXCHANGE", "if is_struck(beat) then", "if false then"),
    "no sweep": ("RESCUE", "if left > 0 then sweep(list, names[i]) end", ""),
    "due twice": ("DUE", "if settle(ids[i]) then redis.call('ZREM', scheduled, ids[i])", "if settle(ids[i]) then"),
}


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(("script", "safeguard", "instead"), BREAKS.values(), ids=BREAKS)
def test_each_safeguard_is_needed(
    script: str, safeguard: str, instead: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, the same rules find the harm: so they can."""
    monkeypatch.setattr(dispatcher, script, without(getattr(dispatcher, script), safeguard, instead))

    with pytest.raises(AssertionError):
        explore(redis_server.unix_url, examples=500, steps=40, shrinks=False)
