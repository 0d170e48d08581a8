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
    assert change("publish", "2").exit_code == 0
    assert serves(change) == 2
