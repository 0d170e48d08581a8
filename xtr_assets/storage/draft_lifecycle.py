"""Beginning and ending drafts: a number that is never used twice, every segment at its rows, the files it needs."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from xtr_assets.core.errors import CorruptFile, GenerationError, InvalidInput, StorageError
from xtr_assets.core.field_problem import problems
from xtr_assets.core.files import FileRecord, commit_folder, fsync_dir, read_regular, record, write_atomic
from xtr_assets.core.name_text import Naming
from xtr_assets.core.row_placement import Placement, Wanted, pack_tombstones, place, too_many_holes
from xtr_assets.core.types import VectorKind
from xtr_assets.storage.arrays import array_writer
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import TOMBSTONES_NAME, Generation
from xtr_assets.storage.history import read_published
from xtr_assets.storage.known_encoders import remember_encoder
from xtr_assets.storage.layout import LARGEST_NUMBER, Layout, number_of
from xtr_assets.storage.lock import committing, now
from xtr_assets.storage.manifest import (
    EncoderInfo,
    Manifest,
    PlacedInfo,
    RequiredCheck,
    manifest_version,
)
from xtr_assets.storage.seal import is_sealed, named_numbers, read_manifest
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.snapshot import Snapshot, read_snapshot, snapshot_record
from xtr_assets.storage.temporary_files import put_away, remove_dead_scratch, scratch

log = logging.getLogger(__name__)

# How row numbers freed by removed segments are treated. kept: leave gaps. bounded: renumber all rows where there are
# too many gaps. closed: always renumber.
Holes = Literal["kept", "bounded", "closed"]


def make_draft(
    layout: Layout,
    run_id: str,
    *,
    encoder: Mapping[str, object],
    fingerprint: str,
    snapshots: Mapping[str, str],
    parent: Generation | None,
    holes: Holes = "kept",
    required: Sequence[RequiredCheck] = (),
    notes: Mapping[str, object] | None = None,
    named: Mapping[str, Naming] | None = None,
) -> Draft:
    """A new draft over these snapshots (shard -> data version); the parent's segments keep their rows. `required` is
    what `publish` will demand of it, whoever calls it; `named` are the shards whose names are
    searched with their rows, and of which rows.

    Where `holes` are closed, all rows are placed anew from 0: what is derived from the parent's rows removes and adds
    those that moved.
    """
    info = encoder_info(encoder)
    loaded = {shard: read_snapshot(layout, shard, version) for shard, version in sorted(snapshots.items())}
    placement = _placement(loaded, parent, holes)
    shard_of = {one.segment_id: shard for shard, snapshot in loaded.items() for one in snapshot.segments}
    shifts = {one.segment_id: one.shifts for snapshot in loaded.values() for one in snapshot.segments}
    number = take_number(layout)
    with scratch(layout) as folder:
        tombstones = _write_tombstones(folder, placement)
        segments = tuple(
            PlacedInfo(
                segment_id=one.segment_id,
                shard=shard_of[one.segment_id],
                base_row=one.base_row,
                rows=one.rows,
                live_rows=int(np.count_nonzero(placement.live[one.base_row : one.end_row])),
                shifts=shifts[one.segment_id],
            )
            for one in placement.segments
        )
        manifest = _manifest(
            format_version=manifest_version(segments, gated=bool(required), lone_leg=info.lone_leg),
            number=number,
            parent=parent.number if parent else None,
            run_id=run_id,
            created_at=now(),
            fingerprint=fingerprint,
            encoder=info,
            lone_leg=info.lone_leg,
            snapshots=dict(sorted(snapshots.items())),
            segments=segments,
            end_row=placement.end_row,
            live_rows=int(np.count_nonzero(placement.live)),
            required=tuple(required),
            notes=dict(notes or {}),
            files={
                **_shared_files(layout, loaded, info, fingerprint, named or {}),
                f"generations/{number}/{TOMBSTONES_NAME}": tombstones,
            },
        )
        (folder / "manifest.json").write_bytes(manifest.to_bytes())
        # Known before the draft is: one that is left behind and taken up again is of an encoder that is known.
        remember_encoder(layout, fingerprint, info)
        if not commit_folder(folder, layout.generation(number)):
            raise GenerationError(f"the number {number} is taken: {layout.generation(number)} holds files; begin again")
    return Draft(layout, number, manifest)


def _placement(loaded: Mapping[str, Snapshot], parent: Generation | None, holes: Holes) -> Placement:
    segments = _wanted(loaded)
    if parent is None or holes == "closed":
        return place(segments)
    kept = place(segments, parent.placement)
    if holes == "bounded" and too_many_holes(kept.holes, kept.end_row):
        log.info("%d of %d rows would be holes: all rows are placed anew", kept.holes, kept.end_row)
        return place(segments)
    return kept


def _manifest(**fields: Any) -> Manifest:
    """The manifest, validated; InvalidInput says what cannot be, such as a segment without a leg that there is."""
    try:
        return Manifest(**fields)
    except ValidationError as error:
        told = problems(dict(item) for item in error.errors())
        raise InvalidInput(f"generation {fields['number']} cannot be begun: {told}; build again") from error


def encoder_info(encoder: Mapping[str, object]) -> EncoderInfo:
    """Check what an encoder says of itself; `name`, `dim` and `token_dim` are needed."""
    try:
        return EncoderInfo.model_validate(dict(encoder))
    except ValidationError as error:
        told = problems(dict(item) for item in error.errors())
        raise InvalidInput(f"what the encoder says of itself is wrong: {told}") from error


def take_number(layout: Layout) -> int:
    """The next generation number, above every number ever given out; durable before it is used."""
    layout.generations.mkdir(exist_ok=True)
    number = following_number(layout)
    write_atomic(layout.next_number, f"{number + 1}\n".encode("ascii"))
    return number


def following_number(layout: Layout) -> int:
    """The number that the next generation gets: above every one that is there, and every one that ever served."""
    last = max({*layout.numbers(), *named_numbers(layout)}, default=0)
    following = read_next(layout)
    if following is None:
        return last + 1
    if following >= LARGEST_NUMBER:
        raise CorruptFile(
            layout.relative(layout.next_number), f"a number after the last generation, {last}", f"{following}"
        )
    return max(following, last + 1)


def read_next(layout: Layout) -> int | None:
    """What NEXT holds; None where nothing was ever begun. CorruptFile where it is no generation number."""
    try:
        text = read_regular(layout.next_number, layout.relative(layout.next_number))
    except FileNotFoundError:
        return None
    number = number_of(text.removesuffix(b"\n").decode("ascii", "replace"))
    if number is None:
        raise CorruptFile(layout.relative(layout.next_number), "the number after the last generation", repr(text[:40]))
    return number


def drop_generation(layout: Layout, number: int) -> None:
    """Remove a generation's own folder: out of sight in one rename, then from the disk."""
    with scratch(layout) as folder:
        put_away(layout.generation(number), folder, str(number))
        fsync_dir(layout.generations)


