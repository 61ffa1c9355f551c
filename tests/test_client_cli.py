"""`qw-client` as a real process: what it prints, what it queues, and how it ends."""

from __future__ import annotations

import json
import math
import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from qw.client.__main__ import __doc__ as interface
from tests.support.keyspace import snapshot
from tests.support.programs import ROOT, run_python
from tests.support.server import MakeServer
from tests.support.wait import wait_until
from tests.test_logs import FORBIDDEN, HOSTILE

SEED_USAGES = ["managers", "workers [<manager>]", "jobs [<manager>]", "queue string <data> [<manager>]"]
SEED_OPTIONS = """\
  --help                       Show this help message
  --version                    Show version information
  -h --host=<host>             Set the redis host to use [default: localhost]
  -p --port=<port>             Set the redis port to use [default: 6379]
  -d --db=<db>                 Set the redis db number to use [default: 0]
"""

Done = subprocess.CompletedProcess[str]


def qw_client(url: str, *arguments: str, text: str | None = None, environment: Mapping[str, str] | None = None) -> Done:
    """Run `qw-client` with QW_URL."""
    return run_python("-m", "qw.client", *arguments, text=text, environment={"QW_URL": url, **(environment or {})})


def lines(done: Done) -> list[str]:
    """Return what a command printed, if it went well and complained of nothing."""
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.splitlines()


def complaint(done: Done, code: int) -> str:
    """Return the one line with which a command ended, if it ended with that code."""
    assert done.returncode == code, done.stderr
    *before, line = done.stderr.splitlines()
    assert before == []
    assert line.startswith("qw-client: ")
    return line.removeprefix("qw-client: ")


@pytest.fixture
def fleet(plain: redis.Redis) -> redis.Redis:
    """Return a client of a Redis with two managers and some jobs, one of them being run."""
    plain.sadd("all:managers", "web", "mail")
    plain.sadd("web:workers", "web.1")
    plain.sadd("mail:workers", "mail.7", "mail.8")
    for job_id in ("a", "b", "c", "d"):
        plain.hset(f"job:{job_id}", mapping={"n": job_id})
    plain.lpush("all:jobs", "a", "b")
    plain.lpush("web:jobs", "c")
    plain.lpush("mail.7:jobs", "d")
    plain.zadd("all:scheduled", {"g": 1500, "e": 2e12, "f": math.inf})
    return plain


class _OldRedis(socketserver.StreamRequestHandler):
    """As much of a Redis 5 as it takes to be asked for its version: there is none to be had as a binary."""

    def handle(self) -> None:
        """Answer INFO with a version, and anything else with OK."""
        info = b"redis_version:5.0.14\r\n"
        for head in self.rfile:  # *<number of words>, then for each word $<length> and the word itself
            words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2).strip() for _ in range(int(head[1:]))]
            self.wfile.write(b"$%d\r\n%b\r\n" % (len(info), info) if words[0] == b"INFO" else b"+OK\r\n")


