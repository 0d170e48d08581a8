"""What profiles are tuned on, and when: queries like the gate's but none of them, kept once for all generations."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.config import RecallConfig
from xtr_assets.core.raw_arrays import open_array, save_array
from xtr_assets.core.types import Floats, Space
from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.pipeline.queries.likeness import different
from xtr_assets.storage.content import SETTINGS_NOTE
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse

# The gate confirms a profile on queries that it was not tuned on; 200 put the lower bound a point below the mean.
TUNING_QUERIES = 200
# The profile is tuned on 200 queries and judged by 200 others, and the cheapest of some twenty settings is a lucky one.
# Tuned for the threshold itself, a draft would be refused about every other time by chance; with half of the misses 7
# of 400 simulated builds of the standard library were refused, with 0.4 of them 2 of 1,000, with a third 2 of 2,600
# (docs/measurements.md, "What the gate refuses").
MISSES_ALLOWED = 1 / 3
# Fewer queries leave more to chance, and the goal allows for it: by SURELY * SPREAD * sqrt(1/n + 1/m) for n queries
# that tune and m that judge. SPREAD is the standard deviation of recall@10 of a query where the mean is about 0.98:
# 0.05 to 0.07 there; SURELY gives the same 0.983 for 200 and 200.
SURELY, SPREAD = 4.1, 0.08
# The quantile of the gate's lower bound.
BOUND = 1.65
# A profile is tuned anew when this share of the rows came or went since: small changes add up to topics and lists that
# it was not tuned for, and the gate would refuse in the end. Tuning then costs in proportion to the changes.
RETUNE_SHARE = 0.05

# The manifest's note that names the folder of the queries, below the warehouse.
TUNING_NOTE = "tuning"
# Where the corpus offered fewer than TUNING_QUERIES: the chunks that came or went since it was asked for more.
SHORT_NOTE = "tuning_short"
_EMBEDDINGS, _TOKENS, _OFFSETS = "embeddings.npy", "tokens.npy", "offsets.npy"


@dataclass(frozen=True, slots=True, eq=False)
class TuningQueries:
    """Different queries. embeddings : float32 [n, dim]; tokens : one float32 [t, token_dim] a query."""

    embeddings: Floats
    tokens: tuple[Floats, ...]

    def __len__(self) -> int:
        return len(self.embeddings)


def keep_tuning(warehouse: Warehouse, draft: Draft, queries: EncodedQueries) -> None:
    """Keep tuning queries below `models/`, for this draft and those that follow it: all different that the corpus
    offers, TUNING_QUERIES at most."""
    lengths = [len(tokens) for tokens in queries.tokens]
    empty = np.empty((0, draft.manifest.encoder.token_dim), np.float32)
    arrays: dict[str, Any] = {
        _EMBEDDINGS: np.asarray(queries.embeddings, np.float32),
        _TOKENS: np.concatenate([empty, *queries.tokens]).astype(np.float32),
        _OFFSETS: np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
    }

    def write(folder: Path) -> None:
        for name, array in arrays.items():
            save_array(folder / name, array)

    _use(draft, warehouse.layout.relative(warehouse.add_model(write, made_by="tuning queries")), len(lengths), 0)


def inherit_tuning(draft: Draft, parent: Generation, queries: TuningQueries, changed: int) -> None:
    """Let the draft use the parent's tuning queries; `changed` as in SHORT_NOTE."""
    _use(draft, parent.manifest.notes[TUNING_NOTE], len(queries), changed)


def more_due(parent: Generation, queries: TuningQueries, churn: int, rows: int) -> int | None:
    """The chunks that came or went since the corpus was asked for all it offers, `churn` of them now; None where it is
    to be asked again: it has changed by so much that a profile would be tuned anew, or nobody wrote down what it
    offered. Where there are enough queries nobody counts."""
    if len(queries) >= TUNING_QUERIES:
        return 0
    since = parent.manifest.notes.get(SHORT_NOTE)
    changed = None if since is None else int(since) + churn
    return None if changed is None or tuning_due(changed, rows) else changed


def read_tuning(generation: Generation) -> TuningQueries | None:
    """The tuning queries of a generation, those that the encoder cannot tell apart once: earlier releases kept each.
    None where it has none. Raises CorruptFile."""
    folder = generation.manifest.notes.get(TUNING_NOTE)
    if folder is None:
        return None
    encoder = generation.manifest.encoder

    def array(name: str, dtype: Any, shape: tuple[int | None, ...]) -> Any:
        return np.array(open_array(generation.path(f"{folder}/{name}", full=True), f"{folder}/{name}", dtype, shape))

    embeddings: Floats = array(_EMBEDDINGS, np.float32, (None, encoder.dim))
    tokens: Floats = array(_TOKENS, np.float32, (None, encoder.token_dim))
    offsets = array(_OFFSETS, np.int64, (len(embeddings) + 1,))
    kept = TuningQueries(embeddings, tuple(tokens[start:stop] for start, stop in pairwise(offsets.tolist())))
    told = np.flatnonzero(different(kept))
    return TuningQueries(embeddings[told], tuple(kept.tokens[i] for i in told.tolist()))


def tuning_goal(threshold: float, tuned: int = TUNING_QUERIES, judged: int = TUNING_QUERIES) -> float:
    """The lower bound that `tuned` queries must have where `judged` others are held against `threshold`; 1.0 at most.

    A setting that missed nothing meets any.

    >>> round(tuning_goal(0.95), 4), round(tuning_goal(0.95, 100, 100), 4), tuning_goal(0.95, 20, 20)
    (0.9833, 0.9964, 1.0)
    """
    asked = min(threshold, 1.0)
    chance = SURELY * math.sqrt(1 / max(1, tuned) + 1 / max(1, judged))
    bounds = BOUND * (1 / math.sqrt(max(1, judged)) - 1 / math.sqrt(max(1, tuned)))
    return min(1.0, max(1.0 - MISSES_ALLOWED * (1.0 - asked), asked + SPREAD * (chance + bounds)))


def changed_since_tuned(parent: Generation, index: str, changed: int) -> int:
    """Chunks that came or went since the parent's profile of `index` was tuned, `changed` of them now."""
    recipe: Mapping[str, Any] = parent.manifest.recipe.get(index, {})
    return int(recipe.get("changed_since_tuned", 0)) + changed


def tuning_due(changed: int, rows: int) -> bool:
    """Whether an index of so many rows is tuned again after so many changes."""
    return changed > RETUNE_SHARE * rows


def asked_otherwise(parent: Generation, recall: RecallConfig, space: Space) -> bool:
    """Whether the parent was built for another threshold of `space`, or another k: its profile was tuned for that. An
    earlier release noted neither."""
    noted, now = (parent.manifest.notes.get(SETTINGS_NOTE) or {}).get("recall") or {}, recall.model_dump(mode="json")
    return any(name in noted and noted[name] != now[name] for name in (space, "k"))


def _use(draft: Draft, folder: str, count: int, changed: int) -> None:
    draft.use_folders([folder])
    draft.set_note(TUNING_NOTE, folder)
    if count < TUNING_QUERIES:
        draft.set_note(SHORT_NOTE, changed)
