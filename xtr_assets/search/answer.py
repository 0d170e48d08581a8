"""One call over one opened generation: encode the queries, rank, then read what the hits show."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

import numpy as np

from xtr_assets.core.query_syntax import Query, parse_query, unquoted
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.core.top_k import best_positions
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.search.blend import PLACE
from xtr_assets.search.equal_texts import with_copies
from xtr_assets.search.explain import explain_hits
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.hits import Hit
from xtr_assets.search.lexical_space import lexical_among
from xtr_assets.search.near_words import Vocabulary, asked_about, corrected, doubted, nearest
from xtr_assets.search.phase_times import Timing
from xtr_assets.search.query_encoder import QueryEncoder
from xtr_assets.search.ranker import Pooled, Ranker, Ranking
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.search.request import SUMMED, Ask
from xtr_assets.search.retrievers import Listed, QueryVectors
from xtr_assets.telemetry import metrics
from xtr_assets.telemetry.tracing import Span, span

# What rows are listed under that only hold what is demanded, beside the lists of the spaces.
DEMANDED = "demanded"
# What pieces of other tokenizers than BERT's begin words with.
BEGINS = "\u2581\u0120"
# Of each call of an index for hits that are collapsed, how many more candidates than the one before it asks for.
COLLAPSE_GROWTH = 4
# How many candidates a list has for each one that is read. One space: its list is the order, and in code every fifth
# chunk is a further part of its symbol. Legs: what stands behind the end of one list may belong before what another
# brought, so that the order of candidates is worth less the further it is read.
COLLAPSE_SPARE = 2
# Hits behind the k best that a scan gives, so that those which tie with the last of them are known.
TIED = 8


def answer(
    opened: OpenGeneration, encoder: QueryEncoder, queries: Sequence[str], ask: Ask, explain: bool
) -> list[Hits]:
    """The hits of each query; none for an empty one."""
    timing = Timing()
    # An unknown column, and a space that is not there, are errors also where nothing would be found.
    with timing.phase("filter"):
        opened.allowed(ask.where)
    opened.spaces(ask.mode)
    parsed = [parse_query(query, ask.syntax) for query in queries]
    hits = [Hits() for _ in queries]
    asked = [i for i, query in enumerate(parsed) if query.text.strip()]
    if asked and opened.generation.live_rows:
        spaces = compared(opened, ask)
        with timing.phase("encode"):
            vectors = encoder.encode(opened.generation, [parsed[i].text for i in asked], spaces)
        with timing.phase("spell"):
            said = _corrections(opened, encoder, [parsed[i] for i in asked], vectors, ask)
        if again := [place for place, text in enumerate(said) if text]:
            with timing.phase("encode"):
                anew = encoder.encode(opened.generation, [said[place] for place in again], spaces)
            for place, one in zip(again, anew, strict=True):
                vectors[place] = one
                parsed[asked[place]] = Query(said[place])
        with timing.phase("filter"):
            for place, i in enumerate(asked):
                if (loose := _loosened(opened, parsed[i], ask)) is not None:
                    parsed[i], said[place] = loose, loose.text
        rankings = ranked(opened, vectors, [parsed[i] for i in asked], ask, timing)
        found = hydrated(opened, rankings, timing)
        if explain:
            with timing.phase("explain"):
                found = explain_hits(opened, encoder, vectors, rankings, found)
        for i, own, text in zip(asked, found, said, strict=True):
            hits[i] = Hits(own, text)
    if not ask.scan:
        timing.observe(ask.mode, len(queries))
    return hits


def _loosened(opened: OpenGeneration, query: Query, ask: Ask) -> Query | None:
    """The query without its quotes where no allowed row holds them; None where it is asked as it is."""
    loose = unquoted(query)
    mask = None if loose is None else opened.required.mask(query)
    return None if mask is None or (mask & opened.allowed(ask.where)).any() else loose


def _corrections(
    opened: OpenGeneration, encoder: QueryEncoder, queries: Sequence[Query], vectors: Sequence[QueryVectors], ask: Ask
) -> list[str]:
    """What is asked in place of each query; "" where it is asked as it is: in a mode that looks at no words, in the
    syntax "plain", and where it demands what a text must hold."""
    vocabulary = vocabulary_of(opened, ask)
    if vocabulary is None:
        return [""] * len(queries)
    said, meant = [], dict[str, str]()
    for query, own in zip(queries, vectors, strict=True):
        words = doubted(query)
        unknown = vocabulary.unknown(words)
        wrong = asked_about(unknown, known_whole(opened, encoder, own, words), len(queries)) if unknown else []
        meant |= {word: nearest([vocabulary.near(word)]) for word in wrong if word not in meant}
        said.append(corrected(query.text, {word: meant[word] for word in wrong}))
    return said


def compared(opened: OpenGeneration, ask: Ask) -> list[str]:
    """The names of the spaces that a query is scored in: those of the mode, and what adds to the one that ranks
    alone."""
    pooled = pooled_of(opened, ask)
    return [*(space.name for space in opened.spaces(ask.mode)), *([] if pooled is None else [pooled.space.name])]


def pooled_of(opened: OpenGeneration, ask: Ask) -> Pooled | None:
    """What adds to MaxSim where it ranks alone, None where nothing does."""
    dense = opened.dense
    return Pooled(dense, opened.legs.blend.pooled) if dense is not None and ask.adds_pooled(opened.legs.blend) else None


def vocabulary_of(opened: OpenGeneration, ask: Ask) -> Vocabulary | None:
    """The words that a spelling is held against; None in a mode that looks at no words, and in the syntax "plain"."""
    words = lexical_among(opened.spaces(ask.mode))
    if ask.syntax == "plain" or words is None:
        return None
    return Vocabulary(words, opened.hydrator, partial(opened.allowed, ask.where))


def known_whole(
    opened: OpenGeneration, encoder: QueryEncoder, query: QueryVectors, words: Mapping[str, Collection[str]]
) -> set[str]:
    """Those of the words of which the encoder knows a form as one piece; none where it was not asked for tokens."""
    if query.token_ids is None:
        return set()
    pieces = {piece.lstrip(BEGINS).lower() for piece in encoder.surface(opened.generation, query.token_ids)}
    return {word for word, forms in words.items() if not pieces.isdisjoint(forms)}


def ranked(
    opened: OpenGeneration, queries: Sequence[QueryVectors], texts: Sequence[Query], ask: Ask, timing: Timing
) -> list[Ranking]:
    """`rank`, each query over the rows that hold what its text demands; those that demand nothing in one call."""
    with timing.phase("filter"):
        demanded = [opened.required.mask(text) for text in texts]
    free = [i for i, mask in enumerate(demanded) if mask is None]
    found = dict(zip(free, rank(opened, [queries[i] for i in free], ask, timing), strict=True)) if free else {}
    for i, mask in enumerate(demanded):
        if mask is not None:
            (found[i],) = rank(opened, [queries[i]], ask, timing, mask)
    return [found[i] for i in range(len(queries))]


def search_span(opened: OpenGeneration, ask: Ask, queries: int) -> AbstractContextManager[Span]:
    """The span of a search; that of the first one on a generation links to what published it."""
    return span("search", opened.first_of(), mode=ask.mode, k=ask.k, queries=queries, generation=opened.number)


def rank_arrays(opened: OpenGeneration, queries: Sequence[QueryVectors], ask: Ask) -> tuple[Floats, Ints]:
    """`rank` as arrays, by the scores of the space as they are: float32 [n, k], chunk_ids int64 [n, k], padded with
    (-inf, -1)."""
    ask = replace(ask, raw=True)
    scores = np.full((len(queries), ask.k), -np.inf, np.float32)
    ids = np.full((len(queries), ask.k), -1, np.int64)
    timing = Timing()
    with search_span(opened, ask, len(queries)):
        # A query of no tokens asks nothing, as an empty text does.
        asked = [i for i, one in enumerate(queries) if one.tokens is None or len(one.tokens)]
        if asked:
            for i, ranking in zip(asked, rank(opened, [queries[i] for i in asked], ask, timing), strict=True):
                scores[i, : len(ranking.rows)] = ranking.scores
                ids[i, : len(ranking.rows)] = opened.chunk_ids[ranking.rows]
    timing.observe(ask.mode, len(queries))
    return scores, ids


def rank(
    opened: OpenGeneration, queries: Sequence[QueryVectors], ask: Ask, timing: Timing, only: Mask | None = None
) -> list[Ranking]:
    """The k best rows of each query, in the mode and over the rows that were asked for; `only` bool [end_row]."""
    with timing.phase("filter"):
        allowed = opened.allowed(ask.where) if only is None else opened.allowed(ask.where) & only
    asked = Asked(opened, ask, allowed, timing, masked=ask.where is not None, demanded=only is not None)
    rankings = asked.of_all(queries) if asked.scans else asked.of_lists(queries)
    if not ask.scan:
        candidates = metrics.CANDIDATES.labels(ask.mode)
        for ranking in rankings:
            candidates.observe(len(ranking.candidates.rows))
        for name in compared(opened, ask):
            metrics.RESCORED.labels(name).inc(sum(len(ranking.candidates.rows) for ranking in rankings))
    if ask.options.collapse == "text":
        told = opened.texts.copies
        with timing.phase("hydrate"):
            rankings = [replace(one, copies=[told(row, allowed) for row in one.rows.tolist()]) for one in rankings]
    if opened.confidence is None or asked.ranker.legs is None or ask.options.fusion != "zsum":
        return rankings
    return [replace(ranking, confidence=opened.confidence.said(ranking)) for ranking in rankings]


class Asked:
    """The queries of one call on their way from candidates to their k best."""

    def __init__(
        self, opened: OpenGeneration, ask: Ask, allowed: Mask, timing: Timing, *, masked: bool, demanded: bool
    ) -> None:
        self.opened, self.ask, self.allowed, self.timing, self.demanded = opened, ask, allowed, timing, demanded
        self.count = int(np.count_nonzero(allowed))
        legs = opened.legs if ask.mode in SUMMED else None
        alone = opened.legs.shortened_alone if ask.shortens(opened.legs.blend) else None
        spaces, pooled = opened.spaces(ask.mode), pooled_of(opened, ask)
        self.ranker = Ranker(spaces, opened.chunk_ids, legs, ask.options.fusion, alone, pooled)
        self.options: SearchOptions = replace(ask.options, allowed=allowed if masked or demanded else None)
        # How many are told.
        self.most = ask.k + TIED if ask.scan else ask.k
        # Collapsing reads on behind the k best: all candidates are put in order.
        self.kept = self.most if ask.options.collapse is None else max(1, self.count)

    @property
    def scans(self) -> bool:
        """Whether every allowed row is ranked: where the mode says so, or the lists would hold them all anyway. The
        lexical index lists every row that it scores above 0, exactly: what shares no word, and does not hold what is
        demanded, is no answer."""
        return self.ask.mode == "exact" or self.holds_all(self.ranker.listed(self.ask.k))

    def holds_all(self, most: int) -> bool:
        """Whether lists of `most` would hold every allowed row."""
        return self.ask.mode != "lexical" and self.ranker.scans(most, self.count)

    def of_all(self, queries: Sequence[QueryVectors]) -> list[Ranking]:
        """By scoring every allowed row."""
        rows = np.flatnonzero(self.allowed)
        ranked = [self.ranker.rank_all(query, self.ask.k, rows, self.timing, self.kept) for query in queries]
        return [self._collapsed(ranking) for ranking in ranked]

    def of_lists(self, queries: Sequence[QueryVectors]) -> list[Ranking]:
        """By the candidates of the indexes; as many more as it takes for k hits where they are collapsed."""
        most = first_most(self.ranker, self.ask)
        if self.ranker.in_order:
            most = max(most, self.most)
        return [
            self._widened(query, lists, most) for query, lists in zip(queries, self.lists(queries, most), strict=True)
        ]

    def lists(self, queries: Sequence[QueryVectors], most: int) -> list[dict[str, Listed]]:
        """Of each query the candidates of each space, of what only holds what is demanded, and of places."""
        with self.timing.phase("retrieve"), span("retrieve", mode=self.ask.mode, allowed=self.count):
            if self.ask.scan:
                rows = np.flatnonzero(self.allowed)
                found = [self.ranker.listed_of(query, rows, most) for query in queries]
            else:
                found = self.ranker.retrieve(queries, self.options, most)
                if self.demanded and self.ask.mode == "lexical":
                    found = [{**lists, DEMANDED: self._unlisted(lists["lexical"].rows, most)} for lists in found]
            return [{**lists, **self.placed(query, most)} for query, lists in zip(queries, found, strict=True)]

    def placed(self, query: QueryVectors, most: int) -> dict[str, Listed]:
        """The allowed rows at places that the query names, the `most` best of them; nothing where there are none, and
        in a mode in which places add nothing."""
        legs = self.ranker.legs
        if legs is None or self.ask.options.fusion != "zsum":
            return {}
        standing = legs.standing_at(query)
        there = np.flatnonzero(self.allowed[standing.rows])
        rows, shares = standing.rows[there], standing.scores[there]
        best = best_positions(shares, self.opened.chunk_ids[rows], most)
        return {PLACE: Listed(rows[best], shares[best])} if len(best) else {}

    def _unlisted(self, listed: Ints, most: int) -> Listed:
        """Rows that hold what is demanded and are no candidates by their terms: a lone character inside a run, which is
        a term only where it stands alone. As many as a list of `most` has room for, by chunk_id as equal scores are."""
        rows: Ints = np.empty(0, np.int64)
        if len(listed) < min(most, self.count):
            rest = self.allowed.copy()
            rest[listed] = False
            rows = np.flatnonzero(rest)
        if len(rows) > most:
            rows = rows[np.argpartition(self.opened.chunk_ids[rows], most)[:most]]
        return Listed(rows, np.zeros(len(rows), np.float32))

    def _widened(self, query: QueryVectors, lists: Mapping[str, Listed], most: int) -> Ranking:
        while True:
            ordered = self.ranker.rank(query, self.ask.k, lists, self.timing, self.kept)
            ordered = replace(ordered, asked=replace(self.options, k=most))
            if self.ask.options.collapse is None:
                return ordered
            ranking = self._collapsed(ordered)
            asked_for = ranking.of(np.arange(min(self.ask.k, len(ranking.rows))))
            wider = wider_lists(ordered, asked_for, self.ask.k, most, self.count, summed=self.ranker.legs is not None)
            if wider is None:
                return ranking
            most = wider
            if self.holds_all(most):
                return self.of_all([query])[0]
            (lists,) = self.lists([query], most)

    def _collapsed(self, ranking: Ranking) -> Ranking:
        if self.ask.options.collapse is None:
            return ranking
        with self.timing.phase("fuse"):
            return ranking.of(self.opened.fold(self.ask.options.collapse).first(ranking.rows, self.most))


def first_most(ranker: Ranker, ask: Ask) -> int:
    """How long the lists are at first: collapsing reads on behind the k best."""
    most = ranker.listed(ask.k)
    return most if ask.options.collapse is None else max(most, COLLAPSE_SPARE * ask.k)


def wider_lists(ordered: Ranking, collapsed: Ranking, k: int, most: int, allowed: int, *, summed: bool) -> int | None:
    """How long the lists ought to be for k hits, None where those of `most` were long enough for what was read."""
    if most >= allowed:
        return None
    if len(collapsed.rows) == k:
        read = 1 + int(np.flatnonzero(ordered.rows == collapsed.rows[-1])[0])
        if (COLLAPSE_SPARE * read if summed else read) <= most:
            return None
    return min(COLLAPSE_GROWTH * most, allowed)


def hydrated(opened: OpenGeneration, rankings: Sequence[Ranking], timing: Timing) -> list[list[Hit]]:
    """The hits of each ranking, read from the memory-mapped chunks."""
    rows = [row for ranking in rankings for row in ranking.rows.tolist()]
    with timing.phase("hydrate"), span("hydrate", rows=len(rows)):
        columns = iter(opened.hydrator.rows(rows))
        found = [[Hit.of(next(columns), *numbers) for numbers in ranking.numbers()] for ranking in rankings]
        return [
            hits if ranking.copies is None else with_copies(hits, ranking.copies)
            for hits, ranking in zip(found, rankings, strict=True)
        ]
