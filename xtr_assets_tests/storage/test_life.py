"""Any life of a warehouse: after any steps every generation holds its own corpus, and the serving one the right one."""

import shutil
import tempfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from xtr_assets.core.errors import CorruptFile, GenerationError
from xtr_assets.storage.catalog import connect
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.row_hydration import Hydrator
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.storage.warehouse_info import read_info
from xtr_assets_tests.faults.dying import dying
from xtr_assets_tests.id_maps import mapped_ids
from xtr_assets_tests.long_cases import more
from xtr_assets_tests.storage.sample import REQUIRED, check, chunks_of, draft, encode_all, vectors_of, write

PATHS = st.sampled_from(["a.py", "b.py", "c.py", "d/e.py"])
TEXTS = st.lists(st.sampled_from(["f a", "f b", "g a", "h c", "k d"]), max_size=4, unique_by=lambda t: t.split()[0])


class Life(RuleBasedStateMachine):
    """`corpus` is what the source holds, `held` what each generation must answer, `stack` where rollbacks go."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.warehouse = Warehouse.create(self.folder / "warehouse")
        self.corpus: dict[str, list[str]] = {}
        self.held: dict[int, dict[int, tuple[str, str, int]]] = {}
        self.stack: list[int] = []
        self.files: dict[int, dict[str, list[str]]] = {}
        self.taken: set[frozenset[tuple[int, str, str]]] = set()
        self.highest = 0

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.folder)

    @rule(path=PATHS, texts=TEXTS)
    def change(self, path: str, texts: list[str]) -> None:
        self.corpus[path] = texts

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        self.corpus.pop(path, None)

    @rule(source=PATHS, goal=PATHS)
    def move(self, source: str, goal: str) -> None:
        if source in self.corpus:
            self.corpus[goal] = self.corpus.pop(source)

    @rule()
    def scan(self) -> None:
        write(self.warehouse, self.corpus)

    @rule(passed=st.booleans())
    def build(self, passed: bool) -> None:
        self.warehouse.clean()
        write(self.warehouse, self.corpus)
        made = draft(self.warehouse)
        assert made.number > self.highest
        self.highest = made.number
        check(made, passed)
        if passed:
            again = "what was taken back may come again"
            self._published(self.warehouse.publish(made.number, required=REQUIRED, again_reason=again).number)

    def _published(self, number: int) -> None:
        self.held.setdefault(number, self.corpus_now())
        self.files.setdefault(number, deepcopy(self.corpus))
        self.stack.append(number)

    def corpus_now(self) -> dict[int, tuple[str, str, int]]:
        chunks = chunks_of(self.corpus, self.corpus)
        return {one.chunk_id: (one.path, one.text, one.start_line) for one in chunks}

    @rule(at=st.integers(1, 150))
    def build_and_die(self, at: int) -> None:
        with dying(self.patch, at):
            self.warehouse.clean()
            write(self.warehouse, self.corpus)
            made = draft(self.warehouse)
            check(made)
            self.warehouse.publish(made.number, required=REQUIRED, again_reason="what was taken back may come again")
        self.warehouse = Warehouse.open(self.folder / "warehouse")
        self.highest = max([self.highest, *self.warehouse.layout.numbers()])
        published = self.warehouse.published
        if published is not None and published.number not in self.held:
            self._published(published.number)
        sealed = {one.number for one in self.warehouse.generations() if one.sealed}
        for number in sealed - set(self.held):  # it died between the seal and the pointer
            self.files[number] = deepcopy(self.corpus)
            self.held[number] = {
                one.chunk_id: (one.path, one.text, one.start_line) for one in chunks_of(self.corpus, self.corpus)
            }

    @rule()
    def rollback(self) -> None:
        try:
            target = self.warehouse.rollback().number
        except GenerationError:
            assert all(self._texts(n) in self.taken for n in self.stack[:-1])
        else:
            self._went_back_to(target)

    def _went_back_to(self, target: int) -> None:
        """What serves is the newest below the one that served whose content was not withdrawn, under any number."""
        at = self.stack.index(target)
        assert all(self._texts(n) in self.taken for n in self.stack[at + 1 : -1])
        del self.stack[at + 1 :]

    def _texts(self, number: int) -> frozenset[tuple[int, str, str]]:
        return frozenset((chunk_id, path, text) for chunk_id, (path, text, _) in self.held[number].items())

    @precondition(lambda self: len(self.stack) > 1)
    @rule(serving=st.booleans())
    def withdraw(self, serving: bool) -> None:
        number = self.stack[-1] if serving else self.stack[-2]
        texts = self._texts(number)
        try:
            self.warehouse.withdraw(number, "a reason")
        except GenerationError:
            # It was withdrawn before, or all that could take its place, or what serves, holds the same.
            others = self.stack[:-1] if serving else self.stack[-1:]
            assert texts in self.taken or all(self._texts(n) in {*self.taken, texts} for n in others)
            return
        self.taken.add(texts)
        published = self.warehouse.published
        assert published is not None
        if serving:
            # Another content: the same texts may stand in other files, of which an empty one has none.
            assert published.number != number
            assert self.files[published.number] != self.files[number]
            self._went_back_to(published.number)

    @rule()
    def compact(self) -> None:
        encode_all(self.warehouse)
        self.warehouse.compact(self.warehouse.plan_compaction())

    @rule(keep=st.integers(1, 3))
    def collect(self, keep: int) -> None:
        report = self.warehouse.collect(keep)
        for number in report.generations:
            del self.held[number]
        self.stack = [number for number in self.stack if number in report.kept]

    # -- what a copy, a disk or a tired hand takes away ----------------------------------------------------------------

    @precondition(lambda self: self.held)
    @rule(data=st.data(), step=st.sampled_from(["clean", "collect", "build", "rollback"]))
    def lose_a_seal(self, data: st.DataObject, step: str) -> None:
        """The seal of any generation goes; whatever is done next, the generation stays, and is sealed again."""
        number = data.draw(st.sampled_from(sorted(self.held)))
        if number not in {entry.generation for entry in self.warehouse.history()}:
            return  # a publish died before it noted so: nobody vouches for the manifest
        self.warehouse.layout.manifest_seal(number).unlink()
        assert answers(self.warehouse.generation(number)) == self.held[number]
        if step == "collect":
            self.collect(3)
        elif step == "build":
            self.build(True)
        elif step == "rollback":
            self.rollback()
        self.warehouse.clean()
        assert number not in self.held or self.warehouse.layout.manifest_seal(number).is_file()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def cut_the_history(self, data: st.DataObject) -> None:
        """Any end of the history goes, or all of it: nothing is published, withdrawn or taken back on what is left."""
        path = self.warehouse.layout.history
        whole = path.read_bytes() if path.is_file() else b""
        lines = whole.splitlines(keepends=True)
        end = read_info(self.warehouse.layout).history
        if not lines or end is None or end.bytes < len(whole):
            return  # a publish died between its line and the mark of the new end: nothing knows of that line
        left = data.draw(st.integers(0, len(lines) - 1))
        path.write_bytes(b"".join(lines[:left]))
        assert "history.jsonl" in {problem.path for problem in self.warehouse.verify().problems}
        number = data.draw(st.sampled_from(sorted(self.held)))
        for step in (
            lambda: self.warehouse.publish(number, again_reason="why not", force_reason="why not"),
            lambda: self.warehouse.withdraw(number, "a reason"),
            lambda: self.warehouse.rollback(),
            lambda: self.warehouse.collect(1),
        ):
            with pytest.raises(CorruptFile, match=r"history\.jsonl"):
                step()
        path.write_bytes(whole)

    @precondition(lambda self: self.stack)
    @rule(died=st.integers(1, 60))
    def travel(self, died: int) -> None:
        """What serves is exported, and imported where nothing is: at the second try, as the first one dies. There it
        serves once it is published, and not before."""
        number, folder = self.stack[-1], Path(tempfile.mkdtemp(dir=self.folder))
        self.warehouse.export(number, folder / "out")
        target = Warehouse.create(folder / "target")
        with dying(self.patch, died):
            target.import_generation(folder / "out")
        target = Warehouse.open(folder / "target")
        assert target.published is None
        target.import_generation(folder / "out")
        assert target.published is None
        target.publish(number, required=REQUIRED, force_reason="where it was made it was forced")
        assert target.published is not None and answers(target.published) == self.held[number]
        assert target.verify().problems == ()

    @invariant()
    def every_generation_holds_its_own_corpus(self) -> None:
        there = {one.number: one for one in self.warehouse.generations() if one.sealed}
        assert set(there) == set(self.held)
        for number, generation in there.items():
            assert answers(generation) == self.held[number]
        published = self.warehouse.published
        assert (published.number if published else None) == (self.stack[-1] if self.stack else None)

    @invariant()
    def every_byte_agrees_with_its_record(self) -> None:
        assert self.warehouse.verify().problems == ()


def answers(generation: Generation) -> dict[int, tuple[str, str, int]]:
    """chunk_id -> (path, text, first line) of what exact search can return: every live row, found by its own vector;
    what a hit shows and what the catalog says of a row is the same."""
    found = {}
    ids, live = mapped_ids(generation), np.flatnonzero(generation.live)
    vectors = generation.vectors().gather(live)
    shown = {one["chunk_id"]: one["start_line"] for one in Hydrator(generation).rows(live.tolist())}
    with connect(generation) as connection:
        listed = dict(connection.execute("SELECT chunk_id, start_line FROM chunks").fetchall())
    for row in generation.chunk_table().to_pylist():
        query = vectors_of([row["text_hash"]], 8)[0]
        scores = vectors @ query
        assert row["row"] in live[scores >= scores.max() - 1e-3]
        assert ids[row["row"]] == row["chunk_id"]
        assert row["end_line"] == row["start_line"] + 1
        found[row["chunk_id"]] = (row["path"], row["text"], row["start_line"])
    assert shown == listed == {chunk_id: line for chunk_id, (_, _, line) in found.items()}
    assert len(found) == len(live) == np.count_nonzero(ids >= 0)
    return found


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=more(6, 12), stateful_step_count=14)
