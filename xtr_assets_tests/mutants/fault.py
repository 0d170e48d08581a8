"""What a mutant is, and how a fault is planted: one function of the package replaced, wherever it was imported."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

# full: the first build of an empty warehouse. incremental: generation 1 is healthy and serves, the fault comes with the
# change. compaction: four healthy generations, and the fault in the compaction. transfer: a healthy generation is
# exported, imported into a warehouse that serves another one, and published there.
Run = Literal["full", "incremental", "compaction", "transfer"]
# Beside the files of every corpus: documents and marks, or configuration, tables, books, markup and components.
Files = Literal["", "papers", "kinds"]
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
    lost is harm. recipe : of the dense index. files : what is among the files besides.
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
    files: Files = ""


def replaced(where: str, make: Callable[[Any], Any]) -> Plant:
    """`module:function` or `module:Class.attribute` becomes `make(original)`, in every module that imported it."""

    @contextmanager
    def planted(_: Path) -> Iterator[None]:
        owner, name, original = _found(where)
        new = fitting(_plain(owner, name, original), make(_plain(owner, name, original)))
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
        setattr(owner, name, fitting(original, make(original)))
        try:
            yield
        finally:
            setattr(owner, name, original)

    return planted


def on_disk(act: Callable[[Path], Any]) -> Plant:
    """Something happens to the project's files before the build."""

    return OnDisk(act)


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

    return Together(plants)


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A plant that needs the files of a project, not only the code."""

    act: Callable[[Path], Any]

    @contextmanager
    def __call__(self, folder: Path) -> Iterator[None]:
        self.act(folder)
        yield


@dataclass(frozen=True, slots=True)
class Together:
    """Several plants as one."""

    plants: tuple[Plant, ...]

    @contextmanager
    def __call__(self, folder: Path) -> Iterator[None]:
        with ExitStack() as stack:
            for plant in self.plants:
                stack.enter_context(plant(folder))
            yield


def in_code(plant: Plant) -> Iterator[Plant]:
    """The plants of a plant that need nothing but the code."""
    if isinstance(plant, Together):
        for one in plant.plants:
            yield from in_code(one)
    elif not isinstance(plant, OnDisk):
        yield plant


def fitting(original: Any, new: Any) -> Any:
    """`new`. TypeError where it cannot be called as `original` is: it says nothing of the gate then."""
    if not callable(original) or isinstance(original, type):
        return new
    try:
        asked, own = inspect.signature(original), inspect.signature(new)
    except (TypeError, ValueError):
        return new
    every = [one for one in asked.parameters.values() if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    # What may be left out as well: some caller gives it, and a source says of the TypeError that a file is unreadable.
    positional, by_name = _arguments(every)
    own.bind(*positional, **by_name)
    return new


def _arguments(parameters: Sequence[inspect.Parameter]) -> tuple[list[Any], dict[str, Any]]:
    by_name = {one.name: one for one in parameters if one.kind is one.KEYWORD_ONLY}
    return [one for one in parameters if one.name not in by_name], by_name
