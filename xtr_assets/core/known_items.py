"""Known-item search: of texts that name one document, how many find it; and whether fewer do than did before."""

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Words = frozenset[str]

# Scripts that write words without spaces (Thai to Khmer, kana, Han), and emoji.
RUNNING_SCRIPTS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\u2600-\u27bf\U0001f300-\U0001faff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{RUNNING_SCRIPTS}]+")
_WORD = re.compile(r"[^\W_]+")


def asked_words(text: str) -> Words:
    """The words of a query, whatever their case and punctuation; pairs of characters where words run together.

    >>> sorted(asked_words("Parse_date, twice")), len(asked_words("\u691c\u7d22\u8a9e"))
    (['date', 'parse', 'twice'], 2)
    """
    return _words_of(text, least=2)


def carried_words(text: str) -> Words:
    """The words that a document carries: of characters that run together each one and each pair, so that whatever is
    quoted from it is carried by it."""
    return _words_of(text, least=1)


def _words_of(text: str, least: int) -> Words:
    folded = text.casefold()
    words = set(_WORD.findall(_RUN.sub(" ", folded)))
    for run in _RUN.findall(folded):
        words.update(run[i : i + 2] for i in range(len(run) - 1))
        if least == 1 or len(run) == 1:
            words.update(run)
    return frozenset(words)


@dataclass(frozen=True, slots=True)
class ItemScore:
    """ranks : the place of each query's first answer in its list, from 1; 0 where it has none. chance : the share of
    lists of other queries that would have answered it as well."""

    ranks: tuple[int, ...]
    chance: tuple[float, ...]


def score_items(queries: Sequence[Words], lists: Sequence[Sequence[Words]], k: int, rivals: int) -> ItemScore:
    """Known-item search by words: a document answers a query if it has all of the query's words.

    `lists` holds the words of each query's hits, best first. The first k of `rivals` other queries (spread evenly) are
    held against each query as well, which says how little its words tell one document from another.

    >>> red, blue = frozenset(["red"]), frozenset(["blue"])
    >>> score_items([red, blue, blue], [[blue, red | blue], [red], [blue]], 2, 2)
    ItemScore(ranks=(2, 0, 1), chance=(0.5, 1.0, 0.5))
    """
    count = len(queries)
    ranks, chance = [], []
    for i, words in enumerate(queries):
        ranks.append(_first_answer(words, lists[i]))
        steps = np.unique(np.linspace(1, count - 1, min(rivals, count - 1)).astype(int)).tolist() if count > 1 else []
        others = [_first_answer(words, lists[(i + step) % count][:k]) > 0 for step in steps]
        chance.append(sum(others) / len(others) if others else 0.0)
    return ItemScore(tuple(ranks), tuple(chance))


def surely_lost(
    before: Mapping[str, bool], now: Mapping[str, bool], documents: Mapping[str, Hashable], confidence: float = 0.999
) -> tuple[int, int, bool]:
    """(documents lost, gained, whether more were lost than chance would lose) over the queries that both have.

    The exact sign test of McNemar: of what changed, as much is lost as gained where nothing changed. What changes is a
    document, and with it all queries that name it: it is lost where fewer of them find it than did.

    >>> now = {f"q{i}": False for i in range(10)}
    >>> then, apart, one = dict.fromkeys(now, True), {query: query for query in now}, dict.fromkeys(now, 7)
    >>> surely_lost(then, now, apart), surely_lost({"q1": True}, now, apart), surely_lost(then, now, one)
    ((10, 0, True), (1, 0, False), (1, 0, False))
    """
    net: dict[Hashable, int] = {}
    for query in before.keys() & now.keys():
        net[documents[query]] = net.get(documents[query], 0) + now[query] - before[query]
    lost, gained = sum(one < 0 for one in net.values()), sum(one > 0 for one in net.values())
    tail = sum(math.comb(lost + gained, i) for i in range(lost, lost + gained + 1)) / 2 ** (lost + gained)
    return lost, gained, tail < 1.0 - confidence


def _first_answer(words: Words, hits: Sequence[Words]) -> int:
    return next((rank for rank, hit in enumerate(hits, 1) if words <= hit), 0)