@contextmanager
def _old_redis() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _OldRedis) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class TestInterface:
    """The command line."""

    def test_help_is_the_docstring(self) -> None:
        """What `--help` prints is what docopt reads."""
        done = run_python("-m", "qw.client", "--help")

        assert lines(done) == str(interface).strip().splitlines()

    def test_everything_of_the_seed_is_there(self) -> None:
        """Each usage of 0.1.1, and each option with its short form and its default, word for word."""
        assert SEED_OPTIONS in str(interface)
        for usage in [*SEED_USAGES, "queue file <file> [<manager>]"]:
            assert f"qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] {usage}\n" in str(interface)
        assert "  qw-client (--help | --version)\n" in str(interface)

    def test_help_does_without_redis(self) -> None:
        """Importing redis takes longer than all the rest."""
        code = "import sys; from qw.client.__main__ import main; main(['--help']); sys.exit('redis' in sys.modules)"

        assert run_python("-c", code).returncode == 0

    def test_version(self) -> None:
        """The name of the command and a version."""
        assert re.fullmatch(r"qw-client \S.*\n", run_python("-m", "qw.client", "--version").stdout)

    @pytest.mark.parametrize(
        "arguments", [[], ["frob"], ["managers", "--frob"], ["queue", "{}"], ["managers", "--port"]], ids=" ".join
    )
    def test_a_wrong_usage_is_answered_with_the_right_one(self, arguments: list[str]) -> None:
        """On standard error, with exit code 2."""
        done = run_python("-m", "qw.client", *arguments)

        assert (done.returncode, done.stdout) == (2, "")
        assert "Usage:\n  qw-client" in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--port=x"], "--port=x: use a whole number from 1 to 65535"),
            (["--port=0"], "--port=0: use a whole number from 1 to 65535"),
            (["--db=-1"], "--db=-1: use a whole number from 0 to"),
            (["--url=redis://h", "--db=3"], "--url says where Redis is: leave out --db"),
            (["--embedded", "-h", "x", "-d", "1"], "--embedded says where Redis is: leave out --host and --db"),
            (["--state=/tmp/x"], "say --embedded as well"),
            (["--url=redis://:pass/word@h"], "redis://:***@h is not the URL of a Redis"),
            (["--url=redis://h?frob=1"], "redis://h is not the URL of a Redis"),
            (["--url=redis://h/jobs"], "redis://h/jobs: the database, behind the last /, is a number"),
            (["--url=localhost:6379"], "localhost:6379 is not the URL of a Redis"),
            (["--namespace=a b"], "namespace 'a b'"),
        ],
    )
    def test_a_wrong_value_is_said_in_one_line(self, arguments: list[str], why: str) -> None:
        """With what is right, and without what is secret."""
        assert why in complaint(run_python("-m", "qw.client", "managers", *arguments), 2)

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ([], "prove kills its Redis again and again, and brings one of its own: qw-client prove --embedded"),
            (["--embedded", "--port=7"], "brings one of its own"),
            (["--embedded", "--minutes=0"], "--minutes=0: use a number from 0.1 to 43200"),
        ],
    )
    def test_prove_is_for_a_redis_of_its_own(self, arguments: list[str], why: str) -> None:
        """It never touches another one."""
        assert why in complaint(run_python("-m", "qw.client", "prove", *arguments), 2)


