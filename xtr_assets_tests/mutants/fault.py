"""What a mutant is, and how a fault is planted: one function of the package replaced, wherever it was imported."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# full: the first build of an empty warehouse. incremental: generation 1 is healthy and serves, the fault comes with the
# change. compaction: four healthy generations, and the fault in the compaction. transfer: a healthy generation is
# exported, imported into a warehouse that serves another one, and published there.
Run = Literal["full", "incremental", "compaction", "transfer"]
# Given the project's folder; inside, the fault is there.
Plant = Callable[[Path], AbstractContextManager[Any]]

BOTH: tuple[Run, ...] = ("full", "incremental")
FULL: tuple[Run, ...] = ("full",)
INCREMENTAL: tuple[Run, ...] = ("incremental",)
COMPACT: tuple[Run, ...] = ("compaction",)
TRANSFER: tuple[Run, ...] = ("transfer",)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault where a real bug would sit.

    stopped_by : checks, any of which must stop it; "publish" stands for `publish` itself, the name of an error for code
    that refuses. equivalent : why nothing that is served changes; then it may be published, and the oracle must find
    nothing. serves : the fault is there while the generation answers too. lists : the token index reads its lists,
    which a corpus of this size would not need. stale : what cannot be read anew may be served as it was; only what is
    lost is harm. recipe : of the dense index. papers : documents are among the files.
    """

    name: str
    place: str
    plant: Plant
    stopped_by: frozenset[str]
    runs: tuple[Run, ...] = BOTH
    equivalent: str = ""
    serves: bool = False
    lists: bool = False
    stale: bool = False
    recipe: str = "auto"
    papers: bool = False


def replaced(where: str, make: Callable[[Any], Any]) -> Plant:
    """`module:function` or `module:Class.attribute` becomes `make(original)`, in every module that imported it."""

    @contextmanager
    def planted(_: Path) -> Iterator[None]:
        owner, name, original = _found(where)
        new = make(_plain(owner, name, original))
        if isinstance(owner, type):
            kept = owner.__dict__[name]
            setattr(owner, name, property(new) if isinstance(kept, property) else staticmethod(new))
            if not isinstance(kept, property | staticmethod | classmethod):
                setattr(owner, name, new)
            try:
                yield
            finally:
                setattr(owner, name, kept)
            return
        holders = [
            (module, key)
            for dotted, module in list(sys.modules.items())
            if dotted.startswith("xtr_assets") and module is not None
            for key, value in list(vars(module).items())
            if value is original
        ]
        for module, key in holders:
            setattr(module, key, new)
        try:
            yield
        finally:
            for module, key in holders:
                setattr(module, key, original)

    return planted


def locally(module: str, name: str, make: Callable[[Any], Any]) -> Plant:
    """The same for one module's view of what it imported, or of a constant."""

    @contextmanager
    def planted(_: Path) -> Iterator[None]:
        owner = importlib.import_module(f"xtr_assets.{module}")
        original = getattr(owner, name)
        setattr(owner, name, make(original))
        try:
            yield
        finally:
            setattr(owner, name, original)

    return planted


def on_disk(act: Callable[[Path], Any]) -> Plant:
    """Something happens to the project's files before the build."""

    @contextmanager
    def planted(folder: Path) -> Iterator[None]:
        act(folder)
        yield

    return planted


def _found(where: str) -> tuple[Any, str, Any]:
    dotted, _, attribute = where.partition(":")
    owner: Any = importlib.import_module(f"xtr_assets.{dotted}")
    *path, name = attribute.split(".")
    for step in path:
        owner = getattr(owner, step)
    return owner, name, owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)


def _plain(owner: Any, name: str, original: Any) -> Any:
    """The function below a classmethod, staticmethod or property."""
    if isinstance(original, classmethod | staticmethod):
        return getattr(owner, name)
    return original.fget if isinstance(original, property) else original


def both(*plants: Plant) -> Plant:
    """Several at once."""

    @contextmanager
    def planted(folder: Path) -> Iterator[None]:
        with ExitStack() as stack:
            for plant in plants:
                stack.enter_context(plant(folder))
            yield

    return planted
