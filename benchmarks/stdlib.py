"""A full build over the whole standard library: how much of it is encoding, and where the rest goes.

    python benchmarks/stdlib.py [--keep FOLDER] [--include GLOB ...]

Everything runs in this process, Dagster included, with the embedded encoder: chunks, encoding, indexes, gate, pointer.
CPU seconds are this process's, over all threads; encoding is what is spent inside `encode_documents`.
"""

import argparse
import json
import sys
import sysconfig
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import dagster as dg

from xtr_assets.config import IndexConfig, SourceConfig
from xtr_assets.defs.in_process import build
from xtr_assets.encoders import open_encoder

# Tests, and trees that are data or other programs: what is left is what people import.
EXCLUDE = (
    *("**/test/**", "**/tests/**", "idlelib/**", "lib2to3/**", "turtledemo/**", "tkinter/**", "ensurepip/**"),
    *("distutils/**", "pydoc_data/**", "encodings/**"),
)


class Clock:
    """Adds up wall and CPU seconds of the calls it wraps."""

    def __init__(self) -> None:
        self.seconds = self.cpu_seconds = 0.0

    def around(self, function: Any) -> Any:
        def timed(*arguments: Any, **options: Any) -> Any:
            wall, cpu = perf_counter(), process_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += perf_counter() - wall
                self.cpu_seconds += process_time() - cpu

        return timed


def main() -> None:
    """Print a table to standard error and the figures as JSON to standard output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="build here, and leave it")
    parser.add_argument("--include", nargs="*", default=[], help="only these, in place of everything")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.keep or Path(temporary)).absolute()
        source = SourceConfig(
            name="stdlib",
            kind="python",
            path=Path(sysconfig.get_paths()["stdlib"]),
            include=tuple(given.include),
            exclude=EXCLUDE,
        )
        config = IndexConfig(name="whole", warehouse=work / "warehouse", sources=(source,))
        encoder, encoding = open_encoder(config.encoder), Clock()
        kind: Any = type(encoder)
        kind.encode_documents = encoding.around(kind.encode_documents)
        wall, cpu = perf_counter(), process_time()
        with dg.DagsterInstance.ephemeral() as instance:
            built = build(config, instance)
        total, total_cpu = perf_counter() - wall, process_time() - cpu
    if not built.ok:
        sys.exit(f"the gate refused: {built.failed}")
    rest = total_cpu - encoding.cpu_seconds
    figures = {
        "chunks": built.live_rows,
        "seconds": round(total, 1),
        "cpu_seconds": round(total_cpu, 1),
        "encoding_cpu_seconds": round(encoding.cpu_seconds, 1),
        "rest_cpu_seconds": round(rest, 1),
        "rest_share_of_encoding": round(rest / encoding.cpu_seconds, 3),
        "steps": built.seconds,
        "costs": built.costs,
    }
    print(f"{built.live_rows} chunks: encoding {encoding.cpu_seconds:.1f} CPU s, the rest {rest:.1f}", file=sys.stderr)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
