import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

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


def test_what_was_deleted_is_in_no_file_after_an_erasing_compaction_and_a_collection(
    second: Path, change: Command
) -> None:
    def held() -> str:
        """All that lies there: tables as they are read, and the bytes of every file."""
        files = sorted(path for path in (second / "warehouse").rglob("*") if path.is_file())
        tables = (str(pq.read_table(file).to_pydict()) for file in files if file.suffix == ".parquet")
        return "\n".join([*tables, *(file.read_bytes().decode("latin-1") for file in files)])

    assert "zebra" in held()
    assert change("compact").exit_code == 0 and "zebra" in held()
    erased = change("compact", "--erase", "--json")
    assert erased.exit_code == 0, erased.output
    assert json.loads(erased.stdout)["published"]
    assert change("gc", "--keep", "1").exit_code == 0
    assert "zebra" not in held() and "cashier" in held()
    found = json.loads(change("search", "a refund is paid", "--json").stdout)
    assert found["hits"][0]["path"] == "refunds.md"
    assert "no shard has segments with dead rows" in change("compact", "--erase").output
    (second / "guide" / "travel.md").unlink()
    early = change("compact", "--erase")
    assert early.exit_code != 0 and "guide changed and is not ingested; `xtr-assets build` first" in " ".join(
        early.output.split()
    )
