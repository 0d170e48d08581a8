"""The verdicts of the gate: recall of each index of a draft against the exact neighbours of the gate queries."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from xtr_assets.core.recall import MAXSIM_TIE_TOLERANCE, TIE_TOLERANCE, RecallReport, recall_report, upper_bound
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.row_store import RowTokens
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.types import Floats, Mask, Space
from xtr_assets.index import DenseIndex
from xtr_assets.pipeline.derive.exact_maxsim import row_scores
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors, neighbor_files
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.further_queries import further_queries
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.plan.row_diff import sources_of
from xtr_assets.pipeline.queries.gate_queries import QUERY_FILES, GateQueries, joined
from xtr_assets.pipeline.queries.likeness import unlike
from xtr_assets.search.loaders import DENSE_FILE, TOKEN_FILE
from xtr_assets.storage.draft import Draft

# How sure a small sample must be to refuse. One query of a healthy index finds three to five of its ten neighbours now
# and then, and what is refused stays refused until something else changes: at 0.95 half of them refused a change of one
# function, at 0.99 three of them did; now it takes one in ten for one query, three for two, half for four.
FEW_CONFIDENCE = 0.999
# Multiples of the profile's nprobe at which recall is measured for the curve: half shows how steep it is, double what
# a query could still gain.
CURVE_FACTORS = (0.25, 0.5, 1.0, 2.0)
# Queries of a point of the curve, which nobody is judged by: 640 neighbours tell a recall to 0.02, and the three points
# beside the profile's took 0.15 of 0.27 CPU s at 300,000 rows.
CURVE_QUERIES = 64
REMEDY = (
    "`xtr-assets tune` (in Dagster: `tune`) finds a profile that reads more; `xtr-assets build --full` (in Dagster: "
    "`retrain`) trains the index anew; `recall` in xtr.yaml is what is asked"
)
# By so much two rows differ surely, in either arithmetic: that of queries in 16 bits is off by 0.000018 at most.
NEARER = 1e-3
LISTS_REMEDY = "`xtr-assets build --full` (in Dagster: `retrain`) looks for exact neighbours again"
NO_QUERY_REMEDY = (
    "`xtr-assets build` (in Dagster: `rebuild`) draws queries again; a `queries` file in xtr.yaml gives them"
)


def judge(
    what: str,
    report: RecallReport | None,
    threshold: float,
    *,
    exact: bool,
    details: Mapping[str, Any] | None = None,
    parts: Mapping[str, RecallReport] | None = None,
) -> Finding:
    """A recall against its threshold; `what` names it in words.

    An index that is exact by construction is judged by its mean: with few queries the bound of a perfect result would
    say more about their number than about the index. Any other is judged by the lower confidence bound. Each of
    `parts`, shares of the queries that the average would hide, is judged by its upper bound: the worst one that is
    surely below the threshold refuses.
    """
    split = {name: _Part.of(part) for name, part in (parts or {}).items()}
    if report is None:
        # Not measured is not good: only what scores every row, or has none, needs no proof.
        why = "every row is scored, which needs no proof" if exact else "not measured: there is no query to ask"
        more = {"basis": "exact by construction" if exact else "no queries", **(details or {})}
        return Finding(exact, None, threshold, f"{what}: {why}", more, "" if exact else NO_QUERY_REMEDY)
    value, basis = evidence(report, exact)
    worst = min(split, key=lambda name: split[name].upper_bound, default="")
    if worst and split[worst].upper_bound < min(value, threshold):
        value, basis = split[worst].upper_bound, f"upper bound of {worst}: {split[worst].queries} queries"
    shares = {"parts": {name: asdict(part) for name, part in split.items()}} if split else {}
    passed = value >= threshold
    return Finding(
        passed=passed,
        value=value,
        threshold=threshold,
        summary=f"{what} is {report.mean:.3f} over {report.queries} queries ({basis} {value:.3f}); "
        f"{threshold:g} is asked",
        details={"basis": basis, **report.as_json(), **shares, **(details or {})},
        remedy="" if passed else REMEDY,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Recall over some of the queries, with the bound that it surely stays below."""

    mean: float
    upper_bound: float
    queries: int

    @classmethod
    def of(cls, report: RecallReport) -> "_Part":
        return cls(report.mean, upper_bound(report.mean, report.queries, FEW_CONFIDENCE), report.queries)


