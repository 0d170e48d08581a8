"""What serves on this machine: FAISS and its GPU, the backend of the token index and its instructions, and why."""

from typing import Any

from xtr_assets.core.errors import InvalidInput, ProviderError
from xtr_assets.core.recipes import parse_recipe
from xtr_assets.index.devices import parse_device
from xtr_assets.index.gpu import place
from xtr_assets.index.provider import load_faiss, provider
from xtr_assets.index.xtr import extension
from xtr_assets.index.xtr.backends import best
from xtr_assets.index.xtr.device.choosing import choose


def serves(recipe: str | None = None, device: str = "auto") -> dict[str, Any]:
    """JSON values: per index the device it would take here and the reason, and what computes there.

    recipe : of the dense index, which decides whether a GPU can hold it; None asks only whether there is one. What
    cannot serve at all says so in `error` (no FAISS is installed, no GPU where one was asked for).
    """
    parse_device(device)
    return {"dense": _dense(recipe, device), "xtr": _tokens(device)}


def instructions(backend: str) -> str | None:
    """The instruction set that a backend of the token index computes with; None where it is numpy's or numba's."""
    return extension.fastest() if backend == "native" else None


def _dense(recipe: str | None, device: str) -> dict[str, Any]:
    try:
        found = provider()
        parsed = parse_recipe(recipe or "Flat")
        native = extension.available() and parsed.integer_bits
        about: dict[str, Any] = {
            "faiss": found.as_json(),
            "codes_read_by": f"native, {extension.fastest()}" if native else "faiss",
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
        "without_extension": None if backend == "native" else extension.missing or "it is of another version",
    }
    try:
        choice = choose(device)
    except ProviderError as error:
        return {"device": None, "error": str(error), **about}
    return {"device": choice.device, "reason": choice.reason, **about}
