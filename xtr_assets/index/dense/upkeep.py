"""Upkeep of an index whose rows changed: nothing, a local repair, or training anew."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.index.dense.index import DenseIndex
from xtr_assets.index.dense.repair import misfit_share, repairable

# Share of misfits from which a repair is worth a new file. As trained it is 0.1; with 1.8 times the rows of the same
# topics 0.12 to 0.17, with twice the rows, half of unseen topics, 0.36 to 0.49 (three corpora).
MISFIT_SHARE = 0.2
# PQ codebooks learnt from residuals of other topics say less of new ones. Grown sixfold with unseen topics (benchmarks/
# drift.py, 28,000 real chunks), at recall@10 0.95: repaired 231 us a query, trained anew 164, nothing done 219; grown
# twofold 88, 68 and 134. Codes without codebooks: repaired 498, trained anew 511, nothing done 670.
CODEBOOK_GROWTH = 2.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What to do, and the figures behind it.

    misfits : share of the rows that lie further from their centroid than nine tenths did of those it was learnt from.
    growth : rows over those trained on.
    """

    action: Literal["nothing", "repair", "retrain"]
    reason: str
    misfits: float
    growth: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def upkeep_of(index: DenseIndex) -> Upkeep:
    """What restores the index, by its lists alone: no query is asked.

    "repair" is `repair.repair_lists`, after which the profile should be tuned; "retrain" a build.
    """
    recipe, trained = parse_recipe(index.recipe), index.profile["trained_rows"]
    growth = round(len(index) / trained, 3) if trained else 1.0
    if not repairable(recipe) or not len(index):
        return Upkeep("nothing", f"{recipe.text} has no lists that can be repaired", 0.0, growth)
    misfits = round(misfit_share(index), 4)
    said = f"{misfits:.0%} of the rows lie further from their centroid than nine tenths did when it was learnt"
    if misfits < MISFIT_SHARE:
        return Upkeep("nothing", said, misfits, growth)
    if recipe.code == "PQ" and growth > CODEBOOK_GROWTH:
        return Upkeep("retrain", f"{said}; the codebooks saw 1 row in {growth:.1f}", misfits, growth)
    return Upkeep("repair", said, misfits, growth)
