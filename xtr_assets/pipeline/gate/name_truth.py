"""Whether a question is a name alone, and whether a row bears it: worked out from docs/searching.md, "A name alone".

Character by character and part by part, without the expressions of search.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from xtr_assets.core.text_fold import fold
from xtr_assets.core.types import Ints, Mask
from xtr_assets.pipeline.gate import term_truth
from xtr_assets.pipeline.gate.drawn_questions import Question
from xtr_assets.pipeline.gate.file_truth import UNASKED, asks, of_tests, written_in
from xtr_assets.pipeline.gate.place_truth import places_in
from xtr_assets.pipeline.gate.term_truth import called, tellable
from xtr_assets.pipeline.plan.draft_session import DraftSession

# What docs/searching.md, "Languages", takes off.
ELSEWHERE = 0.75
Doubles = npt.NDArray[np.float64]

# As docs/searching.md says.
LONGEST = 256
# Rows that are tried for a name that can be asked.
# Words that are pasted.
PASTED = 7
TRIED = 64


def words_of(text: str) -> list[str]:
    """The words of the name that a question is, folded; none where it is something else."""
    if len(text) > LONGEST:
        return []
    stripped = fold(text).strip()
    if any(one.isspace() for one in stripped):
        return []
    if stripped.endswith("()"):
        stripped = stripped[:-2]
    parts = stripped.split(".")
    return parts if all(map(_is_word, parts)) else []


def _is_word(part: str) -> bool:
    if not part or part[0].isdecimal() or not (part[0] == "_" or part[0].isalnum()):
        return False
    return all(one == "_" or one.isalnum() for one in part) and any(map(str.isalnum, part))


def is_named(words: Sequence[str], path: str, symbol: str) -> bool:
    """Whether these words are the end of folders, module and symbol, the symbol's last among them; or the whole symbol
    behind one of its folders or its module."""
    if not symbol:
        return False
    own = fold(symbol).replace("::", ".").replace(" > ", ".").split(".")
    places = fold(path).split("/")
    places[-1] = places[-1].split(".")[0]
    if places[-1] in ("", "__init__"):
        places.pop()
    whole = places + own
    ends = len(words) <= len(whole) and all(a == b for a, b in zip(reversed(words), reversed(whole), strict=False))
    behind = len(words) == len(own) + 1 and list(words[1:]) == own and words[0] in places
    return ends or behind


def said_of(rarity: Mapping[str, float], rows: Ints, columns: Mapping[int, Mapping[str, Any]]) -> Doubles:
    """float64 [len(rows)]: how much of a question the path and the symbol of a row say, its words by rarity."""
    words = {term: one for term, one in rarity.items() if term[0] != "."}
    whole, found = sum(words.values()), []
    for row in rows.tolist():
        path, symbol = columns[row]["path"], columns[row]["symbol"]
        own = _called(path) | _called(symbol) if symbol else _called("")
        found.append(sum(words[term] for term in own & words.keys()))
    return np.array(found, np.float64) / (whole or 1.0)


def elsewhere_of(rarity: Mapping[str, float], rows: Ints, columns: Mapping[int, Mapping[str, Any]]) -> Doubles:
    """float64 [len(rows)]: what a row loses that is in another language than those that the question names."""
    asked = {term for term in rarity if term[0] == "."}
    own = [{*written_in(columns[row]["path"])} for row in rows.tolist()]
    return np.array([ELSEWHERE if asked and one and not one & asked else 0.0 for one in own], np.float64)


def tests_of(question: str, rows: Ints, columns: Mapping[int, Mapping[str, Any]]) -> Doubles:
    """float64 [len(rows)]: what a row loses that is of tests where the question does not ask for them."""
    if asks(term_truth.asked(question)):
        return np.zeros(len(rows))
    own = [of_tests(columns[row]["path"], columns[row]["symbol"] or "") for row in rows.tolist()]
    return np.array([UNASKED if one else 0.0 for one in own], np.float64)


# Rows of one file share its path, and many questions ask the same rows: 600 took .1 CPU s each time without.
@lru_cache(maxsize=1 << 16)
def _called(text: str) -> frozenset[str]:
    return called(text)


def named_rows(question: str, rows: Ints, columns: Mapping[int, Mapping[str, Any]]) -> Mask:
    """bool [len(rows)]: those that bear the name that the question is."""
    words = words_of(question)
    if not words:
        return np.zeros(len(rows), np.bool_)
    asked = (columns[row] for row in rows.tolist())
    return np.array([is_named(words, row["path"], row["symbol"] or "") for row in asked], np.bool_)


def drawn_name(
    session: DraftSession, columns: Mapping[int, Mapping[str, Any]], chance: np.random.Generator
) -> list[Question]:
    """The name of a row as a question, alone; nothing where no row that is tried has one that can be asked."""
    rows = sorted(columns)
    for at in chance.permutation(len(rows))[:TRIED].tolist():
        last = _last(columns[rows[at]]["symbol"] or "")
        if words_of(last) and (asked := _encoded(session, [last])):
            return asked
    return []


def drawn_calls(
    session: DraftSession, columns: Mapping[int, Mapping[str, Any]], chance: np.random.Generator
) -> list[Question]:
    """What a row is called, as a question in words: of its file and of its symbol, in one of the languages where rows
    are in several. Of a row that has a name, and of one that has none, whose words may add nothing."""
    tried = [sorted(columns)[at] for at in chance.permutation(len(columns))[:TRIED].tolist()]
    if not tried:
        return []
    stored = session.draft.names()
    there = np.zeros((len(tried), 1)) if stored is None else stored.gather(np.array(tried, np.int64))
    named: list[bool] = np.any(there, axis=1).tolist()
    said: dict[bool, str] = {}
    for row, has in zip(tried, named, strict=True):
        path, symbol = columns[row]["path"], columns[row]["symbol"] or ""
        text = f"{path.rpartition('/')[2].partition('.')[0]} {_last(symbol)}"[:LONGEST]
        if symbol and tellable(text) and called(text):
            said.setdefault(has, text)
    languages = sorted({language for one in columns.values() for language in written_in(one["path"])})
    asked = f" in {chance.choice(languages)[1:]}" if len(languages) > 1 else ""
    return _encoded(session, [f"{text}{asked}" for text in said.values()])


def drawn_places(
    session: DraftSession, columns: Mapping[int, Mapping[str, Any]], chance: np.random.Generator
) -> list[Question]:
    """Where two rows stand, as a traceback of Python and as a compiler say it, and a file elsewhere that is called like
    one of theirs; not where a path says no place."""
    tried = [columns[sorted(columns)[at]] for at in chance.permutation(len(columns))[:TRIED].tolist()]
    told = [(row["path"], int(chance.integers(row["start_line"], row["end_line"] + 1))) for row in tried]
    told = [(path, line) for path, line in told if len(path) <= LONGEST and tellable(path)][:2]
    if not told:
        return []
    frames = "\n".join(f'  File "/build/{path}", line {line}, in call' for path, line in told)
    (path, line), (other, elsewhere) = told[0], told[-1]
    message = f"{path}:{line}:1: error\nelsewhere/{other.rpartition('/')[2]}:{elsewhere}:1: note"
    texts = [f"Traceback (most recent call last):\n{frames}", message]
    return _encoded(session, [one for one in texts if places_in(one)])


def drawn_digits(
    session: DraftSession, columns: Mapping[int, Mapping[str, Any]], chance: np.random.Generator
) -> list[Question]:
    """Two words with a digit that texts hold, as a question alone and within one; fewer where fewer have such. Of those
    of the texts that are tried they are among the rarest: what many rows hold adds nothing."""
    rows = sorted(columns)
    tried = [columns[rows[at]]["text"] for at in chance.permutation(len(rows))[:TRIED].tolist()]
    held = Counter(word for text in tried for word in {*text.split()} if any(map(str.isdecimal, word)))
    known = [word for word in held if len(word) <= LONGEST and tellable(word)]
    told = sorted(known, key=lambda word: (held[word], word))[:2]
    return _encoded(session, [*told[:1], *(f"what changed in {' and '.join(told)}" for _ in told[:1])])


def drawn_runs(
    session: DraftSession, columns: Mapping[int, Mapping[str, Any]], chance: np.random.Generator
) -> list[Question]:
    """Some words that follow each other in the text of a row, as a message that it prints is pasted: of a row that has
    a name, and of one that has none, where they add nothing. None where no text that is tried has so many."""
    rows = np.array(sorted(columns), np.int64)
    tried, stored = rows[chance.permutation(len(rows))[:TRIED]], session.draft.names()
    if stored is None or not len(tried):
        return []
    said: dict[bool, str] = {}
    for row, named in zip(tried.tolist(), np.any(stored.gather(tried), axis=1).tolist(), strict=True):
        words = columns[row]["text"].split()
        begin = int(chance.integers(max(1, len(words) - PASTED + 1)))
        text = " ".join(words[begin : begin + PASTED])
        if len(words) >= PASTED and len(text) <= PASTED * LONGEST and tellable(text):
            said.setdefault(named, f"ERROR 7: {text}")
    return _encoded(session, list(said.values()))


def _last(symbol: str) -> str:
    return symbol.replace("::", ".").replace(" > ", ".").split(".")[-1]


def _encoded(session: DraftSession, texts: Sequence[str]) -> list[Question]:
    """Texts as questions; without those of which an encoder of tokens makes none."""
    if not texts:
        return []
    found = session.fresh_encoder().encode_queries(texts)
    pairs = zip(texts, found.embeddings, found.tokens, strict=True)
    return [
        Question(text, np.asarray(embedding, np.float32), np.asarray(tokens, np.float32))
        for text, embedding, tokens in pairs
        if not tokens.shape[1] or len(tokens)
    ]
