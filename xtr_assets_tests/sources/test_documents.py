"""HTML, DOCX, PDF and reStructuredText as sources read them; documents that were made to hang or fill a build."""

import io
import os
import time
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

import pytest

from xtr_assets.core.chunking.blocks import Block, chunk_blocks
from xtr_assets.core.types import Chunk, Quarantined
from xtr_assets.sources import document_worker, text_tree
from xtr_assets.sources.document_worker import WORKER, DocumentWorker
from xtr_assets_tests.books import LETTER, NOVEL
from xtr_assets_tests.documents import (
    LEAFLET,
    MANUAL,
    NOTED,
    PAGE,
    assembled,
    note,
    paragraph,
    parts_docx,
    pdf,
    referred,
    said,
    section,
    word,
)
from xtr_assets_tests.pdf_kinds import UNREADABLE
from xtr_assets_tests.sources.conftest import Opener, chunks, write


def refused(source: object, path: str) -> Quarantined:
    (found,) = source.read(path)  # type: ignore[attr-defined]
    assert isinstance(found, Quarantined)
    return found


def placed(held: list[Chunk]) -> list[tuple[str, int, int, str]]:
    return [(one.symbol, one.start_line, one.end_line, one.text) for one in held]


def test_a_page_is_its_sections_with_the_lines_of_their_source(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.html", PAGE)
    held = chunks(opened("text"), "a.html")
    assert placed(held) == [
        ("", 2, 2, "Manual"),
        ("Reader", 5, 7, "Reader\n\nA reader opens files & reads them."),
        (
            "Reader > Open",
            8,
            13,
            "Open\n\nreader = open_reader(path)\n    next(reader)\n\nflag\tmeaning\n\nr\tfor reading",
        ),
        ("Reader > Close", 14, 17, "Close\n\nClosing a reader twice is no fault\nof yours."),
    ]
    assert {(one.kind, one.title == one.symbol, one.part) for one in held} == {("section", True, 0)}


@pytest.mark.parametrize(
    "data, text",
    [
        (b"<p>caf\xc3\xa9", "café"),
        (b"\xef\xbb\xbf<p>caf\xc3\xa9", "café"),
        ("<p>café".encode("utf-16"), "café"),
        (b"<meta charset='latin-1'><p>caf\xe9 \x96", "café \u2013"),
        (b"<meta http-equiv=Content-Type content='text/html; charset=windows-1251'><p>\xcf", "\u041f"),
        (b"<meta charset=utf-16><p>caf\xc3\xa9", "café"),
    ],
)
def test_a_page_has_the_encoding_of_its_mark_or_the_one_it_declares(
    opened: Opener, tmp_path: Path, data: bytes, text: str
) -> None:
    write(tmp_path, "a.htm", data)
    assert [one.text for one in chunks(opened("text"), "a.htm")] == [text]


def test_tags_over_several_lines_comments_and_returns_keep_the_lines(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.html", "<h1\r\nid=a\r\n>One</h1\r\n><p>x<!--\r\n\r\n-->\r\ny<br>\rz</p>\n<h2>B</h2>\n")
    first, second = chunks(opened("text"), "a.html")
    assert (first.start_line, first.end_line, first.text) == (3, 8, "One\n\nx y\nz")
    assert (second.start_line, second.end_line) == (9, 9)


@pytest.mark.parametrize(
    ("page", "held"),
    [
        ("<html><body><p>a</p>\n<p>b</p></body></html>\n", [("a\n\nb", 1, 2)]),
        ("<html><body>\n<p>a</p>\nb\n</body></html>\n\n \n", [("a\n\nb", 2, 3)]),
        ("<p>a</p>\n<p>b\n", [("a\n\nb", 1, 2)]),
        # After </html> a browser goes on with the body.
        ("<html><body><p>a</p></body></html>\n<p>b\n</p>\n", [("a\n\nb", 1, 2)]),
        ("<p>a</html><p>b</html>c\n", [("a\n\nb\n\nc", 1, 1)]),
    ],
)
def test_a_page_ends_where_its_text_does(
    opened: Opener, tmp_path: Path, page: str, held: list[tuple[str, int, int]]
) -> None:
    write(tmp_path, "a.html", page)
    assert [(one.text, one.start_line, one.end_line) for one in chunks(opened("text"), "a.html")] == held


def test_a_document_has_heading_paths_and_numbers_of_paragraphs(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.docx", MANUAL)
    assert placed(chunks(opened("text"), "a.docx")) == [
        ("Reader", 1, 2, "Reader\n\nA reader opens files."),
        (
            "Reader > Open",
            3,
            8,
            "Open\n\nIt opens them one after the other.\n\nflag\tmeaning\n\nr\tfor reading",
        ),
        ("Reader > Close", 9, 10, "Close\n\nClosing a reader twice is no fault."),
    ]


def test_notes_headers_and_footers_stand_where_they_are_first_referred_to(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.docx", NOTED)
    assert [(one.start_line, one.end_line, one.text.split("\n\n")) for one in chunks(opened("text"), "a.docx")] == [
        (
            1,
            18,
            [
                *("Reader", "Of the heading.", "One and two.", "Of one.", "At the end."),
                *("flag\tmeaning", "Of a flag.", "Around", "in a box", "Of a box.", "Around it."),
                *("Its last.", "Company manual", "left\tright", "Another section.", "Second part"),
            ],
        )
    ]


@pytest.mark.parametrize("part", ["footnotes", "header1"])
def test_a_part_beside_a_document_that_is_damaged_is_told(opened: Opener, tmp_path: Path, part: str) -> None:
    body = paragraph(said("One"), referred(5)) + section("header1")
    beside = {"footnotes": note(5, "Of one."), "header1": paragraph(said("above"))}
    write(tmp_path, "a.docx", parts_docx(body, **{**beside, part: "<w:p>"}))
    found = refused(opened("text"), "a.docx")
    assert found.reason == "unparsable" and "no Word document" in found.detail
    write(tmp_path, "b.docx", parts_docx(body.replace("'5'", "'77'"), **beside))
    assert chunks(opened("text"), "b.docx")[0].text == "One\n\nabove"


def changed_docx(body: str, head: str = "") -> bytes:
    """A document with another body; `head` stands before its first element."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word("x"))) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "word/document.xml":
                text = data.decode()
                start = text.index("<w:document")
                opening = text[start : text.index("<w:body>")]
                data = f"{text[:start]}{head}{opening}<w:body>{body}</w:body></w:document>".encode()
            new.writestr(name, data)
    return file.getvalue()


def test_tracked_changes_controls_links_and_boxes_are_read_as_they_look(opened: Opener, tmp_path: Path) -> None:
    body = (
        f"<w:p>{said('kept ')}<w:ins>{said('added ')}</w:ins>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        f"<w:moveFrom>{said('moved')}</w:moveFrom><w:hyperlink>{said('link')}</w:hyperlink></w:p>"
        f"<w:sdt><w:sdtContent><w:p>{said('in a control')}</w:p></w:sdtContent></w:sdt>"
        "<w:p><w:r><w:pict><w:txbxContent>"
        f"<w:p>{said('in a box')}</w:p></w:txbxContent></w:pict></w:r>{said('beside it')}</w:p>"
    )
    write(tmp_path, "a.docx", changed_docx(body))
    (one,) = chunks(opened("text"), "a.docx")
    assert (one.text, one.start_line, one.end_line) == (
        "kept added link\n\nin a control\n\nbeside it\n\nin a box",
        1,
        4,
    )


def test_no_entity_of_a_document_is_opened_or_multiplied(opened: Opener, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the password")
    names = "abcdefgh"
    entities = "".join(f'<!ENTITY {two} "{f"&{one};" * 10}">' for one, two in pairwise(names))
    kinds = f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{tmp_path}/secret"><!ENTITY a "{"a" * 100}">{entities}]>'
    write(tmp_path, "a.docx", changed_docx("<w:p><w:r><w:t>one &x; &h; two</w:t></w:r></w:p>", kinds))
    held = list(opened("text").read("a.docx"))
    said = "".join(one.text if isinstance(one, Chunk) else one.detail for one in held)
    assert "password" not in said and len(said) < 1000


def test_a_pdf_is_its_pages(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.PDF", LEAFLET)
    held = chunks(opened("text"), "a.PDF")
    assert placed(held) == [
        ("page 1", 1, 1, "Reader\nA reader opens files."),
        ("page 2", 2, 2, "It opens them one\nafter the other."),
        ("page 3", 3, 3, "Closing twice is no fault."),
    ]
    assert {(one.kind, one.title) for one in held} == {("page", "")}


def test_a_page_longer_than_a_chunk_is_cut_and_a_blank_one_keeps_its_number(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.pdf", pdf(["A line of a page.\n" * 30, "", "end"]))
    held = chunks(opened("text", max_chars=200), "a.pdf")
    assert [(one.start_line, one.part) for one in held] == [(1, 0), (1, 1), (1, 2), (3, 0)]
    assert "".join("".join(one.text for one in held).split()) == "Alineofapage." * 30 + "end"


def test_titles_of_restructuredtext_are_those_of_docutils_and_no_directive_is_done(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("the password")
    text = (
        "Guide\n=====\n\n.. include:: secret\n\n.. raw:: html\n   :file: secret\n\nLonger title\n----\n\n::\n\n A\n -\n"
    )
    write(tmp_path, "a.rst", text)
    held = chunks(opened("text"), "a.rst")
    assert [one.symbol for one in held] == ["Guide", "Guide > Longer title"]
    assert "password" not in "".join(one.text for one in held)
    monkeypatch.setattr(document_worker, "_version", lambda name: "")
    assert chunks(opened("text"), "a.rst") == held


HOSTILE = {
    "deep.html": (b"<div>" * 200_000, "beyond-limits", "deeper than 2,048"),
    "attributes.html": (b"<a %s>" % b" ".join(b"a%d=1" % n for n in range(100_000)), "beyond-limits", "1 s of CPU"),
    "null.html": (b"<p>\0", "null-bytes", "null character"),
    "bytes.html": (b"<p>\xff", "undecodable", "convert the file to UTF-8"),
    "charset.html": (b"<meta charset=nosuch><p>x", "undecodable", "nosuch"),
    "hosts.html": (b"<meta charset=punycode><p>" + b"a" * 9000 + b"-" + b"b" * 9000, "undecodable", "names of hosts"),
    "binary.docx": (b"\xff" * 100, "unparsable", "no Word document"),
    "old.docx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "encrypted", "without a password"),
    "deep.docx": (changed_docx("<w:sdt>" * 9000 + "</w:sdt>" * 9000), "beyond-limits", "Excessive depth"),
    "cycle.pdf": (
        assembled({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Count 9 /Kids [2 0 R 2 0 R] >>"}),
        "unparsable",
        "yclic",
    ),
    "itself.pdf": (assembled({1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"2 0 R"}), "unparsable", "save it anew"),
    "pages.pdf": (
        pdf(["x"]).replace(b"[10 0 R]", b"[%s]" % (b"10 0 R " * 12_000)),
        "beyond-limits",
        "exclude the file",
    ),
    "glyphs.pdf": (UNREADABLE, "unparsable", "page 1 has a font of the collection Japan1"),
    "scanned.pdf": (pdf(["", ""]), "no-text", "no text on its 2 pages: most likely scanned"),
    "nothing.pdf": (b"", "unparsable", "no PDF"),
    "nested.pdf": (b"%PDF-1.7\n1 0 obj\n" + b"<<" * 200_000, "unparsable", "no PDF"),
}


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_document_is_in_quarantine_with_what_it_is_and_what_to_do(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(document_worker, "CPU_SECONDS", 1.0)
    data, reason, detail = HOSTILE[path]
    write(tmp_path, path, data)
    write(tmp_path, "next.html", "<p>next")
    began = time.process_time()
    found = refused(opened("text"), path)
    assert (found.reason, detail in found.detail) == (reason, True), found
    assert time.process_time() - began < 1.0  # Of this process: another one did the work.
    assert [one.text for one in chunks(opened("text"), "next.html")] == ["next"]


FLOODS = {
    "comments.html": b"<!--" * 200_000,
    "declarations.html": b"<!x" * 200_000,
    "tags.html": b"<a " * 200_000,
    "entities.html": b"&amp;&#x1F600;&" * 50_000,
    "uri.html": b"<img src='data:" + b"A" * (8 << 20) + b"'>x",
    "cells.html": b"<table><tr>" + b"<td>a" * 50_000,
    "quotes.html": b"<a b='" * 100_000,
    "count.pdf": pdf(["a"]).replace(b"/Count 1 ", b"/Count 999999999 "),
    "previous.pdf": pdf(["a"], trailer=b"/Prev 9"),
}


@pytest.mark.parametrize("path", FLOODS)
def test_a_flood_is_read_in_a_moment(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(document_worker, "CPU_SECONDS", 5.0)
    write(tmp_path, path, FLOODS[path])
    assert [one for one in opened("text").read(path) if isinstance(one, Quarantined)] == []


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(opened: Opener, tmp_path: Path) -> None:
    file = io.BytesIO(MANUAL)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/media/a.bin", bytes(257 << 20))
    write(tmp_path, "a.docx", file.getvalue())
    found = refused(opened("text"), "a.docx")
    assert found.reason == "beyond-limits" and "268,435,456 are allowed" in found.detail
    content = zlib.compress(b"(a) Tj " * (12 << 20))
    base = pdf(["x"])
    start = base.index(b"11 0 obj")
    stream = b"11 0 obj\n<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream\n" % (len(content), content)
    write(tmp_path, "a.pdf", base[:start] + stream + base[base.index(b"endobj", start) :])
    found = refused(opened("text"), "a.pdf")
    assert "decompressing" in found.detail


def test_a_reader_that_is_killed_or_full_is_replaced(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = DocumentWorker()
    monkeypatch.setattr("xtr_assets.sources.text_tree.WORKER", worker)
    monkeypatch.setattr(document_worker, "MEMORY_BYTES", 512 << 20)
    write(tmp_path, "a.html", PAGE)
    write(tmp_path, "large.html", b"<b>x</b>" * (3 << 20))
    source = opened("text")
    before = chunks(source, "a.html")
    assert worker._process is not None
    worker._process.kill()
    worker._process.wait()
    assert chunks(source, "a.html") == before
    found = refused(source, "large.html")
    assert found.reason == "beyond-limits", found
    assert chunks(source, "a.html") == before
    worker.close()


def test_a_forked_child_has_a_reader_of_its_own(opened: Opener, tmp_path: Path) -> None:
    write(tmp_path, "a.html", PAGE)
    held = chunks(opened("text"), "a.html")
    child = os.fork()
    if child == 0:
        same = chunks(opened("text"), "a.html") == held
        WORKER.close()
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert chunks(opened("text"), "a.html") == held


def test_another_release_of_the_parser_of_markdown_is_another_fingerprint(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that were touched since would be cut as it cuts them, and all others as the one before did."""
    before = [opened(kind).fingerprint() for kind in ("text", "records")]
    monkeypatch.setattr(text_tree, "installed_version", lambda name: f"another {name}")
    after = [opened(kind).fingerprint() for kind in ("text", "records")]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True]


def test_without_a_library_its_files_wait_with_the_command_and_the_fingerprint_says_so(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = {"a.docx": MANUAL, "a.odt": LETTER, "a.epub": NOVEL}
    for path, data in {"a.html": PAGE.encode(), "a.pdf": LEAFLET, "a.md": b"# A\n", **office}.items():
        write(tmp_path, path, data)
    source = opened("text")
    there = source.fingerprint()
    monkeypatch.setattr(document_worker, "_version", lambda name: "")
    assert source.fingerprint() != there
    for path in ("a.html", "a.pdf", *office):
        found = refused(source, path)
        assert found.reason == "not-installed" and "pip install 'xtr-assets[documents]'" in found.detail
    assert len(chunks(source, "a.md")) == 1


def test_an_answer_that_nobody_waited_for_is_not_the_next_documents(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = DocumentWorker()
    monkeypatch.setattr("xtr_assets.sources.text_tree.WORKER", worker)
    write(tmp_path, "a.html", "<p>first")
    write(tmp_path, "b.html", "<p>second")
    source = opened("text")
    assert chunks(source, "a.html")[0].text == "first"

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # Between the question and its answer.
        patch.setattr("xtr_assets.sources.document_worker.json.loads", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(source.read("a.html"))
    assert chunks(source, "b.html")[0].text == "second"
    worker.close()


@pytest.mark.parametrize(
    "page, symbols",
    [
        ("<h2><div>A</div><div>B</div></h2>x", ["A B"]),
        ("<h2>A<h3>B</h3>x", ["A > B"]),
        ("<h3>A</h3>x<h2>B</h2>y<h3>C</h3>z", ["A", "B", "B > C"]),
        ("<table><tr><td><h2>A</h2>x</td><td>y</td></tr></table>", ["A"]),
        ("<nav><h2>Menu</h2></nav><h2>A</h2>x", ["A"]),
        ("before<h1></h1>x", [""]),
        ("<h1>A</h1>x<h1>A</h1>y", ["A", "A"]),
    ],
)
def test_headings_are_those_that_people_see(opened: Opener, tmp_path: Path, page: str, symbols: list[str]) -> None:
    write(tmp_path, "a.html", page)
    held = chunks(opened("text"), "a.html")
    assert [one.symbol for one in held] == symbols
    assert len({one.chunk_id for one in held}) == len(held)


def test_thousands_of_headings_below_headings_take_time_in_proportion() -> None:
    """Each of them looked at all blocks before it: 10,000 took 2 CPU seconds."""
    begun = time.thread_time()
    blocks = [Block(1, 1, level, text) for level, text in ((1, "a"), (2, "b"), (0, "text"))] * 10_000
    found = list(chunk_blocks("docs", "a.html", blocks, 2000))
    assert (len(found), {(one.symbol, one.text) for one in found}) == (10_000, {("a > b", "a\n\nb\n\ntext")})
    assert time.thread_time() - begun < 1.2
