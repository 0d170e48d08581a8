"""A generation as one folder: exporting writes a warehouse that holds nothing else, importing takes one in."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from xtr_assets.core.errors import CorruptFile, GenerationError, StorageError, WarehouseNotFound
from xtr_assets.core.files import FileRecord, check, fsync_dir, record, replacing, write_atomic
from xtr_assets.storage.digests import verify_files
from xtr_assets.storage.draft_lifecycle import following_number
from xtr_assets.storage.generation import Generation, is_sealed, read_manifest
from xtr_assets.storage.history import HISTORY_VERSION, append_history, move_pointer, read_published
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import CANARY_KEY, WarehouseInfo, read_stored, sha256_bytes
from xtr_assets.storage.publish import noted_sha256, refuse_altered, refuse_withdrawn
from xtr_assets.storage.remembrance import content_of
from xtr_assets.storage.temporary_files import fsync_tree, move_into_place, scratch


def export_generation(source: Layout, number: int, target: Path) -> Layout:
    """Copy a sealed generation and all it needs into a new warehouse where it serves. Every byte is verified."""
    manifest = read_manifest(source, number)
    if not is_sealed(source, number):
        raise GenerationError(f"generation {number} is a draft; publish it before exporting it")
    refuse_withdrawn(source, number)
    refuse_altered(source, number)
    if target.exists():
        raise StorageError(f"{target} exists; export into a folder that does not")
    partial = Layout(target.absolute().with_name(f"{target.name}.partial"))
    shutil.rmtree(partial.root, ignore_errors=True)
    for folder in (partial.root, partial.shards, partial.segments, partial.models, partial.generations):
        folder.mkdir(parents=True)
    try:
        _copy_files(source, partial, manifest.files)
        for path in (source.manifest(number), source.manifest_seal(number)):
            _copy(path, partial.resolve(source.relative(path)))
        for shard, version in manifest.snapshots.items():
            write_atomic(partial.current(shard), f"{version}\n".encode("ascii"))
        info = read_stored(WarehouseInfo, source.warehouse_json, "warehouse.json")
        used = {manifest.fingerprint: info.encoders[manifest.fingerprint]}
        write_atomic(partial.next_number, f"{number + 1}\n".encode("ascii"))
        _note(partial, number, "published", "exported")
        move_pointer(partial, number)
        found = {"encoders": used, "format_version": HISTORY_VERSION}
        write_atomic(partial.warehouse_json, info.model_copy(update=found).to_bytes())
        fsync_tree(partial.root)
        partial.root.replace(target)
        fsync_dir(target.absolute().parent)
    except BaseException:
        shutil.rmtree(partial.root, ignore_errors=True)
        raise
    return Layout(target.absolute())


def import_generation(source_root: Path, target: Layout) -> Generation:
    """Take the published generation of another warehouse in under its own number; publishing it is a step of its own.

    Files that are there already must be the same. GenerationError where the number means something else here.
    """
    source = Layout(source_root.absolute())
    if not source.warehouse_json.is_file():
        raise WarehouseNotFound(f"no warehouse at {source_root}; `xtr-assets export` writes one")
    info = read_stored(WarehouseInfo, source.warehouse_json, "warehouse.json")
    number = read_published(source)
    if number is None:
        raise GenerationError(f"{source_root} has no published generation; publish the one to import there first")
    manifest = read_manifest(source, number)
    refuse_altered(source, number)
    noted = noted_sha256(target, number)
    if target.generation(number).exists() or (
        noted and sha256_bytes(source.manifest(number).read_bytes()) not in noted
    ):
        if is_sealed(target, number) and read_manifest(target, number) == manifest:
            return Generation.open(target, number)
        raise GenerationError(
            f"generation {number} of {source_root} was made elsewhere, and this warehouse has a generation {number} of "
            "its own, or had one; import into a warehouse that only imports, or into a new one"
        )
    own = f"generations/{number}/"
    shared = {name: one for name, one in manifest.files.items() if not name.startswith(own)}
    _check_conflicts(target, shared)
    _copy_files(source, target, {name: one for name, one in shared.items() if not target.resolve(name).exists()})
    with scratch(target) as folder:
        staged = Layout(folder)
        _copy_files(source, staged, {name: one for name, one in manifest.files.items() if name.startswith(own)})
        for path in (source.manifest(number), source.manifest_seal(number)):
            _copy(path, staged.resolve(source.relative(path)))
        write_atomic(target.next_number, f"{max(number + 1, following_number(target))}\n".encode("ascii"))
        fsync_tree(folder)
        move_into_place(staged.generation(number), target.generation(number))
    known = read_stored(WarehouseInfo, target.warehouse_json, "warehouse.json")
    # A canary that is known here stays; else that of the import holds, whose vectors are mixed with those made here.
    mine = known.encoders.get(manifest.fingerprint)
    kept = info.encoders[manifest.fingerprint] if getattr(mine, CANARY_KEY, None) is None else mine
    encoders = {**known.encoders, manifest.fingerprint: kept}
    write_atomic(target.warehouse_json, known.model_copy(update={"encoders": encoders}).to_bytes())
    if problems := verify_files(target, manifest.files, full=True):
        raise problems[0]
    _note(target, number, "imported", None)
    return Generation.open(target, number)


def _note(layout: Layout, number: int, action: str, reason: str | None) -> None:
    """The line of the history: who took the generation in, with the digests of its manifest and of what it holds."""
    append_history(
        layout,
        action,
        number,
        previous=read_published(layout),
        who=None,
        reason=reason,
        manifest_sha256=sha256_bytes(layout.manifest(number).read_bytes()),
        content=content_of(layout, read_manifest(layout, number)),
    )


def _check_conflicts(target: Layout, files: Mapping[str, FileRecord]) -> None:
    for name, expected in files.items():
        path = target.resolve(name)
        if not path.exists():
            continue
        try:
            check(path, expected, name)
        except CorruptFile as problem:
            raise StorageError(
                f"{name} is here with other bytes ({problem.found}, the import has {problem.expected}): the same text "
                "was encoded on two machines; import into a new warehouse"
            ) from problem


def _copy_files(source: Layout, target: Layout, files: Mapping[str, FileRecord]) -> None:
    # Lists come last: a segment or folder exists for others once its list does.
    for name in sorted(files, key=lambda name: (name.endswith(".json"), name.endswith("segment.json"), name)):
        check(source.resolve(name), files[name], name, full=False)
        _copy(source.resolve(name), target.resolve(name))
        if (found := record(target.resolve(name))) != files[name]:
            target.resolve(name).unlink()
            raise CorruptFile(name, f"sha256 {files[name].sha256}", f"sha256 {found.sha256}")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
