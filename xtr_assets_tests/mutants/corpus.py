"""The corpus that faults are planted in: functions, classes, Markdown, notebooks, records, a repository; its change.
Where a fault is one of documents, HTML, DOCX, PPTX and PDF besides, pages whose headings have marks, and more
languages.

Everything a chunk can carry stands in it: titles (methods, sections, records), metadata, letters beyond ASCII, texts
that stand twice, records that are split, a file that moves, lines that only move, a file whose size does not change.
"""

import json
import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets_tests.git_project import GIT, Repository
from xtr_assets_tests.mutants import kind_files
from xtr_assets_tests.mutants.document_file import TONGUES, write_document, write_marked, write_tongue
from xtr_assets_tests.mutants.fault import Files

# The encoder at its defaults, for which the package has a canary.
CONFIG = """
name: mutants
warehouse: warehouse
sources:
  - {{name: code, kind: python, path: code, shards: 3}}
  - {{name: guide, kind: text, path: guide}}
  - {{name: scripts, kind: {scripts}, path: scripts}}
  - {{name: tickets, kind: records, path: tickets, metadata: [team], max_chars: 600}}
{kinds}encoder: {{kind: hashing}}
recall: {{queries: 60}}
dense: {{recipe: "{recipe}"}}
"""
KINDS = """
  - {name: settings, kind: config, path: settings}
  - {name: tables, kind: records, path: tables, metadata: [team, due, count, price], numbers: [count]}
""".lstrip("\n")
TEAMS = ("search", "ingest", "storage", "ui")
# Letters that a wrong decoder turns into others.
ACCENTS = ("\u00fc", "\u00e9", "\u00f1", "\u0434", "\u754c")


@dataclass(frozen=True)
class Corpus:
    """Files below `folder` and the settings of the index over them. files : what is among them besides."""

    folder: Path
    recipe: str = "auto"
    files: Files = ""

    @property
    def config(self) -> IndexConfig:
        kinds = KINDS if self.files == "kinds" else ""
        config = CONFIG.format(recipe=self.recipe, scripts="git" if GIT else "code", kinds=kinds)
        return parse_config(config, self.folder)

    def path(self, name: str) -> Path:
        return self.folder / name


