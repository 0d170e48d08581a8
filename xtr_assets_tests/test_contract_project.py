"""What a project of one index is called by: Dagster's names, and the keys of xtr.yaml. Written out by hand, as in
test_contract.py, so that a name that goes or changes fails here. New names may come.
"""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from xtr_assets.config import IndexConfig, config_file, parse_config
from xtr_assets.core.errors import ConfigError
from xtr_assets.defs import build_index_defs

# Asset -> the assets of the index right above it.
ASSETS = {
    "chunks": "",
    "embeddings": "chunks",
    "token_embeddings": "chunks",
    "generation": "embeddings token_embeddings",
    "queries": "generation",
    "exact_neighbors": "queries",
    "faiss_index": "generation queries",
    "xtr_index": "generation queries",
    "id_map": "generation",
    "catalog": "id_map",
    "lexical_index": "generation",
    "published": "catalog exact_neighbors faiss_index id_map lexical_index xtr_index",
    "evaluation": "published",
}
PARTITIONED = "chunks embeddings token_embeddings"
# Asset -> the checks that it shows.
CHECKED = {
    "chunks": "chunks_schema",
    "embeddings": "embeddings_valid",
    "token_embeddings": "tokens_valid",
    "generation": "encoder_canary nothing_vanished source_agrees vectors_are_the_texts",
    "faiss_index": "dense_recall dense_recall_new_rows list_balance",
    "xtr_index": "token_drift xtr_recall",
    "id_map": "id_map_bijection",
    "catalog": "catalog_consistent files_verified finds_itself hits_are_whole known_item rows_everywhere shadow_diff",
}
# They warn; whatever else is checked stands in the way of `published`.
WARNING = "list_balance shadow_diff token_drift"

JOBS = "ingest rebuild retrain tune compact collect evaluate rollback verify"
SENSORS = "source_changes drift run_failure automation"
SCHEDULES = "nightly_compaction nightly_collection nightly_verification"
# Where queries are judged.
JUDGED = "nightly_evaluation"
# Resource -> what it is given.
RESOURCES = {"search": "warehouse device", "warehouse": "path", "encoder": "settings device"}
# Kind -> a way to write it that is taken.
ENCODERS = {
    "minilm": "",
    "hashing": "",
    "late-interaction": ", model: ./colbert",
    "xtr": ", model: ./xtr",
    "static": ", model: ./table",
    "sentence-transformers": ", model: ./e5",
    "endpoint": ", url: 'https://models.example/v1', model: e5, dim: 8, key: $KEY",
    "python:package.module:factory": ", legs: [dense]",
}

SMALL = "name: docs\nsources: [{name: a, kind: text, path: a}]\nencoder: {kind: hashing}\n"
# Every key, with a value that is not its default.
PROJECT = """
name: handbook
warehouse: ./elsewhere
sources:
  - {name: lib, kind: python, path: ./lib, include: ["a/**"], exclude: ["**/test/**"], shards: 4, max_chars: 900,
     max_file_bytes: 1000}
  - {name: notes, kind: text, path: ./notes}
  - {name: service, kind: git, path: ./service, ref: main}
  - {name: tickets, kind: asset, asset: support/tickets}
  - {name: web, kind: code, path: ./web}
  - {name: papers, kind: records, path: ./corpus.jsonl, id: key, title: head, text: body, metadata: [year]}
encoder:
  dense: {kind: minilm, weights: hub, head: projection, max_tokens: 128, keep_punctuation: true, precision: fp32}
  tokens: {kind: hashing, dim: 32, token_dim: 16}
recall: {dense: 0.9, xtr: 0.8, new_rows: 0.7, k: 5, queries: 50}
gate: {shrink: 0.5}
queries: {path: ./queries.jsonl, judgments: ./qrels.tsv, floor: 0.3}
dense: {recipe: "IVF64,SQ8", target: gpu}
upkeep: {keep: 7, failure_webhook: $HOOK}
"""


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    folder = tmp_path_factory.mktemp("contract")
    return build_index_defs(parse_config(SMALL, folder))


def test_assets_stand_under_the_name_of_the_index_and_on_each_other(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): {above.to_user_string() for above in graph.get(key).parent_keys}
        for key in defs.resolve_all_asset_keys()
    }
    for name, above in ASSETS.items():
        assert found[f"docs/{name}"] == {f"docs/{one}" for one in above.split()}, name


