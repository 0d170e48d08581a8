"""Upstream Dagster assets as sources: read, watched, checked against a second reading; what goes wrong with them."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.core.errors import ConfigError, SourceError
from xtr_assets.defs import build_index_defs
from xtr_assets.defs.in_process import BuildResult, build
from xtr_assets.defs.project_definitions import shell_reader
from xtr_assets.defs.upstream_assets import DagsterReader
from xtr_assets.pipeline.gate import source_agrees
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.ingest.scan import scan, write_chunks
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.sources import open_source
from xtr_assets.sources.asset_reader import lending
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, encode

WORDS = ("ferry", "harbour", "lantern", "anchor", "quarry", "orchard", "meadow", "granary", "bakery", "foundry")
NO_VALUE = object()


def records(count: int = 40, start: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "_id": f"n{number}",
            "title": f"{WORDS[number % 10]} {number}",
            "text": f"Notice {number}: the {WORDS[number % 10]} opens, the {WORDS[number // 10]} shuts at {number}.",
            "team": WORDS[number % 3],
        }
        for number in range(start, start + count)
    ]


class Shelf(dg.IOManager):
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


def records_schema() -> pa.Schema:
    return pa.Table.from_pylist(records(1)).schema


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
        encoder = "encoder: {kind: hashing, dim: 64, token_dim: 32}\nrecall: {queries: 10}\n"
        return parse_config(f"name: shelf\nsources: [{self.source}]\n{encoder}", self.folder)

    @property
    def defs(self) -> dg.Definitions:
        @dg.asset(key=["shop", "notes"], partitions_def=self.partitions)
        def notes(context: dg.AssetExecutionContext) -> Any:
            value = self.value[context.partition_key] if self.partitions else self.value
            return value if self.version is None else dg.Output(value, data_version=dg.DataVersion(self.version))

        own = dg.Definitions(assets=[notes], resources={"io_manager": Shelf()})
        return dg.Definitions.merge(own, build_index_defs(self.config))

    def materialize(self, partition: str | None = None) -> None:
        """As a process elsewhere does it: the value is stored, the event told."""
        LIES["/".join(filter(None, ("shop/notes", partition)))] = self.value[partition] if partition else self.value
        tags = {} if self.version is None else {"dagster/data_version": self.version}
        event = dg.AssetMaterialization(["shop", "notes"], partition=partition, tags=tags)
        self.instance.report_runless_asset_event(event)

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

    def ingest(self) -> None:
        """Chunk what changed, with stand-in vectors."""
        warehouse = Warehouse.create(self.config.warehouse, exist_ok=True)
        with lending(self.reader()):
            for one in scan(warehouse, self.config):
                if one.changed:
                    write_chunks(warehouse, one, one.touched)
        for segment in warehouse.segments():
            encode(segment)

    def ingested(self) -> dict[str, dict[str, int]]:
        """Rows by path, by shard."""
        warehouse = Warehouse.open(self.config.warehouse)
        found: dict[str, dict[str, int]] = {}
        for shard in warehouse.shards():
            snapshot = warehouse.snapshot(shard)
            assert snapshot is not None
            counts = found.setdefault(shard, {})
            for one in snapshot.segments:
                live = ~snapshot.dead_mask(one.segment_id)
                paths = warehouse.segment(one.segment_id).chunks()["path"].filter(pa.array(live)).to_pylist()
                for path in paths:
                    counts[path] = counts.get(path, 0) + 1
        return found

    def looked_at(self) -> Finding:
        """`source_agrees` over a draft of the shards as they stand."""
        warehouse = Warehouse.open(self.config.warehouse)
        found = {shard: one.data_version for shard in warehouse.shards() if (one := warehouse.snapshot(shard))}
        draft = warehouse.draft("run", encoder=ENCODER.describe(), fingerprint=ENCODER.fingerprint, snapshots=found)
        with lending(self.reader()):
            return source_agrees.check(DraftSession(warehouse, draft, self.config))


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
    # Half of it is gone.
    upstream.value = records(20)
    upstream.materialize()
    third = upstream.build()
    assert not third.published
    assert "nothing_vanished" in {one.name for one in third.failed}
    assert upstream.rows().keys() >= {"shop/notes:n4", "shop/notes:n39"}


def test_lineage_shows_the_asset_and_the_sensor_asks_for_an_ingest_when_it_is_materialized(upstream: Upstream) -> None:
    graph = upstream.defs.resolve_asset_graph()
    assert dg.AssetKey(["shop", "notes"]) in graph.get(dg.AssetKey(["shelf", "chunks"])).parent_keys
    dg.Definitions.validate_loadable(upstream.defs)

    def tick(cursor: str | None) -> Any:
        defs = upstream.defs
        resources = {key: (defs.resources or {})[key] for key in ("warehouse", "encoder")}
        with dg.build_sensor_context(
            instance=upstream.instance, cursor=cursor, definitions=defs, resources=resources
        ) as context:
            return defs.resolve_sensor_def("source_changes").evaluate_tick(context)

    with pytest.raises(SourceError, match="shop/notes was never materialized"):
        tick(None)
    upstream.materialize()
    seen = tick(None)
    assert not seen.run_requests and "may still be changing" in seen.skip_message
    (request,) = tick(seen.cursor).run_requests
    assert request.partition_key == "notes"
    upstream.ingest()
    assert "nothing changed" in tick(seen.cursor).skip_message
    upstream.materialize()
    assert "may still be changing" in tick(seen.cursor).skip_message


def test_a_version_that_the_asset_gives_itself_decides(upstream: Upstream) -> None:
    upstream.version = "42"
    upstream.materialize()
    upstream.ingest()
    LOADED.clear()
    upstream.materialize()
    upstream.ingest()
    assert LOADED == []
    upstream.version, upstream.value = "43", records(41)
    upstream.materialize()
    upstream.ingest()
    assert upstream.ingested() == {"notes": {"shop/notes": 41}}


@pytest.mark.parametrize(
    "partitions",
    [
        None,
        dg.StaticPartitionsDefinition(["de", "fr"]),
        dg.DynamicPartitionsDefinition(name="days"),
        dg.DailyPartitionsDefinition("2026-01-01"),
        dg.MultiPartitionsDefinition(
            {"day": dg.DailyPartitionsDefinition("2026-01-01"), "land": dg.StaticPartitionsDefinition(["de", "fr"])}
        ),
    ],
    ids=lambda partitions: type(partitions).__name__,
)
def test_definitions_load_whatever_partitions_the_asset_has(
    upstream: Upstream, partitions: dg.PartitionsDefinition[str] | None
) -> None:
    upstream.partitions = partitions
    dg.Definitions.validate_loadable(upstream.defs)


def test_each_partition_is_a_path_of_its_own(upstream: Upstream) -> None:
    upstream.partitions = dg.DynamicPartitionsDefinition(name="days")
    days = ["2026-01-01", "a/b", ".."]
    upstream.instance.add_dynamic_partitions("days", [*days, "never"])
    upstream.value = {day: records(12, 12 * number) for number, day in enumerate(days)}
    upstream.source = "{name: notes, kind: asset, asset: shop/notes, shards: 2}"
    for day in days:
        upstream.materialize(day)
    upstream.ingest()
    held = {path: rows for shard in upstream.ingested().values() for path, rows in shard.items()}
    assert held == {f"shop/notes/{name}": 12 for name in ("2026-01-01", "a%2Fb", "..")}
    assert upstream.looked_at().passed
    # One is materialized again: the others are not loaded. An empty one beside them keeps what it had.
    LOADED.clear()
    upstream.value["a/b"] = []
    upstream.materialize("a/b")
    upstream.ingest()
    assert set(LOADED) == {"shop/notes/a/b"}
    assert sum(rows for shard in upstream.ingested().values() for rows in shard.values()) == 36
    upstream.instance.delete_dynamic_partition("days", days[0])
    upstream.ingest()
    assert sum(rows for shard in upstream.ingested().values() for rows in shard.values()) == 24


def test_partitions_that_are_listed_are_shards_and_others_are_not_read(upstream: Upstream) -> None:
    upstream.partitions = dg.StaticPartitionsDefinition(["de", "fr", "it"])
    upstream.value = {name: records(20, 20 * number) for number, name in enumerate(("de", "fr", "it"))}
    upstream.source = "{name: notes, kind: asset, asset: shop/notes, partitions: [de, fr]}"
    for name in ("fr", "it"):
        upstream.materialize(name)
    with pytest.raises(SourceError, match="the partition 'de' of source notes: the asset shop/notes was never"):
        upstream.ingest()
    upstream.materialize("de")
    upstream.ingest()
    assert upstream.ingested() == {"notes-de": {"shop/notes/de": 20}, "notes-fr": {"shop/notes/fr": 20}}
    assert upstream.looked_at().passed
    dg.Definitions.validate_loadable(upstream.defs)
    # Each shard holds the partition that it is called by, or is refused.
    upstream.source = "{name: notes, kind: asset, asset: shop/notes, partitions: [fr, de, it]}"
    assert "shard notes-it of the configuration is not in the generation" in upstream.looked_at().summary


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
        (pa.Table.from_pylist([], records_schema()), "is empty of records"),
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
        source = open_source(upstream.config.sources[0])
        (path,) = source.listing().files
        LIES["shop/notes"] = value
        with pytest.raises(SourceError) as error:
            list(source.read(path))
    assert said in str(error.value)
    assert "the asset shop/notes" in str(error.value)


def test_an_io_manager_that_keeps_nothing_and_a_key_that_is_not_there_are_named(upstream: Upstream) -> None:
    upstream.materialize()
    LIES.clear()
    with pytest.raises(SourceError, match=r"its IO manager gives no value of it .KeyError"):
        upstream.ingest()
    upstream.source = "{name: notes, kind: asset, asset: shop/note}"
    with pytest.raises(SourceError, match=r"there is no asset shop/note in these definitions.*: shop/notes"):
        upstream.ingest()
    # Another code location reported it.
    upstream.instance.report_runless_asset_event(dg.AssetMaterialization(["shop", "note"]))
    with pytest.raises(SourceError, match=r"another code location has it. Say here how it is stored: .dg.AssetSpec"):
        upstream.ingest()


def test_an_asset_of_another_code_location_is_read_where_its_io_manager_is_named(upstream: Upstream) -> None:
    upstream.materialize()
    spec = dg.AssetSpec(["shop", "notes"], metadata={"dagster/io_manager_key": "shelf"})
    here = dg.Definitions(assets=[spec], resources={"shelf": Shelf()})
    reader = DagsterReader(here.get_repository_def(), upstream.instance, "these definitions")
    assert len(reader.load("shop/notes", "")) == 40


def test_a_value_that_is_replaced_while_it_is_read_is_not_taken(upstream: Upstream) -> None:
    upstream.materialize()

    def replaced() -> Iterator[dict[str, Any]]:
        yield from records(20)
        upstream.instance.report_runless_asset_event(dg.AssetMaterialization(["shop", "notes"]))
        yield from records(20, 60)

    LIES["shop/notes"] = replaced
    with pytest.raises(SourceError, match="was materialized again while it was read; nothing of it was taken"):
        upstream.ingest()
    assert Warehouse.open(upstream.config.warehouse).shards() == []


def test_records_that_cannot_be_used_are_in_quarantine_and_the_check_agrees(upstream: Upstream) -> None:
    bad: list[Any] = [
        {"_id": "n3", "text": "twice"},
        {"_id": 1.5, "text": "a"},
        {"_id": "x", "text": b"a"},
        "no record",
    ]
    bad.append({"_id": "y", "text": "its team is no JSON", "team": object()})
    upstream.value = [*records(), *bad]
    upstream.materialize()
    upstream.ingest()
    snapshot = Warehouse.open(upstream.config.warehouse).snapshot("notes")
    assert snapshot is not None
    assert [(one.line, one.reason) for one in snapshot.quarantine] == [
        (41, "duplicate-id"),
        *((line, "invalid-record") for line in (42, 43, 44, 45)),
    ]
    assert upstream.looked_at().passed


class Frame:
    """A table of another library: the Arrow interface, and rows of its own."""

    def __init__(self, rows: list[dict[str, Any]], own: list[dict[str, Any]]) -> None:
        self._table, self._own, self.height = pa.Table.from_pylist(rows), own, len(own)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)

    def iter_rows(self) -> None:
        raise AssertionError("one row at a time")

    def row(self, number: int, *, named: bool) -> dict[str, Any]:
        assert named
        return self._own[number]


def test_the_second_reading_is_a_fresh_load_by_another_library(upstream: Upstream) -> None:
    upstream.materialize()
    upstream.ingest()
    LOADED.clear()
    assert upstream.looked_at().details["rows_compared"] == 40
    assert LOADED == ["shop/notes"]
    # What lies there says something else than what was read, under the same version: whoever lied, it is seen.
    other = records()
    other[11]["text"] = "Nothing of the kind."
    LIES["shop/notes"] = Frame(records(), other)
    found = upstream.looked_at()
    assert not found.passed
    assert "the record of line 12: its text is not that of its rows" in found.summary
    LIES["shop/notes"] = pa.Table.from_pylist(records(39))
    assert "rows of line 40, where no record stands" in upstream.looked_at().summary
    # Materialized again: another value is no fault, and what could not be compared is no evidence.
    upstream.value = records(30)
    upstream.materialize()
    found = upstream.looked_at()
    assert not found.passed
    assert "not one of 1 sampled files is as it was ingested" in found.summary
    assert found.details["faults"] == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("", "`asset` of source notes is missing"),
        ("asset: a, path: b", "source notes has `path`, which an asset has not"),
        ("asset: a, ref: main", "source notes has `ref`, which is of `kind: git`"),
        ("asset: a, partitions: [x, x]", "name different partitions"),
        ("asset: a, partitions: [x], shards: 2", "beside `shards: 2`"),
        ("asset: a, partitions: [a/b]", "partitions"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(upstream: Upstream, settings: str, said: str) -> None:
    upstream.source = f"{{name: notes, kind: asset, {settings}}}"
    with pytest.raises(ConfigError, match=said):
        upstream.config  # noqa: B018


def test_the_shell_finds_the_definitions_of_the_project_or_says_what_to_do(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = upstream.config, upstream.folder
    with pytest.raises(ConfigError, match="no Dagster project lies around this folder"):
        shell_reader(config, upstream.instance, folder)
    (folder / "pyproject.toml").write_text("[tool.dg.project]\nroot_module = 'corner_shop'\n")
    module = folder / "src" / "corner_shop"
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    with pytest.raises(ConfigError, match=r"corner_shop.definitions.*cannot be loaded: ModuleNotFoundError"):
        shell_reader(config, upstream.instance, folder)
    (module / "definitions.py").write_text(
        "import dagster as dg\n\n@dg.definitions\ndef defs():\n"
        "    return dg.Definitions(assets=[dg.AssetSpec(['shop', 'notes'])])\n"
    )
    try:
        reader = shell_reader(config, upstream.instance, folder)
        assert reader is not None
        assert reader.materializations("shop/notes") == {}
        # A module that is named goes before the project's.
        made = ModuleType("two_of_them")
        made.one = made.other = upstream.defs  # type: ignore[attr-defined]
        made.third = dg.Definitions()  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "two_of_them", made)
        upstream.source = "{name: notes, kind: asset, asset: shop/notes, definitions: two_of_them}"
        with pytest.raises(ConfigError, match="two_of_them has 3 objects of Dagster definitions, one is wanted"):
            shell_reader(upstream.config, upstream.instance, folder)
        del made.third, made.other
        reader = shell_reader(upstream.config, upstream.instance, folder)
        assert reader is not None
        upstream.materialize()
        assert set(reader.materializations("shop/notes")) == {""}
    finally:
        for name in ("corner_shop", "corner_shop.definitions"):
            sys.modules.pop(name, None)


def test_where_dagster_is_not_at_work_nothing_is_read(upstream: Upstream) -> None:
    with pytest.raises(SourceError, match="is read where Dagster is at work"):
        open_source(upstream.config.sources[0]).scan("notes", {})


def test_a_run_that_is_of_no_code_location_says_where_it_reads_an_asset(upstream: Upstream) -> None:
    upstream.materialize()
    ingest = upstream.defs.resolve_job_def("ingest")
    with pytest.raises(
        SourceError, match=r"shop/notes is read .* in a code location, .*`execute_in_process` is in none"
    ):
        ingest.execute_in_process(instance=upstream.instance, partition_key="notes")
