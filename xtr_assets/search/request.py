"""What may be asked: every argument of a search is checked before anything is encoded or opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from xtr_assets.core.errors import EncoderMismatch, InvalidInput
from xtr_assets.core.types import Floats
from xtr_assets.core.where_syntax import Where, parse_where
from xtr_assets.search.ranker import Fusion, Mode
from xtr_assets.search.retrievers import Overrides

MODES: tuple[Mode, ...] = get_args(Mode)
FUSIONS: tuple[Fusion, ...] = get_args(Fusion)

# Which spaces a mode compares in.
SPACES: Mapping[Mode, tuple[str, ...]] = {
    "dense": ("dense",),
    "xtr": ("xtr",),
    "hybrid": ("dense", "xtr"),
    "exact": ("dense", "xtr"),
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One checked question: how many, in which mode, over which rows, with which settings."""

    k: int
    mode: Mode
    fusion: Fusion
    overrides: Overrides
    where: Where | None

    @property
    def spaces(self) -> tuple[str, ...]:
        """Names of the spaces that are compared in."""
        return SPACES[self.mode]

    @classmethod
    def checked(cls, k: int, mode: str, fusion: str, overrides: Overrides, where: Mapping[str, Any] | None) -> "Ask":
        """Raises InvalidInput naming the argument, its value and what is allowed."""
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 0:
            raise InvalidInput(f"k is {k!r}; ask for 0 or more hits")
        if mode not in MODES:
            raise InvalidInput(f"mode is {mode!r}; use one of {', '.join(MODES)}")
        if fusion not in FUSIONS:
            raise InvalidInput(f"fusion is {fusion!r}; use one of {', '.join(FUSIONS)}")
        if fusion == "rrf" and len(SPACES[mode]) == 1:
            raise InvalidInput(f"fusion is 'rrf' in mode {mode!r}, which has one ranking; use mode hybrid or exact")
        given = {"nprobe": overrides.nprobe, "k_prime": overrides.k_prime, "rescore": overrides.rescore}
        for name, value in given.items():
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise InvalidInput(f"{name} is {value!r}; give 1 or more, or None for the generation's profile")
            if mode == "exact" or (mode == "dense" and name == "k_prime"):
                raise InvalidInput(f"{name} is {value} in mode {mode!r}, which does not use it; leave it out")
        parsed = None if where is None or (isinstance(where, Mapping) and not where) else parse_where(where)
        return cls(int(k), mode, fusion, overrides, parsed)


def check_queries(queries: Sequence[str]) -> None:
    """Raise InvalidInput unless these are texts."""
    if isinstance(queries, str):
        raise InvalidInput("a batch is one text; pass a list of queries, or use search")
    for i, query in enumerate(queries):
        if not isinstance(query, str):
            raise InvalidInput(f"query {i} is a {type(query).__name__}; queries are text")


def check_embeddings(queries: Floats, dim: int) -> Floats:
    """Contiguous float32 [n, dim]. Raises InvalidInput for NaN or a wrong shape, EncoderMismatch for another dim."""
    array = _floats(queries, "queries")
    if array.ndim != 2:
        raise InvalidInput(f"queries have shape {array.shape}; pass [n, {dim}], also for one query")
    if array.shape[1] != dim:
        raise EncoderMismatch(f"dim {dim} in the index, {array.shape[1]} in the queries; use the index's encoder")
    _check_finite(array, "query")
    return array


def check_tokens(queries: Sequence[Floats], token_dim: int) -> list[Floats]:
    """Each contiguous float32 [tokens, token_dim]. Raises as `check_embeddings`."""
    checked = []
    for i, query in enumerate(queries):
        array = _floats(query, f"query {i}")
        if array.size == 0:
            array = np.empty((0, token_dim), np.float32)
        if array.ndim != 2:
            raise InvalidInput(f"query {i} has shape {array.shape}; pass a list of [tokens, {token_dim}] arrays")
        if array.shape[1] != token_dim:
            raise EncoderMismatch(
                f"token dim {token_dim} in the index, {array.shape[1]} in query {i}; use the index's encoder"
            )
        _check_finite(array, f"query {i}, token")
        checked.append(array)
    return checked


def _floats(values: Any, name: str) -> Floats:
    try:
        return np.ascontiguousarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name}: not an array of numbers ({error})") from error


def _check_finite(array: Floats, name: str) -> None:
    wrong = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(wrong):
        raise InvalidInput(f"{name} {int(wrong[0])} holds NaN or an infinity; check the encoder")
