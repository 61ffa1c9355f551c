"""Where a command finds its Redis: a host and port, a URL, or a private server that is started when need be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import attrs

from qw.commands.arguments import Arguments
from qw.commands.running import complain
from qw.errors import RedisRefused, RedisTooOld, RedisUnavailable, UsageError
from qw.keys import check_name
from qw.logs import redact

if TYPE_CHECKING:
    from qw.client import Client

_WHERE = ("--host", "--port", "--db")


@attrs.frozen
class Place:
    """A Redis, and the namespace in it."""

    host: str
    port: int
    db: int
    #: Takes the place of host, port and db.
    url: str | None
    namespace: str | None
    embedded: bool = False

    @property
    def shown(self) -> str:
        """The place as a URL, without what is secret in it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return redact(self.url or f"redis://{host}:{self.port}/{self.db}")

    def client(self) -> Client:
        """Return a client of a Redis that answers; raises `RedisUnavailable` and its kinds."""
        from qw.client import Client  # it imports redis, which --help and a mistyped option do without
        from qw.client.reach import check

        if self.url is None:
            client = Client(self.host, self.port, self.db, namespace=self.namespace)
        else:
            client = Client.from_url(self.url, namespace=self.namespace)
        check(client.connection_pool, scripts=False)
        return client


def check_url(url: str) -> None:
    """
    Raise `UsageError` for a URL that redis-py does not take.

    What redis-py says of it is not shown: it may quote a piece of a password.
    """
    from redis import ConnectionPool

    try:
        ConnectionPool.from_url(url).make_connection()
        parts = urlsplit(url)
    except (ValueError, TypeError, AttributeError):
        raise UsageError(
            f"{redact(url)} is not the URL of a Redis: redis://, rediss:// or unix://, and in a user's name or a "
            "password each of @ : / ? # % as its percent code"
        ) from None
    # redis-py takes what is no number for database 0.
    if parts.scheme in ("redis", "rediss") and not re.fullmatch(r"[/0-9]*", unquote(parts.path), re.ASCII):
        raise UsageError(f"{redact(url)}: the database, behind the last /, is a number")


@contextmanager
def reaching(arguments: Arguments) -> Iterator[Place]:
    """
    Find the place that the command line and QW_URL name, and have a private server run meanwhile for `--embedded`.

    An error of Redis's inside comes out as one of qw's that says where that Redis is.
    """
    namespace = arguments.text("--namespace")
    if namespace is not None:
        check_name(namespace, "namespace")
    if not arguments.given("--embedded"):
        place = _named(arguments)
        with _explained(place):
            yield place
        return
    from qw.embedded import open_embedded

    _refuse_together(arguments, "--embedded", ("--url", *_WHERE))
    with open_embedded(arguments.text("--state")) as server:
        complain(f"embedded Redis {server.version}: look inside with {server.look_inside}")
        place = Place("", 0, 0, server.url, arguments.text("--namespace"), embedded=True)
        with _explained(place):
            yield place


def _named(arguments: Arguments) -> Place:
    if arguments.given("--state"):
        raise UsageError("--state is the directory of an embedded Redis: say --embedded as well")
    url = arguments.text("--url")
    if url is not None:
        _refuse_together(arguments, "--url", _WHERE)
    elif not any(map(arguments.given, _WHERE)):
        url = os.environ.get("QW_URL") or None
    if url is not None:
        check_url(url)
    port, db = arguments.whole("--port", 1, 65535), arguments.whole("--db", 0, 999_999_999)
    return Place(arguments.word("--host"), port or 0, db or 0, url, arguments.text("--namespace"))


def _refuse_together(arguments: Arguments, one: str, others: tuple[str, ...]) -> None:
    """Raise `UsageError` where two options name two places: guessing could queue jobs in the wrong one."""
    both = [name for name in others if arguments.given(name)]
    if both:
        raise UsageError(f"{one} says where Redis is: leave out {' and '.join(both)}")


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    """Let errors of redis-py out as those of qw, and both with the place and what to do."""
    try:
        yield
    except _refusals() as error:
        raise RedisRefused(_refused(place, str(error))) from error
    except _absences() as error:
        raise RedisUnavailable(_absent(place, str(error))) from error
    except RedisRefused as error:
        raise RedisRefused(_refused(place, error.message)) from error
    except RedisTooOld as error:
        raise RedisTooOld(f"{place.shown}: {error.message}, or let qw have one of its own with --embedded") from error
    except RedisUnavailable as error:
        raise RedisUnavailable(_absent(place, error.message)) from error


# These are called only when there is an error: redis-py is not imported before it is needed.


def _refusals() -> tuple[type[Exception], ...]:
    from redis import exceptions

    return exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError


def _absences() -> tuple[type[Exception], ...]:
    from redis import exceptions

    return exceptions.ConnectionError, exceptions.TimeoutError


def _refused(place: Place, why: str) -> str:
    return f"{place.shown}: {why.rstrip('.')}: give user and password in QW_URL=redis://<user>:<password>@<host>:<port>/<db>"


def _absent(place: Place, why: str) -> str:
    if place.embedded:
        return f"{place.shown}: {why}"
    if "DB index" in why:
        return f"{place.shown}: this Redis has no database of that number: use a lower one, or raise its `databases`"
    port = f" --port {place.port}" if place.url is None and place.port != 6379 else ""
    return f"{place.shown}: {why.rstrip('.')}: start one with `redis-server{port}`, or use qw's own with --embedded"
