"""verify: every file of a generation, or of the whole warehouse, against its record."""

from pathlib import Path

from xtr_assets.core.errors import CorruptFile, LinkRefused, StorageError, UnknownFormat
from xtr_assets.core.files import FileRecord, read_regular
from xtr_assets.storage.digests import VerifyReport, unexpected_files, verify_files
from xtr_assets.storage.draft_lifecycle import following_number, read_next
from xtr_assets.storage.history import read_history, read_published
from xtr_assets.storage.known_encoders import encoder_for
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_links
from xtr_assets.storage.manifest import Listing, Manifest
from xtr_assets.storage.seal import is_sealed, named_numbers, read_manifest, seal_problems
from xtr_assets.storage.segment import SEGMENT_NAME, Segment
from xtr_assets.storage.snapshot import current_version, read_snapshot
from xtr_assets.storage.stored_json import read_stored, sha256_bytes
from xtr_assets.storage.unnoted_move import settled_move
from xtr_assets.storage.vector_files import LISTING_NAME
from xtr_assets.storage.warehouse_info import read_info


def verify_warehouse(layout: Layout, number: int | None = None, *, full: bool = True) -> VerifyReport:
    """Compare one generation, or all of them with every segment and snapshot; the pointer and the history always.

    With `full=False` only sizes are compared. GenerationError for a number that does not exist.
    """
    files, problems = _named(layout, number)
    wrong = {problem.path for problem in verify_files(layout, files, full=full)}
    if problems or wrong:
        # No lock is held, and bytes take long to read: what a collection took meanwhile, or a step wrote anew, is no
        # damage. What is named now is looked at once more, and read where it differed, or nothing named it so before:
        # a manifest that could not be read then named nothing.
        before, (files, problems) = files, _named(layout, number)
        again = {name: one for name, one in files.items() if name in wrong or before.get(name) != one}
        problems = {**{problem.path: problem for problem in verify_files(layout, again, full=full)}, **problems}
    total = sum(one.bytes for one in files.values())
    return VerifyReport(len(files), total, tuple(problems[name] for name in sorted(problems)))


def _named(layout: Layout, number: int | None) -> tuple[dict[str, FileRecord], dict[str, CorruptFile]]:
    """The files that are named now, with their records, and what is wrong with whatever names them, by path."""
    files: dict[str, FileRecord] = {}
    problems: dict[str, CorruptFile] = {}

    def note(problem: CorruptFile) -> None:
        problems.setdefault(problem.path, problem)

    numbers = layout.numbers() if number is None else [number]
    try:
        named: set[int] | None = named_numbers(layout)
    except StorageError as error:
        # What is wrong with the pointer or the history is told below; seals are then held against manifests alone.
        named = None
        note(error if isinstance(error, CorruptFile) else CorruptFile("history.jsonl", "a history", str(error)))
    for one in numbers:
        for problem in _verify_manifest(layout, one, files, named, wanted=number is not None):
            note(problem)
    for problem in _verify_rest(layout, files, whole=number is None):
        note(problem)
    return files, problems


def _verify_manifest(
    layout: Layout, number: int, files: dict[str, FileRecord], named: set[int] | None, *, wanted: bool
) -> list[CorruptFile]:
    path, seal = layout.manifest(number), layout.manifest_seal(number)
    sealed = seal.is_file() if named is None else is_sealed(layout, number)
    if not path.is_file():
        if wanted and not sealed:
            read_manifest(layout, number)
        # Without a manifest it is what a dead writer left, unless it was sealed once.
        return [CorruptFile(layout.relative(path), "a manifest", "no file")] if sealed else []
    try:
        name = layout.relative(path)
        problems = seal_problems(layout, number, read_regular(path, name), by_history=named is not None)
        if problems and problems[0].path == layout.relative(path):
            return problems
        manifest = Manifest.from_bytes(read_regular(path, name), name) if problems else None
        manifest = manifest or read_manifest(layout, number)
        encoder_for(read_info(layout), manifest)
    except CorruptFile as problem:
        return [problem]
    except StorageError as error:
        return [CorruptFile(layout.relative(path), "a manifest that can be read", str(error))]
    if sealed and not seal.is_file() and not problems:
        problems = [CorruptFile(layout.relative(seal), "the sha256 of manifest.json", "no file")]
    for name, record in manifest.files.items():
        if files.setdefault(name, record) != record:
            problems.append(CorruptFile(name, f"one record in all manifests, {files[name]}", f"{record}"))
    if sealed:
        own = [layout.relative(path), layout.relative(seal)]
        problems += unexpected_files(layout, layout.generation(number), [*manifest.files, *own])
    return problems


def _verify_rest(layout: Layout, files: dict[str, FileRecord], *, whole: bool) -> list[CorruptFile]:
    problems: list[CorruptFile] = []

    def attempt(name: str, look: object) -> None:
        try:
            look()  # type: ignore[operator]
        except CorruptFile as problem:
            problems.append(problem)
        except StorageError as error:
            # A segment's reader opens the lists beside it: what cannot be read may be one of these.
            path = error.path if isinstance(error, UnknownFormat) else None
            problems.append(CorruptFile(path or name, "a file that can be read", str(error)))

    def pointer() -> None:
        published = read_published(layout)
        if published is not None and not layout.manifest(published).is_file():
            raise CorruptFile("PUBLISHED", "the number of a sealed generation", str(published))
        if published is None and (last := [one.generation for one in read_history(layout) if one.moves]):
            raise CorruptFile("PUBLISHED", f"a generation number, {last[-1]} by the history", "no file")
        if (moved := settled_move(layout)) is not None and (problem := moved.problem()) is not None:
            raise problem

    def links() -> None:
        try:
            refuse_links(layout)
        except LinkRefused as error:
            raise CorruptFile(str(error).split(" is a link")[0], "a file or folder of its own", "a link") from error

    attempt("warehouse.json", lambda: read_info(layout))
    attempt("history.jsonl", lambda: read_history(layout))
    attempt("PUBLISHED", pointer)
    attempt("generations/NEXT", lambda: _verify_next(layout))
    attempt("", links)
    if not whole:
        return problems
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


def _verify_next(layout: Layout) -> None:
    """NEXT is above every number that was given out, or gone: then the folders and the history say it."""
    if (following := read_next(layout)) is not None:
        last = following_number(layout) - 1
        if following <= last:
            raise CorruptFile("generations/NEXT", f"a number above {last}", str(following))


def _add_model(layout: Layout, path: Path, files: dict[str, FileRecord]) -> None:
    listing = read_stored(Listing, path, layout.relative(path))
    if not sha256_bytes(read_regular(path, layout.relative(path))).startswith(path.parent.name):
        raise CorruptFile(layout.relative(path), f"sha256 {path.parent.name}...", "other contents")
    for name, record in listing.files.items():
        files.setdefault(layout.relative(path.parent / name), record)


def _add_segment(layout: Layout, segment_id: str, files: dict[str, FileRecord]) -> None:
    for name, record in Segment.open(layout, segment_id).records().items():
        files.setdefault(name, record)
