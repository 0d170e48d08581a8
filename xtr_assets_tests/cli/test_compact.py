import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from xtr_assets.defs import in_process
from xtr_assets.pipeline.ingest.scan import scan
from xtr_assets_tests.cli.conftest import Command


@pytest.mark.usefixtures("second")
def test_compact_says_that_there_is_nothing_to_do(change: Command) -> None:
    found = change("compact", "--json")
    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert (document["built"], document["generation"]) == (None, 2)
    assert document["reason"].startswith("nothing to do: no shard has segments worth writing anew")


@pytest.mark.long
def test_compact_publishes_what_finds_the_same(project: Path, change: Command) -> None:
    for name in ("owls", "bears", "foxes", "hares"):
        (project / "guide" / f"{name}.md").write_text(f"# {name}\n\nAll about {name} in the forest.\n")
        assert change("build").exit_code == 0
    before = json.loads(change("search", "foxes in the forest", "--json").stdout)
    done = change("compact")
    assert done.exit_code == 0, done.output
    assert "published generation 6" in " ".join(done.stderr.split())
    after = json.loads(change("search", "foxes in the forest", "--json").stdout)
    assert after["generation"] == before["generation"] + 1
    assert [hit["chunk_id"] for hit in after["hits"]] == [hit["chunk_id"] for hit in before["hits"]]


def held(folder: Path) -> str:
    """All that lies there: tables as they are read, and the bytes of every file."""
    files = sorted(path for path in (folder / "warehouse").rglob("*") if path.is_file())
    tables = (str(pq.read_table(file).to_pydict()) for file in files if file.suffix == ".parquet")
    return "\n".join([*tables, *(file.read_bytes().decode("latin-1") for file in files)])


def test_what_was_deleted_is_in_no_file_after_an_erasing_compaction_and_a_collection(
    second: Path, change: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "zebra" in held(second)
    assert change("compact").exit_code == 0 and "zebra" in held(second)
    erased = change("compact", "--erase", "--json")
    assert erased.exit_code == 0, erased.output
    assert json.loads(erased.stdout)["published"]
    assert change("gc", "--keep", "1").exit_code == 0
    assert "zebra" not in held(second) and "cashier" in held(second)
    found = json.loads(change("search", "a refund is paid", "--json").stdout)
    assert found["hits"][0]["path"] == "refunds.md"
    assert "no shard has segments with dead rows" in change("compact", "--erase").output
    # What was deleted since would seem to be erased: it is built first, and where that is refused nothing is erased.
    (second / "guide" / "travel.md").unlink()
    refused = in_process.BuildResult(1, 2, published=False, reason="a check refused it", live_rows=1)
    monkeypatch.setattr(in_process._Build, "build", lambda *_: refused)
    told = change("compact", "--erase", "--json")
    assert told.exit_code == 1 and json.loads(told.stdout)["reason"] == refused.reason


@pytest.mark.long
def test_what_was_deleted_since_is_erased_though_a_log_changes_at_each_look(
    second: Path, change: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(*given: Any) -> Any:
        with (second / "guide" / "log.md").open("a") as file:
            file.write("One more line.\n")
        return scan(*given)

    monkeypatch.setattr(in_process, "scan", changed)
    (second / "guide" / "travel.md").unlink()
    erased = change("compact", "--erase")
    assert erased.exit_code == 0, erased.output
    assert change("gc", "--keep", "1").exit_code == 0
    left = held(second)
    assert [word in left for word in ("zebra", "hotel", "cashier", "One more line")] == [False, False, True, True]
