"""Settings of an instance that contradict each other are told, with both values; the shipped ones do not."""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from xtr_assets.defs import cluster_look
from xtr_assets.defs.cluster_look import contradictions, look_once, worker_slots

DEPLOY = Path(__file__).parents[2] / "deploy" / "dagster"
CELERY = pytest.mark.skipif(importlib.util.find_spec("dagster_celery") is None, reason="the extra `cluster`")


@dataclass
class Control:
    """A broker, and the workers that answer there: how many processes each has. None: it cannot be reached."""

    workers: list[int] | None

    def inspect(self, timeout: float) -> "Control":
        return self

    def stats(self) -> Any:
        if self.workers is None:
            raise ConnectionError("no route to the broker")
        return {f"worker@{n}": {"pool": {"max-concurrency": size}} for n, size in enumerate(self.workers)} or None


@dataclass
class CeleryRunLauncher:
    """What the look reads of the launcher of that name."""

    control: Control
    backend: str | None = "redis://hub:6379/0"

    @property
    def celery(self) -> "CeleryRunLauncher":
        return self


@dataclass
class Instance:
    """What the look reads of an instance."""

    run_launcher: Any
    limit: int | None = 4
    run_monitoring_enabled: bool = True
    run_monitoring_start_timeout_seconds: int = 600
    is_persistent: bool = True
    root_directory: str = "home"
    run_coordinator: Any = field(default_factory=lambda: dg.QueuedRunCoordinator())

    def get_concurrency_config(self) -> Any:
        @dataclass
        class Of:
            max_concurrent_runs: int

        @dataclass
        class Config:
            run_queue_config: Of | None

        return Config(None if self.limit is None else Of(self.limit))


def with_workers(*sizes: int, **settings: Any) -> Any:
    return Instance(CeleryRunLauncher(Control(list(sizes))), **settings)


def test_as_many_runs_as_slots_is_no_contradiction() -> None:
    assert contradictions(with_workers(2, 2)) == []
    assert contradictions(with_workers(2, 2, 8)) == []


@pytest.mark.parametrize(
    ("instance", "told"),
    [
        (with_workers(2), ["max_concurrent_runs is 4, and the workers that answer have 2 slots"]),
        (with_workers(), ["no worker answers"]),
        (with_workers(8, limit=None), ["set `max_concurrent_runs`"]),
        (with_workers(8, limit=-1), ["set `max_concurrent_runs`"]),
        (with_workers(8, run_coordinator=object()), ["set `max_concurrent_runs`"]),
        (with_workers(4, run_monitoring_enabled=False), ["run_monitoring is off"]),
        (with_workers(4, run_monitoring_start_timeout_seconds=10), ["start_timeout_seconds is 10"]),
        (Instance(CeleryRunLauncher(Control([4]), "rpc://")), ["backend is 'rpc://'"]),
        (with_workers(1, run_monitoring_enabled=False), ["run_monitoring is off", "have 1 slots"]),
    ],
)
def test_what_contradicts_is_told(instance: Any, told: list[str]) -> None:
    found = contradictions(instance)
    assert len(found) == len(told)
    for problem, words in zip(found, told, strict=True):
        assert words in problem


def test_a_broker_that_cannot_be_asked_is_not_judged() -> None:
    unreachable = CeleryRunLauncher(Control(None))
    assert worker_slots(unreachable) is None
    assert contradictions(Instance(unreachable)) == []  # type: ignore[arg-type]


def test_one_look_a_process_and_none_at_other_launchers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_look, "_looked", set())
    told: list[str] = []
    look_once(with_workers(1), told.append)
    look_once(with_workers(1), told.append)
    assert len(told) == 1
    with dg.DagsterInstance.ephemeral() as instance:
        assert contradictions(instance) == []


def test_the_instance_of_one_host_loads(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_bytes((DEPLOY / "one-host" / "dagster.yaml").read_bytes())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        limit = instance.get_concurrency_config().run_queue_config
        assert limit is not None
        assert limit.max_concurrent_runs == 2
        assert instance.run_monitoring_enabled
        assert type(instance.run_launcher).__name__ == "DefaultRunLauncher"
        assert contradictions(instance) == []


@CELERY
def test_the_instance_of_a_cluster_loads_but_for_its_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but PostgreSQL, which `make test-cluster` has."""
    settings = yaml.safe_load((DEPLOY / "celery" / "dagster.yaml").read_text())
    assert settings.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("DAGSTER_BROKER_URL", "redis://127.0.0.1:1/0")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        launcher = instance.run_launcher
        assert type(launcher).__name__ == "CeleryRunLauncher"
        monkeypatch.setattr(launcher.celery, "control", Control([2, 2]))  # type: ignore[attr-defined]
        assert contradictions(instance) == []
        monkeypatch.setattr(launcher.celery, "control", Control([2]))  # type: ignore[attr-defined]
        assert "max_concurrent_runs is 4" in contradictions(instance)[0]
