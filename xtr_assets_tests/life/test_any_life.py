"""Any life of an index, seen by who searches it: what serves answers as a fresh full build of what it holds would."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from xtr_assets.core.errors import CorruptFile, GenerationError, XtrAssetsError
from xtr_assets.index.late.options import Route
from xtr_assets.pipeline.gate.drift import LIMITS
from xtr_assets.pipeline.plan.decide import refused_for_training, wanted
from xtr_assets.pipeline.plan.retrain_cause import AFRESH_NOTE
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage import lock
from xtr_assets.storage.pointer import pointer_text
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.unnoted_move import unnoted_move
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.faults.dying import dying
from xtr_assets_tests.life import steps
from xtr_assets_tests.life.lives import DEEP, lived
from xtr_assets_tests.life.world import (
    MODES,
    Edit,
    K,
    Move,
    Reference,
    World,
    Write,
    ask,
    fresh_build,
    held,
    module,
    named,
    records,
)

WORDS = st.sampled_from(["red green", "red blue", "one two three", "two three four", "sun", "moon and stars"])
FUNCTIONS = st.dictionaries(st.sampled_from(["f", "g", "h", "k"]), WORDS, max_size=4)
CODE = st.sampled_from(["code/a.py", "code/b.py", "code/c.py", "code/d.py"])
NOTES = st.sampled_from(["notes/m.jsonl", "notes/n.jsonl"])
EDITS = st.one_of(
    st.builds(Write, CODE, st.builds(module, FUNCTIONS, st.integers(0, 2))),
    st.builds(Write, NOTES, st.builds(records, FUNCTIONS)),
    st.builds(Write, st.one_of(CODE, NOTES), st.none()),
    st.builds(Move, CODE, CODE),
)
SETTINGS = st.one_of(
    st.fixed_dictionaries({"recipe": st.sampled_from(["auto", "IVF2,Flat", "HNSW8"])}),
    st.fixed_dictionaries({"dim": st.sampled_from([16, 24])}),
    # Above 1 no recall passes: the gate refuses.
    st.fixed_dictionaries({"threshold": st.sampled_from([0.0, 1.1])}),
    # From one encoder to two, to the other, and back.
    st.fixed_dictionaries({"legs": st.sampled_from(["both", "dense", "tokens"])}),
    st.fixed_dictionaries({"shards": st.sampled_from([1, 2, 3]), "notes": st.booleans()}),
)
# Most of what is done is done whole: a life in which everything dies shows little else.
DEATH = st.one_of(st.none(), st.none(), st.integers(1, 260))

_references: dict[str, Reference] = {}


def reference(world: World) -> Reference:
    """What a fresh full build of the world answers; the same world is built once."""
    if world.state not in _references:
        _references[world.state] = fresh_build(world)
    return _references[world.state]


def by_lists(*, centroids: int, nprobe: int, **_: int) -> Route:
    """The plan of a token search that never scans."""
    return Route(False, min(nprobe, centroids), "a life reads lists")


class Life(RuleBasedStateMachine):
    """`holds` is what each sealed generation must answer; `reader` searches what it opened until it is refreshed;
    `taken_back` are the contents that were rolled back or withdrawn, and that nobody brought back, `withdrawn` those of
    them that were withdrawn."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        # So few rows would be scanned in every mode: here the indexes answer.
        self.patch.setattr("xtr_assets.search.ranker.CANDIDATES", 4)
        self.patch.setattr("xtr_assets.search.blend.CANDIDATES", 4)
        self.patch.setattr("xtr_assets.pipeline.gate.leg_truth.DEPTH", 4)
        self.patch.setattr("xtr_assets.index.late.search.plan_search", by_lists)
        self.patch.setattr("xtr_assets.core.compaction.TIER_SEGMENTS", 2)
        self.patch.setattr("xtr_assets.core.row_placement.HOLES_UNNOTICED", 3)
        self.patch.setattr(os, "fsync", lambda _: None)
        self.world = World(self.folder)
        self.warehouse = Warehouse.create(self.folder / "warehouse")
        self.holds: dict[int, Reference] = {}
        self.checked: set[int] = set()
        self.taken_back: set[str] = set()
        self.withdrawn: set[str] = set()
        self.reader: Searcher | None = None

    def teardown(self) -> None:
        if self.reader is not None:
            self.reader.close()
        self.patch.undo()
        shutil.rmtree(self.folder)

    # -- the world ----------------------------------------------------------------------------------------------------

    @initialize(functions=FUNCTIONS, texts=FUNCTIONS)
    def begin(self, functions: dict[str, str], texts: dict[str, str]) -> None:
        self.world.write("code/a.py", module(functions))
        self.world.write("notes/m.jsonl", records(texts))
        self.build(None, False, True)

    @rule(edits=st.lists(EDITS, min_size=1, max_size=3), built=st.sampled_from([True, True, True, False]))
    def edit(self, edits: list[Edit], built: bool) -> None:
        for edit in edits:
            edit.apply(self.world)
        if built:
            self.build(None, False, True)

    @rule(setting=SETTINGS)
    def configure(self, setting: dict[str, Any]) -> None:
        for name, value in setting.items():
            setattr(self.world, name, value)
        self.build(None, False, True)

    # -- the index ----------------------------------------------------------------------------------------------------

    @rule(death=DEATH, full=st.sampled_from([False, False, False, True]), again=st.booleans())
    def build(self, death: int | None, full: bool, again: bool) -> None:
        before = self.serving
        refusals = ["rows to train on"] if self.world.recipe != "auto" else []
        refusals += ["dense_recall: recall"] if self.world.threshold > 1 else []
        refusals += ["only where a person says so"] if full and self.taken_back else []
        made = self.mortal(death, steps.build, refusals, full=full, again=again, whole=DEEP)
        if made is None:
            assert death is not None or self.serving == before, "refused, and serves all the same"
            return
        if made.generation is None:
            as_it_is = before is not None and same(self.holds[before], reference(self.world))
            reasons = ("was rolled back", "was withdrawn", *([] if again else ["was not published"]))
            assert as_it_is or any(reason in made.reason for reason in reasons), made.reason
            assert self.serving == before
        else:
            assert self.serving == made.generation.number

    @rule(death=DEATH)
    def compact(self, death: int | None) -> None:
        # What was edited since is not chunked yet: a compaction publishes what the shards hold, which is what serves.
        held_now = None if self.serving is None else self.holds[self.serving]
        self.mortal(death, steps.compact, ["was never chunked", "dense_recall: recall"], content=held_now, whole=DEEP)

    @rule(keep=st.integers(1, 3), death=DEATH)
    def collect(self, keep: int, death: int | None) -> None:
        self.mortal(death, lambda warehouse, _: warehouse.collect(keep))
        there = {one.number for one in self.warehouse.generations()}
        assert self.serving is None or self.serving in there
        for number in set(self.holds) - there:
            del self.holds[number]

    @rule(death=DEATH)
    def rollback(self, death: int | None) -> None:
        before, content = self.serving, None if self.serving is None else self.content(self.serving)
        self.mortal(death, lambda warehouse, _: warehouse.rollback(), ["nothing was published before"])
        if content is not None and self.serving is not None and self.serving != before:
            self.taken_back.add(content)
            self.taken_back.discard(self.content(self.serving))

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), again=st.booleans())
    def publish_again(self, data: Any, again: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.holds)))
        try:
            self.warehouse.publish(number, again_reason="somebody wants it" if again else None)
            assert self.serving == number
            assert again or self.content(number) not in self.taken_back
            self.taken_back.discard(self.content(number))
            self.withdrawn.discard(self.content(number))
        except GenerationError as error:
            assert not again and "only where a person says so" in str(error)

    @rule()
    def bring_back(self) -> None:
        """`build --again`: what the sources hold now is wanted, whoever took it back."""
        with self.warehouse.lock("build --again"):
            steps.ingest(self.warehouse, self.world.config)
            want = wanted(self.warehouse, self.world.config, steps.encoder_of(self.world.config).fingerprint)
            if want.content in self.warehouse.taken_back():
                self.warehouse.allow_again(want.content, "somebody wants it")
        self.taken_back.discard(key(want.fingerprint, want.snapshots, want.settings))
        self.withdrawn.discard(key(want.fingerprint, want.snapshots, want.settings))
        self.build(None, False, True)

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), keep=st.integers(0, 3))
    def withdraw(self, data: Any, keep: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.holds)))
        content, before = self.content(number), self.serving
        try:
            self.warehouse.withdraw(number, "it answered badly")
            assert self.serving is not None and self.content(self.serving) != content
            self.taken_back.discard(self.content(self.serving) if self.serving != before else "")
            self.taken_back.add(content)
            self.withdrawn.add(content)
        except GenerationError as error:
            known = ("was withdrawn", "nothing was published before", "serves and holds exactly what")
            assert any(one in str(error) for one in known), error
        if keep:
            self.collect(keep, None)

    @precondition(lambda self: self.holds and self.serving is not None)
    @rule(data=st.data(), alone=st.booleans())
    def copy_back(self, data: Any, alone: bool) -> None:
        """PUBLISHED of any time before lies over what there is, for a while: what was withdrawn answers nobody."""
        number = data.draw(st.sampled_from(sorted(self.holds)))
        pointer, whole = self.warehouse.layout.published, self.warehouse.layout.published.read_bytes()
        last = [one.generation for one in self.warehouse.history() if one.moves][-1]
        withdrawn = self.content(number) in self.withdrawn
        pointer.write_bytes(b"%d\n" % number if alone else pointer_text(number))
        found = unnoted_move(self.warehouse.layout)
        assert (found is None) == (number == last)
        try:
            assert self.serving == number and (number == last or not withdrawn)
        except CorruptFile as error:
            assert error.path == "PUBLISHED" and withdrawn and number != last
        pointer.write_bytes(whole)

    @rule(collected=st.booleans(), full=st.booleans())
    def roll_back_and_come_by(self, collected: bool, full: bool) -> None:
        """Automation comes by a second after a rollback, or somebody builds in full: what was rolled back stays so."""
        self.rollback(None)
        if collected:
            self.collect(1, None)
        self.build(None, full, False)

    @rule(edits=st.lists(EDITS, min_size=1, max_size=3), more=st.lists(EDITS, max_size=1))
    def refuse_and_retrain(self, edits: list[Edit], more: list[Edit]) -> None:
        """A change is refused for what the lists had learnt; the next build, of it or of more changes, learns anew."""
        self.world.recipe, self.world.threshold = "IVF2,Flat", 0.0
        self.build(None, False, True)
        for edit in edits:
            edit.apply(self.world)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(LIMITS, "growth", 0.0)
            with pytest.MonkeyPatch.context() as bad:
                bad.setattr("xtr_assets.pipeline.gate.index_recall.evidence", lambda *_: (-1.0, "found nothing"))
                refusals = ["rows to train on", "dense_recall: recall", "xtr_recall: recall"]
                self.mortal(None, steps.build, refusals, whole=DEEP)
            refused = refused_for_training(self.warehouse, self.world.config, self.warehouse.published)
            for edit in more:
                edit.apply(self.world)
            before = self.serving
            self.build(None, False, False)
        if refused is not None and not more and self.serving != before:
            assert self.warehouse.published is not None
            assert self.warehouse.published.manifest.notes[AFRESH_NOTE]

    @rule()
    def refresh(self) -> None:
        if self.serving is not None and self.reader is None:
            self.reader = Searcher(self.warehouse, "cpu")
        elif self.reader is not None:
            assert self.reader.refresh() == self.serving

    def mortal(
        self,
        death: int | None,
        work: Any,
        refusals: Sequence[str] = (),
        content: Reference | None = None,
        **options: Any,
    ) -> Any:
        """What `work` returns; None where it was refused, or died at the durable step `death`.

        `content` is what a generation holds that is sealed meanwhile: by default the world as it is.
        """
        result = None
        config = self.world.config
        try:
            with dying(self.patch, death) as life:
                try:
                    result = work(self.warehouse, config, **options)
                except XtrAssetsError as error:
                    if life.dead or not any(refusal in str(error) for refusal in refusals):
                        raise
        finally:
            self.warehouse = Warehouse.open(self.folder / "warehouse")
            for one in self.warehouse.generations():
                if one.sealed and one.number not in self.holds:
                    self.holds[one.number] = content or reference(self.world)
            assert not lock._held
        return None if life.dead else result

    def content(self, number: int) -> str:
        generation = self.warehouse.generation(number)
        return key(generation.fingerprint, generation.snapshots(), generation.manifest.notes["settings"])

    # -- what must hold -----------------------------------------------------------------------------------------------

    @property
    def serving(self) -> int | None:
        published = self.warehouse.published
        return None if published is None else published.number

    @invariant()
    def what_serves_answers_as_a_fresh_full_build(self) -> None:
        number = self.serving
        if number is None or number in self.checked:
            return
        assert held(self.warehouse, number) == self.holds[number].chunks
        assert named(self.warehouse, number) == self.holds[number].names
        with Searcher(self.warehouse, "cpu") as searcher:
            for query in self.holds[number].answers:
                check_query(searcher, query, self.holds[number])
            # Exact whatever lies where: the same rows, the same bits.
            for query, found in self.holds[number].words.items():
                assert_same(ask(searcher, query, "lexical"), found)
        self.checked.add(number)
        assert self.warehouse.verify().problems == ()

    @invariant()
    def what_was_taken_back_serves_only_where_somebody_says_so(self) -> None:
        assert self.serving is None or self.content(self.serving) not in self.taken_back

    @invariant()
    def a_reader_stays_with_what_it_opened(self) -> None:
        if self.reader is None:
            return
        assert self.reader.generation in self.holds, "collected while it was read"
        expected = self.holds[self.reader.generation]
        query = next(iter(expected.answers))
        assert_same(ask(self.reader, query, "exact"), expected.answers[query])


