"""The kit of sources: every kind of the package passes it, and each planted fault is told."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.config import SourceConfig
from xtr_assets.core.types import Chunk, FileState, Quarantined
from xtr_assets.sources import Source, open_source
from xtr_assets.testing import CheckFailed, check_source, source_checks
from xtr_assets_tests.git_project import GIT, Repository, needs_git
from xtr_assets_tests.sources.own import Notes

FILES = {
    "a.md": "# One\n\nText.\n\n## Two\n\nMore text.\n",
    "m.py": 'def area(width):\n    """Of a square."""\n    return width * width\n',
    "Dockerfile": "FROM python:3.12 AS build\nRUN make\n",
    "s.js": "function add(a, b) {\n  return a + b;\n}\n",
    "r.jsonl": "".join(json.dumps({"_id": str(n), "text": f"Record {n}."}) + "\n" for n in range(6)) + "{}\n",
}


@pytest.mark.parametrize("kind", ["python", "code", "config", "text", "records", pytest.param("git", marks=needs_git)])
def test_every_kind_of_the_package_passes(kind: str, tmp_path: Path) -> None:
    for path, content in FILES.items():
        (tmp_path / path).write_text(content)
    if GIT:
        Repository(tmp_path).commit()
    (tmp_path / "closed.md").symlink_to("nothing.md")
    config = SourceConfig.model_validate({"name": "lib", "kind": kind, "path": tmp_path, "shards": 3})
    report = check_source(open_source(config), lambda: open_source(config))
    assert report.chunks >= 1 and "reopened" in report.passed and "reread" in report.skipped


def own(**fields: Any) -> SourceConfig:
    return SourceConfig.model_validate({"name": "lib", "kind": "python:xtr_assets_tests.sources.own:Notes", **fields})


@pytest.mark.parametrize("shards", [1, 4])
def test_a_source_of_somebodys_own_passes(shards: int) -> None:
    config = own(shards=shards)
    report = check_source(open_source(config), lambda: open_source(config))
    assert (report.files, report.chunks) == (12, 24) and "reread" in report.passed and not report.skipped


class Shards(Notes):
    def shards(self) -> tuple[str, ...]:
        return ("others",)


class Fingerprint(Notes):
    def fingerprint(self) -> str:
        return "1.0"


class Counting(Notes):
    reads = 0

    def fingerprint(self) -> str:
        return f"{self.reads:064x}"

    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        self.reads += 1
        yield from super().read(path)


class Scanned(Notes):
    """Every state is altered."""

    def alter(self, state: FileState, known: Mapping[str, FileState]) -> FileState:
        return state

    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        found = super().scan(shard, known)
        return {path: self.alter(state, known) for path, state in found.items()}


class NoDigest(Scanned):
    def alter(self, state: FileState, known: Mapping[str, FileState]) -> FileState:
        return dataclasses.replace(state, sha256="v1")


class OtherPath(Scanned):
    def alter(self, state: FileState, known: Mapping[str, FileState]) -> FileState:
        return dataclasses.replace(state, path="x")


class Believing(Scanned):
    """What was known is given back unread."""

    def alter(self, state: FileState, known: Mapping[str, FileState]) -> FileState:
        return known.get(state.path, state)


class Restless(Scanned):
    def alter(self, state: FileState, known: Mapping[str, FileState]) -> FileState:
        return dataclasses.replace(state, sha256=f"{len(known) + 1:064x}")


class Keeping(Notes):
    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        return {**known, **super().scan(shard, known)}


class AnyShard(Notes):
    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        return super().scan(self.shards()[0], known)


class Elsewhere(Notes):
    """All files in each shard."""

    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        return {path: state for one in self.shards() for path, state in super(Elsewhere, self).scan(one, known).items()}


class Unlisted(Notes):
    def listing(self) -> Any:
        listing = super().listing()
        return dataclasses.replace(listing, files=listing.files[1:])


class Nothing(Notes):
    def scan(self, shard: str, known: Mapping[str, FileState]) -> dict[str, FileState]:
        super().scan(shard, known)
        return {}


class Altered(Notes):
    def alter(self, one: Chunk) -> dict[str, Any]:
        return {}

    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        for one in super().read(path):
            yield dataclasses.replace(one, **self.alter(one)) if isinstance(one, Chunk) else one


def altered(**fields: Any) -> type[Altered]:
    return type("Wrong", (Altered,), {"alter": lambda self, one: fields})


class Random(Altered):
    count = 0

    def alter(self, one: Chunk) -> dict[str, Any]:
        self.count += 1
        return {"title": str(self.count)}


class Raising(Notes):
    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        raise ValueError("a fault")


class Silent(Notes):
    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        return (one for one in super().read(path) if isinstance(one, Chunk))


class Reasons(Notes):
    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        yield from super().read(path)
        yield Quarantined(self.config.name, path, 1, "ugly", "it is")


class Less(Notes):
    def reread(self, path: str) -> str:
        return super().reread(path)[:-5]


@pytest.mark.parametrize(
    ("source", "check", "told"),
    [
        (Shards, "shards", "with `shards: 2` it is"),
        (Fingerprint, "fingerprint", "give 64 hex"),
        (Counting, "fingerprint", "is another after the files were read"),
        (NoDigest, "files", "sha256 is 'v1'"),
        (OtherPath, "files", "give a FileState of that path"),
        (Nothing, "files", "it has no file"),
        (Elsewhere, "placed", "its hash says"),
        (Unlisted, "listed", "is in one of them alone"),
        (Believing, "settled", "given back though its content is another"),
        (Restless, "settled", "another scan tells of it otherwise"),
        (Keeping, "settled", "is still listed"),
        (AnyShard, "strange_shard", "raise SourceError"),
        (altered(source="other"), "chunks", "source and path are"),
        (altered(chunk_id=-1), "chunks", "chunk_id is -1"),
        (altered(chunk_id=7), "ids", "has the chunk_id of"),
        (altered(text=" "), "chunks", "white space alone is none"),
        (altered(text="x" * 3000), "chunks", "1 to 2000 are allowed"),
        (altered(end_line=0), "chunks", "lines 1 to 0"),
        (altered(title="half \ud800"), "chunks", "half characters"),
        (altered(metadata='{"b": 1}'), "chunks", "sorted keys and no spaces"),
        (Raising, "quarantined", "raised ValueError: a fault"),
        (Reasons, "quarantined", "for 'ugly'"),
        (Random, "repeated", "other chunks when it is read again"),
        (Silent, "unknown", "give one Quarantined"),
        (Less, "reread", "both are all of its text"),
    ],
)
def test_a_planted_fault_is_told(source: Callable[[SourceConfig], Source], check: str, told: str) -> None:
    with pytest.raises(CheckFailed) as failed:
        check_source(source(own(shards=2)))
    (line,) = (line for line in str(failed.value).splitlines() if line.startswith(f"- {check}: "))
    assert told in line


def test_another_one_when_it_is_opened_again_is_told() -> None:
    with pytest.raises(CheckFailed, match="opened again it has another fingerprint"):
        check_source(Notes(own()), lambda: Notes(own(), greeting="hello"))
    with pytest.raises(CheckFailed, match="opened again team/0 gives other chunks"):
        check_source(Notes(own()), lambda: altered(title="x")(own()))


class LastAlone(Notes):
    """The last of its files alone gives something else each time."""

    reads = 0

    def read(self, path: str) -> Iterator[Chunk | Quarantined]:
        last = max(path for shard in self.shards() for path in self.scan(shard, {}))
        for one in super().read(path):
            self.reads += 1
            yield dataclasses.replace(one, text=f"{self.reads}") if path == last and isinstance(one, Chunk) else one


@pytest.mark.parametrize("most", [2, 5, 7, 11, 12])
def test_what_is_read_of_many_files_is_spread_to_the_last(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_checks, "FILES", most)
    assert check_source(open_source(own())).files == most
    with pytest.raises(CheckFailed, match="repeated"):
        check_source(LastAlone(own()))
