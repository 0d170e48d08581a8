"""How a search is run: the profile, and whether reading every allowed token is cheaper than reading lists."""

import math
from dataclasses import dataclass, replace

from xtr_assets.core.errors import InvalidInput

# Reading a posting costs about as much as multiplying this many stored tokens (a look-up, an add and a scattered write
# against a few vector instructions).
POSTING_COST = 8
# So few tokens are scanned whatever the estimate: the scan is exact and takes a millisecond in the extension.
SCAN_TOKENS = 65_536


@dataclass(frozen=True, slots=True)
class SearchProfile:
    """How a token index is searched.

    nprobe : lists each query token reads
    k_prime : postings that count per query token at most; None: all that were read
    rescore : candidates that get exact MaxSim

    Reading postings costs little, multiplying documents much: over 12,000 chunks 8 lists and 100 documents give
    overlap@10 .990 at 2.6 ms, 4 and 150 .982 at 2.5, 4 and 300 .992 at 3.2 (docs/measurements.md, "late interaction").
    """

    nprobe: int = 8
    k_prime: int | None = None
    rescore: int = 128

    def __post_init__(self) -> None:
        for name, value in (("nprobe", self.nprobe), ("k_prime", self.k_prime), ("rescore", self.rescore)):
            if value is not None and value < 1:
                raise InvalidInput(f"{name} is {value}; it must be at least 1 (results are never returned unrescored)")

    def override(self, nprobe: int | None, k_prime: int | None, rescore: int | None) -> "SearchProfile":
        """The profile with what a call sets."""
        changes = {"nprobe": nprobe, "k_prime": k_prime, "rescore": rescore}
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Route:
    """scan: every allowed row is scored; else nprobe lists a query token, widened for what is not allowed."""

    scan: bool
    nprobe: int
    reason: str


def plan_search(*, tokens: int, rows: int, allowed_rows: int, centroids: int, nprobe: int, limit: int) -> Route:
    """Choose between scanning and lists, by what each reads.

    tokens, rows : stored; allowed_rows : rows that may be returned; limit : rows to be rescored.

    >>> plan_search(tokens=900_000, rows=12_000, allowed_rows=12_000, centroids=3795, nprobe=4, limit=300).scan
    False
    >>> plan_search(tokens=900_000, rows=12_000, allowed_rows=120, centroids=3795, nprobe=4, limit=300).scan
    True
    """
    share = allowed_rows / rows if rows else 0.0
    allowed_tokens = tokens * share
    if allowed_tokens <= SCAN_TOKENS:
        return Route(True, 0, f"{allowed_tokens:.0f} allowed tokens are scanned (limit {SCAN_TOKENS})")
    # With half of the rows allowed, twice the lists hold as many allowed postings.
    widened = min(centroids, math.ceil(nprobe / share))
    postings = tokens / centroids * widened
    by_lists = centroids + postings * POSTING_COST + limit * tokens / rows
    if allowed_tokens <= by_lists:
        return Route(True, 0, f"scanning {allowed_tokens:.0f} tokens costs less than lists ({by_lists:.0f})")
    return Route(False, widened, f"{widened} of {centroids} lists a query token")
