"""How one search is run: the kept profile, a caller's options within their ranges, and the plan that results."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.parameter_text import parse_parameters
from xtr_assets.core.recipe_grammar import Recipe
from xtr_assets.core.search_options import SearchOptions

# FAISS's own names, as its ParameterSpace writes them, and ours.
_NAMES = {
    "nprobe": "nprobe",
    "efSearch": "ef_search",
    "ef_search": "ef_search",
    "quantizer_efSearch": "quantizer_ef_search",
    "quantizer_ef_search": "quantizer_ef_search",
    "k_factor": "k_factor",
    "rescore": "rescore",
}
# A graph search keeps its whole queue in order: beyond this it costs more than a scan of the same rows.
MAX_EF = 16_384
# Candidates re-ranked for 10 results unless tuned: 4-bit codes put the true ten among the first 100.
DEFAULT_RESCORE = 100
DEFAULT_EF = 64


@dataclass(frozen=True, slots=True)
class DenseProfile:
    """How an index is searched unless a call says otherwise, and what that was found to give.

    rescore counts candidates re-ranked for `k` results and grows in proportion for more. recall is the mean recall@k
    over the tuning queries; 0.0 where nothing was tuned. trained_rows is the number of rows the quantizer was made for,
    trained_lists that of its lists where repairs changed their number since, else 0. trained_fit is the inner product
    with their centroid that nine tenths of the rows then had; 0.0 where there are no lists.
    """

    nprobe: int = 0
    ef_search: int = 0
    quantizer_ef_search: int = 0
    rescore: int = 0
    k: int = 10
    goal: float = 0.0
    recall: float = 0.0
    trained_rows: int = 0
    trained_lists: int = 0
    trained_fit: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "DenseProfile":
        """Read a kept profile; unknown names are refused, missing ones take their default."""
        known = {field.name: field.type for field in fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise InvalidInput(f"profile has unknown fields {unknown}; known: {sorted(known)}")
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise InvalidInput(f"profile field {name} is {value!r}; a number of at least 0 is needed")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """One search, decided: `mode` says whether the index is asked or the rows are scanned, `reason` why."""

    mode: Literal["index", "scan", "nothing"]
    family: str
    k: int
    nprobe: int
    ef_search: int
    quantizer_ef_search: int
    candidates: int
    rescored: bool
    available: int
    filtered: bool
    device: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def default_profile(recipe: Recipe, rows: int) -> DenseProfile:
    """Where tuning starts, and what an index too small to tune is searched with."""
    if recipe.exhaustive:
        return DenseProfile(trained_rows=rows)
    return DenseProfile(
        nprobe=min(recipe.nlist, max(1, math.ceil(recipe.nlist / 10))) if recipe.family == "ivf" else 0,
        ef_search=DEFAULT_EF if recipe.family == "hnsw" else 0,
        rescore=0 if recipe.exact_codes else DEFAULT_RESCORE,
        trained_rows=rows,
    )


def with_parameters(options: SearchOptions, parameters: str) -> SearchOptions:
    """The options with what a parameter string adds; what the call names itself wins over the string."""
    if parameters == "":
        return options
    return replace(options, **{**parse_parameters(parameters, _NAMES), **options.given})  # type: ignore[arg-type]


def checked(options: SearchOptions, recipe: Recipe) -> SearchOptions:
    """The options, or InvalidInput naming the value and the range that this recipe allows.

    Flat reads every vector, so any nprobe, ef_search or rescore of at least 1 is met and has no effect.
    """
    most = {"ef_search": MAX_EF, "quantizer_ef_search": MAX_EF}
    if recipe.family == "ivf":
        most["nprobe"] = recipe.nlist
    for name, limit in most.items():
        value = getattr(options, name)
        if value is not None and value > limit:
            raise InvalidInput(f"{name} = {value} is out of range for {recipe.text}; allowed: 1 to {limit}")
    return options


def candidate_count(recipe: Recipe, profile: DenseProfile, options: SearchOptions) -> int:
    """How many candidates are fetched for k results: the k best must be among them after exact re-rank."""
    k = options.k
    if options.k_factor is not None:
        return k * options.k_factor
    if options.rescore is not None:
        return max(k, options.rescore)
    if recipe.exact_codes:
        # One more than asked shows whether the k-th is tied with what was cut.
        return k + 1
    return max(k, math.ceil(profile.rescore * max(1.0, k / max(1, profile.k))))
