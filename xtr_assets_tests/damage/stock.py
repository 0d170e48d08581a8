"""The warehouse that is damaged: three generations and more, one withdrawn, a compaction, and what it answers."""

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.config import IndexConfig
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.world import Answers, World, ask, module, records

MODES = ("dense", "xtr", "hybrid", "lexical", "exact")
WORDS = ("red", "blue", "green", "fish", "boat", "tree", "moon", "sun", "stone", "river")
QUESTIONS = ("red fish on the river", "a note of the moon", "stone boat", "nothing like it")

# Of both, (mode, question) -> hits.
Known = dict[tuple[str, str], Answers]


@dataclass(frozen=True)
class Stock:
    """A whole warehouse over the sources of `config`, never damaged itself; generation `serving` answers `known`.
    `exported` is an export of it. `recorded` : the files of which a generation keeps the sha256."""

    config: IndexConfig
    warehouse: Path
    serving: int
    known: Known
    exported: Path
    recorded: frozenset[str]

    def copy(self, to: Path, *, exported: bool = False) -> Path:
        shutil.copytree(self.exported if exported else self.warehouse, to)
        return to


def answers(warehouse: Warehouse, modes: tuple[str, ...] = MODES) -> Known:
    """What a warehouse answers after every byte of it was compared with its record."""
    with Searcher(warehouse, "cpu", verify="full") as searcher:
        asked = [mode for mode in modes if mode in searcher.modes]
        return {(mode, question): ask(searcher, question, mode) for mode in asked for question in QUESTIONS}


def make_stock(folder: Path, legs: str = "both") -> Stock:
    """Four builds, one of them withdrawn, and a compaction; `legs` as of `World`."""
    world = World(folder, legs=legs)
    # Enough of them that some are about new rows, which the gate wants of a build with new rows.
    config = world.config.model_copy(update={"recall": world.config.recall.model_copy(update={"queries": 40})})
    draw = random.Random(14)
    for number in range(4):
        world.write(f"code/m{number}.py", _module(draw, 6))
    world.write("notes/a.jsonl", records({f"n{n}": _words(draw, 6) for n in range(10)}))
    warehouse = Warehouse.create(folder / "warehouse")
    for number in range(4):
        world.write(f"code/m{number}.py", _module(draw, 5))
        # Four segments of one shard are worth one.
        world.write(f"notes/b{number}.jsonl", records({f"o{number}-{n}": _words(draw, 6) for n in range(4)}))
        assert steps.build(warehouse, config, whole=True).generation is not None
        if number == 2:
            warehouse.withdraw(2, "to have one that was")
    assert steps.compact(warehouse, config, whole=True).generation is not None, "nothing was due"
    # Shards are kept in step with what serves, so that a build finds nothing to do.
    assert steps.build(warehouse, config, accepting=False).generation is None
    published = warehouse.published
    assert published is not None
    exported = warehouse.export(published.number, folder / "exported").root
    recorded = frozenset(name for one in warehouse.generations() for name in one.manifest.files)
    return Stock(config, warehouse.root, published.number, answers(warehouse), exported, recorded)


def _words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choices(WORDS, k=count))


def _module(draw: random.Random, functions: int) -> str:
    return module({f"f{draw.randrange(10**6)}": _words(draw, 5) for _ in range(functions)})
