"""
The fork server of `qw-manager`: forked from it while it is small, where multiprocessing starts a second interpreter.

    qw-manager ── imports the target ──┬── imports redis-py, starts threads: the manager
                                       ├── resource tracker
                                       └── fork server ──┬── worker
                                                         └── worker

All of them share the memory of one interpreter, of qw and of the target, and nothing is imported twice: a manager with
two processes takes 51 MB in place of 72 (PSS). A fork is safe as long as the process has one thread. Where it has more,
since the target's module has started some, and on other systems than Linux, multiprocessing has its way; as it has when
this server dies and another one is needed, at a time when the manager has threads.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path
from typing import Final

#: What the manager and a new process import anyway, and share when it is imported before the fork.
_SHARED: Final = (
    "qw.slots.child",
    "concurrent.futures.process",
    "multiprocessing.popen_forkserver",
    "multiprocessing.queues",
    "multiprocessing.synchronize",
)
#: Modules that the server has whatever the target is.
_OURS: Final = ("qw.slots.preload", "qw.slots.child")


def preload(module: str) -> None:
    """Have a fork server import a target's module once, for all slots; one that runs already stays as it is."""
    modules = [*_OURS, *([] if module == "__main__" else [module])]
    forkserver.set_forkserver_preload(modules)


def start(module: str) -> bool:
    """
    Fork the fork server from this process, which has imported a target's module, if that is safe.

    Returns whether it was; if not, the first slot starts one as multiprocessing does.
    """
    preload(module)
    for name in _SHARED:
        importlib.import_module(name)
    if not _is_alone() or not hasattr(util, "spawnv_passfds"):
        return False
    # What lives now lives on: a collector that marks it would copy the pages that the processes share.
    gc.collect()
    gc.freeze()
    with _forking():
        forkserver.ensure_running()
    return True


def _is_alone() -> bool:
    """Tell whether this process has one thread, those counted that Python does not know of."""
    return sys.platform == "linux" and threading.active_count() == 1 and len([*Path("/proc/self/task").iterdir()]) == 1


@contextmanager
def _forking() -> Iterator[None]:
    """Have multiprocessing fork what it would start; `spawnv_passfds` is how it starts both of its helpers."""
    known = _descriptors()

    def spawn(_path: object, arguments: Sequence[object], passed: Sequence[int]) -> int:
        return _fork(str(arguments[-1]), {*known, *passed})

    usual = util.spawnv_passfds
    util.spawnv_passfds = spawn  # type: ignore[assignment] # it takes less than any number
    try:
        yield
    finally:
        util.spawnv_passfds = usual


def _fork(program: str, descriptors: Collection[int]) -> int:
    """Run a program, Python on one line, in a fork of this process that has no other descriptors than these."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # what waits in a buffer is to be written once
            stream.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _start_anew(descriptors)
        exec(program, {"__name__": "__main__"})  # noqa: S102 - multiprocessing's own line
        code = 0
    except SystemExit:
        code = 0
    except BaseException:  # noqa: BLE001 - it must never go on as if it was the manager
        traceback.print_exc()
    finally:
        os._exit(code)


def _start_anew(descriptors: Collection[int]) -> None:
    """
    Forget what the parent was about: its signal handlers, and the helpers that it has, or holds a lock to start.

    Descriptors from before, such as a file that the target's module has opened, are the processes' as well.
    """
    signal.set_wakeup_fd(-1)
    for one in signal.valid_signals():
        if callable(signal.getsignal(one)):
            signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)
    for number in _descriptors() - {*descriptors}:
        with suppress(OSError):
            os.close(number)
    # A manager that is told twice to stop leaves semaphores to the tracker, which would tell of them on the terminal.
    warnings.filterwarnings("ignore", "resource_tracker: There appear to be", UserWarning)
    for helper in (resource_tracker._resource_tracker, forkserver._forkserver):  # noqa: SLF001
        helper.__init__()  # type: ignore[misc] # as in a new interpreter


def _descriptors() -> set[int]:
    return {int(link.name) for link in Path("/proc/self/fd").iterdir()}
