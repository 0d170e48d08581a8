"""An index of parts in Dagster: a change in one shard rebuilds its part alone, and one move lets all parts serve."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.selector import PartitionsByAssetSelector
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

import xtr_assets as xa
from xtr_assets.cli.staleness import Behind, behind
from xtr_assets.config import IndexConfig, PartsConfig, QueriesConfig, parse_config
from xtr_assets.core.errors import ConfigError, InvalidInput, StorageError
from xtr_assets.core.types import VectorKind
from xtr_assets.defs import SearchResource, build_index_defs, build_project_defs
from xtr_assets.defs.asked_run import AskedRun
from xtr_assets.defs.in_process import BuildResult, build
from xtr_assets.defs.part_builds import SetResult, in_parts
from xtr_assets.pipeline.gate import joined_quality
from xtr_assets.pipeline.gate.joined_quality import set_checks
from xtr_assets.pipeline.gate.judgments import CHECK
from xtr_assets.pipeline.plan.decide import wanted_kind
from xtr_assets.pipeline.plan.next_move import next_move
from xtr_assets.pipeline.plan.part_plan import PartPlan, plan_parts
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.parts import part_set
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.set_check import SetCheck
from xtr_assets.storage.warehouse import Warehouse

CONFIG = """
name: small
warehouse: small
parts: {{max_chunks: {most}, shards: {each}}}
sources:
  - {{name: birds, kind: text, path: birds}}
  - {{name: trees, kind: text, path: trees{shards}}}
encoder: {{kind: hashing}}
recall: {{queries: 5}}
queries: {{path: queries.jsonl, judgments: qrels.tsv}}
"""


# A source that lies in two parts: each sees the files of the other's shard and has none of them.
SPLIT = {"most": 6, "each": 2, "shards": ", shards: 2"}
ALONE = {"most": 5, "each": 1, "shards": ""}
PLACES = {"birds": "part-0001", "trees-00of02": "part-0001", "trees-01of02": "part-0002"}


def write(folder: Path, name: str, said: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(f"# {name}\n\nThe {name} {said}.\n")


@dataclass
class Site:
    folder: Path
    instance: dg.DagsterInstance
    config: IndexConfig
    defs: dg.Definitions = field(init=False)
    cursors: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.load()

    def load(self) -> None:
        self.defs = build_index_defs(self.config)

    @property
    def parts(self) -> PartSet:
        return PartSet.open(self.config.warehouse)

    def serves(self) -> dict[str, int]:
        moves = self.parts.moves()
        return {part: state.generation for part, state in moves[-1].parts.items()} if moves else {}

    def build(self, **options: Any) -> SetResult:
        return in_parts(self.config, self.instance, build, **options)

    def tick(self, sensor: str) -> Any:
        definition = self.defs.resolve_sensor_def(sensor)
        wanted = {key: (self.defs.resources or {})[key] for key in definition.required_resource_keys}
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(sensor), definitions=self.defs, resources=wanted
        ) as context:
            result = definition.evaluate_tick(context)
        self.cursors[sensor] = result.cursor
        return result

    def run(self, job: str, **options: Any) -> bool:
        made = self.defs.resolve_job_def(job)
        return made.execute_in_process(instance=self.instance, raise_on_error=False, **options).success

    def settle(self) -> list[str]:
        """Tick every sensor that asks for runs until none does; the jobs that ran."""
        ran: list[str] = []
        quiet = 0
        while quiet < 2:
            quiet += 1
            for label in ("part_0001_", "part_0002_", ""):
                asking = {"source_changes": "ingest", "automation": "rebuild"} if label else {"moves": "publish"}
                for sensor, job in asking.items():
                    for request in self.tick(f"{label}{sensor}").run_requests or []:
                        quiet = 0
                        ran.append(f"{label}{job}")
                        self.run(f"{label}{job}", partition_key=request.partition_key, tags=dict(request.tags))
        return ran

    def top(self, query: str) -> str:
        with xa.open(self.config.warehouse, device="cpu") as searcher:
            return searcher.search(query, 1)[0].path


def judge(folder: Path, *names: str) -> None:
    """Each of these asks for the file of its name, in whatever part that lies."""
    (folder / "queries.jsonl").write_text("".join(f'{{"_id": "{one}", "text": "the {one}"}}\n' for one in names))
    (folder / "qrels.tsv").write_text("".join(f"{one}\t{one}.md\t1\n" for one in names))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts, published together by a build from the shell's own function."""
    folder = tmp_path_factory.mktemp("parts")
    for name in ("heron", "stork", "crane", "egret"):
        write(folder / "birds", name, "wades at noon")
    for name in ("alder", "beech", "cedar", "rowan"):
        write(folder / "trees", name, "grows at noon")
    judge(folder, "heron", "stork", "alder", "rowan")
    with dg.DagsterInstance.ephemeral() as instance:
        made = Site(folder, instance, parse_config(CONFIG.format(**SPLIT), folder))
        result = made.build()
        assert (result.ok, result.moved, result.move, result.live_rows) == (True, True, 1, 8), result
        assert next(run.job_name for run in instance.get_runs()) == "publish"
        again = made.build()
        assert (again.ok, again.moved, again.move) == (True, False, 1) and "move 1 serves all of it" in again.reason
    return folder


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Site(tmp_path, instance, parse_config(CONFIG.format(**SPLIT), tmp_path))


