"""The peers of benchmarks/dense.py, in an interpreter of their own: one JSON request a line, one JSON answer a line.

Requests: {"build": peer, "vectors": path} -> {"seconds", "parameters": ladder}; {"peer", "parameter", "queries": path,
"k", "single"} -> {"seconds" of CPU a query, "rows"}.
"""

import json
import sys
import time

import numpy as np


def hnswlib(vectors):
    import hnswlib

    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), M=16, ef_construction=200)
    index.set_num_threads(1)
    index.add_items(vectors, num_threads=2)

    def search(queries, k, ef):
        index.set_ef(ef)
        return index.knn_query(queries, k, num_threads=1)[0]

    return search, [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]


def usearch(vectors):
    from usearch.index import Index

    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=16)
    index.add(np.arange(len(vectors)), vectors, threads=2)

    def search(queries, k, ef):
        index.expansion_search = ef
        return np.asarray(index.search(queries, k, threads=1).keys).reshape(len(queries), k)

    return search, [16, 32, 64, 96, 128, 192, 256, 384, 512]


def voyager(vectors):
    import voyager

    index = voyager.Index(voyager.Space.InnerProduct, vectors.shape[1], M=16, ef_construction=200)
    index.add_items(vectors, num_threads=2)

    def search(queries, k, ef):
        return index.query(queries, k, num_threads=1, query_ef=ef)[0]

    return search, [16, 32, 64, 96, 128, 192, 256, 384, 512]


PEERS = {"hnswlib": hnswlib, "usearch": usearch, "voyager": voyager}


def main():
    built = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "build" in request:
                started = time.perf_counter()
                built[request["build"]] = PEERS[request["build"]](np.load(request["vectors"]))
                answer = {
                    "seconds": time.perf_counter() - started,
                    "parameters": built[request["build"]][1],
                }
            else:
                search, queries = built[request["peer"]][0], np.load(request["queries"])
                started = time.process_time()
                if request["single"]:
                    rows = [
                        search(queries[i : i + 1], request["k"], request["parameter"])[0] for i in range(len(queries))
                    ]
                else:
                    rows = search(queries, request["k"], request["parameter"])
                seconds = (time.process_time() - started) / len(queries)
                answer = {"seconds": seconds, "rows": np.asarray(rows).astype(int).tolist()}
        except ImportError as error:
            answer = {"missing": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
