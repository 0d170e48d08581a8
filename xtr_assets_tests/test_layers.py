"""The import law of docs/architecture.md, walked by AST: imports go only to the left."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import xtr_assets

PACKAGE = Path(xtr_assets.__file__).parent

# How far right a layer stands. An import may go to a layer with a smaller number, or stay inside its own folder:
# {sources, encoders, index, storage} share a number and never import each other, nor do {defs, cli, server,
# integrations}.
RANKS = {
    "core": 0,
    "config": 1,
    "sources": 2,
    "encoders": 2,
    "index": 2,
    "storage": 2,
    "search": 3,
    "testing": 3,
    "client": 4,
    "pipeline": 4,
    "integrations": 5,
    "defs": 5,
    "server": 5,
    "cli": 5,
    "definitions": 6,
}

# The public API gathers names from the layers, so only what stands at the right end of the law may import it.
PUBLIC_API_RANK = 4

# The command `build` runs the assets, and `serve` the server: cli may import its neighbours, nobody imports cli.
NEIGHBOURS = {("cli", "defs"), ("cli", "server")}

SOLE_IMPORTERS = {
    "starlette": ("server",),
    "uvicorn": ("server",),
    "mcp": ("server",),
    "langchain_core": ("integrations/langchain.py",),
    "llama_index": ("integrations/llama_index.py",),
    "faiss": ("index",),
    "obstore": ("storage/remote/object_bucket.py",),
    "duckdb": ("storage/catalog.py",),
    "dagster": ("defs", "definitions.py"),
}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def layer_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


@cache
def imported(path: Path) -> tuple[tuple[int, str], ...]:
    """(line, dotted name) of every import, those inside functions included; relative ones made absolute."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[tuple[int, str]]:
    package = ("xtr_assets", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield node.lineno, module
            if module == "xtr_assets":
                for alias in node.names:
                    yield node.lineno, f"xtr_assets.{alias.name}"


def offence(layer: str, name: str) -> str | None:
    """Why `layer` may not import `name`, or None where it may."""
    parts = name.split(".")
    if parts[0] != "xtr_assets" or layer in ("__init__", "__main__"):
        return None
    target = parts[1] if len(parts) > 1 else "__init__"
    if target == layer:
        return None
    if target == "telemetry":
        return "core uses nothing, telemetry neither" if layer == "core" else None
    if layer == "telemetry":
        return "telemetry is a leaf"
    if target not in RANKS:
        return (
            None if RANKS[layer] >= PUBLIC_API_RANK else "only pipeline and what stands right of it use the public API"
        )
    if RANKS[target] < RANKS[layer] or (layer, target) in NEIGHBOURS:
        return None
    return f"{target} does not stand to the left of {layer}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_only_to_the_left(path: Path) -> None:
    layer = layer_of(path)
    assert layer in RANKS or layer in ("__init__", "__main__", "telemetry"), f"{path.name} belongs to no layer"
    found = [f"line {line}: {name} ({why})" for line, name in imported(path) if (why := offence(layer, name))]
    assert not found, found


@pytest.mark.parametrize("library", SOLE_IMPORTERS)
def test_a_heavy_library_has_one_importer(library: str) -> None:
    def may(path: Path) -> bool:
        place = path.relative_to(PACKAGE).as_posix()
        return any(place == allowed or place.startswith(allowed + "/") for allowed in SOLE_IMPORTERS[library])

    importers = {path for path in modules() for _, name in imported(path) if name.split(".")[0] == library}
    assert not [path for path in importers if not may(path)]


def test_the_law_itself_finds_an_arrow_to_the_right() -> None:
    assert offence("storage", "xtr_assets.index.dense.index")
    assert offence("index", "xtr_assets.storage")
    assert offence("core", "xtr_assets.telemetry.tracing")
    assert offence("search", "xtr_assets.pipeline.gate.index_recall")
    assert offence("storage", "xtr_assets")
    assert offence("defs", "xtr_assets.cli")
    assert offence("pipeline", "xtr_assets.search.loaders") is None
    assert offence("cli", "xtr_assets.defs.in_process") is None
