"""`answers_agree` over equal texts: silent where they are one hit that says where else they stand, loud where not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.text_groups import TextGroups
from xtr_assets.pipeline.gate import answer_truth, answers_agree
from xtr_assets.pipeline.gate.answer_truth import known_rows, places_of
from xtr_assets.pipeline.gate.copy_truth import text_of
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search import equal_texts
from xtr_assets.search.blend import Blend
from xtr_assets.search.equal_texts import MOST_NAMED, EqualTexts
from xtr_assets.search.reader import OpenGeneration
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.segment import Segment
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import write_shard
from xtr_assets_tests.pipeline.gate.drafts import WORDS, chunks, copied, whole_draft
from xtr_assets_tests.pipeline.gate.test_answers_agree import HASHING, look


def repeated(folder: Path) -> tuple[Warehouse, Draft]:
    """120 rows of which every fourth has a text of five, and 24 one text; rows of each went with their files."""

    def make(warehouse: Warehouse) -> Draft:
        made = [
            replace(one, text=f"{WORDS[0]} {WORDS[1]} shared {i // 4 % 5}") if i % 4 == 0
            else replace(one, text="licence of all") if i % 5 == 1 else one
            for i, one in enumerate(chunks(136))
        ]  # fmt: skip
        write_shard(warehouse, "code", made)
        warehouse.publish(whole_draft(warehouse, "Flat").number, force_reason="no gate in this test")
        write_shard(warehouse, "code", made[16:])
        # With names the copies of a text have scores of their own.
        draft = whole_draft(warehouse, "Flat", named=("code",))
        draft.set_profile("hybrid", Blend.standard().document())
        return draft

    return copied(folder, "repeated", make)


def _all_rows(original: Any) -> Any:
    def groups(generation: Generation) -> TextGroups:
        hashes = np.concatenate([one.segment.text_hashes() for one in generation.segments])
        return TextGroups.of(hashes, np.arange(generation.end_row), generation.end_row)

    return groups


def _unfiltered(original: Any) -> Any:
    return lambda self, rows, allowed: original(self, rows, np.ones_like(allowed))


FAULTS: dict[str, tuple[Any, str, Callable[[Any], Any], str]] = {
    "symbols in place of texts": (
        OpenGeneration, "fold", lambda _: lambda self, collapse: self.symbols, "of a text that another hit is of"
    ),
    "one text twice": (
        EqualTexts, "first", lambda _: lambda self, rows, k: np.arange(min(k, len(rows))), "of a text that another hit"
    ),
    "the worst copy stands for its text": (
        EqualTexts, "first",
        lambda original: lambda self, rows, k: np.sort(
            len(rows) - 1 - original(self, rows[::-1].copy(), len(rows))
        )[:k],
        "best chunk of their text",
    ),
    "texts of one beginning are one": (
        Segment, "text_hashes",
        lambda original: lambda self: original(self) & np.array([0xF, 0], np.uint64), "copies of its text",
    ),
    "equal texts are apart": (
        Segment, "text_hashes",
        lambda original: lambda self: original(self) + np.arange(self.rows, dtype=np.uint64)[:, None],
        "of a text that another hit is of",
    ),
    "places that the filter hides": (EqualTexts, "_in_order", _unfiltered, "copies of its text"),
    "places of another row": (
        EqualTexts, "copies", lambda original: lambda self, row, allowed: original(self, row ^ 1, allowed), "its text"
    ),
    "places in the order of rows": (
        EqualTexts, "_in_order",
        lambda _: lambda self, rows, allowed: np.sort(rows[allowed[rows]])[::-1], "names other places of its text",
    ),
    "the hit itself": (
        EqualTexts, "copies",
        lambda original: lambda self, row, allowed: replace(
            found := original(self, row, allowed), count=found.count + 1
        ),
        "copies of its text",
    ),
    "some tell of copies unasked": (
        answers_agree, "_answers",
        lambda original: lambda searcher, case, texts: [
            [replace(hit, copies=hit.copies or 0) for hit in hits] for hits in original(searcher, case, texts)
        ], "that nobody asked for",
    ),
}  # fmt: skip


def test_a_healthy_draft_of_equal_texts_passes(tmp_path: Path) -> None:
    found = look(*repeated(tmp_path / "w"))
    assert found.passed, found.details["problems"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    warehouse, draft = repeated(tmp_path / "w")
    owner, name, alter, words = FAULTS[fault]
    monkeypatch.setattr(answers_agree, "SHOWN", 100)
    monkeypatch.setattr(owner, name, alter(getattr(owner, name)))
    found = look(warehouse, draft)
    assert not found.passed and any(words in one for one in found.details["problems"]), found.details["problems"]


def test_places_of_dead_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse, draft = repeated(tmp_path / "w")
    monkeypatch.setattr(equal_texts, "_groups", _all_rows(None))
    assert look(warehouse, draft).passed, "rows that are dead pass no filter"
    monkeypatch.setattr(EqualTexts, "_in_order", _unfiltered(EqualTexts._in_order))
    assert any("copies of its text" in one for one in look(warehouse, draft).details["problems"])


@pytest.mark.parametrize("fault", [None, *list(FAULTS)[:4], "places that the filter hides"])
def test_of_many_rows_some_are_read_that_hold_equal_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str | None
) -> None:
    for name, most in (("NEW_ROWS", 8), ("DEAD_ROWS", 8), ("MOST_ROWS", 40)):
        monkeypatch.setattr(answer_truth, name, most)
    warehouse, draft = repeated(tmp_path / "w")
    session = DraftSession(warehouse, draft, HASHING)
    known = known_rows(draft, places_of(session), session.rows.new, session.rows.gone)
    texts = [text_of(row) for row in known.live.values()]
    assert not known.whole and len(texts) - len(set(texts)) > 10
    if fault is not None:
        owner, name, alter, _ = FAULTS[fault]
        monkeypatch.setattr(owner, name, alter(getattr(owner, name)))
    found = look(warehouse, draft)
    assert found.passed == (fault is None), found.details["problems"]


def test_as_many_places_are_named_as_the_documents_say() -> None:
    assert MOST_NAMED == 20
