"""Object stores as sources, over fsspec's store in memory: with versions, as s3 has them, and without."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from xtr_assets.config import SourceConfig, parse_config
from xtr_assets.core.errors import ConfigError, ProviderError, SourceError
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.sources import Source, open_source, store_place
from xtr_assets.sources.base import FileSource
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.testing import check_source
from xtr_assets_tests.pipeline.gate.conftest import World

PAGE = "# Ferries\n\nThe ferry leaves at noon.\n"
RECORDS = "".join(json.dumps({"_id": str(n), "text": f"Record {n}."}) + "\n" for n in range(5))


class Versioned(MemoryFileSystem):  # type: ignore[misc]
    """The same store with an ETag for each object, as s3 lists them; written long ago. As with s3fs, a look at one
    object tells its version too, which no list does, and its time in whole seconds."""

    protocol = "s3"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("s3://").strip("/")

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        found = self._with_version(dict(super().info(path)))
        if found["type"] == "file":
            found |= {"VersionId": self.version_of(found), "LastModified": found["LastModified"].replace(microsecond=0)}
        return found

    @staticmethod
    def version_of(found: dict[str, Any]) -> str:
        return f"v{found['ETag']}"

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        found = super().ls(path, detail=True)
        return [self._with_version(dict(one)) for one in found] if detail else [one["name"] for one in found]

    def find(self, path: str, detail: bool = False, **_: Any) -> Any:
        return {name: self._with_version(dict(one)) for name, one in super().find(path, detail=True).items()}

    def _with_version(self, info: dict[str, Any]) -> dict[str, Any]:
        info.pop("created", None)
        if info["type"] == "file":
            tag = f'"{hash(self.store[info["name"]].getvalue()):x}"'
            info |= {"ETag": tag, "LastModified": datetime(2020, 1, 1, microsecond=7000, tzinfo=UTC)}
        return info


@pytest.fixture(params=["memory", "s3"])
def scheme(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])
    monkeypatch.setitem(_registry, "s3", Versioned)
    put("bucket/docs/a.md", PAGE)
    put("bucket/docs/deep/b.md", "# Other\n\nText.\n")
    put("bucket/docs/.hidden/c.md", "# Hidden\n\nText.\n")
    put("bucket/docs/deep/r.jsonl", RECORDS)
    return str(request.param)


def put(path: str, content: str) -> None:
    with MemoryFileSystem().open(f"/{path}", "wb") as stream:
        stream.write(content.encode())


def opened(scheme: str, kind: str = "text", path: str = "bucket/docs", **fields: Any) -> Source:
    return open_source(
        SourceConfig.model_validate({"name": "lib", "kind": kind, "path": f"{scheme}://{path}", **fields})
    )


def test_objects_are_listed_and_read_as_files_of_a_folder_are(scheme: str) -> None:
    source = opened(scheme)
    assert list(source.scan("lib", {})) == ["a.md", "deep/b.md"]
    assert [one.text for one in source.read("a.md") if isinstance(one, Chunk)] == [PAGE.strip()]
    assert source.listing().other == ["deep/r.jsonl"]
    assert len([one for one in opened(scheme, "records").read("deep/r.jsonl") if isinstance(one, Chunk)]) == 5
    assert list(opened(scheme, "records", "bucket/docs/deep/r.jsonl").scan("lib", {})) == ["r.jsonl"]
    check_source(opened(scheme, shards=2), lambda: opened(scheme, shards=2))


def test_an_object_that_did_not_change_is_never_read_again(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_place, "RACY_NS", -(10**15))
    before = opened(scheme).scan("lib", {})
    put("bucket/docs/deep/b.md", "# Other\n\nAnother text.\n")
    read: list[str] = []
    real = store_place.StoredObject.open

    def counting(self: Any) -> Any:
        read.append(self.name)
        return real(self)

    monkeypatch.setattr(store_place.StoredObject, "open", counting)
    after = opened(scheme).scan("lib", before)
    assert [path for path in after if after[path].sha256 != before[path].sha256] == ["deep/b.md"]
    # With versions not even what changed is read to see that it did.
    assert read == ([] if scheme == "s3" else ["/bucket/docs/deep/b.md"])


def test_what_was_written_this_moment_is_looked_into_again(scheme: str) -> None:
    before = opened(scheme).scan("lib", {})
    put("bucket/docs/a.md", PAGE.replace("noon", "nine"))
    assert opened(scheme).scan("lib", before)["a.md"].sha256 != before["a.md"].sha256


@pytest.mark.parametrize("error", [OSError(5, "reset by peer"), FileNotFoundError("deep"), RuntimeError("SlowDown")])
def test_a_listing_that_stops_half_way_is_an_error(
    scheme: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MemoryFileSystem.ls

    def failing(self: Any, path: str, *given: Any, **named: Any) -> Any:
        if path.endswith("deep"):
            raise error
        return real(self, path, *given, **named)

    monkeypatch.setattr(MemoryFileSystem, "ls", failing)
    with pytest.raises(SourceError, match=r"cannot be listed to its end|is gone"):
        opened(scheme).scan("lib", {})


def test_what_is_gone_or_empty_drops_nothing(scheme: str) -> None:
    with pytest.raises(SourceError, match="lib is gone: nothing at"):
        opened(scheme, path="bucket/nowhere").scan("lib", {})
    with pytest.raises(SourceError, match=r"no file in it matches `include` \(\*\.rst\); files "):
        opened(scheme, include=["*.rst"]).scan("lib", {})
    with pytest.raises(ConfigError, match="is one object"):
        opened(scheme, "records", "bucket/docs/deep/r.jsonl", shards=2).listing()


def test_an_object_that_comes_cut_off_or_is_too_large_is_not_taken(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reasons(source: Source) -> list[str]:
        return [one.reason for one in source.read("a.md") if isinstance(one, Quarantined)]

    large = opened(scheme, max_file_bytes=10)
    assert large.scan("lib", {})["a.md"].size == len(PAGE) and reasons(large) == ["too-large"]
    source = opened(scheme)
    source.scan("lib", {})
    monkeypatch.setattr(MemoryFileSystem, "cat_file", lambda self, path, *_, **__: b"# Fer")
    assert reasons(source) == ["unreadable"]


def test_what_is_not_installed_is_told(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProviderError, match="needs a package that is not installed"):
        opened("gs" if scheme == "memory" else "abfs")
    monkeypatch.setattr(store_place, "find_spec", lambda _: None)
    with pytest.raises(ProviderError, match=r"needs fsspec.*xtr-assets\[stores\]"):
        opened(scheme)


@pytest.mark.parametrize("path", ["s3://", "http://host/x", "s3://user:word@bucket/x", "ftp://host/x", "local://x"])
def test_other_addresses_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"no address that|password"):
        SourceConfig.model_validate({"name": "lib", "kind": "text", "path": path})


@pytest.fixture
def stored_world(tmp_path: Path, scheme: str) -> World:
    sources = [
        {"name": "guide", "kind": "text", "path": f"{scheme}://bucket/docs", "shards": 2},
        {"name": "papers", "kind": "records", "path": f"{scheme}://bucket/docs"},
    ]
    written = {"name": "docs", "sources": sources, "encoder": {"kind": "hashing", "dim": 64, "token_dim": 32}}
    config = parse_config(json.dumps(written), tmp_path)
    return World(tmp_path, config, Warehouse.create(tmp_path / "warehouse"))


def test_the_gate_passes_a_healthy_store_and_a_change(stored_world: World) -> None:
    found = check(stored_world.build())
    assert found.passed and found.details["files_read"] == 3, found.summary
    stored_world.publish()
    put("bucket/docs/a.md", "# Ferries\n\nNo ferry leaves.\n")
    found = check(stored_world.build())
    assert found.passed and found.details["files_changed_read"] == 1, found.summary


@pytest.mark.parametrize("path", ["a.md", "deep/r.jsonl"])
def test_a_fault_in_the_rows_of_an_object_is_found(
    stored_world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = FileSource.read

    def without_the_first(self: Any, place: str) -> Iterator[Chunk | Quarantined]:
        return islice(read(self, place), 1 if place == path else 0, None)

    monkeypatch.setattr(FileSource, "read", without_the_first)
    found = check(stored_world.build())
    # A page of one chunk has lost all it had.
    assert not found.passed and path in found.summary


def test_an_object_that_the_walk_misses_is_found(
    stored_world: World, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store_place.StorePlace.listing

    def missing(self: Any, globs: Any) -> Any:
        listing = real(self, globs)
        listing.files[:] = [path for path in listing.files if path != "deep/b.md"]
        return listing

    monkeypatch.setattr(store_place.StorePlace, "listing", missing)
    stored_world.ingest()
    for shard in stored_world.warehouse.shards():
        stored_world.warehouse.note_look(shard, time.time_ns() + 10_000_000_000)
    found = check(stored_world.session())
    assert not found.passed and "deep/b.md: it lies in the store" in found.summary


def test_a_store_that_is_away_proves_nothing(stored_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = stored_world.build()
    monkeypatch.setattr(MemoryFileSystem, "find", lambda *_, **__: 1 / 0)
    assert not check(session).passed


def test_an_object_that_was_written_while_it_was_read_is_read_again(scheme: str) -> None:
    source = opened(scheme)
    assert isinstance(source, FileSource)
    states = source.scan("lib", {})
    assert [source.state_read(path, state) for path, state in states.items()] == list(states.values())
    put("bucket/docs/a.md", PAGE + "More.\n")
    now = source.state_read("a.md", states["a.md"])
    assert now.sha256 != states["a.md"].sha256
    MemoryFileSystem().rm("/bucket/docs/deep/b.md")
    assert source.state_read("deep/b.md", states["deep/b.md"]) != states["deep/b.md"]


def test_an_object_of_a_bucket_whose_versions_are_suspended_is_read_again(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There each object has the version "null", whatever it holds."""
    monkeypatch.setattr(Versioned, "version_of", staticmethod(lambda _: "null"))
    monkeypatch.setattr(store_place, "VERSIONS", ("VersionId", *store_place.VERSIONS))
    before = opened(scheme, path="bucket/docs/a.md").scan("lib", {})
    put("bucket/docs/a.md", PAGE.replace("noon", "nine"))
    after = opened(scheme, path="bucket/docs/a.md").scan("lib", before)
    assert after["a.md"].sha256 != before["a.md"].sha256


def test_times_are_compared_where_there_is_no_version(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list may tell milliseconds, and a look at one object seconds: what did not change is not said to have."""
    monkeypatch.setattr(store_place, "VERSIONS", ())
    source = opened(scheme)
    assert isinstance(source, FileSource)
    states = source.scan("lib", {})
    assert [source.state_read(path, state) for path, state in states.items()] == list(states.values())
