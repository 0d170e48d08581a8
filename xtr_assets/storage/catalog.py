"""catalog.duckdb: views over the Parquet files of a generation, for analysis. The only importer of duckdb.

Paths are relative to the warehouse: open the file from there (`cd warehouse && duckdb -readonly generations/3/...`), or
set `file_search_path`. `connect` does the latter.
"""

import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.core.errors import GenerationError
from xtr_assets.storage.chunk_files import CHUNK_COLUMNS, CHUNK_SCHEMA, LINE_COLUMNS, PARQUET_NAME
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import ID_MAP_NAME

CATALOG_NAME = "catalog.duckdb"

# The smallest block DuckDB has: a file of five views is 28 KB rather than 274 KB, in every generation that is kept.
BLOCK_BYTES = 16_384

# A connection loads no code, and writes no file where it runs out of memory: beside the catalog it would do so in the
# generation's own folder.
NO_EXTENSIONS: dict[str, str | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "temp_directory": "",
}

FILES_SCHEMA = pa.schema([("shard", pa.string()), ("path", pa.string()), ("size", pa.int64()), ("sha256", pa.string())])
SEGMENTS_SCHEMA = pa.schema(
    [
        ("segment", pa.string()),
        ("shard", pa.string()),
        ("base_row", pa.int64()),
        ("rows", pa.int64()),
        ("live_rows", pa.int64()),
        ("bytes", pa.int64()),
    ]
)
SHIFTS_SCHEMA = pa.schema(
    [
        ("segment", pa.string()),
        ("start_position", pa.int64()),
        ("stop_position", pa.int64()),
        ("by_lines", pa.int32()),
    ]
)
QUARANTINE_SCHEMA = pa.schema(
    [
        ("shard", pa.string()),
        ("source", pa.string()),
        ("path", pa.string()),
        ("line", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

VIEWS = {
    "chunks": "live chunks with their row, segment and position",
    "id_map": "every stored row: row, chunk_id, segment, position, live",
    "files": "source files: shard, path, size, sha256",
    "segments": "segments: segment, shard, base_row, rows, live_rows, bytes",
    "quarantine": "what could not be used: shard, source, path, line, reason, detail",
}

_DUCKDB_TYPES = {"int64": "BIGINT", "int32": "INTEGER", "string": "VARCHAR", "fixed_size_binary[16]": "BLOB"}


def write_catalog(draft: Draft) -> None:
    """Write catalog/*.parquet and catalog.duckdb of a draft, which must have its id_map already."""
    if not draft.has_file(ID_MAP_NAME):
        raise GenerationError(f"generation {draft.number} has no {ID_MAP_NAME} yet; materialize id_map before catalog")
    with draft.writing("catalog") as folder:
        folder.mkdir()
        tables = {"files": _files(draft), "segments": _segments(draft), "quarantine": _quarantine(draft)}
        if _is_shifted(draft):
            tables["shifts"] = _shifts(draft)
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd", compression_level=1)
    with draft.writing(CATALOG_NAME) as path:
        _write_views(draft, path)


def connect(generation: Generation) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a generation's verified catalog, from any working directory.

    The Parquet files behind its views are verified too, and are all that a query may reach: a catalog that came from
    somebody else may hold views over anything. Nothing is installed, loaded, attached or spilled, and none of that can
    be turned on again. No collection takes the generation as long as the connection is there.
    """
    layout = generation.layout
    names = [name for name in generation.manifest.files if _is_shown(name, generation.number)]
    with ExitStack() as stack:
        stack.enter_context(generation.pin())
        # As the views say it, and as it is once DuckDB found it.
        reached = [text for name in names for text in (name, str(generation.path(name, full=True)))]
        catalog = generation.path(CATALOG_NAME).relative_to(layout.root)
        root = stack.enter_context(_plain(layout.root))
        reached += [str(root / name) for name in names]
        connection = duckdb.connect(str(root / catalog), read_only=True, config=NO_EXTENSIONS)
        # Views are read as long as the connection is there.
        weakref.finalize(connection, stack.pop_all().close)
    try:
        connection.execute(f"SET file_search_path = {_quoted(str(root))}")
        connection.execute("SET allow_extension_repositories = 'forbidden'; SET allow_persistent_secrets = false")
        connection.execute(f"SET allowed_paths = [{', '.join(map(_quoted, reached))}]")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _plain(root: Path) -> Iterator[Path]:
    """The warehouse's folder under a name that DuckDB takes as it is: a comma ends a folder of `file_search_path`, and
    a question mark the name of a file."""
    if not {",", "?"} & set(str(root)):
        yield root
        return
    with TemporaryDirectory(prefix="xtr-assets-") as folder:
        link = Path(folder, "warehouse")
        link.symlink_to(root, target_is_directory=True)
        yield link


def _is_shown(name: str, number: int) -> bool:
    """Whether a file of a generation stands behind a view."""
    if not name.endswith(".parquet"):
        return False
    own = f"generations/{number}/"
    return name.startswith((f"{own}catalog/", f"{own}{ID_MAP_NAME}")) or name.endswith(f"/{PARQUET_NAME}")


def _write_views(draft: Draft, path: Path) -> None:
    own = f"generations/{draft.number}"
    sources = {"id_map": f"{own}/{ID_MAP_NAME}"}
    sources |= {name: f"{own}/catalog/{name}.parquet" for name in ("files", "segments", "quarantine")}
    whole = draft.layout.root
    with _plain(whole) as root:
        # DuckDB writes where a link leads to.
        made = path if root == whole else root.parent / path.name
        with _written(made) as connection:
            # Views are bound when they are made, so the files must be found now; the path itself is not kept.
            connection.execute(f"SET file_search_path = {_quoted(str(root))}")
            for name, file in sources.items():
                connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({_quoted(file)})")
            connection.execute(f"CREATE VIEW chunks AS {_chunks_query(draft)}")
            for name, comment in VIEWS.items():
                connection.execute(f"COMMENT ON VIEW {name} IS {_quoted(comment)}")
        if made != path:
            shutil.copyfile(made, path)


@contextmanager
def _written(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a new file, which is whole and closed when the block ends."""
    # Threads of one process may write catalogs of several warehouses.
    name = f"written_{next(_NUMBERS)}"
    with _started(os.getpid()).cursor() as connection:
        connection.execute(f"ATTACH {_quoted(str(path))} AS {name} (BLOCK_SIZE {BLOCK_BYTES})")
        try:
            connection.execute(f"USE {name}")
            yield connection
        finally:
            connection.execute("USE memory")
            connection.execute(f"DETACH {name}")


@cache
def _started(_process: int) -> duckdb.DuckDBPyConnection:
    """The DuckDB that writes all catalogs of a process: to start one takes 25 of the 40 CPU ms of a catalog. It has no
    thread of its own, which a forked child would not have."""
    return duckdb.connect(config={"threads": 1})


_NUMBERS = count(1)


def _chunks_query(generation: Generation) -> str:
    columns, shifts = ", ".join(f"c.{name}" for name in CHUNK_COLUMNS), ""
    if _is_shifted(generation):
        # Lines as they are now: a row that something was written above stands further down than its segment says.
        for name in LINE_COLUMNS:
            columns = columns.replace(f"c.{name}", f"(c.{name} + coalesce(s.by_lines, 0))::INTEGER AS {name}")
        moved = _quoted(f"generations/{generation.number}/catalog/shifts.parquet")
        shifts = (
            f"LEFT JOIN read_parquet({moved}) s ON s.segment = m.segment "
            "AND m.position >= s.start_position AND m.position < s.stop_position "
        )
    files = [f"segments/{one.segment_id}/{PARQUET_NAME}" for one in generation.manifest.segments]
    if not files:
        typed = ", ".join(f"NULL::{_DUCKDB_TYPES[str(f.type)]} AS {f.name}" for f in CHUNK_SCHEMA)
        return f"SELECT NULL::BIGINT AS row, {typed}, NULL::VARCHAR AS segment, NULL::INTEGER AS position WHERE false"
    listed = ", ".join(_quoted(file) for file in files)
    return (
        f"SELECT m.row, {columns}, m.segment, m.position "
        f"FROM read_parquet([{listed}], filename = true, file_row_number = true) c "
        "JOIN id_map m ON m.segment = split_part(c.filename, '/', -2) AND m.position = c.file_row_number "
        f"{shifts}WHERE m.live"
    )


def _is_shifted(generation: Generation) -> bool:
    return any(one.shifts for one in generation.manifest.segments)


def _shifts(generation: Generation) -> pa.Table:
    rows = [
        {"segment": one.segment_id, "start_position": start, "stop_position": stop, "by_lines": by}
        for one in generation.manifest.segments
        for start, stop, by in one.shifts
    ]
    return pa.Table.from_pylist(rows, SHIFTS_SCHEMA)


def _files(generation: Generation) -> pa.Table:
    rows: list[dict[str, Any]] = [
        {"shard": shard, "path": path, "size": file.size, "sha256": file.sha256}
        for shard, snapshot in generation.snapshots().items()
        for path, file in sorted(snapshot.files.items())
    ]
    return pa.Table.from_pylist(rows, FILES_SCHEMA)


def _segments(generation: Generation) -> pa.Table:
    sizes: dict[str, int] = {}
    for name, one in generation.manifest.files.items():
        if name.startswith("segments/"):
            segment_id = name.split("/")[1]
            sizes[segment_id] = sizes.get(segment_id, 0) + one.bytes
    rows = [
        {
            "segment": one.segment_id,
            "shard": one.shard,
            "base_row": one.base_row,
            "rows": one.rows,
            "live_rows": one.live_rows,
            "bytes": sizes[one.segment_id],
        }
        for one in generation.manifest.segments
    ]
    return pa.Table.from_pylist(rows, SEGMENTS_SCHEMA)


def _quarantine(generation: Generation) -> pa.Table:
    rows = [
        {"shard": shard, **entry.model_dump()}
        for shard, snapshot in generation.snapshots().items()
        for entry in snapshot.quarantine
    ]
    return pa.Table.from_pylist(rows, QUARANTINE_SCHEMA)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