class TestReads:
    """managers, workers and jobs."""

    @pytest.mark.usefixtures("fleet")
    @pytest.mark.parametrize(
        ("read", "rows"),
        [
            (["managers"], ["mail", "web"]),
            (["workers"], ["mail.7\tmail", "mail.8\tmail", "web.1\tweb"]),
            (["workers", "mail"], ["mail.7\tmail", "mail.8\tmail"]),
            (["jobs"], ["a\tqueued", "b\tqueued", "c\tqueued\tweb", "d\tpending\tmail.7"]),
            (["jobs", "web"], ["c\tqueued\tweb"]),
            (["jobs", "mail"], ["d\tpending\tmail.7"]),
            (["scheduled"], ["e\t2033-05-18T03:33:20.000Z", "f\tinf", "g\t1970-01-01T00:00:01.500Z"]),
        ],
        ids=lambda value: " ".join(value) if len(value) < 3 else "",
    )
    def test_rows_have_tabs_between_their_columns(self, redis_url: str, read: list[str], rows: list[str]) -> None:
        """One a line, the name or id first."""
        assert sorted(lines(qw_client(redis_url, *read))) == rows

    @pytest.mark.usefixtures("fleet")
    def test_json_is_one_object_a_line(self, redis_url: str) -> None:
        """Each row has all of its columns."""
        read = {
            name: sorted(map(str, map(json.loads, lines(qw_client(redis_url, name, "--json")))))
            for name in ("managers", "workers", "jobs", "scheduled")
        }

        assert read["managers"] == ["{'manager': 'mail'}", "{'manager': 'web'}"]
        assert read["workers"][0] == "{'worker': 'mail.7', 'manager': 'mail'}"
        assert read["jobs"] == [
            "{'id': 'a', 'state': 'queued', 'manager': None, 'worker': None}",
            "{'id': 'b', 'state': 'queued', 'manager': None, 'worker': None}",
            "{'id': 'c', 'state': 'queued', 'manager': 'web', 'worker': None}",
            "{'id': 'd', 'state': 'pending', 'manager': None, 'worker': 'mail.7'}",
        ]
        assert read["scheduled"][0] == "{'id': 'e', 'due': '2033-05-18T03:33:20.000Z'}"

    def test_delayed_jobs_come_in_the_order_of_their_times(self, fleet: redis.Redis, redis_url: str) -> None:
        """The next one first; a moment that no calendar has is shown as the number it is."""
        fleet.zadd("all:scheduled", {"long ago": -1e300})

        shown = [line.split("\t") for line in lines(qw_client(redis_url, "scheduled"))]
        assert shown == [
            ["long ago", "-1e+297"],
            ["g", "1970-01-01T00:00:01.500Z"],
            ["e", "2033-05-18T03:33:20.000Z"],
            ["f", "inf"],
        ]

    def test_an_empty_redis_has_nothing_to_show(self, redis_url: str) -> None:
        """Nothing is printed, and that is no error."""
        assert [lines(qw_client(redis_url, read)) for read in ("managers", "workers", "jobs", "scheduled")] == [[]] * 4

    @pytest.mark.parametrize("form", [[], ["--json"]], ids=["plain", "json"])
    @pytest.mark.parametrize("read", ["managers", "workers", "jobs", "scheduled"])
    def test_nothing_hostile_is_printed(self, plain: redis.Redis, redis_url: str, read: str, form: list[str]) -> None:
        """Whoever can write to Redis may choose ids and names: none of them reaches the terminal as an order."""
        texts = [
            text.encode("utf-8", "replace" if "\ud800" in text else "surrogateescape") for text in HOSTILE.values()
        ]
        plain.lpush("all:jobs", b"\xff\x9b", *texts)
        for text in texts:
            plain.sadd("all:managers", text)
            plain.sadd(text + b":workers", text)
            plain.lpush(text + b":jobs", text)
            plain.zadd("all:scheduled", {text: 1})

        rows = lines(qw_client(redis_url, read, *form))

        assert len(rows) >= len(HOSTILE)
        assert not FORBIDDEN.intersection("".join(rows)) - {"\t"}

    @pytest.mark.parametrize("command", [["workers"], ["jobs"], ["queue", "string", '{"a": 1}']], ids=" ".join)
    def test_an_unknown_manager_is_an_error(self, fleet: redis.Redis, redis_url: str, command: list[str]) -> None:
        """With those that there are; nothing is queued for it."""
        before = snapshot(fleet)

        why = complaint(qw_client(redis_url, *command, "wbe"), 9)

        assert why == "there is no manager 'wbe' (registered: mail, web)"
        assert snapshot(fleet) == before

    def test_an_unknown_manager_is_shown_as_it_was_given(self, redis_url: str) -> None:
        """What a terminal would obey is escaped, once."""
        why = complaint(qw_client(redis_url, "workers", "a\x1b\n"), 9)

        assert why == r"there is no manager 'a\x1b\n' (registered: none)"

    def test_a_database_that_is_not_there(self, redis_url: str) -> None:
        """Redis answers; it is no help to start another one."""
        url = f"{redis_url.rpartition('/')[0]}/99999"

        assert complaint(run_python("-m", "qw.client", "managers", f"--url={url}"), 4) == (
            f"{url}: this Redis has no database of that number: use a lower one, or raise its `databases`"
        )

    def test_jobs_of_a_manager_that_has_left_are_shown(self, plain: redis.Redis, redis_url: str) -> None:
        """They wait for it to come back."""
        plain.lpush("gone:jobs", "a")

        assert lines(qw_client(redis_url, "jobs", "gone")) == ["a\tqueued\tgone"]

    def test_a_reader_that_has_seen_enough_is_no_error(self, plain: redis.Redis, redis_url: str) -> None:
        """As with `| head`: nothing is complained of."""
        plain.lpush("all:jobs", *(f"{n:0100}" for n in range(5_000)))

        with subprocess.Popen(
            [sys.executable, "-m", "qw.client", "jobs"],
            cwd=ROOT,
            env={**os.environ, "QW_URL": redis_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(10)
            process.stdout.close()
            complaints = process.stderr.read()
            code = process.wait(30)

        assert (complaints, code) == (b"", 0)


class TestQueue:
    """queue string and queue file."""

    def test_a_string_holds_a_job(self, plain: redis.Redis, redis_url: str) -> None:
        """It goes to the queue of all managers; its id is printed."""
        (job_id,) = lines(qw_client(redis_url, "queue", "string", '{"path": "/a.png", "width": 128}'))

        assert plain.lrange("all:jobs", 0, -1) == [job_id.encode()]
        assert plain.hmget(f"job:{job_id}", "path", "width", "qw:type") == [b"/a.png", b"128", None]

    def test_an_array_holds_several_for_one_manager(self, fleet: redis.Redis, redis_url: str) -> None:
        """Their ids are printed in their order."""
        ids = lines(qw_client(redis_url, "queue", "string", '[{"n": "1"}, {"n": "2"}]', "mail"))

        assert [fleet.hget(f"job:{job_id}", "n") for job_id in ids] == [b"1", b"2"]
        assert fleet.lrange("mail:jobs", 0, -1) == [job_id.encode() for job_id in reversed(ids)]

    @pytest.mark.parametrize(
        "text", ['{"n": "0"}', '[{"n": "0"},\n {"n": "1"}]', '{"n": "0"}\n{"n": "1"}\n{"n": "2"}\n']
    )
    def test_a_file_holds_any_form(self, plain: redis.Redis, redis_url: str, tmp_path: Path, text: str) -> None:
        """An object, an array or lines."""
        file = tmp_path / "jobs.json"
        file.write_text(text)

        ids = lines(qw_client(redis_url, "queue", "file", str(file)))

        assert [plain.hget(f"job:{job_id}", "n") for job_id in ids] == [b"%d" % n for n in range(len(ids))]
        assert plain.llen("all:jobs") == len(ids) == text.count("n")

    def test_standard_input_is_a_file(self, plain: redis.Redis, redis_url: str) -> None:
        """Many lines from a pipe are queued in their order."""
        text = "".join(f'{{"n": {n}}}\n' for n in range(5_000))

        ids = lines(qw_client(redis_url, "queue", "file", "-", text=text))

        assert plain.lrange("all:jobs", 0, -1) == [job_id.encode() for job_id in reversed(ids)]
        assert plain.hget(f"job:{ids[4321]}", "n") == b"4321"

    def test_a_line_in_a_living_pipe_is_queued_at_once(self, plain: redis.Redis, redis_url: str) -> None:
        """Nobody waits for more to come."""
        with subprocess.Popen(
            [sys.executable, "-m", "qw.client", "queue", "file", "-"],
            cwd=ROOT,
            env={**os.environ, "QW_URL": redis_url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            process.stdin.write(b'{"n": 1}\n')
            process.stdin.flush()
            wait_until(lambda: plain.llen("all:jobs") == 1, within=20)
            process.stdin.close()
            assert process.wait(20) == 0

    def test_for_later(self, fleet: redis.Redis, redis_url: str) -> None:
        """After a time, or at one; typed as people do. Nothing is in a queue until then."""
        before = [*map(float, fleet.time())]
        delayed = lines(qw_client(redis_url, "queue", "string", '[{"n": 1}, {"n": 2}]', "mail", "--delay=1.5h"))
        (at,) = lines(qw_client(redis_url, "queue", "string", '{"n": 3}', "--at=2033-05-18T05:33:20+02:00"))
        now = lines(qw_client(redis_url, "queue", "string", "{}", "mail", "--delay=0"))

        scores = [float(str(fleet.zscore("all:scheduled", job_id))) / 1000 for job_id in delayed]
        assert before[0] + 5400 <= scores[0] <= scores[1] < before[0] + 5400 + 60
        assert fleet.zscore("all:scheduled", at) == 2e12
        assert fleet.hget(f"job:{delayed[0]}", "qw:queue") == b"mail:jobs"
        assert fleet.lrange("mail:jobs", 0, -1) == [job_id.encode() for job_id in now]

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--delay=-1"], "--delay='-1' is no time: use a number with ms, s, m, h or d"),
            (["--delay=1y"], "--delay='1y' is no time"),
            (["--at=tomorrow"], "--at=tomorrow: use a time such as 2030-01-31T08:00"),
            (["--at=\x1b[2J"], r"--at=\x1b[2J: use a time"),
            (["--at="], "--at=: use a time"),
            (["--delay=999999999999d"], "use seconds"),
            (["--delay=1s", "--at=2030-01-31T08:00Z"], "--delay and --at both say when the jobs are due"),
        ],
    )
    def test_what_is_no_time_queues_nothing(
        self, plain: redis.Redis, redis_url: str, arguments: list[str], why: str
    ) -> None:
        """It is a usage error."""
        assert why in complaint(qw_client(redis_url, "queue", "string", "{}", *arguments), 2)
        assert plain.dbsize() == 0

    def test_a_pipe_without_jobs_is_no_error(self, redis_url: str) -> None:
        """What writes into it had none."""
        assert lines(qw_client(redis_url, "queue", "file", "-")) == []

    def test_a_bad_line_in_a_file_queues_nothing(self, plain: redis.Redis, redis_url: str, tmp_path: Path) -> None:
        """Its line and column are said; mended, the file can be queued as a whole."""
        file = tmp_path / "jobs.jsonl"
        file.write_text('{"n": 1}\n' * 3000 + '{"n": }\n')

        why = complaint(qw_client(redis_url, "queue", "file", str(file)), 8)

        assert why == f"{file}: line 3001, column 7: expecting value"
        assert snapshot(plain) == {}

    def test_a_bad_line_in_a_pipe_says_what_was_queued(self, plain: redis.Redis, redis_url: str) -> None:
        """The ids of the jobs before it are printed, and their number stands in the error."""
        done = qw_client(redis_url, "queue", "file", "-", text='{"n": 1}\n{"n": 2}\n{"n": }\n{"n": 3}\n')

        why = complaint(done, 8)
        assert why == "standard input: line 3, column 7: expecting value; queued before it: 2, nothing after it"
        assert plain.lrange("all:jobs", 0, -1) == [job_id.encode() for job_id in reversed(done.stdout.split())]

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            ("", "there is no JSON"),
            ("no", "line 1, column 1: expected '{' or '['"),
            ("[1]", "line 1, column 2: expected '{' or ']'"),
            ('{"qw:type": "x"}', "names that start with 'qw:' are qw's own"),
            ("\x1b[2J", "line 1, column 1"),
        ],
    )
    def test_bad_data_queues_nothing(self, plain: redis.Redis, redis_url: str, data: str, why: str) -> None:
        """One line says where and why."""
        said = complaint(qw_client(redis_url, "queue", "string", data), 8)

        assert why in said
        assert not FORBIDDEN.intersection(said)
        assert snapshot(plain) == {}

    @pytest.mark.parametrize("name", ["nowhere.json", "."])
    def test_a_file_that_cannot_be_read(self, redis_url: str, tmp_path: Path, name: str) -> None:
        """Its name is said, and what is wrong with it."""
        path = str(tmp_path / name)

        assert complaint(qw_client(redis_url, "queue", "file", path), 8).startswith(f"{path.rstrip('/.')}")

    def test_many_jobs_show_a_bar_on_a_terminal(self, plain: redis.Redis, redis_url: str, tmp_path: Path) -> None:
        """On standard error, where nothing of it stays behind; the ids are printed as ever."""
        file = tmp_path / "jobs.jsonl"
        file.write_text('{"n": 1}\n' * 20_000)
        ours, theirs = os.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "qw.client", "queue", "file", str(file)],
            cwd=ROOT,
            env={**os.environ, "QW_URL": redis_url},
            stdout=subprocess.PIPE,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            ids, _ = process.communicate(timeout=30)
        shown = os.read(ours, 65536).decode()
        os.close(ours)

        assert (process.returncode, len(ids.split()), plain.llen("all:jobs")) == (0, 20_000, 20_000)
        assert re.search(r"\r\x1b\[K\[#*\.+\] [\d,]+ of 20,000 jobs queued", shown)
        assert shown.endswith("\r\x1b[K")


