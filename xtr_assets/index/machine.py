"""Backends on this machine and why: FAISS and its GPU, those of token and lexical index, the instruction set."""

from typing import Any

from xtr_assets.core.errors import InvalidInput, ProviderError
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.index import native
from xtr_assets.index.dense.gpu_placement import place
from xtr_assets.index.device import parse_device
from xtr_assets.index.faiss_provider import load_faiss, provider
from xtr_assets.index.late.backends.choice import best
from xtr_assets.index.late.gpu.availability import choose

# Why words are looked up where they are.
WORDS_REASON = "no GPU reads lists of words"


def serves(recipe: str | None = None, device: str = "auto") -> dict[str, Any]:
    """JSON values: per index the device it would take here and the reason, and what computes there.

    recipe : of the dense index, which decides whether a GPU can hold it; None asks only whether there is one. What
    cannot serve at all says so in `error` (no FAISS is installed, no GPU where one was asked for).
    """
    parse_device(device)
    return {"dense": _dense(recipe, device), "xtr": _tokens(device), "lexical": _words()}


def _words() -> dict[str, Any]:
    backend = "native" if native.available() else "numpy"
    without = None if native.available() else native.missing or "it is of another version"
    return {"device": "cpu", "reason": WORDS_REASON, "backend": backend, "without_extension": without}


def instructions(backend: str) -> str | None:
    """The instruction set that a backend of the token index computes with; None where it is numpy's or numba's."""
    return native.fastest() if backend == "native" else None


def _dense(recipe: str | None, device: str) -> dict[str, Any]:
    try:
        found = provider()
        parsed = parse_recipe(recipe or "Flat")
        integers = native.available() and parsed.integer_bits
        about: dict[str, Any] = {
            "faiss": found.as_json(),
            "codes_read_by": f"native, {native.fastest()}" if integers else "faiss",
        }
        placement = place(device, parsed, load_faiss(), found)
    except (ProviderError, InvalidInput) as error:
        return {"device": None, "error": str(error)}
    return {"device": placement.device, "reason": placement.reason, "cuvs": placement.cuvs, **about}


def _tokens(device: str) -> dict[str, Any]:
    backend = best()
    about = {
        "backend": backend,
        "instructions": instructions(backend),
        "without_extension": None if backend == "native" else native.missing or "it is of another version",
    }
    try:
        choice = choose(device)
    except ProviderError as error:
        return {"device": None, "error": str(error), **about}
    return {"device": choice.device, "reason": choice.reason, **about}
