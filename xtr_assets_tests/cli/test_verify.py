import json
from pathlib import Path

from xtr_assets_tests.cli.answers import document
from xtr_assets_tests.cli.conftest import Command


def test_verify_names_the_file_that_differs(project: Path, change: Command) -> None:
    assert document(change, "verify")["ok"]
    (victim,) = (project / "warehouse" / "generations").rglob("id_map.parquet")
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    result = change("verify", "--json")
    assert result.exit_code == 1
    assert [p["path"] for p in json.loads(result.stdout)["problems"]] == ["generations/1/id_map.parquet"]
    people = change("verify")
    assert people.exit_code == 1
    assert "generations/1/id_map.parquet" in people.stderr
