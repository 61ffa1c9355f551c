"""What a target can ask about the job that it runs."""

from __future__ import annotations

import asyncio
import contextvars
import threading

from qw.job import CurrentJob, current_job, enter_job, leave_job


def test_known_while_it_runs() -> None:
    """Known meanwhile, and in a copy of that context; not before, after, or in another thread."""
    seen: list[CurrentJob | LookupError] = []

    def look() -> None:
        try:
            seen.append(current_job())
        except LookupError as error:
            seen.append(error)

    before = enter_job("a", 2, "web.x.1")
    context = contextvars.copy_context()
    for target in (look, lambda: context.run(look)):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()
    look()
    leave_job(before)
    look()

    job = CurrentJob("a", 2, "web.x.1")
    assert [type(one) for one in seen] == [LookupError, CurrentJob, CurrentJob, LookupError]
    assert seen[1:3] == [job, job]


def test_each_task_its_own() -> None:
    """Tasks that take turns do not see each other's jobs."""

    async def target(name: str) -> str:
        enter_job(name, 1, "w")
        await asyncio.sleep(0)
        return current_job().id

    async def both() -> list[str]:
        return list(await asyncio.gather(target("a"), target("b")))

    assert asyncio.run(both()) == ["a", "b"]
