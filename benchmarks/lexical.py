"""The lexical index on real code: terms, writing, opening and CPU milliseconds a query, beside bm25s where it is there.

    python benchmarks/lexical.py --chunks 50000 [--root FOLDER ...]

Chunks of the Python packages of this environment (or --root); the queries are first sentences of docstrings. Searches
take turns, a block of queries each, so that a busy machine is unfair to nobody; the best 10 and the best 100 of every
query. bm25s (of the extra `evaluate`) works its scores out when it indexes; ours come when they are asked for, since
frequencies are those of the live rows.
"""

import argparse
import json
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median
from time import process_time, thread_time

import numpy as np
from encode_sources import chunks_of

from xtr_assets.core.lexical_terms import document_terms, query_terms
from xtr_assets.core.search_options import SearchOptions
from xtr_assets.index.lexical import index as lexical_index
from xtr_assets.index.lexical.index import LexicalIndex, LexicalPart
from xtr_assets.index.lexical.list_scan import NumpyScan
from xtr_assets.index.lexical.postings import LexicalPostings, open_postings
from xtr_assets.index.lexical.postings_writer import write_postings
from xtr_assets.pipeline.queries.synthesis import Piece, named

QUERIES, ROUNDS = 500, 5
Search = Callable[[Sequence[Sequence[str]], int], object]


def with_scan(postings: LexicalPostings, live: "np.ndarray[tuple[int], np.dtype[np.bool_]]", scan: object) -> Search:
    """Our search by one of its scans; None for the one that serves."""
    kept = vars(lexical_index)["list_scan"]
    if scan is not None:
        vars(lexical_index)["list_scan"] = scan
    index = LexicalIndex([LexicalPart(0, postings)], live)
    vars(lexical_index)["list_scan"] = kept
    return lambda queries, k: [index.answer([query], SearchOptions(k=k)) for query in queries]


def peer(terms: list[list[str]]) -> tuple[float, Search]:
    """bm25s over the same terms with the same variant, and the CPU seconds of its index."""
    import bm25s

    started = process_time()
    model = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    model.index(terms, show_progress=False)
    spent = process_time() - started

    def search(queries: Sequence[Sequence[str]], k: int) -> object:
        return [model.retrieve([list(query)], k=k, show_progress=False, backend_selection="numpy") for query in queries]

    return spent, search


def in_turns(searches: dict[str, Search], queries: Sequence[Sequence[str]], k: int) -> dict[str, float]:
    """CPU milliseconds a query of each: the median over rounds."""
    spent: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(ROUNDS):
        for name, search in searches.items():
            started = thread_time()
            search(queries, k)
            spent[name].append((thread_time() - started) / len(queries) * 1e3)
    return {name: round(median(times), 4) for name, times in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=50_000)
    parser.add_argument("--root", type=Path, nargs="*", help="source trees in place of this environment's packages")
    given = parser.parse_args()
    chunks = list(islice(chunks_of(given.root or [Path(sysconfig.get_paths()["purelib"])]), given.chunks))
    started = process_time()
    terms = [document_terms(one.path, one.symbol, one.title, one.text) for one in chunks]
    figures: dict[str, object] = {"chunks": len(chunks), "terms_seconds": round(process_time() - started, 2)}
    pieces = (Piece(one.chunk_id, one.path, one.symbol, one.title, one.text) for one in chunks)
    texts = [one.text for one in islice(filter(None, map(named, pieces)), QUERIES)]
    started = process_time()
    queries = [query_terms(text) for text in texts]
    figures["query_terms_ms"] = round((process_time() - started) / len(texts) * 1e3, 4)
    figures["terms_a_query"] = round(sum(map(len, queries)) / len(queries), 1)
    with tempfile.TemporaryDirectory() as folder:
        started = process_time()
        write_postings(Path(folder), terms)
        figures["write_seconds"] = round(process_time() - started, 2)
        figures["bytes_a_chunk"] = round(sum(path.stat().st_size for path in Path(folder).iterdir()) / len(chunks))
        for verify in ("headers", "full"):
            started = process_time()
            postings = open_postings(Path(folder), len(chunks), verify=verify)
            figures[f"open_{verify}_ms"] = round((process_time() - started) * 1e3, 1)
        live = np.ones(len(chunks), np.bool_)
        dead = np.random.default_rng(0).random(len(chunks)) > 0.05
        searches = {
            "ours": with_scan(postings, live, None),
            "ours, a twentieth dead": with_scan(postings, dead, None),
            "ours, numpy": with_scan(postings, live, NumpyScan),
        }
        if find_spec("bm25s"):
            figures["bm25s_index_seconds"], searches["bm25s"] = peer(terms)
        for k in (10, 100):
            figures[f"ms_a_query_best_{k}"] = in_turns(searches, queries, k)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
