"""id_map, catalog and hydration say the same about every row."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from xtr_assets.core.errors import CorruptFile, GenerationError, InvalidInput
from xtr_assets.core.types import Quarantined
from xtr_assets.storage.catalog import VIEWS, connect, write_catalog
from xtr_assets.storage.chunk_files import CHUNK_COLUMNS
from xtr_assets.storage.digests import forget_digests
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import ID_MAP_SCHEMA, write_id_map
from xtr_assets.storage.row_hydration import Hydrator
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.id_maps import mapped_ids
from xtr_assets_tests.storage.sample import (
    ENCODER,
    FINGERPRINT,
    chunks_of,
    draft,
    encode_all,
    flip,
    publish,
    states,
    write,
)

BASE = {"a.py": ["f one", "g two"], "b.py": ["h three"], "bad.py": []}
CHANGED = {"a.py": ["f one", "g it's"], "c.py": ["k four"], "bad.py": []}
BAD = Quarantined("s", "bad.py", 3, "syntax", "unexpected indent")


@pytest.fixture(scope="module")
def changed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of two generations. Never changed: `generation` is of a copy."""
    made = Warehouse.create(tmp_path_factory.mktemp("changed") / "warehouse")
    write(made, BASE, quarantined=[BAD])
    publish(made)
    write(made, CHANGED)
    publish(made)
    return made.root


@pytest.fixture
def generation(changed_once: Path, tmp_path: Path) -> Generation:
    found = Warehouse.open(shutil.copytree(changed_once, tmp_path / "warehouse")).published
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["a, b", "why?", "[x] {y,z}*'\""])
def test_a_warehouse_may_lie_in_a_folder_of_any_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    made = Warehouse.create(tmp_path / name / "warehouse")
    write(made, BASE)
    with connect(publish(made)) as connection:
        assert connection.sql("SELECT count(*) FROM chunks").fetchall() == [(3,)]
        assert connection.sql("SELECT count(*) FROM id_map").fetchall() == [(3,)]
        with pytest.raises(duckdb.Error):
            connection.sql(f"SELECT * FROM read_csv('{__file__}')").fetchall()


def test_the_id_map_holds_every_stored_row(generation: Generation) -> None:
    table = pq.read_table(generation.path("id_map.parquet"))
    assert table.schema.equals(ID_MAP_SCHEMA)
    assert table["row"].to_pylist() == [0, 1, 2, 3, 4]
    assert table["position"].to_pylist() == [0, 1, 2, 0, 1]
    assert table["live"].to_pylist() == [True, False, False, True, True]
    assert set(table["segment"].to_pylist()) == {one.segment_id for one in generation.manifest.segments}


def test_the_map_names_the_chunk_of_each_live_row(generation: Generation) -> None:
    wanted = {one.symbol: one.chunk_id for one in chunks_of(CHANGED, CHANGED)}
    assert mapped_ids(generation).tolist() == [wanted["f"], -1, -1, wanted["g"], wanted["k"]]


