"""The dense index of a draft, by delta from its parent's where what was learnt still holds."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from xtr_assets.config import DenseConfig
from xtr_assets.core.types import Ints
from xtr_assets.index import DenseIndex
from xtr_assets.index.dense.imbalance import imbalance, list_sizes
from xtr_assets.index.dense.repair import repair_lists
from xtr_assets.index.dense.tuner import Tuning
from xtr_assets.index.dense.upkeep import upkeep_of
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.tuning_queries import (
    TUNING_QUERIES,
    asked_otherwise,
    changed_since_tuned,
    tuning_due,
    tuning_goal,
)
from xtr_assets.search.loaders import DENSE_FILE
from xtr_assets.storage.content import SETTINGS_NOTE
from xtr_assets.storage.generation import Generation


@dataclass(frozen=True, slots=True)
class DenseReport:
    """How the index came about, and what it is. `tuning` is None where the profile is the parent's, untried.
    `list_sizes` : rows in each inverted list, int64 [nlist]; None where there are none."""

    how: str
    reason: str
    removed: int
    added: int
    tuned: bool
    index: dict[str, Any]
    bytes: int
    sha256: str
    tuning: Tuning | None = None
    list_sizes: Ints | None = None


def derive_dense(session: DraftSession, *, tune: bool = False) -> DenseReport:
    """Write dense.faiss with its recipe and profile.

    It is derived from the session's `carried` where there is one that was planned by the same settings. The recall goal
    is what the gate asks for; thresholds at or above 1 ask for as much as an index can give. With `tune` the profile is
    found anew, one set by hand too.
    """
    draft, parent, config, recall = session.draft, session.carried, session.config.dense, session.config.recall
    asked = session.tuning()
    queries = None if asked is None else asked.embeddings
    judged = session.judging() or TUNING_QUERIES
    goal = tuning_goal(recall.dense, TUNING_QUERIES if asked is None else len(asked), judged)
    how: str
    anew = "" if parent is None else _planned_otherwise(parent, config)
    if parent is None or anew:
        index = DenseIndex.build(
            draft.vectors(),
            config.recipe,
            live=draft.live,
            target=config.target,
            queries=queries,
            recall_goal=goal,
            recall_k=recall.k,
        )
        plan = index.plan_of_build
        how, reason = "built", "; ".join(filter(None, (anew, "" if plan is None else plan.reason)))
        removed, added = 0, len(index)
        tuned, changed = True, 0
    else:
        rows = session.rows
        index, evolution = session.parent_dense().evolve(
            np.flatnonzero(rows.gone),
            np.flatnonzero(rows.added),
            draft.vectors(),
            recipe=config.recipe,
            target=config.target,
            recall_goal=goal,
            recall_k=recall.k,
        )
        how, reason = evolution.how, evolution.reason
        removed, added = evolution.rows_removed, evolution.rows_added
        changed = changed_since_tuned(parent, "dense", rows.churn)
        # An earlier release tuned for recall@10, whatever it noted.
        other = asked_otherwise(parent, recall, "dense") or index.profile["k"] != recall.k
        # Never what somebody set by hand, which has no goal.
        due = queries is not None and index.profile["goal"] > 0 and (other or tuning_due(changed, len(index)))
        tuned = how == "rebuilt" or due or (tune and queries is not None)
        if tuned:
            changed = 0
            if how == "evolved" and config.recipe == "auto":
                how, cure = _cured(index)
                reason = f"{reason}; {cure}"
            if queries is not None:
                # What still reaches the goal stays, where that is the same; a repaired or rebuilt index has no profile.
                index.tune(queries, goal=goal, k=recall.k, keep=how == "evolved" and not (tune or other))
    with draft.writing(DENSE_FILE) as path:
        index.save_index(path)
    kept = None if parent is None or how != "evolved" else parent.manifest.recipe["dense"].get("imbalance")
    made = {"recipe": index.recipe, "imbalance": kept or imbalance(index), "changed_since_tuned": changed}
    draft.set_recipe("dense", made)
    draft.set_profile("dense", index.profile)
    written = draft.manifest.files[draft.file_name(DENSE_FILE)]
    tuning = index.tuning
    described, sizes = index.describe(), list_sizes(index)
    return DenseReport(how, reason, removed, added, tuned, described, written.bytes, written.sha256, tuning, sizes)


def _planned_otherwise(parent: Generation, config: DenseConfig) -> str:
    """Why a recipe is planned anew: the parent's was asked for by name, or planned for another target."""
    noted, now = (parent.manifest.notes.get(SETTINGS_NOTE) or {}).get("dense") or {}, config.model_dump(mode="json")
    changed = [name for name in now if name in noted and noted[name] != now[name]] if config.recipe == "auto" else []
    return ", ".join(f"`dense.{name}` changed from {noted[name]} to {now[name]}" for name in changed)


def _cured(index: DenseIndex) -> tuple[Literal["evolved", "repaired"], str]:
    """Repair the lists in place where that restores them; what was done, and why. Only of a planned recipe: the number
    of lists may change, and what somebody asked for by name stays."""
    found = upkeep_of(index)
    if found.action != "repair":
        return "evolved", found.reason
    done = repair_lists(index)
    return "repaired", f"{found.reason}: {done.lists_ill} lists learnt anew, {done.rows_moved} rows moved"
