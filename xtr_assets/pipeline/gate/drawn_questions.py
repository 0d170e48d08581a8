"""Questions in words that are asked again: those of the gate, with the vectors that they were given when drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xtr_assets.core.types import Floats
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.row_hydration import Hydrator

# Questions of the gate that are asked again: a word costs some ms to encode.
QUESTIONS = 4
# Asked where the gate has no question in words; and so many words of chunks where an encoder makes no token of these.
PINNED, WORDS = ("how is a text found again", "1 2 3"), 16


@dataclass(frozen=True, slots=True)
class Question:
    """Words, and the vectors that an encoder gave them: float32 [dim], float32 [t, token_dim]."""

    text: str
    embedding: Floats
    tokens: Floats


def drawn_questions(session: DraftSession) -> list[Question]:
    """Questions of the gate in words, of new rows among them; pinned ones where it has none, else words of the corpus.
    None where the encoder makes no token of any."""
    gate = session.queries()
    said = gate.told()
    told = [i for i, query in enumerate(gate.queries) if query.kind != "vector" and said[i]]
    new = [i for i in told if gate.queries[i].stratum == "new"]
    old = [i for i in told if gate.queries[i].stratum != "new"]
    chosen = [part[at] for part, most in ((old, QUESTIONS), (new, QUESTIONS // 2)) for at in _spread(len(part), most)]
    if chosen:
        return [Question(gate.queries[i].text, gate.embeddings[i], gate.tokens[i]) for i in chosen]
    return _encoded(session, PINNED) or _encoded(session, _said(session))


def _encoded(session: DraftSession, texts: Sequence[str]) -> list[Question]:
    """Those of the texts of which the encoder makes tokens, where it makes any at all."""
    if not texts:
        return []
    encoded = session.fresh_encoder().encode_queries(texts)
    return [
        Question(text, np.asarray(encoded.embeddings[i], np.float32), np.asarray(encoded.tokens[i], np.float32))
        for i, text in enumerate(texts)
        if len(encoded.tokens[i]) or not encoded.tokens[i].shape[1]
    ]


def _said(session: DraftSession) -> list[str]:
    """The first words of some chunks."""
    live = np.flatnonzero(session.draft.live)
    rows = Hydrator(session.draft, ("text",)).rows(live[_spread(len(live), QUESTIONS)].tolist())
    return [said for row in rows if (said := " ".join(row["text"].split()[:WORDS]))]


def _spread(count: int, most: int) -> list[int]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64)).tolist() if count else []
