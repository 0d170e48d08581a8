"""`dense_recall_new_rows`, `xtr_recall_new_rows`: whether an index finds the rows that came, which an average hides.

Of a query drawn from a new row most neighbours are old: with 1 % new rows missing from FAISS its recall is 0.996. Here
only neighbours that are new count, and only those that every right answer contains.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.new_neighbors import certain_new, shares_by_row, shares_found, surely_at_most
from xtr_assets.core.recall import MAXSIM_TIE_TOLERANCE, TIE_TOLERANCE, Doubles, lower_bound
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.core.types import Space as SpaceName
from xtr_assets.index.exact_scan import exact_dense, true_scores
from xtr_assets.index.half_precision import gather
from xtr_assets.pipeline.derive.exact_maxsim import exact_tokens
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.likeness import unlike

# How sure the gate is that new rows are found less often than asked, before it refuses. A query has one to ten new
# neighbours, most often its own chunk alone, and a miss is a whole query: of 50 queries of an index that finds 0.975,
# two miss in every third build, ten (which refuse at 0.93) in one of 10 million; of one that finds 0.93 in 2 of 1,000.
CONFIDENCE = 0.999
# Fewer independent shares than this and new rows are asked for by their own vectors, too: none of four found
# is surely below 0.83. None of one or two is not, but no index that has a row misses it by its own vectors and by
# words.
LEAST_EVIDENCE = 4
# New rows asked for by their own vectors, spread evenly.
OWN_ROWS = 16
# Tokens of a row that stand for it, evenly spread: as many as a query has.
OWN_TOKENS = 16
# What scores this close to a row's own score is a copy of it to an index of rounded vectors.
EQUAL = 0.01
# Beyond this share of the live rows the new rows are not compared on their own again: the exact lists hold them.
MOST_NEW = 0.5


@dataclass(frozen=True, slots=True)
class Space:
    """An index with its exact counterparts.

    search : (queries, k) -> (scores, rows int64 [q, k]), as a searcher asks the index: without a filter, since a filter
    that lets few rows through is answered by scanning them, and would prove nothing of the index. exact : (queries,
    rows bool, k) -> (scores, rows). own : row -> a query of the row's own vectors, and the row's score for it.
    tie : rows whose scores differ by no more are one to the index.
    """

    name: str
    exhaustive: bool
    search: Callable[[Sequence[Floats], int], tuple[Floats, Ints]]
    exact: Callable[[Sequence[Floats], Mask, int], tuple[Floats, Ints]]
    own: Callable[[int], tuple[Floats, float]]
    tie: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured.

    shares : independent ones, of queries, or of the new rows where these are fewer; undecided : queries without a
    certain new neighbour; own, copies : of the rows asked for by their own vectors, those that were found, or stood
    behind copies of themselves; queries : asked, of which no two are the same; rows : that `shares` speaks of, 0 where
    it is of queries
    """

    shares: Doubles
    undecided: int
    own: int
    copies: int
    queries: int = 0
    rows: int = 0


def dense_recall_new_rows(session: DraftSession) -> Finding:
    """Recall of the dense index over exact neighbours that are new."""
    return _look(session, "dense", session.queries().of("new"), dense_space)


def xtr_recall_new_rows(session: DraftSession) -> Finding:
    """Recall of the token index over exact neighbours that are new."""
    gate = session.queries()
    return _look(session, "xtr", gate.of("new") & gate.with_tokens(), token_space)


def dense_space(session: DraftSession) -> Space:
    index, draft = session.dense(), session.draft
    vectors = draft.vectors()

    def own(row: int) -> tuple[Floats, float]:
        query = gather(vectors, np.array([row]))
        return query[0], float(true_scores(vectors, query, np.array([[row]]))[0, 0])

    return Space(
        "dense search",
        parse_recipe(index.recipe).exhaustive,
        lambda queries, k: index.search(np.stack(queries), k),
        lambda queries, rows, k: exact_dense(vectors, rows, np.stack(queries), k),
        own,
        TIE_TOLERANCE,
    )


def token_space(session: DraftSession) -> Space:
    index, draft = session.tokens(), session.draft
    tokens = draft.tokens()

    def own(row: int) -> tuple[Floats, float]:
        document = tokens.document(row)
        query = document[np.linspace(0, len(document) - 1, min(len(document), OWN_TOKENS)).astype(np.int64)]
        query = query / np.maximum(np.linalg.norm(query, axis=1, keepdims=True), 1e-12)
        return query, float(index.score(query, np.array([row]))[0])

    return Space(
        "late interaction",
        False,
        lambda queries, k: index.search_batch(list(queries), k),
        lambda queries, rows, k: exact_tokens(tokens, rows, list(queries), k),
        own,
        MAXSIM_TIE_TOLERANCE,
    )


def measure(space: Space, queries: Sequence[Floats], exact: Neighbors, added: Mask, live: Mask, k: int) -> Evidence:
    """Ask the index for each query and count the new rows that every right answer contains.

    Queries of the same vectors are one. Where ties leave no row certain among the k best, the same is asked at the
    depth of the exact lists. Of nine queries about one row the bound of nine would be sure of what one row says: the
    shares are of rows where these are fewer.
    """
    different = unlike(queries)
    queries, exact = [queries[i] for i in np.flatnonzero(different).tolist()], exact.of(different)
    certain, found = _certain(space, queries, exact, added, live, k) if queries else ([], np.empty((0, k), np.int64))
    by_query, by_row = shares_found(certain, found), shares_by_row(certain, found)
    told = by_query[~np.isnan(by_query)]
    undecided = len(queries) - len(told)
    rows = len(by_row) if len(by_row) < len(told) else 0
    told = by_row if rows else told
    if len(told) >= LEAST_EVIDENCE:
        return Evidence(told, undecided, 0, 0, len(queries), rows)
    own, copies = _by_own_vectors(space, np.flatnonzero(added), k)
    return Evidence(np.concatenate([told, own]), undecided, len(own), copies, len(queries), rows)


