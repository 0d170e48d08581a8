"""From mined pairs to what trains and what judges: no pair twice, no near copy of a reference, origins apart."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.errors import ConfigError
from xtr_assets.core.near_copies import CONTAINED, Shingles
from xtr_assets.core.training_pairs import Pair, PairKind, distinct, spread
from xtr_assets.core.types import Ints
from xtr_assets.pipeline.heads.head_card import Overlap

# One in nine origins is held out, one at least; of fewer than that many, one in nine files.
HELD_SHARE = 9
# Of each kind so much: mostly code asked for by its docstring, and enough prose that prose is not forgotten.
SHARES: Mapping[PairKind, float] = {"docstring": 0.47, "name": 0.19, "summary": 0.17, "heading": 0.07, "cloze": 0.1}
# Questions are short: runs of six words of them.
QUESTION_LENGTH = 6
# Copies that are put in on purpose: a check that finds nothing says nothing.
PLANTED = 20
CODE: tuple[PairKind, ...] = ("docstring", "name")


@dataclass(frozen=True, slots=True)
class Split:
    """train : what trains, in a random order. code, prose : what judges, of origins that train nothing."""

    train: tuple[Pair, ...]
    code: tuple[Pair, ...]
    prose: tuple[Pair, ...]
    held_out: tuple[str, ...]
    overlap: Overlap


def split_pairs(
    pairs: Sequence[Pair], references: Mapping[str, Sequence[str]], count: int, judging: int, seed: int = 0
) -> Split:
    """At most `count` pairs to train and `judging` of code and of prose to judge.

    references : texts that nothing may come from, by name. ConfigError where what is left is too little to train.
    """
    usable = distinct(sorted(pairs, key=lambda pair: hashlib.sha256(repr(pair).encode()).digest()))
    kept, overlap = without_copies(usable, references)
    by_origin = len({pair.origin for pair in kept}) >= HELD_SHARE

    def unit(pair: Pair) -> str:
        return pair.origin if by_origin else f"{pair.origin}/{pair.place.partition(':')[0]}"

    held = _held({unit(pair) for pair in kept})
    judges = [pair for pair in kept if unit(pair) in held]
    trains = [pair for pair in kept if unit(pair) not in held]
    chosen = [
        pair
        for kind, share in SHARES.items()
        for pair in spread([one for one in trains if one.kind == kind], round(count * share), seed)
    ]
    # What a kind lacks, docstrings give: there are most of them.
    left = set(trains).difference(chosen)
    more = [pair for pair in trains if pair.kind == "docstring" and pair in left]
    chosen += spread(more, count - len(chosen), seed)
    # Shares are rounded: together they may be more.
    train = spread(chosen, count, seed)
    code = spread([pair for pair in judges if pair.kind == "docstring"], judging, seed)
    prose = spread([pair for pair in judges if pair.kind not in CODE], judging, seed)
    if not train or not (code or prose):
        raise ConfigError(
            f"{len(pairs)} pairs were mined, {len(train)} are left to train and {len(code) + len(prose)} to judge; "
            "name more packages or sources with docstrings or headings"
        )
    held_out = tuple(sorted({pair.origin for pair in judges})) if by_origin else ("one file in nine",)
    return Split(tuple(train), tuple(code), tuple(prose), held_out, overlap)


def without_copies(pairs: Sequence[Pair], references: Mapping[str, Sequence[str]]) -> tuple[list[Pair], Overlap]:
    """The pairs that are no near copy of a reference, and what was looked for and found."""
    texts = [text for own in references.values() for text in own]
    known, asked = Shingles(texts), Shingles(texts, QUESTION_LENGTH)
    answers = [known.containment(pair.answer) >= CONTAINED for pair in pairs]
    questions = [asked.containment(pair.question) >= CONTAINED for pair in pairs]
    kept = [pair for pair, a, q in zip(pairs, answers, questions, strict=True) if not (a or q)]
    count = min(PLANTED, len(texts))
    # At even distances from the first to the last, whatever their number.
    planted = [near_copy(texts[nth * (len(texts) - 1) // max(1, count - 1)]) for nth in range(count)]
    overlap = Overlap(
        {name: len(own) for name, own in references.items()},
        len(known),
        known.length,
        CONTAINED,
        len(pairs),
        sum(answers),
        sum(q and not a for a, q in zip(answers, questions, strict=True)),
        len(planted),
        sum(known.containment(text) >= CONTAINED for text in planted),
    )
    return kept, overlap


def _held(units: set[str]) -> set[str]:
    """Those that judge, by their digests alone: what is mined beside them changes nothing. Where none is drawn, as of
    nine happens one time in three, the first by digest judges."""
    digests = {unit: int(hashlib.sha256(unit.encode()).hexdigest(), 16) for unit in units}
    drawn = {unit for unit, digest in digests.items() if digest % HELD_SHARE == 0}
    return drawn or set(sorted(units, key=lambda unit: digests[unit])[:1])


def owners_of(pairs: Sequence[Pair]) -> Ints:
    """int64 [n], the same number for pairs of one place: each of them answers the other's question.

    Without that the nearest "wrong" answer to a docstring was the same function, asked for by its name.
    """
    places = [(pair.origin, pair.place) for pair in pairs]
    number = {place: nth for nth, place in enumerate(dict.fromkeys(places))}
    return np.array([number[place] for place in places], np.int64)


def near_copy(text: str) -> str:
    """The text as somebody copies it: other case and indentation, every twentieth word another one."""
    words = text.upper().split()
    return "\n    ".join("renamed" if nth % 20 == 19 else word for nth, word in enumerate(words))
