"""How far an index is behind a source that is a Dagster asset: asked of the instance, never guessed."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from xtr_assets.cli.staleness import Behind, behind
from xtr_assets.core.errors import ConfigError
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.defs.test_upstream_assets import LIES, LOADED, Upstream, records


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """An index over what the asset gave first, its chunks written."""
    LIES.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        made = Upstream(tmp_path, instance, value=records(3))
        made.materialize()
        made.ingest()
        yield made


def told(upstream: Upstream) -> Behind:
    warehouse = Warehouse.open(upstream.config.warehouse)
    snapshots = {shard: found for shard in warehouse.shards() if (found := warehouse.snapshot(shard))}
    return behind(upstream.config, warehouse, snapshots)["notes"]


def test_it_is_unknown_without_an_instance(upstream: Upstream) -> None:
    assert str(told(upstream)).startswith("unknown: no Dagster instance is at hand")
    assert not (upstream.folder / "dagster.yaml").exists()


def test_the_instance_says_what_was_materialized_since(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(upstream.folder))
    monkeypatch.setattr("xtr_assets.defs.home_instance.open_instance", lambda: upstream.instance)
    monkeypatch.setattr("xtr_assets.defs.project_definitions.shell_reader", lambda *_: upstream.reader())
    assert str(told(upstream)) == "up to date"
    LOADED.clear()
    upstream.materialize()
    assert told(upstream) == Behind(changed=1)
    # The version alone is asked for: nothing is loaded.
    assert LOADED == []


def test_definitions_that_cannot_be_had_make_it_unknown(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ConfigError("the definitions of shop cannot be loaded")

    monkeypatch.setenv("DAGSTER_HOME", str(upstream.folder))
    monkeypatch.setattr("xtr_assets.defs.home_instance.open_instance", lambda: upstream.instance)
    monkeypatch.setattr("xtr_assets.defs.project_definitions.shell_reader", refuse)
    assert str(told(upstream)) == "unknown: ConfigError: the definitions of shop cannot be loaded"
