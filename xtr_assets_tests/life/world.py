"""What a life is about: sources on the disk, the config over them, and what a fresh full build of them answers."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps

K = 4
MODES = ("dense", "xtr", "hybrid")
# Asked in words alone, beside the texts of all chunks.
DEMANDS = ('"red green"', "+sun moon", '"two three" +return', "+nowhere")
# (chunk_id, fused score, scores by space)
Answers = list[tuple[int, float, dict[str, float]]]

CONFIG = """
name: life
sources:
  - {{name: code, kind: python, path: code, shards: {shards}{names}}}
{notes}
encoder: {{kind: hashing, dim: {dim}, token_dim: {token_dim}}}
recall: {{queries: 6, k: 4, dense: {threshold}, xtr: 0.0, new_rows: 0.0}}
dense: {{recipe: "{recipe}"}}
"""
NOTES = "  - {name: notes, kind: records, path: notes}"


@dataclass
class World:
    """Files below `folder` and the settings of the index over them."""

    folder: Path
    shards: int = 2
    notes: bool = True
    names: bool = True
    # "dense", "tokens" or "both".
    legs: str = "both"
    dim: int = 16
    recipe: str = "auto"
    threshold: float = 0.0
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A source without any file, or of records without any, is refused, not emptied: each has one that stays.
        for name, text in (("code/empty.py", ""), ("notes/kept.jsonl", records({"kept": "a note that stays"}))):
            (self.folder / name).parent.mkdir(exist_ok=True)
            self.write(name, text)

    @property
    def config(self) -> IndexConfig:
        text = CONFIG.format(
            shards=self.shards,
            notes=NOTES if self.notes else "",
            # Without embeddings there are no names to ask for, nor a recipe.
            names=f", names: {json.dumps(self.names)}" if self.dense else "",
            dim=self.dim if self.dense else 0,
            token_dim=0 if self.legs == "dense" else 16,
            recipe=self.recipe if self.dense else "auto",
            threshold=self.threshold,
        )
        return parse_config(text, self.folder)

    @property
    def dense(self) -> bool:
        """Whether the index has embeddings."""
        return self.legs != "tokens"

    def write(self, path: str, text: str | None) -> None:
        """The file holds `text`, or is gone. Records that are emptied stay until their file goes, so it goes."""
        target = self.folder / path
        if text is None or (path.endswith(".jsonl") and not text):
            self.files.pop(path, None)
            target.unlink(missing_ok=True)
        else:
            self.files[path] = text
            target.write_text(text)

    @property
    def state(self) -> str:
        """Names what an index over the world holds, whatever its layout and recipe."""
        files = {path: text for path, text in self.files.items() if self.notes or not path.startswith("notes/")}
        return json.dumps([sorted(files.items()), self.legs, self.dim, self.names])


@dataclass(frozen=True)
class Write:
    """A file gets this text, or goes."""

    path: str
    text: str | None

    def apply(self, world: World) -> None:
        world.write(self.path, self.text)


@dataclass(frozen=True)
class Move:
    """A file gets another name; what lay there is gone."""

    source: str
    goal: str

    def apply(self, world: World) -> None:
        text = world.files.get(self.source)
        if text is not None and self.source != self.goal:
            world.write(self.source, None)
            world.write(self.goal, text)


Edit = Write | Move


@dataclass(frozen=True)
class Reference:
    """What a fresh full build answers: chunk_id -> (path, symbol, text as it is encoded, first line), the vectors of
    names by chunk_id, and answers by query."""

    chunks: Mapping[int, tuple[str, str, str, int]]
    answers: Mapping[str, Answers]
    dense: Mapping[str, Answers]
    words: Mapping[str, Answers]
    names: Mapping[int, bytes]


def module(functions: Mapping[str, str], above: int = 0) -> str:
    """A Python file of functions, each with the words of its body, below so many blank lines."""
    return "\n" * above + "\n\n".join(f"def {name}():\n    return '{words}'\n" for name, words in functions.items())


def records(texts: Mapping[str, str]) -> str:
    """A file of records."""
    return "".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in texts.items())


def ask(searcher: Searcher, query: str, mode: str, k: int = K) -> Answers:
    hits = searcher.search(query, k, mode)  # type: ignore[arg-type]
    return [(hit.chunk_id, hit.score, dict(hit.scores)) for hit in hits]


def held(warehouse: Warehouse, number: int) -> dict[int, tuple[str, str, str, int]]:
    """What a generation holds, as `Reference.chunks`."""
    table = warehouse.generation(number).chunk_table(["chunk_id", "path", "symbol", "title", "text", "start_line"])
    rows = table.to_pylist()
    found = {
        row["chunk_id"]: (
            row["path"],
            row["symbol"],
            "\n".join(filter(None, (row["title"], row["text"]))),
            row["start_line"],
        )
        for row in rows
    }
    assert len(found) == len(rows), "a chunk_id stands twice"
    return found


def named(warehouse: Warehouse, number: int) -> dict[int, bytes]:
    """The vector of each row's name in a generation, by chunk_id; nothing where it has no names."""
    generation = warehouse.generation(number)
    names, table = generation.names(), generation.chunk_table(["chunk_id"])
    if names is None:
        return {}
    vectors = names.gather(table["row"].to_numpy())
    return {one: vector.tobytes() for one, vector in zip(table["chunk_id"].to_pylist(), vectors, strict=True)}


def fresh_build(world: World) -> Reference:
    """Build the world anew in a warehouse of its own, with an index that reads everything and a gate that passes it."""
    folder = Path(tempfile.mkdtemp())
    try:
        config = world.config.model_copy(update={"warehouse": folder / "w"})
        if world.dense:
            config = config.model_copy(update={"dense": config.dense.model_copy(update={"recipe": "Flat"})})
        config = config.model_copy(update={"recall": config.recall.model_copy(update={"dense": 0.0})})
        warehouse = Warehouse.create(folder / "w")
        assert steps.build(warehouse, config).generation is not None
        chunks = held(warehouse, 1)
        queries = sorted({text for _, _, text, _ in chunks.values()} | {"nothing like it"})
        with Searcher(warehouse, "cpu") as searcher:
            exact = {query: ask(searcher, query, "exact") for query in queries}
            dense = {query: ask(searcher, query, "dense") for query in queries if "dense" in searcher.modes}
            words = {query: ask(searcher, query, "lexical") for query in (*queries, *DEMANDS)}
        return Reference(chunks, exact, dense, words, named(warehouse, 1))
    finally:
        shutil.rmtree(folder)
