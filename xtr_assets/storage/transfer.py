"""A generation as one folder: exporting writes a warehouse that holds nothing else, importing takes one in."""

import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from xtr_assets.core.errors import CorruptFile, GenerationError, StorageError, WarehouseNotFound
from xtr_assets.core.files import (
    FileRecord,
    check,
    commit_folder,
    fsync_tree,
    move_into_place,
    read_regular,
    record,
    replacing,
    write_atomic,
)
from xtr_assets.storage.digests import check_size
from xtr_assets.storage.draft_lifecycle import following_number
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import append_history, move_pointer, read_published, whole_lines
from xtr_assets.storage.known_encoders import encoder_for, take_encoder
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_linked, refuse_links
from xtr_assets.storage.lock import committing
from xtr_assets.storage.publish import refuse_withdrawn
from xtr_assets.storage.remembrance import content_of
from xtr_assets.storage.seal import is_sealed, noted_sha256, read_manifest, refuse_altered, seal_text
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.temporary_files import scratch
from xtr_assets.storage.unnoted_move import followed
from xtr_assets.storage.warehouse_info import WarehouseInfo, read_info


def export_generation(source: Layout, number: int, target: Path) -> Layout:
    """Copy a sealed generation and all it needs into a new warehouse where it serves. Every byte is verified."""
    manifest = read_manifest(source, number)
    if not is_sealed(source, number):
        raise GenerationError(f"generation {number} is a draft; publish it before exporting it")
    refuse_withdrawn(source, number)
    refuse_altered(source, number)
    encoder = encoder_for(read_info(source), manifest)
    if os.path.lexists(target):
        raise StorageError(f"{target} exists; export into a folder that does not")
    # A name of its own: what lies beside the target under any other may be somebody's.
    partial = Layout(target.absolute().with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial"))
    for folder in (partial.root, partial.shards, partial.segments, partial.models, partial.generations):
        folder.mkdir(parents=True)
    try:
        # No collection takes it meanwhile.
        with Generation(source, number, manifest).pin():
            _copy_files(source, partial, manifest.files)
            data = read_regular(source.manifest(number), source.relative(source.manifest(number)))
        write_atomic(partial.manifest(number), data)
        write_atomic(partial.manifest_seal(number), seal_text(data))
        for shard, version in manifest.snapshots.items():
            write_atomic(partial.current(shard), f"{version}\n".encode("ascii"))
        used = {manifest.fingerprint: encoder}
        info = WarehouseInfo(created_at=read_info(source).created_at, token_codec=manifest.token_codec)
        info = info.with_encoders(used, whole_lines(partial))
        write_atomic(partial.warehouse_json, info.to_bytes())
        write_atomic(partial.next_number, f"{number + 1}\n".encode("ascii"))
        _note(partial, number, "published", "exported", content_of(partial, manifest), sha256_bytes(data))
        move_pointer(partial, number)
        if not commit_folder(partial.root, target.absolute()):
            raise StorageError(f"{target} came to be meanwhile; export into a folder that does not exist")
    except BaseException:
        shutil.rmtree(partial.root, ignore_errors=True)
        raise
    return Layout(target.absolute())


def import_generation(source_root: Path, target: Layout) -> Generation:
    """Take the published generation of another warehouse in under its own number; publishing it is a step of its own.

    Everything is copied and verified before anything of it is in its place, and the generation's folder, which makes it
    one, comes last. Files that are there already must be the same. GenerationError where the number means something
    else here.
    """
    source = Layout(source_root.absolute())
    if not source.warehouse_json.is_file():
        raise WarehouseNotFound(f"no warehouse at {source_root}; `xtr-assets export` writes one")
    refuse_links(source)
    # Not one that was withdrawn there, which a PUBLISHED of before may name.
    number = followed(source)
    if number is None:
        raise GenerationError(f"{source_root} has no published generation; publish the one to import there first")
    manifest = read_manifest(source, number)
    refuse_altered(source, number)
    data = read_regular(source.manifest(number), source.relative(source.manifest(number)))
    noted = noted_sha256(target, number)
    if target.generation(number).exists() or (noted and sha256_bytes(data) not in noted):
        if is_sealed(target, number) and read_manifest(target, number) == manifest:
            return Generation.open(target, number)
        raise GenerationError(
            f"generation {number} of {source_root} was made elsewhere, and this warehouse has a generation {number} of "
            "its own, or had one; import into a warehouse that only imports, or into a new one"
        )
    encoder = encoder_for(read_info(source), manifest)
    check_whole(Generation(source, number, manifest))
    content = content_of(source, manifest)
    own = f"generations/{number}/"
    shared = {name for name in manifest.files if not name.startswith(own)}
    _check_conflicts(target, {name: manifest.files[name] for name in shared})
    missing = {name for name in shared if not target.resolve(name).exists()}
    with scratch(target) as folder:
        staged = Layout(folder)
        with Generation(source, number, manifest).pin():
            _copy_files(
                source, staged, {n: one for n, one in manifest.files.items() if n in missing or n not in shared}
            )
        write_atomic(staged.manifest(number), data)
        write_atomic(staged.manifest_seal(number), seal_text(data))
        fsync_tree(folder)
        # Shards are written beside the writer lock: none of theirs meets half a segment.
        with committing(target, f"import of generation {number}"):
            for name in lists_last(missing):
                refuse_linked(target, target.resolve(name))
                move_into_place(staged.resolve(name), target.resolve(name))
        write_atomic(target.next_number, f"{max(number + 1, following_number(target))}\n".encode("ascii"))
        take_encoder(target, manifest.fingerprint, encoder)
        _note(target, number, "imported", None, content, sha256_bytes(data))
        move_into_place(staged.generation(number), target.generation(number))
    return Generation.open(target, number)


def check_whole(generation: Generation) -> None:
    """Read what its manifest says of segments, rows, snapshots and arrays; an error where two things disagree. Bytes
    are compared where they are copied."""
    fingerprint, encoder = generation.fingerprint, generation.manifest.encoder
    named = {snapshot.shard: snapshot for snapshot in generation.snapshots().values()}
    for placed, one in zip(generation.segments, generation.manifest.segments, strict=True):
        segment = placed.segment
        name = f"segments/{segment.segment_id}"
        if (segment.rows, segment.shard) != (one.rows, one.shard) or one.shard not in named:
            raise CorruptFile(name, f"{one.rows} rows of shard {one.shard}", f"{segment.rows} of {segment.shard}")
        dims = segment.dims(generation.vector_kind, names="all" if segment.has_names(fingerprint) else "")
        if dims != (encoder.dim, encoder.token_dim) or len(segment.chunks()) != one.rows:
            raise CorruptFile(name, f"dims {(encoder.dim, encoder.token_dim)}, {one.rows} rows", f"dims {dims}")
    live = int(np.count_nonzero(generation.live))
    if live != generation.live_rows:
        raise CorruptFile(f"generations/{generation.number}", f"{generation.live_rows} live rows", f"{live}")


def _note(layout: Layout, number: int, action: str, reason: str | None, content: str, manifest_sha256: str) -> None:
    """The line of the history: who took the generation in, with the digests of its manifest and of what it holds."""
    append_history(
        layout,
        action,
        number,
        previous=read_published(layout),
        who=None,
        reason=reason,
        manifest_sha256=manifest_sha256,
        content=content,
    )


def _check_conflicts(target: Layout, files: Mapping[str, FileRecord]) -> None:
    for name, expected in files.items():
        path = target.resolve(name)
        refuse_linked(target, path)
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
    for name in lists_last(files):
        check_size(source.resolve(name), files[name], name)
        _copy(source.resolve(name), target.resolve(name))
        if (found := record(target.resolve(name))) != files[name]:
            target.resolve(name).unlink()
            raise CorruptFile(name, f"sha256 {files[name].sha256}", f"sha256 {found.sha256}")


def lists_last(names: Iterable[str]) -> list[str]:
    # A segment or folder exists for others once its list does.
    return sorted(names, key=lambda name: (name.endswith(".json"), name.endswith("segment.json"), name))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
