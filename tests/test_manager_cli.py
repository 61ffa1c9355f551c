"""`qw-manager` as a real process: how it starts, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from qw.manager.__main__ import __doc__ as interface
from tests.conftest import Mode
from tests.support.keyspace import snapshot
from tests.support.programs import ROOT, run_python
from tests.support.running import Running
from tests.support.server import MakeServer
from tests.support.targets import written
from tests.support.wait import wait_until

SEED_USAGE = (
    "  qw-manager [--level=<log-level>] [--workers=<num-workers>] [--name=<name>]"
    " [--host=<host>] [--port=<port>] [--db=<db>]"
)
SEED_OPTIONS = """\
  --help                       Show this help message
  --version                    Show version information
  -l --level=<log-level>       Set the log level (debug,info,warn,error) [default: info]
  -w --workers=<num-workers>   Set the number of workers to start, defaults to number of cpus
  -n --name=<name>             Set the manager name, defaults to hostname
  -h --host=<host>             Set the redis host to use [default: localhost]
  -p --port=<port>             Set the redis port to use [default: 6379]
  -d --db=<db>                 Set the redis db number to use [default: 0]
"""
TARGETS = "tests.support.targets"
STOPPING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


Start = Callable[..., Running]


@pytest.fixture
def start(redis_url: str) -> Iterator[Start]:
    """Return a function that starts a manager with these arguments."""
    managers: list[Running] = []

    def start_manager(*arguments: str, environment: Mapping[str, str] | None = None) -> Running:
        managers.append(Running(redis_url, *arguments, environment=environment))
        return managers[-1]

    yield start_manager
    for manager in managers:
        manager.close()


def queue(plain: redis.Redis, job_id: str, **fields: object) -> None:
    """Queue a plain job as `redis-cli` would."""
    plain.hset(f"job:{job_id}", mapping={name: str(value) for name, value in fields.items()} or {"a": "b"})
    plain.lpush("all:jobs", job_id)


def complaint(arguments: list[str], code: int, environment: Mapping[str, str] | None = None) -> str:
    """Return the one line with which a manager ended that did not start."""
    done = run_python("-m", "qw.manager", *arguments, environment=environment)
    assert done.returncode == code, done.stderr
    *before, line = done.stderr.splitlines()
    assert before == []
    assert line.startswith("qw-manager: ")
    return line.removeprefix("qw-manager: ")


def left_in(plain: redis.Redis) -> dict[str, object]:
    """Return all that is in Redis but for the counters."""
    return {key: value for key, value in snapshot(plain).items() if key != "all:stats"}


class TestInterface:
    """The command line."""

    def test_help_is_the_docstring(self) -> None:
        """What `--help` prints is what docopt reads."""
        done = run_python("-m", "qw.manager", "--help")

        assert (done.stdout, done.stderr, done.returncode) == (str(interface).strip() + "\n", "", 0)

    def test_everything_of_the_seed_is_there(self) -> None:
        """The usage of 0.1.1, and each option with its short form and its default, word for word."""
        assert SEED_OPTIONS in str(interface)
        assert f"{SEED_USAGE} [options] <target>\n" in str(interface)
        assert "  qw-manager (--help | --version)\n" in str(interface)

    @pytest.mark.parametrize("arguments", [[], ["--frob", "a.b"], ["a.b", "c.d"]], ids=" ".join)
    def test_a_wrong_usage_is_answered_with_the_right_one(self, arguments: list[str]) -> None:
        """On standard error, with exit code 2."""
        done = run_python("-m", "qw.manager", *arguments)

        assert (done.returncode, done.stdout) == (2, "")
        assert "Usage:\n  qw-manager" in done.stderr

    @pytest.mark.parametrize(
        ("option", "why"),
        [
            ("--level=loud", "--level=loud: use debug or info or warn or error"),
            ("--mode=fibres", "--mode=fibres: use processes or threads"),
            ("--log-format=xml", "--log-format=xml: use plain or json"),
            ("--workers=0", "--workers=0: use a whole number from 1 to 1024"),
            ("--workers=1025", "--workers=1025: use a whole number from 1 to 1024"),
            ("--grace=-1", "--grace='-1' is no time: use a number with ms, s, m, h or d"),
            ("--grace=nan", "--grace='nan' is no time"),
            ("--name=a:b", "manager 'a:b'"),
            ("--name=all", "manager 'all'"),
        ],
    )
    def test_a_wrong_value_is_said_in_one_line(self, option: str, why: str) -> None:
        """With what is right."""
        assert why in complaint([option, f"{TARGETS}.succeed"], 2)


class TestStart:
    """What keeps it from starting, and what it says when it has."""

    @pytest.mark.parametrize(
        ("target", "why"),
        [
            (f"{TARGETS}.sucseed", "succeed"),
            ("tests.support.nowhere:f", "nowhere"),
            (f"{TARGETS}:ROOT", f"{TARGETS}"),
        ],
        ids=["no such function", "no such module", "no function"],
    )
    def test_a_target_that_cannot_be_used(self, plain: redis.Redis, redis_url: str, target: str, why: str) -> None:
        """Exit code 3; nothing was registered."""
        assert why in complaint([target], 3, {"QW_URL": redis_url})
        assert snapshot(plain) == {}

    def test_a_target_that_fails_while_it_is_imported(self, redis_url: str, tmp_path: Path) -> None:
        """Its own traceback is shown, then one line; none of qw's own frames are."""
        (tmp_path / "broken.py").write_text("def f(job_id, job_data): ...\n\nimport json\njson.loads('no')\n")
        done = run_python(
            "-m", "qw.manager", "broken:f", environment={"QW_URL": redis_url, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
        )

        assert done.returncode == 3
        assert "json.loads('no')" in done.stderr
        assert "/qw/" not in done.stderr.replace(str(tmp_path), "")
        assert done.stderr.splitlines()[-1].startswith("qw-manager: ")

    def test_the_target_is_found_from_the_working_directory(
        self, plain: redis.Redis, redis_url: str, tmp_path: Path
    ) -> None:
        """As a console script, which does not have it on its path by itself."""
        (tmp_path / "mine.py").write_text(
            "from pathlib import Path\n\ndef f(job_id, job_data):\n    Path(job_data['file']).touch()\n"
        )
        queue(plain, "a", file=tmp_path / "ran")
        script = "import sys; sys.path.remove(''); from qw.manager.__main__ import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", script, "--burst", "--workers=1", "--name=web", "mine:f"],
            cwd=tmp_path,
            env={**os.environ, "QW_URL": redis_url, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=30,
        )

        assert (done.returncode, (tmp_path / "ran").exists()) == (0, True), done.stderr

    def test_a_redis_that_is_not_there(self) -> None:
        """One line says where it was looked for, how to start one, and that qw can bring its own."""
        why = complaint(["--level=error", f"{TARGETS}.succeed"], 4, {"QW_URL": "redis://ann:secret@127.0.0.1:1/3"})

        assert "redis://ann:***@127.0.0.1:1/3" in why
        assert "redis-server" in why
        assert "--embedded" in why
        assert "secret" not in why

    def test_one_line_says_that_it_is_ready(self, start: Start, mode: Mode, redis_url: str) -> None:
        """With mode, workers, target, and the place of its Redis."""
        ready = start(f"--mode={mode}", "--workers=2", f"{TARGETS}.succeed").line("ready")

        assert re.match(r"\d\d:\d\d:\d\d INFO  ready ", ready)
        assert f"mode={mode} " in ready
        assert "workers=2 " in ready
        assert f"target={TARGETS}:succeed" in ready
        assert f"redis={redis_url}" in ready

    def test_a_password_is_never_said(self, make_server: MakeServer) -> None:
        """Not even where everything is logged."""
        server = make_server(password="hush")
        done = run_python(
            "-m", "qw.manager", "-ldebug", "-w1", "--burst", f"{TARGETS}.succeed", environment={"QW_URL": server.url}
        )

        assert done.returncode == 0
        assert "ready" in done.stderr
        assert "hush" not in done.stderr


