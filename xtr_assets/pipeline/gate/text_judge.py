"""The encoder that judges stored vectors: opened anew, and asked about its canaries in the pass that judges."""

import json
from collections.abc import Sequence

from xtr_assets.encoders.base import Encoded, Encoder
from xtr_assets.encoders.canary import Canary, Sketch, pinned_canary, sketch_documents, sketch_queries
from xtr_assets.pipeline.plan.draft_session import JUDGE, DraftSession


class TextJudge:
    """An encoder of the session's own and what its fingerprint is known by: the package's canary, the warehouse's.

    Documents of canaries are encoded once: with the texts that are judged where some are, because what that very pass
    makes of them says whether it may judge others.
    """

    def __init__(self, encoder: Encoder, canaries: Sequence[Canary]) -> None:
        self.encoder, self.canaries = encoder, tuple(canaries)
        self._sketches: list[Sketch] | None = None

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Encode the texts; those of the canaries come after them. Raises UnusableText."""
        extra = [text for one in self.canaries for text in one.documents]
        encoded = self.encoder.encode_documents([*texts, *extra])
        sketches, first = [], len(texts)
        for one in self.canaries:
            sketches.append(sketch_documents(part(encoded, first, first + len(one.documents))))
            first += len(one.documents)
        self._sketches = sketches
        return encoded

    def document_differences(self) -> list[str]:
        """Of the canaries' documents, which give other vectors than are known; a sentence each."""
        if self._sketches is None:
            self.encode([])
        assert self._sketches is not None
        pairs = zip(self.canaries, self._sketches, strict=True)
        told = (one.document_sketch.differences(now, one.documents, self.encoder.tolerance) for one, now in pairs)
        return [difference for one in told for difference in one]

    def query_differences(self) -> list[str]:
        """The same of their queries."""
        told = []
        for one in self.canaries:
            now = sketch_queries(self.encoder.encode_queries(one.queries))
            told += one.query_sketch.differences(now, one.queries, self.encoder.tolerance)
        return [f"query {one}" for one in told]


def judge_of(session: DraftSession) -> TextJudge:
    """The judge of this session, the same for all checks of a step."""
    fingerprint = session.draft.fingerprint
    kept = session.warehouse.canary(fingerprint)

    def make() -> TextJudge:
        pinned = pinned_canary(fingerprint)
        known = [] if pinned is None else [pinned]
        return TextJudge(session.fresh_encoder(), known if kept is None else [*known, Canary.from_json(kept)])

    return session.kept(JUDGE, (fingerprint, json.dumps(kept, sort_keys=True)), make)


def part(encoded: Encoded, start: int, stop: int) -> Encoded:
    """The texts start..stop."""
    first, last = int(encoded.offsets[start]), int(encoded.offsets[stop])
    return Encoded(
        encoded.embeddings[start:stop],
        encoded.tokens[first:last],
        encoded.offsets[start : stop + 1] - first,
        encoded.token_ids[first:last],
        0,
    )
