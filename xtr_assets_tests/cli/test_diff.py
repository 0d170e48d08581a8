import json

import pytest

from xtr_assets_tests.cli.conftest import Command


@pytest.mark.usefixtures("second")
def test_diff_says_what_was_added_removed_and_answered_otherwise(change: Command) -> None:
    found = json.loads(change("diff", "1", "2", "-q", "the lion roars", "-k", "3", "--json").stdout)
    assert (found["before"], found["after"]) == (1, 2)
    assert found["sources"] == {"guide": {"added": 1, "removed": 1, "changed": 0}}
    assert (found["added"], found["removed"], found["changed"]) == (1, 1, 0)
    [answer] = found["answers"]
    # The lions came, and beside a document the best function.
    assert [hit["path"] for hit in answer["gained"]] == ["lions.md", "dates.py"]
    assert len(answer["lost"]) == 2 and answer["overlap"] == pytest.approx(1 / 3)
    shown = change("diff", "1", "2", "-q", "the lion roars", "-k", "3").stderr
    assert "1 added, 1 removed, 0 changed" in shown and "lions.md" in shown
    assert change("diff", "1", "9").exit_code == 1