class TestRun:
    """Jobs, and what is said of them."""

    def test_burst_ends_when_the_queues_are_empty(
        self, plain: redis.Redis, start: Start, mode: Mode, tmp_path: Path
    ) -> None:
        """All jobs have run then, each has a line, the last line is a total, and nothing is left in Redis."""
        for n in range(20):
            queue(plain, f"job-{n}", file=tmp_path / "runs")
        manager = start("--burst", f"--mode={mode}", f"{TARGETS}.record")

        assert manager.end() == 0
        assert sorted(written(tmp_path / "runs")) == sorted(f"job-{n}" for n in range(20))
        assert left_in(plain) == {}
        finished = [line for line in manager.said if " finish " in line]
        assert len(finished) == 20
        assert all(re.search(r" job=job-\d+ .*worker=web\.\w+\.0 .*run=[\d.]+m?s", line) for line in finished)
        assert " totals " in manager.said[-1]
        assert " finished=20 " in manager.said[-1]

    def test_a_job_that_fails_is_warned_of(self, plain: redis.Redis, start: Start) -> None:
        """Even where only warnings are wanted, and nothing else is said then."""
        queue(plain, "bad", why="a \x1b[2J b")
        queue(plain, "good")
        manager = start("--burst", "--level=warn", f"{TARGETS}.fail")

        assert manager.end() == 0
        assert all(" WARN  " in line for line in manager.said)
        assert "job=bad" in manager.line("bury")
        assert "\x1b" not in "".join(manager.said)

    def test_json_is_one_object_a_line(self, plain: redis.Redis, start: Start) -> None:
        """Every line of the log, from the first to the last."""
        queue(plain, "a")
        manager = start("--burst", "--log-format=json", f"{TARGETS}.succeed")

        assert manager.end() == 0
        events = [json.loads(line) for line in manager.said]
        assert [event["event"] for event in events if event["event"] in {"ready", "finish", "totals"}] == [
            "ready",
            "finish",
            "totals",
        ]
        assert all(event["level"] == "info" for event in events)

    def test_a_namespace_has_queues_of_its_own(self, plain: redis.Redis, start: Start) -> None:
        """A job outside of it is not touched."""
        queue(plain, "outside")
        plain.hset("{orders}:job:inside", "a", "b")
        plain.lpush("{orders}:all:jobs", "inside")
        manager = start("--burst", "--namespace=orders", f"{TARGETS}.succeed")

        assert manager.end() == 0
        assert plain.exists("{orders}:job:inside", "job:outside") == 1

    def test_closed_standard_streams_do_no_harm(self, plain: redis.Redis, redis_url: str, tmp_path: Path) -> None:
        """A manager that nobody listens to runs its jobs."""
        queue(plain, "a", file=tmp_path / "runs")
        command = f"exec {sys.executable} -m qw.manager --burst -w 1 -n web {TARGETS}.record >&- 2>&- <&-"
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=ROOT, env={**os.environ, "QW_URL": redis_url}, check=False, timeout=30
        )

        assert (done.returncode, written(tmp_path / "runs")) == (0, ["a"])

    @pytest.mark.slow
    def test_an_embedded_redis_is_shared_with_the_client(self, tmp_path: Path) -> None:
        """The job that a client queued is run by the manager that comes later; where to look is said."""
        embedded = ("--embedded", f"--state={tmp_path / 'state'}")
        job = json.dumps({"file": str(tmp_path / "runs")})
        queued = run_python("-m", "qw.client", "queue", "string", job, *embedded)
        ran = run_python("-m", "qw.manager", "--burst", "-w1", "-n", "web", *embedded, f"{TARGETS}.record")

        assert ran.returncode == 0, ran.stderr
        assert written(tmp_path / "runs") == [queued.stdout.strip()]
        assert re.search(r"^embedded Redis \S+: look inside with \S*redis-cli -s \S+$", ran.stderr, re.MULTILINE)


