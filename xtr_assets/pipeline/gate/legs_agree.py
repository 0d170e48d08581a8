"""`legs_agree`: the legs of a draft are those that its encoder gives, and hybrid weighs them as documented.

An index of one leg is a choice; a leg that got lost looks just like it. So the encoder is opened anew and asked what it
gives, and every place that says or holds something of a leg is held against that: configuration, manifest, the
encoder's record, the files that the manifest lists of each segment, and the lists that lie in the segments themselves.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xtr_assets.encoders.base import Encoder
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.leg_truth import Told
from xtr_assets.pipeline.gate.text_judge import judge_of
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.draft import Draft

# Encoded to see what comes: plain words that any encoder knows or makes something of.
ASKED = "Every change of the index is a new generation."
# A problem a segment would fill a page.
SHOWN = 5
REMEDY = (
    "build again: vectors that segments lack are encoded then; `encoder` in xtr.yaml says which legs are wanted; if it "
    "comes back, this is a defect of xtr-assets: report it"
)


@dataclass(frozen=True, slots=True)
class Given:
    """What an encoder makes of a text: components of its embedding and of a token, 0 where it gives none."""

    dim: int
    token_dim: int

    @property
    def legs(self) -> frozenset[str]:
        return frozenset(leg for leg, size in (("dense", self.dim), ("tokens", self.token_dim)) if size)

    @classmethod
    def of(cls, encoder: Encoder) -> "Given":
        """By what comes, not by what it says of itself: as a document and as a query alike."""
        document, query = encoder.encode_documents([ASKED]), encoder.encode_queries([ASKED])
        dim = document.embeddings.shape[1] if np.any(document.embeddings) and np.any(query.embeddings) else 0
        token_dim = document.tokens.shape[1] if len(document.tokens) and len(query.tokens[0]) else 0
        return cls(dim, token_dim)


def check(session: DraftSession) -> Finding:
    """Ask the encoder, and look at every place. `value` is the number of places that say something else."""
    draft, encoder = session.draft, judge_of(session).encoder
    given = Given.of(encoder)
    problems = [*_said(session, encoder, given), *_held(draft, given)]
    names = " and ".join(sorted(given.legs)) or "nothing"
    summary = f"{encoder.name} gives {names}, and so do manifest and {len(draft.manifest.segments)} segments"
    if problems:
        summary = f"{len(problems)} places have other legs than {encoder.name} gives, {names}: {problems[0]}"
    details = {"legs": sorted(given.legs), "segments": len(draft.manifest.segments), "problems": problems[:SHOWN]}
    return Finding(not problems, float(len(problems)), 0.0, summary, details, REMEDY if problems else "")


def _said(session: DraftSession, encoder: Encoder, given: Given) -> Iterator[str]:
    """Where something else is said."""
    manifest, configured = session.draft.manifest, session.config.legs
    if not given.legs:
        yield "it makes neither an embedding nor tokens of a plain text"
    if (said := (encoder.dim, encoder.token_dim)) != (given.dim, given.token_dim):
        yield f"the encoder says dims {said}, its vectors have {(given.dim, given.token_dim)}"
    if frozenset(encoder.legs) != given.legs:
        yield f"the encoder says {sorted(encoder.legs)}"
    if configured != given.legs:
        yield f"the configuration says {sorted(configured)}"
    recorded = (manifest.encoder.dim, manifest.encoder.token_dim)
    if recorded != (given.dim, given.token_dim):
        yield f"the manifest's record of the encoder has dims {recorded}"
    told = [manifest.lone_leg] if manifest.lone_leg else ["dense", "tokens"]
    if frozenset(told) != given.legs:
        yield f"the manifest says {told}"
    # What answers_agree adds up is what the manifest says: that this is what was meant is seen here alone.
    weighed, meant = Told.read(session.draft), Told.documented(given.legs, session.config.token_kind)
    if weighed != meant:
        yield f"the profile sets hybrid to {_shown(weighed)}; docs/searching.md says {_shown(meant)}"


def _shown(told: Told) -> str:
    weights = ", ".join(f"{leg} {weight:.3g}" for leg, weight in sorted(told.weights.items()))
    length = f"length {told.length:g}, alone {told.alone:g}, pooled {told.pooled:g}"
    added = f"a borne name {told.symbol:g}, its words {told.called:g}, a place {told.place:g}, digits {told.digits:g}"
    added += f", the other kind {told.beside:g}, a word in a row {told.verbatim:g}"
    return f"{weights}, {length}, lists of {told.depth}, {added}"


def _held(draft: Draft, given: Given) -> Iterator[str]:
    """Segments that lack a leg, or whose vectors have other components; and files of a leg that there is not."""
    made_by = draft.fingerprint[:8]
    arrays = {
        "dense": (f"embeddings.{made_by}.json", f"embeddings.{made_by}.npy", given.dim),
        "tokens": (f"tokens.{made_by}/files.json", f"tokens.{made_by}/tokens.npy", given.token_dim),
    }
    for one in draft.manifest.segments:
        folder = draft.layout.segment(one.segment_id)
        for leg, (listing, array, dim) in arrays.items():
            name = f"segments/{one.segment_id}/{array}"
            listed = {f"segments/{one.segment_id}/{listing}", name} & draft.manifest.files.keys()
            if leg not in given.legs:
                if listed:
                    yield f"{name} is in the manifest, and {leg} is no leg"
                continue
            if len(listed) < 2:
                yield f"segment {one.segment_id} has no {leg} in the manifest"
            elif not (folder / listing).is_file() or array.rpartition("/")[2] not in _files(folder / listing):
                yield f"segment {one.segment_id} has no list of {array}"
            elif (found := np.load(folder / array, mmap_mode="r", allow_pickle=False).shape)[1:] != (dim,):
                yield f"{name} has {found[1:]} components, {dim} are made"


def _files(listing: Path) -> set[str]:
    return set(json.loads(listing.read_bytes())["files"])
