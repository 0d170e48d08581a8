"""Faults on the way to the pointer: verdicts, publish, and generations that come from elsewhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.core.files import record
from xtr_assets.index.faiss_provider import load_faiss
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.seal import seal_text
from xtr_assets_tests.mutants.fault import INCREMENTAL, TRANSFER, Mutant, Plant, both, on_disk, replaced
from xtr_assets_tests.mutants.places.derived import _added, _half

faiss = load_faiss()
REFUSED = frozenset({"publish"})


def _swapped_at_the_end(original: Any) -> Any:
    """The index loses half of its rows between its check and the pointer."""

    def publish(self: Any, number: int, **given: Any) -> Any:
        draft = self.open_draft(number)
        index = faiss.read_index(str(draft.path("dense.faiss")))
        rows = np.flatnonzero(draft.live)[::2].astype(np.int64)
        index.remove_ids(faiss.IDSelectorBatch(rows))
        with draft.writing("dense.faiss") as path:
            faiss.write_index(index, str(path))
        return original(self, number, **given)

    return publish


def _verdicts_of_the_parent(original: Any) -> Any:
    def record_check(self: Any, name: str, **given: Any) -> Any:
        own = original(self, name, **given)
        if self.parent is None:
            return own
        parents = Generation.open(self.layout, self.parent).manifest.checks
        if name in parents:
            self._update(lambda manifest: {"checks": {**manifest.checks, name: parents[name]}})
        return own

    return record_check


def _about_nothing(original: Any) -> Any:
    def record_check(self: Any, name: str, **given: Any) -> Any:
        return original(self, name, **{**given, "subject": (), "passed": True})

    return record_check


def _another_number(original: Any) -> Any:
    return lambda layout, number: original(layout, max(1, number - 1))


def _export(act: Callable[[Path, dict[str, Any]], str]) -> Plant:
    """Something in the export is altered and its record put right; `act` names the file."""

    def altered(folder: Path) -> None:
        root = folder / "export"
        path = root / "generations/2/manifest.json"
        manifest = json.loads(path.read_text())
        name = act(root, manifest)
        if name:
            one = record(root / name)
            manifest["files"][name] = {"bytes": one.bytes, "sha256": one.sha256}
        from xtr_assets.storage.manifest import Manifest

        path.write_bytes(Manifest.model_validate(manifest).to_bytes())
        path.with_name("manifest.json.sha256").write_bytes(seal_text(path.read_bytes()))

    return on_disk(altered)


def _half_of_faiss(root: Path, _: dict[str, Any]) -> str:
    name = "generations/2/dense.faiss"
    index = faiss.read_index(str(root / name))
    index.remove_ids(faiss.IDSelectorRange(0, index.ntotal // 2))
    faiss.write_index(index, str(root / name))
    return name


def _other_vectors(root: Path, manifest: dict[str, Any]) -> str:
    """Of the largest segment, whose own list is put right too."""
    segment = max(manifest["segments"], key=lambda one: one["rows"])["segment_id"]
    (path,) = (root / "segments" / segment).glob("embeddings.*.npy")
    np.save(path, np.roll(np.load(path), 1, axis=0))
    one = record(path)
    listing = path.with_suffix(".json")
    listed = json.loads(listing.read_text())
    listed["files"][path.name] = {"bytes": one.bytes, "sha256": one.sha256}
    from xtr_assets.storage.manifest import Listing

    listing.write_bytes(Listing.model_validate(listed).to_bytes())
    short = record(listing)
    manifest["files"][f"segments/{segment}/{listing.name}"] = {"bytes": short.bytes, "sha256": short.sha256}
    return f"segments/{segment}/{path.name}"


def _failed_once(root: Path, manifest: dict[str, Any]) -> str:
    """The index lacks rows, and the failed verdict was edited."""
    name = _half_of_faiss(root, manifest)
    manifest["checks"]["dense_recall"]["value"] = 1.0
    return name


def _rotten(folder: Path) -> None:
    for path in (folder / "export/segments").rglob("embeddings.*.npy"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(bytes(data))


def _segments_exchanged(folder: Path) -> None:
    """Two segments of one size change their chunks; without a pair, the first gets the last's."""
    folders = sorted((folder / "export/segments").iterdir())
    first, last = folders[0] / "chunks.arrow", folders[-1] / "chunks.arrow"
    data = first.read_bytes()
    first.write_bytes(last.read_bytes())
    last.write_bytes(data)


def _nobody_asks(original: Any) -> Any:
    return lambda self, number, **given: original(self, number, **{**given, "required": ()})


MUTANTS = (
    Mutant(
        "the index is exchanged after its check",
        "publish",
        replaced("storage.warehouse:Warehouse.publish", _swapped_at_the_end),
        REFUSED,
    ),
    Mutant(
        "verdicts of the parent",
        "publish",
        replaced("storage.draft:Draft.record_check", _verdicts_of_the_parent),
        REFUSED,
        INCREMENTAL,
    ),
    Mutant("verdicts about nothing", "publish", replaced("storage.draft:Draft.record_check", _about_nothing), REFUSED),
    Mutant(
        "the pointer gets another number",
        "publish",
        replaced("storage.history:move_pointer", _another_number),
        frozenset({"GenerationError"}),
        INCREMENTAL,
    ),
    Mutant(
        "the pointer stays where it is",
        "publish",
        replaced("storage.history:move_pointer", lambda _: lambda _layout, _number: None),
        frozenset({"GenerationError"}),
    ),
    Mutant(
        "the history names another generation",
        "publish",
        replaced(
            "storage.history:append_history",
            lambda original: lambda layout, action, number, **given: original(layout, action, number + 1, **given),
        ),
        frozenset({"GenerationError"}),
        INCREMENTAL,
    ),
    Mutant(
        "no check is asked for, and FAISS lacks half",
        "publish",
        both(replaced("storage.warehouse:Warehouse.publish", _nobody_asks), _added(_half)),
        REFUSED | {"rows_everywhere"},
    ),
    Mutant("an import whose bytes rotted", "import", on_disk(_rotten), frozenset({"CorruptFile"}), TRANSFER),
    Mutant(
        "an import with two segments exchanged",
        "import",
        on_disk(_segments_exchanged),
        frozenset({"CorruptFile"}),
        TRANSFER,
    ),
    Mutant(
        "an import with other vectors, digests put right",
        "import",
        _export(_other_vectors),
        REFUSED | {"CorruptFile", "StorageError"},
        TRANSFER,
    ),
    Mutant(
        "an import with half of FAISS, digests put right",
        "import",
        _export(_half_of_faiss),
        REFUSED | {"CorruptFile", "StorageError"},
        TRANSFER,
    ),
    Mutant(
        "an import with an edited verdict",
        "import",
        _export(_failed_once),
        REFUSED | {"CorruptFile", "StorageError"},
        TRANSFER,
    ),
)
