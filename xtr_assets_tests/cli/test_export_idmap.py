from pathlib import Path

import pyarrow.parquet as pq

from xtr_assets_tests.cli.answers import document
from xtr_assets_tests.cli.conftest import Command


def test_the_map_of_a_generation_is_a_file_of_its_own(second: Path, change: Command, tmp_path: Path) -> None:
    target = tmp_path / "map.parquet"
    said = document(change, "export-idmap", str(target))
    table = pq.read_table(target)
    assert (said["generation"], said["rows"]) == (2, table.num_rows)
    assert table.schema.names == ["row", "chunk_id", "segment", "position", "live"]
    live = table.filter(table["live"])
    assert said["live_rows"] == live.num_rows < table.num_rows
    # A search over everything finds just what is live there.
    hits = document(change, "search", "the lion roars", "-k", "50")["hits"]
    assert {hit["chunk_id"] for hit in hits} == set(live["chunk_id"].to_pylist())
    assert document(change, "export-idmap", str(tmp_path / "older"), "--generation", "1")["generation"] == 1


def test_nothing_is_replaced_and_nothing_half_is_left(change: Command, project: Path, tmp_path: Path) -> None:
    kept, link = tmp_path / "kept.parquet", tmp_path / "link.parquet"
    kept.write_text("mine")
    link.symlink_to(tmp_path / "elsewhere")
    for path in (kept, link, tmp_path / "no folder" / "map.parquet"):
        result = change("export-idmap", str(path))
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert kept.read_text() == "mine"
    assert change("export-idmap", str(tmp_path / "x"), "--generation", "9").exit_code == 1
    (stored,) = project.rglob("id_map.parquet")
    stored.write_bytes(b"x" + stored.read_bytes()[1:])
    damaged = change("export-idmap", str(tmp_path / "x"))
    assert damaged.exit_code == 1 and "id_map.parquet" in damaged.stderr
    assert {one.name for one in tmp_path.iterdir()} - {"project"} == {"kept.parquet", "link.parquet"}