class TestSignals:
    """How it ends."""

    @pytest.mark.parametrize("number", STOPPING, ids=lambda number: number.name)
    def test_a_signal_lets_what_runs_finish(
        self, plain: redis.Redis, start: Start, mode: Mode, number: signal.Signals, tmp_path: Path
    ) -> None:
        """The job that runs is finished, the others stay queued, nothing else is left, and the exit code is 0."""
        manager = start(f"--mode={mode}", f"{TARGETS}.hold")
        manager.line("ready")
        for job_id in ("first", "second"):
            queue(plain, job_id, file=tmp_path / "runs", gate=tmp_path / "gate")
            wait_until(lambda: written(tmp_path / "runs"), within=20)
        manager.send(number)
        manager.line("stop")
        wait_until(lambda: plain.lrange("all:jobs", 0, -1) == [b"second"])
        (tmp_path / "gate").touch()

        assert manager.end() == 0
        assert written(tmp_path / "runs") == ["first"]
        assert set(left_in(plain)) == {"all:jobs", "job:second"}
        assert " totals " in manager.said[-1]

    def test_a_second_signal_ends_it_at_once(
        self, plain: redis.Redis, start: Start, mode: Mode, tmp_path: Path
    ) -> None:
        """With exit code 130; the job it was running stays in Redis, and its workers are gone with it."""
        queue(plain, "held", file=tmp_path / "runs", gate=tmp_path / "gate")
        manager = start(f"--mode={mode}", f"{TARGETS}.hold")
        wait_until(lambda: written(tmp_path / "runs"), within=20)
        manager.send(signal.SIGTERM)
        manager.line("stop")
        began = time.monotonic()
        manager.send(signal.SIGINT)

        assert manager.end() == 130
        assert time.monotonic() - began < 2
        assert " stop " in manager.said[-1]
        left = snapshot(plain)
        assert "job:held" in left
        assert [left[f"{worker}:jobs"] for worker in left["web:workers"]] == [["held"]]

    def test_a_signal_that_comes_twice_at_once_is_one(self, plain: redis.Redis, start: Start, tmp_path: Path) -> None:
        """As `timeout` sends it, to the process and to its group."""
        queue(plain, "held", file=tmp_path / "runs", gate=tmp_path / "gate")
        manager = start(f"{TARGETS}.hold")
        wait_until(lambda: written(tmp_path / "runs"), within=20)
        manager.send(signal.SIGTERM)
        manager.send(signal.SIGTERM)
        manager.line("stop")
        (tmp_path / "gate").touch()

        assert manager.end() == 0
        assert left_in(plain) == {}

    def test_a_job_that_takes_longer_than_the_grace_goes_back(
        self, plain: redis.Redis, start: Start, mode: Mode, tmp_path: Path
    ) -> None:
        """It is queued again, for another manager."""
        queue(plain, "held", file=tmp_path / "runs", gate=tmp_path / "gate")
        manager = start(f"--mode={mode}", "--grace=0.2", f"{TARGETS}.hold")
        wait_until(lambda: written(tmp_path / "runs"), within=20)
        manager.send(signal.SIGTERM)

        assert manager.end() == 0
        assert set(left_in(plain)) == {"all:jobs", "job:held"}

    def test_ctrl_c_in_a_terminal_reaches_the_manager_alone(
        self, plain: redis.Redis, redis_url: str, tmp_path: Path
    ) -> None:
        """The whole group gets the signal; workers leave it to the manager to decide."""
        queue(plain, "held", file=tmp_path / "runs", gate=tmp_path / "gate")
        with subprocess.Popen(
            [sys.executable, "-m", "qw.manager", "-w1", "-nweb", f"{TARGETS}.hold"],
            cwd=ROOT,
            env={**os.environ, "QW_URL": redis_url},
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        ) as process:
            try:
                wait_until(lambda: written(tmp_path / "runs"), within=20)
                os.killpg(process.pid, signal.SIGINT)
                for line in process.stderr or ():
                    if " stop " in f"{line.strip()} ":
                        break
                (tmp_path / "gate").touch()
                code = process.wait(20)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

        assert code == 0
        assert left_in(plain) == {}

    def test_a_signal_before_it_is_ready_is_not_lost(self, plain: redis.Redis, start: Start, tmp_path: Path) -> None:
        """A target that takes long to import is waited for, and then left in order."""
        (tmp_path / "slow.py").write_text(
            "import os, pathlib, time\n"
            "pathlib.Path(os.environ['BEGUN']).touch()\n"
            "while not pathlib.Path(os.environ['GATE']).exists(): time.sleep(0.01)\n"
            "def f(job_id, job_data): ...\n"
        )
        places = {"BEGUN": str(tmp_path / "begun"), "GATE": str(tmp_path / "gate")}
        manager = start("slow:f", environment={**places, "PYTHONPATH": f"{ROOT}:{tmp_path}"})
        wait_until((tmp_path / "begun").exists, within=20)
        manager.send(signal.SIGTERM)
        (tmp_path / "gate").touch()

        assert manager.end() == 0
        assert left_in(plain) == {}
