"""`catalog_consistent`: what the catalog's views tell is held against the segments, row by row."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from xtr_assets.pipeline.gate import validity
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage import catalog
from xtr_assets.storage.id_map import write_id_map
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import drafted, write_shard
from xtr_assets_tests.pipeline.gate.drafts import chunks, session_of

# A catalog whose rows are those of a query over the true ones. Rows are 0 to 11, two segments of six.
FAULTS = {
    "SELECT * REPLACE (CASE row WHEN 3 THEN (SELECT max(chunk_id) FROM chunks WHERE row = 4) ELSE chunk_id END "
    "AS chunk_id) FROM chunks": "different live chunk_ids",
    "SELECT * FROM chunks WHERE row <> 7": "chunks: 12 by the manifest (11 by the catalog)",
    "SELECT * REPLACE (start_line + 1 AS start_line) FROM chunks": "start_line",
    "SELECT * REPLACE (nullif(end_line, (SELECT max(end_line) FROM chunks)) AS end_line) FROM chunks": "end_line",
    "SELECT * REPLACE (CASE WHEN row = 11 THEN 'something else' ELSE text END AS text) FROM chunks": "text",
    "SELECT * REPLACE (CASE WHEN row = 11 THEN 'elsewhere' ELSE path END AS path) FROM chunks": "path",
    "SELECT * REPLACE ((SELECT min(segment) FROM chunks) AS segment) FROM chunks": "position",
}
# Of the other views: what stands in place of a view, and what is told of it. Two shards with a file each.
LISTS = {
    "files": "SELECT * REPLACE (lead(sha256, 1, '') OVER (ORDER BY path) AS sha256) FROM files",
    "segments": "SELECT * REPLACE (base_row + 1 AS base_row) FROM segments",
    "quarantine": "SELECT 'code' shard, 'code' source, 'a.py' path, 3 line, 'syntax' reason, '' detail",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> DraftSession:
    warehouse = Warehouse.create(tmp_path_factory.mktemp("catalog") / "w")
    for shard in ("code", "docs"):
        write_shard(warehouse, shard, chunks(6, source=shard))
    draft = drafted(warehouse, recipe="Flat")
    write_id_map(draft)
    catalog.write_catalog(draft)
    return session_of(warehouse, draft)


def test_a_healthy_catalog_is_what_the_segments_hold(session: DraftSession) -> None:
    found = validity.catalog_consistent(session)
    assert found.passed and (found.details["rows"], found.details["rows_whole"]) == (12, 12)


def asked_with(fault: str, view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the catalog tells from now on of a view is what a query tells."""
    true_connection = catalog.connect

    class Faulty:
        def __init__(self, connection: Any) -> None:
            self.connection = connection

        def execute(self, query: str, *given: Any) -> Any:
            return self.connection.execute(query.replace(f"FROM {view}", f"FROM ({fault})"), *given)

    @contextmanager
    def connect(draft: Any) -> Iterator[Faulty]:
        with true_connection(draft) as connection:
            yield Faulty(connection)

    monkeypatch.setattr(catalog, "connect", connect)


@pytest.mark.parametrize("fault", FAULTS)
def test_rows_that_the_catalog_tells_otherwise(
    session: DraftSession, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_with(fault, "chunks", monkeypatch)
    found = validity.catalog_consistent(session)
    assert not found.passed
    assert any(FAULTS[fault] in problem for problem in found.details["problems"]), found.details["problems"]


@pytest.mark.parametrize("view", LISTS)
def test_files_segments_and_quarantine_that_the_catalog_tells_otherwise(
    session: DraftSession, view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_with(LISTS[view], view, monkeypatch)
    found = validity.catalog_consistent(session)
    assert not found.passed
    assert any(problem.startswith(view) for problem in found.details["problems"]), found.details["problems"]