class Words:
    """Words of a seed, some of them frequent, as in a language; texts of a topic share half of theirs."""

    def __init__(self, seed: int, vocabulary: int = 900) -> None:
        self.random = random.Random(seed)
        syllables = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
        self.words = sorted(
            {"".join(self.random.choices(syllables, k=self.random.choice((2, 3, 3)))) for _ in range(vocabulary)}
        )
        self.random.shuffle(self.words)
        for place, letter in enumerate(ACCENTS):
            self.words[40 + place] += letter
        self.weights = [1 / (rank + 8) for rank in range(len(self.words))]
        self.taken: set[str] = set()

    def some(self, count: int, topic: int) -> list[str]:
        common = self.random.choices(self.words, self.weights, k=count - count // 2)
        start = 60 + (topic * 37) % (len(self.words) - 100)
        own = self.random.choices(self.words[start : start + 30], k=count // 2)
        mixed = common + own
        self.random.shuffle(mixed)
        return mixed

    def sentence(self, count: int, topic: int) -> str:
        return " ".join(self.some(count, topic)).capitalize() + "."

    def name(self, topic: int) -> str:
        while True:
            made = "_".join(word for word in self.some(4, topic) if word.isascii())[:40] or "f"
            if made not in self.taken:
                self.taken.add(made)
                return made


def function(words: Words, topic: int, indent: str = "") -> str:
    """A function with a docstring, and a body of the topic's words."""
    lines = [
        f"{indent}def {words.name(topic)}(value):",
        f'{indent}    """{words.sentence(7, topic)}"""',
        f"{indent}    # {words.sentence(6, topic)}",
        f"{indent}    return '{' '.join(words.some(words.random.randint(6, 16), topic))}'",
    ]
    return "\n".join(lines) + "\n"


def module(words: Words, topic: int, functions: int, *, a_class: bool = False) -> str:
    """A module of functions, the last three of them methods of a class where one is wanted."""
    parts = [function(words, topic) for _ in range(functions)]
    if a_class:
        head = f'class {words.name(topic).title().replace("_", "")}:\n    """{words.sentence(8, topic)}"""\n'
        parts.append("\n".join([head, *(function(words, topic, "    ") for _ in range(3))]))
    return "\n\n".join(parts)


def section(words: Words, topic: int, title: str, level: int = 2) -> str:
    return f"{'#' * level} {title}\n\n{words.sentence(12, topic)} {words.sentence(18, topic)}\n"


def page(words: Words, topic: int, sections: int) -> str:
    """A Markdown page: a heading with a text below it, then sections."""
    top = section(words, topic, " ".join(words.some(3, topic)).title(), 1)
    titles = [" ".join(words.some(4, topic)).capitalize() for _ in range(sections)]
    return "\n".join([top, *(section(words, topic, title) for title in titles)])


def record(words: Words, number: int) -> dict[str, object]:
    """A ticket. Every fortieth is longer than max_chars and becomes several chunks."""
    topic = number % 11
    text = " ".join(words.sentence(12, topic) for _ in range(2))
    if number % 40 == 17:
        text = "\n\n".join(words.sentence(14, topic) for _ in range(9))
    return {
        "_id": f"T-{number:04d}",
        "title": words.sentence(4, topic).rstrip("."),
        "text": text,
        "team": TEAMS[number % 4],
    }


def script(words: Words, topic: int, functions: int) -> str:
    """JavaScript, each function with a comment above it."""
    return "\n".join(
        f"/** {words.sentence(7, topic)} */\nfunction {words.name(topic)}(value) {{\n"
        f"  const told = '{' '.join(words.some(8, topic))}';\n  return told;\n}}\n"
        for _ in range(functions)
    )


def notebook(words: Words, topic: int, cells: int) -> str:
    """A cell of code, and cells of Markdown with a heading each."""
    titles = [" ".join(words.some(4, topic)).capitalize() for _ in range(cells)]
    texts = [f"told = '{words.sentence(12, topic)}'", *(f"# {one}\n\n{words.sentence(14, topic)}" for one in titles)]
    kinds = ["code", *("markdown" for _ in titles)]
    held = [{"cell_type": kind, "source": text} for kind, text in zip(kinds, texts, strict=True)]
    return json.dumps({"nbformat": 4, "cells": held}, ensure_ascii=False)


def write_jsonl(path: Path, records: Iterable[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), "utf-8")


def papers_of(folder: Path, seed: int, names: Iterable[str]) -> None:
    """Documents of six parts each; what was written under a name before is another document now."""
    for number, name in enumerate(names):
        words = Words(seed + number)
        parts = [(" ".join(words.some(3, number)).capitalize(), words.sentence(12, number)) for _ in range(6)]
        write_document(folder, name, parts)


def told_of(folder: Path, seed: int, number: int) -> None:
    """Pages whose headings have marks, and a file of each language."""
    words = Words(seed)
    for suffix in (".markdown", ".rst"):
        # Titles of letters alone: a mark between them is one.
        titles = [(_plain(words, topic), _plain(words, topic + 1)) for topic in range(8)]
        parts = [(*pair, words.sentence(14, topic)) for topic, pair in enumerate(titles)]
        write_marked(folder, f"marked{number}{suffix}", parts)
    for topic, suffix in enumerate(TONGUES):
        functions = [(words.name(topic), words.sentence(7, topic), " ".join(words.some(8, topic))) for _ in range(3)]
        write_tongue(folder, f"tongue{number}{suffix}", functions)


def voices_of(seed: int) -> tuple[kind_files.Name, kind_files.Said]:
    """What gives a plain name that none before has, and a sentence of so many words."""
    words = Words(seed)
    topics = count()

    def name() -> str:
        while True:
            made = "".join(one for one in words.some(3, next(topics)) if one.isascii())[:14]
            if len(made) > 5 and made not in words.taken:
                words.taken.add(made)
                return made

    def said(many: int) -> str:
        return words.sentence(many, next(topics))

    return name, said


def kinds_of(folder: Path, seed: int, number: str) -> None:
    """Files of every other kind; what was written under a number before is another file now."""
    name, said = voices_of(seed)
    kind_files.write_settings(folder, number, name, said)
    kind_files.write_tables(folder, number, said)
    kind_files.write_markup(folder, number, name, said)
    kind_files.write_books(folder, number, said)
    kind_files.write_components(folder, number, name, said)


def _plain(words: Words, topic: int) -> str:
    return " ".join(one for one in words.some(6, topic) if one.isascii())


def write_corpus(folder: Path, recipe: str = "auto", seed: int = 1, modules: int = 18, *, files: Files = "") -> Corpus:
    """The healthy corpus of generation 1: about 480 chunks, 67 more with documents; of every other kind 390, beside 320
    of these."""
    words = Words(seed)
    modules, records = (modules, 180) if files != "kinds" else (9, 124)
    for name in ("code", "guide", "scripts", "tickets"):
        (folder / name).mkdir(parents=True)
    for number in range(modules):
        text = module(words, number, 9, a_class=number % 3 == 0)
        (folder / f"code/m{number:02d}.py").write_text(text, "utf-8")
    # The same functions once more under another path: texts that are encoded once and lie twice.
    shutil.copy(folder / "code/m01.py", folder / "code/vendored.py")
    for number in range(12):
        (folder / f"guide/page{number:02d}.md").write_text(page(words, number, 5), "utf-8")
    # Words of their own seeds, so that all else stays what it was.
    for number in range(3):
        (folder / f"scripts/s{number}.js").write_text(script(Words(seed + 90 + number), number, 6), "utf-8")
    commit(folder)
    (folder / "guide/notes.ipynb").write_text(notebook(Words(seed + 80), 3, 6), "utf-8")
    tickets = [record(words, number) for number in range(records)]
    write_jsonl(folder / "tickets/a.jsonl", tickets[:70])
    write_jsonl(folder / "tickets/b.jsonl", tickets[70:120])
    pq.write_table(pa.Table.from_pylist(tickets[120:]), folder / "tickets/c.parquet")
    if files == "papers":
        papers_of(folder, seed + 60, ("a.pdf", "b.pdf", "a.docx", "b.docx", "a.html", "a.pptx"))
        told_of(folder, seed + 50, 0)
        commit(folder)
    if files == "kinds":
        for name in ("0", "1", "3"):
            kinds_of(folder, seed + 40 + int(name), name)
        commit(folder)
    return Corpus(folder, recipe, files)


def change(corpus: Corpus, seed: int = 2, tickets: int = 24) -> None:
    """A change of about a sixth: files added, deleted, moved, changed inside, and lines that only moved."""
    words, folder = Words(seed), corpus.folder
    for number in (30, 31):
        (folder / f"code/m{number}.py").write_text(module(words, number, 10, a_class=True), "utf-8")
    (folder / "code/m02.py").unlink()
    (folder / "code/m03.py").rename(folder / "code/moved.py")
    # Lines move, rows do not.
    for name in ("code/m04.py", "code/m05.py", "code/m06.py"):
        text = (folder / name).read_text("utf-8")
        (folder / name).write_text("\n" * 3 + text, "utf-8")
    # The third function goes, the fourth is another one.
    parts = (folder / "code/m07.py").read_text("utf-8").split("\n\n")
    (folder / "code/m07.py").write_text("\n\n".join([*parts[:2], function(words, 7), *parts[4:]]), "utf-8")
    # A change that leaves the size as it is.
    lines = (folder / "code/m08.py").read_text("utf-8").splitlines()
    told = [_other_vowels(line) if '"""' in line else line for line in lines]
    (folder / "code/m08.py").write_text("\n".join(told) + "\n", "utf-8")
    old = (folder / "guide/page01.md").read_text("utf-8")
    (folder / "guide/page01.md").write_text(_other_vowels(old), "utf-8")
    (folder / "guide/page20.md").write_text(page(words, 20, 6), "utf-8")
    (folder / "guide/more.ipynb").write_text(notebook(Words(seed + 80), 5, 6), "utf-8")
    (folder / "scripts/s7.js").write_text(script(Words(seed + 90), 7, 6), "utf-8")
    commit(folder)
    _change_tickets(words, folder, tickets)
    if corpus.files == "kinds":
        # A set comes, a few files are others now, and a few go.
        kinds_of(folder, seed + 52, "2")
        voices = voices_of(seed + 53)
        kind_files.write_settings(folder, "1", *voices, first=True)
        kind_files.write_markup(folder, "1", *voices)
        kind_files.remove(folder, "0")
        commit(folder)
    if corpus.files == "papers":
        # Two come, and one is another one now.
        papers_of(folder, seed + 60, ("c.pdf", "c.docx", "b.pdf", "b.html", "c.pptx"))
        told_of(folder, seed + 50, 1)
        commit(folder)


def commit(folder: Path) -> None:
    """The scripts are those of a repository, where the command git is there."""
    if GIT:
        Repository(folder / "scripts").commit()


def _change_tickets(words: Words, folder: Path, tickets: int) -> None:
    lines = [json.loads(line) for line in (folder / "tickets/a.jsonl").read_text("utf-8").splitlines()]
    for place in (5, 6, 7):
        lines[place]["text"] = words.sentence(20, place)
    for place in (12, 13):
        lines[place]["team"] = "sales"
    del lines[20:23]
    write_jsonl(folder / "tickets/a.jsonl", lines)
    write_jsonl(folder / "tickets/d.jsonl", [record(words, 500 + number) for number in range(tickets)])


def _other_vowels(text: str) -> str:
    return text.translate(str.maketrans("aeiou", "eioua"))
