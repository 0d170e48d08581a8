"""Whether the next generation's index is derived from this one's, or built anew: the rule and its record."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.growth import GROWTH_LIMIT
from xtr_assets.core.recipe_grammar import Recipe, parse_recipe
from xtr_assets.core.recipe_shortlist import Target, plan_dense
from xtr_assets.core.types import Ints, Mask
from xtr_assets.index import native
from xtr_assets.index.dense.options import DenseProfile
from xtr_assets.index.dense.recipe import dead_rows, dead_share, remove
from xtr_assets.index.faiss_provider import load_faiss

faiss = load_faiss()

# Dead nodes of a graph are walked through on every search.
DEAD_LIMIT = 0.2


@dataclass(frozen=True, slots=True)
class Evolution:
    """What was done to come from one generation's index to the next."""

    how: Literal["evolved", "rebuilt"]
    reason: str
    rows_removed: int
    rows_added: int
    rows_before: int
    rows_after: int


def evolution(
    recipe: Recipe,
    profile: DenseProfile,
    index: Any,
    rows: int,
    dim: int,
    removed: Ints,
    added: Ints,
    wanted: str,
    target: Target,
) -> Evolution:
    """Decide. `rows` are live rows now, `wanted` is the configured recipe."""
    after = rows - len(removed) + len(added)
    reason = _obstacle(recipe, profile, index, after, dim, len(removed), wanted, target)
    how: Literal["evolved", "rebuilt"] = "rebuilt" if reason else "evolved"
    kept = f"{recipe.text} keeps what it learnt from {profile.trained_rows} rows"
    return Evolution(how, reason or kept, len(removed), len(added), rows, after)


def copy_without(index: Any, recipe: Recipe, present: Mask, removed: Ints) -> Any:
    """A copy of a FAISS index that holds none of the rows `removed` int64 [n]; `present` bool [end_row] are its own.

    Rows leave before the copy meets the vectors of its generation: where a whole segment left, those have a hole in the
    place of its rows. Rows that it holds beside its own, which were dead already, leave with them.
    """
    unknown = removed[(removed < 0) | (removed >= len(present))]
    if not len(unknown):
        unknown = removed[~present[removed]]
    if len(unknown):
        raise InvalidInput(f"row {int(unknown[0])} is not in the index; only what it holds can leave it")
    copy = faiss.clone_index(index)
    remove(copy, recipe, np.union1d(removed, dead_rows(index, present)))
    return copy


def _obstacle(
    recipe: Recipe,
    profile: DenseProfile,
    index: Any,
    after: int,
    dim: int,
    removed: int,
    wanted: str,
    target: Target,
) -> str | None:
    # A repair changes the number of lists, and with it the recipe: what was asked for is what was trained.
    made = recipe.with_lists(profile.trained_lists).text if profile.trained_lists else recipe.text
    if wanted != "auto" and parse_recipe(wanted).text != made:
        return f"the recipe changed from {recipe.text} to {wanted}"
    try:
        recipe.check_target(target)
    except InvalidInput as error:
        return str(error)
    trained = max(1, profile.trained_rows)
    again = plan_dense(after, dim, target, axes=recipe.axes, integers=native.available())
    planned = again.recipe if wanted == "auto" else recipe.text
    # An index that halved has lists too short to be worth choosing among.
    outgrown = after > GROWTH_LIMIT * trained or after < trained / GROWTH_LIMIT
    if outgrown and (planned != recipe.text or (recipe.trained and after > GROWTH_LIMIT * trained)):
        return (
            f"{after} rows, {trained} when {recipe.text} was made: beyond a factor of {GROWTH_LIMIT:g} ({planned} now)"
        )
    if not recipe.removable:
        nodes = max(1, int(index.ntotal))
        dead = dead_share(index) + removed / nodes
        if dead > DEAD_LIMIT:
            return (
                f"{dead:.0%} of the nodes of {recipe.text} would be dead, more than {DEAD_LIMIT:.0%}; "
                "a graph cannot forget"
            )
    return None
