"""When a refusal is one of training: the records of a draft decide, nothing else."""

from types import SimpleNamespace
from typing import Any

import pytest

from xtr_assets.pipeline.plan.retrain_cause import AFRESH_NOTE, retrain_cause, stands
from xtr_assets.storage.manifest import CheckRecord

REQUIRED = (
    "rows_everywhere",
    "dense_recall",
    "dense_recall_new_rows",
    "xtr_recall",
    "xtr_recall_new_rows",
    "known_item",
)


def record(name: str, value: float | None, threshold: float | None, passed: bool, **details: Any) -> CheckRecord:
    return CheckRecord.model_construct(name=name, value=value, threshold=threshold, passed=passed, details=details)


def generation(number: int, **checks: tuple[float, float, bool]) -> Any:
    """A generation of an index with lists that generation 1 trained, and of centroids from there."""
    given = {name: record(name, *one, mean=one[0]) for name, one in checks.items()}
    healthy = {"dense_recall": record("dense_recall", 0.97, 0.95, True, mean=0.98, nprobe_curve=[[8, 0.98, 0.1]])}
    manifest = SimpleNamespace(
        checks={**healthy, "xtr_recall": record("xtr_recall", 0.97, 0.95, True, mean=0.98), **given},
        notes={
            "trained": {"generation": 1, "how": "built"},
            "drift": {**dict.fromkeys(("imbalance", "growth", "new_rows", "nprobe")), "trained": 1, "recall": 0.98},
        },
        recipe={"dense": {"recipe": "IVF16,SQ8"}, "xtr": {"model": "models/a"}},
        profile={"dense": {"nprobe": 8, "trained_rows": 100}},
        segments=[],
    )
    return SimpleNamespace(number=number, live_rows=110, manifest=manifest)


PARENT = generation(1)


def test_new_rows_that_kept_lists_lose_are_a_cause_with_both_values() -> None:
    draft = generation(2, dense_recall_new_rows=(0.6, 0.93, False))
    cause = retrain_cause(draft, PARENT, REQUIRED)
    assert cause == "dense_recall_new_rows 0.600 < 0.93, as new_rows 0.380 > 0.02"


def test_new_rows_that_kept_centroids_lose_are_a_cause_and_so_is_the_residual_of_their_tokens() -> None:
    draft = generation(2, xtr_recall_new_rows=(0.6, 0.93, False), token_drift=(1.5, 1.2, False))
    cause = retrain_cause(draft, PARENT, REQUIRED)
    assert cause == ("xtr_recall_new_rows 0.600 < 0.93, as tokens 1.500 > 1.2, recall lost on new rows 0.380 > 0.02")
    draft.manifest.recipe["xtr"]["model"] = "models/b"
    assert retrain_cause(draft, PARENT, REQUIRED) == "", "these centroids were learnt from just these rows"


def test_drift_of_one_index_is_no_cause_for_the_recall_of_the_other() -> None:
    assert (
        retrain_cause(generation(2, dense_recall=(0.9, 0.95, False), token_drift=(1.5, 1.2, False)), PARENT, REQUIRED)
        == ""
    )
    assert (
        retrain_cause(generation(2, xtr_recall=(0.9, 0.95, False), list_balance=(1.5, 1.3, False)), PARENT, REQUIRED)
        == ""
    )


def test_drift_without_a_failed_recall_is_no_refusal_of_training() -> None:
    drifted = generation(2, list_balance=(1.5, 1.3, False), token_drift=(1.5, 1.2, False))
    assert retrain_cause(drifted, PARENT, REQUIRED) == ""
    drifted.manifest.checks["known_item"] = record("known_item", 0.1, 0.5, False)
    assert retrain_cause(drifted, PARENT, REQUIRED) == ""


@pytest.mark.parametrize(("other", "mended"), [("known_item", True), ("rows_everywhere", False)])
def test_what_is_wrong_with_the_rows_is_not_mended_by_training(other: str, mended: bool) -> None:
    draft = generation(2, dense_recall_new_rows=(0.6, 0.93, False), **{other: (0.1, 0.5, False)})
    assert bool(retrain_cause(draft, PARENT, REQUIRED)) is mended


def test_what_was_trained_on_its_rows_asks_for_no_retrain() -> None:
    for change in ("afresh", "built", "rebuilt"):
        draft = generation(2, dense_recall_new_rows=(0.6, 0.93, False))
        draft.manifest.notes["trained"] = {"generation": 2, "how": change}
        if change == "afresh":
            draft.manifest.notes = {**draft.manifest.notes, "trained": {"generation": 1}, AFRESH_NOTE: True}
        assert retrain_cause(draft, PARENT, REQUIRED) == "", change
    repaired = generation(2, dense_recall_new_rows=(0.6, 0.93, False))
    repaired.manifest.notes["trained"] = {"generation": 2, "how": "repaired"}
    assert retrain_cause(repaired, PARENT, REQUIRED), "repaired lists learnt from some rows only"
    assert retrain_cause(repaired, None, REQUIRED) == "", "a first draft took nothing over"


@pytest.mark.parametrize(("left", "same"), [(30, True), (15, True), (14, False), (0, False)])
def test_the_cause_stands_while_half_of_what_came_is_there(left: int, same: bool) -> None:
    def segment(name: str, rows: int) -> Any:
        return SimpleNamespace(segment_id=name, live_rows=rows)

    parent, draft = generation(1), generation(2)
    parent.manifest.segments = [segment("old", 100)]
    draft.manifest.segments = [segment("old", 100), segment("came", 30)]
    snapshot: Any = SimpleNamespace(segments=[segment("old", 100), segment("came", left), segment("later", 50)])
    assert stands(draft, parent, {"notes": snapshot}) is same
