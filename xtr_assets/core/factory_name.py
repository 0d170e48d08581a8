"""What somebody's own encoder or source is called in a configuration: a factory, or an entry point of a package."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from xtr_assets.core.errors import ConfigError, ProviderError

PYTHON = "python:"


def check_factory_name(kind: str, group: str, known: frozenset[str]) -> str:
    """`python:package.module:factory`, or the name of an installed entry point. ValueError with what is allowed."""
    module, colon, factory = kind.removeprefix(PYTHON).partition(":")
    if kind.startswith(PYTHON):
        if not (colon and all(part.isidentifier() for part in [*module.split("."), *factory.split(".")])):
            raise ValueError("write it as python:package.module:factory")
    elif kind not in (found := {one.name for one in entry_points(group=group)}):
        named = ", ".join(repr(name) for name in sorted({*known, *found}))
        raise ValueError(f"use {named}, or 'python:package.module:factory'")
    return kind


def find_factory(kind: str, group: str, what: str) -> Callable[..., Any]:
    """What a kind names; `what` it makes, in a word. ProviderError where it is not there."""
    if not kind.startswith(PYTHON):
        found = next(iter(entry_points(group=group, name=kind)), None)
        if found is None:
            raise ProviderError(f"no installed package brings the {what} {kind!r}; install the one that does")
        kind = f"{PYTHON}{found.value}"
    module, _, path = kind.removeprefix(PYTHON).partition(":")
    try:
        held: Any = import_module(module)
        for name in path.split("."):
            held = getattr(held, name)
    except (ImportError, AttributeError) as error:
        raise ProviderError(f"{kind} cannot be imported ({error}); install its package, or correct the name") from error
    if not callable(held):
        raise ConfigError(f"{kind} is a {type(held).__name__}, no factory; name a function or class")
    factory: Callable[..., Any] = held
    return factory
