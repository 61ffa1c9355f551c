from collections.abc import Iterable
from typing import ClassVar, TypeAlias

_Value: TypeAlias = str | bool | int | list[str] | None

class DocoptLanguageError(Exception): ...

class DocoptExit(SystemExit):
    usage: ClassVar[str]
    def __init__(self, message: str = "") -> None: ...

def docopt(
    doc: str,
    argv: Iterable[str] | None = None,
    help: bool = True,
    version: object = None,
    options_first: bool = False,
) -> dict[str, _Value]: ...
