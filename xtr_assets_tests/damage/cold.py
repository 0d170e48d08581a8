"""A store that is read from an empty cache: one of its objects, or a whole file that came early, is damaged."""

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.digests import forget_digests
from xtr_assets.storage.remote import block_lists, cold_start
from xtr_assets.storage.remote.address import Address
from xtr_assets.storage.remote.block_lists import BlockLists
from xtr_assets.storage.remote.object_store import file_name
from xtr_assets.storage.remote.store_cache import CachedWarehouse, CacheOptions
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.damage.harms import HARMS
from xtr_assets_tests.damage.stock import QUESTIONS, Known, Stock
from xtr_assets_tests.damage.trial import Outcome, rounded, taker
from xtr_assets_tests.life.world import ask
from xtr_assets_tests.storage.remote.conftest import push_to
from xtr_assets_tests.storage.remote.faulty import FolderBucket, store_over

PLACE = Address("s3", "bucket/docs")
# Of files of a few kilobytes, some blocks each.
BLOCK = 611
# What can be in a folder and not in a store.
NO_OBJECT = {"directory", "fifo", "link"}


@contextmanager
def small_blocks() -> Iterator[None]:
    """A small store is read by ranges as well, and nothing comes behind a question."""
    with (
        patch.object(block_lists, "BLOCK_BYTES", BLOCK),
        patch.object(block_lists, "LISTED_BYTES", 1),
        patch.object(cold_start, "WHOLE_BYTES", 0),
        patch.object(cold_start, "QUIET_SECONDS", 3600.0),
    ):
        yield


def make_store(stock: Stock, folder: Path) -> Path:
    """What serves in `stock`, pushed with block lists."""
    with small_blocks():
        push_to(Warehouse.open(stock.warehouse), store_over(FolderBucket(folder)))
    return folder


def kinds_of(stock: Stock, store: Path) -> dict[str, dict[str, set[str]]]:
    """Objects by kind: each with the words of which a message must have one."""
    manifest = Warehouse.open(stock.warehouse).generation(stock.serving).manifest
    named = {file_name(one): name for name, one in manifest.files.items()}
    kinds: dict[str, dict[str, set[str]]] = {}
    for path in sorted(store.rglob("*")):
        object_name = path.relative_to(store).as_posix()
        if not path.is_file() or object_name.startswith("leases/"):
            continue
        name, data = named.get(object_name), path.read_bytes()
        words = {object_name, path.name, *(() if name is None else (name,))}
        if name is not None:
            ranged = name.endswith("chunks.arrow") or ("/embeddings." in name and name.endswith(".npy"))
            kind = "read by ranges" if ranged else "comes whole"
        elif object_name.startswith("moves/"):
            # Without its last move a store is one that nobody pushed to.
            kind, words = "move", {*words, "nothing is published in", f"move {int(path.stem)}"}
        elif object_name == "store.json":
            kind = object_name
        elif b'"block_bytes"' in data:
            kind, words = "document of block lists", words | {"block lists of generation"}
            told = BlockLists.from_bytes(data, object_name).lists.values()
            for one in told:
                listed = file_name(one)
                kinds.setdefault("block list", {})[listed] = {listed, one.sha256, "block list of"}
        else:
            kind = "of the generation's record"
        kinds.setdefault(kind, {})[object_name] = words
    for listed in kinds.get("block list", {}):
        for kind, held in kinds.items():
            if kind != "block list":
                held.pop(listed, None)
    return {kind: held for kind, held in kinds.items() if held}


def attempt_cold(stock: Stock, store: Path, seed: int, trial: int, folder: Path) -> Outcome:
    """Kinds come in turn, and files of `early/`, which a process that ended left, after them."""
    draw = random.Random(f"cold {seed} {trial}")
    root = folder / f"cold-{seed}-{trial}"
    shutil.copytree(store, root / "store")
    try:
        kinds = kinds_of(stock, root / "store")
        turn = [*sorted(kinds), "early"][trial % (len(kinds) + 1)]
        with small_blocks():
            if turn == "early":
                with Searcher(_cached(root), device="cpu") as searcher:
                    ask(searcher, QUESTIONS[0], "dense")
                files = [path for path in sorted(_cached(root).layout.early.rglob("*")) if path.is_file()]
                assert files, "nothing came early"
                path = draw.choice(files)
                names = {path.name}
                others = [one for one in files if one != path]
            else:
                name = draw.choice(sorted(kinds[turn]))
                path, names = root / "store" / name, kinds[turn][name]
                others = [root / "store" / one for one in kinds[turn] if one != name]
            # A store has objects alone.
            possible = sorted(HARMS if turn == "early" else HARMS.keys() - NO_OBJECT)
            for harm in draw.sample(possible, len(possible)):
                if HARMS[harm](path, others, draw):
                    break
            outcome = Outcome(trial, turn, harm, path.relative_to(root).as_posix())
            names |= {word for one in others for word in (one.name, *kinds.get(turn, {}).get(one.name, ()))}
            forget_digests()
            _read(stock.known, root, outcome, names)
        return outcome
    finally:
        shutil.rmtree(root)


def _cached(root: Path) -> CachedWarehouse:
    store = store_over(FolderBucket(root / "store"))
    return CachedWarehouse.at(PLACE, store, CacheOptions(root / "cache"), cold=True)


def _read(known: Known, root: Path, outcome: Outcome, names: set[str]) -> None:
    """Dense search from an empty cache; then a question that waits for all of it."""
    take = taker(outcome, names)

    def search(step: str, modes: tuple[str, ...]) -> None:
        with Searcher(_cached(root), device="cpu") as searcher:
            for mode in reversed(modes):
                for question in QUESTIONS:
                    found, true = ask(searcher, question, mode), known[mode, question]
                    if rounded(found) != rounded(true):
                        outcome.wrong[step] = f"{mode}, {question}: {found} in place of {true}"

    take("cold search", lambda: search("cold search", ("dense",)))
    take("search of all", lambda: search("search of all", ("dense", "hybrid", "lexical")))
