"""How a search is run: the profile, and whether reading every allowed token is cheaper than reading lists."""

import math
from dataclasses import dataclass, replace
from typing import Any

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.search_options import SearchOptions

# What a parameter text may set.
PARAMETERS = {name: name for name in ("nprobe", "k_prime", "rescore")}
# Costs for one query token, in stored tokens of a document that is rescored with token pruning (16 ns for 32 query
# tokens in the extension): reading one document of a list (4 ns), and looking at the centroid of one stored token (1.2
# ns for 32). numba and numpy have other ratios, and the same results either way.
POSTING_COST, CENTROID_COST = 8, 0.08
# All tokens of a document in 16 bits cost three times the pruned ones in 8 (dim 128: 0.93 ns more than 0.5).
WHOLE_COST = 3
# A list holds each of its documents once: half of its tokens are a document's second.
DISTINCT_SHARE = 0.5
# So few tokens are scanned whatever the estimate: a scan is exact, and half a millisecond in the extension.
SCAN_TOKENS = 16_384
# So many components (tokens times dim) are scanned by plan, all of them exactly: a tuner's walk, its loss of recall and
# what a gate can prove of it are not worth what lists save there. See docs/measurements.md, "A scan of tokens".
PLANNED_SCAN = 1 << 24
# So many are scanned where no lists meet the goal: beyond, a query costs a tenth of a second of one core.
DEAREST_SCAN = 1 << 28
# Rows whose centroids are looked at, as a multiple of those rescored: looking costs a tenth of rescoring, and over
# 12,000 chunks three times as many in place of four lost 0.001 of overlap@10. The more rows there are, the deeper the
# true neighbours lie by what lists say, but not by centroids (docs/measurements.md, "Late interaction").
MET_PER_RESCORED, MET_ROWS, MET_GROWTH = 4, 12_000, 2 / 3


@dataclass(frozen=True, slots=True)
class SearchProfile:
    """How a token index is searched.

    nprobe : lists each query token reads
    k_prime : documents of lists that count per query token at most; None: all that were read
    rescore : candidates of which tokens are multiplied
    whole : multiply all their tokens; without it, token pruning for most and all tokens of the best
    scan : every allowed row is scored exactly; the other settings wait until a call names one of them

    Over 12,000 chunks (899,000 tokens) 8 lists and 224 documents give overlap@10 0.986 with exact MaxSim, 8 and 128
    0.971, 8 and 320 0.989 (docs/measurements.md, "Late interaction").
    """

    nprobe: int = 8
    k_prime: int | None = None
    rescore: int = 224
    whole: bool = False
    scan: bool = False

    def __post_init__(self) -> None:
        for name, value in (("nprobe", self.nprobe), ("k_prime", self.k_prime), ("rescore", self.rescore)):
            if value is not None and value < 1:
                raise InvalidInput(f"{name} is {value}; it must be at least 1 (results are never returned unrescored)")

    def override(self, options: SearchOptions) -> "SearchProfile":
        """The profile with what a call sets; a call that sets lists or candidates wants no scan."""
        if not options.named:
            return self
        changes = {"nprobe": options.nprobe, "k_prime": options.k_prime, "rescore": options.rescore}
        given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
        return replace(self, **given, scan=False) if given else self


@dataclass(frozen=True, slots=True)
class Depths:
    """How many rows pass each step of ReferenceBackend.retrieve; nprobe and keep of 0 leave theirs out."""

    nprobe: int
    k_prime: int
    met: int
    limit: int
    keep: int


@dataclass(frozen=True, slots=True)
class Route:
    """scan: every allowed row is scored exactly; else nprobe lists a query token, or, 0, the centroids of all rows."""

    scan: bool
    nprobe: int
    reason: str


def met_rows(limit: int, allowed_rows: int) -> int:
    """How many rows pass from lists to their centroids where `limit` are rescored.

    >>> [met_rows(224, rows) for rows in (1_000, 12_000, 50_000, 100_000, 1_000_000)]
    [896, 896, 2320, 3683, 17094]
    """
    growth: float = max(1.0, allowed_rows / MET_ROWS) ** MET_GROWTH
    return round(MET_PER_RESCORED * limit * growth)


def plan_search(*, tokens: int, rows: int, allowed_rows: int, centroids: int, nprobe: int, limit: int) -> Route:
    """Choose between scanning, the centroids of every allowed row, and lists, by what each reads.

    tokens, rows : stored; allowed_rows : rows that may be returned; limit : rows to be rescored.

    >>> plan_search(tokens=900_000, rows=12_000, allowed_rows=12_000, centroids=3795, nprobe=8, limit=192)
    Route(scan=False, nprobe=8, reason='8 of 3795 lists a query token')
    >>> plan_search(tokens=900_000, rows=12_000, allowed_rows=120, centroids=3795, nprobe=8, limit=192).scan
    True
    >>> plan_search(tokens=900_000, rows=12_000, allowed_rows=1200, centroids=3795, nprobe=8, limit=192).nprobe
    0
    """
    share = allowed_rows / rows if rows else 0.0
    allowed_tokens = tokens * share
    if allowed_tokens <= SCAN_TOKENS or allowed_rows <= limit:
        return Route(True, 0, f"{allowed_tokens:.0f} allowed tokens are scanned (limit {SCAN_TOKENS})")
    # With half of the rows allowed the best of them lie deeper, and fewer compete with them: half way between as many
    # lists and as many allowed documents. Filtered recall@10 was 0.99 at a half of 12,000 chunks, 0.984 of all.
    widened = min(centroids, math.ceil(nprobe / math.sqrt(share)))
    by_lists = tokens / centroids * widened * DISTINCT_SHARE * POSTING_COST
    by_lists += met_rows(limit, allowed_rows) * tokens / rows * CENTROID_COST
    if allowed_tokens * CENTROID_COST <= by_lists:
        return Route(False, 0, f"the centroids of {allowed_tokens:.0f} allowed tokens cost less than lists")
    return Route(False, widened, f"{widened} of {centroids} lists a query token")
