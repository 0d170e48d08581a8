import sysconfig
from pathlib import Path

import pytest

from xtr_assets.config import load_config, parse_config
from xtr_assets.core.errors import ConfigError

GOOD = """
name: docs
sources:
  - {name: stdlib, kind: python, path: "{stdlib}", include: ["json/**"]}
  - {name: handbook, kind: text, path: ./handbook, shards: 4}
queries: {path: ./q.jsonl, judgments: qrels.tsv}
"""


def test_relative_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "xtr.yaml").write_text(GOOD)
    config = load_config(tmp_path / "xtr.yaml")
    assert config.sources[0].path == Path(sysconfig.get_paths()["stdlib"])
    assert config.sources[1].path == tmp_path / "handbook"
    assert config.warehouse == tmp_path / "warehouse"
    assert config.queries is not None
    assert (config.queries.path, config.queries.judgments) == (tmp_path / "q.jsonl", tmp_path / "qrels.tsv")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "sources: [{name: s, kind: pyton, path: x}]",
            r"`sources.0.kind` is 'pyton'.*'python', 'code', 'text' or",
        ),
        ("sources: [{name: s, kind: python, path: x, colour: 1}]", r"unknown field `sources.0.colour` \(value 1\)"),
        ("sources: [{name: s, kind: python}]", r"field `sources.0.path` is missing"),
        ("sources: []", r"`sources`.*at least 1"),
        (
            "sources: [{name: s, kind: text, path: x, shards: 0}]",
            r"`sources.0.shards` is 0:.*greater than or equal to 1",
        ),
        ("sources: [{name: s, kind: text, path: x}, {name: s, kind: text, path: y}]", r"\['s'\] stand twice"),
        ("sources: [{name: s, kind: text, path: x}]\nencoder: {kind: bert}", r"`encoder.kind` is 'bert'.*'minilm'"),
        ("sources: [{name: s, kind: text, path: x}]\nrecall: {dense: high}", r"`recall.dense` is 'high':.*number"),
        ("- a", "must be a mapping.*found list"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_value_is_told_with_its_field_and_what_is_allowed(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_config(text, tmp_path)


def test_one_wrong_source_is_not_reported_as_no_source(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config("sources: [{name: s, kind: pyton, path: x}]", tmp_path)
    assert "at least" not in str(raised.value)


def test_a_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="xtr-assets init"):
        load_config(tmp_path / "xtr.yaml")