def evidence(report: RecallReport, exact: bool) -> tuple[float, str]:
    """The figure that is held against the threshold, and what it is."""
    if exact:
        return report.mean, "mean of an exact index"
    return report.lower_bound, "lower bound"


def dense_recall(session: DraftSession) -> Finding:
    """Recall@k of the dense index over the fixed queries and by source, with the curve over nprobe of its lists."""
    return _dense(session, session.config.recall.dense)


def xtr_recall(session: DraftSession) -> Finding:
    """Recall@k of the token index against exact MaxSim over the fixed queries, and by source."""
    return _tokens(session, session.config.recall.xtr)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Queries with their exact neighbours; further : how many of them were drawn beside the fixed ones."""

    queries: GateQueries
    exact: Neighbors
    further: int = 0

    def and_further(self, session: DraftSession, space: Space, k: int) -> "_Asked":
        """With others of the same corpus, none of which the profile was tuned on."""
        queries, exact = further_queries(session, space)
        scores = np.concatenate([one.scores[:, :k] for one in (self.exact, exact)])
        rows = np.concatenate([one.rows[:, :k] for one in (self.exact, exact)])
        return _Asked(joined(self.queries, queries), Neighbors(scores, rows), len(queries))


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries that an index was judged by, their exact neighbours, and what it found."""

    queries: GateQueries
    exact: Neighbors
    found: Neighbors


# What a session keeps the judged queries of a space under.
JUDGED: Mapping[Space, str] = {"dense": "judged dense", "xtr": "judged xtr"}
INDEX_FILE: Mapping[Space, str] = {"dense": DENSE_FILE, "xtr": TOKEN_FILE}


def judged_key(session: DraftSession, space: Space) -> Hashable:
    """What that holds for: these bytes of the index, of the queries and of their neighbours, and how it is searched."""
    draft = session.draft
    names = (INDEX_FILE[space], *QUERY_FILES, *neighbor_files(space))
    digests = [draft.manifest.files[draft.file_name(name)].sha256 for name in names if draft.has_file(name)]
    return repr([digests, draft.manifest.profile.get(space)])


def _different(gate: GateQueries, chosen: Mask, exact: Neighbors, vectors: Sequence[Floats]) -> _Asked:
    """The chosen queries (bool [n]), those of the same vectors in this leg once: 200 that find the same prove what one
    proves."""
    places = np.flatnonzero(chosen)
    places = places[unlike([vectors[place] for place in places.tolist()])]
    told = np.isin(np.arange(len(gate)), places)
    return _Asked(gate.take(places.tolist()), exact.of(told))


def _judged(session: DraftSession, space: Space, asked: _Asked, judge_them: Callable[[_Asked], Finding]) -> Finding:
    """The finding over the fixed queries, and over further ones too where these neither prove the recall nor disprove
    it: a healthy index is not refused for two hundred unlucky queries."""
    finding = judge_them(asked)
    if not undecided(finding):
        return finding
    more = asked.and_further(session, space, session.config.recall.k)
    return judge_them(more) if more.further else finding


def undecided(finding: Finding) -> bool:
    """Whether the lower bound of the mean is below the threshold and its upper bound is not.

    >>> undecided(Finding(False, 0.94, 0.95, "", {"basis": "lower bound", "mean": 0.955}))
    True
    >>> undecided(Finding(False, 0.92, 0.95, "", {"basis": "lower bound", "mean": 0.93}))
    False
    """
    if finding.passed or finding.value is None or finding.threshold is None:
        return False
    if finding.details.get("basis") != "lower bound":
        return False
    return bool(2 * finding.details["mean"] - finding.value >= finding.threshold)


