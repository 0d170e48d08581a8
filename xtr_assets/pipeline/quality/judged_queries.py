"""Queries with their right answers: BEIR files, a log of queries, or, where nobody judged any, items drawn."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xtr_assets.config import QueriesConfig
from xtr_assets.core.errors import ConfigError
from xtr_assets.core.json_document import read_json
from xtr_assets.pipeline.queries.drawn_queries import pieces
from xtr_assets.pipeline.queries.gate_queries import read_jsonl_queries
from xtr_assets.pipeline.queries.synthesis import NAMING, draw
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.parts.joined_generation import JoinedGeneration

# The keys under which a line of a log names the documents that were right.
LOG_ANSWERS = ("relevant", "clicked")
# Items drawn where nothing is judged: they settle MRR@10 to about 0.04.
DRAWN_ITEMS = 500

Grades = dict[str, float]
# What documents are named by, in the order in which a chunk stands for one.
Unit = Literal["symbol", "path", "chunk_id"]
UNITS: tuple[Unit, ...] = ("symbol", "path", "chunk_id")


@dataclass(frozen=True, slots=True)
class JudgedQueries:
    """Texts and positive judgments by query id, of the same ids; documents are named as hits are: by symbol, path or
    chunk_id.

    synthetic : drawn from the corpus itself, where nobody judged: who compares modes by them compares how well each
    finds an author's own words.
    """

    texts: Mapping[str, str]
    grades: Mapping[str, Grades]
    origin: str
    synthetic: bool = False

    @property
    def documents(self) -> set[str]:
        """All that is judged."""
        return {document for judged in self.grades.values() for document in judged}

    def first(self, limit: int | None) -> "JudgedQueries":
        """The first `limit` by id; all where it is None."""
        chosen = sorted(self.grades)[:limit]
        return JudgedQueries(
            {one: self.texts[one] for one in chosen},
            {one: self.grades[one] for one in chosen},
            self.origin,
            self.synthetic,
        )


def read_judged(config: QueriesConfig) -> JudgedQueries:
    """What `queries` of a config names: a queries.jsonl and its qrels.tsv, or a log that carries its answers."""
    if config.judgments is None:
        return read_log(config.path)
    return _of(_asked(config.path), read_judgments(config.judgments), config.path, config.judgments)


def read_folder(folder: Path) -> JudgedQueries:
    """A folder in BEIR form: queries.jsonl, and qrels.tsv beside it or as qrels/test.tsv."""
    choices = (folder / "qrels.tsv", folder / "qrels" / "test.tsv")
    judgments = next((one for one in choices if one.is_file()), choices[0])
    return read_judged(QueriesConfig(path=folder / "queries.jsonl", judgments=judgments))


def read_judgments(path: Path) -> dict[str, Grades]:
    """A BEIR qrels.tsv: query-id, corpus-id, score; a header is skipped. Queries with a positive judgment only.

    Raises ConfigError naming the line that is wrong.
    """
    if not path.is_file():
        raise ConfigError(f"`queries.judgments`: no file at {path}; correct it, or remove it")
    found: dict[str, Grades] = {}
    for number, line in _lines(path):
        fields = line.rstrip("\n").split("\t")
        # A line of other columns is no header: of TREC's file the first judgment was lost.
        if number == 1 and len(fields) == 3 and not _is_number(fields[-1]):
            continue
        try:
            query, document, score = fields
            found.setdefault(_named(query), {})[_named(document)] = _grade(score)
        except ValueError as error:
            raise ConfigError(f"{path} line {number}: query-id, corpus-id, score expected, found {fields}") from error
    positive = _positive(found)
    if not positive:
        raise ConfigError(f"{path} holds no positive judgment; correct `queries.judgments`, or remove it")
    return positive


def read_log(path: Path) -> JudgedQueries:
    """A log of queries: a line holds `text` (or `query`) and, under `relevant` or `clicked`, the documents that were
    right: a list, or grades by document. Lines without any are left out; the same text on several lines adds up."""
    if not path.is_file():
        raise ConfigError(f"`queries.path`: no file at {path}; correct it, or remove `queries` to draw them")
    found: dict[str, Grades] = {}
    for number, line in _lines(path):
        try:
            record = read_json(line)
            text = _said(record["text"] if "text" in record else record["query"]).strip()
            answers: Any = next((record[key] for key in LOG_ANSWERS if record.get(key)), [])
            grades = answers.items() if isinstance(answers, Mapping) else ((one, 1.0) for one in _listed(answers))
            own = found.setdefault(text, {})
            for document, grade in grades:
                name = _named(_said(document))
                own[name] = max(own.get(name, 0.0), _grade(grade))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f'{path} line {number}: {{"text": ..., "relevant": [documents]}} expected, found {error!r}'
            ) from error
    positive = _positive({text: judged for text, judged in found.items() if text})
    if not positive:
        raise ConfigError(
            f"{path} names no right answer: give `queries.judgments` (qrels.tsv), or `relevant` in its lines"
        )
    return JudgedQueries({text: text for text in positive}, positive, str(path))


def drawn_items(generation: Generation, count: int = DRAWN_ITEMS) -> JudgedQueries:
    """Known items of a corpus that nobody judged: what an author calls a chunk (docstring, heading, title) asks for it.

    The same ones for the same chunks. Raises ConfigError where nothing in the corpus is named.
    """
    named = [one for one in draw(pieces(generation, generation.live, count), 0) if one.kind in NAMING][:count]
    if not named:
        raise ConfigError(
            "nothing in this corpus has a docstring, heading or title to ask for; name `queries` in xtr.yaml"
        )
    texts = {f"{one.chunk_id}": one.text for one in named}
    return JudgedQueries(texts, {query: {query: 1.0} for query in texts}, "drawn from the corpus", True)


def missing_documents(judged: JudgedQueries, generation: Generation) -> list[str]:
    """The right answers that are not in the generation, ascending: nobody finds them, and every measure is lower by
    them. ConfigError where none is in it, whatever was judged wrong: every measure would be 0, and none of them one."""
    right = {name for grades in judged.grades.values() for name, grade in grades.items() if grade > 0}
    found = set[str]().union(*named_by(generation, right).values())
    if found:
        return sorted(right - found)
    live = (
        placed.segment.chunks()["path"][int(rows[0])].as_py()
        for placed in generation.segments
        if len(rows := np.flatnonzero(generation.live[placed.base_row : placed.end_row]))
    )
    raise ConfigError(
        f"none of the {len(right):,} documents that {judged.origin} judges right is in {kind_of(generation)} "
        f"{generation.number}, "
        f"such as {sorted(right)[0]!r}; they are named by path, symbol or chunk_id, as {next(live, '')!r} is"
    )


def kind_of(generation: Generation) -> str:
    """What people call it: the generations of a set of parts serve by a move."""
    return "move" if isinstance(generation, JoinedGeneration) else "generation"


def named_by(generation: Generation, judged: set[str]) -> dict[Unit, set[str]]:
    """The judged documents that name live rows of a generation, by which of UNITS they do; none of the other units."""
    names, found = pa.array(sorted(judged), pa.string()), dict[Unit, set[str]]()
    for placed in generation.segments:
        rows, live = placed.segment.chunks(), pa.array(generation.live[placed.base_row : placed.end_row])
        for unit in UNITS:
            column = pc.cast(rows[unit], pa.string()) if unit == "chunk_id" else rows[unit]
            there = column.filter(pc.and_(pc.is_in(column, value_set=names), live))
            if len(there):
                found.setdefault(unit, set()).update(pc.unique(there).to_pylist())
    return found


def unit_of(generation: Generation, judged: set[str]) -> Unit | None:
    """What a document is where all that are judged are named alike; None where some are this and some are that."""
    found = named_by(generation, judged)
    return next(iter(found)) if len(found) == 1 else None


def document_names(rows: Mapping[str, list[Any]], judged: set[str], unit: Unit | None = None) -> list[str]:
    """What each row of chunk columns (symbol, path, chunk_id) is called where documents are judged.

    A chunk stands for the first of its symbol, its path and its chunk_id that is judged. Else it is of the document
    that it would be of if it were judged as others are (`unit`); where these are judged in several ways, of its symbol
    in its file: the introductions of two files are two.

    >>> rows = {"symbol": ["f", "g", "g"], "path": ["a.py", "b.txt", "c.txt"], "chunk_id": [3, 4, 5]}
    >>> document_names(rows, {"a.py"}, "path"), document_names(rows, {"a.py"})
    (['a.py', 'b.txt', 'c.txt'], ['a.py', 'b.txt g', 'c.txt g'])
    """
    names = []
    for symbol, path, chunk in zip(rows["symbol"], rows["path"], rows["chunk_id"], strict=True):
        own = path if unit == "path" else str(chunk) if unit == "chunk_id" else f"{path} {symbol}".rstrip()
        names.append(next((one for one in (symbol, path, str(chunk)) if one in judged), own))
    return names


def _of(texts: Mapping[str, str], grades: Mapping[str, Grades], queries: Path, judgments: Path) -> JudgedQueries:
    common = sorted(texts.keys() & grades.keys())
    if not common:
        raise ConfigError(f"no query of {queries} is judged in {judgments}; the ids must be the same")
    return JudgedQueries({one: texts[one] for one in common}, {one: grades[one] for one in common}, str(queries))


def _asked(path: Path) -> dict[str, str]:
    """Texts by id. ConfigError where one id asks two texts: nobody knows which of them was judged."""
    texts: dict[str, str] = {}
    for query, text in read_jsonl_queries(path):
        if texts.setdefault(query, text) != text:
            raise ConfigError(
                f"{path}: the id {query!r} asks {texts[query][:60]!r} and {text[:60]!r}; give each text its own"
            )
    return texts


def _lines(path: Path) -> list[tuple[int, str]]:
    """(number from 1, line) of the lines that hold something."""
    try:
        # A mark of byte order is no part of the first query's id.
        lines = path.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no UTF-8 (byte {error.start}); write it in UTF-8") from error
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _positive(found: Mapping[str, Grades]) -> dict[str, Grades]:
    return {query: judged for query, judged in found.items() if any(grade > 0 for grade in judged.values())}


def _listed(answers: Any) -> list[Any]:
    if not isinstance(answers, list):
        raise TypeError(f"a list of documents is needed, found {answers!r}")
    return answers


def _said(value: Any) -> str:
    """A text or number as text. ValueError for a null, which would be the word None, for whatever else has brackets or
    a capital in Python's words, and for half a character."""
    if value is None:
        raise ValueError("a null")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"a text is needed, found {value!r:.60}")
    text = str(value)
    text.encode("utf-8")
    return text


def _named(name: str) -> str:
    """ValueError where nothing is named: every chunk without a symbol would be that document."""
    if not name:
        raise ValueError("an empty id")
    return name


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _grade(value: Any) -> float:
    grade = float(value)
    if not math.isfinite(grade):
        raise ValueError(f"a grade is a finite number, found {value!r}")
    return grade
