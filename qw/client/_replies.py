"""Errors that Redis replies with, as the classes that redis-py has for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

# The word that an error starts with. Redis 6.2 puts the place in front of one that comes out of a script.
_CODE: Final = re.compile(r"(?:.*@user_script: ?\d+: -)?([A-Z]+) ")

#: By that word; any other is a `ResponseError`.
_CLASSES: Final[Mapping[str, type[RedisError]]] = {
    "CLUSTERDOWN": ClusterDownError,
    "LOADING": BusyLoadingError,
    "MASTERDOWN": MasterDownError,
    "NOAUTH": AuthenticationError,
    "NOPERM": NoPermissionError,
    "NOSCRIPT": NoScriptError,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
    "TRYAGAIN": TryAgainError,
    "WRONGPASS": AuthenticationError,
}


def classified(reply: object) -> object:
    """Return a reply, an error among them in redis-py's class for it."""
    if not isinstance(reply, ResponseError):
        return reply
    text = str(reply)
    code = _CODE.match(text)
    found = _CLASSES.get(code[1]) if code else None
    return found(text) if found else reply


def checked(reply: object) -> object:
    """Return a reply, or raise it when it is an error."""
    if isinstance(reply, RedisError):
        raise reply
    return reply
