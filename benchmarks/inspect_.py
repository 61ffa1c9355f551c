"""Looking: who waits and who has what, with many managers and workers, and in one long list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeAlias

import attrs
import redis

from benchmarks.measure import Comparison, Contender, Measured, Stopwatch, rates
from benchmarks.plain import PlainClient
from benchmarks.setting import Benchmark, Setting

MANAGERS = 32
#: Of each manager.
WORKERS = 8
#: In the list of each worker, and of each manager.
IDS = 10

#: One look takes about as long as queueing so many jobs, plainly.
JOBS_A_LOOK = 200
#: Ids in the long list, for each job of `--jobs`.
LONG = 25

Look: TypeAlias = Callable[[], Iterable[object]]


@attrs.frozen
class Scene:
    """Something to look at: how it is made, and how many ids are to be seen."""

    title: str
    make: Callable[[redis.Redis], None]
    ids: int


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield three: what workers have, what waits for managers, and one long list."""
    client, plain = setting.server.client(), PlainClient(setting.server.url)
    long = setting.jobs * LONG
    workers = Scene("pending: many workers", _make_fleet, MANAGERS * WORKERS * IDS)
    managers = Scene("queued: many managers", _make_fleet, MANAGERS * IDS)
    one_list = Scene("queued: one long list", partial(_make_list, long), long)
    for scene, theirs, ours, name in (
        (workers, plain.pending, client.get_all_pending_jobs, "`get_all_pending_jobs`"),
        (managers, plain.queued, client.get_all_queued_jobs, "`get_all_queued_jobs`"),
        (one_list, plain.queued, client.get_all_queued_jobs, "`get_all_queued_jobs`"),
    ):
        looks = max(1, setting.jobs // JOBS_A_LOOK)
        yield Comparison(
            "looks",
            [
                Contender("plain design", looks, partial(_measured, setting, scene, theirs)),
                Contender(name, looks, partial(_measured, setting, scene, ours)),
            ],
        )


def _measured(setting: Setting, scene: Scene, look: Look, looks: int) -> Measured:
    setting.server.flush()
    with setting.server.redis() as bare:
        scene.make(bare)
    with Stopwatch(setting.server.cpu) as watch:
        seen = [sum(1 for _ in look()) for _ in range(looks)]
    if set(seen) != {scene.ids}:
        raise RuntimeError(f"{scene.title}: {set(seen)} ids were seen where {scene.ids} are")
    return rates("looks", looks, {scene.title: watch.lap})


def _make_fleet(client: redis.Redis) -> None:
    pipeline = client.pipeline(transaction=False)
    for manager in (f"host-{number}" for number in range(MANAGERS)):
        pipeline.sadd("all:managers", manager)
        pipeline.lpush(f"{manager}:jobs", *_ids(manager, IDS))
        for worker in (f"{manager}.{pid}" for pid in range(WORKERS)):
            pipeline.sadd(f"{manager}:workers", worker)
            pipeline.lpush(f"{worker}:jobs", *_ids(worker, IDS))
    pipeline.execute()


def _make_list(length: int, client: redis.Redis) -> None:
    client.lpush("all:jobs", *_ids("waiting", length))


def _ids(of: str, count: int) -> list[str]:
    """Return ids of the length that uuids have."""
    return [f"{of}-{number}".rjust(36, "0") for number in range(count)]


BENCHMARK = Benchmark(
    "inspect",
    "look at who waits and who has what",
    {
        "fleet": f"{MANAGERS} managers of {WORKERS} workers, {IDS} ids in the list of each manager and worker",
        "long list": f"{LONG} ids for each job of --jobs; the plain design reads it in one piece, qw by the thousand",
    },
    comparisons,
)
