"""
qw-manager: run a target for every job that is queued, in worker processes or threads.

Usage:
  qw-manager [--level=<log-level>] [--workers=<num-workers>] [--name=<name>] [--host=<host>] [--port=<port>] [--db=<db>] [options] <target>
  qw-manager (--help | --version)

Options:
  --help                       Show this help message
  --version                    Show version information
  -l --level=<log-level>       Set the log level (debug,info,warn,error) [default: info]
  -w --workers=<num-workers>   Set the number of workers to start, defaults to number of cpus
  -n --name=<name>             Set the manager name, defaults to hostname
  -h --host=<host>             Set the redis host to use [default: localhost]
  -p --port=<port>             Set the redis port to use [default: 6379]
  -d --db=<db>                 Set the redis db number to use [default: 0]
  --url=<url>                  Set host, port, db and more in one: redis://, rediss://, unix://
                               (or in QW_URL, where other users of the machine cannot read a password)
  --embedded                   Use a private Redis server, started if need be
  --state=<dir>                Set where the embedded server keeps its data
  --namespace=<ns>             Set the namespace: the prefix of all keys
  --mode=<mode>                Run the target in processes or in threads [default: processes]
  --burst                      Leave when the queues are empty
  --grace=<seconds>            Set how long running jobs may take to end when told to stop [default: 25]
  --retries=<count>            Set how often a job that raises is tried again [default: 0]
  --timeout=<time>             Set how long a job may run, such as 90, 1.5h; without end by default
  --max-jobs=<count>           Replace a worker process that has run so many jobs
  --max-memory=<size>          Replace a worker process that is larger than that (RSS), such as 512M
  --keep-dead=<count>          Set how many buried jobs are kept [default: 10000]
  --keep-dead-for=<time>       Set how long buried jobs are kept [default: 180d]
  --lease=<seconds>            Set how long a manager may be silent before it counts as dead [default: 15]
  --log-format=<format>        Log as plain text or as json, one object a line [default: plain]

The <target> is package.module:function or package.module.function, found from the working directory.

SIGTERM, SIGINT (Ctrl-C) and SIGHUP: what runs is finished, the rest stays queued, exit code 0. A second one: leave
at once; what was running stays in Redis, and is run again.

Exit codes: 0 done, 1 another error, 2 usage, 3 the target cannot be used, 4 no Redis there, 5 wrong password,
6 Redis too old, 7 no embedded server, 10 worker processes die at their start, 130 a second signal.
"""  # noqa: E501 - the seed's usage, on one line as it was

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qw import logs
from qw.commands.arguments import Arguments
from qw.commands.running import run

if TYPE_CHECKING:
    from qw.manager._making import StartMethod

#: A worker process is one Python; more than this is a slip of the finger.
MOST_WORKERS = 1024
MOST_JOBS = 1_000_000_000 - 1


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says (None: that of the process) and return the exit code."""
    return run("qw-manager", str(__doc__), _act, argv)


def _act(arguments: Arguments) -> None:
    """Run a manager from start to end; everything that can be wrong on the command line is found first."""
    level, form = arguments.choice("--level", *logs.LEVELS), arguments.choice("--log-format", "plain", "json")
    mode = arguments.choice("--mode", "processes", "threads")
    workers, grace = arguments.whole("--workers", 1, MOST_WORKERS), arguments.seconds("--grace")
    retries, max_jobs = arguments.whole("--retries", 0, MOST_JOBS), arguments.whole("--max-jobs", 1, MOST_JOBS)
    keep_dead, keep_dead_for = arguments.whole("--keep-dead", 1, MOST_JOBS), arguments.seconds("--keep-dead-for")
    logs.setup(level, form="json" if form == "json" else "plain")

    from qw.commands.place import reaching
    from qw.commands.signals import Listener, run_until_told

    listener = Listener()
    listener.install()
    start_method = _start_method(arguments.word("<target>")) if mode == "processes" else None
    with reaching(arguments) as place:
        from qw.dispatcher import KEEP_DEAD
        from qw.manager import Manager

        manager = Manager(
            arguments.word("<target>"),
            place.host,
            place.port,
            place.db,
            workers,
            arguments.text("--name"),
            mode="threads" if mode == "threads" else "processes",
            url=place.url,
            namespace=place.namespace,
            start_method=start_method,
            grace=grace,
            burst=arguments.given("--burst"),
            lease=arguments.seconds("--lease"),
            retries=retries or 0,
            timeout=arguments.duration("--timeout"),
            max_jobs=max_jobs,
            max_memory=arguments.size("--max-memory"),
            keep_dead=keep_dead or KEEP_DEAD,
            keep_dead_for=keep_dead_for,
        )
        run_until_told(manager, listener)


def _start_method(target: str) -> StartMethod:
    """Import the target's module, and see whether that has started threads, before qw has any."""
    from qw.slots import births
    from qw.target import Target

    Target.load(target)
    return births.safe_method()


if __name__ == "__main__":
    sys.exit(main())
