"""An index that was closed says so, whatever is asked of it."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xtr_assets as xa
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.index import DenseIndex, TokenIndex
from xtr_assets_tests.index.late.token_corpus import make_corpus, unit

DIM = 32
CORPUS = make_corpus(40, dim=DIM, length=4)
VECTORS = unit(np.random.default_rng(1).normal(size=(40, DIM)))
QUERY = CORPUS.queries[0]

Index = DenseIndex | TokenIndex
Use = Callable[[Any], Any]


def dense() -> DenseIndex:
    return DenseIndex.build(VECTORS, "Flat")


def tokens() -> TokenIndex:
    return TokenIndex.build(CORPUS.tokens, CORPUS.offsets)


# Every public name of an index; a test sees to it that none is left out.
USES: dict[Callable[[], Index], dict[str, Use]] = {
    dense: {
        "add": lambda one: one.add(VECTORS),
        "add_rows": lambda one: one.add_rows(np.array([0])),
        "answer": lambda one: one.answer(VECTORS, SearchOptions(3)),
        "apply": lambda one: one.apply("rescore=20"),
        "codes_read_by": lambda one: one.codes_read_by,
        "confirm": lambda one: one.confirm(VECTORS),
        "describe": lambda one: one.describe(),
        "dim": lambda one: one.dim,
        "evolve": lambda one: one.evolve(np.array([0]), np.empty(0, np.int64), dense().vectors),
        "faiss_index": lambda one: one.faiss_index,
        "memory_bytes": lambda one: one.memory_bytes,
        "placement": lambda one: one.placement,
        "plan_search": lambda one: one.plan_search(3),
        "present": lambda one: one.present,
        "profile": lambda one: one.profile,
        "recipe": lambda one: one.recipe,
        "reconstruct": lambda one: one.reconstruct(np.array([0])),
        "remove": lambda one: one.remove(np.array([0])),
        "replace_lists": lambda one: one.replace_lists(dense().faiss_index, "Flat", np.array([0])),
        "reset": lambda one: one.reset(),
        "restore": lambda one: one.restore(dense().profile),
        "rows_scored_by": lambda one: one.rows_scored_by,
        "save": lambda one: one.save("nowhere"),
        "save_index": lambda one: one.save_index("nowhere.faiss"),
        "search": lambda one: one.search(VECTORS, 3),
        "search_with_refine": lambda one: one.search_with_refine(VECTORS, 3),
        "served": lambda one: one.served,
        "to": lambda one: one.to("cpu"),
        "tune": lambda one: one.tune(VECTORS),
        "tuning": lambda one: one.tuning,
        "vectors": lambda one: one.vectors,
        "__len__": len,
    },
    tokens: {
        "add": lambda one: one.add(CORPUS.tokens, CORPUS.offsets),
        "answer": lambda one: one.answer([QUERY], SearchOptions(3)),
        "apply": lambda one: one.apply("rescore=20"),
        "backend": lambda one: one.backend,
        "choice": lambda one: one.choice,
        "codec": lambda one: one.codec,
        "compact": lambda one: one.compact(),
        "describe": lambda one: one.describe(),
        "device": lambda one: one.device,
        "dim": lambda one: one.dim,
        "exact": lambda one: one.exact(QUERY, 3),
        "explain": lambda one: one.explain(QUERY, 0),
        "explain_rows": lambda one: one.explain_rows(QUERY, [0]),
        "live": lambda one: one.live,
        "memory_bytes": lambda one: one.memory_bytes,
        "merge": lambda one: one.merge(tokens()),
        "model": lambda one: one.model,
        "profile": lambda one: one.profile,
        "remove": lambda one: one.remove(np.array([0])),
        "reset": lambda one: one.reset(),
        "save": lambda one: one.save("nowhere"),
        "score": lambda one: one.score(QUERY, np.array([0])),
        "search": lambda one: one.search(QUERY, 3),
        "search_batch": lambda one: one.search_batch([QUERY], 3),
        "search_detailed": lambda one: one.search_detailed(QUERY, 3),
        "segments": lambda one: one.segments,
        "to": lambda one: one.to("cpu"),
        "token_count": lambda one: one.token_count,
        "tune": lambda one: one.tune([QUERY]),
        "__len__": len,
    },
}
# Made before there is an index, or about closing itself; plain facts of a build say nothing wrong afterwards.
OTHERS = {"build", "load", "open", "ready", "close", "plan_of_build", "built"}


@pytest.mark.parametrize("make", USES, ids=lambda make: make.__name__)
def test_every_public_name_is_used_here(make: Callable[[], Index]) -> None:
    names = {name for name in dir(make()) if not name.startswith("_")} - OTHERS
    assert names == {name for name in USES[make] if not name.startswith("_")}


@pytest.mark.parametrize(
    ("make", "name"),
    [(make, name) for make, uses in USES.items() for name in uses],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_closed_index_says_so_and_what_to_do(
    make: Callable[[], Index], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    index = make()
    index.close()
    with pytest.raises(xa.IndexClosed, match=f"this {type(index).__name__} was closed; open or build another one"):
        USES[make][name](index)
    assert not index.ready
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", USES, ids=lambda make: make.__name__)
def test_a_block_closes_its_index_and_closing_twice_is_allowed(make: Callable[[], Index]) -> None:
    with make() as index:
        assert index.ready
        assert len(index) == 40
    assert not index.ready
    index.close()
    with pytest.raises(RuntimeError, match="of the block"), make() as other:
        raise RuntimeError("of the block")
    assert not other.ready


@pytest.mark.parametrize("make", USES, ids=lambda make: make.__name__)
def test_an_open_index_still_knows_what_it_lacks(make: Callable[[], Index]) -> None:
    index = make()
    assert not hasattr(index, "sarch")
    with pytest.raises(AttributeError, match="no attribute 'sarch'"):
        index.sarch  # type: ignore[union-attr]  # noqa: B018


def test_closing_gives_the_memory_back(tmp_path: Path) -> None:
    """What was mapped is let go: nothing of the folder stays open in this process."""
    DenseIndex.build(VECTORS, "Flat", tmp_path / "dense")
    tokens().save(tmp_path / "tokens")
    dense, late = DenseIndex.load(tmp_path / "dense", "cpu"), TokenIndex.load(tmp_path / "tokens", "cpu")
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc here: what a process maps cannot be listed")
    dense.search(VECTORS, 3)
    late.search(QUERY, 3)
    assert str(tmp_path) in maps.read_text()
    for index in (dense, late):
        index.close()
    assert str(tmp_path) not in maps.read_text()


@pytest.mark.parametrize("make", USES)
def test_an_index_is_neither_copied_nor_pickled_and_says_what_to_do(make: Callable[[], Index]) -> None:
    """A copy shared what the other one changed, and whether pickle took an index went by its recipe."""
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="save it, and open what was saved where it is needed"):
            way(make())


# Of threads that search in C++ while the interpreter ends, as it does for as long as a last object takes to go.
ENDING = """
import threading, time
import numpy as np
from xtr_assets.index import TokenIndex

tokens = np.full((4000, 64), 0.125, np.float32)
index = TokenIndex.build(tokens, np.arange(0, 4001, 8))
assert index.backend == "native"

class Slow:
    def __del__(self):
        time.sleep(0.1)

def search():
    while True:
        index.search(tokens[:16], 5)

slow = Slow()
for _ in range(4):
    threading.Thread(target=search, daemon=True).start()
time.sleep(0.05)
"""


@pytest.mark.skipif(tokens().backend != "native", reason="the extension is not built: numba searches")
def test_a_process_whose_daemon_threads_search_ends_well() -> None:
    ended = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
