"""Errors that Redis replies with, as the classes that redis-py has for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeGuard

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


def code_of(error: RedisError) -> str:
    """Return the code that an error of Redis starts with, such as READONLY; '' when it has none."""
    found = _CODE.match(str(error))
    return found[1] if found else ""


def is_read_only(reply: object) -> TypeGuard[ResponseError]:
    """Tell whether Redis has refused to write, since it is a replica."""
    return isinstance(reply, ResponseError) and code_of(reply) == "READONLY"


def classified(reply: object) -> object:
    """Return a reply, an error among them in redis-py's class for it."""
    if not isinstance(reply, ResponseError):
        return reply
    found = _CLASSES.get(code_of(reply))
    return found(str(reply)) if found else reply


def checked(reply: object) -> object:
    """Return a reply, or raise it when it is an error."""
    if isinstance(reply, RedisError):
        raise reply
    return reply
