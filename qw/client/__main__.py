"""
qw-client: look at managers, workers and queues, queue jobs, and see to those that were buried.

Usage:
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] managers
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] workers [<manager>]
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] jobs [<manager>]
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] queue string <data> [<manager>]
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] queue file <file> [<manager>]
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] scheduled
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] dead [list]
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] dead show <id>...
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] dead requeue [<id>...]
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] dead delete [<id>...]
  qw-client [--host=<host>] [--port=<port>] [--db=<db>] [options] prove
  qw-client (--help | --version)

Options:
  --help                       Show this help message
  --version                    Show version information
  -h --host=<host>             Set the redis host to use [default: localhost]
  -p --port=<port>             Set the redis port to use [default: 6379]
  -d --db=<db>                 Set the redis db number to use [default: 0]
  --url=<url>                  Set host, port, db and more in one: redis://, rediss://, unix://
                               (or in QW_URL, where other users of the machine cannot read a password)
  --embedded                   Use a private Redis server, started if need be
  --state=<dir>                Set where the embedded server keeps its data
  --namespace=<ns>             Set the namespace: the prefix of all keys
  --json                       Print JSON: one object a line
  --type=<name>                Queue typed jobs of this type, which needs --app; or take buried jobs of this type
  --all                        Take all buried jobs
  --app=<module>               Set the module that defines the type
  --delay=<time>               Queue jobs that are due after that time, such as 500ms, 90, 1.5h or 30d
  --at=<time>                  Queue jobs that are due at 2030-01-31T08:00, a local time, or one with Z or +02:00
  --max-payload=<size>         Set how large the fields of one job may be, such as 4M [default: 1M]
  --durable                    Return when the jobs would outlive Redis, or fail: append-only file or replica
  --minutes=<m>                Set how long prove goes on [default: 0.5]
  --seed=<n>                   Set what prove draws its jobs and faults from; drawn and told by default

managers, workers and jobs print one a line, the name or id first; a job is queued, or pending with a worker.
scheduled prints the jobs that are not due yet, and when they are, the next one first.
dead prints the jobs that were buried, the oldest first: id, type, when and why; dead show prints all of some.
dead requeue and dead delete take ids, or --type=<name>, or --all, and print the ids of those that they have seen to.

prove shows on this machine that nothing is lost: a Redis and four managers of its own work while they are killed,
stopped and cut off at random; then come the jobs lost and run twice, and what explains it.

queue takes a JSON object, an array of objects, or JSON lines; the <file> - is standard input. It prints the
ids, one a line. In a plain job each field is a string: strings as they are, anything else as its JSON. The
fields of a typed job are checked against its class. A mistake in a string or a file queues nothing, and neither
does a job that is too large.

Exit codes: 0 done, 1 another error, 2 usage, 3 --app cannot be used, 4 no Redis there, 5 wrong password,
6 Redis too old, 7 no embedded server, 8 bad JSON or no such file, 9 unknown manager, job or type, 130 interrupted.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

from qw import logs
from qw.commands.arguments import Arguments
from qw.commands.running import run
from qw.errors import UsageError

#: Seeds are drawn below this; a month is more than a machine stays up.
MOST_SEEDS, MOST_MINUTES = 999_999_999, 43_200.0


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says (None: that of the process) and return the exit code."""
    return run("qw-client", str(__doc__), _act, argv)


def _act(arguments: Arguments) -> None:
    logs.setup("warn")  # a client has little to say: that Redis went away, and that it came back
    if arguments.given("queue"):
        _queue(arguments)
    elif arguments.given("dead"):
        _dead(arguments)
    elif arguments.given("prove"):
        _prove(arguments)
    else:
        _read(arguments)


def _read(arguments: Arguments) -> None:
    from qw.commands import reads
    from qw.commands.place import reaching

    manager = arguments.text("<manager>")
    with reaching(arguments) as place, place.client() as client:
        if arguments.given("managers"):
            rows = reads.managers(client)
        elif arguments.given("workers"):
            rows = reads.workers(client, manager)
        elif arguments.given("scheduled"):
            rows = reads.scheduled(client)
        else:
            rows = reads.jobs(client, manager)
        reads.show(rows, as_json=arguments.given("--json"))


def _dead(arguments: Arguments) -> None:
    from qw.commands import dead, reads
    from qw.commands.place import reaching

    if arguments.given("--app"):
        raise UsageError("dead needs no --app: --type is the name that stands in qw:type")
    with reaching(arguments) as place, place.client() as client:
        if arguments.given("requeue") or arguments.given("delete"):
            dead.act(client, arguments)
        elif arguments.given("show"):
            dead.show_whole(client, arguments.words("<id>"), as_json=arguments.given("--json"))
        else:
            reads.show(dead.rows(client, arguments.text("--type")), as_json=arguments.given("--json"))


def _prove(arguments: Arguments) -> None:
    from qw.commands.prove import prove
    from qw.prove.trial import Rates

    if not arguments.given("--embedded") or any(map(arguments.given, ("--host", "--port", "--db", "--url", "--state"))):
        raise UsageError("prove kills its Redis again and again, and brings one of its own: qw-client prove --embedded")
    seed, minutes = arguments.whole("--seed", 0, MOST_SEEDS), arguments.number("--minutes", 0.1, MOST_MINUTES)
    prove(seed, 60 * minutes, Rates())


def _queue(arguments: Arguments) -> None:
    from qw.commands import queueing, reads, times, typed
    from qw.commands.place import reaching

    delay, at = arguments.duration("--delay"), times.moment(arguments.text("--at"))
    if delay is not None and at is not None:
        raise UsageError("--delay and --at both say when the jobs are due: leave out one")
    most, durable = arguments.size("--max-payload") or 0, arguments.given("--durable")
    make = typed.maker(arguments.text("--type"), arguments.text("--app"))
    manager, data = arguments.text("<manager>"), arguments.text("<data>")
    opened = queueing.file_input(arguments.word("<file>")) if data is None else nullcontext(queueing.text_input(data))
    with opened as source, reaching(arguments) as place, place.client() as client:
        if manager is not None:
            reads.check_manager(client, manager)
        client.max_payload = most
        queueing.Intake(source, make, most).queue(client, manager, delay=delay, at=at, durable=durable)


if __name__ == "__main__":
    sys.exit(main())
