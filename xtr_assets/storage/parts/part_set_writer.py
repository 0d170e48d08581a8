"""What every writer of a set shares: the lock, parts.json, and which generations the parts keep for it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from xtr_assets.core.files import write_atomic
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_linked
from xtr_assets.storage.lock import confirm, exclusive
from xtr_assets.storage.parts.move_chain import append_move, last_move, stack_of
from xtr_assets.storage.parts.part_records import PartMove, PartState, SetInfo, ShardPlace
from xtr_assets.storage.parts.part_set_reader import PartSetReader
from xtr_assets.storage.parts.pins import pin_for_moves, pinned_by_moves

# Moves whose generations stay in the parts, the serving one among them: as many as a warehouse keeps generations.
KEPT_MOVES = 3
LOCK_WAIT_SECONDS = 20.0


def served_places(info: SetInfo, states: Mapping[str, PartState]) -> dict[str, ShardPlace]:
    """Where the shards of a published move lie. An earlier move may name a part that was taken out since: no shard is
    placed in it."""
    return {
        shard: info.shards.get(shard, ShardPlace(part=name)).model_copy(update={"part": name})
        for name, state in states.items()
        if name in info.parts
        for shard in state.shards
    }


def with_plans(info: SetInfo, own: SetInfo, moves: Sequence[PartMove]) -> SetInfo:
    """parts.json of a store, with what was asked for here since and no move says yet: parts that were added, shards
    that were placed, or told to go to another part. What others placed elsewhere meanwhile stays as they have it.

    own : parts.json here; moves : of the store, from the first; those that parts.json here knows are their beginning
    """
    named = {name for move in moves for name in move.parts}
    known = moves[: 0 if own.moved is None else own.moved.number]
    parts = (*info.parts, *(name for name in own.parts if name not in info.parts and name not in named))
    # By what parts.json knows: the files may be ahead of it, where a pull died.
    served = {shard: name for move in known[-1:] for name, one in move.parts.items() for shard in one.shards}
    asked = {
        shard: place
        for shard, place in own.shards.items()
        if place.part in parts
        and (shard not in info.shards or place.part != served.get(shard) == info.shards[shard].part)
    }
    return SetInfo.model_validate({**info.model_dump(), "parts": parts, "shards": {**info.shards, **asked}})


class PartSetWriter(PartSetReader):
    """A set that is written to, by one writer at a time."""

    def take_moves(
        self,
        info: SetInfo,
        moves: Sequence[tuple[PartMove, bytes]],
        brought: Collection[str],
        beyond: Callable[[], int] = lambda: 0,
    ) -> int:
        """Serve by the moves of a store; `brought` : the parts whose generations came. First what keeps them from
        collection, then the moves, then parts.json, which keeps what was planned here.

        beyond : asked once nobody else can make a move: how many are here after those of the store; it raises where
        these here are not their beginning. Where there are any nothing is taken. Gives that number.
        """
        last = moves[-1][0]
        with self._writing("pull of the moves"):
            if ahead := beyond():
                return ahead
            info = with_plans(info, self.info, [move for move, _ in moves])
            for part in brought:
                layout = Layout(self.layout.part(part))
                pin_for_moves(layout, {*pinned_by_moves(layout), last.parts[part].generation})
            there = set(self.layout.move_numbers())
            missing = [move for move, _ in moves if move.number not in there]
            # The first of several comes last: till then the others follow nothing, and what serves here is no move in
            # between, whose generations did not come. Only then parts.json, which names none that lacks one before it.
            for move in reversed(missing):
                append_move(self.layout, move)
            self._write(info)
            self._unpin(stack_of([move for move, _ in moves])[-KEPT_MOVES:], info, brought)
            return 0

    def _unpin(self, kept: list[PartMove], info: SetInfo, parts: Collection[str] | None = None) -> None:
        for name in info.parts if parts is None else parts:
            numbers = {move.parts[name].generation for move in kept if name in move.parts}
            pin_for_moves(Layout(self.layout.part(name)), numbers)

    def _recovered(self) -> SetInfo:
        """parts.json, after noting a move that a crash kept out of it."""
        info, last = self.info, last_move(self.layout)
        if last is not None and (info.moved is None or info.moved.number < last[0].number):
            # A rollback moves no shard; what was published serves where its parts have it.
            shards = {**info.shards, **served_places(info, last[0].parts)} if last[0].to is None else info.shards
            moved = {"number": last[0].number, "sha256": last[1]}
            info = SetInfo.model_validate({**info.model_dump(), "shards": shards, "moved": moved})
            self._write(info)
        return info

    def _write(self, info: SetInfo) -> None:
        confirm(self.layout.writer_lock)
        write_atomic(self.layout.parts_json, SetInfo.model_validate(info.model_dump()).to_bytes())

    @contextmanager
    def _writing(self, purpose: str) -> Iterator[None]:
        refuse_linked(Layout(self.root), self.layout.writer_lock)
        with exclusive(self.layout.writer_lock, purpose, LOCK_WAIT_SECONDS):
            yield
