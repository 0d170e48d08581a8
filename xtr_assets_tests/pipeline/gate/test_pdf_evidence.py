"""PDF is read a second time by PDFium: what both readers tell, what they do not, and rows that are not the page's."""

import dataclasses
import random

import pytest

from xtr_assets.core.chunking.blocks import chunk_pages
from xtr_assets.core.chunking.pdf_pages import pdf_pages
from xtr_assets.pipeline.gate.document_evidence import document_faults
from xtr_assets.pipeline.gate.pdf_evidence import letters_of
from xtr_assets.pipeline.gate.text_evidence import Row
from xtr_assets_tests.documents import pdf
from xtr_assets_tests.pdf_kinds import AGREED, UNTOLD


def rows_of(data: bytes, max_chars: int = 2000) -> list[Row]:
    held = chunk_pages("guide", "a.pdf", pdf_pages(data), max_chars)
    return [{**dataclasses.asdict(one), "metadata": "{}"} for one in held]


def faults(data: bytes, rows: list[Row], pages: int = 100) -> list[str]:
    return list(document_faults("a.pdf", data, rows, pages))


@pytest.mark.parametrize("kind", [*AGREED, *UNTOLD])
def test_a_healthy_page_of_every_kind_passes(kind: str) -> None:
    data = {**AGREED, **UNTOLD}[kind]
    assert rows_of(data) and faults(data, rows_of(data)) == []


@pytest.mark.parametrize("kind", AGREED)
def test_a_letter_that_is_lost_or_another_is_found(kind: str) -> None:
    first, *others = rows_of(AGREED[kind])
    at = max(place for place, letter in enumerate(first["text"]) if letters_of(letter))
    # A page of many letters may differ in one of fifty.
    cut = first["text"][: at - (len(first["text"]) // 25)]
    assert faults(AGREED[kind], [{**first, "text": cut}, *others])
    assert faults(AGREED[kind], [{**first, "text": "Something else altogether."}, *others])


def test_a_page_of_pictured_letters_has_rows_all_the_same() -> None:
    data = UNTOLD["drawn letters"]
    assert faults(data, []) and not faults(data, rows_of(data))


def test_pages_that_change_places_or_are_lost_or_too_many_are_found() -> None:
    data = pdf([f"What page {name} says." for name in ("one", "two", "three")])
    one, two, three = rows_of(data)
    swapped = [{**one, "text": two["text"]}, {**two, "text": one["text"]}, three]
    for rows in (swapped, [one, three], [one, two], [one, two, {**three, "start_line": 4, "end_line": 4}]):
        assert faults(data, rows)
    assert not faults(data, [one, two, three])


def test_parts_of_a_page_in_another_order_are_found() -> None:
    draw = random.Random(3)
    words = [f"{draw.randrange(10**6)}" for _ in range(80)]
    data = pdf(["\n".join(words)])
    rows = rows_of(data, 120)
    assert len(rows) > 3 and not faults(data, rows)
    assert faults(data, [{**rows[0], "text": rows[1]["text"]}, {**rows[1], "text": rows[0]["text"]}, *rows[2:]])


def test_some_pages_of_a_long_file_are_read_to_its_end() -> None:
    data = pdf([f"Page {n} of a book." for n in range(90)])
    rows = rows_of(data)
    assert not faults(data, rows, 30)
    lost = [row for row in rows if row["start_line"] <= 60]
    assert len(faults(data, lost, 30)) == 10


def test_what_pdfium_does_not_open_is_no_evidence_against_its_rows() -> None:
    rows = rows_of(pdf(["one"]))
    assert faults(b"%PDF-1.7 nothing", rows) == []
    assert faults(b"%PDF-1.7 nothing", [{**rows[0], "symbol": "page 2"}])
