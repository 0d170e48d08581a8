"""Choosing, encoding and keeping the gate queries of a draft: one step, from config and corpus."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from xtr_assets.config import IndexConfig
from xtr_assets.core.types import Ints, Mask
from xtr_assets.encoders.base import EncodedQueries, Encoder
from xtr_assets.pipeline.plan.draft_session import DraftSession, same_encoder
from xtr_assets.pipeline.queries.drawn_queries import (
    MOST_QUERIES,
    drawn_queries,
    near_rows,
    nothing,
    queries_to_prove,
)
from xtr_assets.pipeline.queries.gate_queries import (
    QUERIES_FILE,
    GateQueries,
    GateQuery,
    encode,
    given_queries,
    joined,
    read_jsonl_queries,
    write_queries,
)
from xtr_assets.pipeline.queries.likeness import different
from xtr_assets.pipeline.queries.logged_questions import logged_queries
from xtr_assets.pipeline.queries.tuning_queries import TUNING_QUERIES, inherit_tuning, keep_tuning, more_due
from xtr_assets.storage.draft import Draft

# A quarter as many queries for the new rows as for all: 50 refuse what is below 0.87 where the threshold is 0.93. A
# small change has one for eight of its rows, 16 at least, which refuse what is below 0.83: each of them is compared
# with the whole corpus, however small the change is.
NEW_SHARE = 4
ROWS_A_NEW_QUERY, LEAST_NEW_QUERIES = 8, 16
# A corpus that began with one text gave 200 queries of that one, which stood for all that came later, and the profile
# was tuned on 200 more of it. Where those that were drawn are of fewer chunks than this share of what could be asked,
# they are of few; `evidence_suffices` refuses below half of it.
FEW_SHARE = 0.25
# The manifest's note that the fixed queries are of few chunks: the chunks that came or went since the corpus was asked
# for others. 1 / FEW_SHARE times as many as it has queries of are a reason to ask again: fewer bring no more than
# `evidence_suffices` lets these stand for.
FEW_NOTE = "asked_of_few"


@dataclass(frozen=True, slots=True)
class QueriesReport:
    """How many queries of each kind there are, and how many had to be encoded."""

    gate: GateQueries
    fixed: int
    new: int
    inherited: int
    encoded: int
    sha256: str


def sample_queries(session: DraftSession) -> QueriesReport:
    """Keep the gate queries of the draft.

    The fixed ones are those of the config's file, then the parent's, then ones drawn from the corpus, until a bound can
    decide; so is a stratum of the chunks that the parent does not have, before the corpus is asked: of a small one the
    fixed ones take every text. Without a parent all are new, and there is no such stratum. Where a corpus offers too
    few texts the rest are points near its vectors.
    """
    draft, config, encoder = session.draft, session.config, session.encoder
    before = session.parent_queries()
    known = before if same_encoder(session.parent, draft) is not None else None
    inherited = _inherited(session, before)
    kept = _kept(config, inherited.queries, known, encoder)
    fresh = np.zeros(draft.end_row, np.bool_) if session.parent is None else session.rows.new
    new = _new(draft, fresh, kept, config, encoder)
    fixed = _fixed(draft, config, kept, new, known, encoder)
    gate = joined(fixed, new)
    write_queries(draft, gate, encoder.token_dim)
    drawn = [query for query in fixed.queries if _is_drawn(query)]
    # Where the corpus has little else to offer the tuner's are no better now either.
    outgrown = inherited.outgrown and inherited.chunks <= FEW_SHARE * _chunks(drawn)
    _keep_tuning_queries(session, gate, outgrown=outgrown)
    if _of_few(drawn, draft.live_rows):
        draft.set_note(FEW_NOTE, inherited.changed)
    keys = set() if known is None else {query.key for query in known.queries}
    reused = sum(query.key in keys for query in gate.queries)
    written = draft.manifest.files[draft.file_name(QUERIES_FILE)]
    return QueriesReport(gate, len(fixed), len(new), reused, len(gate) - reused, written.sha256)


def fixed_query_count(config: IndexConfig) -> int:
    """How many fixed queries the gate asks: what the config says, or twice what it takes to prove its thresholds where
    that is more, so that a few imperfect ones refuse nothing."""
    return max(config.recall.queries, _enough(config))


def _enough(config: IndexConfig) -> int:
    thresholds = {"dense": config.recall.dense, "tokens": config.recall.xtr}
    needed = max(queries_to_prove(thresholds[leg]) for leg in config.legs)
    return min(2 * needed, MOST_QUERIES)


def new_query_count(count: int, rows: int) -> int:
    """How many queries to draw from so many new rows, where the gate asks `count` fixed ones.

    >>> [new_query_count(200, rows) for rows in (0, 3, 163, 240, 5000)]
    [0, 16, 20, 30, 50]
    """
    return min(max(1, count // NEW_SHARE), max(LEAST_NEW_QUERIES, rows // ROWS_A_NEW_QUERY)) if rows else 0


def _kept(config: IndexConfig, before: list[GateQuery], known: GateQueries | None, encoder: Encoder) -> GateQueries:
    """Given and inherited texts."""
    given = _given(config)
    asked = encode(given, encoder, known)
    # A given query of no token says nothing about late interaction, and one of another's vectors nothing beside that
    # one: others are drawn in their place.
    missing = fixed_query_count(config) - int(asked.telling().sum())
    texts = {query.text for query in given}
    inherited = encode([query for query in before if query.text not in texts], encoder, known)
    # An earlier release drew texts that its encoder could not tell apart.
    kept = np.flatnonzero(different(inherited, asked))[: max(0, missing)]
    return joined(asked, inherited.take(kept.tolist()))


def _fixed(
    draft: Draft,
    config: IndexConfig,
    kept: GateQueries,
    new: GateQueries,
    known: GateQueries | None,
    encoder: Encoder,
) -> GateQueries:
    """What was kept, and drawn texts, none of them among the new ones; points near rows where these are too few for a
    bound to decide."""
    count = fixed_query_count(config)
    missing = count - int(kept.telling().sum())
    taken = [query.text for query in (*kept.queries, *new.queries)]
    asked = joined(kept, drawn_queries(draft, draft.live, missing, encoder, taken, "fixed", apart=[kept]))
    short = min(count, _enough(config)) - int(asked.telling().sum())
    if short > 0:
        asked = joined(asked, _points(draft, short, encoder, known))
    return asked


def _given(config: IndexConfig) -> list[GateQuery]:
    """Texts that people wrote: of a file, or of the log."""
    if config.queries_from_log:
        return logged_queries(config, config.recall.queries)
    return [] if config.queries is None else given_queries(config.queries.path, config.recall.queries)


@dataclass(frozen=True, slots=True)
class _Inherited:
    """Texts that were drawn for the parent, of so many chunks. outgrown : whether the corpus is asked for others beside
    them, because these are few. changed : as in FEW_NOTE."""

    queries: list[GateQuery]
    chunks: int = 0
    outgrown: bool = False
    changed: int = 0


def _inherited(session: DraftSession, before: GateQueries | None) -> _Inherited:
    """A sample that stays comparable as the corpus grows, until it has outgrown it: then as many of each chunk are kept
    as all chunks could have."""
    if before is None or session.parent is None:
        return _Inherited([])
    told = before.told().tolist()
    queries = [one for one, tells in zip(before.queries, told, strict=True) if _is_drawn(one) and tells]
    # What is not in the corpus any more is no sample of it, and whoever removed a text did not mean it to stay here.
    stands = _standing(session, np.unique(np.array([one.chunk_id for one in queries], np.int64)))
    queries = [one for one in queries if one.chunk_id in stands]
    rows, chunks = session.draft.live_rows, _chunks(queries)
    if not _of_few(queries, rows):
        return _Inherited(queries, chunks)
    counted = session.parent.manifest.notes.get(FEW_NOTE)
    changed = None if counted is None else int(counted) + session.rows.churn
    if changed is not None and FEW_SHARE * changed < chunks:
        return _Inherited(queries, chunks, changed=changed)
    most, seen, kept = math.ceil(len(queries) / max(1, rows)), Counter[int](), []
    for query in queries:
        seen[query.chunk_id] += 1
        if seen[query.chunk_id] <= most:
            kept.append(query)
    return _Inherited(kept, chunks, outgrown=True)


def _standing(session: DraftSession, chunk_ids: Ints) -> set[int]:
    """Those of the chunk_ids, int64 [n] ascending, that the draft has with the text that the parent has."""
    found: set[int] = set()
    there = session.draft.live & ~session.rows.new
    for one in session.draft.segments if len(chunk_ids) else ():
        ids = one.segment.chunk_ids()[there[one.base_row : one.end_row]]
        # A binary search of the many in the few: np.isin sorts the many.
        place = np.minimum(np.searchsorted(chunk_ids, ids), len(chunk_ids) - 1)
        found.update(ids[chunk_ids[place] == ids].tolist())
    return found


def _is_drawn(query: GateQuery) -> bool:
    return query.stratum == "fixed" and query.kind not in ("given", "vector")


def _chunks(drawn: list[GateQuery]) -> int:
    return len({query.chunk_id for query in drawn})


def _of_few(drawn: list[GateQuery], rows: int) -> bool:
    """Whether drawn queries are of few chunks, where there are so many rows."""
    return _chunks(drawn) < FEW_SHARE * min(len(drawn), rows)


def _new(draft: Draft, fresh: Mask, kept: GateQueries, config: IndexConfig, encoder: Encoder) -> GateQueries:
    """Queries drawn from the fresh rows (bool [end_row]), none of them among those that were kept; where they offer
    no text the gate asks for them by their own vectors."""
    rows = int(fresh.sum())
    if not rows:
        return nothing(encoder)
    count = new_query_count(fixed_query_count(config), rows)
    return drawn_queries(draft, fresh, count, encoder, [query.text for query in kept.queries], "new")


def _points(draft: Draft, count: int, encoder: Encoder, known: GateQueries | None) -> GateQueries:
    """Points near rows; those that the parent has stay what they were, so that its exact lists hold for them."""
    made = near_rows(draft, draft.live, count, encoder, "fixed")
    there = {} if known is None else {query.key: i for i, query in enumerate(known.queries) if query.stratum == "fixed"}
    kept = [there[query.key] for query in made.queries if query.key in there]
    fresh = [i for i, query in enumerate(made.queries) if query.key not in there]
    return made if known is None else joined(known.take(kept), made.take(fresh))


def _keep_tuning_queries(session: DraftSession, gate: GateQueries, *, outgrown: bool) -> None:
    """The parent's tuning queries; new ones where it has none, or those of another encoder, or fewer than the corpus
    offers now, or where they are of few chunks like the gate's."""
    draft, config, encoder = session.draft, session.config, session.encoder
    source = same_encoder(session.parent, draft)
    theirs = None if source is None else session.tuning(source)
    if source is not None and theirs is not None and not outgrown:
        changed = more_due(source, theirs, session.rows.churn, draft.live_rows)
        if changed is not None:
            return inherit_tuning(draft, source, theirs, changed)
    found = tuning_sample(draft, gate, config, encoder)
    if source is not None and theirs is not None and len(theirs) >= len(found) and not outgrown:
        return inherit_tuning(draft, source, theirs, 0)
    if len(found):
        keep_tuning(session.warehouse, draft, EncodedQueries(found.embeddings, found.tokens, ()))
    return None


