"""The peers of benchmarks/late_interaction.py, each in an interpreter of its own: one JSON request a line, one answer.

    python benchmarks/late_peers.py PEER DATA FOLDER

DATA holds tokens.npy float16 [T, d], offsets.npy int64 [n + 1], token_ids.npy int64 [T] where known, queries.npy
float32 [Q, d] and query_offsets.npy int64 [q + 1]; FOLDER is the peer's own. Requests are the names of Worker's
methods with their arguments. What a peer prints goes to standard error. Written against fast-plaid 1.7.0.2110 and
xtr-warp-rs 2.1.0.2110 (both on torch 2.11), tachiom 0.4.0, lancedb 0.40.0.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")
os.environ.setdefault("LANCE_CPU_THREADS", "1")

import numpy as np


class Ours:
    """xtr-assets."""

    package = "xtr-assets"
    builds = ({},)
    settings = (
        {},
        *({"nprobe": n, "rescore": r} for n in (2, 4, 8, 12) for r in (48, 64, 96, 128, 192, 256, 384)),
    )
    codec = "int8-row-scale"

    def __init__(self):
        from xtr_assets.index import TokenIndex

        self.kind = TokenIndex

    def build(self, data, folder):
        self.kind.build(data.tokens, data.offsets, folder / "index", codec=self.codec)

    def open(self, data, folder):
        self.index = self.kind.load(folder / "index")

    def search(self, query, k, allowed, **setting):
        return self.index.search(query, k, allowed=allowed, **setting)[1]

    def add(self, data, stop):
        self.index.add(data.tokens[: data.offsets[stop]], data.offsets[: stop + 1])

    def remove(self, rows):
        self.index.remove(rows)


class Compact(Ours):
    """xtr-assets with the smaller rows."""

    codec = "residual-5-bit"


def documents(data, stop=None):
    """float32 tensors, one a document."""
    import torch

    bounds = data.offsets[: None if stop is None else stop + 1]
    return [torch.from_numpy(data.tokens[a:b].astype(np.float32)) for a, b in pairwise(bounds)]


class FastPlaid:
    """fast-plaid. What it scores is its own compressed tokens, so that more bits raise what can be reached."""

    package = "fast-plaid"
    builds = ({}, {"nbits": 8})
    settings = (
        {},
        *({"n_ivf_probe": p, "n_full_scores": n} for p in (4, 8, 16) for n in (64, 256, 1024, 4096)),
    )

    def __init__(self):
        import torch
        from fast_plaid import search

        torch.set_num_threads(1)
        self.kind = search.FastPlaid

    def build(self, data, folder, **options):
        self.kind(index=str(folder), device="cpu").create(documents(data), **options)

    def open(self, data, folder):
        self.index = self.kind(index=str(folder), device="cpu")

    def search(self, query, k, allowed, **setting):
        import torch

        subset = None if allowed is None else np.flatnonzero(allowed).tolist()
        query = torch.from_numpy(query)[None]
        found = self.index.search(query, top_k=k, subset=subset, show_progress=False, n_processes=1, **setting)[0]
        return [row for row, _ in found]

    def add(self, data, stop):
        self.index.update(documents(data, stop))

    def remove(self, rows):
        self.index.delete(rows)


class Warp:
    """xtr-warp-rs. It returns the scores of its compressed tokens, with imputation for tokens that were not read."""

    package = "xtr-warp-rs"
    builds = ({},)  # 4 bits; with 8 the process ends while it builds
    settings = (
        {},
        *(
            {"nprobe": p, "bound": max(128, 4 * p), "centroid_score_threshold": 0.0, "t_prime": t}
            for p in (4, 16, 32, 64, 128)
            for t in (20_000, 200_000)
        ),
        *({"nprobe": p, "bound": 4 * p, "t_prime": 200_000, "max_candidates": 10_000_000} for p in (32, 64, 128)),
    )

    def __init__(self):
        import torch
        from xtr_warp import XTRWarp

        torch.set_num_threads(1)
        self.kind = XTRWarp

    def build(self, data, folder, **options):
        self.kind(str(folder)).create(documents(data), device="cpu", show_progress=False, **options)

    def open(self, data, folder):
        self.index = self.kind(str(folder), device="cpu").load(device="cpu")

    def search(self, query, k, allowed, **setting):
        import torch

        subset = None if allowed is None else np.flatnonzero(allowed).tolist()
        query = torch.from_numpy(query)[None]
        found = self.index.search(query, top_k=k, num_threads=1, subset=subset, show_progress=False, **setting)[0]
        return [row for row, _ in found]

    def add(self, data, stop):
        self.index.add(documents(data, stop), show_progress=False)

    def remove(self, rows):
        self.index.delete(rows)


class Tachiom:
    """tachiom. It knows neither add, nor remove, nor filters."""

    package = "tachiom"
    builds = ({}, {"tokens_per_centroid": 16})
    settings = (
        {},
        *(
            {"k_centroids": c, "ef_search": 2 * c, "k_docs_to_score": d, "alpha": None}
            for c in (20, 50, 100)
            for d in (100, 300, 1000)
        ),
    )

    def __init__(self):
        from tachiom import Tachiom

        self.kind = Tachiom

    def build(self, data, folder, tokens_per_centroid=None):
        options = {"total_centroids": len(data.tokens) // tokens_per_centroid} if tokens_per_centroid else {}
        if data.token_ids is None:
            raise ValueError("it needs token ids, which this set has not")
        # The arrays themselves are refused (numpy 2.4's float16 by the build on the registry), files are not.
        lengths = folder / "lengths.npy"
        np.save(lengths, np.diff(data.offsets).astype(np.int32))
        index = self.kind.build(
            *(str(data.folder / f"{name}.npy") for name in ("tokens", "token_ids")), str(lengths), **options
        )
        lengths.unlink()
        index.save(str(folder / "index.bin"))

    def open(self, data, folder):
        self.index = self.kind.load(str(folder / "index.bin"))

    def search(self, query, k, allowed, **setting):
        return self.index.search(query, k, **setting)[1].astype(np.int64)


class Lance:
    """LanceDB: token vectors under IVF_PQ, each found document scored exactly from its floats."""

    package = "lancedb"
    builds = ({}, {"num_sub_vectors": 32})
    settings = (
        {},
        *({"nprobes": 20, "refine_factor": r} for r in (5, 20, 50, 150)),
    )

    def __init__(self):
        import lancedb

        self.connect = lancedb.connect

    @staticmethod
    def rows(data, first, stop, base):
        """Documents as Arrow, float16 as given; `bucket` is what the filter reads."""
        import pyarrow as pa

        bounds = data.offsets[first : stop + 1]
        flat = np.ascontiguousarray(data.tokens[bounds[0] : bounds[-1]])
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])
        lists = pa.ListArray.from_arrays(pa.array((bounds - bounds[0]).astype(np.int32)), vectors)
        numbers = np.arange(base, base + stop - first)
        return pa.table({"row": numbers, "bucket": numbers % 100, "vector": lists})

    def build(self, data, folder, **options):
        count = len(data.offsets) - 1
        base = self.connect(str(folder))
        table = base.create_table("documents", self.rows(data, 0, min(2000, count), 0))
        for first in range(2000, count, 2000):
            table.add(self.rows(data, first, min(first + 2000, count), first))
        table.optimize()
        table.create_index(metric="cosine", vector_column_name="vector", **options)
        table.create_scalar_index("bucket")

    def open(self, data, folder):
        self.table = self.connect(str(folder)).open_table("documents")

    def search(self, query, k, allowed, nprobes=None, refine_factor=None):
        request = self.table.search(query, vector_column_name="vector").distance_type("cosine").limit(k).select(["row"])
        if allowed is not None:
            request = request.where(f"bucket = {int(np.flatnonzero(allowed)[0]) % 100}", prefilter=True)
        if nprobes:
            request = request.nprobes(nprobes)
        if refine_factor:
            request = request.refine_factor(refine_factor)
        return request.to_arrow()["row"].to_numpy()

    def add(self, data, stop):
        self.table.add(self.rows(data, 0, stop, len(data.offsets) - 1))

    def remove(self, rows):
        self.table.delete(f"row >= {min(rows)} and row <= {max(rows)}")


PEERS = {
    "xtr-assets": Ours,
    "xtr-assets-compact": Compact,
    "fast-plaid": FastPlaid,
    "xtr-warp-rs": Warp,
    "tachiom": Tachiom,
    "lancedb": Lance,
}


class Data:
    """The arrays of a run, mapped."""

    def __init__(self, folder):
        self.folder = folder
        self.tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        self.offsets = np.load(folder / "offsets.npy")
        ids = folder / "token_ids.npy"
        self.token_ids = np.load(ids) if ids.exists() else None
        self.queries, self.query_offsets = np.load(folder / "queries.npy"), np.load(folder / "query_offsets.npy")

    def query(self, number):
        return np.ascontiguousarray(self.queries[self.query_offsets[number] : self.query_offsets[number + 1]])


class Worker:
    """What a driver can ask."""

    def __init__(self, name, data, folder):
        self.peer, self.data, self.folder = PEERS[name](), Data(data), folder

    def about(self):
        can = [verb for verb in ("add", "remove") if hasattr(self.peer, verb)]
        filters = not isinstance(self.peer, Tachiom)
        about = {"version": version(self.peer.package), "builds": self.peer.builds, "settings": self.peer.settings}
        return {**about, "can": [*can, *(["filter"] if filters else [])]}

    def build(self, options):
        self.folder.mkdir(parents=True, exist_ok=True)
        cpu = time.process_time()
        self.peer.build(self.data, self.folder, **options)
        size = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        return {"cpu": time.process_time() - cpu, "bytes": size}

    def open(self):
        return self.clock(lambda: (self.peer.open(self.data, self.folder), self.ask(0, {}, None)))

    def search(self, queries, setting, bucket=None):
        """Rows, wall and CPU milliseconds (all threads of the process) of each query; a filter keeps 1 % of rows."""
        allowed = None
        if bucket is not None:
            allowed = np.arange(len(self.data.offsets) - 1) % 100 == bucket
        answers = {"rows": [], "wall": [], "cpu": []}
        for number in queries:
            timed = self.clock(lambda number=number: self.ask(number, setting, allowed))
            answers["wall"].append(timed["wall"])
            answers["cpu"].append(timed["cpu"])
            answers["rows"].append(np.asarray(timed["result"]).tolist())
        return answers

    def add(self, count):
        """Documents that are there already, once more, until the next search has answered."""
        return self.clock(lambda: (self.peer.add(self.data, count), self.ask(0, {}, None)))

    def remove(self, count):
        return self.clock(lambda: (self.peer.remove(list(range(count))), self.ask(0, {}, None)))

    def ask(self, number, setting, allowed):
        return self.peer.search(self.data.query(number), 10, allowed, **setting)

    @staticmethod
    def clock(call):
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        spent = {"wall": 1e3 * (time.perf_counter() - wall), "cpu": 1e3 * (time.process_time() - cpu)}
        return {**spent, "result": None if isinstance(result, tuple) else result}


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            worker = worker or Worker(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
