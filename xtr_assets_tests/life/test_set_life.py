"""Any life of an index of parts: what serves is one move, whole, and its rows are those that the sources had."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import time as clock
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from xtr_assets.cli.parts import status_document
from xtr_assets.config import IndexConfig, PartConfig
from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.core.types import VectorKind
from xtr_assets.defs import part_builds
from xtr_assets.defs.in_process import BuildResult
from xtr_assets.defs.part_builds import SetResult, in_parts
from xtr_assets.encoders.base import vector_kind
from xtr_assets.pipeline.plan.decide import wanted
from xtr_assets.pipeline.plan.next_move import next_move
from xtr_assets.pipeline.plan.part_plan import PartPlan, plan_parts
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage import lock
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.part_set_reader import holds_parts
from xtr_assets.storage.parts.part_set_writer import KEPT_MOVES
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.faults.dying import dying
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.lives import DEEP, lived
from xtr_assets_tests.life.set_world import Rows, SetWorld, check_answers, rows_of

NAMES = ("ant", "bee", "cow")
TEXTS = st.dictionaries(
    st.sampled_from(["p", "q", "r"]), st.sampled_from(["red green", "red blue", "sun", "green moon"]), max_size=2
)
PATHS = st.sampled_from([f"{name}.jsonl" for name in "abc"])
QUERIES = ("red green", "moon")
DEATH = st.one_of(st.none(), st.none(), st.none(), st.integers(1, 200))
REASON = "a life does what it likes"

# What a build of a part may be refused for here.
ASKED_ABOUT = "nothing_vanished"
BAD_GATE = "dense_recall: recall"

# What stands in the way of a move, and what shows that it does.
TAKEN_BACK, UNUSED = "rollback of the set took", "no shard of the configuration any more"
GONE, OUT = "its generation does not have it", "it was taken out of the set since"
BEHIND, NOTHING = "does not serve what its shards hold", "serves nothing yet"
ELSEWHERE, TWICE, CHUNKS = "was placed in part", "a shard lies in one part", "a file belongs to one shard"
HELD_UP = ("was rolled back", "was withdrawn", "and was not published")
EMPTY, NO_MOVE = "has published nothing", "no earlier move can serve"


class SetLife(RuleBasedStateMachine):
    """`world` is what the sources hold. Of the set in `world.house`:

    snapshots : what each shard held in a part, by (part, shard, data version). holds : rows of a generation of a part,
    by the sha256 of its manifest. stack : numbers of the moves that rollbacks leave, the serving one last. taken : by
    part and manifest, what a rollback of the set took back. whole : by house, moves that were all there, and are
    kept since.
    lost : whether the sources ever lost a row. halved : whether a part's own pointer ever moved half-way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("xtr_assets.core.compaction.TIER_SEGMENTS", 2)
        self.patch.setattr("xtr_assets.core.row_placement.HOLES_UNNOTICED", 3)
        self.patch.setattr(os, "fsync", lambda _: None)
        # The move of a build without Dagster's job around it.
        self.patch.setattr(part_builds, "_publish", publish_of)
        self.world = SetWorld(self.folder)
        self.snapshots: dict[tuple[str, str, str], Rows] = {}
        self.holds: dict[str, Rows] = {}
        self.moves: list[PartMove] = []
        self.stack: list[int] = []
        self.taken: set[tuple[str, str]] = set()
        self.whole: dict[str, set[int]] = {"here": set(), "there": set()}
        self.places: dict[str, str] = {}
        self.pushed = 0
        self.checked = 0
        self.lost = False
        self.reader: Searcher | None = None
        self.halved = False
        self.deep = False

    def teardown(self) -> None:
        try:
            if self.world.files:
                self.mend()
                self.what_serves_is_one_move_that_is_whole()
        finally:
            if self.reader is not None:
                self.reader.close()
            self.patch.undo()
            shutil.rmtree(self.folder)

    # -- the world ----------------------------------------------------------------------------------------------------

    @initialize(cuts=st.tuples(st.sampled_from([1, 2]), st.sampled_from([1, 2])), texts=TEXTS, each=st.integers(1, 2))
    def begin(self, cuts: tuple[int, int], texts: dict[str, str], each: int) -> None:
        self.world.each = each
        self.deep = DEEP and len(texts) == 1
        self.world.token_dim = 16 if self.deep else 0
        for name, count in zip(NAMES, cuts, strict=False):
            self.world.add(name, count)
        self.world.write("ant", "a.jsonl", texts)
        self.build_all(None, False, True)

    @rule(data=st.data(), path=PATHS, texts=TEXTS, built=st.booleans())
    def change(self, data: st.DataObject, path: str, texts: dict[str, str], built: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.files)))
        before = self.world.rows().keys()
        self.world.write(name, path, texts)
        if before - self.world.rows().keys():
            self.lost = True
        if built:
            self.build_all(None, False, True)

    @precondition(lambda self: len(self.world.files) < 3)
    @rule(cuts=st.sampled_from([1, 1, 2]), texts=TEXTS, data=st.data(), built=st.booleans())
    def add_source(self, cuts: int, texts: dict[str, str], data: st.DataObject, built: bool) -> None:
        name = data.draw(st.sampled_from([one for one in NAMES if one not in self.world.files]))
        self.world.add(name, cuts)
        self.world.write(name, "a.jsonl", texts)
        self.lost = True
        if built:
            self.build_all(None, False, True)

    @precondition(lambda self: len(self.world.files) > 1)
    @rule(data=st.data())
    def remove_source(self, data: st.DataObject) -> None:
        self.world.remove(data.draw(st.sampled_from(sorted(self.world.files))))

    @rule(data=st.data())
    def rename_source(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.world.files)))
        free = [one for one in (*NAMES, "dog") if one not in self.world.files]
        self.world.rename(name, data.draw(st.sampled_from(free)))

    @rule(data=st.data(), cuts=st.sampled_from([1, 2, 3]), built=st.booleans())
    def cut_source(self, data: st.DataObject, cuts: int, built: bool) -> None:
        self.world.cuts[data.draw(st.sampled_from(sorted(self.world.files)))] = cuts
        if built:
            self.mend()

    @rule(each=st.integers(1, 3), most=st.sampled_from([1, 3, 1000]))
    def configure(self, each: int, most: int) -> None:
        self.world.each, self.world.most = each, most

    # -- builds -------------------------------------------------------------------------------------------------------

    @rule(death=DEATH, again=st.booleans(), accepting=st.booleans())
    def build_all(self, death: int | None, again: bool, accepting: bool) -> None:
        """accepting : sources may shrink; where none did nobody is asked about that."""
        rows = self.serving_rows()
        done = self.mortal(death, self._build_all, (), again=again, accepting=accepting)
        if done is None:
            return
        result, plan = done
        for error in result.errors.values():
            assert ASKED_ABOUT in error and not accepting and self.lost, error
        # As of an index of its own: what was taken back is not built again, nor a draft that was refused.
        held_up = [one.reason for one in result.parts.values() if any(word in one.reason for word in HELD_UP)]
        if result.moved or result.serving:
            assert self.moves[-1].action == "published" or not result.moved
            if not held_up and not result.errors:
                assert self.serving_rows() == self.world.rows()
                self.nothing_is_left_to_do(plan)
            else:
                assert result.serving, "it moved while a part was held up"
            return
        assert self.serving_rows() == rows
        self.explained(result, plan, held_up, again=again)

    def _build_all(self, config: IndexConfig, *, again: bool, accepting: bool) -> tuple[SetResult, PartPlan]:
        made = partial(self._one, again=again, accepting=accepting)
        again_reason = REASON if again else None
        return in_parts(config, None, made, again_reason=again_reason), plan_parts(config)  # type: ignore[arg-type]

    def _one(self, config: PartConfig, _: Any, *, prefix: str, again: bool, accepting: bool) -> BuildResult:
        """What `in_process.build` does in a part."""
        assert prefix
        warehouse = Warehouse.open(config.warehouse)
        made = steps.build(warehouse, config, again=again, whole=self.deep, accepting=accepting)
        number = None if made.generation is None else made.generation.number
        return BuildResult(number, number, number is not None, made.reason, 0)

    def explained(self, result: SetResult, plan: PartPlan, held_up: list[str], *, again: bool) -> None:
        """Why the set did not move is told, and is so."""
        opened, why = self.opened, result.reason
        places = {} if opened is None else opened.info.shards
        named = self.moves[-1].parts if self.moves else {}
        if TAKEN_BACK in why:
            assert self.taken and not again
        elif UNUSED in why:
            assert plan.unused
        elif OUT in why or GONE in why:
            assert set(named) - set(plan.configs) or set(places) - self.world.shards()
        elif BEHIND in why or NOTHING in why:
            assert held_up or result.errors, why
        else:
            raise AssertionError(why)

    def nothing_is_left_to_do(self, plan: PartPlan) -> None:
        """What serves all that there is is not built or moved again."""
        assert self.opened is not None
        found = next_move(self.opened, plan, self._kind, now=clock())
        assert found.serving and not found.due
        for part, config in plan.configs.items():
            assert steps.build(self.opened.warehouse(part), config, accepting=False).generation is None

    @rule(data=st.data(), death=DEATH, passed=st.sampled_from([True, True, False]))
    def build_one(self, data: st.DataObject, death: int | None, passed: bool) -> None:
        """One part alone, as its own job does; where its gate fails nothing of it changes."""
        before = self.serving_rows()

        def work(config: IndexConfig) -> None:
            plan = plan_parts(config)
            opened = plan.settled()
            part = data.draw(st.sampled_from(sorted(plan.configs)))
            with pytest.MonkeyPatch.context() as patch:
                if not passed:
                    bad = "xtr_assets.pipeline.gate.index_recall.evidence"
                    patch.setattr(bad, lambda *_: (-1.0, "found nothing"))
                steps.build(opened.warehouse(part), plan.configs[part], whole=self.deep)

        self.mortal(death, work, [] if passed else [BAD_GATE, "recall"])
        assert self.serving_rows() == before

    @rule(data=st.data(), death=DEATH)
    def compact(self, data: st.DataObject, death: int | None) -> None:
        before = self.serving_rows()

        def work(config: IndexConfig) -> None:
            plan = plan_parts(config)
            opened = plan.settled()
            part = data.draw(st.sampled_from(sorted(plan.configs)))
            steps.compact(opened.warehouse(part), plan.configs[part], whole=self.deep)

        self.mortal(death, work, ["was never chunked", ASKED_ABOUT, "was taken back", "only where a person says so"])
        assert self.serving_rows() == before

    # -- the set ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.places)
    @rule(data=st.data(), part=st.sampled_from(["part-0001", "part-0002", "extra"]), built=st.booleans(), death=DEATH)
    def move_shard(self, data: st.DataObject, part: str, built: bool, death: int | None) -> None:
        shard = data.draw(st.sampled_from(sorted(self.places)))
        before = self.serving_rows()
        self.mortal(death, lambda _: self.set.reassign(shard, part))
        assert self.serving_rows() == before
        self.places = self.placed()
        assert self.places.get(shard) == part or death is not None
        if built:
            self.build_all(None, False, False)

    @precondition(lambda self: self.opened is not None)
    @rule(data=st.data(), death=DEATH)
    def remove_part(self, data: st.DataObject, death: int | None) -> None:
        parts = self.set.info.parts
        if not parts:
            return
        part, before = data.draw(st.sampled_from(parts)), self.serving_rows()
        self.mortal(death, lambda _: self.set.remove(part))
        self.places = self.placed()
        assert self.serving_rows() == before

    @precondition(lambda self: self.opened is not None)
    @rule(force=st.booleans(), again=st.booleans(), death=DEATH)
    def publish(self, force: bool, again: bool, death: int | None) -> None:
        """By hand: what each part serves now, whatever it is."""
        before = len(self.moves)
        refusals = [TWICE, CHUNKS, EMPTY, "the set has no part"]
        refusals += [] if force else [ELSEWHERE, GONE, OUT]
        refusals += [] if again else ["took this back"]
        taken, places = set(self.taken), self.placed()
        forced, anew = (REASON if said else None for said in (force, again))
        work = lambda _: self.set.publish(force_reason=forced, again_reason=anew)  # noqa: E731
        served = self.mortal(death, work, refusals)
        if force:
            # Somebody said why shards are elsewhere than they were placed.
            self.places = self.placed()
        if served is None or len(self.moves) == before:
            return
        named = served.move.named
        assert again or not taken & set(named.items())
        if not force:
            held = {shard: part for part, state in served.move.parts.items() for shard in state.shards}
            assert places.items() <= held.items()

    @precondition(lambda self: self.moves)
    @rule(death=DEATH, data=st.data(), chosen=st.booleans())
    def rollback(self, death: int | None, data: st.DataObject, chosen: bool) -> None:
        below = self.stack[:-1]
        to = data.draw(st.sampled_from(below)) if chosen and below else None
        fit = [number for number in below if self.fits(number)]
        before = len(self.moves)
        refusals = [] if fit and (to is None or to in fit) else [NO_MOVE, "its part withdrew", "gone", "unknown"]
        refusals += [] if to is None or to in fit else ["no generation", "is none", "does not exist"]
        self.mortal(death, lambda _: self.set.rollback(to), refusals)
        if len(self.moves) > before:
            assert self.moves[-1].to == (fit[-1] if to is None else to)

    @precondition(lambda self: self.opened is not None)
    @rule(data=st.data(), death=DEATH)
    def roll_one_back(self, data: st.DataObject, death: int | None) -> None:
        """In one part: the set sees nothing of it."""
        self.in_a_part(data, death, lambda one, _: one.rollback(), ["nothing was published before"])

    @precondition(lambda self: self.moves)
    @rule(data=st.data(), death=DEATH)
    def withdraw_one(self, data: st.DataObject, death: int | None) -> None:
        """What the set serves is withdrawn in its part: it serves on, and a rollback passes over it."""
        known = ["was withdrawn", "nothing was published before", "serves and holds exactly what", "unknown"]
        self.in_a_part(data, death, lambda one, number: one.withdraw(number, REASON), known)

    @precondition(lambda self: self.moves)
    @rule(data=st.data(), death=DEATH)
    def withdraw_of_set(self, data: st.DataObject, death: int | None) -> None:
        """A generation that some move names is withdrawn: the set serves nothing that holds it."""
        known = sorted({(part, one.generation) for move in self.moves for part, one in move.parts.items()})
        part, number = data.draw(st.sampled_from(known))
        refusals = ["was withdrawn", "nothing was published before", "serves and holds exactly what"]
        refusals += ["no earlier move can serve without it", NO_MOVE]
        layout = Layout(self.set.layout.part(part))
        refusals += [] if layout.manifest(number).is_file() else ["unknown", "there is no generation", "does not exist"]
        before, rows = self.moves[-1], self.serving_rows()
        gone = self.withdrawn(before.number)
        self.mortal(death, lambda _: self.set.withdraw(part, number, REASON), refusals)
        self.halved = self.halved or death is not None
        if len(self.moves) == before.number:
            assert self.serving_rows() == rows
            assert death is not None or gone or not self.withdrawn(before.number)
        else:
            assert self.moves[-1].action == "rolled_back" and not self.withdrawn(len(self.moves))

    @precondition(lambda self: self.moves)
    @rule(data=st.data(), force=st.booleans(), again=st.booleans(), death=DEATH)
    def publish_move(self, data: st.DataObject, force: bool, again: bool, death: int | None) -> None:
        """What any earlier move names, by one more move."""
        number, before = data.draw(st.integers(1, len(self.moves))), len(self.moves)
        taken = set(self.taken)
        refusals = [] if force else [ELSEWHERE, GONE, OUT]
        refusals += [] if again else ["took this back"]
        refusals += [] if self.fits(number) else ["unknown", "no generation", "does not exist", "was withdrawn"]
        forced, anew = (REASON if said else None for said in (force, again))
        work = lambda _: self.set.publish(number, force_reason=forced, again_reason=anew)  # noqa: E731
        self.mortal(death, work, refusals)
        if force:
            # Somebody said why shards are elsewhere than they were placed.
            self.places = self.placed()
        if len(self.moves) > before:
            assert self.moves[-1].named == self.moves[number - 1].named
            assert again or not taken & set(self.moves[-1].named.items())

    @precondition(lambda self: self.moves and not self.withdrawn(len(self.moves)))
    @rule()
    def export(self) -> None:
        """What serves, in a folder of its own."""
        copy = self.set.export(self.folder / "copy")
        assert rows_of(copy.generation(len(self.moves))) == self.rows_of_move(len(self.moves))
        assert copy.moves() == self.moves and copy.verify().problems == ()
        shutil.rmtree(copy.root)

    def in_a_part(
        self,
        data: st.DataObject,
        death: int | None,
        work: Callable[[Warehouse, int], Any],
        refusals: Sequence[str],
    ) -> None:
        named = self.moves[-1].parts if self.moves else {}
        there = [part for part in self.set.info.parts if part in named]
        if not there:
            return
        part, before = data.draw(st.sampled_from(there)), self.serving_rows()
        number = named[part].generation
        self.mortal(death, lambda _: work(self.set.warehouse(part), number), refusals)
        self.halved = self.halved or death is not None
        assert self.serving_rows() == before

    @precondition(lambda self: self.opened is not None)
    @rule(keep=st.integers(1, 3), death=DEATH)
    def collect(self, keep: int, death: int | None) -> None:
        """In every part, those that were taken out and still serve among them."""
        folders = sorted(self.set.layout.parts.iterdir())

        def work(config: IndexConfig) -> None:
            for folder in folders:
                Warehouse.open(folder).collect(keep, encoder=steps.encoder_of(config).fingerprint)

        before = self.serving_rows()
        self.mortal(death, work)
        assert self.serving_rows() == before

    @rule()
    def mend(self) -> None:
        """An operator does what the messages say: after that the set serves what the sources hold, from any state."""
        config = self.world.config
        plan = plan_parts(config)
        if self.opened is not None:
            for part in plan.unused:
                self.set.remove(part)
        self.places = self.placed()
        plan = plan_parts(config)
        opened = plan.settled()
        for part, one in plan.configs.items():
            warehouse = opened.warehouse(part)
            with warehouse.lock("build --again"):
                steps.ingest(warehouse, one)
                want = wanted(warehouse, one, steps.encoder_of(one).fingerprint)
                if want.content in warehouse.taken_back():
                    warehouse.allow_again(want.content, REASON)
            steps.build(warehouse, one, whole=self.deep)
        opened.publish(force_reason=REASON, again_reason=REASON)
        self.absorb()
        assert self.serving_rows() == self.world.rows()
        self.nothing_is_left_to_do(plan_parts(config))

    # -- another host -------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.moves)
    @rule()
    def push(self) -> None:
        refusals = ["was withdrawn and serves in the set"] if self.withdrawn(len(self.moves)) else []
        if self.mortal(None, lambda _: self.set.push(self.folder / "store"), refusals) is not None:
            self.pushed = len(self.moves)

    @precondition(lambda self: self.pushed)
    @rule(death=DEATH, moving=st.booleans())
    def pull(self, death: int | None, moving: bool) -> None:
        """Elsewhere the same serves. `moving`: from now on the life goes on there, and this is elsewhere."""
        other = {"here": "there", "there": "here"}[self.world.house]
        folder, before = self.folder / other, self.rows_in(other)
        report = self.mortal(death, lambda _: PartSet.pull(folder, self.folder / "store"))
        if report is None:
            assert self.rows_in(other) in (before, self.rows_of_move(self.pushed))
            PartSet.pull(folder, self.folder / "store")
        pulled = PartSet.open(folder)
        assert pulled.moves() == self.moves[: self.pushed]
        assert self.rows_in(other) == self.rows_of_move(self.pushed)
        assert pulled.verify().problems == ()
        self.whole[other].add(self.pushed)
        if moving and self.pushed == len(self.moves):
            self.world.house = other
            self.places = self.placed()
            if self.reader is not None:
                self.reader.close()
            self.reader = None
            self.absorb()

    @precondition(lambda self: self.pushed)
    @rule()
    def mirror(self) -> None:
        """A copy of the store serves what the store does, and goes on with it."""
        PartSet.mirror(self.folder / "store", self.folder / "mirror")
        self.comes_from("mirror")

    @precondition(lambda self: self.pushed)
    @rule(keep=st.integers(1, 2))
    def collect_store(self, keep: int) -> None:
        """In the stores of all parts; what the set serves there is still there."""
        PartSet.collect_store(self.folder / "store", keep, grace_hours=0)
        self.comes_from("store")

    def comes_from(self, store: str) -> None:
        fresh = self.folder / "fresh"
        PartSet.pull(fresh, self.folder / store)
        assert rows_of(PartSet.open(fresh).generation(self.pushed)) == self.rows_of_move(self.pushed)
        assert PartSet.open(fresh).verify().problems == ()
        shutil.rmtree(fresh)

    @rule()
    def refresh(self) -> None:
        if not self.moves:
            return
        if self.reader is None:
            self.reader = Searcher(self.set, "cpu")
        else:
            assert self.reader.refresh() == len(self.moves)

    # -- what a step is -----------------------------------------------------------------------------------------------

    def mortal(self, death: int | None, work: Callable[..., Any], refusals: Sequence[str] = (), **options: Any) -> Any:
        """What `work` returns; None where it was refused, or died at the durable step `death`."""
        result = None
        config = self.world.config
        try:
            with dying(self.patch, death) as life:
                try:
                    result = work(config, **options)
                except XtrAssetsError as error:
                    if life.dead or not any(refusal in str(error) for refusal in refusals):
                        raise
        finally:
            self.absorb()
            assert not lock._held
        return None if life.dead else result

    def absorb(self) -> None:
        """What a step left: new snapshots hold what the sources hold now, new generations what their snapshots do."""
        if self.opened is None:
            return
        for folder in self.folders():
            warehouse = Warehouse.open(folder)
            for shard in warehouse.shards():
                if (snapshot := warehouse.snapshot(shard)) is not None:
                    key = (folder.name, shard, snapshot.data_version)
                    self.snapshots.setdefault(key, self.world.rows({shard}))
        for move in self.set.moves()[len(self.moves) :]:
            self.noted(move)

    def noted(self, move: PartMove) -> None:
        """One more move, what it takes back or brings again, and what its generations hold by their snapshots."""
        for part, state in move.parts.items():
            snapshots = Generation.open(Layout(self.set.layout.part(part)), state.generation).manifest.snapshots
            rows: Rows = {}
            for shard, version in snapshots.items():
                rows |= self.snapshots[part, shard, version]
            assert self.holds.setdefault(state.manifest_sha256, rows) == rows
        if move.action == "published":
            self.stack.append(move.number)
            self.taken -= set(move.named.items())
        else:
            at = self.stack.index(move.to or 0)
            for number in self.stack[at + 1 :]:
                self.taken |= set(self.moves[number - 1].named.items())
            self.taken -= set(move.named.items())
            del self.stack[at + 1 :]
        self.moves.append(move)
        whole = self.whole[self.world.house]
        whole.add(move.number)
        # What a rollback brings near again was not kept meanwhile.
        whole &= set(self.stack[-KEPT_MOVES:])

    @property
    def opened(self) -> PartSet | None:
        place = self.folder / self.world.house
        return PartSet.open(place) if holds_parts(place) else None

    @property
    def set(self) -> PartSet:
        return PartSet.open(self.folder / self.world.house)

    def folders(self) -> list[Path]:
        """Of parts, whether they still belong to the set or not."""
        found = sorted(self.set.layout.parts.iterdir())
        return [one for one in found if (one / "warehouse.json").is_file()]

    def placed(self) -> dict[str, str]:
        opened = self.opened
        return {} if opened is None else {shard: one.part for shard, one in opened.info.shards.items()}

    def rows_in(self, house: str) -> Rows | None:
        place = self.folder / house
        published = PartSet.open(place).published if holds_parts(place) else None
        return None if published is None else rows_of(published)

    def serving_rows(self) -> Rows | None:
        return self.rows_in(self.world.house)

    def rows_of_move(self, number: int) -> Rows:
        """What a move must answer, by what was noted of the snapshots of its generations."""
        rows: Rows = {}
        for state in self.moves[number - 1].parts.values():
            rows |= self.holds[state.manifest_sha256]
        return rows

    def fits(self, number: int) -> bool:
        """Whether a move's generations are all there, and none was withdrawn."""
        named = self.moves[number - 1].parts.items()
        there = [Layout(self.set.layout.part(part)).manifest(state.generation) for part, state in named]
        return all(one.is_file() for one in there) and not self.withdrawn(number)

    def withdrawn(self, number: int) -> bool:
        """Whether a part withdrew what a move names of it."""
        named = self.moves[number - 1].parts.items()
        layouts = [(Layout(self.set.layout.part(part)), state.generation) for part, state in named]
        return any(Generation.open(*one).state == "withdrawn" for one in layouts)

    def _kind(self, _: Warehouse, config: PartConfig) -> VectorKind:
        return vector_kind(steps.encoder_of(config))

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def what_serves_is_one_move_that_is_whole(self) -> None:
        if self.opened is None:
            return
        published = self.set.published
        assert (0 if published is None else published.number) == len(self.moves)
        if published is None:
            return
        shards: list[str] = []
        for part in published.parts:
            state = published.move.parts[part.name]
            assert rows_of(part.generation) == self.holds[state.manifest_sha256]
            shards += part.generation.manifest.snapshots
        assert len(shards) == len(set(shards)), "a shard in two parts"
        assert rows_of(published) == self.rows_of_move(len(self.moves))
        if self.checked != published.number:
            with Searcher(self.set, "cpu") as searcher:
                assert searcher.generation == published.number
                for query in QUERIES:
                    check_answers(searcher, rows_of(published), query)
            self.checked = published.number

    @invariant()
    def every_byte_agrees_with_its_record(self) -> None:
        if self.opened is not None:
            problems = self.set.verify().problems
            # A rollback of a part that died before its line is told of until the next writer comes by.
            assert [one for one in problems if not (self.halved and one.path.endswith("/PUBLISHED"))] == []
            status_document(self.set, {})

    @invariant()
    def what_a_rollback_needs_is_there(self) -> None:
        if self.opened is None:
            return
        for number in self.stack[-KEPT_MOVES:]:
            if number in self.whole[self.world.house]:
                assert rows_of(self.set.generation(number)) == self.rows_of_move(number)

    @invariant()
    def shards_stay_where_they_are(self) -> None:
        """None is in two parts by `shards` being a mapping: it is about those that moved by themselves."""
        now = self.placed()
        for shard in now.keys() & self.places.keys():
            assert now[shard] == self.places[shard], shard
        self.places = now

    @invariant()
    def a_reader_stays_with_what_it_opened(self) -> None:
        if self.reader is not None:
            check_answers(self.reader, self.rows_of_move(self.reader.generation), QUERIES[0])


def publish_of(config: IndexConfig, plan: PartPlan, _: Any, __: str, again_reason: str | None) -> None:
    """What the asset `published` of an index of parts does."""
    opened = PartSet.create(plan.root, most_chunks=plan.max_chunks, exist_ok=True)
    opened.settle(plan.places, plan.max_chunks)
    opened.publish(again_reason=again_reason, who=config.name)


TestSetLife = SetLife.TestCase
TestSetLife.settings = lived(3, 10)
