"""
How both commands run: read the command line, act, and turn whatever goes wrong into one line and an exit code.

The codes stand in `qw.errors`. Only an error of qw's own ends in a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from qw import logs
from qw.commands.arguments import Arguments, DocoptExit
from qw.errors import BadJSON, QwError, TargetImportFailed, UsageError
from qw.logs import safe

#: Ctrl-C, or a second signal: 128 + SIGINT, as a shell has it.
INTERRUPTED = 130

# Characters of an error that are shown: more than of a value in a log, since it may name a path or a URL.
_LIMIT = 2000


def run(program: str, doc: str, act: Callable[[Arguments], None], argv: Sequence[str] | None) -> int:
    """
    Let `act` do what the command line says, and return the exit code.

    `doc` is what `--help` prints; `argv` None means the process's own arguments.
    """
    _occupy_standard_descriptors()
    _tolerate(sys.stdout, sys.stderr)
    try:
        _act(program, doc, act, sys.argv[1:] if argv is None else argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()  # who read it has seen enough, as with `| head`
    except KeyboardInterrupt:
        return INTERRUPTED
    except DocoptExit as usage:
        complain(str(usage).strip())
        return UsageError.exit_code
    except Exception as error:
        code = _explain(program, error)
        if code is None:
            raise
        return code
    return 0


def _act(program: str, doc: str, act: Callable[[Arguments], None], argv: Sequence[str]) -> None:
    if "--help" in argv:
        print(doc.strip())
    elif "--version" in argv:
        print(f"{program} {_version()}")
    else:
        act(Arguments(doc, argv))


def _version() -> str:
    """Return the version of the installed package."""
    from importlib import metadata  # it takes longer to import than all of this

    try:
        return metadata.version("qw")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _explain(program: str, error: Exception) -> int | None:
    """Say what went wrong and return the exit code; None for what is a mistake of qw's own."""
    if isinstance(error, QwError):
        text, code = error.message, error.exit_code
    elif isinstance(error, OSError):
        text, code = _about_file(error), QwError.exit_code if error.filename is None else BadJSON.exit_code
    elif _is_redis_error(error):
        text, code = f"Redis says: {error}", QwError.exit_code
    else:
        return None
    logs.flush()  # the log's last lines may tell how it came to this
    if isinstance(error, TargetImportFailed):
        complain(*(safe(line, _LIMIT) for line in error.traceback.splitlines()))
    complain(f"{program}: {safe(text, _LIMIT)}")
    return code


def _about_file(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename is not None else ""
    return f"{name}{error.strerror or error}"


def _is_redis_error(error: Exception) -> bool:
    """Tell whether redis-py raised this, without importing it for that."""
    return any(base.__module__ == "redis.exceptions" for base in type(error).__mro__)


def complain(*lines: str) -> None:
    """Write lines to standard error; a closed one is passed over."""
    try:
        for line in lines:
            print(line, file=sys.stderr)
    except (OSError, ValueError):
        return


def _occupy_standard_descriptors() -> None:
    """Open those of 0, 1 and 2 that are closed: a socket in their place would get what is meant for a terminal."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free


def _tolerate(*streams: object) -> None:
    """Let the streams escape what their encoding lacks: an id must not end a command in a Latin-1 terminal."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)  # a test's stand-in, or None when closed, has none
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def drop_stdout() -> None:
    """Point standard output to nowhere, or Python's own flush at exit would complain once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
