"""What a hybrid search sums: its legs, how much each weighs, what length takes off, and what names and places add."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.asked_name import Name
from xtr_assets.core.asked_place import Place
from xtr_assets.core.file_purpose import asks_for_tests
from xtr_assets.core.fusion import Doubles, Moments
from xtr_assets.core.row_store import RowVectors
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.index.exact_scan import true_scores
from xtr_assets.search.blend import ADDED, AS_IT_IS, CALLED, DIGITS, NAME, PLACE, SYMBOL, VERBATIM, Blend
from xtr_assets.search.lexical_space import digits_among
from xtr_assets.search.retrievers import Listed, QueryVectors, Space
from xtr_assets.search.row_marks import RowMarks
from xtr_assets.search.row_places import NONE, shares_of
from xtr_assets.search.row_words import read_of, runs_in
from xtr_assets.storage.row_hydration import Hydrator

# What is taken off that share where the chunk is in another language than those that the question names
# (docs/measurements.md, "Languages").
ELSEWHERE = 0.75
# The same where the chunk is of tests, and the question does not ask for them (docs/measurements.md, "Tests").
UNASKED_TESTS = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """The legs of one generation.

    log_tokens : float32 [end_row], ln of the tokens that each row keeps; None where rows have no tokens. names : the
    names' embeddings, all zero where a row has no name; None where the generation has none, or was published without
    them. bearing : which of some rows bear a name; None where nothing says. called : the terms of path and symbol of
    some rows; None where nothing says. marks : in which language rows are, and which are of tests; None where nothing
    says. standing : all rows at some places, ascending, with their shares, and texts : of rows; None likewise.
    """

    blend: Blend
    log_tokens: Floats | None = None
    names: RowVectors | None = None
    bearing: Callable[[Name, Ints], Mask] | None = None
    called: Callable[[Ints], Sequence[frozenset[str]]] | None = None
    marks: RowMarks | None = None
    standing: Callable[[tuple[Place, ...]], Listed] | None = None
    texts: Hydrator | None = None

    def names_of(self, query: QueryVectors, rows: Ints) -> dict[str, Floats]:
        """The cosine of the names float32 [len(rows)], NaN where a row has none; nothing where there are no names."""
        if self.names is None or query.embedding is None:
            return {}
        scores = true_scores(self.names, query.embedding[None], rows[None])[0]
        return {NAME: np.where(scores == 0.0, np.float32(np.nan), scores)}

    def borne_by(self, query: QueryVectors, rows: Ints, scores: Mapping[str, Floats]) -> dict[str, Floats]:
        """1 for each row that bears the name that the query is, NaN for others, float32 [len(rows)]; nothing where none
        does. scores : of the rows by leg: what bears a name shares a word with it, the rest need not be looked up."""
        if query.name is None or self.bearing is None or not self.blend.symbol:
            return {}
        asked = np.flatnonzero(scores["lexical"] > 0) if "lexical" in scores else np.arange(len(rows))
        borne = asked[self.bearing(query.name, rows[asked])]
        if not len(borne):
            return {}
        found = np.full(len(rows), np.nan, np.float32)
        found[borne] = 1.0
        return {SYMBOL: found}

    def called_by(
        self, query: QueryVectors, rarity: Mapping[str, float], rows: Ints, scores: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        """How much of the query path and symbol of each row say, float32 [len(rows)]: the share of its words that they
        have, by rarity; NaN where none, or where a row has no name. Named or not, ELSEWHERE less where a row is in
        another language than those of its files that the query names, and UNASKED_TESTS less where it is of tests and
        the query does not ask for them. Nothing where no row has any.

        rarity : of the terms of the query. scores : of the rows by leg; what says a word shares it.
        """
        if self.called is None or not self.blend.called:
            return {}
        languages = {term for term in rarity if term.startswith(".")}
        words = {term: weight for term, weight in rarity.items() if term not in languages}
        named = words and NAME in scores
        asked = np.flatnonzero((scores["lexical"] > 0) & ~np.isnan(scores[NAME])) if named else np.empty(0, np.int64)
        whole, found = sum(words.values()), np.full(len(rows), np.nan, np.float32)
        for place, own in zip(asked.tolist(), self.called(rows[asked]), strict=True):
            # Most say none.
            if own.isdisjoint(words):
                continue
            if said := sum(weight for term, weight in words.items() if term in own):
                found[place] = said / whole
        if self.marks is not None:
            if languages:
                _take(found, self.marks.elsewhere(languages, rows), ELSEWHERE)
            if query.terms is not None and not asks_for_tests(query.terms):
                _take(found, self.marks.of_tests(rows), UNASKED_TESTS)
        return {} if np.isnan(found).all() else {CALLED: found}

    def standing_at(self, query: QueryVectors) -> Listed:
        """All rows at the places that the query names, ascending, with their shares; none where that adds nothing."""
        if self.standing is None or not self.blend.place:
            return NONE
        return self.standing(query.places)

    def placed_by(self, query: QueryVectors, rows: Ints) -> dict[str, Floats]:
        """How much each row stands at a place that the query names, float32 [len(rows)], NaN where it stands at none;
        nothing where none does."""
        standing = self.standing_at(query)
        shares = shares_of(standing, rows) if len(standing.rows) else None
        return {} if shares is None or np.isnan(shares).all() else {PLACE: shares}

    def digits_by(self, query: QueryVectors, rows: Ints, spaces: Sequence[Space]) -> dict[str, Floats]:
        """The share of the query's rare words with a digit that each row holds, by the lexical one of the spaces,
        float32 [len(rows)], NaN where it holds none; nothing where none does, and where that adds nothing."""
        found = digits_among(spaces, query, rows) if self.blend.digits else None
        return {} if found is None else {DIGITS: found}

    def verbatim_by(
        self, query: QueryVectors, rows: Ints, scores: Mapping[str, Floats], ids: Ints
    ) -> dict[str, Floats]:
        """How many words of the query, but for two, each row has in a row, float32 [len(rows)], NaN where by chance at
        most, and for all but the best with a name; nothing where no row has any. ids : int64 [len(rows)], for ties."""
        if self.texts is None or not self.blend.verbatim or not query.words:
            return {}
        read, found = read_of(scores, ids), np.full(len(rows), np.nan, np.float32)
        found[read] = runs_in(self.texts, query.words, rows[read])
        return {} if np.isnan(found).all() else {VERBATIM: found}

    def shortened(self, rows: Ints) -> Doubles:
        """What length takes off the MaxSim of each row: float64 [len(rows)]."""
        return self._by_length(rows, self.blend.length)

    def shortened_alone(self, rows: Ints) -> Doubles:
        """The same where MaxSim ranks alone."""
        return self._by_length(rows, self.blend.alone)

    def _by_length(self, rows: Ints, constant: float) -> Doubles:
        if self.log_tokens is None:
            return np.zeros(len(rows))
        return constant * self.log_tokens[rows].astype(np.float64)

    def of(self, rows: Ints, scores: Mapping[str, Floats]) -> dict[str, Doubles]:
        """What is standardized and summed, per leg float64 [len(rows)], from exact scores in each space.

        dense : the better of the chunk's cosine and its name's. xtr : MaxSim without what length adds. name : NaN where
        a row has none. lexical : as it is. symbol : 1 where the row bears the name that was asked for, else 0. called :
        the share of the query that its path and symbol say, else 0. place, digits : its share of these, else 0.
        """
        weights = self.blend.weights
        legs = {name: scores[name].astype(np.float64) for name in weights if name in scores and weights[name]}
        if NAME in scores and "dense" in legs:
            legs["dense"] = np.fmax(legs["dense"], scores[NAME])
        if "xtr" in legs:
            legs["xtr"] -= self.shortened(rows)
        if "dense" not in legs:
            legs.pop(NAME, None)
        for name in ADDED:
            if name in scores:
                legs[name] = np.nan_to_num(scores[name].astype(np.float64))
        return legs


def _take(found: Floats, where: Mask, share: float) -> None:
    """Take a share off what some rows have, NaN as long as that is nothing."""
    left = np.nan_to_num(found[where]) - np.float32(share)
    found[where] = np.where(left == 0, np.float32(np.nan), left)


def moments_of(legs: dict[str, Doubles], pool: Ints) -> dict[str, Moments]:
    """Mean and spread of each leg over a pool of candidates (positions); rows without a name become the mean one.

    Names spread as the dense leg does, whose space is theirs: a pool may hold two names, or none.
    """
    moments = {name: Moments.of(values[pool]) for name, values in legs.items() if name not in (NAME, *ADDED)}
    # These add what they weigh, however many rows have them.
    moments |= {name: AS_IT_IS for name in ADDED if name in legs}
    if NAME in legs:
        known = legs[NAME][pool]
        known = np.sort(known[~np.isnan(known)])
        mean = float(known.mean()) if len(known) else moments["dense"].mean
        moments[NAME] = Moments(mean, moments["dense"].spread)
        legs[NAME] = np.where(np.isnan(legs[NAME]), mean, legs[NAME])
    return moments