def test_a_part_is_behind_by_its_own_shards_alone(site: Site) -> None:
    def told() -> dict[str, dict[str, Behind]]:
        found = {}
        for part, config in plan_parts(site.config).configs.items():
            warehouse = site.parts.warehouse(part)
            assert warehouse.published is not None
            found[part] = behind(config, warehouse, warehouse.published.snapshots())
        return found

    every = {shard: part for part, held in told().items() for shard, one in held.items() if one == Behind()}
    assert every == PLACES
    write(site.folder / "birds", "ibis", "flies at dusk")
    late = {(part, shard) for part, held in told().items() for shard, one in held.items() if one != Behind()}
    assert late == {("part-0001", "birds")}


def test_the_life_of_an_index_of_parts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told in one story: a build of two parts takes two seconds of CPU."""
    assert site.settle() == [] and site.serves() == {"part-0001": 1, "part-0002": 1}
    second = read_all(site.config.warehouse / "parts" / "part-0002")

    # A change in one shard; the run that would move the set dies in the moment of its commit.
    for name in ("ibis", "rook"):
        write(site.folder / "birds", name, "flies at dusk")
    with monkeypatch.context() as patch:
        patch.setattr(part_set, "append_move", killed)
        assert site.settle() == ["part_0001_ingest", "part_0001_rebuild", "publish"]
    assert site.serves() == {"part-0001": 1, "part-0002": 1}
    assert "asked for again later" in str(site.tick("moves").skip_message)
    assert read_all(site.config.warehouse / "parts" / "part-0002") == second
    # Another host, or the same one after its death: nothing is remembered of what was asked.
    site.cursors.clear()
    with monkeypatch.context() as patch:
        # And this one in the moment after it, before it says so.
        patch.setattr(PartPlan, "overfull", killed)
        assert site.settle() == ["publish"]
    site.cursors.clear()
    unsaid, found = site.tick("moves").asset_events
    assert (found.check_name, found.passed, found.metadata["move"].value) == (CHECK, True, "2")
    site.instance.report_runless_asset_event(found)
    assert not site.tick("moves").asset_events
    site.instance.report_runless_asset_event(unsaid)
    site.cursors.clear()
    assert not site.tick("moves").asset_events
    assert site.serves() == {"part-0001": 2, "part-0002": 1} and site.top("ibis flies at dusk") == "ibis.md"
    assert [len(move.parts) for move in site.parts.moves()] == [2, 2]
    (sentence,) = plan_parts(site.config).overfull()
    assert "part-0001 serves 7 chunks" in sentence and "parts move" in sentence
    move = site.instance.get_latest_materialization_event(dg.AssetKey(["small", "published"]))
    assert move is not None and move.asset_materialization is not None
    assert move.asset_materialization.metadata["move"].value == 2

    # What is refused in one part keeps the others from being seen, and not from being built.
    for name in ("heron", "stork", "crane"):
        (site.folder / "birds" / f"{name}.md").unlink()
    write(site.folder / "trees", "maple", "glows at dusk")
    ran = site.settle()
    assert "publish" not in ran and {"part_0001_rebuild", "part_0002_rebuild"} <= set(ran)
    published = site.parts.warehouse("part-0002").published
    assert published is not None and published.number == 2 and site.serves() == {"part-0001": 2, "part-0002": 1}
    assert "part part-0001 does not serve what its shards hold" in str(site.tick("moves").skip_message)
    told = in_parts(site.config, site.instance, refused)
    assert not told.ok and not told.moved and "part-0001" in told.reason and told.move == 2
    assert site.top("maple glows at dusk") != "maple.md"

    # A rollback of the set is not undone by a sensor.
    assert site.run("rollback")
    assert site.serves() == {"part-0001": 1, "part-0002": 1}
    assert site.settle() == [] and site.serves()["part-0001"] == 1
    assert "parts publish --again" in str(site.tick("moves").skip_message)


def test_a_generation_of_a_part_is_withdrawn_by_a_job_of_the_whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site.folder / "birds", "ibis", "flies at dusk")
    assert site.build().move == 2 and site.serves()["part-0001"] == 2

    def asked(job: str, op: str, **config: Any) -> bool:
        return site.run(job, run_config={"ops": {op: {"config": config}}})

    def withdrawn(part: str, number: int, reason: str) -> bool:
        return asked("withdraw", "withdraw_from_part", part=part, generation=number, reason=reason)

    assert not withdrawn("part-0009", 2, "no such part") and not withdrawn("part-0001", 2, "  ")
    assert site.parts.number == 2
    # Killed between the withdrawal and the move that follows; then executed again.
    with monkeypatch.context() as patch:
        patch.setattr(PartSet, "rollback", killed)
        assert not withdrawn("part-0001", 2, "it leaks")
    assert site.parts.warehouse("part-0001").generation(2).state == "withdrawn" and site.parts.number == 2
    with monkeypatch.context() as patch:
        patch.setattr(AskedRun, "is_by", lambda _, who: who.startswith("dagster run "))
        assert withdrawn("part-0001", 2, "it leaks") and site.serves() == {"part-0001": 1, "part-0002": 1}
        assert withdrawn("part-0001", 2, "it leaks") and site.parts.number == 3, "once"
    (record,) = site.instance.fetch_observations(dg.AssetKey(["small", "published"]), limit=1).records
    assert record.asset_observation is not None and record.asset_observation.metadata["serves"].value == "move 3"
    jobs = {job.name for job in site.defs.resolve_all_job_defs()}
    assert {"withdraw", "part_0001_publish"} <= jobs and "part_0001_withdraw" not in jobs


def test_a_rollback_of_the_whole_is_made_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that are launched at once, and of one whose process died and that is executed again."""
    for why in ("one", "two"):
        (site.folder / "qrels.tsv").write_text(f"heron\theron.md\t1\nalder\t{why}.md\t0\n")
        site.parts.publish(checks=set_checks(site.config), force_reason=why)
    before = site.parts.number
    assert before == 3
    with monkeypatch.context() as patch:
        patch.setattr(part_set, "now", lambda: "2999-01-01T00:00:00+00:00")
        assert site.run("rollback")
    assert not site.run("rollback") and site.parts.number == 4
    again = {"ops": {"small__published": {"config": {"again": "nobody rolled it back then"}}}}
    assert not site.run("publish", run_config=again) and site.parts.number == 4
    with monkeypatch.context() as patch:
        patch.setattr(AskedRun, "is_by", lambda _, who: who.startswith("dagster run "))
        assert site.run("rollback") and site.parts.number == 4


