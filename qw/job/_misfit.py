"""
What does not fit: the one error of the encoding inside qw, which knows where it is and grows its path on the way out.

    {"size": {"width": "12"}}     int("12")? no:           Misfit("expected int, got …")
              └─────┘             the class Size adds      path ".width"
     └────┘                       the job's field adds     path "size.width"

A `JobType` turns it into `UndecodableJob` or `UsageError`; nobody else sees it.
"""

from __future__ import annotations

import linecache
import re

from qw.logs import safe

#: Characters of a value that a reason quotes: enough to recognise it, not to fill a log with it.
QUOTED = 60

# attrs calls a field's converter and validator by these names in the `__init__` that it writes.
_CALL_FOR_FIELD = re.compile(r"__attr_(?:converter|validator)_(\w+)\(")

_KINDS = {dict: "the object ", list: "the list ", str: "the string ", int: "the number ", float: "the number "}


class Misfit(ValueError):
    """A value is not what its type says."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        #: Where in the field it is, such as `.width` or `[3]`; empty for the field itself.
        self.path = path


def wanted(what: str, got: object) -> Misfit:
    """Say that `what` was expected where `got` is."""
    # What is cut off afterwards need not be made first: a field may hold megabytes.
    shown = repr(got[:QUOTED] if isinstance(got, str) else got)
    return Misfit(f"expected {what}, got {_KINDS.get(type(got), '')}{safe(shown, QUOTED)}")


def beneath(step: str, error: BaseException) -> Misfit:
    """Return `error` as seen from one level further out, `step` away."""
    if isinstance(error, Misfit):
        return Misfit(error.reason, step + error.path)
    return Misfit(describe(error), step)


def describe(error: BaseException) -> str:
    """Return what an error says, in one safe line; its class too, when that tells more than `ValueError`."""
    if isinstance(error, Misfit):
        return error.reason
    # attrs' validators put the field and the value behind the message; str() would show all of them.
    text = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    if type(error) in (ValueError, TypeError) and text:
        return safe(text)
    return safe(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def refused_field(error: BaseException) -> str:
    """Return the field whose validator or converter raised `error`, or an empty string when it was none of them."""
    # attrs does not tell, but it keeps the source of what it writes where tracebacks find it.
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == "__init__" and code.co_filename.startswith("<attrs generated"):
            found = _CALL_FOR_FIELD.search(linecache.getline(code.co_filename, trace.tb_lineno))
            return found[1] if found else ""
        trace = trace.tb_next
    return ""
