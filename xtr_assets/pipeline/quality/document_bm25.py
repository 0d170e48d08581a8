"""BM25 over whole documents: the baseline that every leg is held against. By bm25s, of the extra `evaluate`."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xtr_assets.core.types import encoded_text
from xtr_assets.pipeline.quality.judged_queries import document_names, unit_of
from xtr_assets.storage.chunk_files import rows_at
from xtr_assets.storage.generation import Generation

COLUMNS = ("symbol", "path", "chunk_id", "title", "text")


def available() -> bool:
    """Whether bm25s is installed."""
    from importlib.util import find_spec

    return find_spec("bm25s") is not None


class DocumentBm25:
    """BM25 (Lucene's form, k1 1.5, b .75) with English stop words and stems over the documents of a generation.

    A document is the text of all live chunks of one name, in the order of their rows.
    """

    def __init__(self, generation: Generation, judged: set[str]) -> None:
        import bm25s

        # Its own debug lines are no concern of who evaluates.
        logging.getLogger("bm25s").setLevel(logging.WARNING)
        texts: dict[str, list[str]] = {}
        unit = unit_of(generation, judged)
        for one in generation.segments:
            live = np.flatnonzero(generation.live[one.base_row : one.end_row])
            rows: Mapping[str, list[Any]] = rows_at(one.segment.chunks().select(list(COLUMNS)), live).to_pydict()
            for name, title, text in zip(document_names(rows, judged, unit), rows["title"], rows["text"], strict=True):
                texts.setdefault(name, []).append(encoded_text(title, text))
        self.names = list(texts)
        self._index = bm25s.BM25()
        self._index.index(_terms(["\n".join(own) for own in texts.values()]), show_progress=False)

    def ranked(self, queries: Sequence[str], depth: int) -> list[list[str]]:
        """Names of the `depth` best documents of each query, best first; those without a word of it are left out."""
        k = min(depth, len(self.names))
        found: list[list[str]] = []
        for terms in _terms(queries):
            known = [term for term in terms if term in self._index.vocab_dict]
            if not known:
                found.append([])
                continue
            documents, scores = self._index.retrieve([known], k=k, show_progress=False)
            # Equal scores by name, so that the order of the rows says nothing: a set of parts has another one.
            best = sorted(
                (-score, self.names[at]) for at, score in zip(documents[0], scores[0], strict=True) if score > 0
            )
            found.append([name for _, name in best])
        return found


def _terms(texts: Sequence[str]) -> list[list[str]]:
    import bm25s
    import snowballstemmer

    stem = snowballstemmer.stemmer("english")
    terms: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords="en", stemmer=stem.stemWords, return_ids=False, show_progress=False
    )
    return terms