class TestTyped:
    """queue --type --app."""

    APP = "--app=tests.support.targets"

    def test_the_job_is_queued_as_its_class_says(self, plain: redis.Redis, redis_url: str) -> None:
        """With its type, and with the defaults of the class."""
        (job_id,) = lines(qw_client(redis_url, "queue", "--type=Add", self.APP, "string", '{"a": 1}'))

        assert plain.hmget(f"job:{job_id}", "a", "b", "qw:type") == [b"1", b"0", b"Add"]

    def test_the_name_of_its_options_is_its_name(self, plain: redis.Redis, redis_url: str) -> None:
        """A class that gave itself a name in Redis is found by it."""
        (job_id,) = lines(qw_client(redis_url, "queue", "--type=short", self.APP, "string", '{"value": 3}'))

        assert plain.hget(f"job:{job_id}", "qw:type") == b"short"

    @pytest.mark.parametrize(
        ("job", "why"),
        [
            ('{"a": "1"}', "a: "),
            ('{"a": 1.5}', "a: "),
            ("{}", "a: "),
            ('{"a": 1, "bb": 2}', "bb: Add has no such field; did you mean b?"),
        ],
    )
    def test_fields_that_do_not_fit_queue_nothing(
        self, plain: redis.Redis, redis_url: str, tmp_path: Path, job: str, why: str
    ) -> None:
        """The place of the job and the path of the field are said."""
        file = tmp_path / "jobs.jsonl"
        file.write_text(f'{{"a": 1}}\n{job}\n')

        said = complaint(qw_client(redis_url, "queue", "--type=Add", self.APP, "file", str(file)), 8)

        assert said.startswith(f"{file}: line 2, column 1: {why}")
        assert snapshot(plain) == {}

    def test_text_must_be_a_string(self, redis_url: str) -> None:
        """A number is not silently made into text."""
        why = complaint(qw_client(redis_url, "queue", "--type=Record", self.APP, "string", '{"file": 5}'), 8)

        assert "file: expected a string" in why

    @pytest.mark.parametrize(
        ("arguments", "code", "why"),
        [
            (["--type=Ad", "--app=tests.support.targets"], 9, "did you mean Add?"),
            (["--type=Add"], 2, "--type needs --app"),
            (["--app=tests.support.targets"], 2, "--app needs --type"),
            (["--type=Add", "--app=tests.support.nowhere"], 3, "tests.support.nowhere"),
        ],
        ids=["unknown type", "no app", "no type", "unknown app"],
    )
    def test_what_cannot_be_found(self, redis_url: str, arguments: list[str], code: int, why: str) -> None:
        """Each with its own exit code."""
        assert why in complaint(qw_client(redis_url, "queue", *arguments, "string", "{}"), code)


