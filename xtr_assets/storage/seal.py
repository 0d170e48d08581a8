"""The seal of a generation: its manifest's sha256 beside it, and in the history, which stands in where it is lost."""

import logging
from pathlib import Path

from xtr_assets.core.errors import CorruptFile, GenerationError
from xtr_assets.core.files import read_regular, write_atomic
from xtr_assets.storage.history import read_history, read_published
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.stored_json import sha256_bytes

log = logging.getLogger(__name__)


def is_sealed(layout: Layout, number: int) -> bool:
    """manifest.json.sha256 is written last: with it the generation is sealed. What PUBLISHED or the history names was
    sealed once, though that file be lost: it is never a draft again. A folder without anything in it is what a
    collection left that was killed where no folder can be renamed (temporary_files.py), unless it serves."""
    if layout.manifest_seal(number).is_file():
        return True
    return number in named_numbers(layout) and (_holds_files(layout, number) or number == read_published(layout))


def _holds_files(layout: Layout, number: int) -> bool:
    folder = layout.generation(number)
    return folder.is_dir() and next(folder.iterdir(), None) is not None


def named_numbers(layout: Layout) -> set[int]:
    """Generations that serve, or that something happened to since they were sealed; collected ones among them."""
    served = read_published(layout)
    return {entry.generation for entry in read_history(layout)}.union([] if served is None else [served])


def seal_text(manifest: bytes) -> bytes:
    """manifest.json.sha256, in sha256sum's format."""
    return f"{sha256_bytes(manifest)}  manifest.json\n".encode("ascii")


def noted_sha256(layout: Layout, number: int) -> set[str]:
    """What the history says of the manifest of a generation, whether it is there or was collected."""
    return {e.manifest_sha256 for e in read_history(layout) if e.generation == number and e.manifest_sha256}


def read_manifest(layout: Layout, number: int) -> Manifest:
    """Read and, where sealed, verify a manifest: against the seal, or against the history where the seal got lost."""
    path = layout.manifest(number)
    try:
        data = read_regular(path, layout.relative(path))
    except FileNotFoundError:
        raise _unknown(layout, number) from None
    if problems := seal_problems(layout, number, data):
        raise problems[0]
    name = layout.relative(path)
    try:
        manifest = Manifest.from_bytes(data, name)
    except CorruptFile as error:
        if is_sealed(layout, number):
            raise
        # Nobody has a copy of it, and no rollback helps.
        remedy = f"it is a draft that never served: remove generations/{number}, and build again"
        raise CorruptFile(name, error.expected, error.found, remedy) from error
    if manifest.number != number:
        raise CorruptFile(name, f"the manifest of generation {number}", f"that of {manifest.number}")
    return manifest


def seal_problems(layout: Layout, number: int, data: bytes, *, by_history: bool = False) -> list[CorruptFile]:
    """What is wrong with the manifest `data` and its seal; the history decides which of the two is damaged, and stands
    in for a seal that is gone. `by_history` holds the manifest against it though it fit its seal.
    """
    path = layout.manifest_seal(number)
    manifest, seal = layout.relative(layout.manifest(number)), layout.relative(path)
    stored = read_regular(path, seal) if path.is_file() else None
    if stored == seal_text(data) and not by_history:
        return []
    actual = sha256_bytes(data)
    if stored is None and number not in named_numbers(layout):
        return []
    noted = noted_sha256(layout, number)
    if noted and actual not in noted:
        return [CorruptFile(manifest, f"sha256 {sorted(noted)[0]} by the history", f"sha256 {actual}")]
    if stored == seal_text(data):
        return []
    if stored is None:
        found = "no file, and no line of the history has it"
        return [] if noted else [CorruptFile(seal, "the sha256 of manifest.json", found)]
    stated = f"sha256 {stored[:64].decode('ascii', 'replace')}"
    if noted:
        return [CorruptFile(seal, f"sha256 {actual}, which manifest.json and the history have", stated)]
    # Nobody can tell which of the two it is.
    return [CorruptFile(name, stated, f"sha256 {actual}") for name in (manifest, seal)]


def sealed_sha256(layout: Layout, number: int) -> str | None:
    """The sha256 of a manifest that fits the seal beside it; None where it does not, or there is none."""
    try:
        data, stored = _read(layout, layout.manifest(number)), _read(layout, layout.manifest_seal(number))
    except FileNotFoundError:
        return None
    return sha256_bytes(data) if stored == seal_text(data) else None


def refuse_altered(layout: Layout, number: int) -> None:
    """CorruptFile where a sealed manifest is not the one that the history knows, though its sha256 be changed too."""
    data = _read(layout, layout.manifest(number))
    if problems := seal_problems(layout, number, data, by_history=True):
        raise problems[0]


def restore_seals(layout: Layout) -> list[int]:
    """Write the seals that got lost and that the history knows; runs under the writer lock."""
    restored = []
    named = named_numbers(layout)
    for number in layout.numbers():
        if number not in named or layout.manifest_seal(number).is_file() or not layout.manifest(number).is_file():
            continue
        data = _read(layout, layout.manifest(number))
        if sha256_bytes(data) in noted_sha256(layout, number):
            write_atomic(layout.manifest_seal(number), seal_text(data))
            log.warning("the seal of generation %d was lost; it is written again, as the history has it", number)
            restored.append(number)
    return restored


def _read(layout: Layout, path: Path) -> bytes:
    return read_regular(path, layout.relative(path))


def _unknown(layout: Layout, number: int) -> CorruptFile | GenerationError:
    there = [one for one in layout.numbers() if layout.manifest(one).is_file()]
    known = ", ".join(map(str, there)) or "none"
    if not layout.generation(number).is_dir():
        return GenerationError(f"generation {number} is unknown; there are: {known}")
    name = layout.relative(layout.manifest(number))
    if is_sealed(layout, number):
        return CorruptFile(name, "the manifest of a sealed generation", "no file")
    return GenerationError(
        f"generation {number} has no manifest.json: its writer ended before it was one, and the next build removes it; "
        f"there are: {known}"
    )
