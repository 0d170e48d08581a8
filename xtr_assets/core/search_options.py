"""How one search is run: one value from the caller to the index."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, get_args

from xtr_assets.core.arguments import MOST_RESULTS, boolean_mask, result_count, whole
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Mask

Fusion = Literal["zsum", "rrf"]
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)
Collapse = Literal["symbol", "text"]
COLLAPSES: tuple[Collapse, ...] = get_args(Collapse)
# What people and agents may say.
SaidCollapse = Literal["text", "symbol", "none"]

# Settings in place of a profile's; None leaves the profile's value.
SETTINGS = ("nprobe", "ef_search", "k_prime", "rescore", "quantizer_ef_search", "k_factor")


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Checked when it is made; the ranges that depend on an index are checked by the index.

    k : results a query, at least 1. nprobe, ef_search, k_prime, rescore : in place of the profile's, None leaves it.
    allowed : bool [end_row], the rows that may be returned, None for all live ones; not compared, so that options
    without it name a plan. fusion : how several rankings become one. collapse : "symbol" for one hit a symbol, "text"
    for one hit a text.
    quantizer_ef_search, k_factor : FAISS's own names, from a parameter string.
    """

    k: int = 10
    nprobe: int | None = None
    ef_search: int | None = None
    k_prime: int | None = None
    rescore: int | None = None
    allowed: Mask | None = field(default=None, compare=False, repr=False)
    fusion: Fusion = "zsum"
    collapse: Collapse | None = None
    quantizer_ef_search: int | None = None
    k_factor: int | None = None

    def __post_init__(self) -> None:
        """Raises InvalidInput naming the argument, its value and what is allowed."""
        # Every search makes one: what is in order is not written again (2 us less of a search that takes 30).
        if type(self.k) is not int or not 1 <= self.k <= MOST_RESULTS:
            object.__setattr__(self, "k", result_count(self.k))
        if self.named:
            for name, value in self.given.items():
                object.__setattr__(self, name, whole(value, name, 1, instead=", or None for the profile's"))
        if self.allowed is not None:
            boolean_mask(self.allowed, "allowed")
        if self.fusion not in FUSIONS:
            raise InvalidInput(f"fusion is {self.fusion!r}; use one of {', '.join(FUSIONS)}")
        if self.collapse is not None and self.collapse not in COLLAPSES:
            use = " or ".join(map(repr, COLLAPSES))
            raise InvalidInput(f"collapse is {self.collapse!r}; use {use}, or None for every chunk by itself")
        if self.rescore is not None and self.k_factor is not None:
            raise InvalidInput(f"rescore = {self.rescore} and k_factor = {self.k_factor} exclude each other; give one")

    @property
    def named(self) -> bool:
        """Whether the caller named any setting."""
        return not (
            self.nprobe is None
            and self.rescore is None
            and self.k_prime is None
            and self.ef_search is None
            and self.k_factor is None
            and self.quantizer_ef_search is None
        )

    @property
    def given(self) -> dict[str, int]:
        """The settings that the caller named."""
        return {name: value for name in SETTINGS if (value := getattr(self, name)) is not None}


def chosen_collapse(chosen: SaidCollapse | None, *, arriving: bool) -> Collapse | None:
    """What people and agents get: equal texts once unless they say otherwise. Which texts are equal is not known of a
    generation that is still arriving, whose first answers would wait for all of it.

    >>> [chosen_collapse(one, arriving=False) for one in (None, "text", "symbol", "none")]
    ['text', 'text', 'symbol', None]
    >>> [chosen_collapse(one, arriving=True) for one in (None, "text")]
    [None, 'text']
    """
    if chosen is None:
        return None if arriving else "text"
    return None if chosen == "none" else chosen


def search_options(
    k: int,
    nprobe: int | None = None,
    ef_search: int | None = None,
    k_prime: int | None = None,
    rescore: int | None = None,
    allowed: Mask | None = None,
) -> SearchOptions:
    """The options of a call; those without a mask are made once (3 us, a tenth of a small dense search)."""
    if allowed is None:
        # What cannot be hashed is no number, which the value itself says.
        try:
            return _kept(k, nprobe, ef_search, k_prime, rescore)
        except TypeError:
            pass
    return SearchOptions(k, nprobe, ef_search, k_prime, rescore, allowed)


@lru_cache(maxsize=256, typed=True)
def _kept(k: int, nprobe: int | None, ef_search: int | None, k_prime: int | None, rescore: int | None) -> SearchOptions:
    # Typed: True is no 1, and 2.0 no 2.
    return SearchOptions(k, nprobe, ef_search, k_prime, rescore)
