"""Faults in what answers: hydration, filters, ranking. They are there while the gate looks, and while users do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.compute as pc

from xtr_assets.core.text_groups import TextGroups
from xtr_assets.core.where_syntax import Not
from xtr_assets_tests.mutants.fault import INCREMENTAL, Mutant, Plant, both, locally, replaced

WHOLE = frozenset({"hits_are_whole"})
ITSELF = frozenset({"finds_itself", "known_item", "answers_agree"})
ANSWERS = frozenset({"answers_agree"})


def _one_further(original: Any) -> Any:
    def row(self: Any, number: int) -> Any:
        last = self._segments[-1].end_row - 1
        try:
            return original(self, min(number + 1, last))
        except Exception:  # a hole: no row of its own
            return original(self, number)

    return row


def _another_segment(original: Any) -> Any:
    def row(self: Any, number: int) -> Any:
        ends = [one.end_row for one in self._segments]
        owner = int(np.searchsorted(ends, number, side="right"))
        other = self._segments[(owner + 1) % len(ends)]
        return original(self, other.base_row + (number - self._segments[owner].base_row) % other.segment.rows)

    return row


def _negative(original: Any) -> Any:
    def encode(self: Any, *given: Any) -> Any:
        found = original(self, *given)
        return [one if one.embedding is None else replace(one, embedding=-one.embedding) for one in found]

    return encode


def _of_the_next(original: Any) -> Any:
    def names_of(self: Any, query: Any, rows: Any) -> Any:
        return {name: np.roll(scores, 1) for name, scores in original(self, query, rows).items()}

    return names_of


def _second(original: Any) -> Any:
    def first(self: Any, rows: Any, k: int) -> Any:
        behind = rows[::-1].copy()
        return np.sort(len(rows) - 1 - original(self, behind, len(rows)))[:k]

    return first


def _with_dead(_: Any) -> Any:
    def groups(generation: Any) -> Any:
        placed = [(one.base_row, one.segment.text_hashes()) for one in generation.segments]
        rows = [np.arange(base, base + len(hashes)) for base, hashes in placed]
        return TextGroups.of(np.concatenate([own for _, own in placed]), np.concatenate(rows), generation.end_row)

    return groups


# Where else a text stands, whatever the filter hides.
UNFILTERED = replaced(
    "search.equal_texts:EqualTexts._in_order",
    lambda original: lambda self, rows, allowed: original(self, rows, np.ones_like(allowed)),
)


def _without_path(original: Any) -> Any:
    def key(self: Any, row: int) -> Any:
        found = original(self, row)
        return found if isinstance(found, int) else ("", "", found[2])

    return key


def _asked(alter: Callable[[Any], Any]) -> Plant:
    """Each query is another text on its way to the encoder."""

    def make(original: Any) -> Any:
        return lambda self, generation, texts, spaces: original(
            self, generation, [alter(text) for text in texts], spaces
        )

    return replaced("search.query_encoder:QueryEncoder.encode", make)


def _negative_tokens(original: Any) -> Any:
    def encode(self: Any, *given: Any) -> Any:
        return [one if one.tokens is None else replace(one, tokens=-one.tokens) for one in original(self, *given)]

    return encode


def _negative_queries(original: Any) -> Any:
    def encode_queries(self: Any, texts: Any) -> Any:
        found = original(self, texts)
        return replace(found, embeddings=-found.embeddings, tokens=tuple(-one for one in found.tokens))

    return encode_queries


def _without_not(original: Any) -> Any:
    def holds(condition: Any, column: Any, rows: int) -> Any:
        return (
            holds(condition.condition, column, rows)
            if isinstance(condition, Not)
            else original(condition, column, rows)
        )

    return holds


def _absent_too(original: Any) -> Any:
    return lambda self, compare: original(self, compare) | self._absent


def _anywhere(original: Any) -> Any:
    def compare(self: Any, asked: Any) -> Any:
        if asked.operator != "prefix":
            return original(self, asked)
        found = pc.match_substring(self._values, asked.values[0])
        return np.asarray(pc.fill_null(found, False), np.bool_)

    return compare


def _of_the_first(original: Any) -> Any:
    def said(self: Any, ranking: Any) -> Any:
        found = original(self, ranking)
        return np.full_like(found, found[0]) if len(found) else found

    return said


def _request(alter: Callable[[Any], Any]) -> Plant:
    """Each question in words becomes another one, once it was checked."""

    def make(original: Any) -> Any:
        return lambda opened, encoder, queries, ask, explain: original(opened, encoder, queries, alter(ask), explain)

    return replaced("search.answer:answer", make)


MUTANTS = (
    Mutant(
        "hydration is off by one",
        "hydration",
        replaced("storage.row_hydration:Hydrator._row", _one_further),
        WHOLE,
        serves=True,
    ),
    Mutant(
        "hydration reads another segment",
        "hydration",
        replaced("storage.row_hydration:Hydrator._row", _another_segment),
        WHOLE,
        serves=True,
    ),
    Mutant(
        "hydration forgets line shifts",
        "hydration",
        locally("storage.row_hydration", "shift_at", lambda _: lambda _shifts, _position: 0),
        WHOLE,
        INCREMENTAL,
        serves=True,
    ),
    Mutant(
        "chunk ids of the row before",
        "hydration",
        replaced(
            "search.reader:OpenGeneration._chunk_ids",
            lambda original: lambda self, one: np.roll(original(self, one), 1),
        ),
        WHOLE | ITSELF,
        serves=True,
    ),
    Mutant(
        "filters are off by one",
        "filters",
        replaced(
            "search.filter_masks:RowFilters.mask",
            lambda original: lambda self, where, **said: np.roll(original(self, where, **said), 1),
        ),
        ITSELF,
        serves=True,
    ),
    Mutant(
        "filters let nothing of the last segment through",
        "filters",
        replaced(
            "search.filter_masks:RowFilters._evaluate",
            lambda original: lambda self, where, **said: _without_last(self, original(self, where, **said)),
        ),
        ITSELF,
        serves=True,
    ),
    Mutant(
        "filters let dead rows through",
        "filters",
        replaced(
            "search.filter_masks:RowFilters.__init__",
            lambda original: (
                lambda self, placed, live, previous=None: original(self, placed, np.ones_like(live), previous)
            ),
        ),
        ITSELF,
        INCREMENTAL,
        serves=True,
    ),
    Mutant(
        "all rows count as live",
        "search",
        replaced(
            "search.reader:OpenGeneration.live", lambda _: lambda self: np.ones(self.generation.end_row, np.bool_)
        ),
        ITSELF | WHOLE,
        INCREMENTAL,
        serves=True,
    ),
    Mutant(
        "the worst come first",
        "search",
        locally(
            "search.ranker", "best_positions", lambda original: lambda scores, ids, k=None: original(-scores, ids, k)
        ),
        ITSELF | WHOLE,
        serves=True,
    ),
    Mutant(
        "the sum of z-scores is turned round",
        "search",
        locally("search.ranker", "z_sum", lambda original: lambda *given: -original(*given)),
        ITSELF,
        serves=True,
    ),
    Mutant(
        "queries are encoded with the wrong sign",
        "search",
        replaced("search.query_encoder:QueryEncoder.encode", _negative),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "tokens of queries are encoded with the wrong sign",
        "search",
        replaced("search.query_encoder:QueryEncoder.encode", _negative_tokens),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "queries are cut after two words",
        "search",
        _asked(lambda text: " ".join(text.split()[:2])),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "an encoder that turns queries round",
        "encoder",
        replaced("encoders.hashing:Hashing.encode_queries", _negative_queries),
        frozenset({"encoder_canary"}),
        serves=True,
    ),
    Mutant(
        "a filter's not is ignored",
        "filters",
        replaced("search.filter_columns:holds", _without_not),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "a lower bound leaves its own value out",
        "filters",
        locally("search.filter_columns", "_ORDER", lambda order: {**order, "gte": "greater"}),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "an upper bound lets its own value in",
        "filters",
        locally("search.filter_columns", "_ORDER", lambda order: {**order, "lt": "less_equal"}),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "an absent field has every value",
        "filters",
        replaced("search.filter_columns:FieldColumn.compare", _absent_too),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "a glob is looked for at the beginning only",
        "filters",
        locally("search.filter_columns", "glob_regex", lambda original: lambda pattern: f"{original(pattern)}.*"),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "a prefix is looked for anywhere",
        "filters",
        replaced("search.filter_columns:TextColumn.compare", _anywhere),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "filters on lines forget that lines moved",
        "filters",
        locally("search.filter_masks", "shifted", lambda _: lambda table, _shifts: table),
        ANSWERS,
        INCREMENTAL,
        serves=True,
    ),
    Mutant(
        "one hit fewer than asked for",
        "search",
        _request(lambda ask: replace(ask, options=replace(ask.options, k=max(ask.k - 1, 1)))),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "the mode is ignored",
        "search",
        _request(lambda ask: replace(ask, mode="dense")),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "hybrid hears one space",
        "search",
        locally(
            "search.ranker",
            "z_sum",
            lambda original: lambda legs, moments, weights: original({"dense": legs["dense"]}, moments, weights),
        ),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "the moments of the two spaces are exchanged",
        "search",
        locally(
            "search.ranker",
            "z_sum",
            lambda original: (
                lambda legs, moments, weights: original(
                    legs, {**moments, "dense": moments["xtr"], "xtr": moments["dense"]}, weights
                )
            ),
        ),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "the weights of two legs are exchanged",
        "search",
        locally(
            "search.ranker",
            "z_sum",
            lambda original: (
                lambda legs, moments, weights: original(
                    legs, moments, {**weights, "dense": weights["xtr"], "xtr": weights["dense"]}
                )
            ),
        ),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "every leg weighs the same",
        "search",
        locally("search.ranker", "z_sum", lambda original: lambda legs, moments, _: original(legs, moments)),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "length is added to MaxSim",
        "search",
        replaced("search.legs:Legs.shortened", lambda original: lambda self, rows: -original(self, rows)),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "length is added where MaxSim ranks alone",
        "search",
        replaced("search.legs:Legs.shortened_alone", lambda original: lambda self, rows: -original(self, rows)),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "names are those of the next candidate",
        "search",
        replaced("search.legs:Legs.names_of", _of_the_next),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "hybrid forgets words",
        "search",
        replaced(
            "search.reader:OpenGeneration.spaces",
            lambda original: (
                lambda self, mode: tuple(
                    one for one in original(self, mode) if mode == "lexical" or one.name != "lexical"
                )
            ),
        ),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "each hit shows the confidence of the first",
        "search",
        replaced("search.confidence:Confidence.said", _of_the_first),
        frozenset({"confidence_holds"}),
        serves=True,
    ),
    Mutant(
        "confidence is turned round",
        "search",
        replaced(
            "search.confidence:Confidence.said", lambda original: lambda self, ranking: 1 - original(self, ranking)
        ),
        frozenset({"confidence_holds"}),
        serves=True,
    ),
    Mutant(
        "the second best chunk stands for its symbol",
        "search",
        replaced("search.collapse:Symbols.first", _second),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "symbols of one name in two files are one",
        "search",
        replaced("search.collapse:Symbols._key", _without_path),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "symbols are folded in place of texts",
        "search",
        replaced("search.reader:OpenGeneration.fold", lambda _: lambda self, collapse: self.symbols),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "the worst copy stands for its text",
        "search",
        replaced("search.equal_texts:EqualTexts.first", _second),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "dead rows are named where a text stands too",
        "search",
        both(replaced("search.equal_texts:_groups", _with_dead), UNFILTERED),
        ANSWERS,
        runs=INCREMENTAL,
        serves=True,
    ),
    Mutant(
        "places that the filter hides are named where a text stands too",
        "search",
        UNFILTERED,
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "the token side ignores filters",
        "search",
        replaced(
            "search.retrievers:TokenSpace.retrieve",
            lambda original: lambda self, queries, options: original(self, queries, replace(options, allowed=None)),
        ),
        ANSWERS,
        serves=True,
    ),
)


def _without_last(filters: Any, mask: Any) -> Any:
    mask[filters._placed[-1][0] :] = False
    return mask
