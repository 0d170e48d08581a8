"""What somebody's own encoder or source is called in a configuration: a factory, or an entry point of a package."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from xtr_assets.core.errors import ConfigError, ProviderError, XtrAssetsError

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


def named_object(kind: str) -> Any:
    """What `python:package.module:name` names. ImportError or AttributeError where it is not there."""
    module, _, path = kind.removeprefix(PYTHON).partition(":")
    held: Any = import_module(module)
    for name in path.split("."):
        held = getattr(held, name)
    return held


def make_own(kind: str, group: str, what: str, *arguments: Any, **settings: Any) -> Any:
    """What the factory of a kind gives for these settings. ProviderError where it cannot be imported or fails."""
    factory = find_factory(kind, group, what)
    try:
        return factory(*arguments, **settings)
    except XtrAssetsError:
        raise
    except Exception as error:
        raise ProviderError(
            f"{kind} failed with its settings ({type(error).__name__}: {str(error)[:300]}); see its documentation"
        ) from error


def find_factory(kind: str, group: str, what: str) -> Callable[..., Any]:
    """What a kind names; `what` it makes, in a word. ProviderError where it is not there."""
    if not kind.startswith(PYTHON):
        found = next(iter(entry_points(group=group, name=kind)), None)
        if found is None:
            raise ProviderError(f"no installed package brings the {what} {kind!r}; install the one that does")
        kind = f"{PYTHON}{found.value}"
    try:
        held = named_object(kind)
    except (ImportError, AttributeError) as error:
        raise ProviderError(f"{kind} cannot be imported ({error}); install its package, or correct the name") from error
    if not callable(held):
        raise ConfigError(f"{kind} is a {type(held).__name__}, no factory; name a function or class")
    factory: Callable[..., Any] = held
    return factory
