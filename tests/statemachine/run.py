"""All rules as one machine, and a run of it."""

from __future__ import annotations

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.statemachine.failing import Failing
from tests.statemachine.producing import Producing
from tests.statemachine.working import Working


class Everything(Producing, Working, Failing):
    """All that may happen."""


def explore(url: str, examples: int, steps: int, seed: int | None = None, *, shrinks: bool = True) -> None:
    """
    Run so many examples of so many steps on an empty Redis; raises what the first one that fails raises.

    Its steps are told with the error; `shrinks` says that the shortest ones are looked for. Without a seed they follow
    from Hypothesis's profile.
    """
    machine = type("Machine", (Everything,), {"url": url})
    if seed is not None:
        machine = hypothesis.seed(seed)(machine)
    bounds = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        # Else an example that failed before came first, whatever the seed.
        database=None,
        # Not `explain`, which traces each line of Python, and takes three times as long.
        phases=[Phase.generate, *[Phase.shrink] * shrinks],
        report_multiple_bugs=False,
        # A rule is passed over while there is nothing for it to do: that is no defect of it.
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(machine, settings=bounds)
