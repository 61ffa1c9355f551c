"""The codec of one type: the fast lanes where there are any, cattrs for all else."""

from __future__ import annotations

from qw.job._misfit import wanted
from qw.job._text import FAST, Codec, dumps, loads


def json_codec(annotation: object) -> Codec:
    """
    Return how values of a type are written as JSON, and read back.

    Raises, mostly `Misfit`, for a type that JSON cannot hold.
    """
    return FAST.get(annotation) or _slow_codec(annotation)


def _slow_codec(annotation: object) -> Codec:
    # Imported only for those who need it: cattrs takes a slot longer to import than all else of this package.
    from qw.job._converter import converter
    from qw.job._shapes import classes_of, fits, name_of

    structure = converter().get_structure_hook(annotation)
    unstructure = converter().get_unstructure_hook(annotation)
    classes = classes_of(annotation)

    def put(value: object) -> str:
        if not fits(value, classes):
            raise wanted(name_of(annotation), value)
        return dumps(unstructure(value))

    def take(text: str) -> object:
        made: object = structure(loads(text), annotation)
        return made

    return Codec(put, take)