def test_what_is_encoded_is_partitioned_by_shard(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    found = {key.path[-1] for key in defs.resolve_all_asset_keys() if graph.get(key).partitions_def is not None}
    assert found == set(PARTITIONED.split())


def test_checks_stand_at_their_assets_and_block(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    found = {(key.asset_key.path[-1], key.name): graph.get(key).blocking for key in graph.asset_check_keys}
    for asset, names in CHECKED.items():
        for name in names.split():
            assert found[asset, name] == (name not in WARNING.split()), (asset, name)
    assert {name for (_, name), blocks in found.items() if not blocks} == set(WARNING.split())


def test_jobs_sensors_and_schedules_are_called_so_and_run_by_default(defs: dg.Definitions) -> None:
    jobs = {job.name for job in defs.resolve_all_job_defs()}
    assert set(JOBS.split()) <= jobs
    sensors = {one.name: one for one in defs.sensors or ()}
    assert set(SENSORS.split()) <= set(sensors)
    assert {one.default_status for one in sensors.values()} == {dg.DefaultSensorStatus.RUNNING}
    schedules = {one.name: one for one in defs.schedules or ()}
    assert set(SCHEDULES.split()) <= set(schedules)
    assert {one.default_status for one in schedules.values()} == {dg.DefaultScheduleStatus.RUNNING}


def test_where_answers_are_judged_they_are_every_night(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"_id": "1", "text": "one"}\n')
    (tmp_path / "q.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n")
    text = f"{SMALL}queries: {{path: q.jsonl, judgments: q.tsv}}\n"
    judged = build_index_defs(parse_config(text, tmp_path))
    assert JUDGED in {one.name for one in judged.schedules or ()}


def test_resources_are_called_so_and_take_what_was_agreed(defs: dg.Definitions) -> None:
    found = defs.resources or {}
    assert set(RESOURCES) <= set(found)
    for name, given in RESOURCES.items():
        assert set(given.split()) <= set(type(found[name]).model_fields), name


def flat(value: object, at: str = "") -> dict[str, object]:
    """Key by key what stands in a document: "sources.0.name" -> "lib"."""
    if isinstance(value, dict):
        return {key: one for name, held in value.items() for key, one in flat(held, f"{at}{name}.").items()}
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return {key: one for number, held in enumerate(value) for key, one in flat(held, f"{at}{number}.").items()}
    return {at.rstrip("."): value}


def test_every_key_of_the_configuration_is_taken_for_what_it_says(tmp_path: Path) -> None:
    config = parse_config(PROJECT, tmp_path)
    read = flat(config.model_dump(mode="json"))
    for key, value in flat(yaml.safe_load(PROJECT)).items():
        wanted = str(tmp_path / value) if isinstance(value, str) and value.startswith("./") else value
        assert read[key] == wanted, key


def test_no_key_has_its_default_in_the_document_above() -> None:
    """A key that is not read would look as if it were."""
    default = flat(
        IndexConfig.model_validate({"sources": [{"name": "x", "kind": "text", "path": "x"}]}).model_dump(mode="json")
    )
    for key, value in flat(yaml.safe_load(PROJECT)).items():
        usual = default.get(key.replace("encoder.dense.", "encoder."))
        assert key.startswith(("sources.", "queries.")) or key == "encoder.dense.kind" or usual != value, key


def test_a_key_that_there_is_not_is_refused(tmp_path: Path) -> None:
    for key in {key.split(".")[-1] for key in flat(yaml.safe_load(PROJECT))} - {"name"}:
        changed = PROJECT.replace(f"{key}:", f"{key}s_of_old:", 1)
        with pytest.raises(ConfigError, match=f"{key}s_of_old"):
            parse_config(changed, tmp_path)


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_encoder_is_called_by_its_kind(kind: str, tmp_path: Path) -> None:
    written = "{kind: '" + kind + "'" + ENCODERS[kind] + "}"
    encoder = parse_config(SMALL.replace("{kind: hashing}", written), tmp_path).encoder
    assert encoder.model_dump()["kind"] == kind


def test_the_environment_names_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XTR_ASSETS_CONFIG", str(tmp_path / "other.yaml"))
    assert config_file(None, tmp_path) == tmp_path / "other.yaml"
    monkeypatch.delenv("XTR_ASSETS_CONFIG")
    assert config_file(None, tmp_path) is None
    (tmp_path / "xtr.yaml").write_text(PROJECT)
    assert config_file(None, tmp_path) == tmp_path / "xtr.yaml"
