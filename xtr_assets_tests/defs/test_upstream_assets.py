"""Upstream Dagster assets as sources: read, watched, checked against a second reading; and what goes wrong with them."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from xtr_assets.cli.app import app
from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.core.errors import ConfigError, SourceError
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.in_process import BuildResult, build
from xtr_assets.defs.project_definitions import shell_reader
from xtr_assets.defs.upstream_assets import DagsterReader
from xtr_assets.pipeline.gate import source_agrees
from xtr_assets.pipeline.plan.begin import begin_generation
from xtr_assets.sources.asset_reader import lending
from xtr_assets.storage.warehouse import Warehouse

WORDS = ("ferry", "harbour", "lantern", "anchor", "quarry", "orchard", "meadow", "granary", "bakery", "foundry")
NO_VALUE = object()


def records(count: int = 40, start: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "_id": f"n{number}",
            "title": f"{WORDS[number % 10]} {number}",
            "text": f"Notice {number}: the {WORDS[number % 10]} opens at {number % 12} and the {WORDS[number // 10]} shuts.",
            "team": WORDS[number % 3],
        }
        for number in range(start, start + count)
    ]


@dataclass
class Shelf(dg.ConfigurableIOManager):
    """An IO manager of this process: what lies on it, by key and partition, and how often each was loaded."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        LIES[_place(context)] = obj

    def load_input(self, context: dg.InputContext) -> Any:
        LOADED.append(_place(context))
        value = LIES[_place(context)]
        return value() if callable(value) else value


LIES: dict[str, Any] = {}
LOADED: list[str] = []


def _place(context: Any) -> str:
    parts = [*context.asset_key.path, *([context.partition_key] if context.has_partition_key else [])]
    return "/".join(parts)


@dataclass
class Upstream:
    """A project of an asset `shop/notes` that gives `value`, and an index over it."""

    folder: Path
    instance: dg.DagsterInstance
    value: Any = field(default_factory=records)
    source: str = "{name: notes, kind: asset, asset: shop/notes, metadata: [team]}"
    partitions: dg.PartitionsDefinition[str] | None = None
    version: str | None = None

    @property
    def config(self) -> IndexConfig:
        text = f"name: shelf\nsources: [{self.source}]\nencoder: {{kind: hashing}}\nrecall: {{queries: 10}}\n"
        return parse_config(text, self.folder)

    @property
    def defs(self) -> dg.Definitions:
        @dg.asset(key=["shop", "notes"], partitions_def=self.partitions)
        def notes(context: dg.AssetExecutionContext) -> Any:
            value = self.value[context.partition_key] if self.partitions else self.value
            return value if self.version is None else dg.Output(value, data_version=dg.DataVersion(self.version))

        own = dg.Definitions(assets=[notes], resources={"io_manager": Shelf()})
        return dg.Definitions.merge(own, build_index_defs(self.config))

    def materialize(self, partition: str | None = None) -> None:
        job = self.defs.resolve_implicit_job_def_for_assets([dg.AssetKey(["shop", "notes"])])
        assert job is not None
        assert job.execute_in_process(instance=self.instance, partition_key=partition).success

    def reader(self) -> DagsterReader:
        return DagsterReader(self.defs.get_repository_def(), self.instance, "these definitions")

    def build(self, **options: Any) -> BuildResult:
        with lending(self.reader()):
            return build(self.config, self.instance, **options)

    def rows(self) -> dict[str, str]:
        """What serves: text by path and symbol."""
        serving = Warehouse.open(self.config.warehouse).published
        assert serving is not None
        table = serving.chunk_table(["path", "symbol", "text"]).to_pylist()
        return {f"{row['path']}:{row['symbol']}": row["text"] for row in table}

    def source_agrees(self) -> source_agrees.Finding:
        """The check, over a draft of the shards as they stand."""
        warehouse = Warehouse.open(self.config.warehouse)
        from xtr_assets.encoders import open_encoder
        from xtr_assets.pipeline.plan.draft_session import session_of

        with lending(self.reader()), warehouse.lock("test"):
            encoder = open_encoder(self.config.encoder)
            begun = begin_generation(warehouse, self.config, encoder, "looked", afresh=True)
            draft = begun.draft  # type: ignore[union-attr]
            with session_of(warehouse, draft, self.config, afresh=True, encoder=lambda: encoder) as session:
                return source_agrees.check(session)


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    LIES.clear()
    LOADED.clear()
    with dg.DagsterInstance.ephemeral() as instance:
        yield Upstream(tmp_path, instance)


