"""Everything that is done to a set of parts: adding parts, placing shards, publishing by one move, rolling back."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from xtr_assets.core.errors import (
    GenerationError,
    InvalidInput,
    PublishRefused,
    StorageError,
)
from xtr_assets.core.files import write_atomic
from xtr_assets.core.part_places import MOST_CHUNKS
from xtr_assets.storage.counted_moves import count_move, counting_refusals
from xtr_assets.storage.digests import VerifyReport
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import whoami
from xtr_assets.storage.history_entry import check_reason
from xtr_assets.storage.layout import Layout, PartsLayout, holds_other_things
from xtr_assets.storage.links import new_folder
from xtr_assets.storage.lock import confirm, exclusive, now
from xtr_assets.storage.parts.joined_generation import JoinedGeneration
from xtr_assets.storage.parts.move_chain import append_move, drop_behind_gap, stack_of
from xtr_assets.storage.parts.part_gate import failed_checks, refuse_set, set_problems, unasked
from xtr_assets.storage.parts.part_records import PartMove, PartState, SetInfo
from xtr_assets.storage.parts.part_set_reader import holds_parts, naming, part_state
from xtr_assets.storage.parts.part_set_writer import KEPT_MOVES, LOCK_WAIT_SECONDS, served_places
from xtr_assets.storage.parts.part_verify import verify_set
from xtr_assets.storage.parts.pins import pin_for_moves, pinned_by_moves
from xtr_assets.storage.parts.set_check import SetCheck
from xtr_assets.storage.parts.set_transfers import SetTransfers
from xtr_assets.storage.parts.shard_placement import ShardPlacement
from xtr_assets.storage.parts.taken_off import taken_off
from xtr_assets.storage.publish import withdrawn_with
from xtr_assets.storage.remembrance import withdrawal_of
from xtr_assets.storage.remote.address import refuse_address
from xtr_assets.storage.scrub import verify_once
from xtr_assets.storage.seal import refuse_altered


class PartSet(ShardPlacement, SetTransfers):
    """A folder of warehouses that serve together (docs/parts.md)."""

    @classmethod
    def create(cls, path: str | Path, *, most_chunks: int = MOST_CHUNKS, exist_ok: bool = False) -> Self:
        """Make an empty set. StorageError where the folder is one already (not with `exist_ok`), or holds anything
        else."""
        refuse_address(path)
        if most_chunks < 1:
            raise InvalidInput(f"most_chunks is {most_chunks}; a part holds 1 or more")
        layout = PartsLayout(Path(path).absolute())
        # Looked at in this order: a folder in which another host makes one right now holds nothing, or is a set.
        strange = layout.root.is_dir() and holds_other_things(layout)
        there = holds_parts(path)
        if there and exist_ok:
            return cls.open(path)
        if there or strange:
            what = "a set of parts already" if there else "neither empty nor a set of parts"
            raise StorageError(f"{path} is {what}; open it, or choose another folder")
        for folder in (layout.root, layout.parts, layout.moves):
            new_folder(folder)
        with exclusive(layout.writer_lock, "making the set", LOCK_WAIT_SECONDS):
            if holds_parts(path):
                if exist_ok:
                    return cls.open(path)
                raise StorageError(f"{path} was made by another host right now; open it")
            # Written last: without it the folder is no set.
            write_atomic(layout.parts_json, SetInfo(created_at=now(), most_chunks=most_chunks).to_bytes())
        return cls(layout)

    def verify(self, number: int | None = None, *, full: bool = True) -> VerifyReport:
        """Compare every file of every part, or of what move `number` names, and the moves, with their records."""
        return verify_set(self, number, full=full)

    # -- moves --------------------------------------------------------------------------------------------------------

    @counting_refusals()
    def publish(
        self,
        number: int | None = None,
        *,
        reason: str | None = None,
        force_reason: str | None = None,
        again_reason: str | None = None,
        who: str | None = None,
        checks: Sequence[SetCheck] | None = None,
    ) -> JoinedGeneration:
        """Let what each part serves now serve together, by one move; `number` : what that move names. Where that serves
        already nothing is moved.

        PublishRefused names each part and why. `force_reason` publishes past a part that was forced itself, a shard
        that moved or is gone, a part that was taken out, and a check that failed; `again_reason` what a rollback of the
        set took back. Both are kept in the move.

        checks : what is asked of all parts together, as the configuration says (`set_checks`), and kept in the move.
        None: nobody says, which is refused where what serves was asked something. What an earlier move names is not
        asked again: its records are taken along. Others may change the set while it is asked: then all begins anew.
        """
        for text, word in ((force_reason, "force"), (again_reason, "again"), (reason or None, "publish")):
            check_reason(text, word, "the move")
        asked = checks or () if number is None else ()
        while True:
            with ExitStack() as stack:
                with self._writing("publish of the parts"):
                    info, moves = self._recovered(), self.moves()
                # Without the lock, for all bytes are read and a judge looks: a withdrawal waits for neither.
                parts = self._named(number) if number is not None else {n: self._serving(n) for n in info.parts}
                if not parts:
                    raise GenerationError("the set has no part; `xtr-assets parts add` or `place` makes one")
                for name, one in parts.items():
                    with naming(name):
                        stack.enter_context(one.pin())
                states = {name: part_state(one) for name, one in parts.items()}
                before = moves[-1] if moves else None
                same = before if before is not None and before.parts == states else None
                if same is not None and all(one.stands(same) for one in asked):
                    return self._joined(same)
                again = self._again(states, moves, again_reason)
                found = set_problems(parts, info.shards, before, earlier=number is not None)
                if checks is None and number is None:
                    found += unasked(before)
                # An earlier move says nothing of shards that came after it: they stay where they were placed.
                shards = {**(info.shards if number is not None else {}), **served_places(info, states)}
                # What a person let serve is asked by other evidence without that person, where no shard is to move.
                said = same.forced if same is not None and shards == info.shards else None
                forced = refuse_set(found, force_reason or said)
                move = PartMove(
                    number=len(moves) + 1,
                    before=None if info.moved is None else info.moved.sha256,
                    action="published",
                    at=now(),
                    who=who or whoami(),
                    reason=reason,
                    forced=forced,
                    again=again,
                    fingerprint=next(iter(parts.values())).fingerprint,
                    parts=states,
                )
                candidate = JoinedGeneration(self.layout, move, list(parts.items()))
                kept = moves[number - 1].checks if number is not None else {}
                records = {**kept, **{one.name: one.record(candidate, before) for one in asked}}
                failed = failed_checks(records, None if number is None else _forcing(number, again))
                move = move.with_checks(records, refuse_set(failed, force_reason) or forced)
                with self._writing("publish of the parts"):
                    # Where it has another move, part or place of a shard meanwhile it is looked at, and asked, anew;
                    # so it is where a part went back. What a part published since waits for the next move.
                    later = self._recovered()
                    unmoved = (later.moved, later.parts, later.shards) == (info.moved, info.parts, info.shards)
                    if unmoved and (number is not None or not self._went_back(states)):
                        return self._move(later.model_copy(update={"shards": shards}), moves, move)

    def _went_back(self, states: Mapping[str, PartState]) -> bool:
        """Whether a part was rolled back from what it is to serve; what was withdrawn is refused by name."""
        return any(
            self._serving(part).number < state.generation
            and Generation.open(Layout(self.layout.part(part)), state.generation).state != "withdrawn"
            for part, state in states.items()
        )

    def rollback(self, to: int | None = None, *, reason: str | None = None, who: str | None = None) -> JoinedGeneration:
        """Let the generations of an earlier move serve again, by one more move: of `to`, else of the one before it,
        passing over those of which a part has a generation no more, or withdrew it."""
        check_reason(reason or None, "rollback", "the move")
        with self._writing("rollback of the parts"), ExitStack() as stack:
            info, moves = self._recovered(), self.moves()
            target = self._target(moves, to)
            joined = self._joined(target)
            stack.enter_context(joined.pin())
            for part in joined.parts:
                with naming(part.name):
                    refuse_altered(part.generation.layout, part.generation.number)
                    if problems := verify_once(part.generation.layout, part.generation.manifest.files):
                        raise problems[0]
            last = moves[-1]
            update = {"number": last.number + 1, "action": "rolled_back", "to": target.number, "at": now()}
            update |= {"who": who or whoami(), "reason": reason, "forced": target.forced, "again": None}
            assert info.moved is not None
            fields = {**target.model_dump(), **update, "before": info.moved.sha256}
            return self._move(info, moves, PartMove.model_validate(fields))

    def withdraw(self, part: str, number: int, reason: str, *, who: str | None = None) -> JoinedGeneration | None:
        """Mark what a generation of a part holds as never to serve again. Where the set serves it, the set goes back to
        the newest earlier move that can serve without it. Gives what the set serves then, None for nothing.

        GenerationError, and nothing is withdrawn, where the set serves it and there is no such move. After a crash the
        same again goes on.
        """
        check_reason(reason, "withdraw")
        # Or a publish between the look and the withdrawal would let serve what is being withdrawn.
        with self._writing(f"withdrawal of generation {number} of part {part}"):
            return self._withdraw(part, number, reason, who)

    def _withdraw(self, part: str, number: int, reason: str, who: str | None) -> JoinedGeneration | None:
        warehouse = self.part_warehouse(part)
        with naming(part):
            # For an error of one that is not there.
            warehouse.generation(number)
            goes_too = withdrawn_with(warehouse.layout, number)

        def without(move: PartMove) -> bool:
            state = move.parts.get(part)
            return state is None or not goes_too(state.generation)

        moves = self.moves()
        serves = bool(moves) and not without(moves[-1])
        told = f"generation {number}"
        if serves and (served := moves[-1].parts[part].generation) != number:
            told = f"generation {served}, which goes with generation {number},"
        if serves and not any(without(one.move) and not _withdrawn(one) for one in self._back(moves)):
            raise GenerationError(
                f"the set serves {told} of part {part}, and no earlier move can serve without it; publish "
                "another one of the part, then `xtr-assets parts publish` (in Dagster: `publish`)"
            )
        with naming(part):
            # After a crash between the two.
            if not serves or warehouse.generation(number).state != "withdrawn":
                warehouse.withdraw(number, reason, who=who)
        if serves:
            return self.rollback(reason=f"generation {number} of part {part} is withdrawn: {reason}", who=who)
        return self.published

    def _back(self, moves: list[PartMove]) -> Iterator[JoinedGeneration]:
        """What rollbacks go to and is there, the newest first."""
        for move in reversed(stack_of(moves)[:-1]):
            with suppress(StorageError):
                yield self._joined(move)

    def _named(self, number: int) -> dict[str, Generation]:
        return {part.name: part.generation for part in self.generation(number).parts}

    def _target(self, moves: list[PartMove], to: int | None) -> PartMove:
        stack = stack_of(moves)[:-1]
        if to is not None:
            found = [move for move in stack if move.number == to]
            if not found:
                known = ", ".join(str(move.number) for move in stack) or "none"
                raise GenerationError(f"move {to} is none that a rollback goes to; there are: {known}")
            if _withdrawn(self._joined(found[0])):
                raise PublishRefused(f"move {to} names a generation that its part withdrew; roll back to another")
            return found[0]
        for joined in self._back(moves):
            if not _withdrawn(joined):
                return joined.move
        raise GenerationError("no earlier move can serve: none was made, or their generations are gone")

    def _again(self, states: Mapping[str, PartState], moves: list[PartMove], reason: str | None) -> str | None:
        found = taken_off(lambda part: Layout(self.layout.part(part)), states, moves)
        if found and reason is None:
            told = "; ".join(f"part {name}: generation {states[name].generation}, {one}" for name, one in found.items())
            raise PublishRefused(
                f"a rollback of the set took this back: {told}; publish it again with a reason (in Dagster: `publish` "
                "with `again`)"
            )
        return reason if found else None

    def _serving(self, name: str) -> Generation:
        with naming(name):
            published = self.warehouse(name).published
            if published is None:
                raise PublishRefused("it has published nothing; build it, or take it out of the set")
            return published

    def _move(self, info: SetInfo, moves: list[PartMove], move: PartMove) -> JoinedGeneration:
        """Pin, commit, note. Runs under the lock, with the generations held open."""
        for name, state in move.parts.items():
            with naming(name):
                layout = Layout(self.layout.part(name))
                # All bytes were read since it was asked, which takes long.
                if Generation.open(layout, state.generation).state == "withdrawn":
                    raise PublishRefused(
                        f"generation {state.generation} was withdrawn meanwhile; publish what the part serves now"
                    )
                pin_for_moves(layout, {*pinned_by_moves(layout), state.generation})
        confirm(self.layout.writer_lock)
        drop_behind_gap(self.layout, len(moves))
        end = append_move(self.layout, move)
        self._write(info.model_copy(update={"moved": end}))
        count_move(self.root.name, move.action, move.number, move.forced is not None)
        kept = stack_of([*moves, move])[-KEPT_MOVES:]
        self._unpin(kept, info)
        for name in sorted({name for one in moves for name in one.parts}.difference(info.parts)):
            # A part that was taken out keeps what it has for moves of before as long as these count. The move is made:
            # whatever became of that folder, a link, a disk that fails or another user's, is in nobody's way.
            with suppress(StorageError, OSError):
                if self.part_warehouse(name).layout.pinned_json.is_file():
                    self._unpin(kept, info, [name])
        return self._joined(move)


def _forcing(number: int, again: str | None) -> str:
    """How somebody publishes what an earlier move names past what was found of it."""
    taken_back = "" if again is None else "--again "
    return f'publish it all the same, which is kept: `xtr-assets publish {number} {taken_back}--force --reason "..."`'


def _withdrawn(joined: JoinedGeneration) -> bool:
    return any(withdrawal_of(one.generation.layout, one.generation.number) is not None for one in joined.parts)
