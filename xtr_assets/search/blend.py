"""What a hybrid search is published with: how much each leg weighs, what length takes off, and what is added."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xtr_assets.core.errors import UnknownFormat
from xtr_assets.core.fusion import Moments
from xtr_assets.core.types import BOTH_LEGS
from xtr_assets.core.types import Legs as EncoderLegs

# Spaces that bring candidates, in the order in which hits and explanations show them.
LEGS = ("dense", "xtr", "lexical")
# The key of names in hit.scores: they score rows and bring none.
NAME = "name"
# The key of rows that bear the name that a query is: 1 in hit.scores, added as it is.
SYMBOL = "symbol"

# The key of what a chunk is called: how much of the question its path and symbol say, in hit.scores, added as it is.
CALLED = "called"

# The key of rows that stand at a place that a query names: their shares in hit.scores, added as they are; and of the
# list of these rows, which come among the candidates.
PLACE = "place"

# The key of rare words with a digit: the share of them that a row holds, in hit.scores, added as it is.
DIGITS = "digits"

# The key of words that a row has in a row as the query has them: how many, but for two, in hit.scores.
VERBATIM = "verbatim"

# The key of the best row of the other kind than the first: the share of `Blend.beside` that it gained, in hit.scores.
BESIDE = "beside"

# Candidates that each leg gives. Known-item search in the standard library: the z-score sum over the dense top 100 has
# the MRR@10 of the sum over all documents (0.399), so that more of them only cost time.
CANDIDATES = 100

# Of the standard scores of each leg, see docs/measurements.md, "Ranking": what they were chosen on, and confirmed on.
# "name" beside its part of the dense leg: chosen on items of the standard library, +.009 [-.001, .020], and confirmed
# on numpy's, +.023 [.011, .035]; second docstring sentences, which say less of a name, +.007 and +.016.
WEIGHTS: Mapping[str, float] = {"dense": 1.0, "name": 0.2, "xtr": 0.5, "lexical": 1 / 3}
# MaxSim grows by .045 to .061 a unit of log length in every collection, whatever is asked. Taking half of that off is
# what every set gains from; larger constants win on short chunks and lose on long ones.
LENGTH = 0.025
# The same where MaxSim ranks alone: nDCG@10 or MRR@10 of seven sets +.005 to +.053, none surely less. Half of what the
# sum takes, since there no other leg makes up for a chunk that says little: with .025 prose loses .014, with .03 surely
# .026 (docs/measurements.md, "Late interaction alone").
ALONE = 0.0125
# What the cosine of the whole texts adds to MaxSim where it ranks alone: a token for the text, as ColBERT's [CLS] is
# one, that meets its own kind. Chosen on CosQA dev and CoNaLa train, confirmed on SciFact train
# (docs/measurements.md, "The pooled embedding").
POOLED = 0.6
# Kinds of encoder whose token embeddings no model learnt to rank by MaxSim as it is: of these alone it is known.
UNTAUGHT = frozenset({"minilm", "static", "hashing"})
# What a row gains where the query is its name and nothing else, in standard deviations: the best sums are 4 to 7. Of
# names of the standard library, asked alone, the first hit bears the name for .72 to .90 without, .96 to 1 with 3, .98
# to 1 with 5 and with 10 (docs/measurements.md, "Names alone").
BORNE = 5.0
# What a row gains whose path and symbol say all of the question; a word counts by its rarity. What it was chosen on and
# confirmed on: docs/measurements.md, "Words of names".
SAID = 2.0
# What a row gains that stands at a place that the query names: the best sums are 4 to 7, and a row that no leg brings
# may be below 0 without (docs/measurements.md, "Places").
STANDS = 10.0
# What a row gains that holds all rare words with a digit that the query has (docs/measurements.md, "Words with a
# digit").
NUMBERED = 4.0
# What the best row without a name gains where the first has one, and the other way: names lift code over documents
# (docs/measurements.md, "Code and documents").
OTHER_KIND = 1.5
# What a row with a name gains for each word, but for two, that it has in a row as the query has them, four at least
# (docs/measurements.md, "Word for word").
IN_A_ROW = 1.0


@dataclass(frozen=True, slots=True)
class Blend:
    """How the legs make one score: `profile["hybrid"]` of a manifest.

    candidates : that each leg gives. weights : of each leg's standard score; a leg without one takes no part. length :
    taken off MaxSim for each unit of ln(tokens of the chunk). names : whether the dense leg is the better of the
    chunk's and of the name's cosine; what the name weighs besides is among the weights. symbol : what a row gains that
    bears the name that a query is. alone : taken off MaxSim for each unit of ln(tokens) where it ranks alone. called :
    what a row with a name gains whose path and symbol say all of the query. pooled : what the cosine of the embeddings
    adds to MaxSim where it ranks alone. place : what a row gains for each unit of its share of the places that a query
    names. digits : what a row gains that holds all rare words of the query with a digit. beside : what the best row
    without a name gains at most where the first has one, and the best with one where the first has none. verbatim :
    what a row with a name gains for each word, but for two, that it has in a row as the query has them.
    """

    candidates: int
    weights: Mapping[str, float]
    length: float
    names: bool
    symbol: float = 0.0
    alone: float = 0.0
    called: float = 0.0
    pooled: float = 0.0
    place: float = 0.0
    digits: float = 0.0
    beside: float = 0.0
    verbatim: float = 0.0

    @property
    def factors(self) -> Mapping[str, float]:
        """Of everything that is summed: the weights, and what is added as it is."""
        return {**self.weights, SYMBOL: self.symbol, CALLED: self.called, PLACE: self.place, **self._more}

    @property
    def _more(self) -> dict[str, float]:
        return {DIGITS: self.digits, BESIDE: self.beside, VERBATIM: self.verbatim}

    def document(self) -> dict[str, Any]:
        """As a manifest keeps it."""
        return {
            "candidates": self.candidates,
            "weights": dict(self.weights),
            "length": self.length,
            SYMBOL: self.symbol,
            "alone": self.alone,
            CALLED: self.called,
            "pooled": self.pooled,
            PLACE: self.place,
            **self._more,
        }

    @classmethod
    def standard(cls, there: EncoderLegs = BOTH_LEGS, tokens_by: str = "minilm") -> "Blend":
        """What a generation begun now is published with, whose encoder gives these, tokens by one of such a kind. One
        of them alone weighs 1, and words a third of it (docs/measurements.md, "One leg")."""
        weights, alone = dict(WEIGHTS), ALONE if tokens_by in UNTAUGHT else 0.0
        if "dense" not in there:
            weights, alone = {"xtr": 1.0, "lexical": WEIGHTS["lexical"]}, 0.0
        elif "tokens" not in there:
            del weights["xtr"]
        called, pooled = SAID if "dense" in there else 0.0, POOLED if alone and "tokens" in there else 0.0
        more = {"symbol": BORNE, "alone": alone, "called": called, "pooled": pooled}
        more |= {"place": STANDS, "digits": NUMBERED, "beside": OTHER_KIND, "verbatim": IN_A_ROW}
        return cls(CANDIDATES, weights, LENGTH, names=True, **more)

    @classmethod
    def of(cls, kept: Any) -> "Blend":
        """What a manifest says, None where it says nothing; without weights: as the releases that wrote none rank.

        Raises UnknownFormat for what this release cannot follow, with the remedy.
        """
        told = kept if isinstance(kept, Mapping) else {}
        if strange := sorted(str(name) for name, value in told.items() if name not in KEPT and value):
            raise UnknownFormat(
                f"the manifest's profile sets {', '.join(strange)} of hybrid, by which this release does not rank; "
                "open it with the release that wrote it, or install a newer xtr-assets"
            )
        depth = told.get("candidates")
        candidates = depth if isinstance(depth, int) and depth > 0 else CANDIDATES
        weights = told.get("weights")
        if weights is None:
            return cls(candidates, {"dense": 1.0, "xtr": 1.0}, 0.0, names=False)
        length, symbol, alone = told.get("length", 0.0), told.get(SYMBOL, 0.0), told.get("alone", 0.0)
        called, pooled = told.get(CALLED, 0.0), told.get("pooled", 0.0)
        more = [told.get(key, 0.0) for key in (PLACE, DIGITS, BESIDE, VERBATIM)]
        known = isinstance(weights, Mapping) and all(_known(*one) for one in weights.items())
        known = known and all(map(_number, (length, symbol, alone, called, pooled, *more)))
        known = known and min(symbol, called, pooled, *more) >= 0
        if not known or not (weights.get("dense") or weights.get("xtr")):
            raise UnknownFormat(
                f"the manifest's profile sets hybrid weights {weights!r}, length {length!r}, symbol {symbol!r}, "
                f"alone {alone!r}, called {called!r}, pooled {pooled!r}, place, digits, beside and verbatim "
                f"{more!r}; this release follows weights from 0 for {', '.join(WEIGHTS)}, not all of vectors "
                "0, and numbers, all but length and alone from 0; open it with the release that wrote it"
            )
        own = {name: float(weights[name]) for name in WEIGHTS if name in weights}
        return cls(candidates, own, float(length), True, *map(float, (symbol, alone, called, pooled, *more)))


def _known(name: Any, weight: Any) -> bool:
    return name in WEIGHTS and _number(weight) and weight >= 0


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# What a manifest, or a part of another release, may say of a blend: by another key that says something a later release
# ranks.
KEPT = frozenset(Blend.standard().document())
# What is added to the standard scores as it is.
ADDED = (SYMBOL, CALLED, PLACE, DIGITS, BESIDE, VERBATIM)
AS_IT_IS = Moments(0.0, 1.0)