def test_the_records_of_an_asset_serve_and_only_what_changed_is_encoded(upstream: Upstream) -> None:
    upstream.materialize()
    first = upstream.build()
    assert first.published, first.failed
    assert first.live_rows == 40
    assert upstream.rows()["shop/notes:n7"].startswith("Notice 7: ")
    # A look asks Dagster for the version alone.
    LOADED.clear()
    assert upstream.build().built is None
    assert LOADED == []
    # Materialized again with the same rows: they are read, and none is encoded.
    upstream.materialize()
    again = upstream.build()
    assert again.built is None
    assert again.shards["notes"]["kept"] == 40
    # A row that comes first moves all others, one changes, one goes.
    changed = [records(1, 90)[0], *(dict(one) for one in records())]
    changed[5]["text"] = "The tide was late."
    del changed[20]
    upstream.value = pa.Table.from_pylist(changed)
    upstream.materialize()
    second = upstream.build()
    assert second.published, second.failed
    counts = second.shards["notes"]
    assert (counts["added"], counts["changed"], counts["deleted"]) == (1, 1, 1)
    assert counts["encoded"] == 2
    assert upstream.rows()["shop/notes:n4"] == "The tide was late."


def test_lineage_shows_the_asset_and_the_sensor_asks_for_an_ingest_when_it_is_materialized(upstream: Upstream) -> None:
    graph = upstream.defs.resolve_asset_graph()
    assert dg.AssetKey(["shop", "notes"]) in graph.get(dg.AssetKey(["shelf", "chunks"])).parent_keys
    dg.Definitions.validate_loadable(upstream.defs)

    def tick(cursor: str | None) -> Any:
        context = dg.build_sensor_context(instance=upstream.instance, cursor=cursor, definitions=upstream.defs)
        return upstream.defs.get_sensor_def("source_changes")(context)

    with pytest.raises(SourceError, match="shop/notes was never materialized"):
        tick(None)
    upstream.materialize()
    seen = tick(None)
    assert not seen.run_requests and "may still be changing" in seen.skip_reason
    (request,) = tick(seen.cursor).run_requests
    assert request.partition_key == "notes"
    # The run finds the asset in the definitions that it was started with: nobody lends it a reader.
    assert upstream.defs.resolve_job_def("ingest") is not None
    result = _launched(upstream, "ingest", "notes")
    assert result.success
    assert "nothing changed" in tick(seen.cursor).skip_reason
    upstream.materialize()
    assert "may still be changing" in tick(seen.cursor).skip_reason


def _launched(upstream: Upstream, job: str, partition: str | None = None) -> Any:
    with lending(upstream.reader()):
        return upstream.defs.resolve_job_def(job).execute_in_process(
            instance=upstream.instance, partition_key=partition
        )


def test_a_version_that_the_asset_gives_itself_decides(upstream: Upstream) -> None:
    upstream.version = "42"
    upstream.materialize()
    assert upstream.build().published
    LOADED.clear()
    upstream.materialize()
    assert upstream.build().built is None
    assert LOADED == []
    upstream.version, upstream.value = "43", records(41)
    upstream.materialize()
    assert upstream.build().live_rows == 41


