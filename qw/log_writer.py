"""
A handler that never keeps who logs waiting: a thread of its own does the writing.

A terminal on which Ctrl-S was typed, or a pager that nobody scrolls, stops whoever writes to it. For a
dispatcher that would mean no beats, and other managers would take its jobs for a dead one's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, TextIO

#: Lines that wait at most; of those beyond only the number is kept. Some megabytes.
MOST: Final = 10_000

#: Seconds that the end of a program waits for its last lines to be taken.
PATIENCE: Final = 1.0


class Writer(logging.Handler):
    """
    Writes the lines of all loggers to one stream.

    1. `emit` formats a record, hands the line to the thread and returns.
    2. The thread writes what has come meanwhile in one go, and passes over a stream that fails.
    3. When nobody takes the lines, the newest are dropped, and counted in a line of their own later.
    """

    def __init__(self, stream: TextIO | None, lost: Callable[[int], logging.LogRecord]) -> None:
        """`lost` makes the record that says how many lines were dropped."""
        super().__init__()
        self._stream = stream
        self._make_lost = lost
        self._lines: SimpleQueue[str | threading.Event] = SimpleQueue()
        self._lost = 0
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; the caller of this has the handler's lock."""
        try:
            self._put(record)
        except Exception:  # noqa: BLE001 - as every handler does: what cannot be formatted harms nobody
            self.handleError(record)

    def _put(self, record: logging.LogRecord) -> None:
        if self._thread is not None and not self._thread.is_alive():
            # This is a fork of the process that has the thread, and what waited there is written there.
            self._thread, self._lines, self._lost = None, SimpleQueue(), 0
        if self._lines.qsize() >= MOST:
            self._lost += 1
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            self._lines.put(self.format(self._make_lost(lost)))
        self._lines.put(self.format(record))
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="qw-log", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Wait until all lines so far are written, but not for ever."""
        if self._thread is not None and self._thread.is_alive():
            written = threading.Event()
            self._lines.put(written)
            written.wait(PATIENCE)

    def _write(self) -> None:
        while True:
            taken = [self._lines.get()]
            while len(taken) < MOST and not self._lines.empty():
                taken.append(self._lines.get())
            self._write_out("".join(f"{line}\n" for line in taken if isinstance(line, str)))
            for mark in taken:
                if isinstance(mark, threading.Event):
                    mark.set()

    def _write_out(self, text: str) -> None:
        if self._stream is None:  # it was closed before the program began
            return
        with contextlib.suppress(OSError, ValueError):
            fileno = _descriptor(self._stream)
            if fileno is None:
                self._stream.write(text)
                self._stream.flush()
            else:
                _write(fileno, text.encode(self._stream.encoding, self._stream.errors or "strict"))


def _descriptor(stream: TextIO) -> int | None:
    """
    Return what a stream writes to, if that is a descriptor.

    To write by the stream is to hold the lock of its buffer for as long as nobody reads: a process that is forked
    meanwhile could never print, and who forks it flushes the stream first of all, and would wait.
    """
    if stream.closed:
        raise ValueError("the stream is closed")
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _write(fileno: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fileno, rest) :]
        except BlockingIOError:  # somebody else who has it open wants it so
            select.select([], [fileno], [])
