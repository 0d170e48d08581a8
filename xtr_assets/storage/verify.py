"""verify: every file of a generation, or of the whole warehouse, against its record."""

from pathlib import Path

from xtr_assets.core.errors import CorruptFile, StorageError, UnknownFormat
from xtr_assets.core.files import FileRecord
from xtr_assets.storage.digests import VerifyReport, unexpected_files, verify_files
from xtr_assets.storage.generation import is_sealed, read_manifest
from xtr_assets.storage.history import read_history, read_published
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import Listing, WarehouseInfo, read_stored, sha256_bytes
from xtr_assets.storage.publish import sealed_manifest_problems
from xtr_assets.storage.segment import LISTING_NAME, SEGMENT_NAME, Segment
from xtr_assets.storage.snapshot import current_version, read_snapshot


def verify_warehouse(layout: Layout, number: int | None = None, *, full: bool = True) -> VerifyReport:
    """Compare one generation, or all of them with every segment, snapshot, the pointer and the history.

    With `full=False` only sizes are compared. GenerationError for a number that does not exist.
    """
    files: dict[str, FileRecord] = {}
    problems: dict[str, CorruptFile] = {}

    def note(problem: CorruptFile) -> None:
        problems.setdefault(problem.path, problem)

    numbers = layout.numbers() if number is None else [number]
    for one in numbers:
        for problem in _verify_manifest(layout, one, files, wanted=number is not None):
            note(problem)
    if number is None:
        for problem in _verify_rest(layout, files):
            note(problem)
    for problem in verify_files(layout, files, full=full):
        note(problem)
    total = sum(one.bytes for one in files.values())
    return VerifyReport(len(files), total, tuple(problems[name] for name in sorted(problems)))


def _verify_manifest(layout: Layout, number: int, files: dict[str, FileRecord], *, wanted: bool) -> list[CorruptFile]:
    if not layout.manifest(number).is_file():
        if wanted:
            read_manifest(layout, number)
        # Without a manifest it is what a dead writer left, and nothing that was published.
        return (
            [CorruptFile(f"generations/{number}/manifest.json", "a manifest", "no file")]
            if is_sealed(layout, number)
            else []
        )
    try:
        problems = sealed_manifest_problems(layout, number) if is_sealed(layout, number) else []
        if problems and any(p.path.endswith("manifest.json") for p in problems):
            return problems
        manifest = read_manifest(layout, number) if not problems else None
    except CorruptFile as problem:
        return [problem]
    except StorageError as error:
        return [CorruptFile(f"generations/{number}/manifest.json", "a manifest that can be read", str(error))]
    if manifest is None:
        return problems
    for name, record in manifest.files.items():
        if files.setdefault(name, record) != record:
            problems.append(CorruptFile(name, f"one record in all manifests, {files[name]}", f"{record}"))
    if is_sealed(layout, number):
        own = [layout.relative(layout.manifest(number)), layout.relative(layout.manifest_seal(number))]
        problems += unexpected_files(layout, layout.generation(number), [*manifest.files, *own])
    return problems


def _verify_rest(layout: Layout, files: dict[str, FileRecord]) -> list[CorruptFile]:
    problems: list[CorruptFile] = []
    published: int | None = None

    def attempt(name: str, look: object) -> None:
        try:
            look()  # type: ignore[operator]
        except CorruptFile as problem:
            problems.append(problem)
        except StorageError as error:
            # A segment's reader opens the lists beside it: what cannot be read may be one of these.
            path = error.path if isinstance(error, UnknownFormat) else None
            problems.append(CorruptFile(path or name, "a file that can be read", str(error)))

    attempt("warehouse.json", lambda: read_stored(WarehouseInfo, layout.warehouse_json, "warehouse.json"))
    attempt("history.jsonl", lambda: read_history(layout))

    def pointer() -> None:
        nonlocal published
        published = read_published(layout)
        if published is not None and not is_sealed(layout, published):
            raise CorruptFile("PUBLISHED", "the number of a sealed generation", str(published))

    attempt("PUBLISHED", pointer)
    for path in sorted(layout.shards.glob("*/CURRENT")):
        attempt(layout.relative(path), lambda shard=path.parent.name: current_version(layout, shard))
    for path in sorted(layout.shards.glob("*/*.json")):
        if path.name != "scan.json":
            attempt(layout.relative(path), lambda p=path: read_snapshot(layout, p.parent.name, p.stem))
    for path in sorted(layout.segments.glob(f"*/{SEGMENT_NAME}")):
        attempt(layout.relative(path), lambda p=path: _add_segment(layout, p.parent.name, files))
    for path in sorted(layout.models.glob(f"*/{LISTING_NAME}")):
        attempt(layout.relative(path), lambda p=path: _add_model(layout, p, files))
    return problems


def _add_model(layout: Layout, path: Path, files: dict[str, FileRecord]) -> None:
    listing = read_stored(Listing, path, layout.relative(path))
    if not sha256_bytes(path.read_bytes()).startswith(path.parent.name):
        raise CorruptFile(layout.relative(path), f"sha256 {path.parent.name}...", "other contents")
    for name, record in listing.files.items():
        files.setdefault(layout.relative(path.parent / name), record)


def _add_segment(layout: Layout, segment_id: str, files: dict[str, FileRecord]) -> None:
    for name, record in Segment.open(layout, segment_id).records().items():
        files.setdefault(name, record)