def _dense(session: DraftSession, threshold: float) -> Finding:
    k, gate = session.config.recall.k, session.queries()
    index, fixed = session.dense(), gate.of("fixed")

    def judge_them(asked: _Asked) -> Finding:
        found, queries = Neighbors.empty(k), asked.queries.embeddings
        points: list[tuple[int, float, float]] = []
        if len(queries):
            started = perf_counter()
            found = Neighbors(*index.search(queries, k))
            seconds = perf_counter() - started
            points = _nprobe_curve(index, queries, asked.exact, k, found, seconds)
            session.keep(JUDGED["dense"], judged_key(session, "dense"), Judged(asked.queries, asked.exact, found))
        kinds = asked.queries.kinds(np.ones(len(queries), np.bool_))
        finding = judge(
            _words("the dense index", k, kinds),
            measured(found, asked.exact, k, points),
            threshold,
            exact=parse_recipe(index.recipe).exhaustive or not session.draft.live_rows,
            details={"nprobe": index.profile.get("nprobe"), "kinds": kinds, "further_queries": asked.further},
            parts=_by_source(session.draft, found, asked.exact, k),
        )
        return _unless_refuted(finding, refuted(found, asked.exact, k))

    asked = _different(gate, fixed, session.neighbors("dense"), list(gate.embeddings))
    return _judged(session, "dense", asked, judge_them)


def _tokens(session: DraftSession, threshold: float) -> Finding:
    k, gate = session.config.recall.k, session.queries()
    index, fixed = session.tokens(), gate.of("fixed") & gate.with_tokens()

    def judge_them(asked: _Asked) -> Finding:
        started = perf_counter()
        results = index.answer(asked.queries.tokens, SearchOptions(k), threads=1)
        milliseconds = 1000 * (perf_counter() - started) / max(1, len(results))
        found = Neighbors.empty(k)
        if results:
            found = Neighbors(np.stack([one.scores for one in results]), np.stack([one.rows for one in results]))
            found = scored_anew(found, asked.exact, asked.queries.tokens, session.draft.tokens())
            session.keep(JUDGED["xtr"], judged_key(session, "xtr"), Judged(asked.queries, asked.exact, found))
        kinds = asked.queries.kinds(np.ones(len(asked.queries), np.bool_))
        finding = judge(
            _words("late interaction", k, kinds),
            measured(found, asked.exact, k, tolerance=MAXSIM_TIE_TOLERANCE),
            threshold,
            exact=all(one.scanned for one in results) if results else not session.draft.live_rows,
            details={"milliseconds": round(milliseconds, 4), "kinds": kinds, "further_queries": asked.further},
            parts=_by_source(session.draft, found, asked.exact, k, MAXSIM_TIE_TOLERANCE),
        )
        return _unless_refuted(finding, refuted(found, asked.exact, k))

    asked = _different(gate, fixed, session.neighbors("xtr"), gate.tokens)
    finding = _judged(session, "xtr", asked, judge_them)
    # Where the tuner met no goal it said which trade is left.
    shortfall = session.draft.manifest.recipe.get("xtr", {}).get("shortfall", "")
    return finding if finding.passed or not shortfall else replace(finding, remedy=shortfall)


def refuted(found: Neighbors, exact: Neighbors, k: int) -> int:
    """Queries to which an index found a row that is surely nearer than the last of the k exact neighbours, and that no
    list names: that list is not the exact one, and a recall against it says nothing."""
    count = 0
    for rows, scores, listed, known in zip(found.rows, found.scores, exact.rows, exact.scores, strict=True):
        last = known[k - 1] if len(listed) >= k and listed[k - 1] >= 0 else -np.inf
        nearer = (rows >= 0) & (scores > last + NEARER)
        count += not np.isin(rows[nearer], listed).all()
    return count


