"""Automation: which runs the sensors ask for, tick by tick. Runs are executed in between as the daemon would."""

import re
import shutil
import time
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.instigation_logger import InstigationLogger
from dagster._core.storage.tags import RETRY_ON_ASSET_OR_OP_FAILURE_TAG

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets.core.errors import SourceError
from xtr_assets.defs import build_index_defs, sensors, untold_publish
from xtr_assets.defs.assets import published
from xtr_assets.defs.in_process import build
from xtr_assets.defs.sensor_cursor import RETRIES, Memory
from xtr_assets.pipeline.plan.next_build import SETTLE_SECONDS
from xtr_assets.storage.history import read_history
from xtr_assets_tests.defs.conftest import CONFIG, STDLIB, Project
from xtr_assets_tests.defs.test_automation import EAGER, Follower, change
from xtr_assets_tests.long_cases import LONG


@cache
def definitions(config: IndexConfig) -> dg.Definitions:
    """A daemon loads them once."""
    return build_index_defs(config)


@dataclass
class Daemon:
    """Ticks the sensors of a project and runs what they ask for, once per run key."""

    project: Project
    cursors: dict[str, str | None] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def tick(self, name: str) -> Any:
        defs = definitions(self.project.config)
        with dg.build_sensor_context(
            instance=self.project.instance,
            cursor=self.cursors.get(name),
            definitions=defs,
            resources={key: (defs.resources or {})[key] for key in ("warehouse", "encoder")},
        ) as context:
            result = defs.resolve_sensor_def(name).evaluate_tick(context)
        self.cursors[name] = result.cursor
        return result

    def run(self, job: str, request: dg.RunRequest) -> bool:
        assert request.run_key is not None
        assert request.run_key not in self.keys, "the daemon would not run this key a second time"
        self.keys.add(request.run_key)
        definition = definitions(self.project.config).resolve_job_def(job)
        result = definition.execute_in_process(
            instance=self.project.instance,
            partition_key=request.partition_key,
            tags=dict(request.tags),
            raise_on_error=False,
        )
        return result.success

    def settle(self) -> tuple[int, int]:
        """Tick both sensors until nothing is asked for; (ingest runs, rebuild runs) that were run."""
        counts = {"source_changes": 0, "automation": 0}
        jobs = {"source_changes": "ingest", "automation": "rebuild"}
        quiet = 0
        while quiet < 3:
            quiet += 1
            for name, job in jobs.items():
                for request in self.tick(name).run_requests or []:
                    quiet = 0
                    counts[name] += 1
                    self.run(job, request)
        return counts["source_changes"], counts["automation"]


@pytest.fixture
def daemon(project: Project) -> Daemon:
    return Daemon(project)


def test_sensors_run_from_the_start(project: Project) -> None:
    defs = build_index_defs(project.config)
    sensors = {one.name: one.default_status for one in defs.sensors or []}
    assert set(sensors) == {"source_changes", "automation", "drift", "run_failure"}
    assert set(sensors.values()) == {dg.DefaultSensorStatus.RUNNING}


@pytest.mark.long
def test_an_empty_warehouse_is_filled_and_published_by_itself(fresh: Project) -> None:
    assert Daemon(fresh).settle() == (1, 1)
    assert fresh.published == 1


