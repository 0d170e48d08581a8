"""The answers of two generations side by side: what a publication or a rollback would change for users."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xtr_assets.config import EncoderConfig
from xtr_assets.search.hits import Hit
from xtr_assets.search.ranker import Mode
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class AnswerDiff:
    """One query in two generations: hits best first; gained and lost are those that only one of them returns."""

    query: str
    before: tuple[Hit, ...]
    after: tuple[Hit, ...]

    @property
    def gained(self) -> tuple[Hit, ...]:
        known = {hit.chunk_id for hit in self.before}
        return tuple(hit for hit in self.after if hit.chunk_id not in known)

    @property
    def lost(self) -> tuple[Hit, ...]:
        known = {hit.chunk_id for hit in self.after}
        return tuple(hit for hit in self.before if hit.chunk_id not in known)

    @property
    def overlap(self) -> float:
        """Share of the hits before that are there after; 1.0 where there was none."""
        return 1.0 - len(self.lost) / len(self.before) if self.before else 1.0

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "query": self.query,
            "overlap": self.overlap,
            "gained": [_place(hit) for hit in self.gained],
            "lost": [_place(hit) for hit in self.lost],
        }


def compare(
    warehouse: Warehouse | PartSet,
    before: int,
    after: int,
    queries: Sequence[str],
    k: int = 10,
    mode: Mode = "hybrid",
    *,
    encoder: EncoderConfig | None = None,
) -> list[AnswerDiff]:
    """Ask both generations (of a set: moves), each with the encoder that made it (or with `encoder`, see Searcher)."""
    answers = []
    for number in (before, after):
        with Searcher(warehouse, "cpu", number, encoder) as searcher:
            answers.append(searcher.search_batch(queries, k, mode))
    return [AnswerDiff(query, tuple(old), tuple(new)) for query, old, new in zip(queries, *answers, strict=True)]


def _place(hit: Hit) -> dict[str, Any]:
    return {"chunk_id": hit.chunk_id, "source": hit.source, "path": hit.path, "symbol": hit.symbol, "score": hit.score}