def _unless_refuted(finding: Finding, queries: int) -> Finding:
    if not queries:
        return finding
    said = f"the exact neighbours of {queries} queries are not the nearest: the index finds nearer ones (0 may be so)"
    return replace(
        finding, passed=False, summary=said, details={**finding.details, "refuted": queries}, remedy=LISTS_REMEDY
    )


def _words(index: str, k: int, kinds: Mapping[str, int]) -> str:
    points = " for points near its rows, since the corpus offers no text to ask," if set(kinds) == {"vector"} else ""
    return f"recall@{k} of {index}{points}"


def scored_anew(found: Neighbors, exact: Neighbors, queries: Sequence[Floats], tokens: RowTokens) -> Neighbors:
    """What was found, with the scores of the reference that the exact lists have theirs of, where the two differ.

    Whether a row ties with the last of the exact ones is told by one arithmetic: the index's own says that the copies
    of one text score otherwise than the reference does, and what an index says of itself is no evidence.
    """
    scores = found.scores.copy()
    k = found.rows.shape[1]
    for i, query in enumerate(queries):
        there = found.rows[i] >= 0
        if not np.isin(found.rows[i][there], exact.rows[i][:k]).all():
            scores[i][there] = row_scores(tokens, query, found.rows[i][there])
    return Neighbors(scores, found.rows)


def measured(
    found: Neighbors,
    exact: Neighbors,
    k: int,
    curve: Sequence[tuple[int, float, float]] = (),
    tolerance: float = TIE_TOLERANCE,
) -> RecallReport | None:
    """Recall@k of what was found against exact neighbours of the same queries; None where there is no query."""
    if not len(found.rows):
        return None
    return recall_report(
        found.rows,
        exact.rows,
        k,
        found_scores=found.scores,
        exact_scores=exact.scores,
        tolerance=tolerance,
        nprobe_curve=curve,
    )


def _by_source(
    draft: Draft, found: Neighbors, exact: Neighbors, k: int, tolerance: float = TIE_TOLERANCE
) -> dict[str, RecallReport]:
    """Recall by source: a query belongs to the source of its best exact neighbour. Empty where there is one source."""
    names = sources_of(draft, exact.rows[:, 0]) if len(exact.rows) else np.empty(0, np.str_)
    reports = {}
    for name in np.unique(names).tolist():
        chosen = names == name
        if not name or chosen.all():
            continue
        report = measured(found.of(chosen), exact.of(chosen), k, tolerance=tolerance)
        if report is not None:
            reports[f"source {name}"] = report
    return reports


def _nprobe_curve(
    index: DenseIndex, queries: Floats, exact: Neighbors, k: int, found: Neighbors, seconds: float
) -> list[tuple[int, float, float]]:
    """(nprobe, recall, milliseconds a query) at the profile's, with which `found` took so many seconds, and around it,
    where some of the queries are asked."""
    nprobe = int(index.profile.get("nprobe") or 0)
    if not nprobe:
        return []
    points = []
    some = np.unique(np.linspace(0, len(queries) - 1, min(CURVE_QUERIES, len(queries))).astype(np.int64))
    fewer = Neighbors(exact.scores[some], exact.rows[some])
    lists = parse_recipe(index.recipe).nlist
    for probes in sorted({min(lists, max(1, int(nprobe * factor))) for factor in CURVE_FACTORS}):
        there, true, took = found, exact, seconds
        if probes != nprobe:
            started = perf_counter()
            there, true = Neighbors(*index.search(queries[some], k, nprobe=probes)), fewer
            took = perf_counter() - started
        report = measured(there, true, k)
        points.append((probes, 1.0 if report is None else report.mean, round(1000 * took / len(there.rows), 4)))
    return points
