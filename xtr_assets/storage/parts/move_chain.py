"""moves/: which generations served together, each move with the sha256 of the one before it."""

import os
import uuid
from collections.abc import Mapping, Sequence
from itertools import count, takewhile

from xtr_assets.core.errors import CorruptFile, GenerationError
from xtr_assets.core.files import fsync_dir, read_regular
from xtr_assets.storage.layout import PartsLayout
from xtr_assets.storage.parts.part_records import LARGEST_MOVE, MoveEnd, PartMove, SetInfo
from xtr_assets.storage.stored_json import read_stored, sha256_bytes


def read_set(layout: PartsLayout) -> SetInfo:
    """parts.json."""
    return read_stored(SetInfo, layout.parts_json, layout.relative(layout.parts_json))


def last_move(layout: PartsLayout) -> tuple[PartMove, str] | None:
    """The move that serves, and the sha256 of its file; None before the first.

    CorruptFile where it is damaged, is not after the one that parts.json knows, or where that one is gone: an earlier
    move is never taken for the last. First parts.json, then the folder: a writer makes it longer meanwhile.
    """
    known = read_set(layout).moved
    there = set(layout.move_numbers())
    # Of a pull that died, or is under way, the later moves are there and the next one is not: none of them counts yet.
    if known is None and 1 not in there:
        return None
    first = 1 if known is None else known.number
    move, digest = _read(layout, first)
    if known is None:
        _check_follows(layout, move, None)
    elif digest != known.sha256:
        name = layout.relative(layout.move(first))
        raise CorruptFile(name, f"sha256 {known.sha256} by {layout.parts_json.name}", f"sha256 {digest}")
    # A writer that died between a move and parts.json leaves one more than that knows.
    for number in takewhile(there.__contains__, count(first + 1)):
        move, found = _read(layout, number)
        _check_follows(layout, move, digest)
        digest = found
    return move, digest


def all_moves(layout: PartsLayout, known: Sequence[PartMove] = ()) -> list[PartMove]:
    """Every move, oldest first, each held against the one before it. CorruptFile where one is changed or missing.

    known : what was read before, which is the answer where its last move is the last still; no other file is read then
    """
    last = last_move(layout)
    if last is None:
        return []
    if known and known[-1] == last[0]:
        return list(known)
    moves, digest = [], None
    for number in range(1, last[0].number + 1):
        move, found = _read(layout, number)
        _check_follows(layout, move, digest)
        moves.append(move)
        digest = found
    return moves


def append_move(layout: PartsLayout, move: PartMove) -> MoveEnd:
    """Make a move durable: the commit step. It is whole when it gets its name, and gets none that is taken.

    GenerationError where another writer made the move of this number.
    """
    if move.number > LARGEST_MOVE:
        raise GenerationError(f"move {move.number}: moves go up to {LARGEST_MOVE}; make another set")
    data, path = move.to_bytes(), layout.move(move.number)
    layout.moves.mkdir(exist_ok=True)
    temporary = layout.moves / f".{path.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Not a rename, which would replace what another writer put there.
        os.link(temporary, path)
    except FileExistsError:
        # A file server whose answer got lost was asked again: the link that is there is this one.
        if not (temporary.exists() and os.path.samestat(temporary.lstat(), path.lstat())):
            raise GenerationError(
                f"{layout.relative(path)} was made by another writer meanwhile; look at what serves now, then again"
            ) from None
    finally:
        temporary.unlink(missing_ok=True)
    fsync_dir(layout.moves)
    return MoveEnd(number=move.number, sha256=sha256_bytes(data))


def drop_behind_gap(layout: PartsLayout, last: int) -> None:
    """Remove moves behind the last one, which a pull that died left: none of them counted, and whoever reads would hold
    them against the one that comes now. Runs under the lock, which a pull that lives holds."""
    there = layout.move_numbers()
    if last + 1 in there:
        return  # No gap: another writer's, whom the lock did not keep out.
    left = [number for number in there if number > last]
    for number in left:
        layout.move(number).unlink()
    if left:
        fsync_dir(layout.moves)


def stack_of(moves: Sequence[PartMove]) -> list[PartMove]:
    """Published moves in the order in which rollbacks leave them, the serving one last."""
    stack: list[PartMove] = []
    for move in moves:
        if move.action == "published":
            stack.append(move)
        else:
            while stack and stack[-1].number != move.to:
                stack.pop()
    return stack


def taken_back(moves: Sequence[PartMove]) -> Mapping[str, Mapping[str, PartMove]]:
    """Part -> manifest sha256 -> the rollback that took it off: what publishing needs somebody's word for."""
    back: dict[str, dict[str, PartMove]] = {}
    serving: Mapping[str, str] = {}
    stack: list[PartMove] = []
    for move in moves:
        if move.action == "published":
            stack.append(move)
            for name, digest in move.named.items():
                back.get(name, {}).pop(digest, None)
        else:
            while stack and stack[-1].number != move.to:
                for name, digest in stack.pop().named.items():
                    if move.named.get(name) != digest:
                        back.setdefault(name, {})[digest] = move
        serving = move.named
    for name, digest in serving.items():
        back.get(name, {}).pop(digest, None)
    return {name: own for name, own in back.items() if own}


def _read(layout: PartsLayout, number: int) -> tuple[PartMove, str]:
    path = layout.move(number)
    name = layout.relative(path)
    try:
        data = read_regular(path, name)
    except FileNotFoundError:
        raise CorruptFile(name, "a move", "no file") from None
    move = PartMove.from_bytes(data, name)
    if move.number != number:
        raise CorruptFile(name, f"move {number}", f"move {move.number}")
    return move, sha256_bytes(data)


def _check_follows(layout: PartsLayout, move: PartMove, digest: str | None) -> None:
    if move.before != digest:
        name = layout.relative(layout.move(move.number))
        raise CorruptFile(name, f"the move after sha256 {digest}", f"one after {move.before}")
