"""A name locates: a module's stands once and is a noun; a command and an asset are in the file that bears theirs."""

from collections import defaultdict
from pathlib import Path

import dagster as dg
import pytest
from typer.main import get_command

import xtr_assets
from xtr_assets.cli import app
from xtr_assets.config import demo_config
from xtr_assets.defs import build_index_defs
from xtr_assets.pipeline.gate.registry import CHECKS

PACKAGE = Path(xtr_assets.__file__).parent

# In cli/ and defs/ a file bears the name of what a user sees there, whatever the layers below call their modules.
ONE_PLACE = ("core", "sources", "encoders", "index", "storage", "search", "pipeline", "telemetry", "client", "server")
# What a package is and what its kinds have in common stands in many folders.
EVERYWHERE = {"__init__", "base"}
# Of the three indexes equal names mean equal roles.
TWINS = (Path("index/dense"), Path("index/late"), Path("index/lexical"))
# A module that grows past this does two things.
MOST_LINES = 350
# The field's own nouns.
# `published` is an asset, whose file bears its name.
NOUNS = {"chunking", "finding", "hashing", "published", "tracing", "training"}


def modules(folder: str) -> list[Path]:
    return sorted(path.relative_to(PACKAGE) for path in (PACKAGE / folder).rglob("*.py"))


def doubled(paths: list[Path]) -> dict[str, list[str]]:
    """Stems that stand in several places, twins aside."""
    places: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        if path.stem not in EVERYWHERE:
            places[path.stem].append(path)
    return {
        stem: [path.as_posix() for path in found]
        for stem, found in places.items()
        if len(found) > 1 and not {path.parent for path in found} <= set(TWINS)
    }


def verbs(paths: list[Path]) -> list[str]:
    """Modules and folders named by what somebody does or what was done."""
    parts = {path: (*path.parts[:-1], path.stem) for path in paths}
    return [
        path.as_posix()
        for path, names in parts.items()
        if any(name.endswith(("ing", "ed")) and name.rsplit("_", 1)[-1] not in NOUNS for name in names)
    ]


def test_a_module_name_stands_once() -> None:
    assert not doubled([path for layer in ONE_PLACE for path in modules(layer)])


def test_no_module_is_named_by_a_verb_form() -> None:
    # A check of the gate bears the name that its verdict has in the UI, which is a sentence (`nothing_vanished`).
    checks = {Path("pipeline/gate") / f"{check.name}.py" for check in CHECKS}
    everywhere = {path for layer in (*ONE_PLACE, "cli", "defs") for path in modules(layer)}
    assert not verbs(sorted(everywhere - checks))


def test_a_module_is_read_at_one_sitting() -> None:
    lines = {path.as_posix(): len((PACKAGE / path).read_text().splitlines()) for path in modules(".")}
    assert not {path: count for path, count in lines.items() if count > MOST_LINES}


def test_the_laws_themselves_find_what_breaks_them() -> None:
    twins = [folder / "tuner.py" for folder in TWINS]
    assert not doubled(twins)
    assert doubled([*twins, Path("search/tuner.py")])
    assert doubled([Path("index/native.py"), Path("index/late/native.py")])
    assert verbs([Path("search/asking.py"), Path("index/stored.py"), Path("building/plan.py")]) == [
        "search/asking.py",
        "index/stored.py",
        "building/plan.py",
    ]
    assert not verbs([Path("core/chunking/text.py"), Path("encoders/hashing.py"), Path("search/ranker.py")])


def commands() -> dict[str, str]:
    """Command -> the module of the function that it runs."""
    with_commands = get_command(app)
    found = getattr(with_commands, "commands", {})
    assert found, "the application has no commands"
    return {name: command.callback.__module__ for name, command in found.items()}


@pytest.mark.parametrize(("command", "module"), sorted(commands().items()))
def test_a_command_is_in_the_file_that_bears_its_name(command: str, module: str) -> None:
    # A keyword is no module name: `import` stands in import_.py, as PEP 8 writes it.
    assert module.removeprefix("xtr_assets.cli.").rstrip("_") == command.replace("-", "_")


def assets(folder: Path) -> dict[str, set[str]]:
    """Module of defs/ -> the assets that its functions make."""
    found: dict[str, set[str]] = defaultdict(set)
    for definition in build_index_defs(demo_config(folder)).assets or ():
        assert isinstance(definition, dg.AssetsDefinition)
        function = getattr(definition.op.compute_fn, "decorated_fn", None)
        assert function is not None, f"{definition.keys} are made by no decorated function"
        found[function.__module__] |= {key.path[-1] for key in definition.keys}
    return found


def test_an_asset_is_in_the_file_that_bears_its_name(tmp_path: Path) -> None:
    found = assets(tmp_path)
    assert found, "the definitions hold no asset"
    # One forward pass writes two assets (`embeddings`, `token_embeddings`): the file bears the name of one of them.
    assert [module for module, names in found.items() if module.rsplit(".", 1)[-1] not in names] == []
