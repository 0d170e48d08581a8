import json
from pathlib import Path

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
