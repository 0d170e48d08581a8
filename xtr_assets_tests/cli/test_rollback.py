import json

import pytest

from xtr_assets_tests.cli.answers import hits, serves
from xtr_assets_tests.cli.conftest import Command


@pytest.mark.usefixtures("second")
def test_rollback_lets_the_generation_before_serve_again(change: Command) -> None:
    result = change("rollback", "--reason", "lions", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["generation"] == 1
    assert (document["history"]["action"], document["history"]["reason"]) == ("rolled_back", "lions")
    assert hits(change, "zebra stripes giraffe")[0] == "animals.md"
    refused = change("publish", "2")
    assert (refused.exit_code, "(lions)" in refused.stderr) == (1, True)
    assert change("publish", "2", "--again").exit_code == 2
    assert change("publish", "2", "--again", "--reason", "lions after all").exit_code == 0
    assert serves(change) == 2


@pytest.mark.usefixtures("second")
def test_what_was_rolled_back_is_built_again_only_with_a_word(change: Command) -> None:
    assert change("rollback").exit_code == 0
    assert change("gc", "--keep", "1").exit_code == 0
    told = change("build")
    assert (told.exit_code, "build --again --reason" in told.stderr) == (0, True)
    refused = change("build", "--full")
    assert refused.exit_code == 1, refused.output
    assert "only where a person says so: `xtr-assets publish 3 --again" in refused.stderr
    assert serves(change) == 1
    assert change("build", "--again").exit_code == 2
    done = change("build", "--again", "--reason", "lions after all", "--json")
    assert done.exit_code == 0, done.output
    assert hits(change, "the lion roars")[0] == "lions.md"
