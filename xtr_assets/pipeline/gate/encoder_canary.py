"""The check `encoder_canary`: the encoder makes of pinned texts what it made of them when its fingerprint was new."""

from collections.abc import Sequence

from xtr_assets.encoders.canary import Canary, library_versions, sketch_canary
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.text_judge import judge_of
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.manifest import CANARY_KEY

# Differences that a finding lists.
SHOWN = 5

REMEDY = (
    "install the versions of libraries and weights that made the vectors there are; where the new ones are wanted, "
    "they are another encoder and need another fingerprint (for the embedded ones: a raised CODE_VERSION)"
)


def check(session: DraftSession) -> Finding:
    """Encode the canary's texts, documents and queries, with an encoder that is opened to judge alone.

    Without a canary, shipped with the package or kept by the warehouse, this build's is recorded. It becomes the
    warehouse's when the generation is published; until then, that its vectors are those of the texts rests on
    `vectors_are_the_texts` alone.
    """
    judge = judge_of(session)
    encoder, canaries = judge.encoder, judge.canaries
    if encoder.fingerprint != session.draft.fingerprint:
        return Finding(
            False,
            None,
            None,
            f"The draft's vectors are said to be of encoder {session.draft.fingerprint[:8]}, the configured encoder "
            f"{encoder.name} is {encoder.fingerprint[:8]}.",
            remedy="build again with the encoder that the configuration names now",
        )
    if not canaries:
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


def _changed(canaries: Sequence[Canary]) -> list[str]:
    now = library_versions()
    then = canaries[-1].libraries
    return [f"{name} {then[name]} -> {now.get(name, 'none')}" for name in sorted(then) if then[name] != now.get(name)]
