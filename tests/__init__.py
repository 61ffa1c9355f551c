"""The tests of qw; `python3 -m tests` runs all of them."""

from __future__ import annotations
