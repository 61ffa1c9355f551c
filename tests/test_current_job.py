"""What a target can ask about the job that it runs."""

from __future__ import annotations

import asyncio
import contextvars
import threading

from qw.job import CurrentJob, current_job, running


def test_known_inside_the_block() -> None:
    """Known in the block, and in a copy of its context; not before, after, or in another thread."""
    seen: list[CurrentJob | LookupError] = []

    def look() -> None:
        try:
            seen.append(current_job())
        except LookupError as error:
            seen.append(error)

    with running("a", 2, "web.x.1"):
        context = contextvars.copy_context()
        for target in (look, lambda: context.run(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        look()
    look()

    job = CurrentJob("a", 2, "web.x.1")
    assert [type(one) for one in seen] == [LookupError, CurrentJob, CurrentJob, LookupError]
    assert seen[1:3] == [job, job]


def test_each_task_its_own() -> None:
    """Tasks that take turns do not see each other's jobs."""

    async def target(name: str) -> str:
        with running(name, 1, "w"):
            await asyncio.sleep(0)
            return current_job().id

    async def both() -> list[str]:
        return list(await asyncio.gather(target("a"), target("b")))

    assert asyncio.run(both()) == ["a", "b"]
