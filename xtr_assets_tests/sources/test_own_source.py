"""Sources of somebody's own: by the name of a factory, or of an entry point; what they raise; what the gate asks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.config import SOURCE_GROUP, SourceConfig, parse_config
from xtr_assets.core.errors import ConfigError, ProviderError, SourceError
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.sources import open_source
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.pipeline.gate.conftest import World
from xtr_assets_tests.sources import own

HERE = "python:xtr_assets_tests.sources.own"


def config(kind: str = f"{HERE}:Notes", **fields: Any) -> SourceConfig:
    return SourceConfig.model_validate({"name": "notes", "kind": kind, **fields})


def test_a_factory_is_called_with_its_settings_which_are_of_the_fingerprint() -> None:
    plain, greeted = open_source(config()), open_source(config(settings={"greeting": "hello"}))
    assert plain.fingerprint() != greeted.fingerprint()
    assert next(one.text for one in plain.read("team/3") if isinstance(one, Chunk)) == "Note 3 of the team."


def test_settings_have_one_fingerprint_whatever_order_python_has_them_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a set each process has its own order: every build would have chunked all files again."""
    monkeypatch.setattr(own.Notes, "fingerprint", lambda _: "0" * 64)
    first, second, other = ({"greeting": {1: "a", "b": {0, 8}}}, {"greeting": {"b": {8, 0}, 1: "a"}}, {"greeting": {8}})
    assert str(first) != str(second)
    found = [open_source(config(settings=held)).fingerprint() for held in (first, second, other)]
    assert found[0] == found[1] != found[2]


def test_an_entry_point_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("notes", "xtr_assets_tests.sources.own:Notes", SOURCE_GROUP)
    monkeypatch.setattr(
        "xtr_assets.core.factory_name.entry_points", lambda **asked: EntryPoints([point]).select(**asked)
    )
    assert open_source(config("notes")).listing().files
    with pytest.raises(
        ValueError,
        match="use 'asset', 'code', 'config', 'git', 'notes', 'python', 'records', 'text', or 'python:package",
    ):
        config("note")


@pytest.mark.parametrize(
    ("kind", "settings", "told"),
    [
        ("python:nowhere.at_all:make", {}, "cannot be imported"),
        (f"{HERE}:NO_FACTORY", {}, "is a int, no factory"),
        (f"{HERE}:Notes", {"greting": "x"}, "failed with its settings.*greting"),
        (f"{HERE}:incomplete", {}, "without shards, fingerprint, scan, read, listing, reread; .*check_source"),
    ],
)
def test_what_is_wrong_with_a_factory_is_said(kind: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises((ConfigError, ProviderError), match=told):
        open_source(config(kind, settings=settings))


def test_a_configuration_with_settings_can_be_a_key() -> None:
    first, second = config(settings={"teams": ["search"]}), config(settings={"teams": ["ingest"]})
    assert len({first, second, config(settings={"teams": ["search"]})}) == 2


def test_settings_are_of_an_own_kind_alone() -> None:
    with pytest.raises(ValueError, match="has `settings`, which its kind, text, does not take"):
        SourceConfig.model_validate({"name": "a", "kind": "text", "path": "a", "settings": {"b": 1}})


@pytest.mark.parametrize("method", ["scan", "listing", "fingerprint"])
def test_what_a_source_raises_drops_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        raise TimeoutError("the service does not answer")

    monkeypatch.setattr(own.Notes, method, failing)
    given: tuple[Any, ...] = ("notes", {}) if method == "scan" else ()
    with pytest.raises(SourceError, match=rf"failed \({method}: TimeoutError: the service .*\); what was ingested"):
        getattr(open_source(config()), method)(*given)


def test_a_file_that_fails_is_unreadable_and_keeps_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    original = own.Notes.read

    def failing(self: Any, path: str) -> Iterator[Chunk | Quarantined]:
        yield from original(self, path)
        raise TimeoutError("half way")

    monkeypatch.setattr(own.Notes, "read", failing)
    last = list(open_source(config()).read("team/3"))[-1]
    assert isinstance(last, Quarantined) and last.reason == "unreadable"


@pytest.fixture
def own_world(tmp_path: Path) -> World:
    written = {
        "name": "docs",
        "sources": [{"name": "notes", "kind": f"{HERE}:Notes", "shards": 2}],
        "encoder": {"kind": "hashing", "dim": 64, "token_dim": 32},
    }
    made = parse_config(json.dumps(written), tmp_path)
    return World(tmp_path, made, Warehouse.create(tmp_path / "warehouse"))


def test_the_gate_reads_a_healthy_one_again(own_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = check(own_world.build())
    assert found.passed and found.details["files_read"] == 12, found.summary
    own_world.publish()
    monkeypatch.setitem(own.NOTES, "team/3", "Another note.")
    found = check(own_world.build())
    assert found.passed and found.details["files_changed_read"] == 1, found.summary


@pytest.mark.parametrize("fault", ["a chunk is lost", "a text is cut", "a text is another's", "nothing is given"])
def test_rows_that_the_source_does_not_give_again_are_found(
    own_world: World, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    original = own.Notes.read

    def wrong(self: Any, path: str) -> Iterator[Chunk | Quarantined]:
        items = list(original(self, path))
        if path != "team/3":
            return iter(items)
        chunks = [one for one in items if isinstance(one, Chunk)]
        if fault == "a chunk is lost":
            return iter(chunks[1:])
        if fault == "a text is another's":
            return iter([replace(chunks[0], text=own.NOTES["team/1"]), *chunks[1:]])
        if fault == "a text is cut":
            return iter([replace(chunks[0], text="Note"), *chunks[1:]])
        return iter([] if fault == "nothing is given" else chunks)

    monkeypatch.setattr(own.Notes, "read", wrong)
    found = check(own_world.build())
    assert not found.passed and "team/3" in found.summary


def test_a_source_that_is_away_proves_nothing(own_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = own_world.build()
    monkeypatch.setattr(own.Notes, "scan", lambda *_: 1 / 0)
    found = check(session)
    assert not found.passed and "not one of" in found.summary


def test_a_warehouse_names_no_source_to_run(own_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    own_world.publish()
    monkeypatch.setattr("xtr_assets.core.factory_name.import_module", lambda name: pytest.fail(f"{name} was imported"))
    held = Warehouse.open(own_world.folder / "warehouse")
    assert held.published is not None and held.published.snapshots()
    written = "".join(file.read_text("utf-8", "replace") for file in (own_world.folder / "warehouse").rglob("*.json"))
    assert "xtr_assets_tests.sources.own" not in written
