"""Every path of a warehouse. No other module joins names to paths."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from xtr_assets.core.arguments import whole
from xtr_assets.core.errors import GenerationError, InvalidInput

# Shard, segment, folder and model names become folder names on every file system: no separators, no leading dot.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,120}")

# A build a second for thirty years stays below this; what is larger is damage, or somebody's joke.
LARGEST_NUMBER = 999_999_999
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_MOVE = re.compile(r"([0-9]{8})\.json")


# What lies at the top of a disk of its own, whoever formatted it: root's, and closed to others.
OF_THE_DISK = "lost+found"


def safe_name(name: str, what: str) -> str:
    """`name`, or InvalidInput where it cannot be a folder name."""
    if not _SAFE.fullmatch(name):
        raise InvalidInput(f"{what} {name!r} cannot be a folder name; letters, digits, '_', '.' and '-' are allowed")
    return name


def number_of(text: str) -> int | None:
    """The generation number that a text is, in the one form in which it is written; None where it is none."""
    return int(text) if _NUMBER.fullmatch(text) else None


def named_below(folder: Path) -> list[Path]:
    """What lies in a folder of segments, models or unfinished work under a name that one of them can have, in order.
    Other names are what systems leave in every folder: `.DS_Store`, `.nfs0001`, `@eaDir`, `lost+found`."""
    return sorted(path for path in folder.glob("*") if _SAFE.fullmatch(path.name))


@dataclass(frozen=True, slots=True)
class Layout:
    """Names every path below `root`."""

    root: Path

    @property
    def warehouse_json(self) -> Path:
        return self.root / "warehouse.json"

    @property
    def writer_lock(self) -> Path:
        return self.root / "writer.lock"

    @property
    def commit_lock(self) -> Path:
        """Held for the moment of a commit that may race without the writer lock: a draft's manifest, an encoding."""
        return self.root / "commit.lock"

    @property
    def run_marks(self) -> Path:
        """A file of each run that Dagster began lately, locked while a process executes it."""
        return self.root / "runs"

    def run_mark(self, run_id: str) -> Path:
        return self.run_marks / safe_name(run_id, "run")

    @property
    def published(self) -> Path:
        return self.root / "PUBLISHED"

    @property
    def history(self) -> Path:
        return self.root / "history.jsonl"

    @property
    def scratch(self) -> Path:
        """Temporaries of live writers; what a dead writer left here is removed by `clean`."""
        return self.root / "tmp"

    @property
    def incoming(self) -> Path:
        """What a pull has of a generation so far: laid out as a warehouse, moved into place when all of it is there."""
        return self.root / "incoming"

    @property
    def early(self) -> Path:
        """Only in the cache of an object store: files of a generation that answers before all of it is here."""
        return self.root / "early"

    @property
    def pinned_json(self) -> Path:
        """Only in a part of a set: the generations that moves of the set name."""
        return self.root / "pinned.json"

    @property
    def cache_json(self) -> Path:
        """Only in the cache of an object store: which store, which move, and when each generation was last used."""
        return self.root / "cache.json"

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    def shard(self, shard: str) -> Path:
        return self.shards / safe_name(shard, "shard")

    def shard_lock(self, shard: str) -> Path:
        """Held by the one writer of a shard, beside the writer of generations."""
        return self.shard(shard) / "shard.lock"

    def current(self, shard: str) -> Path:
        return self.shard(shard) / "CURRENT"

    def scan_hints(self, shard: str) -> Path:
        return self.shard(shard) / "scan.json"

    def snapshot(self, shard: str, data_version: str) -> Path:
        return self.shard(shard) / f"{safe_name(data_version, 'data version')}.json"

    @property
    def segments(self) -> Path:
        return self.root / "segments"

    def segment(self, segment_id: str) -> Path:
        return self.segments / safe_name(segment_id, "segment")

    @property
    def staging_root(self) -> Path:
        return self.root / "staging"

    def staging(self, segment_id: str, name: str) -> Path:
        """Unfinished work for one segment that survives a crash, so that it can be resumed."""
        return self.staging_root / safe_name(segment_id, "segment") / safe_name(name, "folder")

    @property
    def models(self) -> Path:
        return self.root / "models"

    def model(self, name: str) -> Path:
        return self.models / safe_name(name, "model")

    @property
    def generations(self) -> Path:
        return self.root / "generations"

    @property
    def next_number(self) -> Path:
        """The lowest number that was never given out; a number is never used twice."""
        return self.generations / "NEXT"

    def generation(self, number: int) -> Path:
        if type(number) is not int:
            number = whole(number, "generation", 1, LARGEST_NUMBER)
        if not 1 <= number <= LARGEST_NUMBER:
            raise GenerationError(f"generation {number}: numbers go from 1 to {LARGEST_NUMBER}")
        return self.generations / str(number)

    def manifest(self, number: int) -> Path:
        return self.generation(number) / "manifest.json"

    def manifest_seal(self, number: int) -> Path:
        return self.generation(number) / "manifest.json.sha256"

    def relative(self, path: Path) -> str:
        """The name of a file in manifests: its path below the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def resolve(self, name: str) -> Path:
        """The path of a manifest's name; one that leaves the warehouse is refused."""
        parts = name.split("/")
        if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
            raise InvalidInput(f"{name!r} does not name a file inside the warehouse")
        return self.root.joinpath(*parts)

    def numbers(self) -> list[int]:
        """Numbers of the generation folders there are, finished or not, ascending."""
        if not self.generations.is_dir():
            return []
        named = ((number_of(path.name), path) for path in self.generations.iterdir())
        return sorted(number for number, path in named if number is not None and path.is_dir())