class TestPlace:
    """Where Redis is, and what if it is not there."""

    def test_host_and_port_beat_the_environment(self, redis_url: str) -> None:
        """Who names a place on the command line means it."""
        done = qw_client(redis_url, "managers", "--host=127.0.0.1", "--port=1")

        assert "redis://127.0.0.1:1/0" in complaint(done, 4)

    def test_the_url_beats_the_environment(self, redis_url: str) -> None:
        """An option is nearer than a variable."""
        assert lines(qw_client("redis://127.0.0.1:1", "managers", f"--url={redis_url}")) == []

    def test_a_namespace_has_queues_of_its_own(self, plain: redis.Redis, redis_url: str) -> None:
        """Its jobs are seen with it, and not without."""
        (job_id,) = lines(qw_client(redis_url, "queue", "string", "{}", "--namespace=orders"))

        assert lines(qw_client(redis_url, "jobs", "--namespace=orders")) == [f"{job_id}\tqueued"]
        assert lines(qw_client(redis_url, "jobs")) == []
        assert plain.exists(f"{{orders}}:job:{job_id}") == 1

    def test_a_redis_that_is_not_there(self) -> None:
        """One line says where it was looked for, how to start one, and that qw can bring its own."""
        why = complaint(qw_client("redis://ann:secret@127.0.0.1:1/3", "managers"), 4)

        assert "redis://ann:***@127.0.0.1:1/3" in why
        assert "redis-server" in why
        assert "--embedded" in why
        assert "secret" not in why

    def test_a_wrong_password(self, make_server: MakeServer) -> None:
        """Is told apart, and not printed."""
        server = make_server(password="right")
        for credentials in (":wrong@", ""):
            why = complaint(qw_client(f"redis://{credentials}127.0.0.1:{server.port}", "managers"), 5)

            assert "QW_URL" in why
            assert "wrong@" not in why

    def test_a_redis_that_is_too_old(self) -> None:
        """Its version is said, and the one that is needed."""
        with _old_redis() as port:
            why = complaint(qw_client(f"redis://127.0.0.1:{port}", "managers"), 6)

        assert "5.0.14" in why
        assert "6.2" in why

    def test_a_key_of_another_type_is_said_in_one_line(self, plain: redis.Redis, redis_url: str) -> None:
        """Somebody else's data is no reason for a traceback."""
        plain.set("all:managers", "mine")

        assert "WRONGTYPE" in complaint(qw_client(redis_url, "managers"), 1)

    @pytest.mark.slow
    def test_an_embedded_redis_keeps_what_was_queued(self, tmp_path: Path) -> None:
        """One call starts it and queues, the next one starts it again and finds the job."""
        embedded = ("--embedded", f"--state={tmp_path / 'state'}")
        queued = run_python("-m", "qw.client", "queue", "string", "{}", *embedded)
        read = run_python("-m", "qw.client", "jobs", *embedded)

        assert read.stdout == f"{queued.stdout.strip()}\tqueued\n"
        assert re.fullmatch(r"embedded Redis \S+: look inside with \S*redis-cli -s \S+\n", read.stderr)