def test_a_chunk_that_is_live_in_two_shards_is_refused_by_name(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    warehouse.write_snapshot(
        "other",
        source_fingerprint="v1",
        files=states({"a.py": ["f one"]}),
        touched=["a.py"],
        chunks=chunks_of({"a.py": ["f one"]}, ["a.py"]),
    )
    encode_all(warehouse)
    versions = {shard: snapshot.data_version for shard in warehouse.shards() if (snapshot := warehouse.snapshot(shard))}
    made = warehouse.draft("run", encoder=ENCODER, fingerprint=FINGERPRINT, snapshots=versions)
    with pytest.raises(InvalidInput, match=r"is live twice, in segment .* position 0 and in segment .* position 0"):
        write_id_map(made)


def test_the_catalog_shows_live_chunks_in_documented_views(generation: Generation) -> None:
    with connect(generation) as connection:
        columns = [row[0] for row in connection.execute("DESCRIBE chunks").fetchall()]
        assert columns == ["row", *CHUNK_COLUMNS, "segment", "position"]
        rows = connection.execute("SELECT row, path, text FROM chunks ORDER BY row").fetchall()
        assert rows == [(0, "a.py", "f one"), (3, "a.py", "g it's"), (4, "c.py", "k four")]
        comments = dict(
            connection.execute("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal").fetchall()
        )
        assert comments == VIEWS
        assert connection.execute("SELECT path FROM files ORDER BY path").fetchall() == [
            ("a.py",),
            ("bad.py",),
            ("c.py",),
        ]
        segments = connection.execute("SELECT shard, base_row, rows, live_rows FROM segments ORDER BY base_row")
        assert segments.fetchall() == [("s", 0, 3, 1), ("s", 3, 2, 2)]
        assert connection.execute("SELECT * FROM quarantine").fetchall() == [
            ("s", "s", "bad.py", 3, "syntax", "unexpected indent")
        ]
        assert connection.execute("SELECT count(*) FROM id_map").fetchone() == (5,)


def test_what_a_connection_reads_is_not_collected(generation: Generation) -> None:
    """Its queries ended with a permission that they had not."""
    warehouse = Warehouse.open(generation.layout.root)
    write(warehouse, {"z.py": ["z five"]})
    publish(warehouse)
    connection = connect(generation)
    assert warehouse.collect(keep=1).pinned == (2,)
    assert len(connection.execute("SELECT text FROM chunks").fetchall()) == 3
    connection.close()
    del connection
    assert 2 in warehouse.collect(keep=1).generations


def test_the_catalog_is_read_only(generation: Generation) -> None:
    with connect(generation) as connection, pytest.raises(Exception, match="read-only"):
        connection.execute("CREATE TABLE x (y INTEGER)")


def test_plain_duckdb_opens_the_catalog_from_the_warehouse_folder_after_a_move(
    generation: Generation, tmp_path: Path
) -> None:
    moved = generation.layout.root.rename(tmp_path / "moved")
    script = (
        "import duckdb; c = duckdb.connect('generations/2/catalog.duckdb', read_only=True); "
        "print(c.execute('SELECT count(*) FROM chunks').fetchone()[0])"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=moved, capture_output=True, text=True, check=True)
    assert run.stdout == "3\n"


def test_the_catalog_of_an_empty_corpus_has_the_same_columns(warehouse: Warehouse) -> None:
    write(warehouse, {})
    with connect(publish(warehouse)) as connection:
        described = connection.execute("DESCRIBE chunks").fetchall()
        assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (0,)
    write(warehouse, BASE)
    with connect(publish(warehouse)) as connection:
        assert [row[:2] for row in connection.execute("DESCRIBE chunks").fetchall()] == [row[:2] for row in described]


def test_a_damaged_catalog_is_refused_before_duckdb_sees_it(generation: Generation) -> None:
    flip(generation.directory / "catalog.duckdb", 5000)
    forget_digests()
    with pytest.raises(CorruptFile, match=r"generations/2/catalog\.duckdb"):
        connect(generation)


def test_the_catalog_needs_the_id_map(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    encode_all(warehouse)
    snapshot = warehouse.snapshot("s")
    assert snapshot is not None
    made = warehouse.draft("run", encoder=ENCODER, fingerprint=FINGERPRINT, snapshots={"s": snapshot.data_version})
    with pytest.raises(GenerationError, match="materialize id_map before catalog"):
        write_catalog(made)


def test_hydration_gives_the_columns_in_the_order_asked_for(generation: Generation) -> None:
    rows = Hydrator(generation).rows(np.array([4, 0]))
    assert [row["text"] for row in rows] == ["k four", "f one"]
    assert rows[0].keys() == set(CHUNK_COLUMNS) - {"text_hash"}
    assert Hydrator(generation, ["path"]).rows([3]) == [{"path": "a.py"}]


def test_hydration_equals_the_chunk_table(generation: Generation) -> None:
    table = generation.chunk_table(live=False)
    assert Hydrator(generation, CHUNK_COLUMNS).rows(table["row"].to_pylist()) == table.drop_columns(["row"]).to_pylist()


@pytest.mark.parametrize("row", [-1, 5, 1000])
def test_a_row_in_no_segment_is_refused(generation: Generation, row: int) -> None:
    with pytest.raises(InvalidInput, match=f"row {row} lies in no segment"):
        Hydrator(generation).rows([row])


def test_an_unknown_column_names_those_there_are(generation: Generation) -> None:
    with pytest.raises(InvalidInput, match="no column 'colour'; there are: chunk_id, "):
        Hydrator(generation, ["colour"])


def test_a_draft_hydrates_too(warehouse: Warehouse) -> None:
    write(warehouse, BASE)
    assert Hydrator(draft(warehouse), ["symbol"]).rows([2]) == [{"symbol": "h"}]


def test_damaged_parquet_behind_a_view_is_refused_before_duckdb_sees_it(generation: Generation) -> None:
    names = [name for name in generation.manifest.files if name.endswith(".parquet")]
    assert len(names) == 6
    for name in names:
        path = generation.layout.root / name
        flip(path, path.stat().st_size // 2)
        forget_digests()
        with pytest.raises(CorruptFile, match=name.replace(".", r"\.")):
            connect(generation)
        flip(path, path.stat().st_size // 2)
    connect(generation).close()


HOSTILE = (
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM read_text('{root}/history.jsonl')",
    "SELECT * FROM '{secret}'",
)


@pytest.mark.parametrize("query", HOSTILE)
def test_a_hostile_view_reads_nothing_of_its_own_choice(warehouse: Warehouse, tmp_path: Path, query: str) -> None:
    (tmp_path / "secret.csv").write_text("a,b\nmine,alone\n")
    words = {"secret": tmp_path / "secret.csv", "folder": tmp_path, "root": warehouse.root}
    write(warehouse, BASE)
    publish(warehouse)
    write(warehouse, CHANGED)
    made = draft(warehouse)
    with made.writing("catalog.duckdb") as path, duckdb.connect(str(path)) as hostile:
        hostile.execute(f"CREATE VIEW chunks AS {query.format(**words)}")
    with connect(made) as connection, pytest.raises(duckdb.PermissionException, match="disabled by configuration"):
        connection.execute("SELECT * FROM chunks")


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1 AS a) TO '{out}'",
        "COPY (SELECT 1 AS a) TO '{root}/generations/2/new.csv'",
        "COPY (SELECT 1 AS a) TO '{root}/generations/2/id_map.parquet' (FORMAT parquet)",
        "EXPORT DATABASE '{out}'",
        "ATTACH '{out}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_paths = ['{out}']",
        "SET temp_directory = '{out}'",
        "RESET lock_configuration",
    ],
)
def test_a_connection_writes_nothing_and_stays_locked(generation: Generation, tmp_path: Path, statement: str) -> None:
    out = tmp_path / "out"
    before = {p: p.read_bytes() for p in generation.layout.root.rglob("*") if p.is_file()}
    with connect(generation) as connection:
        with pytest.raises(duckdb.Error):
            connection.execute(statement.format(out=out, root=generation.layout.root))
        assert connection.execute("SELECT count(*) FROM chunks").fetchone() == (3,)
    assert not out.exists()
    assert {p: p.read_bytes() for p in generation.layout.root.rglob("*") if p.is_file()} == before