def key(fingerprint: str, snapshots: Mapping[str, Snapshot], settings: Mapping[str, Any]) -> str:
    """Names what a generation holds and was asked for: encoder, files of each shard, thresholds, recipe, names."""
    files = {shard: sorted((path, one.sha256) for path, one in s.files.items()) for shard, s in snapshots.items()}
    sources = {shard: s.source_fingerprint for shard, s in snapshots.items()}
    chosen = settings.get("names", {}).get("chosen")
    held_by = [fingerprint, files, sources, settings["recall"], settings["dense"], chosen]
    return json.dumps(held_by, sort_keys=True)


def same(one: Reference, other: Reference) -> bool:
    """Whether two builds hold the same."""
    return (one.chunks, one.names) == (other.chunks, other.names)


def check_query(searcher: Searcher, query: str, expected: Reference) -> None:
    """Exact mode and an exhaustive index answer as the fresh build; every index finds what the query is the text of."""
    assert_same(ask(searcher, query, "exact"), expected.answers[query])
    own = {chunk_id for chunk_id, (_, _, text, _) in expected.chunks.items() if text == query}
    for mode in (mode for mode in MODES if mode in searcher.modes):
        found = ask(searcher, query, mode)
        assert {chunk_id for chunk_id, _, _ in found} <= expected.chunks.keys(), mode
        assert len(found) == len({chunk_id for chunk_id, _, _ in found}) == min(K, len(expected.chunks)), mode
        if own:
            # Texts that are equal take each other's places beyond the first K.
            assert found[0][0] in own or mode == "hybrid", (mode, query)
            assert len(own & {chunk_id for chunk_id, _, _ in found}) == min(K, len(own)), (mode, query)
    if searcher.manifest.recipe.get("dense", {}).get("recipe") == "Flat":
        assert_same(ask(searcher, query, "dense"), expected.dense[query])


def assert_same(found: Any, expected: Any) -> None:
    """The same chunks in the same order with the same scores in each space."""
    assert [chunk_id for chunk_id, _, _ in found] == [chunk_id for chunk_id, _, _ in expected]
    assert [spaces for _, _, spaces in found] == [spaces for _, _, spaces in expected]
    assert [score for _, score, _ in found] == pytest.approx([score for _, score, _ in expected], abs=1e-9)


TestLife = Life.TestCase
TestLife.settings = lived(4, 16)
