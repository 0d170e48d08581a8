"""`finds_itself`: rows are found by their own stored vectors, in each index, as users search it.

A row that was given another row's number, or whose postings are another's, cannot find itself, whatever recall says of
the queries that were drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.errors import InvalidInput, StorageError
from xtr_assets.core.recall import upper_bound
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.dense.census import take_census
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.plan.row_diff import sources_of
from xtr_assets.search.loaders import DENSE_FILE

K = 10
# Rows that came with the change, and rows that were there: 8 runs of neighbours each, because numbers slip by one.
NEW_ROWS, OLD_ROWS, RUNS = 256, 96, 8
# Of them so many are asked of the token index, by so many of their tokens: a query's length, a few ms each.
TOKEN_ROWS, QUERY_TOKENS = 64, 24
# A row's code is compared with those of so many rows before and after it in the sample: what a slipped number would
# have given it.
WINDOW = 8
# Rows whose stored vectors differ by less are the same text: which of them is found says nothing.
SAME = 1e-3
# Vectors of two rows that are so alike that their codes may be mistaken for each other.
ALIKE = {"Flat": SAME, "SQfp16": SAME, "SQ8": 0.005, "SQ4": 0.02, "PQ": 0.1}
# Found by search: every row of 14 recipes at tuned profiles, clustered and random vectors, 1,500 x 64. Codes under
# their own row: all of them for codes of a value a dimension. Product quantizers and axes lose what tells neighbours
# apart: 0.98 for half a byte in four dimensions, 0.46 in eight, 0.89 for half a byte on a quarter of the axes. A
# slipped block gives 0, one in any order 1 of 17.
LEAST_FOUND, LEAST_PLACED, LEAST_PLACED_COARSE = 0.9, 0.95, 0.25
# How sure a small sample must be to refuse: one row of a healthy index may be missed.
CONFIDENCE = 0.999
REMEDY = "build again with --full; if it comes back, this is a defect of xtr-assets: report it with these rows"


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the rows asked were found; twins : rows that only an equal one stood for, which are not counted."""

    what: str
    asked: int
    missed: Ints
    twins: int
    least: float

    @property
    def counted(self) -> int:
        return self.asked - self.twins

    @property
    def found(self) -> float:
        return 1.0 - len(self.missed) / self.counted if self.counted else 1.0

    @property
    def surely_at_most(self) -> float:
        return upper_bound(self.found, self.counted, CONFIDENCE) if self.counted else 1.0

    @property
    def passed(self) -> bool:
        return self.surely_at_most >= self.least

    def as_json(self) -> dict[str, Any]:
        return {
            "asked": self.asked,
            "found": round(self.found, 4),
            "surely_at_most": round(self.surely_at_most, 4),
            "least": self.least,
            "twins": self.twins,
            "missed": self.missed[:5].tolist(),
        }


def check(session: DraftSession) -> Finding:
    """New rows and a sample of old ones find themselves. `value` is the share found where it is worst."""
    live, added = session.draft.live, session.rows.added
    strata = {"new": sample(added, NEW_ROWS), "old": sample(live & ~added, OLD_ROWS)}
    shares: list[Share] = []
    rows = np.sort(np.concatenate(list(strata.values())))
    if not len(rows):
        return Finding(True, None, None, "no live row: there is nothing that could find itself", {"rows": 0})
    legs = session.draft.legs
    try:
        if "dense" in legs:
            session.dense()
        if "tokens" in legs:
            session.tokens()
        session.searcher()
    except (InvalidInput, StorageError) as error:
        why = f"an index of the draft cannot be opened, so that no row finds itself: {error}"
        return Finding(False, 0.0, LEAST_FOUND, why, {"rows": len(rows)}, REMEDY)
    asked = {name: chosen for name, chosen in strata.items() if len(chosen)}
    if "dense" in legs:
        shares += _embedded(session, rows, asked)
    if "tokens" in legs:
        shares += [_asked_tokens(session, name, chosen) for name, chosen in asked.items()]
    worst = min(shares, key=lambda one: one.surely_at_most - one.least)
    summary = (
        f"{len(strata['new'])} new and {len(strata['old'])} old rows were asked for by their own vectors; worst are "
        f"{worst.what}: {worst.found:.3f} of {worst.counted} found, surely at most {worst.surely_at_most:.3f}, "
        f"{worst.least:g} is asked"
    )
    passed = all(one.passed for one in shares)
    details = {"rows": len(rows), "shares": {one.what: one.as_json() for one in shares}}
    return Finding(passed, worst.surely_at_most, worst.least, summary, details, "" if passed else REMEDY)


def _embedded(session: DraftSession, rows: Ints, strata: Mapping[str, Ints]) -> list[Share]:
    """What is found by embeddings: codes under their own row, the dense index, and a searcher under a filter."""
    recipe = parse_recipe(session.dense().recipe)
    vectors = session.draft.vectors().gather(rows)
    placed, twins = _placed(session, rows, vectors, ALIKE[recipe.code])
    least = LEAST_PLACED_COARSE if recipe.code == "PQ" or recipe.axes else LEAST_PLACED
    shares = []
    for name, chosen in strata.items():
        at = np.searchsorted(rows, chosen)
        missed = chosen[~placed[at] & ~twins[at]]
        shares.append(Share(f"codes of {name} rows", len(at), missed, int(twins[at].sum()), least))
        own = vectors[at]
        shares.append(_asked_dense(session, name, chosen, own))
        shares.append(_asked_filtered(session, name, chosen, own))
    return shares


