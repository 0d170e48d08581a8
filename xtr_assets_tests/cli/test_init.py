import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from xtr_assets.cli import app
from xtr_assets.cli.source_proposals import propose
from xtr_assets.config import load_config

run = CliRunner().invoke
WRITTEN = ("xtr.yaml", "definitions.py", "workspace.yaml", "dagster.yaml")


def test_init_proposes_what_lies_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "start.md").write_text("# Start\n")
    (tmp_path / "tool.py").write_text("def f(): ...\n")
    (tmp_path / "2020.jsonl").write_text(json.dumps({"doc_id": "1", "body": "text", "year": 3}) + "\n")
    pq.write_table(pa.table({"_id": ["1"], "title": ["t"], "text": ["x"]}), tmp_path / "papers.parquet")
    result = run(app, ["init", str(tmp_path)])
    assert result.exit_code == 0, result.output
    sources = {source.name: source for source in load_config(tmp_path / "xtr.yaml").sources}
    assert [(name, source.kind) for name, source in sources.items()] == [
        ("code", "python"),
        ("documents", "text"),
        ("2020", "records"),
        ("papers", "records"),
    ]
    assert "definitions.py" in sources["code"].exclude
    assert sources["documents"].include == ("**/*.md",)
    assert (sources["2020"].id, sources["2020"].text, sources["2020"].metadata) == ("doc_id", "body", ("year",))
    assert (sources["papers"].id, sources["papers"].title) == ("_id", "title")


def test_init_in_an_empty_or_missing_folder_writes_a_config_that_loads(tmp_path: Path) -> None:
    folder = tmp_path / "My Handbook"
    result = run(app, ["init", str(folder)])
    assert result.exit_code == 0, result.output
    assert "nothing yet" in result.stderr
    assert load_config(folder / "xtr.yaml").name == "my_handbook"
    assert yaml.safe_load((folder / "workspace.yaml").read_text()) == {
        "load_from": [{"python_file": {"relative_path": "definitions.py", "location_name": "my_handbook"}}]
    }
    compile((folder / "definitions.py").read_text(), "definitions.py", "exec")
    assert "$" not in (folder / "definitions.py").read_text()


def test_init_overwrites_nothing_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("mine")
    refused = run(app, ["init", str(tmp_path)])
    assert refused.exit_code == 1
    assert "dagster.yaml in" in refused.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["dagster.yaml"]
    assert (tmp_path / "dagster.yaml").read_text() == "mine"
    assert run(app, ["init", str(tmp_path), "--force"]).exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(WRITTEN)


def test_hidden_and_generated_folders_are_not_proposed(tmp_path: Path) -> None:
    for name in (".venv", "node_modules", "warehouse"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "other.py").write_text("x = 1\n")
    assert propose(tmp_path) == ([], [])


@pytest.mark.parametrize("line", ["", "no json", "[1]", '{"number": 3}'])
def test_records_without_a_known_id_and_text_are_left_to_the_user(tmp_path: Path, line: str) -> None:
    (tmp_path / "odd.jsonl").write_text(line + "\n")
    proposals, notes = propose(tmp_path)
    assert proposals == []
    assert notes == ["odd.jsonl has no field that is known for an id and a text: add it by hand"]
