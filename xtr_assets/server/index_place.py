"""What is said of an index that does not answer: its place is gone, nothing serves, a generation is not held."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from xtr_assets.core.errors import GenerationError, UnknownFormat
from xtr_assets.search.loaders import Place, check_profile
from xtr_assets.server.problem import Problem
from xtr_assets.storage.parts.part_set import PartSet

log = logging.getLogger(__name__)

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


def check_beside(place: Place, number: int) -> None:
    """Raises Problem where a generation cannot answer beside the one that serves: before its indexes are opened, which
    takes long."""
    try:
        with read_here(number):
            found = place.generation(number)
            check_profile(found)
    except GenerationError as error:
        raise Problem(404, GenerationError.__name__, f"there is no generation {number}") from error
    if (state := found.state) not in ("published", "retired"):
        raise Problem(
            409, GenerationError.__name__, f"generation {number} is {state}: only one that served may answer again"
        )


@contextmanager
def read_here(number: int) -> Iterator[None]:
    """Within it what a later release wrote is a Problem: the server does not have the generation, another may."""
    try:
        yield
    except UnknownFormat as error:
        log.warning("generation %d is not read here", number, exc_info=error)
        told = f"generation {number} is of a release that this server does not read; update the server"
        raise Problem(409, GenerationError.__name__, told) from error
