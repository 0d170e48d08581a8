"""The check `encoder_canary`: the encoder makes of pinned texts what it made of them when its fingerprint was new."""

from collections.abc import Sequence

import numpy as np

from xtr_assets.core.errors import UnusableText
from xtr_assets.core.types import Floats
from xtr_assets.encoders.base import Encoder
from xtr_assets.encoders.canary import Canary, library_versions, pinned_canary, sketch_canary
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.text_judge import TextJudge, judge_of
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.manifest import CANARY_KEY

# Differences that a finding lists.
SHOWN = 5

# Asked as queries, each has to find itself among them as documents, in both spaces, whatever the encoder: plain
# letters, one of them code, no two about the same.
ASKED = (
    "Parse a date in ISO 8601 format; returns None where the text is no date.",
    "def area(width, height):\n    return width * height",
    "The ferry to the island leaves at noon and comes back before dark.",
    "Boil the potatoes in salt water, then mash them with butter and milk.",
    "Every change of the index is a new generation, which checks let serve.",
)
# How much nearer a text must be to itself than to the others for its query to be held to it: an encoder may know none
# of its words, and the halves that documents are stored in round by 0.0005.
TOLD_APART = 0.01

# Two queries of which one is cut to the other; a sixteenth of a long text moves its vector by far more.
SAME = 0.999995

QUERY_REMEDY = (
    "the encoder's queries do not meet its documents: look at its prefixes, lengths, pooling and normalization of "
    "queries; searches in words would not find what they say"
)
REMEDY = (
    "install the versions of libraries and weights that made the vectors there are; where the new ones are wanted, "
    "they are another encoder and need another fingerprint (for the embedded ones: a raised CODE_VERSION)"
)


def check(session: DraftSession) -> Finding:
    """Encode the canary's texts, documents and queries, with an encoder that is opened to judge alone.

    Without a canary, shipped with the package or kept by the warehouse, this build's is recorded. It becomes the
    warehouse's when the generation is published; until then, that its vectors are those of the texts rests on
    `vectors_are_the_texts` alone. Known or not, its queries have to meet its documents.
    """
    judge = judge_of(session)
    encoder = judge.encoder
    if encoder.fingerprint != session.draft.fingerprint:
        return Finding(
            False,
            None,
            None,
            f"The draft's vectors are said to be of encoder {session.draft.fingerprint[:8]}, the configured encoder "
            f"{encoder.name} is {encoder.fingerprint[:8]}.",
            remedy="build again with the encoder that the configuration names now",
        )
    try:
        return _asked(session, judge)
    except UnusableText as error:
        told = f"Of a pinned text {encoder.name} makes no vector: {error.problem}."
        return Finding(False, None, None, told, remedy=REMEDY)


def _asked(session: DraftSession, judge: TextJudge) -> Finding:
    """Its texts against what is known of them, else its queries against its documents. Raises UnusableText."""
    encoder = judge.encoder
    known = _differences(judge)
    if known is not None and not known.passed:
        return known
    missed = [*queries_that_miss(encoder), *queries_that_end_early(encoder)]
    if missed:
        told = f"{len(missed)} of {len(ASKED)} pinned texts, asked as queries, are not what they say: {missed[0]}."
        details = {"texts": len(ASKED), "problems": missed[:SHOWN]}
        return Finding(False, float(len(missed)), 0.0, told, details, QUERY_REMEDY)
    if known is None:
        made = sketch_canary(encoder)
        session.draft.set_note(CANARY_KEY, made.as_json())
        return Finding(
            True,
            None,
            None,
            f"What {encoder.name} makes of {len(made.documents)} documents and {len(made.queries)} queries is recorded "
            "now, and compared from the next build on.",
            {"recorded": True, "libraries": dict(made.libraries)},
        )
    return known


def _differences(judge: TextJudge) -> Finding | None:
    """What the encoder makes of its canaries' texts now; None where there is no canary."""
    encoder, canaries = judge.encoder, judge.canaries
    if not canaries:
        return None
    texts = sum(len(one.documents) + len(one.queries) for one in canaries)
    told = [*judge.document_differences(), *judge.query_differences()]
    changed = _changed(canaries)
    details = {"texts": texts, "problems": told[:SHOWN], "libraries": changed}
    if told:
        why = f" Since they were recorded: {', '.join(changed)}." if changed else ""
        return Finding(
            False,
            float(len(told)),
            0.0,
            f"{len(told)} of {texts} pinned texts give other vectors than {encoder.name} was known by: {told[0]}.{why}",
            details,
            REMEDY,
        )
    return Finding(
        True, 0.0, 0.0, f"All {texts} pinned texts give the vectors that {encoder.name} is known by.", details
    )


def queries_that_miss(encoder: Encoder, texts: Sequence[str] = ASKED) -> list[str]:
    """Texts that are nearer to another one as a document than to themselves when they are asked, a sentence for each;
    of those that the encoder's documents tell apart."""
    documents, queries = encoder.encode_documents(texts), encoder.encode_queries(texts)

    def late(asked: Sequence[Floats], pieces: Sequence[Floats]) -> Floats:
        """MaxSim of each with each, a query token."""
        met = [[(one @ piece.T).max(axis=1) if len(one) else np.zeros(1) for piece in pieces] for one in asked]
        return np.array([[one.mean() for one in each] for each in met], np.float32)

    told = []
    spaces: dict[str, tuple[Floats, Floats]] = {}
    if "dense" in encoder.legs:
        embeddings = documents.embeddings.astype(np.float32)
        spaces["embedding"] = queries.embeddings @ embeddings.T, embeddings @ embeddings.T
    if "tokens" in encoder.legs:
        pieces = [
            documents.tokens[start:stop].astype(np.float32)
            for start, stop in zip(documents.offsets[:-1], documents.offsets[1:], strict=True)
        ]
        spaces["tokens"] = late(queries.tokens, pieces), late(pieces, pieces)
    for name, (asked, known) in spaces.items():
        for i, text in enumerate(texts):
            others = np.arange(len(texts)) != i
            apart = known[i, i] - known[i, others].max() > TOLD_APART
            if apart and not asked[i, i] > asked[i, others].max():
                best = texts[int(asked[i].argmax())]
                told.append(f"{text[:40]!r} is nearer to {best[:40]!r} in {name}")
    return told


def queries_that_end_early(encoder: Encoder) -> list[str]:
    """Whether an encoder that the package knows reads a long query to its end, as it does a document: none of these
    has a limit. Queries that are pinned are short, and those of the gate are cut as people's are."""
    pinned = pinned_canary(encoder.fingerprint)
    if pinned is None:
        return []
    words = max(pinned.documents, key=len).split()
    shorter = words[: len(words) * 15 // 16]
    found = encoder.encode_queries([" ".join(words), " ".join(shorter)])
    alike = []
    if "dense" in encoder.legs and float(found.embeddings[0] @ found.embeddings[1]) > SAME:
        alike.append("embedding")
    if "tokens" in encoder.legs and np.array_equal(found.token_ids[0], found.token_ids[1]):
        alike.append("tokens")
    return [f"a query of {len(words)} words has the {name} of its first {len(shorter)}" for name in alike]


def _changed(canaries: Sequence[Canary]) -> list[str]:
    now = library_versions()
    then = canaries[-1].libraries
    return [f"{name} {then[name]} -> {now.get(name, 'none')}" for name in sorted(then) if then[name] != now.get(name)]
