"""Managers that cannot start: each says why in one line, and leaves nothing."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from qw.errors import (
    BadName,
    QwError,
    RedisRefused,
    RedisTooOld,
    RedisUnavailable,
    TargetNotFound,
    UsageError,
)
from qw.manager import Manager
from tests.conftest import Mode
from tests.support import targets
from tests.support.keyspace import snapshot
from tests.support.managers import threads
from tests.support.old import old_redis
from tests.support.server import MakeServer


class TestFailingStart:
    """What cannot run says so, and leaves nothing: neither keys nor threads nor processes."""

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"target": "tests.support.targets:sucseed"}, TargetNotFound),
            ({"name": "two words"}, BadName),
            ({"name": "all"}, BadName),
            ({"num_workers": 0}, UsageError),
            ({"mode": "fibers"}, UsageError),
        ],
    )
    def test_for_a_wrong_argument(
        self, plain: redis.Redis, redis_url: str, mode: Mode, options: dict[str, Any], error: type[QwError]
    ) -> None:
        """A target that is not there and values that cannot be are refused."""
        before = threads()

        with pytest.raises(error):
            Manager(**{"target": targets.succeed, "url": redis_url, "mode": mode, **options}).start()

        assert threads() <= before
        assert snapshot(plain) == {}

    def test_without_redis(self, make_server: MakeServer, mode: Mode) -> None:
        """A Redis that is not there is reported at once; the same manager can be started when it is."""
        server = make_server()
        before = threads()
        manager = Manager(targets.succeed, port=server.port, mode=mode)
        server.stop()

        with pytest.raises(RedisUnavailable, match="does not answer"):
            manager.start()

        assert threads() <= before
        server.start()
        with manager:
            assert manager.workers

    def test_with_a_wrong_password(self, make_server: MakeServer, mode: Mode) -> None:
        """A Redis that lets us not in is told apart, and the password is not shown."""
        server = make_server(password="sesame")
        url = server.url.replace("sesame", "simsalabim")

        with pytest.raises(RedisRefused) as refused:
            Manager(targets.succeed, url=url, mode=mode).start()

        assert "simsalabim" not in str(refused.value)

    def test_with_a_redis_too_old(self, mode: Mode) -> None:
        """It says which version it found and which it needs."""
        with old_redis() as port, pytest.raises(RedisTooOld, match=r"6\.0\.9.* 6\.2"):
            Manager(targets.succeed, "127.0.0.1", port, mode=mode).start()
