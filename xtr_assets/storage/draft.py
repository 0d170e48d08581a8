"""A draft: a generation that its run still writes. Every step leaves a whole manifest behind."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xtr_assets.core.errors import GenerationError, InvalidInput
from xtr_assets.core.files import FileRecord, fsync_tree, move_into_place, record, write_atomic
from xtr_assets.storage.generation import TOMBSTONES_NAME, Generation
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_linked
from xtr_assets.storage.lock import committing, now
from xtr_assets.storage.manifest import CheckRecord, Listing, Manifest
from xtr_assets.storage.seal import is_sealed, read_manifest
from xtr_assets.storage.stored_json import canonical_json, read_stored, sha256_bytes
from xtr_assets.storage.temporary_files import scratch
from xtr_assets.storage.vector_files import LISTING_NAME

# The folders of a generation's token index and of its lexical index, as the subject of a check.
TOKEN_INDEX, LEXICAL_INDEX = "xtr", "lexical"
# What either reads of the segments beside the rows: folders of this kind.
POSTINGS = {TOKEN_INDEX: "postings.", LEXICAL_INDEX: "lexical."}
# The subject of a check that is about all files of a generation.
EVERY_FILE = "*"
# What the files of a segment begin with that say what its rows are.
ROW_FILES = ("segment.json", "chunks.", "embeddings.", "tokens.", "names.")

# From the manifest as it stands to the fields that change.
Change = Callable[[Manifest], dict[str, Any]]
_Stamp = tuple[int, int, int]


class Draft(Generation):
    """A generation with its writes. Steps of one run may write it from several processes at once."""

    def __init__(self, layout: Layout, number: int, manifest: Manifest) -> None:
        super().__init__(layout, number, manifest)
        self._pending: list[Change] | None = None
        # Of the file that was read; None where it was written just now.
        self._stamp: _Stamp | None = None

    @classmethod
    def open(cls, layout: Layout, number: int) -> "Draft":
        """Raises GenerationError where the generation is unknown or sealed."""
        path = layout.manifest(number)
        # Before it is read: what is written meanwhile is another file to `reload`.
        stamp = _stamp(path) if path.is_file() else None
        opened = cls(layout, number, read_manifest(layout, number))
        refuse_sealed(layout, number)
        opened._stamp = stamp
        return opened

    @property
    def run_id(self) -> str:
        """The run that made it."""
        return self.manifest.run_id

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Commit what the block writes to the manifest once, when it ends well: a lock, a validation and a durable
        write a step in place of one a note. Files are in place before that; what a dying step left is written again.

        Reentrant: the outermost block commits.
        """
        if self._pending is not None:
            yield
            return
        self._pending, before = [], self.manifest
        try:
            yield
            if self._pending:
                self._commit(self._pending)
        except BaseException:
            self.manifest = before
            raise
        finally:
            self._pending = None

    def as_written(self) -> Generation:
        """The generation as the manifest will say at the end of the batch, put into its bytes and read from them."""
        return Generation(self.layout, self.number, self._read_back(self.manifest))

    def reload(self) -> None:
        """Take in what other processes wrote to the manifest since."""
        if self._pending is None and self._stamp != _stamp(self.layout.manifest(self.number)):
            found = Draft.open(self.layout, self.number)
            self.manifest, self._stamp = found.manifest, found._stamp  # noqa: SLF001 (of its own class)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a temporary path with the same file name; what was written there, file or folder, becomes `name`."""
        self.layout.resolve(self._name(name))
        if name in ("manifest.json", "manifest.json.sha256"):
            raise InvalidInput(f"{name} is written by storage itself")
        with scratch(self.layout) as folder:
            temporary = folder / Path(name).name
            yield temporary
            if not temporary.exists():
                raise GenerationError(f"nothing was written for {name!r} of generation {self.number}")
            fsync_tree(temporary)
            records = self._records_below(temporary, self._name(name))
            target = self.directory / name
            with committing(self.layout, f"draft {self.number}"):
                refuse_sealed(self.layout, self.number)
                refuse_linked(self.layout, target)
                if target.is_dir():
                    shutil.rmtree(target)
                move_into_place(temporary, target)

            def take(manifest: Manifest) -> dict[str, Any]:
                kept = {k: v for k, v in manifest.files.items() if not _within(k, self._name(name))}
                return {"files": kept | records}

            self._update(take)

    def use_folders(self, names: Sequence[str]) -> None:
        """Record every file of sealed shared folders (postings of a segment, a model), their lists included.

        In one step: the manifest is written once, whatever the number of segments.
        """
        found: dict[str, FileRecord] = {}
        for name in names:
            listing = self.layout.resolve(name) / LISTING_NAME
            if not listing.is_file():
                raise GenerationError(f"{name} was never sealed; seal it before generation {self.number} uses it")
            listed = read_stored(Listing, listing, self.layout.relative(listing))
            found |= {f"{name}/{file}": one for file, one in listed.files.items()}
            found[f"{name}/{LISTING_NAME}"] = record(listing)
        self._update(lambda manifest: {"files": {**manifest.files, **found}})

    def set_recipe(self, key: str, value: Any) -> None:
        """How an index was built; `value` is JSON."""
        self._update(lambda manifest: {"recipe": {**manifest.recipe, key: value}})

    def set_profile(self, key: str, value: Any) -> None:
        """How an index is searched; `value` is JSON."""
        self._update(lambda manifest: {"profile": {**manifest.profile, key: value}})

    def set_note(self, key: str, value: Any) -> None:
        """Anything else worth keeping (costs, counts); `value` is JSON."""
        self._update(lambda manifest: {"notes": {**manifest.notes, key: value}})

    def record_check(
        self,
        name: str,
        *,
        passed: bool,
        value: float | None,
        threshold: float | None,
        subject: Sequence[str],
        details: Mapping[str, Any] | None = None,
        profile_keys: Sequence[str] = (),
        version: int = 1,
    ) -> CheckRecord:
        """Keep a verdict about exactly the bytes that the manifest names now for `subject`, segments and tombstones.

        It holds for what the manifest says now of `profile_keys`. `version` is that of the check: `publish` demands it.
        """
        made: list[CheckRecord] = []

        def add(manifest: Manifest) -> dict[str, Any]:
            names = tuple(sorted(subject))
            keys = tuple(sorted(profile_keys))
            record = CheckRecord(
                name=name,
                passed=bool(passed),
                value=None if value is None else float(value),
                threshold=None if threshold is None else float(threshold),
                subject=names,
                profile_keys=keys,
                digest=subject_digest(manifest, names, keys),
                at=now(),
                details=dict(details or {}),
                version=version,
            )
            made[:] = [record.sealed(manifest.run_id)]
            return {"checks": {**manifest.checks, name: made[0]}}

        self._update(add)
        return made[0]

    def _update(self, change: Change) -> None:
        if self._pending is None:
            self._commit([change])
            return
        # Seen at once by who holds this draft; validated and written when the batch ends.
        self.manifest = self.manifest.model_copy(update=change(self.manifest))
        self._pending.append(change)

    def _commit(self, changes: Sequence[Change]) -> None:
        path = self.layout.manifest(self.number)
        refuse_linked(self.layout, path)
        with committing(self.layout, f"draft {self.number}"):
            manifest = Draft.open(self.layout, self.number).manifest
            for change in changes:
                manifest = manifest.model_copy(update=change(manifest))
            # Validated as a whole and compared as stored, so that a value that is not JSON never reaches the disk.
            whole = self._read_back(manifest)
            write_atomic(path, whole.to_bytes())
            self._stamp = _stamp(path)
        self.manifest = whole

    def _read_back(self, manifest: Manifest) -> Manifest:
        return Manifest.from_bytes(manifest.whole_bytes(), self._name("manifest.json"))

    def _records_below(self, path: Path, name: str) -> dict[str, FileRecord]:
        if path.is_file():
            return {name: record(path)}
        found = {f"{name}/{p.relative_to(path).as_posix()}": record(p) for p in path.rglob("*") if p.is_file()}
        if not found:
            raise GenerationError(f"the folder {name!r} of generation {self.number} is empty")
        return found


