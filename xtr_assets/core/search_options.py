"""How one search is run: one value from the caller to the index."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from xtr_assets.core.arguments import boolean_mask, result_count, whole
from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.types import Mask

Fusion = Literal["zsum", "rrf"]
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)

# Settings in place of a profile's; None leaves the profile's value.
SETTINGS = ("nprobe", "ef_search", "k_prime", "rescore", "quantizer_ef_search", "k_factor")


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Checked when it is made; the ranges that depend on an index are checked by the index.

    k : results a query, at least 1. nprobe, ef_search, k_prime, rescore : in place of the profile's, None leaves it.
    allowed : bool [end_row], the rows that may be returned, None for all live ones; not compared, so that options
    without it name a plan. fusion : how several rankings become one. quantizer_ef_search, k_factor : FAISS's own
    names, from a parameter string.
    """

    k: int = 10
    nprobe: int | None = None
    ef_search: int | None = None
    k_prime: int | None = None
    rescore: int | None = None
    allowed: Mask | None = field(default=None, compare=False, repr=False)
    fusion: Fusion = "zsum"
    quantizer_ef_search: int | None = None
    k_factor: int | None = None

    def __post_init__(self) -> None:
        """Raises InvalidInput naming the argument, its value and what is allowed."""
        object.__setattr__(self, "k", result_count(self.k))
        for name in SETTINGS:
            if (value := getattr(self, name)) is not None:
                checked = whole(value, name, 1, instead=", or None for the profile's")
                object.__setattr__(self, name, checked)
        if self.allowed is not None:
            boolean_mask(self.allowed, "allowed")
        if self.fusion not in FUSIONS:
            raise InvalidInput(f"fusion is {self.fusion!r}; use one of {', '.join(FUSIONS)}")
        if self.rescore is not None and self.k_factor is not None:
            raise InvalidInput(f"rescore = {self.rescore} and k_factor = {self.k_factor} exclude each other; give one")

    @property
    def given(self) -> dict[str, int]:
        """The settings that the caller named."""
        return {name: value for name in SETTINGS if (value := getattr(self, name)) is not None}