def tuning_sample(draft: Draft, gate: GateQueries, config: IndexConfig, encoder: Encoder) -> GateQueries:
    """At most TUNING_QUERIES queries like the gate's but none of them, nor of their vectors: of the queries file, then
    of the corpus, and points near its rows where these are too few."""
    taken = {query.text.casefold() for query in gate.queries}
    path = None if config.queries is None else config.queries.path
    texts = [] if path is None else [text for _, text in read_jsonl_queries(path) if text.casefold() not in taken]
    given = [GateQuery(f"given-{i}", text, "fixed", kind="given") for i, text in enumerate(texts[:TUNING_QUERIES])]
    asked = encode(given, encoder, None)
    asked = asked.take(np.flatnonzero(different(asked, gate)).tolist())
    missing = TUNING_QUERIES - len(asked)
    # Beyond the ranks that the gate's own sample was drawn from.
    seen = [query.text for query in (*gate.queries, *asked.queries)]
    apart = [gate, asked]
    drawn = drawn_queries(draft, draft.live, missing, encoder, seen, "fixed", beyond=len(gate), apart=apart)
    asked = joined(asked, drawn)
    short = min(TUNING_QUERIES, _enough(config)) - len(asked)
    if short > 0:
        # Turns of each row beyond those that the gate has.
        points = {query.key for query in gate.queries if query.kind == "vector"}
        near = near_rows(draft, draft.live, len(points) + short, encoder, "fixed")
        own = [i for i, query in enumerate(near.queries) if query.key not in points]
        asked = joined(asked, near.take(own[:short]))
    return asked.take(np.flatnonzero(different(asked)).tolist())
