"""What a search returns."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """What one query token met in a document.

    query_token, token : both as the tokenizer writes them; position : of `token` among the document's tokens, from 0
    similarity : their inner product
    imputed : the index did not retrieve the document for this query token: while candidates were chosen a bound stood
        in for the similarity, which here is the true one
    """

    query_token: str
    token: str
    position: int
    similarity: float
    imputed: bool


@dataclass(frozen=True, slots=True)
class SpaceExplanation:
    """How a hit stands in one space.

    score : the exact score; z : its standard score among the candidates (None where scores were not summed)
    rank : exact rank among the candidates, from 1
    listed : rank in the list that the index retrieved, from 1; None where another list, or a scan of all allowed rows,
        brought the candidate
    """

    score: float
    z: float | None
    rank: int
    listed: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a hit stands where it stands: per space, and per query token where tokens were compared."""

    candidates: int
    spaces: Mapping[str, SpaceExplanation]
    tokens: tuple[TokenMatch, ...] = ()

    def document(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        return {
            "candidates": self.candidates,
            "spaces": {
                name: {"score": space.score, "z": space.z, "rank": space.rank, "listed": space.listed}
                for name, space in self.spaces.items()
            },
            "tokens": [
                {
                    "query_token": match.query_token,
                    "token": match.token,
                    "position": match.position,
                    "similarity": match.similarity,
                    "imputed": match.imputed,
                }
                for match in self.tokens
            ],
        }

    def __str__(self) -> str:
        lines = [
            f"{name}: {space.score:.4f}, rank {space.rank} of {self.candidates}"
            + ("" if space.listed is None else f", retrieved at {space.listed}")
            + ("" if space.z is None else f", z {space.z:+.2f}")
            for name, space in self.spaces.items()
        ]
        lines += [
            f"  {match.query_token!r} met {match.token!r} at {match.position}: {match.similarity:.3f}"
            + (", imputed" if match.imputed else "")
            for match in self.tokens
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found.

    `score` orders the hits of one query: the cosine (mode dense), MaxSim per query token (xtr), the sum of z-scores or
    of reciprocal ranks (hybrid, exact). `scores` are exact and comparable between queries: {"dense": cosine, "xtr":
    MaxSim per query token}, the spaces of the mode only. A chunk that was asked for by its id has neither: NaN, {}.
    """

    chunk_id: int
    score: float
    scores: Mapping[str, float]
    source: str
    path: str
    symbol: str
    kind: str
    part: int
    start_line: int
    end_line: int
    title: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    explanation: Explanation | None = None

    @classmethod
    def of(cls, columns: Mapping[str, Any], score: float, scores: Mapping[str, float]) -> "Hit":
        """From the chunk columns of a row."""
        return cls(
            chunk_id=columns["chunk_id"],
            score=score,
            scores=scores,
            source=columns["source"],
            path=columns["path"],
            symbol=columns["symbol"],
            kind=columns["kind"],
            part=columns["part"],
            start_line=columns["start_line"],
            end_line=columns["end_line"],
            title=columns["title"],
            text=columns["text"],
            metadata=json.loads(columns["metadata"]),
        )

    def document(self, rank: int) -> dict[str, Any]:
        """The hit as JSON-able values, in the form of `search --json` and of the server."""
        shown = {
            "rank": rank,
            "chunk_id": self.chunk_id,
            # NaN, of a chunk that was asked for by its id, is no JSON.
            "score": None if math.isnan(self.score) else self.score,
            "scores": dict(self.scores),
            "source": self.source,
            "path": self.path,
            "symbol": self.symbol,
            "start_line": self.start_line,
            "end_line": self.end_line,
            "text": self.text,
        }
        return shown if self.explanation is None else {**shown, "explanation": self.explanation.document()}


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of each query of one call, and the generation that all of them come from."""

    generation: int
    hits: list[list[Hit]]
