"""Where texts are cut and what stands above them: chunks that need not be so small, headings, comments, definitions."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from xtr_assets.core.chunking import text as text_chunks
from xtr_assets.core.chunking.python import _Module
from xtr_assets.core.types import FileState
from xtr_assets.pipeline.gate.source_agrees import check
from xtr_assets.sources import file_scan, folder_place
from xtr_assets.sources.base import FileSource
from xtr_assets.sources.records import Records
from xtr_assets.sources.text_tree import TextTree
from xtr_assets_tests.long_cases import pairs
from xtr_assets_tests.pipeline.gate.conftest import MODULE, World

LONG = "Words of a long line that ends after a while. "
GUIDE = "# Guide\n\nAt the top.\n\n## Install\n\n{}\n\n### Linux\n\n{}\n\n## Use\n\n{}\n"


@pytest.fixture
def wider(world: World) -> World:
    """Pages of three levels, records with truths and lists, a function under a comment."""
    for number in range(8):
        world.write(f"guide/levels{number}.md", GUIDE.format("\n".join([LONG] * 8), f"On Linux {number}.", LONG * 3))
    world.write(
        "tools/said.py", MODULE.replace("NAME", "said").replace("def said_open", "# Said above.\ndef said_open")
    )
    lines = [
        json.dumps({"_id": f"q{n}", "text": LONG * (12 if n == 3 else 1), "year": n, "open": n % 2 == 1})
        for n in range(12)
    ]
    world.write("papers/q.jsonl", "\n".join(lines) + "\n")
    papers = world.config.sources[2].model_copy(
        update={"metadata": ("year", "open"), "include": ("q.jsonl",), "max_chars": 400}
    )
    world.config_with(sources=(*world.config.sources[:2], papers))
    return world


def refused(world: World, words: str) -> None:
    found = check(world.build(full=True))
    assert not found.passed and words in str(found.details["faults"]), found.summary


def test_nothing_is_wrong_with_it(wider: World) -> None:
    found = check(wider.build())
    assert found.passed, found.summary


def test_texts_that_are_cut_and_would_fit(wider: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit in bytes, a setting of before: each line is there, and each text is a piece."""
    opened = FileSource.__init__

    def init(self: FileSource, config: Any, *place: Any) -> None:
        opened(self, config.model_copy(update={"max_chars": 200}), *place)

    monkeypatch.setattr(FileSource, "__init__", init)
    refused(wider, "fit into one")