def discard(layout: Layout, number: int) -> None:
    """Remove a draft. GenerationError where the generation is sealed or unknown."""
    if is_sealed(layout, number):
        raise GenerationError(f"generation {number} is sealed; collection removes it (`xtr-assets gc`)")
    if not layout.generation(number).is_dir():
        read_manifest(layout, number)
    drop_generation(layout, number)


def clean(layout: Layout, keep_drafts: int = 1) -> list[str]:
    """Remove what dead writers left: temporaries, half-written generations, drafts but the newest `keep_drafts`.

    Runs under the writer lock. Returns the names of what was removed.
    """
    removed = [layout.relative(path) for path in remove_dead_scratch(layout)]
    drafts = []
    for number in layout.numbers():
        if is_sealed(layout, number):
            continue
        if layout.manifest(number).is_file():
            drafts.append(number)
        else:
            removed.append(_remove(layout, number))
    published = read_published(layout) or 0
    # A draft below the published number was overtaken: its rows are not those a next generation would keep.
    newest = [number for number in drafts if number > published][-keep_drafts:] if keep_drafts else []
    removed += [_remove(layout, number) for number in drafts if number not in newest]
    # Commits outside the writer lock hold the commit lock: their temporaries are not those of a dead writer.
    with committing(layout, "clean"):
        removed += _remove_temporaries(layout)
    for name in removed:
        log.info("removed %s, left by a writer that ended before it was done", name)
    return removed


def newest_draft(layout: Layout) -> Draft | None:
    """The draft with the highest number; None where every generation is sealed or half-written."""
    for number in reversed(layout.numbers()):
        if not is_sealed(layout, number) and layout.manifest(number).is_file():
            return Draft.open(layout, number)
    return None


def _remove(layout: Layout, number: int) -> str:
    drop_generation(layout, number)
    return layout.relative(layout.generation(number))


def _remove_temporaries(layout: Layout) -> list[str]:
    # core.files.replacing writes beside its target; a writer that died between the two steps leaves a hidden file.
    folders = [layout.root, layout.generations, *layout.shards.glob("*"), *layout.segments.glob("*")]
    folders += [layout.generation(number) for number in layout.numbers() if not is_sealed(layout, number)]
    found: list[Path] = [path for folder in folders for path in folder.glob(".*.tmp")]
    for path in found:
        path.unlink()
    return [layout.relative(path) for path in found]


def _wanted(snapshots: Mapping[str, Snapshot]) -> Sequence[Wanted]:
    return [
        Wanted(one.segment_id, snapshot.dead_mask(one.segment_id))
        for _, snapshot in sorted(snapshots.items())
        for one in snapshot.segments
    ]


def _shared_files(
    layout: Layout,
    snapshots: Mapping[str, Snapshot],
    encoder: EncoderInfo,
    fingerprint: str,
    named: Mapping[str, Naming],
) -> dict[str, FileRecord]:
    files: dict[str, FileRecord] = {}
    kind = VectorKind(fingerprint, encoder.given)
    for shard, snapshot in snapshots.items():
        name, one = snapshot_record(layout, shard, snapshot.data_version)
        files[name] = one
        for placed in snapshot.segments:
            segment = Segment.open(layout, placed.segment_id)
            if segment.rows != placed.rows:
                raise StorageError(f"segment {placed.segment_id}: {placed.rows} rows in {name}, {segment.rows} in it")
            names = named.get(shard, "")
            if (dims := segment.dims(kind, names=names)) != (encoder.dim, encoder.token_dim):
                raise InvalidInput(
                    f"segment {placed.segment_id} holds dims {dims}, the encoder {encoder.name} says "
                    f"{(encoder.dim, encoder.token_dim)}; encode it again under its own fingerprint"
                )
            files |= segment.records(segment.encoding_listings(kind, names=names))
    return files


def _write_tombstones(folder: Path, placement: Placement) -> FileRecord:
    path = folder / TOMBSTONES_NAME
    packed = pack_tombstones(placement.live)
    with array_writer(path, np.uint8) as writer:
        writer.append(packed)
    return record(path)