def test_each_partition_is_a_path_and_one_that_goes_takes_its_rows_along_with_a_word(upstream: Upstream) -> None:
    upstream.partitions = dg.DynamicPartitionsDefinition(name="days")
    days = [f"2026-01-0{number}" for number in range(1, 6)]
    upstream.instance.add_dynamic_partitions("days", days)
    upstream.value = {day: records(12, 12 * number) for number, day in enumerate(days)}
    upstream.source = "{name: notes, kind: asset, asset: shop/notes, shards: 2}"
    for day in days[:4]:
        upstream.materialize(day)
    assert upstream.build().live_rows == 48
    assert {path.partition(":")[0] for path in upstream.rows()} == {f"shop/notes/{day}" for day in days[:4]}
    upstream.materialize(days[4])
    LOADED.clear()
    assert upstream.build().live_rows == 60
    assert set(LOADED) <= {f"shop/notes/{day}" for day in days}
    upstream.instance.delete_dynamic_partition("days", days[0])
    upstream.instance.delete_dynamic_partition("days", days[1])
    refused = upstream.build()
    assert not refused.published
    assert "nothing_vanished" in {one.name for one in refused.failed}
    assert upstream.build(accept_shrink=["notes"], reason="the days are over").live_rows == 36


def test_partitions_that_are_listed_are_shards_and_others_are_not_read(upstream: Upstream) -> None:
    upstream.partitions = dg.StaticPartitionsDefinition(["de", "fr", "it"])
    upstream.value = {name: records(20, 20 * number) for number, name in enumerate(("de", "fr", "it"))}
    upstream.source = "{name: notes, kind: asset, asset: shop/notes, partitions: [de, fr]}"
    for name in ("fr", "it"):
        upstream.materialize(name)
    with pytest.raises(SourceError, match="the partition 'de' of source notes: the asset shop/notes was never"):
        upstream.build()
    upstream.materialize("de")
    result = upstream.build()
    assert result.published, result.failed
    assert set(result.shards) == {"notes-de", "notes-fr"}
    assert {path.partition(":")[0] for path in upstream.rows()} == {"shop/notes/de", "shop/notes/fr"}
    dg.Definitions.validate_loadable(upstream.defs)


def _broken() -> Iterator[dict[str, Any]]:
    yield from records(7)
    raise RuntimeError("the line went dead")


class Plan:
    """What a lazy frame looks like."""

    def collect(self) -> None:
        raise AssertionError("nobody asked for it to run")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "has the value None"),
        ([], "is empty of records: it holds no record"),
        (pa.table({"_id": pa.array([], pa.string()), "text": pa.array([], pa.string())}), "is empty of records"),
        (lambda: _broken(), "ended after 7 records with RuntimeError: the line went dead"),
        (pa.table({"id": ["1"], "text": ["a"]}), "no column `_id`, `team`; the asset has id, text"),
        ([{"id": "1", "body": "a"}], "none of its 1 records can be used: `_id` is missing"),
        ([{"_id": "1", "text": 3}], "none of its 1 records can be used: `text` is 3; allowed: a string"),
        (["a", "b"], "none of its 2 records can be used: it is a str; allowed: a mapping"),
        ("a text", "has a value of type str; let the asset return a pyarrow"),
        (Plan(), "Plan, which is a plan and holds no rows; let the asset collect it"),
    ],
)
def test_what_is_no_corpus_is_one_error_and_what_serves_stays(upstream: Upstream, value: Any, said: str) -> None:
    upstream.materialize()
    with lending(upstream.reader()):
        source = source_agrees_source(upstream.config)
        (path,) = source.listing().files
        LIES["shop/notes"] = value
        with pytest.raises(SourceError) as error:
            list(source.read(path))
    assert said in str(error.value)
    assert "the asset shop/notes" in str(error.value)


def source_agrees_source(config: IndexConfig) -> Any:
    from xtr_assets.sources import open_source

    return open_source(config.sources[0])
