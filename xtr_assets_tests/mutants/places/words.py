"""Faults in the words: postings of the lexical index, BM25, and what a query demands."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.core.files import record
from xtr_assets_tests.mutants.fault import INCREMENTAL, Mutant, Plant, locally, on_disk, replaced

ROWS = frozenset({"rows_everywhere"})
WORDS = frozenset({"lexical_agrees"})
ANSWERS = frozenset({"lexical_agrees", "answers_agree"})


def _counted(alter: Callable[[list[list[str]]], list[list[str]]]) -> Plant:
    """The terms of a segment's rows are others on their way into postings."""
    return replaced(
        "pipeline.derive.lexical_index:terms_of", lambda original: lambda segment: alter(list(original(segment)))
    )


def _written(alter: Callable[[dict[str, Any]], None]) -> Plant:
    """`alter` changes arrays of postings once they are written: lists, documents, counts, lengths by name."""

    def make(original: Any) -> Any:
        def write(folder: Path, documents: Any) -> None:
            original(folder, documents)
            _rewrite(folder, alter)

        return write

    return replaced("index.lexical.postings_writer:write_postings", make)


def _rewrite(folder: Path, alter: Callable[[dict[str, Any]], None]) -> None:
    arrays = {name: np.load(folder / f"{name}.npy") for name in ("lists", "documents", "counts", "lengths")}
    alter(arrays)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    about = folder / "lexical.json"
    about.write_text(json.dumps({**json.loads(about.read_bytes()), "postings": len(arrays["documents"])}))


def _unlisted(arrays: dict[str, Any]) -> None:
    """Lists of more than one row lose their last one: every list has one still."""
    sizes = np.diff(arrays["lists"])
    last = arrays["lists"][1:][sizes > 1] - 1
    keep = np.ones(len(arrays["documents"]), np.bool_)
    keep[last] = False
    arrays["documents"], arrays["counts"] = arrays["documents"][keep], arrays["counts"][keep]
    arrays["lists"] = np.concatenate([[0], np.cumsum(sizes - (sizes > 1))]).astype(np.int64)


def _further(arrays: dict[str, Any]) -> None:
    rows = len(arrays["lengths"])
    moved = (arrays["documents"] + 1) % rows
    parts = [np.sort(one) for one in np.split(moved, arrays["lists"][1:-1])]
    arrays["documents"] = np.concatenate(parts).astype(np.int32)


def _long(arrays: dict[str, Any]) -> None:
    arrays["lengths"] = np.full_like(arrays["lengths"], arrays["lengths"].max())


def _once(arrays: dict[str, Any]) -> None:
    arrays["counts"] = np.ones_like(arrays["counts"])


def _turned(folder: Path) -> None:
    """Postings of segments that serve already are those of other rows, and their list says so: a writer of before."""
    for postings in sorted((folder / "warehouse" / "segments").glob("*/lexical.*")):
        _rewrite(postings, _further)
        listing = postings / "files.json"
        described = json.loads(listing.read_bytes())
        for name in described["files"]:
            one = record(postings / name)
            described["files"][name] = {"bytes": one.bytes, "sha256": one.sha256}
        listing.write_text(json.dumps(described, sort_keys=True))


def _texts_alone(original: Any) -> Any:
    return lambda _path, _symbol, title, text: original("", "", title, text)


def _live(alter: Callable[[Any], Any]) -> Plant:
    """The mask of live rows is another one for words."""

    def make(original: Any) -> Any:
        def made(self: Any, parts: Any, live: Any, **options: Any) -> None:
            original(self, parts, alter(live), **options)

        return made

    return replaced("index.lexical.index:LexicalIndex.__init__", make)


def _last_segment_dead(live: Any) -> Any:
    """As the parent had it, before the change appended its rows."""
    masked = live.copy()
    masked[-max(1, len(live) // 12) :] = False
    return masked


MUTANTS = (
    Mutant(
        "words of the second half of each segment are missing",
        "words",
        _counted(lambda rows: [*rows[: len(rows) // 2], *([] for _ in rows[len(rows) // 2 :])]),
        WORDS,
    ),
    Mutant("words of the next row", "words", _counted(lambda rows: [*rows[1:], rows[0]]), WORDS),
    Mutant("words count once a row", "words", _counted(lambda rows: [sorted(set(one)) for one in rows]), WORDS),
    Mutant(
        "words of texts, without path and symbol",
        "words",
        locally(
            "pipeline.derive.lexical_index",
            "document_terms",
            lambda original: lambda _p, _s, t, x: original("", "", t, x),
        ),
        WORDS,
    ),
    Mutant("lists of words end a row early", "words", _written(_unlisted), ROWS | WORDS),
    Mutant("lists of words name the next row", "words", _written(_further), ROWS | WORDS),
    Mutant("counts of words are lost", "words", _written(_once), ROWS | WORDS),
    Mutant("every row is as long as the longest", "words", _written(_long), ROWS | WORDS),
    Mutant(
        "postings of segments that serve are those of other rows",
        "words",
        on_disk(_turned),
        ROWS | WORDS | {"CorruptFile"},
        INCREMENTAL,
    ),
    Mutant("dead rows answer in words", "words", _live(np.ones_like), ANSWERS, INCREMENTAL, serves=True),
    Mutant("rows that came do not answer in words", "words", _live(_last_segment_dead), ANSWERS, serves=True),
    Mutant(
        "long rows are worth as much as short ones",
        "words",
        locally("index.lexical.index", "length_norms", lambda _: lambda lengths, *_m: np.full(len(lengths), 1.2, "f4")),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "rare words are worth as much as common ones",
        "words",
        locally("index.lexical.index", "term_weight", lambda _: lambda *_given: 1.0),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "words of questions are not stemmed",
        "words",
        locally("search.query_encoder", "query_terms", lambda _: lambda text, *_: text.lower().split()),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "words ignore filters",
        "words",
        replaced(
            "search.lexical_space:LexicalSpace.retrieve",
            lambda original: lambda self, queries, options: original(self, queries, replace(options, allowed=None)),
        ),
        ANSWERS,
        serves=True,
    ),
    Mutant(
        "what must stand there need not",
        "words",
        replaced("search.required_text:RequiredText.mask", lambda _: lambda _self, _query: None),
        frozenset({"answers_agree"}),
        serves=True,
    ),
    Mutant(
        "what must stand there must not",
        "words",
        replaced("search.required_text:holds_phrase", lambda original: lambda *given: not original(*given)),
        frozenset({"answers_agree"}),
        serves=True,
    ),
    Mutant(
        "what is quoted and stands nowhere is asked by its words in silence",
        "words",
        replaced("search.hit_table:Hits.__init__", lambda original: lambda self, hits=(), _="": original(self, hits)),
        frozenset({"answers_agree"}),
        serves=True,
    ),
    Mutant(
        "quotes need not stand there",
        "words",
        replaced(
            "search.answer:_loosened",
            lambda _: lambda _opened, query, _ask: replace(query, phrases=()) if query.phrases else None,
        ),
        frozenset({"answers_agree"}),
        serves=True,
    ),
)