def _certain(
    space: Space, queries: Sequence[Floats], exact: Neighbors, added: Mask, live: Mask, k: int
) -> tuple[list[Ints], Ints]:
    """(certain new rows of each query, found int64 [q, widest], -1 pads)."""
    depth = exact.rows.shape[1]
    new = _new_lists(space, queries, exact, added, live, depth)
    count = int(live.sum())
    certain = certain_new(exact.scores, exact.rows, *new, k, space.tie, count)
    found = np.full((len(queries), max(k, depth - 1)), -1, np.int64)
    found[:, :k] = space.search(queries, k)[1]
    open_ = [i for i, rows in enumerate(certain) if not len(rows)]
    if open_ and depth > k + 1:
        # One place is left to see who ties with the last.
        lists = exact.scores[open_], exact.rows[open_], new[0][open_], new[1][open_]
        deep = dict(zip(open_, certain_new(*lists, depth - 1, space.tie, count), strict=True))
        some = [i for i in open_ if len(deep[i])]
        if some:
            found[some, : depth - 1] = space.search([queries[i] for i in some], depth - 1)[1]
        certain = [deep.get(i, rows) for i, rows in enumerate(certain)]
    return certain, found


def _new_lists(
    space: Space, queries: Sequence[Floats], exact: Neighbors, added: Mask, live: Mask, k: int
) -> tuple[Floats, Ints]:
    if added.sum() <= MOST_NEW * live.sum():
        return space.exact(queries, added, k)
    inside = (exact.rows >= 0) & added[np.maximum(exact.rows, 0)]
    return exact.scores, np.where(inside, exact.rows, -1)


def _by_own_vectors(space: Space, rows: Ints, k: int) -> tuple[Doubles, int]:
    """Of new rows asked for by their own vectors: 1.0 for one that is found, 0.0 for one that is not; and how many were
    not because k copies of them were."""
    if not OWN_ROWS or not len(rows):
        return np.empty(0, np.float64), 0
    asked = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), OWN_ROWS)).astype(np.int64))]
    own = [space.own(int(row)) for row in asked]
    scores, found = space.search([query for query, _ in own], k)
    shares, copies = [], 0
    for i, (row, (_, score)) in enumerate(zip(asked.tolist(), own, strict=True)):
        if row in found[i]:
            shares.append(1.0)
        elif (scores[i] >= score - EQUAL).all():
            copies += 1
        else:
            shares.append(0.0)
    return np.array(shares, np.float64), copies


def judge_new(space: str, evidence: Evidence, rows: int, k: int, threshold: float, *, exact: bool) -> Finding:
    """The verdict: refused where new neighbours are surely found less often than asked, or nothing could be asked."""
    shares = evidence.shares
    details = {
        "new_rows": rows,
        "k": k,
        "queries": evidence.queries,
        "rows": evidence.rows,
        "asked_by_own_vectors": evidence.own,
        "copies": evidence.copies,
        "undecided": evidence.undecided,
    }
    if not len(shares):
        copied = evidence.copies > 0
        said = (
            f"the {rows} new rows are copies of rows that {space} finds in their place"
            if copied
            else f"no query could be asked for {rows} new rows of {space}"
        )
        return Finding(copied, None, threshold, said, {**details, "basis": "copies" if copied else "no queries"})
    mean = float(shares.mean())
    # Nothing found, by rows' own vectors either: no bound is needed.
    lost = mean == 0.0 and evidence.own > 0
    value = mean if exact or lost else surely_at_most(shares, CONFIDENCE)
    asked = [f"{evidence.queries} queries"] if evidence.queries else []
    asked += [f"{evidence.own} rows' own vectors"] if evidence.own else []
    how = f"{' and '.join(asked) or f'{len(shares)} queries'} for {rows} new rows"
    how += f", counted by {evidence.rows} of these" if evidence.rows else ""
    passed = value >= threshold
    return Finding(
        passed,
        value,
        threshold,
        f"{space} finds {mean:.3f} of the neighbours that are new ({how}), "
        + ("" if exact else f"surely at most {value:.3f}; ")
        + f"{threshold:g} is asked",
        {
            **details,
            "basis": "mean of an exact index" if exact else "upper bound",
            "mean": mean,
            "lower_bound": lower_bound(shares),
            "confidence": CONFIDENCE,
        },
        ""
        if passed
        else "`xtr-assets build --full` (in Dagster: `retrain`) makes the index anew over all rows; see "
        "recall.new_rows in xtr.yaml",
    )


def _look(session: DraftSession, space: SpaceName, chosen: Mask, opened: Callable[[DraftSession], Space]) -> Finding:
    recall, draft = session.config.recall, session.draft
    if session.parent is None:
        return Finding(True, None, recall.new_rows, "every row is new: the recall over all rows is theirs")
    added = session.rows.added
    rows = int(added.sum())
    if not rows:
        return Finding(True, None, recall.new_rows, "no row is new", {"new_rows": 0})
    gate, made = session.queries(), opened(session)
    asked = np.flatnonzero(chosen).tolist()
    queries = [gate.embeddings[i] if space == "dense" else gate.tokens[i] for i in asked]
    evidence = measure(made, queries, session.neighbors(space).of(chosen), added, draft.live, recall.k)
    return judge_new(made.name, evidence, rows, recall.k, recall.new_rows, exact=made.exhaustive)
