"""
Explore the protocol: `python -m tests.model [--faults=<n>] [--mutant=<name>]`.

Prints how many states there are, and for one that is wrong the shortest way there. Exit code 1 then.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import get_args

from tests.model.explore import explore
from tests.model.protocol import Mutant


def main() -> int:
    """Read the arguments, explore, print what was found, return the exit code."""
    parser = argparse.ArgumentParser("python -m tests.model", description=__doc__)
    parser.add_argument("--faults", type=int, default=3, help="how many faults there may be")
    parser.add_argument("--mutant", default="", choices=get_args(Mutant), help="which safeguard is left out")
    options = parser.parse_args()
    began = time.monotonic()
    found = explore(options.mutant, options.faults)
    seconds = time.monotonic() - began
    print(
        f"{found.states:,} states, {found.transitions:,} transitions in {seconds:.1f} s: {found.wrong or 'all right'}"
    )
    for number, words in enumerate(found.trace, 1):
        print(f"{number:3}. {words}")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
