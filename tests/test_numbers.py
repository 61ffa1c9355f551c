"""Numbers as programs give them that nobody checks with mypy: what cannot be is refused where it is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import redis

from qw.client import Client
from qw.errors import UsageError
from qw.job import Options
from qw.manager import Manager
from qw.units import LONGEST, is_number, is_time, is_whole
from tests.support import targets
from tests.support.managers import threads
from tests.support.names import shown
from tests.support.wait import wait_until

#: What is no number of seconds anywhere.
NONE_AT_ALL = [math.nan, Decimal(5), Fraction(5), "5", True, -1]
#: What no timer can be set to.
TOO_LONG = [math.inf, 1e12, 10**400]
#: What is no number of things.
NO_COUNT = [0, -1, 1.5, math.nan, math.inf, Decimal(5), "5", True]


def test_what_is_a_number() -> None:
    """No bool, no NaN, and nothing that only behaves like one."""
    assert [*map(is_number, (0, -1.5, math.inf, 10**400))] == [True] * 4
    assert [*map(is_number, (None, math.nan, True, "1", Decimal(1), Fraction(1)))] == [False] * 6
    assert [*map(is_time, (1e-9, 5, LONGEST))] == [True] * 3
    assert [*map(is_time, (None, 0, LONGEST * 2, *NONE_AT_ALL, *TOO_LONG))] == [False] * 12
    assert (is_whole(3, 3), is_whole(2, 3), is_whole(10**400, 0)) == (True, False, True)
    assert not any(is_whole(value, 0) for value in (None, 1.0, math.nan, math.inf, True, "1"))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("num_workers", NO_COUNT),
        ("grace", [*NONE_AT_ALL, None]),
        ("lease", [*NONE_AT_ALL, *TOO_LONG, None, 0.5]),
        ("retries", [*NO_COUNT[1:], None]),
        ("timeout", [*NONE_AT_ALL, *TOO_LONG, 0]),
        ("max_jobs", NO_COUNT),
        ("max_memory", NO_COUNT),
        ("keep_dead", [*NO_COUNT, None]),
        ("keep_dead_for", [*NONE_AT_ALL, *TOO_LONG, 0, None]),
        ("start_method", ["thread", 5]),
    ],
)
def test_of_a_manager(name: str, values: list[Any]) -> None:
    """They are refused by name when it is made, not hours later."""
    for value in values:
        with pytest.raises(UsageError, match=f"^{name} "):
            Manager(targets.succeed, **{name: value})


@pytest.mark.parametrize("grace", [math.nan, -1, "5"], ids=shown)
def test_of_its_end(redis_url: str, grace: Any) -> None:
    """It goes on when it is told to end in no time that there is; and however long one may last."""
    before = threads()
    manager = Manager(targets.succeed, url=redis_url, num_workers=1, mode="threads", grace=math.inf)
    manager.start()
    with pytest.raises(UsageError, match=r"^grace "):
        manager.stop(grace)

    assert manager.is_started
    manager.stop()
    wait_until(
        lambda: threads() <= before, why="its threads to end: a slot says that it has ended before its thread has"
    )


@pytest.mark.parametrize("name", ["result_ttl", "timeout", "backoff", "backoff_cap"])
def test_of_a_type_of_jobs(name: str) -> None:
    """They are told by name when the class is made; they go to Redis and to timers of the system."""
    options: dict[str, Any] = {name: LONGEST}
    assert getattr(Options(**options), name) == LONGEST
    for value in (*NONE_AT_ALL, *TOO_LONG):
        options[name] = value
        with pytest.raises(UsageError, match=rf"^Options\({name}="):
            Options(**options)


@pytest.mark.parametrize(
    ("name", "values"), [("patience", [*NONE_AT_ALL, None]), ("max_payload", [*NO_COUNT, None])], ids=["time", "bytes"]
)
def test_of_a_client(name: str, values: list[Any]) -> None:
    """A patience of NaN would have no end, and no job would be larger than it."""
    for value in values:
        with pytest.raises(UsageError, match=f"^{name} "):
            Client(**{name: value})


@pytest.mark.parametrize(
    ("call", "values"),
    [
        pytest.param(lambda client, value: client.wait_job("a", value), NONE_AT_ALL, id="wait_job"),
        pytest.param(lambda client, value: client.fetch_next_job("m", "w", value), NONE_AT_ALL, id="fetch_next_job"),
        pytest.param(lambda client, value: client.fetch_jobs("m", "w", value), NO_COUNT, id="fetch_jobs"),
    ],
)
def test_of_a_call(
    client: Client, plain: redis.Redis, call: Callable[[Client, Any], object], values: list[Any]
) -> None:
    """Nothing is asked of Redis."""
    plain.lpush("all:jobs", "a")
    plain.hset("job:a", "n", "1")
    for value in values:
        with pytest.raises(UsageError, match=r"^(timeout|count) "):
            call(client, value)

    assert plain.lrange("all:jobs", 0, -1) == [b"a"]