def refuse_sealed(layout: Layout, number: int) -> None:
    """GenerationError where a generation never changes any more."""
    if is_sealed(layout, number):
        raise GenerationError(f"generation {number} is sealed and never changes; make a new draft")


def _stamp(path: Path) -> _Stamp:
    """What changes when another process replaces the file."""
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns


def _within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")


def _in_segments(files: Mapping[str, Any], kinds: tuple[str, ...]) -> list[str]:
    """Files of segments whose name, or whose folder's name, begins with one of these."""
    return [key for key in files if key.startswith("segments/") and key.split("/", 2)[2].startswith(kinds)]


def subject_digest(manifest: Manifest, subject: Sequence[str], profile_keys: Sequence[str]) -> str:
    """sha256 over what a verdict depends on: its files, the segments' rows, the tombstones, and for each key how its
    index was built and is searched. That the manifest says nothing of a key is covered too. The token index, `xtr`, and
    the lexical index, `lexical`, read postings beside the rows, so that these belong to them."""
    own = f"generations/{manifest.number}/"
    covered: dict[str, str] = {}
    for name in (*subject, TOMBSTONES_NAME):
        exact, below = (own + name, name), (f"{own}{name}/", f"{name}/")
        within = [key for key in manifest.files if name == EVERY_FILE or key in exact or key.startswith(below)]
        if not within:
            raise InvalidInput(f"a check is about {name!r}, which generation {manifest.number} has no file of")
        # Names relative to the generation, so that a record survives being imported under another number.
        covered |= {key.removeprefix(own): manifest.files[key].sha256 for key in within}
    # What the rows are; whatever else is derived from them is covered where it is the subject.
    postings = tuple(kind for index, kind in POSTINGS.items() if index in subject)
    covered |= {key: manifest.files[key].sha256 for key in _in_segments(manifest.files, (*ROW_FILES, *postings))}
    settings = {key: [manifest.profile.get(key), manifest.recipe.get(key)] for key in profile_keys}
    return sha256_bytes(canonical_json([covered, settings]))
