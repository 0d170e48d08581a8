import json

import pytest

from xtr_assets_tests.cli.answers import serves
from xtr_assets_tests.cli.conftest import Command


@pytest.mark.usefixtures("second")
def test_a_withdrawn_generation_never_serves_again(change: Command) -> None:
    assert change("withdraw", "2", "--reason", "lions").exit_code == 0
    assert serves(change) == 1
    refused = change("publish", "2")
    assert refused.exit_code == 1
    assert "withdrawn" in refused.stderr
    assert [g["state"] for g in json.loads(change("generations", "--json").stdout)] == ["published", "withdrawn"]