def test_a_changed_file_is_found_when_it_has_settled_and_built_once(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = daemon.project
    assert daemon.settle() == (0, 0)
    shutil.copy(STDLIB / "glob.py", project.modules)

    first = daemon.tick("source_changes")
    assert not first.run_requests
    assert "may still be changing" in str(first.skip_message)
    with (project.modules / "glob.py").open("a") as file:
        file.write("\n\ndef yet_another_function():\n    return 1\n")
    assert not daemon.tick("source_changes").run_requests
    waiting = daemon.tick("automation")
    assert not waiting.run_requests
    assert "modules changed and will be ingested first" in str(waiting.skip_message)
    settled = daemon.tick("source_changes")
    assert [request.partition_key for request in settled.run_requests or []] == ["modules"]
    # Asked for once: the next tick knows, whether the run has begun or not.
    assert not daemon.tick("source_changes").run_requests
    # Nor is what waits for long, as after a run that failed, read in the middle of the next burst.
    with monkeypatch.context() as later:
        later.setattr(sensors, "clock", lambda: time.time() + SETTLE_SECONDS)
        assert daemon.tick("source_changes").run_requests
        later.setattr(sensors, "clock", lambda: time.time() + 2 * SETTLE_SECONDS)
        assert "the last run of modules failed" in str(daemon.tick("source_changes").skip_message)
        (project.modules / "burst.py").write_text("def first_of_many():\n    return 1\n")
        assert "may still be changing" in str(daemon.tick("source_changes").skip_message)
    (project.modules / "burst.py").unlink()

    for request in settled.run_requests or []:
        assert daemon.run("ingest", request)
    assert daemon.settle() == (0, 1)
    assert project.published == 2
    assert "yet_another_function" in project.symbols()


def test_what_never_settles_is_ingested_as_it_is_and_served(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    project, began = daemon.project, time.time() - 2 * SETTLE_SECONDS

    def append(seconds: float) -> None:
        monkeypatch.setattr(sensors, "clock", lambda: began + seconds)
        with (project.modules / "queue.py").open("a") as file:
            file.write(f"\n\ndef after_{seconds:.0f}_seconds():\n    return 1\n")

    for seconds in (0, 10, SETTLE_SECONDS - 1):
        append(seconds)
        assert "may still be changing" in str(daemon.tick("source_changes").skip_message)
        assert not daemon.tick("automation").run_requests
    append(SETTLE_SECONDS)
    (request,) = daemon.tick("source_changes").run_requests
    assert daemon.run("ingest", request)
    append(SETTLE_SECONDS + 10)
    assert not daemon.tick("source_changes").run_requests, "it was just read"
    (rebuild,) = daemon.tick("automation").run_requests
    assert daemon.run("rebuild", rebuild)
    assert project.published == 2
    assert f"after_{SETTLE_SECONDS:.0f}_seconds" in project.symbols()
    assert not daemon.tick("automation").run_requests


def test_a_generation_waits_for_all_changed_shards_and_is_built_once(fresh: Project) -> None:
    fresh.configure(
        CONFIG.format(name="small").replace(
            "encoder:", "  - {name: more, kind: python, path: more, shards: 2}\nencoder:"
        )
    )
    (fresh.folder / "more").mkdir()
    for name in ("glob.py", "fnmatch.py", "shlex.py", "sched.py"):
        shutil.copy(STDLIB / name, fresh.folder / "more")
    daemon = Daemon(fresh)
    daemon.tick("source_changes")
    requests = daemon.tick("source_changes").run_requests or []
    assert sorted(str(request.partition_key) for request in requests) == ["modules", "more-00of02", "more-01of02"]
    for request in requests:
        assert not daemon.tick("automation").run_requests
        daemon.run("ingest", request)
    assert daemon.settle() == (0, 1)
    assert fresh.published == 1


def test_a_run_in_progress_is_waited_for(daemon: Daemon) -> None:
    project = daemon.project
    (project.modules / "queue.py").unlink()
    daemon.tick("source_changes")
    job = build_index_defs(project.config).resolve_job_def("ingest")
    run = project.instance.create_run_for_job(
        job, tags={"dagster/partition": "modules"}, status=dg.DagsterRunStatus.STARTED
    )

    busy = daemon.tick("source_changes")
    assert not busy.run_requests
    assert "is being ingested" in str(busy.skip_message)
    assert "1 run of ingest has not ended" in str(daemon.tick("automation").skip_message)

    project.instance.report_run_canceled(run)
    assert daemon.settle() == (1, 1)


def test_assets_that_somebody_materializes_by_hand_are_waited_for_too(daemon: Daemon) -> None:
    project = daemon.project
    (project.modules / "queue.py").unlink()
    daemon.tick("source_changes")
    for request in daemon.tick("source_changes").run_requests:
        daemon.run("ingest", request)
    job = build_index_defs(project.config).resolve_implicit_global_asset_job_def()
    run = project.instance.create_run_for_job(
        job, asset_selection=frozenset([dg.AssetKey(["small", "faiss_index"])]), status=dg.DagsterRunStatus.STARTED
    )
    waiting = daemon.tick("automation")
    assert not waiting.run_requests
    assert "1 run of selected assets has not ended" in str(waiting.skip_message)
    other = project.instance.create_run_for_job(
        build_index_defs(project.config).resolve_job_def("rebuild"), status=dg.DagsterRunStatus.STARTED
    )
    waiting = daemon.tick("automation")
    assert {"selected assets", "rebuild"} == set(re.findall("1 (?:run )?of (.+?) (?:and|have)", waiting.skip_message))
    project.instance.report_run_canceled(other)
    project.instance.report_run_canceled(run)
    elsewhere = dg.Definitions(assets=[dg.AssetSpec("elsewhere"), _nothing]).resolve_implicit_global_asset_job_def()
    project.instance.create_run_for_job(
        elsewhere, asset_selection=frozenset([dg.AssetKey("nothing")]), status=dg.DagsterRunStatus.STARTED
    )
    assert daemon.settle() == (0, 1)


def test_a_job_of_the_project_that_has_assets_of_the_index_is_waited_for(daemon: Daemon) -> None:
    project = daemon.project
    (project.modules / "queue.py").unlink()
    own = dg.define_asset_job("nightly", dg.AssetSelection.groups("small"))
    elsewhere = dg.define_asset_job("elsewhere", dg.AssetSelection.assets(_nothing))
    defs = dg.Definitions.merge(build_index_defs(project.config), dg.Definitions([_nothing], jobs=[own, elsewhere]))
    runs = [
        project.instance.create_run_for_job(defs.resolve_job_def(name), status=dg.DagsterRunStatus.STARTED)
        for name in ("nightly", "elsewhere")
    ]

    for sensor in ("automation", "drift"):
        assert daemon.tick(sensor).skip_message == "1 run of nightly has not ended"
    project.instance.report_run_canceled(runs[0])
    assert "has not ended" not in str(daemon.tick("automation").skip_message)


@pytest.mark.parametrize(("asset", "waits"), [(["small", "faiss_index"], True), (["nothing"], False)])
def test_checks_that_are_executed_alone_are_waited_for_where_they_are_of_the_index(
    daemon: Daemon, asset: list[str], waits: bool
) -> None:
    job = build_index_defs(daemon.project.config).resolve_implicit_global_asset_job_def()
    run = daemon.project.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    daemon.project.instance.delete_run(run.run_id)
    check = dg.AssetCheckKey(dg.AssetKey(asset), "dense_recall")
    daemon.project.instance.add_run(run._replace(asset_check_selection=frozenset([check])))

    assert ("1 run of selected assets has not ended" in str(daemon.tick("automation").skip_message)) is waits


@dg.asset(name="nothing")
def _nothing() -> None:
    """An asset of somebody else."""


def test_a_shard_that_left_the_config_is_retired_and_its_chunks_with_it(fresh: Project) -> None:
    both = CONFIG.format(name="small").replace("encoder:", "  - {name: more, kind: python, path: more}\nencoder:")
    (fresh.folder / "more").mkdir()
    shutil.copy(STDLIB / "glob.py", fresh.folder / "more")
    fresh.configure(both)
    daemon = Daemon(fresh)
    assert daemon.settle() == (2, 1)
    assert "glob" in fresh.symbols()

    fresh.configure(CONFIG.format(name="small"))

    assert daemon.settle() == (0, 1)
    assert "glob" not in fresh.symbols()


def test_what_was_rolled_back_withdrawn_or_refused_is_not_published_by_itself(daemon: Daemon) -> None:
    project = daemon.project
    (project.modules / "queue.py").unlink()
    assert daemon.settle() == (1, 1)
    project.warehouse.rollback()
    assert daemon.settle() == (0, 0)
    assert "rolled back" in str(daemon.tick("automation").skip_message)
    project.warehouse.withdraw(2, "bad answers")
    assert daemon.settle() == (0, 0)
    assert "withdrawn" in str(daemon.tick("automation").skip_message)
    assert project.published == 1

    shutil.copy(STDLIB / "glob.py", project.modules)
    assert daemon.settle() == (1, 1)
    assert project.published == 3
    assert project.warehouse.generation(3).parent == 1

    project.configure(CONFIG.format(name="small").replace("queries: 10", "queries: 10, dense: 1.01"))
    assert daemon.settle() == (0, 1)
    assert "was not published" in str(daemon.tick("automation").skip_message)
    assert project.published == 3


def test_another_encoder_is_noticed_without_a_change_of_any_file(daemon: Daemon) -> None:
    project = daemon.project
    project.configure(CONFIG.format(name="small").replace("kind: hashing", "kind: hashing, dim: 48"))
    assert daemon.settle() == (1, 1)
    assert project.warehouse.generation(2).manifest.encoder.dim == 48
    assert project.published == 2


def test_a_failing_ingest_is_not_asked_for_at_every_tick(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    project = daemon.project
    clock = [1_000_000.0]
    monkeypatch.setattr("xtr_assets.defs.sensors.clock", lambda: clock[0])
    (project.modules / "queue.py").unlink()

    def fails(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("xtr_assets.defs.assets.chunks.write_chunks", fails)
    asked = []
    # Looked at every four minutes for four hours.
    for minute in range(0, 240, 4):
        clock[0] += 240
        for request in daemon.tick("source_changes").run_requests or []:
            asked.append(minute)
            assert not daemon.run("ingest", request)
    assert len(asked) == RETRIES + 1
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps == sorted(gaps)


def test_sources_that_vanished_fail_the_tick_by_name_until_they_are_back(daemon: Daemon) -> None:
    project = daemon.project
    away = project.modules.rename(project.modules.with_name("away"))
    with pytest.raises(SourceError, match=r"^source modules is gone: nothing at [^;]*; [^;]*; what .* serves on$"):
        daemon.tick("source_changes")
    plain = CONFIG.format(name="small")
    project.configure(plain.replace("encoder:", "  - {name: notes, kind: text, path: notes}\nencoder:"))
    with pytest.raises(
        SourceError, match=r"modules is gone: .* serves on; source notes is gone: .*, if there is any, "
    ):
        daemon.tick("source_changes")
    assert not daemon.tick("automation").run_requests
    assert project.published == 1
    project.configure(plain)
    away.rename(project.modules)
    assert not daemon.tick("source_changes").run_requests


def test_a_tick_that_finds_nothing_opens_no_log(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    assert daemon.settle() == (0, 0)
    opened = list[str]()
    # Dagster opens a file for a tick's log when it is first asked for, and removes none: 8,640 a day of one sensor.
    monkeypatch.setattr(dg.SensorEvaluationContext, "log", property(lambda _: opened.append("a file")))
    for sensor in ("source_changes", "automation", "drift"):
        daemon.tick(sensor)
        assert not opened, sensor


def test_a_source_that_is_away_for_long_is_logged_once_and_named_by_each_tick(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, logged = daemon.project, list[str]()
    monkeypatch.setattr(InstigationLogger, "error", lambda _, message: logged.append(message))
    away = project.modules.rename(project.modules.with_name("away"))
    ticks = [daemon.tick("automation") for _ in range(3)]
    # Dagster keeps a file for each tick that logs, and removes none of them.
    assert len(logged) == 1
    assert all(str(project.modules) in str(tick.skip_message) for tick in ticks)
    away.rename(project.modules)
    assert str(project.modules) not in str(daemon.tick("automation").skip_message)
    project.modules.rename(away)
    daemon.tick("automation")
    assert len(logged) == 2


def test_a_publish_whose_run_ended_before_it_said_so_is_told_by_the_sensor_once(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, instance, key = daemon.project, daemon.project.instance, dg.AssetKey(["small", "published"])
    (project.modules / "added.py").write_text("def added():\n    return 1\n")
    assert not daemon.tick("source_changes").run_requests
    (ingest,) = daemon.tick("source_changes").run_requests
    assert daemon.run("ingest", ingest)
    (rebuild,) = daemon.tick("automation").run_requests
    with monkeypatch.context() as broken:
        broken.setattr(published, "lineage", None)
        assert not daemon.run("rebuild", rebuild)
    assert project.published == 2
    # What follows `published` sees none of it.
    assert not instance.fetch_materializations(key, limit=1).records

    with monkeypatch.context() as killed:
        # A build of the shell: nobody waits for it, as its process is gone, and nobody told Dagster so far.
        killed.setattr(dg.DagsterRun, "status", dg.DagsterRunStatus.STARTED, raising=False)
        assert not daemon.tick("automation").asset_events
    (told,) = daemon.tick("automation").asset_events
    assert (told.asset_key, told.metadata["generation"].value) == (key, 2)
    assert not daemon.tick("automation").asset_events
    with monkeypatch.context() as died:
        # Between the pointer and the history, which the next writer adds to.
        died.setattr(untold_publish, "read_history", lambda layout: read_history(layout)[:-1])
        daemon.cursors.clear()
        assert daemon.tick("automation").asset_events == [told]
    instance.report_runless_asset_event(told)
    daemon.cursors.clear()
    assert not daemon.tick("automation").asset_events
    assert daemon.settle() == (0, 0)


def test_what_serves_by_no_run_of_the_instance_is_told_and_what_follows_begins(project: Project) -> None:
    """A new instance over a warehouse that serves, a build recorded elsewhere, moves from the shell."""
    key = dg.AssetKey(["small", "published"])
    daemon, follower = Daemon(project), Follower(project, "published", EAGER)

    def tell() -> Any:
        (told,) = daemon.tick("automation").asset_events
        project.instance.report_runless_asset_event(told)
        assert not daemon.tick("automation").asset_events
        daemon.cursors.clear()
        assert not daemon.tick("automation").asset_events or isinstance(told, dg.AssetObservation)
        return told

    first = tell()
    assert (first.asset_key, first.metadata["generation"].value) == (key, 1)
    assert "dagster run" in first.metadata["by"].value and "dense_recall_over_k" in first.metadata
    assert [follower.tick() for _ in range(2)] == [1, 0]

    change(project)
    with dg.DagsterInstance.ephemeral() as elsewhere:
        assert build(project.config, elsewhere).published
    assert tell().metadata["generation"].value == 2
    assert [follower.tick() for _ in range(2)] == [1, 0]

    project.warehouse.rollback(reason="lions")
    back = tell()
    assert isinstance(back, dg.AssetObservation)
    assert [back.metadata[one].value for one in ("action", "generation", "reason")] == ["rolled back", 1, "lions"]
    assert follower.tick() == 0
    project.warehouse.publish(2, again_reason="tigers")
    assert tell().metadata["reason"].value == "tigers"
    assert follower.tick() == 1


def test_what_serves_is_told_under_the_name_that_an_index_has_now(project: Project) -> None:
    change(project)
    assert project.build().published
    project.configure(CONFIG.format(name="small").replace("name: small\n", "name: renamed\n", 1))
    (told,) = Daemon(project).tick("automation").asset_events
    assert (told.asset_key.path, told.metadata["generation"].value) == (["renamed", "published"], 2)


def test_the_same_content_that_comes_back_later_is_a_new_run() -> None:
    first = Memory().ask("shard", "a" * 32, now=0.0)
    assert first is not None
    memory, key = first
    assert memory.ask("shard", "a" * 32, now=1.0) is None
    second = memory.ask("shard", "b" * 32, now=2.0)
    assert second is not None
    third = second[0].ask("shard", "a" * 32, now=3.0)
    assert third is not None
    assert len({key, second[1], third[1]}) == 3
    # A tick that died before its cursor was kept asks with the same key again.
    again = Memory().ask("shard", "a" * 32, now=9.0)
    assert again is not None
    assert again[1] == key
    with dg.DagsterInstance.ephemeral() as instance:
        assert Memory.of("not json", instance, "sensor") == Memory()


def test_run_retries_of_an_instance_leave_failed_steps_to_the_sensors(project: Project) -> None:
    tag = RETRY_ON_ASSET_OR_OP_FAILURE_TAG
    defs = build_index_defs(project.config, run_tags={"tune": {tag: "true"}})
    jobs = ("ingest", "rebuild", "retrain", "compact", "verify", "train_head", "tune", "evaluate", "collect")
    said = {job: defs.resolve_job_def(job).tags.get(tag) for job in jobs}
    # Bytes that are damaged, and a head that is worse, are so again after each.
    decided = dict.fromkeys(("ingest", "rebuild", "retrain", "compact", "verify", "train_head"), "false")
    assert said == {**decided, "tune": "true", "evaluate": None, "collect": None}


def test_a_cursor_that_is_lost_goes_on_after_the_runs_of_an_earlier_release(daemon: Daemon) -> None:
    instance, job = daemon.project.instance, build_index_defs(daemon.project.config).resolve_job_def("ingest")
    before = {"xtr-assets/asked-by": "source_changes", "xtr-assets/sequence": "41"}
    instance.create_run_for_job(job, tags=before, status=dg.DagsterRunStatus.SUCCESS)
    (daemon.project.modules / "added.py").write_text("def added():\n    return 1\n")
    daemon.tick("source_changes")
    daemon.cursors.clear()
    daemon.tick("source_changes")
    (request,) = daemon.tick("source_changes").run_requests
    assert request.run_key.endswith(":42")
    # What is for sensors alone takes no line in the list of runs, which hides these tags.
    assert [tag for tag in request.tags if not tag.startswith((".dagster/", "dagster/"))] == ["xtr-assets/shard"]


@pytest.mark.parametrize("left", [None, pytest.param("of another release", marks=pytest.mark.long)])
def test_a_sensor_whose_cursor_is_lost_uses_no_key_again(daemon: Daemon, left: str | None) -> None:
    """The same contents come again: a key that was used would be answered with the run of then."""
    added = daemon.project.modules / "added.py"
    for content in ("first", "second", "first", *(["second"] if LONG else [])):
        daemon.cursors = {} if left is None else dict.fromkeys(("source_changes", "automation", "drift"), left)
        added.write_text(f"def {content}():\n    return 1\n")
        assert daemon.settle() == (1, 1)
        assert content in daemon.project.symbols()


def test_a_config_with_other_thresholds_builds_without_ingesting(daemon: Daemon) -> None:
    project = daemon.project
    project.config = parse_config(
        CONFIG.format(name="small").replace("queries: 10", "queries: 10, xtr: 0.9"), project.folder
    )
    assert daemon.settle() == (0, 1)
    assert project.published == 2