def test_a_part_without_shards_is_taken_out_by_a_job(site: Site) -> None:
    """No move is made while it is there."""

    def removed(part: str) -> bool:
        return site.run("remove_part", run_config={"ops": {"take_part_out": {"config": {"part": part}}}})

    assert not removed("part-0002"), "it has a shard of the configuration"
    text = CONFIG.format(**SPLIT)
    site.config = parse_config("".join(one for one in text.splitlines(True) if "trees" not in one), site.folder)
    site.load()
    assert "`remove_part`" in str(site.tick("moves").skip_message)
    assert not removed("part-0001") and not removed("part-0009") and len(site.parts.info.parts) > 1
    assert removed("part-0002") and removed("part-0002") and list(site.parts.info.parts) == ["part-0001"]
    assert site.serves() == {"part-0001": 1, "part-0002": 1} and not site.run("publish")
    assert site.run("publish", run_config={"ops": {"small__published": {"config": {"force": "no trees any more"}}}})
    assert site.serves() == {"part-0001": 1}


def test_each_part_has_its_assets_and_the_whole_has_one(site: Site) -> None:
    graph = site.defs.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["small", "published"])).parent_keys == {
        dg.AssetKey(["small_part_0001", "published"]),
        dg.AssetKey(["small_part_0002", "published"]),
    }
    partitions = graph.get(dg.AssetKey(["small_part_0001", "chunks"])).partitions_def
    assert partitions is not None and partitions.get_partition_keys() == ["birds", "trees-00of02"]
    assert {"search", "parts", "part_0001_warehouse"} <= set(site.defs.resources or {})
    jobs = {job.name for job in site.defs.resolve_all_job_defs()}
    assert {"publish", "rollback", "part_0001_rollback", "part_0002_rebuild"} <= jobs
    tagged = build_index_defs(site.config, run_tags={"publish": {"a": "1"}, "rebuild": {"b": "2"}})
    assert tagged.resolve_job_def("publish").tags["a"] == "1"
    assert tagged.resolve_job_def("publish").tags["dagster/retry_on_asset_or_op_failure"] == "false", "it was refused"
    assert tagged.resolve_job_def("part_0002_rebuild").tags["b"] == "2"
    with pytest.raises(ConfigError, match="strange"):
        build_index_defs(site.config, run_tags={"strange": {}})
    together = build_project_defs(
        [site.config, parse_config(CONFIG.format(**ALONE).replace("small", "other"), site.folder)]
    )
    dg.Definitions.validate_loadable(together)


