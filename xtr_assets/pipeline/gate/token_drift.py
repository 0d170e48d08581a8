"""`token_drift`: residuals of new tokens against the centroids, beside those of the tokens it was trained on."""

from collections.abc import Collection
from dataclasses import asdict, dataclass

import numpy as np

from xtr_assets.core.row_store import RowTokens
from xtr_assets.index.late.centroid_assignment import assign
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.options import SCAN_TOKENS
from xtr_assets.index.late.training import gather_codes
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.generation import Generation

CHECK = "token_drift"
# Residual of new tokens over that of the training tokens, trained on 2,000 chunks of the standard library: 1.05 to 1.06
# for other chunks of it, 1.25 for English sentences, 1.57 for abstracts of papers.
LIMIT = 1.2
# The root mean square of so many residuals is known to about 0.3 %; they are compared in 0.04 CPU s.
SAMPLE_TOKENS = 8_192
SEED = 2026
# Fewer new tokens than a twentieth of all would get too few centroids of their own for a retrain to help them.
NEW_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Training:
    """What centroids were trained on: the segments, and the RMS residual of their tokens."""

    model: str
    segments: tuple[str, ...]
    residual: float


def check(session: DraftSession) -> Finding:
    """RMS residual of tokens added since training divided by that of the training tokens. Warns.

    Not measured where every search reads all tokens anyway, or where too few came. What was measured at training, and
    on which segments, is carried from generation to generation in the details of the record, as long as the model is.
    """
    draft, parent = session.draft, session.parent
    folder = str(draft.manifest.recipe["xtr"]["model"])
    model = TokenModel.load(draft.layout.resolve(folder))
    tokens = draft.tokens()
    training = _carried(parent, folder)
    if training is None:
        training = Training(folder, tuple(one.segment_id for one in draft.manifest.segments), residual(model, tokens))
    new = tokens_beside(draft, training.segments)
    value, reason = None, "no token came since the centroids were learnt"
    if tokens.token_count <= SCAN_TOKENS or draft.manifest.profile.get("xtr", {}).get("scan"):
        reason = f"{tokens.token_count} tokens are read whole by every search"
    elif 0 < new.token_count < NEW_SHARE * tokens.token_count:
        reason = f"only {new.token_count} of {tokens.token_count} tokens came since the centroids were learnt"
    elif new.token_count and training.residual:
        value = residual(model, new) / training.residual
        reason = f"{new.token_count} of {tokens.token_count} tokens came since the centroids were learnt"
    passed = value is None or value <= LIMIT
    left = "" if value is None else f": the centroids leave {value:.2f} times as much of them; {LIMIT:g} is the limit"
    return Finding(
        passed=passed,
        value=value,
        threshold=LIMIT,
        summary=f"{reason}{left}",
        details={**asdict(training), "segments": list(training.segments)},
        remedy="" if passed else "the job `retrain`, or `xtr-assets build --full`, learns the centroids anew",
    )


def residual(model: TokenModel, tokens: RowTokens) -> float:
    """Root mean square of what the nearest centroid leaves of a token, over a fixed sample; 0.0 where there is none."""
    total = tokens.token_count
    if not total:
        return 0.0
    chosen = np.random.default_rng(SEED).choice(total, min(total, SAMPLE_TOKENS), replace=False)
    codes, scales = gather_codes(tokens, np.sort(chosen))
    nearest = assign(codes, scales, model.mean, model.centroids, model.centroid_scales)
    left = codes.astype(np.float32) * scales[:, None] - model.mean - model.centroid_vectors[nearest]
    return float(np.sqrt(np.einsum("td,td->t", left, left).mean(dtype=np.float64)))


def tokens_beside(generation: Generation, segments: Collection[str]) -> RowTokens:
    """The tokens of all segments but these."""
    whole = generation.tokens()
    parts = [
        part
        for placed, part in zip(generation.segments, whole.parts, strict=False)
        if placed.segment.segment_id not in segments
    ]
    return RowTokens(parts, whole.dim)


def _carried(parent: Generation | None, model: str) -> Training | None:
    """What was measured when the model was trained; None where the parent has another model or did not measure."""
    record = None if parent is None else parent.manifest.checks.get(CHECK)
    if record is None or record.details.get("model") != model:
        return None
    return Training(model, tuple(record.details["segments"]), float(record.details["residual"]))
