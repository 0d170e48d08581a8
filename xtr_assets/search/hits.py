"""What a search returns."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """What one query token met in a document.

    query_token, token : both as the tokenizer writes them; position : of `token` among the document's tokens, from 0
    similarity : their inner product
    imputed : the index did not retrieve the document for this query token: while candidates were chosen a bound stood
        in for the similarity, which here is the true one
    start, end : where `token` stands in the hit's text, in characters from 0; None where it stands in the title, or was
        not found again in the text
    """

    query_token: str
    token: str
    position: int
    similarity: float
    imputed: bool
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class TermMatch:
    """A word of the query that stands in a document, as the lexical index keeps it (folded, stemmed).

    count : how often the document holds it; rows : the chunks of the generation that hold it; score : what it adds to
    BM25
    """

    term: str
    count: int
    rows: int
    score: float


@dataclass(frozen=True, slots=True)
class SpaceExplanation:
    """How a hit stands in one space.

    score : the exact score; z : the standard score of its leg among the candidates (None where scores were not summed);
        that of "dense" is of the better of the two cosines where the chunk has a name
    rank : exact rank among the candidates, from 1
    listed : rank in the list that the index retrieved, from 1; None where another list, or a scan of all allowed rows,
        brought the candidate
    weight : the factor of z in the hit's score, of the score itself where it adds to MaxSim that ranks alone
    length : what was taken off the score for the chunk's length before z
    """

    score: float
    z: float | None
    rank: int
    listed: int | None
    weight: float | None = None
    length: float | None = None

    def document(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        return asdict(self)

    def told(self, candidates: int) -> str:
        """For people."""
        shortened = f", {self.length:.4f} off for its length" if self.length else ""
        retrieved = "" if self.listed is None else f", retrieved at {self.listed}"
        weighed = "" if self.weight is None or self.weight == 1 else f" x {self.weight:.2f}"
        shown = f"{self.score:.4f}{shortened}"
        if self.z is None:
            return f"{shown}{weighed}, rank {self.rank} of {candidates}{retrieved}"
        return f"{shown}, rank {self.rank} of {candidates}{retrieved}, z {self.z:+.2f}{weighed}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a hit stands where it stands: per space, per query token where tokens were compared, and per word that met.

    terms : the words of the query that stand in the document, the one that adds most first; their scores add up to BM25
    """

    candidates: int
    spaces: Mapping[str, SpaceExplanation] = field(hash=False)
    tokens: tuple[TokenMatch, ...] = ()
    terms: tuple[TermMatch, ...] = ()

    def document(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        return {
            "candidates": self.candidates,
            "spaces": {name: space.document() for name, space in self.spaces.items()},
            "tokens": [asdict(match) for match in self.tokens],
            "terms": [asdict(match) for match in self.terms],
        }

    def __str__(self) -> str:
        lines = [f"{name}: {space.told(self.candidates)}" for name, space in self.spaces.items()]
        lines += [
            f"  {match.query_token!r} met {match.token!r} at {match.position}: {match.similarity:.3f}"
            + (", imputed" if match.imputed else "")
            for match in self.tokens
        ]
        lines += [
            f"  {match.term!r} stands in it {match.count} x, in {match.rows} chunks: {match.score:.3f}"
            for match in self.terms
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Copy:
    """A place where the text of a hit stands once more."""

    chunk_id: int
    source: str
    path: str
    symbol: str
    start_line: int

    def document(self) -> dict[str, Any]:
        """The same as JSON-able values; `id` as that of a hit."""
        return {**asdict(self), "id": str(self.chunk_id)}


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found.

    `score` orders the hits of one query: the cosine (mode dense), MaxSim per query token less what length takes off,
    with a share of the cosine (xtr), the weighted sum of z-scores or that of reciprocal ranks (hybrid, exact). `scores`
    are exact: {"dense": cosine, "name": cosine of the name, "xtr": MaxSim per query token, "lexical": BM25}, those that
    the mode compares and the chunk has, "symbol": 1 where the query is the chunk's name and nothing else, "called":
    the share of the query that its path and symbol say, 0.75 less in another language than those that the query names
    and 1.5 less of tests where it asks for none, "place": its share of the lines and files that the query names, and
    "digits": the share of the query's rare words with a digit that it holds, and "beside": how much the best document
    gained among code, or the best code among documents, and "verbatim": how many words of the query, but for two, it
    has in a row, where four or more; all but BM25, "place", "digits" and "beside" are comparable between queries.
    A chunk that was asked for by its id has neither: NaN, {}. `confidence` is how likely such a hit is right, from 0 to
    1 (docs/searching.md, "Confidence"); None where nothing says so.

    Of a search with `collapse="text"`, `copies` says how many other chunks that pass have the same title and text, and
    `also` names the first 20 of them, by source, path and line (docs/searching.md, "Equal texts"); else None and ().
    """

    chunk_id: int
    score: float
    scores: Mapping[str, float] = field(hash=False)
    source: str
    path: str
    symbol: str
    kind: str
    part: int
    start_line: int
    end_line: int
    title: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)
    explanation: Explanation | None = None
    confidence: float | None = None
    copies: int | None = None
    also: tuple[Copy, ...] = ()

    @classmethod
    def of(
        cls, columns: Mapping[str, Any], score: float, scores: Mapping[str, float], confidence: float | None = None
    ) -> "Hit":
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
            confidence=confidence,
        )

    def document(self, rank: int) -> dict[str, Any]:
        """The hit as JSON-able values, in the form of `search --json` and of the server.

        `id` is the chunk_id as text: JavaScript and jq round integers beyond 53 bits.
        """
        shown: dict[str, Any] = {
            "rank": rank,
            "chunk_id": self.chunk_id,
            # NaN, of a chunk that was asked for by its id, is no JSON.
            "score": None if math.isnan(self.score) else self.score,
            "scores": dict(self.scores),
            "confidence": self.confidence,
            "source": self.source,
            "path": self.path,
            "symbol": self.symbol,
            "start_line": self.start_line,
            "end_line": self.end_line,
            "text": self.text,
            "id": str(self.chunk_id),
            "kind": self.kind,
            "part": self.part,
            "title": self.title,
            "metadata": dict(self.metadata),
        }
        if self.copies is not None:
            shown |= {"copies": self.copies, "also": [one.document() for one in self.also]}
        return shown if self.explanation is None else {**shown, "explanation": self.explanation.document()}

    def told_also(self) -> str:
        """Where else its text stands, for people: one place, and how many more; "" where nowhere is known."""
        if not self.also or self.copies is None:
            return ""
        first = self.also[0]
        source = "" if first.source == self.source else f"{first.source}: "
        more = f" and {self.copies - 1} more" if self.copies > 1 else ""
        return f"{source}{first.path}:{first.start_line}{more}"