def sample(mask: Mask, most: int) -> Ints:
    """At most so many of the rows: runs of neighbours spread over all of them, the same for the same mask.

    >>> sample(np.ones(100, np.bool_), 16)[:4].tolist()
    [0, 1, 14, 15]
    """
    rows = np.flatnonzero(mask)
    if len(rows) <= most:
        return rows
    run = most // RUNS
    starts = np.linspace(0, len(rows) - run, RUNS).astype(np.int64)
    chosen: Ints = np.unique(rows[(starts[:, None] + np.arange(run)).ravel()])
    return chosen


def _placed(session: DraftSession, rows: Ints, vectors: Floats, alike: float) -> tuple[Mask, Mask]:
    """(bool [n] whose own code is nearest among the rows around it, bool [n] where that of a row so alike is)."""
    census = take_census(session.draft.path(DENSE_FILE))
    entries = census.entries_of(rows)
    there = entries >= 0
    coded = census.as_coded(vectors)
    codes = np.zeros_like(coded)
    codes[there] = census.decoded(entries[there])
    # By distance: of lossy codes a longer one has the larger inner product with a vector that is another's.
    likeness = coded @ codes.T - 0.5 * np.einsum("nd,nd->n", codes, codes)
    sameness = coded @ coded.T
    at = np.arange(len(rows))
    likeness[:, ~there] = -np.inf
    likeness[np.abs(at[:, None] - at) > WINDOW] = -np.inf
    best = likeness.argmax(axis=1)
    placed = (best == at) & there
    twins = ~placed & there & (sameness[at, best] >= sameness[at, at] * (1 - alike))
    return placed, twins


def _asked_dense(session: DraftSession, name: str, rows: Ints, vectors: Floats) -> Share:
    scores, found = session.dense().search(np.ascontiguousarray(vectors), K)
    own = np.einsum("nd,nd->n", vectors, vectors)
    return _share(f"{name} rows in the dense index", rows, found, scores, own)


def _asked_filtered(session: DraftSession, name: str, rows: Ints, vectors: Floats) -> Share:
    """Through the searcher, under a filter that the row meets: its source. What comes back is chunks."""
    searcher, sources = session.searcher(), sources_of(session.draft, rows)
    ids = _chunk_ids(session, rows)
    found, scores = np.full((len(rows), K), -1, np.int64), np.full((len(rows), K), -np.inf, np.float32)
    for source in np.unique(sources).tolist():
        own = np.flatnonzero(sources == source)
        scores[own], found[own] = searcher.search_vectors(vectors[own], K, {"source": source})
    alike = np.einsum("nd,nd->n", vectors, vectors)
    share = _share(f"{name} rows under a filter", ids, found, scores, alike)
    return Share(share.what, share.asked, rows[np.isin(ids, share.missed)], share.twins, share.least)


def _asked_tokens(session: DraftSession, name: str, rows: Ints) -> Share:
    """By QUERY_TOKENS of a row's own tokens, spread over it; a row of no tokens is not compared."""
    index, tokens = session.tokens(), session.draft.tokens()
    mask = np.zeros(session.draft.end_row, np.bool_)
    mask[rows] = True
    chosen, queries = [], []
    for row in sample(mask, TOKEN_ROWS).tolist():
        document = tokens.document(row)
        if len(document):
            spread = np.unique(np.linspace(0, len(document) - 1, min(QUERY_TOKENS, len(document))).astype(np.int64))
            chosen.append(row)
            queries.append(np.ascontiguousarray(document[spread]))
    asked = np.array(chosen, np.int64)
    if not len(asked):
        return Share(f"{name} rows in the token index", 0, asked, 0, LEAST_FOUND)
    scores, found = index.search_batch(queries, K)
    own = np.array([index.score(query, asked[i : i + 1])[0] for i, query in enumerate(queries)])
    return _share(f"{name} rows in the token index", asked, found, scores, own)


def _share(what: str, wanted: Ints, found: Ints, scores: Floats, own: Floats) -> Share:
    """Of `wanted` int64 [n], which are among `found` [n, k]; `own` [n] is what each scores against itself."""
    there = (found == wanted[:, None]).any(axis=1)
    # As many equal ones as are asked for may stand before it: then nothing was missed, and nothing was shown.
    twin = ~there & (scores[:, -1] >= own - SAME) & (found[:, -1] >= 0)
    return Share(what, len(wanted), wanted[~there & ~twin], int(twin.sum()), LEAST_FOUND)


def _chunk_ids(session: DraftSession, rows: Ints) -> Ints:
    ids = np.full(len(rows), -1, np.int64)
    for one in session.draft.segments:
        inside = (rows >= one.base_row) & (rows < one.end_row)
        if inside.any():
            ids[inside] = one.segment.chunk_ids()[rows[inside] - one.base_row]
    return ids
