"""Storage: what a change costs, and what hydrating ten hits costs beside the other ways of reading ten rows.

    python benchmarks/storage.py --rows 100000

CPU seconds for a first snapshot, a change of 1 % and one of nothing, the ID map, a look-up of every text among the
encoded ones; then milliseconds (median) for ten random rows: memory-mapped Arrow as hits use it, `take` on the same
table, a DuckDB table that holds the rows, and DuckDB over the Parquet file.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np

from xtr_assets.core.types import Chunk, FileState
from xtr_assets.storage.id_map import id_map_table
from xtr_assets.storage.row_hydration import Hydrator
from xtr_assets.storage.warehouse import Warehouse

FINGERPRINT = "ab" * 32
PER_FILE = 10


def corpus(first: int, last: int, tag: str = "") -> Iterator[Chunk]:
    """Chunks of about 450 characters, ten a file."""
    for i in range(first, last):
        text = f"def method_{i}(x):\n    return x + 1  # " + f"{i}{tag} words " * 30
        yield Chunk(i, "bench", path_of(i), f"Class.method_{i}", "function", 0, i, i + 10, "class Class", text)


def path_of(i: int) -> str:
    return f"package/module_{i // PER_FILE:07d}.py"


def timed(step: Callable[[], object]) -> float:
    start = time.process_time()
    step()
    return round(time.process_time() - start, 3)


def milliseconds(read: Callable[[list[int]], object], rows: int, repeats: int) -> float:
    rng, times = np.random.default_rng(0), []
    for _ in range(repeats):
        wanted = rng.integers(0, rows, 10).tolist()
        start = time.perf_counter()
        read(wanted)
        times.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(times), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows // PER_FILE * PER_FILE
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse.create(Path(folder) / "warehouse")
        files = {path_of(i): FileState(path_of(i), 100, 1, f"{i:064x}") for i in range(0, rows, PER_FILE)}

        def change(touched: list[str], chunks: Iterator[Chunk]) -> None:
            warehouse.write_snapshot("s", source_fingerprint="v", files=files, touched=touched, chunks=chunks)

        figures["first snapshot, CPU s"] = timed(lambda: change(list(files), corpus(0, rows)))
        (segment,) = warehouse.segments()
        vectors = np.zeros((rows, 8), np.float16)
        vectors[:, 0] = 1
        segment.write_embeddings(FINGERPRINT, vectors)
        counts, ones = np.arange(rows + 1), np.ones(rows, np.float16)
        segment.write_tokens(FINGERPRINT, np.ones((rows, 4), np.int8), ones, counts, np.zeros(rows, np.int32))
        snapshot = warehouse.snapshot("s")
        assert snapshot is not None
        encoder = {"name": "bench", "dim": 8, "token_dim": 4}
        draft = warehouse.draft(
            "run", encoder=encoder, fingerprint=FINGERPRINT, snapshots={"s": snapshot.data_version}, parent=None
        )
        figures["id map, CPU s"] = timed(lambda: id_map_table(draft))
        hashes = segment.text_hashes()
        figures["find every text, CPU s"] = timed(lambda: warehouse.find_encoded(hashes, FINGERPRINT))
        hydrator, table = Hydrator(draft), segment.chunks()
        figures["hydrate 10, ms"] = milliseconds(hydrator.rows, rows, 300)
        figures["table.take 10, ms"] = milliseconds(lambda wanted: table.take(wanted).to_pylist(), rows, 100)
        parquet = segment.verified("chunks.parquet")
        connection = duckdb.connect()
        connection.execute(f"CREATE TABLE held AS SELECT * FROM read_parquet('{parquet}')")
        for name, source in (("DuckDB table 10, ms", "held"), ("DuckDB Parquet 10, ms", f"read_parquet('{parquet}')")):
            query = f"SELECT * FROM {source} WHERE chunk_id IN "
            figures[name] = milliseconds(
                lambda w, q=query: connection.execute(q + f"({str(w)[1:-1]})").fetchall(),  # type: ignore[misc]
                rows,
                30,
            )
        touched = list(files)[: max(1, len(files) // 100)]
        files |= {path: FileState(path, 100, 2, "f" * 64) for path in touched}
        figures["1 % changed, CPU s"] = timed(lambda: change(touched, corpus(0, len(touched) * PER_FILE, "new")))
        figures["nothing changed, CPU s"] = timed(lambda: change([], iter(())))
    print(json.dumps({"rows": rows, **figures}, indent=1))


if __name__ == "__main__":
    main()
