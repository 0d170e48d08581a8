"""export of a set: the generations that a move names, and the moves up to it, as a set in a folder of its own."""

import shutil
import uuid
from pathlib import Path

from xtr_assets.core.errors import GenerationError, StorageError
from xtr_assets.core.files import commit_folder, read_regular
from xtr_assets.storage.parts.part_records import MoveEnd, SetInfo, ShardPlace
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.part_set_reader import PartSetReader, naming
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.transfer import export_generation


def export_set(opened: PartSetReader, target: Path, number: int | None = None) -> None:
    """Copy what serves, or what move `number` names; there it serves, as the move of the same number. StorageError
    where the target exists, PublishRefused where a part withdrew its generation."""
    joined = opened.published if number is None else opened.generation(number)
    if joined is None:
        raise GenerationError(f"nothing is published together in {opened.root}; `xtr-assets parts publish` first")
    if target.exists():
        raise StorageError(f"{target} exists; export into a folder that does not")
    partial = target.absolute().with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    layout = opened.layout
    try:
        with joined.pin():
            made = PartSet.create(partial, most_chunks=opened.info.most_chunks)
            for part in joined.parts:
                with naming(part.name):
                    export_generation(part.generation.layout, part.generation.number, made.layout.part(part.name))
        moves = opened.moves()[: joined.number]
        files = [read_regular(layout.move(one.number), layout.relative(layout.move(one.number))) for one in moves]
        shards = {shard: ShardPlace(part=name) for name, state in joined.move.parts.items() for shard in state.shards}
        info = SetInfo(
            created_at=opened.info.created_at,
            most_chunks=opened.info.most_chunks,
            parts=tuple(joined.move.parts),
            shards=shards,
            moved=MoveEnd(number=joined.number, sha256=sha256_bytes(files[-1])),
        )
        made.take_moves(info, list(zip(moves, files, strict=True)), list(joined.move.parts))
        if not commit_folder(partial, target.absolute()):
            raise StorageError(f"{target} came to be meanwhile; export into a folder that does not exist")
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
