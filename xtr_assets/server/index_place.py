"""What is said of an index that does not answer: its place is gone, nothing serves, a generation is not held."""

from collections.abc import Sequence

from xtr_assets.core.errors import GenerationError
from xtr_assets.search.loaders import Place
from xtr_assets.server.problem import Problem
from xtr_assets.storage.parts.part_set import PartSet

GONE = "its folder is gone or empty: it was moved, or its disk is not mounted; it is followed again once back"


def is_gone(place: Place) -> bool:
    """Whether the folder cannot be listed, or holds nothing: an empty mount point looks so."""
    try:
        return not any(place.root.iterdir())
    except OSError:
        return True


def unpublished(place: Place) -> str:
    """Why nothing serves, and what helps."""
    if is_gone(place):
        return GONE
    if isinstance(place, PartSet):
        return "nothing is published; `xtr-assets parts publish` lets the parts serve together"
    return "nothing is published; `xtr-assets build` publishes a generation that passes its checks"


def missing(name: str, problem: str | None, pinned: int | None, kept: Sequence[int]) -> Problem:
    """Why an index does not answer: 503, or 410 where it does not hold the generation that was asked for."""
    if pinned is None:
        return Problem(503, GenerationError.__name__, f"index {name!r} does not answer: {problem}")
    return Problem(
        410,
        GenerationError.__name__,
        f"generation {pinned} is not held here (any more), there are {list(kept)}; `refresh` moves to the one that "
        "serves",
    )
