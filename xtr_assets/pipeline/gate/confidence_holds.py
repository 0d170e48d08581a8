"""`confidence_holds`: how likely a hit is right, fitted on one half of the known items and held against the other.

Each known item is an example twice: as it is asked, and as if nothing answered it, with the hits that do left out. So a
curve learns what the best hit looks like where the answer is not there at all. The items are drawn from the corpus:
their words stand in it, which is more than people's questions offer (docs/searching.md, "Confidence").

Only a curve that parts the other half's right and wrong first hits goes into the profile. What a searcher then shows is
worked out again here, from the scores that its hits show.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.calibration import Curve, Doubles, auc, calibration_error, fit_curve
from xtr_assets.core.known_items import asked_words
from xtr_assets.core.types import Mask
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.kind_truth import gains_of
from xtr_assets.pipeline.gate.known_item import Asked, asked_items, told_by_few
from xtr_assets.pipeline.gate.leg_truth import Told
from xtr_assets.pipeline.gate.run_truth import READ, runs_of
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search.confidence import FEATURES, PROFILE_KEY, Confidence
from xtr_assets.search.hits import Hit

CHECK = "confidence_holds"
# Items in each half. With fewer the area under the curve is known to a tenth at best.
LEAST_ITEMS = 30
# What a curve must reach on the half that it was not fitted on, or nothing is said of confidence. An area of .5 is a
# coin; CoNaLa's snippets reach .87, functions of the standard library .80, where what is left without the answer is
# often one nearly as good. An error of .15 says "sure" where three in twenty are wrong.
LEAST_AUC, MOST_ERROR = 0.7, 0.15
# Hits of an item that are looked at: the second that does not answer it is among them, or there is no example.
LOOKED_AT = 10
# Items whose confidence is asked for again, and how far it may lie from what its scores say: scores are rounded.
AGAIN, NEAR = 8, 0.01
# Hits of each of these answers that are looked at: the lead of all but the first is over the first.
SHOWN_HITS = 5
# And so many are asked for: before the two best sums stand those at most that gained.
ASKED_FOR = READ + 1 + SHOWN_HITS
REMEDY = (
    "`xtr-assets build --full` (in Dagster: `retrain`) fits it anew; if it comes back, this is a defect of xtr-assets: "
    "report it"
)


@dataclass(frozen=True)
class Examples:
    """First hits: their evidence float64 [n, 2] and whether they are right bool [n]."""

    evidence: Doubles
    right: Mask


def check(session: DraftSession) -> Finding:
    """Fit, measure, keep, and see what is served. `value` is the area under the curve on the held-out half."""
    draft = session.draft
    items = told_by_few(asked_items(session))
    told = Told.read(draft)
    halves = [examples(items.of(range(half, len(items.queries), 2)), told) for half in (0, 1)]
    curve, measured, why = _fitted(*halves)
    if curve is not None:
        draft.set_profile(PROFILE_KEY, {**Confidence(curve).document(), **measured})
    elif draft.manifest.profile.get(PROFILE_KEY) is not None:
        draft.set_profile(PROFILE_KEY, None)
    wrong = _shown_otherwise(session, items, curve, told)
    details = {"items": len(items.queries), **measured, "shown_otherwise": wrong[:5]}
    if wrong:
        summary = f"{len(wrong)} hits show another confidence than their scores say (0 may): {wrong[0]}"
        return Finding(False, measured.get("auc"), LEAST_AUC, summary, details, REMEDY)
    if curve is None:
        return Finding(True, measured.get("auc"), LEAST_AUC, f"hits show no confidence: {why}", details)
    summary = (
        f"confidence parts right and wrong first hits of {measured['held_out']} questions, half of them without their "
        f"answer, with an area of {measured['auc']:.3f}, {measured['error']:.3f} off on average"
    )
    return Finding(True, measured["auc"], LEAST_AUC, summary, details)


def examples(items: Asked, told: Told) -> Examples:
    """Two first hits an item: that of its answer, and that of the same answer without the hits that are right, of the
    best sum each: what words in a row and the other kind gain is left out. told : how much they do."""
    evidence, right = [], []
    for query, found in zip(items.queries, items.hits, strict=True):
        hits = found[:LOOKED_AT]
        wanted = asked_words(query.text)
        answers = [wanted <= items.carried(hit) for hit in hits]
        rest = [hit for hit, answered in zip(hits, answers, strict=True) if not answered]
        for offered, label in ((list(hits), answers[:1] == [True]), (rest, False)):
            if len(offered) > 1:
                sums = sums_of(offered, told)
                evidence.append(evidence_at(offered, sums, sums.index(max(sums))))
                right.append(label)
    return Examples(np.array(evidence, np.float64).reshape(-1, len(FEATURES)), np.array(right, np.bool_))


def evidence_at(hits: Sequence[Hit], sums: list[float], place: int) -> list[float]:
    """What one of two or more hits has to say for itself: its better cosine, and its lead over the best sum of the
    others."""
    own = hits[place].scores
    lead = sums[place] - max(sums[:place] + sums[place + 1 :])
    return [max(own.get("dense", 0.0), own.get("name", -1.0)), lead]


def sums_of(hits: Sequence[Hit], told: Told) -> list[float]:
    """The scores of hits without what the best of the other kind, and words in a row, gained."""
    gained = gains_of(hits, told.beside) + told.verbatim * runs_of(hits)
    own = np.array([hit.score for hit in hits], np.float64) - gained
    sums: list[float] = own.tolist()
    return sums


def _fitted(fit: Examples, held: Examples) -> tuple[Curve | None, dict[str, Any], str]:
    """(the curve, what the other half says of it, why there is none)"""
    least = min(int(one.sum()) for half in (fit, held) for one in (half.right, ~half.right))
    if least < LEAST_ITEMS:
        return None, {}, f"{least} first hits of a half are right or wrong, {LEAST_ITEMS} of each are needed to fit it"
    curve = fit_curve(fit.evidence, fit.right)
    said = curve(held.evidence)
    measured = {
        "auc": round(auc(said, held.right), 4),
        "error": round(calibration_error(said, held.right), 4),
        "held_out": len(held.right),
    }
    if measured["auc"] < LEAST_AUC or measured["error"] > MOST_ERROR:
        why = f"an area of {measured['auc']:.3f} ({LEAST_AUC:g} is asked), {measured['error']:.3f} off on average"
        return None, measured, f"{why} ({MOST_ERROR:g} may be) on the items that it was not fitted on"
    return curve, measured, ""


def _shown_otherwise(session: DraftSession, items: Asked, curve: Curve | None, told: Told) -> list[str]:
    """What a searcher that is opened now shows otherwise than its own scores say."""
    wrong = []
    queries = items.queries[1 : 2 * AGAIN : 2]
    answers = session.searcher().search_batch([query.text for query in queries], ASKED_FOR, syntax="plain")
    for query, hits in zip(queries, answers, strict=True):
        sums = sums_of(hits, told)
        for place, hit in enumerate(hits[:SHOWN_HITS]) if len(hits) > 1 else ():
            shown = hit.confidence
            value = None if curve is None else _by_hand(curve, evidence_at(hits, sums, place))
            if (shown is None) != (value is None) or (shown is not None and not abs(shown - (value or 0.0)) <= NEAR):
                at = "" if not place else f" at rank {place + 1}"
                wrong.append(f"{query.text[:60]!r} shows {shown}{at}, {value} is what its scores say")
    return wrong


def _by_hand(curve: Curve, evidence: Sequence[float]) -> float:
    weights: Mapping[str, float] = Confidence(curve).document()["weights"]
    total = sum(weights[name] * value for name, value in zip(FEATURES, evidence, strict=True))
    return 1.0 / (1.0 + math.exp(-(total + curve.bias)))