def test_the_set_is_judged_where_it_moves(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """By judgments of the whole: no part has all of the right answers, or a check of them."""
    assert site.parts.moves()[-1].checks[CHECK].details["missing"] == 0
    for part in plan_parts(site.config).configs.values():
        assert part.queries == QueriesConfig(path=site.folder / "queries.jsonl")
    for warehouse in map(site.parts.warehouse, site.parts.info.parts):
        assert warehouse.published is not None and CHECK not in warehouse.published.manifest.checks
    key = dg.AssetCheckKey(dg.AssetKey(["small", "published"]), CHECK)
    assert site.run("publish")
    (shown,) = checked(site, key)
    assert (shown.passed, shown.metadata["move"].value, shown.metadata["value"].value) == (True, "1", 1.0)

    site.tick("moves")
    with monkeypatch.context() as patch:
        patch.setattr(PartSet, "moves", lambda _: pytest.fail("all moves are read, each with its record"))
        assert site.tick("moves").skip_message == "move 1 serves all of it"

    # Other judgments are a reason to move, though no part has to be built; what they refuse does not serve.
    (site.folder / "qrels.tsv").write_text("heron\tegret.md\t1\nalder\trowan.md\t1\n")
    site.config = floored(site.config, 0.9)
    site.load()
    ran: list[str] = []

    @dg.asset(deps=[key.asset_key])
    def reads() -> None:
        ran.append("reads")

    site.defs = dg.Definitions.merge(site.defs, dg.Definitions(assets=[reads]))
    (request,) = site.tick("moves").run_requests
    assert request.tags["xtr-assets/reason"] == f"move 1 was not asked {CHECK} by what is set now"
    both = site.defs.resolve_implicit_global_asset_job_def()
    chosen = [key.asset_key, dg.AssetKey("reads")]
    assert not both.execute_in_process(
        instance=site.instance, asset_selection=chosen, raise_on_error=False, tags=dict(request.tags)
    ).success
    shown, _ = checked(site, key)
    assert not shown.passed and shown.blocking and shown.metadata["move"].value == "refused"
    assert site.parts.number == 1 and not ran and "`queries.floor` asks for 0.9" in str(shown.description)
    told = site.build()
    assert not told.ok and f"check '{CHECK}' did not pass" in told.reason and told.move == 1
    # By a person's word it serves, and what follows goes on.
    config = {"ops": {"small__published": {"config": {"force": "it was meant"}}}}
    aside = shutil.copytree(site.config.warehouse, site.folder / "aside")
    assert both.execute_in_process(instance=site.instance, asset_selection=chosen, run_config=config).success
    assert (site.parts.number, site.parts.moves()[-1].forced, ran) == (2, "it was meant", ["reads"])
    assert both.execute_in_process(instance=site.instance, asset_selection=chosen).success, "nothing is new"
    shown = checked(site, key)[0]
    assert (shown.passed, shown.severity, shown.metadata["move"].value) == (False, dg.AssetCheckSeverity.WARN, "2")
    shutil.rmtree(site.config.warehouse)
    aside.rename(site.config.warehouse)

    # A floor that it reaches is asked for at once, and not when the refused one would be again.
    assert not site.tick("moves").run_requests
    site.config = floored(site.config, 0.1)
    site.load()
    assert site.tick("moves").run_requests
    # What serves is all that the parts serve: it is no fault of the move that one of them is behind its source.
    write(site.folder / "birds", "ibis", "flies at dusk")
    found = next_move(site.parts, plan_parts(site.config), kind_of, now=1e9, checks=set_checks(site.config))
    assert not found.due and found.serving and "does not serve what its shards hold" in found.reason


def test_a_set_that_was_changed_while_it_was_judged_is_refused_with_one_verdict(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "qrels.tsv").write_text("heron\theron.md\t1\n")
    looks: list[bool] = []

    def found(about: str, passed: bool) -> CheckRecord:
        return site.parts.moves()[-1].checks[CHECK].model_copy(update={"passed": passed, "digest": about})

    def look(*given: Any) -> CheckRecord:
        # The first look passes, and somebody makes a move meanwhile; then it does not.
        looks.append(not looks)
        if looks[-1]:
            site.parts.publish(checks=[SetCheck(CHECK, "others", None, lambda *asked: found(asked[-1], True))])
        return found(given[-1], looks[-1])

    monkeypatch.setattr(joined_quality, "_look", look)
    assert not site.run("publish") and looks == [True, False] and site.parts.number == 2
    key = dg.AssetCheckKey(dg.AssetKey(["small", "published"]), CHECK)
    assert [one.passed for one in checked(site, key)] == [False]


def test_definitions_load_where_judgments_cannot_be_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another user, or on a disk that fails: whoever judges is told, and what serves is shown."""

    def denied(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(joined_quality, "sha256_file", denied)
    site.load()
    assert (
        site.defs.resolve_asset_graph()
        .get_check_spec(dg.AssetCheckKey(dg.AssetKey(["small", "published"]), CHECK))
        .blocking
    )
    with pytest.raises(PermissionError, match="Permission denied"):
        site.tick("moves")


def kind_of(warehouse: Warehouse, config: IndexConfig) -> VectorKind:
    return wanted_kind(warehouse, config, lambda: pytest.fail("it is known"))


def floored(config: IndexConfig, floor: float) -> IndexConfig:
    assert config.queries is not None
    return config.model_copy(update={"queries": config.queries.model_copy(update={"floor": floor})})


def test_a_generation_waits_for_a_backfill_that_makes_one_itself(site: Site) -> None:
    """What was asked for between two of its runs overtook it, and it failed."""
    write(site.folder / "birds", "ibis", "flies at dusk")
    write(site.folder / "trees", "maple", "glows at dusk")
    assert site.run("part_0001_ingest", partition_key="birds")
    assert site.run("part_0002_ingest", partition_key="trees-01of02")
    chosen = [PartitionsByAssetSelector(asset_key=dg.AssetKey(["small_part_0001", "published"]))]
    backfill = PartitionBackfill.from_partitions_by_assets(
        "everything", site.defs.resolve_asset_graph(), 0.0, {}, site.instance, chosen, None, None, None
    )
    site.instance.add_backfill(backfill)
    for later in range(25):
        ended = backfill._replace(backfill_id=f"later {later}", asset_selection=[dg.AssetKey("other")])
        site.instance.add_backfill(ended.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    waits = site.tick("part_0001_automation")
    assert not waits.run_requests and waits.skip_message == "backfill everything has not ended"
    assert site.tick("part_0002_automation").run_requests, "it makes nothing of this part"
    site.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_FAILED))
    assert site.tick("part_0001_automation").run_requests


def checked(site: Site, key: dg.AssetCheckKey) -> list[Any]:
    """What the check found, the latest first."""
    records = site.instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
    return [one.event.dagster_event.event_specific_data for one in records]  # type: ignore[union-attr]


def test_a_move_by_no_run_of_the_instance_is_told_once(site: Site) -> None:
    told, *_ = site.tick("moves").asset_events
    assert told.metadata["move"].value == 1 and "No run of this index" in str(told.description)
    assert not site.tick("moves").asset_events


def test_a_downstream_asset_sees_the_set(site: Site) -> None:
    seen: list[tuple[int, str]] = []

    @dg.asset(deps=[dg.AssetKey(["small", "published"])])
    def answers(search: SearchResource) -> None:
        seen.append((search.generation, search.search("the cedar grows", k=1)[0].path))

    defs = dg.Definitions.merge(site.defs, dg.Definitions(assets=[answers]))
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=site.instance, asset_selection=[dg.AssetKey("answers")]).success
    assert seen == [(1, "cedar.md")]


def test_shards_stay_in_their_parts_and_new_ones_touch_no_other(site: Site) -> None:
    """Neither another order of sources nor a new one between them moves anything; who wants it says so."""
    assert plan_parts(site.config).places == PLACES
    more = CONFIG.replace("sources:", "sources:\n  - {{name: ferns, kind: text, path: trees}}")
    grown = parse_config(more.format(**{**SPLIT, "each": 1}), site.folder)
    plan = plan_parts(grown)
    assert plan.places == {**PLACES, "ferns": "part-0003"}
    assert site.parts.info.parts == ("part-0001", "part-0002"), "to plan is not to write"
    # Where the newest part has room a new shard goes there; where it is full, or has its number, to the next.
    roomy = grown.model_copy(update={"parts": PartsConfig(shards=2)})
    assert plan_parts(roomy).places == {**PLACES, "ferns": "part-0002"}
    full = grown.model_copy(update={"parts": PartsConfig(shards=2, max_chunks=3)})
    assert plan_parts(full).places == plan.places
    assert plan.settled().info.parts == ("part-0001", "part-0002", "part-0003")
    assert plan_parts(roomy).places == plan.places

    site.parts.reassign("trees-01of02", "part-0001")
    moved = plan_parts(grown)
    assert moved.places == {**plan.places, "trees-01of02": "part-0001"} and moved.unused == ("part-0002",)
    with pytest.raises(InvalidInput, match=r"'trees-01of02' was placed in part part-0001, and part part-0002 wants it"):
        plan.settled()
    with pytest.raises(InvalidInput, match="no shard 'nowhere' was placed"):
        site.parts.reassign("nowhere", "part-0001")
    found = next_move(site.parts, moved, lambda *_: pytest.fail("no source is looked at"), now=0.0)
    assert not found.due and "part-0002 has no shard of the configuration any more" in found.reason


def test_what_cannot_be_a_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_chunks.* is 0"):
        parse_config(CONFIG.format(**{**ALONE, "most": 0}), tmp_path)
    config = parse_config(CONFIG.format(**{**ALONE, "shards": ", shards: 3"}), tmp_path)
    assert plan_parts(config).places == {
        "birds": "part-0001", "trees-00of03": "part-0002", "trees-01of03": "part-0003", "trees-02of03": "part-0004"
    }  # fmt: skip
    Warehouse.create(config.warehouse)
    with pytest.raises(StorageError, match="neither empty nor a set of parts"):
        plan_parts(config).settled()


def refused(config: IndexConfig, _: dg.DagsterInstance, *, prefix: str) -> BuildResult:
    assert prefix == f"{config.name.removeprefix('small_')}_"
    return BuildResult(generation=1, built=3, published=False, reason="changed", live_rows=4)


def killed(*_: Any) -> Any:
    raise OSError("the host died")


def read_all(folder: Path) -> dict[str, bytes]:
    """Every file, but for what says who looked or writes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files if path.suffix != ".lock" and "runs" not in path.parts}
