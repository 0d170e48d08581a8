"""The dense index of a draft, by delta from its parent's where what was learnt still holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.build.exact import same_rows
from xtr_assets.build.queries import read_tuning
from xtr_assets.config import DenseConfig
from xtr_assets.core.types import Mask
from xtr_assets.index import DenseIndex
from xtr_assets.index.balance import imbalance
from xtr_assets.search.opening import DENSE_FILE, open_dense
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generations import Generation

# The profile is tuned on 200 queries and judged on others: 200 fixed ones, and up to 50 drawn from new rows. Tuned for
# the threshold itself, a draft would be refused about every other time by chance; with .7 of the misses the standard
# library passed at .957, and the first change of 1 % was refused for its new rows (mean .934 over 50 queries, bound
# .912). Half the misses cost a quarter more lists a query.
MISSES_ALLOWED = 0.5
# A profile is tuned anew when this share of the rows came or went since: small changes add up to topics and lists that
# it was not tuned for, and the gate would refuse in the end. Tuning then costs in proportion to the changes.
RETUNE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class DenseReport:
    """How the index came about, and what it is."""

    how: str
    reason: str
    removed: int
    added: int
    tuned: bool
    index: dict[str, Any]
    bytes: int
    sha256: str


def derive_dense(draft: Draft, parent: Generation | None, config: DenseConfig, recall_goal: float) -> DenseReport:
    """Write dense.faiss with its recipe and profile.

    `parent` is None where nothing can be carried over: no parent, or one of another encoder. The recall goal is what
    the gate asks for; thresholds at or above 1 ask for as much as an index can give.
    """
    goal = 1.0 - MISSES_ALLOWED * (1.0 - min(recall_goal, 1.0))
    queries = read_tuning(draft)
    if queries is not None and not len(queries):
        queries = None
    if parent is None:
        index = DenseIndex.build(
            draft.vectors(), config.recipe, live=draft.live, target=config.target, queries=queries, recall_goal=goal
        )
        plan = index.plan_of_build
        how, reason = "built", "" if plan is None else plan.reason
        removed, added = 0, len(index)
        tuned, changed = True, 0
    else:
        before = open_dense(parent, "cpu")
        gone, new = (np.flatnonzero(rows) for rows in changed_rows(parent, draft))
        # Dead rows leave while the vectors of their segments are still there: the draft may have a hole in their place.
        before.remove(gone)
        index, evolution = before.evolve(
            gone[:0],
            new,
            draft.vectors(),
            recipe=config.recipe,
            target=config.target,
            recall_goal=goal,
        )
        how, reason = evolution.how, evolution.reason
        removed, added = len(gone), evolution.rows_added
        changed = int(parent.manifest.recipe["dense"].get("changed_since_tuned", 0)) + removed + added
        tuned = how == "rebuilt" or (queries is not None and _tuning_due(index, changed))
        if tuned:
            changed = 0
            if queries is not None:
                index.tune(queries, goal=goal)
    with draft.writing(DENSE_FILE) as path:
        index.save_index(path)
    kept = None if parent is None or how == "rebuilt" else parent.manifest.recipe["dense"].get("imbalance")
    made = {"recipe": index.recipe, "imbalance": kept or imbalance(index), "changed_since_tuned": changed}
    draft.set_recipe("dense", made)
    draft.set_profile("dense", index.profile)
    written = draft.manifest.files[draft.file_name(DENSE_FILE)]
    return DenseReport(how, reason, removed, added, tuned, index.describe(), written.bytes, written.sha256)


def _tuning_due(index: DenseIndex, changed: int) -> bool:
    """Whether to tune again after `changed` rows; never what somebody set by hand, which has no goal."""
    return index.profile["goal"] > 0 and changed > RETUNE_SHARE * len(index)


def changed_rows(parent: Generation, draft: Generation) -> tuple[Mask, Mask]:
    """(bool [parent.end_row] rows that died, bool [draft.end_row] rows that are new)."""
    same = same_rows(parent, draft)
    gone = parent.live.copy()
    gone[: len(same)] &= ~same[: len(gone)]
    return gone, draft.live & ~same