def test_records_that_are_cut_and_would_fit(wider: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xtr_assets.sources.records.split_text", lambda text, _: [text[:30], text[30:]])
    refused(wider, "is 2 chunks and fits into one")


def test_many_small_pieces_of_what_does_not_fit(wider: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wider.write("guide/long.txt", "\n\n".join(f"Paragraph {n}." for n in range(400)))
    monkeypatch.setattr("xtr_assets.core.chunking.line_spans._even_share", lambda _size, _most: 1)
    refused(wider, "chunks, few would hold them")


@pytest.mark.parametrize("path", ["papers/q.jsonl", "guide/line.txt"])
def test_words_that_are_cut(wider: World, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    wider.write("guide/line.txt", LONG * 60)

    def anywhere(text: str, most: int) -> list[str]:
        return [text[at : at + most - 3] for at in range(0, len(text), most - 3)]

    whole = (
        "xtr_assets.sources.records.split_text"
        if path.startswith("papers")
        else "xtr_assets.core.chunking.line_spans.slices"
    )
    monkeypatch.setattr(whole, lambda text, most: [text] if len(text) <= most else anywhere(text, most))
    refused(wider, "a word is cut")


Headings = Callable[[list[Any]], list[Any]]
OUTLINES: dict[str, tuple[Headings, str]] = {
    "lost below the second": (lambda found: [one for one in found if one.level < 3], "begin no section"),
    "lost below the first": (lambda found: [one for one in found if one.level < 2], "begin no section"),
    "never ended": (lambda found: [replace(one, level=at) for at, one in enumerate(found, 1)], "stands under"),
    "all of one level": (lambda found: [replace(one, level=1) for one in found], "stands under"),
}


@pytest.mark.parametrize("name", OUTLINES)
def test_headings_of_other_levels(wider: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    alter, words = OUTLINES[name]
    outline = text_chunks._outline

    def other(lines: Any, style: Any) -> Any:
        own = outline(lines, style)
        return replace(own, headings=tuple(alter(list(own.headings))))

    monkeypatch.setattr(text_chunks, "_outline", other)
    refused(wider, words)


def test_titles_of_restructured_text_that_are_all_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("guide/manual.rst", "Manual\n======\n\nText of it.\n\nInstall\n-------\n\nMore text of it.\n")
    assert check(world.build()).passed
    monkeypatch.setattr(TextTree, "_titles", lambda *_: [])
    refused(world, "2 titles stand in it, and no section is called by one")


ODD = [
    "Title\n=====\n## Sub\n\ntext here\n\nOther\n-----\n\nmore\n\n### Deep\n\ntext\n",
    "---\n\n# A\n\n---\n\n## B\n\ntext\n",
    "---\ntitle: x\n# a comment\n---\n\n# A\n\ntext\n\n## B\n\ntext\n",
    "- item\n  ```\n  # no\n  ```\n# Yes\n\nend\n\n## Also\n\nend\n",
    "```sh\n# comment here\n```\n\n# Yes\n\nend\n\n```\n# in one without end\n",
    "<div>\n# Not\n</div>\n\n# Yes\n\nend\n\n<!-- \n\n# Not this\n\n-->\n\n## Also\n\nend\n",
    "# A\n## B\n### C\n\n# D\n\ntext\n# E\ntext\n",
    "# *A* `b`\n\ntext\n\n## Plain Words\n\ntext\n\n# \n\n## Under Nothing\n\ntext\n",
    "Before\n\n## Two\n\ntext\n\n# One  Of Them #\n\ntext\n\n    # Code\n\n> # Quoted\n\n## Last\n\ntext\n",
    "$$\n# x\n$$\n\n## First\n\ntext\n",
    "1. Do:\n\n   ```sh\n   # comment\n   ```\n\n2. Done.\n\n# After The List\n\ntext\n",
    "A | B\n---|---\n1 | 2\n\n# After A Table\n\ntext\n***\n# After A Rule\n\ntext\n",
]


@pytest.mark.parametrize(("text", "newline"), pairs(ODD, ["\n", "\r\n"]))
def test_pages_that_are_read_as_they_are_meant(world: World, text: str, newline: str) -> None:
    world.write("guide/odd.md", text.replace("\n", newline))
    found = check(world.build())
    assert found.passed, found.summary


def test_a_comment_above_a_function_that_lies_elsewhere(wider: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Module, "_with_comments", lambda _self, first, _floor: first)
    refused(wider, "function 'said_open' of line 6 lies in the chunk of '<module>'")


@pytest.mark.parametrize("value", [("true", "1"), ("false", "0"), ("true", '"true"')])
def test_truths_that_became_something_else(
    wider: World, monkeypatch: pytest.MonkeyPatch, value: tuple[str, str]
) -> None:
    """Equal to Python, and to no filter."""
    chunks = Records._chunks

    def other(self: Records, path: str, row: Any) -> Iterator[Any]:
        for one in chunks(self, path, row):
            yield replace(one, metadata=one.metadata.replace(f'"open":{value[0]}', f'"open":{value[1]}'))

    monkeypatch.setattr(Records, "_chunks", other)
    refused(wider, "metadata")


def test_whole_numbers_that_became_fractions(wider: World, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = Records._chunks

    def other(self: Records, path: str, row: Any) -> Iterator[Any]:
        for one in chunks(self, path, row):
            yield replace(
                one, metadata=one.metadata.replace(f'"year":{row.values["year"]}', f'"year":{row.values["year"]}.0')
            )

    monkeypatch.setattr(Records, "_chunks", other)
    refused(wider, "metadata")


def test_what_was_stale_once_and_can_be_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links whose targets came back with another text: a scan that trusts what it knew never looks."""
    world.config_with(sources=(world.config.sources[0].model_copy(update={"shards": 1}),))
    world.publish()
    for number in range(3):
        (world.folder / f"guide/{number}.md").unlink()
        (world.folder / f"guide/{number}.md").symlink_to(world.folder / f"away/{number}.md")
    world.publish()
    served = world.warehouse.published
    assert served is not None and [len(one.stale) for one in served.snapshots().values()] == [3]
    for number in range(3):
        world.write(f"away/{number}.md", f"# Page {number}\n\nAnother text of page {number}.\n")
    state = file_scan.file_state

    def trusting(root: Any, path: str, known: FileState | None, *given: Any) -> FileState | None:
        return known if known is not None and known.unread else state(root, path, known, *given)

    with monkeypatch.context() as planted:
        planted.setattr(folder_place, "file_state", trusting)
        world.write("guide/new.md", "# New\n\nSomething came.\n")
        # More than the kernel's clock for files is behind.
        time.sleep(0.08)
        found = check(world.build())
    assert not found.passed and "still said to be stale" in found.summary, found.summary
    assert check(world.build()).passed
