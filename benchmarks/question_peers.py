"""The peers of benchmarks/question.py, in an interpreter of their own: one JSON request a line, one JSON answer a line.

It needs lancedb, qdrant-client, hnswlib and sentence-transformers.
Requests: {"build": peer, "folder": path, "model": path} -> {"version", "seconds" of CPU}; {"ask": peer, "texts", "k"}
-> of each text {"encode", "search"} in seconds of CPU, and "rows". The folder holds vectors.npy (float32, unit length)
and chunks.json (what a hit is told with). A question is encoded by sentence-transformers, one thread.
"""

import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("LANCE_CPU_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np


def hnswlib(vectors, chunks):
    """Rows alone come from it: what they are is looked up beside it, as its users do."""
    import hnswlib

    index = hnswlib.Index("ip", vectors.shape[1])
    index.init_index(len(vectors), M=16, ef_construction=200)
    index.set_num_threads(1)
    index.add_items(vectors)
    index.set_ef(64)

    def search(vector, k):
        rows = index.knn_query(vector[None], k, num_threads=1)[0][0]
        return [(int(row), chunks[row]) for row in rows]

    return search


def qdrant(vectors, chunks):
    """Its local mode, which scans all vectors in numpy."""
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    client.create_collection(
        "chunks", vectors_config=models.VectorParams(size=vectors.shape[1], distance=models.Distance.DOT)
    )
    client.upload_collection("chunks", vectors=vectors, payload=chunks, ids=range(len(vectors)))

    def search(vector, k):
        points = client.query_points("chunks", query=vector, limit=k, with_payload=True).points
        return [(point.id, point.payload) for point in points]

    return search


def lancedb(vectors, chunks):
    """A table in a folder, scanned: below 100,000 rows its makers advise no index."""
    import lancedb

    database = lancedb.connect(tempfile.mkdtemp())
    rows = [
        {"row": i, "vector": vector, **chunk} for i, (vector, chunk) in enumerate(zip(vectors, chunks, strict=True))
    ]
    table = database.create_table("chunks", rows)

    def search(vector, k):
        found = table.search(vector).distance_type("dot").limit(k).to_list()
        return [(one["row"], one) for one in found]

    return search


PEERS = {"hnswlib": hnswlib, "qdrant": qdrant, "lancedb": lancedb}
PACKAGES = {"hnswlib": "hnswlib", "qdrant": "qdrant-client", "lancedb": "lancedb"}


def open_model(folder):
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    return SentenceTransformer(folder, device="cpu")


def asked(model, search, text, k):
    start = time.process_time()
    vector = model.encode(text, show_progress_bar=False)
    encoded = time.process_time()
    found = search(np.asarray(vector, np.float32), k)
    return {"encode": encoded - start, "search": time.process_time() - encoded, "rows": [row for row, _ in found]}


def main():
    built, model = {}, None
    for line in sys.stdin:
        request = json.loads(line)
        if "build" in request:
            peer, folder = request["build"], Path(request["folder"])
            model = model or open_model(request["model"])
            start = time.process_time()
            built[peer] = PEERS[peer](np.load(folder / "vectors.npy"), json.loads((folder / "chunks.json").read_text()))
            answer = {"version": version(PACKAGES[peer]), "seconds": time.process_time() - start}
        else:
            answer = [asked(model, built[request["ask"]], text, request["k"]) for text in request["texts"]]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
