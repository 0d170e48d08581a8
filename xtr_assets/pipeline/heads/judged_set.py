"""Judged sets in BEIR's form, for measuring a head: never for training it."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xtr_assets.core.errors import ConfigError
from xtr_assets.core.lexical_terms import document_terms, query_terms
from xtr_assets.core.types import Floats, encoded_text
from xtr_assets.index.lexical.index import LexicalIndex, LexicalPart
from xtr_assets.index.lexical.postings import open_postings
from xtr_assets.index.lexical.postings_writer import write_postings
from xtr_assets.pipeline.quality.judged_queries import read_judgments

CORPUS, QUERIES, JUDGMENTS = "corpus.jsonl", "queries.jsonl", "qrels.tsv"
# Documents of a large corpus that stand among those that are right; every head is asked for the same.
MOST_DOCUMENTS = 6500
# Files of a folder that is kept apart.
SUFFIXES = (".py", ".md", ".rst", ".txt")


@dataclass(frozen=True, slots=True)
class JudgedTexts:
    """Questions, answers, and which answers (by place) are right for each question, with their grades."""

    name: str
    questions: Sequence[str]
    answers: Sequence[str]
    right: Sequence[Mapping[int, float]]


def read_beir(folder: Path, most: int) -> JudgedTexts:
    """A folder with corpus.jsonl, queries.jsonl and qrels.tsv; `most` of its judged questions, drawn by name."""
    corpus, queries = _records(folder / CORPUS), _records(folder / QUERIES)
    texts = {name: encoded_text(title, text) for name, title, text in corpus}
    judgments = read_judgments(folder / JUDGMENTS)
    # A question whose right answers all lie elsewhere has no measure, whatever else is judged for it.
    right_of = {name: {d: grade for d, grade in own.items() if grade > 0} for name, own in judgments.items()}
    asked = {name: text for name, _, text in queries if right_of.get(name, {}).keys() & texts.keys()}
    if not asked:
        raise ConfigError(f"{folder}: no question of {QUERIES} is judged in {JUDGMENTS} for a text of {CORPUS}")
    chosen = sorted(asked, key=lambda name: random.Random(name).random())[:most]
    needed = {document for name in chosen for document in judgments[name]} & set(texts)
    others = sorted(set(texts) - needed, key=lambda name: random.Random(name).random())
    names = [*sorted(needed), *others[: max(0, MOST_DOCUMENTS - len(needed))]]
    place = {name: nth for nth, name in enumerate(names)}
    right = [{place[d]: score for d, score in judgments[name].items() if d in place} for name in chosen]
    return JudgedTexts(folder.name, [asked[name] for name in chosen], [texts[name] for name in names], right)


def word_scores(texts: JudgedTexts, folder: Path) -> Floats:
    """BM25 of each question in each answer, float32 [questions, answers], by the product's own index, whose postings
    are written below `folder`."""
    postings = folder / f"words {len(list(folder.iterdir()))}"
    postings.mkdir()
    write_postings(postings, (document_terms("", None, "", text) for text in texts.answers))
    count = len(texts.answers)
    with LexicalIndex([LexicalPart(0, open_postings(postings, count))], np.ones(count, np.bool_)) as index:
        rows = np.arange(count)
        return np.array([index.score(query_terms(text), rows) for text in texts.questions], np.float32)


def reference_texts(judged: Sequence[Path], apart: Sequence[Path]) -> dict[str, list[str]]:
    """The texts that no pair may be a near copy of, by name: whole judged sets, and the files of folders."""
    found, names = {}, iter(names_of([*judged, *apart]))
    for folder in judged:
        records = [*_records(folder / CORPUS), *_records(folder / QUERIES)]
        found[next(names)] = [encoded_text(title, text) for _, title, text in records]
    for folder in apart:
        if not folder.is_dir():
            raise ConfigError(f"what is to be kept apart is {folder}, which is no folder")
        paths = (path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES)
        inside = (path for path in paths if "site-packages" not in path.parts and path.is_file())
        name = next(names)
        found[name] = [path.read_text("utf-8", "replace") for path in inside]
        if not found[name]:
            raise ConfigError(
                f"what is to be kept apart, {folder}, holds no file that is read ({', '.join(SUFFIXES)}), so that no "
                "pair would be held against it; name another folder, or take it out"
            )
    return found


def names_of(folders: Sequence[Path]) -> list[str]:
    """A name for each folder: its own, with a number behind it where one before it is called alike.

    >>> names_of([Path("a/test"), Path("b/test"), Path("c")])
    ['test', 'test (2)', 'c']
    """
    found: list[str] = []
    for folder in folders:
        own = folder.resolve().name
        others = (f"{own} ({nth})" for nth in range(2, len(folders) + 2))
        found.append(own if own not in found else next(one for one in others if one not in found))
    return found


def _records(path: Path) -> list[tuple[str, str, str]]:
    """(_id, title, text) of each line. ConfigError names the line that is wrong."""
    if not path.is_file():
        raise ConfigError(f"no file at {path}; a judged set is a folder with {CORPUS}, {QUERIES} and {JUDGMENTS}")
    found = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8"))
                found.append((str(record["_id"]), str(record.get("title") or ""), str(record["text"] or "")))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ConfigError(f'{path} line {number}: {{"_id", "text"}} expected, found {line[:60]!r}') from error
    return found
