import json
from pathlib import Path

import pytest

from xtr_assets_tests.cli.answers import serves
from xtr_assets_tests.cli.conftest import Command
from xtr_assets_tests.long_cases import LONG


@pytest.mark.usefixtures("second")
def test_a_withdrawn_generation_never_serves_again(change: Command) -> None:
    assert change("withdraw", "2", "--reason", "lions").exit_code == 0
    assert serves(change) == 1
    refused = change("publish", "2")
    assert refused.exit_code == 1
    assert "withdrawn" in refused.stderr
    assert "xtr-assets publish 2 --again --reason" in refused.stderr
    assert [g["state"] for g in json.loads(change("generations", "--json").stdout)] == ["published", "withdrawn"]


@pytest.mark.usefixtures("second")
def test_a_withdrawn_content_is_not_built_again_after_a_collection(change: Command) -> None:
    assert change("withdraw", "2", "--reason", "the lions sued").exit_code == 0
    assert change("gc").exit_code == 0
    assert [g["generation"] for g in json.loads(change("generations", "--json").stdout)] == [1]
    told = change("build", "--json")
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    assert document["built"] is None and "withdrawn" in document["reason"] and "lions sued" in document["reason"]
    config = Path("xtr.yaml")
    written = config.read_text()
    config.write_text(written.replace("queries: 20", "queries: 20, k: 5"))
    other = json.loads(change("build", "--json").stdout)
    assert other["built"] is None and "generation 2 was made from the same files and was withdrawn" in other["reason"]
    config.write_text(written)
    for command in (("build", "--full"), *([("tune", "--apply")] if LONG else [])):
        refused = change(*command)
        assert (refused.exit_code, "the lions sued" in refused.stderr) == (1, True), refused.output
    assert serves(change) == 1
