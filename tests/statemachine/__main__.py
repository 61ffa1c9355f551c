"""
Let Hypothesis drive managers, producers and foreign programs on a real Redis: `python -m tests.statemachine`.

    python -m tests.statemachine [--examples N] [--steps N] [--seed N] [--redis-server PATH]

Each example is up to so many steps on an empty Redis, in an order that the seed decides (drawn and told when it is left
out), and then the drain. After each step Redis is compared with what ought to be there. For one that fails the shortest
way there is printed; exit code 1 then.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
import traceback
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence

from tests.statemachine.run import explore
from tests.support.server import RedisServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, run the examples, print how it went, return the exit code."""
    parser = argparse.ArgumentParser("tests.statemachine", None, __doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1000, help="how many runs")
    parser.add_argument("--steps", type=int, default=50, help="how many steps each has at most")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="which steps")
    parser.add_argument("--redis-server", help="which server to start")
    options = parser.parse_args(arguments)
    # The client would tell of each id that makes no job.
    logging.disable(logging.WARNING)
    began = time.monotonic()
    what = f"{options.examples} examples of up to {options.steps} steps, seed {options.seed}"
    with RedisServer(options.redis_server) as server:
        try:
            explore(server.unix_url, options.examples, options.steps, options.seed)
        except AssertionError as error:
            traceback.print_exception(error)
            print(f"{what}: WRONG after {time.monotonic() - began:.0f} s")
            return 1
    print(f"{what}: all right in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
