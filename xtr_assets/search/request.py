"""What may be asked: every argument of a search is checked before anything is encoded or opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.query_syntax import SYNTAXES, Syntax
from xtr_assets.core.search_options import SETTINGS, SearchOptions
from xtr_assets.core.where_syntax import Where, parse_where
from xtr_assets.search.blend import Blend
from xtr_assets.search.ranker import Mode

MODES: tuple[Mode, ...] = get_args(Mode)

# Modes that sum legs; the others have one space, whose name they bear.
SUMMED: tuple[Mode, ...] = ("hybrid", "exact")

# Settings that the one index of a mode does not have; in hybrid each index takes those of its own.
UNUSED: Mapping[Mode, tuple[str, ...]] = {
    "dense": ("k_prime",),
    "xtr": ("ef_search",),
    "lexical": SETTINGS,
    "exact": SETTINGS,
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One checked question: in which mode, over which rows, with which options, and how its text is read.

    scan : score every allowed row for the lists, which are as long as those of the mode's indexes, whatever the mode:
        it is the reference of what these find, and no search of anybody's, which the metrics of searches do not count
    raw : rank by the scores of a space as they are
    """

    options: SearchOptions
    mode: Mode
    where: Where | None
    syntax: Syntax = "terms"
    scan: bool = False
    raw: bool = False

    @property
    def k(self) -> int:
        """How many hits."""
        return self.options.k

    def shortens(self, blend: Blend) -> bool:
        """Whether length takes something off a score that ranks alone: off MaxSim, where the generation says so."""
        return self.mode == "xtr" and not self.raw and blend.alone != 0.0

    def adds_pooled(self, blend: Blend) -> bool:
        """Whether the cosine of the whole texts adds to a score that ranks alone: to MaxSim, where the generation says
        so."""
        return self.mode == "xtr" and not self.raw and blend.pooled != 0.0

    @classmethod
    def checked(
        cls, options: SearchOptions, mode: str, where: Mapping[str, Any] | None, syntax: str = "terms"
    ) -> "Ask":
        """Raises InvalidInput naming the argument, its value and what is allowed."""
        if mode not in MODES:
            raise InvalidInput(f"mode is {mode!r}; use one of {', '.join(MODES)}")
        if syntax not in SYNTAXES:
            raise InvalidInput(f"syntax is {syntax!r}; use one of {', '.join(SYNTAXES)}")
        if options.fusion == "rrf" and mode not in SUMMED:
            raise InvalidInput(f"fusion is 'rrf' in mode {mode!r}, which has one ranking; use mode hybrid or exact")
        for name, value in options.given.items():
            if name in UNUSED.get(mode, ()):
                raise InvalidInput(f"{name} is {value} in mode {mode!r}, which does not use it; leave it out")
        parsed = None if where is None or (isinstance(where, Mapping) and not where) else parse_where(where)
        return cls(options, mode, parsed, syntax)