@dataclass(frozen=True, slots=True)
class PartsLayout:
    """Names every path of a set of parts below `root`. Each part is a warehouse, with a Layout of its own."""

    root: Path

    @property
    def parts_json(self) -> Path:
        return self.root / "parts.json"

    @property
    def writer_lock(self) -> Path:
        return self.root / "writer.lock"

    @property
    def parts(self) -> Path:
        return self.root / "parts"

    def part(self, name: str) -> Path:
        return self.parts / safe_name(name, "part")

    @property
    def moves(self) -> Path:
        return self.root / "moves"

    def move(self, number: int) -> Path:
        return self.moves / f"{number:08d}.json"

    def relative(self, path: Path) -> str:
        """The name of a file in messages: its path below the root."""
        return path.relative_to(self.root).as_posix()

    def move_numbers(self) -> list[int]:
        """Numbers of the moves there are, ascending; other files are none."""
        if not self.moves.is_dir():
            return []
        found = (_MOVE.fullmatch(path.name) for path in self.moves.iterdir())
        return sorted(int(one[1]) for one in found if one is not None)


# What helps where `lost_its_description`.
LOST_DESCRIPTION = (
    "it holds PUBLISHED or history.jsonl, and no warehouse.json; restore that file from a copy, or name another folder"
)


def lost_its_description(layout: Layout) -> bool:
    """Whether warehouse.json is gone of a warehouse that was built on: it is written before any other file."""
    moved = layout.published, layout.history
    return not os.path.lexists(layout.warehouse_json) and any(os.path.lexists(path) for path in moved)


def holds_other_things(layout: Layout | PartsLayout) -> bool:
    """Whether the folder holds what a creation that has not ended, or was killed, does not leave."""
    if isinstance(layout, Layout):
        folders, last = {layout.shards, layout.segments, layout.models, layout.generations}, layout.warehouse_json
    else:
        folders, last = {layout.parts, layout.moves}, layout.parts_json
    return any(
        any(path.iterdir())
        if path in folders and path.is_dir() and not path.is_symlink()
        else path not in (layout.writer_lock, layout.root / OF_THE_DISK) and not path.name.startswith(f".{last.name}.")
        for path in layout.root.iterdir()
    )
