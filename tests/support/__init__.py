"""What tests are made with: a Redis of their own, waiting, looking at all keys, and targets to run."""

from __future__ import annotations
