"""How far a generation has drifted from what its indexes were trained on, and whether a retrain is due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xtr_assets.core.growth import GROWTH_LIMIT
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.pipeline.gate.list_balance import LIMIT as IMBALANCE_LIMIT
from xtr_assets.pipeline.gate.token_drift import CHECK as TOKEN_CHECK
from xtr_assets.pipeline.gate.token_drift import LIMIT as TOKEN_LIMIT
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.telemetry import metrics

DRIFT_NOTE = "drift"
TRAINED_NOTE = "trained"

# Recall that is surely lost on new rows, in points of 1: the gate's bound holds 999 times in 1,000, so that what it
# leaves is no chance; two points of it are worth a retrain.
NEW_ROWS_LIMIT = 0.02
# A search that has to read half as many rows again for the recall it had costs about half as much time again.
NPROBE_LIMIT = 1.5

LIMITS = {
    "imbalance": IMBALANCE_LIMIT,
    "growth": GROWTH_LIMIT,
    "new_rows": NEW_ROWS_LIMIT,
    "nprobe": NPROBE_LIMIT,
    "tokens": TOKEN_LIMIT,
}


@dataclass(frozen=True, slots=True)
class Drift:
    """Five figures since training, four of the dense index; None where there is nothing to measure.

    imbalance : imbalance of the lists over that at training. growth : live rows over those trained on. new_rows :
    recall at training less what the share of new neighbours that are found surely is at most. nprobe : lists to probe
    for the recall at training, over those of the profile; the end of the curve where none of its points reaches it.
    tokens : RMS residual of tokens added since training divided by the RMS residual of the training tokens.
    """

    trained: int
    recall: float | None
    imbalance: float | None
    growth: float | None
    new_rows: float | None
    nprobe: float | None
    tokens: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        """What was measured, by name."""
        values = {name: getattr(self, name) for name in LIMITS}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def causes(self) -> tuple[str, ...]:
        """Why a retrain is due, in words with both values; empty where none is."""
        return tuple(f"{name} {value:.3f} > {LIMITS[name]:g}" for name, value in self.over.items())

    @property
    def over(self) -> dict[str, float]:
        """The figures past their limits."""
        return {name: value for name, value in self.figures.items() if value > LIMITS[name]}

    def show(self) -> None:
        """Set the metrics."""
        for name, value in self.figures.items():
            metrics.DRIFT.labels(name).set(value)


def note_training(draft: Draft, parent: Generation | None, how: str) -> None:
    """Remember in which generation the dense index of a draft was trained, and how: in this one unless it was
    evolved."""
    before = None if parent is None else parent.manifest.notes.get(TRAINED_NOTE)
    here = {"generation": draft.number, "how": how}
    draft.set_note(TRAINED_NOTE, before if how == "evolved" and before is not None else here)


def learnt_here(draft: Generation) -> bool:
    """Whether the dense index was trained on all rows of this generation. A repaired one was trained on some."""
    note = draft.manifest.notes.get(TRAINED_NOTE, {})
    return bool(note.get("generation", draft.number) == draft.number and note.get("how") != "repaired")


def measured_drift(draft: Generation, parent: Generation | None) -> Drift | None:
    """The figures that the recorded checks of a draft give, whether it is published or refused.

    A dense index that learns nothing, such as an exhaustive one or a graph, cannot drift, nor can one that is not
    there; None where the tokens were not measured either.
    """
    profile = draft.manifest.profile.get("dense", {})
    tokens = _value(draft, TOKEN_CHECK)
    trained = int(draft.manifest.notes.get(TRAINED_NOTE, {}).get("generation", draft.number))
    recipe = draft.manifest.recipe.get("dense")
    if recipe is None or not parse_recipe(str(recipe["recipe"])).trained:
        return None if tokens is None else Drift(trained, None, None, None, None, None, tokens)
    recalled = _details(draft, "dense_recall")
    before = None if parent is None else read_drift(parent)
    recall = before.recall if before is not None and before.trained == trained else recalled.get("mean")
    return Drift(
        trained=trained,
        recall=recall,
        imbalance=_value(draft, "list_balance"),
        growth=draft.live_rows / max(1, int(profile.get("trained_rows") or draft.live_rows)),
        # What was learnt from the new rows too cannot have drifted from them.
        new_rows=None if learnt_here(draft) else lost(recall, draft.manifest.checks.get("dense_recall_new_rows")),
        nprobe=probes_needed(recall, int(profile.get("nprobe") or 0), recalled.get("nprobe_curve", ())),
        tokens=tokens,
    )


def read_drift(generation: Generation) -> Drift | None:
    """The figures a generation was published with; None where it has none."""
    kept = generation.manifest.notes.get(DRIFT_NOTE)
    return None if kept is None else Drift(**kept)


def lost(recall: float | None, record: CheckRecord | None) -> float | None:
    """Recall that new rows surely lack: `recall` less what theirs is surely at most, which is the record's value.

    None where nothing was counted: no row was new, all are copies, or no query has a new neighbour. The record's mean
    is no substitute: a query has one to ten new neighbours and a miss is a whole query, so that the mean of ten queries
    of a healthy index was 0.246 below its recall.
    """
    if recall is None or record is None or record.value is None or "mean" not in record.details:
        return None
    return recall - record.value


def probes_needed(recall: float | None, nprobe: int, curve: Sequence[Sequence[float]]) -> float | None:
    """Lists to probe for a recall, over `nprobe`; straight lines between the points of (nprobe, recall, ...).

    >>> probes_needed(0.95, 10, [(5, 0.8, 0.1), (10, 0.9, 0.1), (20, 1.0, 0.2)])
    1.5
    """
    points = sorted((float(probes), float(found)) for probes, found, *_ in curve)
    if recall is None or not nprobe or not points:
        return None
    below, reached = points[0]
    if reached >= recall:
        return below / nprobe
    for probes, found in points[1:]:
        if found >= recall:
            return round(below + (probes - below) * (recall - reached) / (found - reached), 6) / nprobe
        below, reached = probes, max(found, reached)
    return points[-1][0] / nprobe


def _details(draft: Generation, check: str) -> Mapping[str, Any]:
    record = draft.manifest.checks.get(check)
    return {} if record is None else record.details


def _value(draft: Generation, check: str) -> float | None:
    record = draft.manifest.checks.get(check)
    return None if record is None else record.value
