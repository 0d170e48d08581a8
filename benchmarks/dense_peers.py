"""The peers of benchmarks/dense.py, in an interpreter of their own: one JSON request a line, one JSON answer a line.

Requests: {"build": peer, "vectors": path} -> {"seconds" of CPU, "version", "parameters": what to try}; {"peer",
"parameter", "queries": path, "k", "single"} -> {"seconds" of CPU a query, "rows"}.
"""

import json
import os
import sys
import tempfile
import time
from importlib.metadata import version

os.environ.setdefault("LANCE_CPU_THREADS", "1")

import numpy as np


def hnswlib(vectors):
    import hnswlib

    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), M=16, ef_construction=200)
    index.set_num_threads(1)
    index.add_items(vectors, num_threads=2)

    def search(queries, k, *, ef):
        index.set_ef(ef)
        return index.knn_query(queries, k, num_threads=1)[0]

    return search, [{"ef": ef} for ef in [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]]


def usearch(vectors):
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=16)
    index.add(np.arange(len(vectors)), vectors, threads=2)

    def search(queries, k, *, ef):
        index.expansion_search = ef
        return np.asarray(index.search(queries, k, threads=1).keys).reshape(len(queries), k)

    return search, [{"ef": ef} for ef in [16, 32, 64, 96, 128, 192, 256, 384, 512]]


def voyager(vectors):
    import voyager

    index = voyager.Index(voyager.Space.InnerProduct, vectors.shape[1], M=16, ef_construction=200)
    index.add_items(vectors, num_threads=2)

    def search(queries, k, *, ef):
        return index.query(queries, k, num_threads=1, query_ef=ef)[0]

    return search, [{"ef": ef} for ef in [16, 32, 64, 96, 128, 192, 256, 384, 512]]


def lance_pq(vectors):
    table = lance_table(vectors)
    table.create_index(metric="dot", index_type="IVF_PQ")
    ladder = [{"nprobes": n, "refine_factor": r} for n in (5, 20, 80) for r in (5, 20, 50)]
    return lance_search(table), ladder


def lance_hnsw(vectors):
    table = lance_table(vectors)
    table.create_index(metric="dot", index_type="IVF_HNSW_SQ", m=16, ef_construction=200)
    ladder = [{"nprobes": n, "refine_factor": 2, "ef": ef} for n in (1, 5, 20) for ef in (32, 128, 384)]
    return lance_search(table), ladder


def lance_table(vectors):
    import lancedb
    import pyarrow as pa

    held = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    rows = pa.table({"row": np.arange(len(vectors)), "vector": held})
    return lancedb.connect(tempfile.mkdtemp(prefix="lance-")).create_table("vectors", rows)


def lance_search(table):
    def search(queries, k, *, nprobes, refine_factor, ef=None):
        rows = []
        for query in queries:
            request = table.search(query).distance_type("dot").limit(k).select(["row"])
            request = request.nprobes(nprobes).refine_factor(refine_factor)
            found = (request if ef is None else request.ef(ef)).to_arrow()["row"].to_numpy()
            rows.append(np.pad(found, (0, k - len(found)), constant_values=-1))
        return np.array(rows)

    return search


PEERS = {
    "hnswlib": hnswlib,
    "usearch": usearch,
    "voyager": voyager,
    "lancedb IVF_PQ": lance_pq,
    "lancedb IVF_HNSW_SQ": lance_hnsw,
}


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints must not meet the answers
    built = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "build" in request:
                started = time.process_time()
                built[request["build"]] = PEERS[request["build"]](np.load(request["vectors"]))
                answer = {
                    "seconds": time.process_time() - started,
                    "version": version(request["build"].split()[0]),
                    "parameters": built[request["build"]][1],
                }
            else:
                search, queries = built[request["peer"]][0], np.load(request["queries"])
                started = time.process_time()
                if request["single"]:
                    rows = [
                        search(queries[i : i + 1], request["k"], **request["parameter"])[0] for i in range(len(queries))
                    ]
                else:
                    rows = search(queries, request["k"], **request["parameter"])
                seconds = (time.process_time() - started) / len(queries)
                answer = {"seconds": seconds, "rows": np.asarray(rows).astype(int).tolist()}
        except ImportError as error:
            answer = {"missing": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
