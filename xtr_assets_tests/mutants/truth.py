"""What an index over a corpus must hold, read from the files themselves: no source, chunker or writer of the package.

json, ast and line slices give the chunks; ids are digested here; texts are encoded by an encoder of its own.
"""

import ast
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from xtr_assets.core.lexical_terms import document_terms, query_terms
from xtr_assets.encoders.hashing import Hashing
from xtr_assets_tests.mutants.corpus import Corpus
from xtr_assets_tests.mutants.document_file import TOLD

Row = dict[str, Any]
Matrix = npt.NDArray[np.float32]
# Made before anything is planted: what a fault does to the package's encoder it does not do to this one's results.
DIM, TOKEN_DIM = 64, 32
# As they are before anything is planted: a fault replaces what modules call by name.
_TERMS = (document_terms, query_terms)
# The longest text of a record that is one chunk (`max_chars` of the corpus).
MAX_CHARS = 600


@dataclass(frozen=True)
class Truth:
    """The chunks by chunk_id, and by id what a text's vectors are."""

    rows: dict[int, Row]

    @cached_property
    def ids(self) -> npt.NDArray[np.int64]:
        return np.array(sorted(self.rows), np.int64)

    @cached_property
    def encoded(self) -> "Vectors":
        return encode([text_of(self.rows[one]) for one in self.ids.tolist()])

    @cached_property
    def words(self) -> "Words":
        return Words([_TERMS[0](row["path"], row["symbol"], row["title"], row["text"]) for row in self._ordered()])

    def _ordered(self) -> list[Row]:
        return [self.rows[one] for one in self.ids.tolist()]


class Words:
    """BM25 over the terms of each text, by the book."""

    def __init__(self, texts: list[list[str]]) -> None:
        self._counts = [Counter(terms) for terms in texts]
        self._mean = sum(map(len, texts)) / len(texts)
        self._frequency = Counter(term for counts in self._counts for term in counts)

    def scores(self, question: str) -> Matrix:
        """Of every text."""
        return np.array([self._score(counts, _TERMS[1](question)) for counts in self._counts], np.float32)

    def _score(self, counts: Counter[str], question: list[str]) -> float:
        norm = 1.2 * (0.25 + 0.75 * counts.total() / self._mean)
        return sum(
            math.log(1 + (len(self._counts) - self._frequency[term] + 0.5) / (self._frequency[term] + 0.5))
            * 2.2 * counts[term] / (counts[term] + norm)
            for term in question
            if counts[term]
        )  # fmt: skip


@dataclass(frozen=True)
class Vectors:
    """embeddings float32 [n, dim]; tokens float32 [t, d] a text; token_ids int32 [t] a text."""

    embeddings: Matrix
    tokens: tuple[Matrix, ...]
    token_ids: tuple[npt.NDArray[np.int32], ...]

    def nearest(self, query: Matrix) -> Matrix:
        """The cosine with every text."""
        return self.embeddings @ query

    def maxsim(self, query: Matrix) -> Matrix:
        """MaxSim per query token with every text."""
        products = query @ self._all.T
        best = np.maximum.reduceat(products, self._starts, axis=1)
        found: Matrix = best.sum(axis=0) / np.float32(len(query))
        return found

    @cached_property
    def _all(self) -> Matrix:
        return np.concatenate(self.tokens)

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum([len(one) for one in self.tokens])[:-1]]).astype(np.int64)


def encode(texts: list[str]) -> Vectors:
    """Each text on its own, so that nothing depends on what stands beside it."""
    encoder = Hashing(DIM, TOKEN_DIM)
    found = [encoder.encode_documents([text]) for text in texts]
    return Vectors(
        np.concatenate([one.embeddings.astype(np.float32) for one in found]),
        tuple(one.tokens.astype(np.float32) for one in found),
        tuple(one.token_ids for one in found),
    )


def truth_of(corpus: Corpus) -> Truth:
    """Read the files."""
    rows: dict[int, Row] = {}
    for read in (_modules, _pages, _notes, _papers, _scripts, _tickets):
        for row in read(corpus.folder):
            identity = _id(row)
            assert identity not in rows, "the corpus has one place twice"
            rows[identity] = row
    return Truth(rows)


def text_of(row: Row) -> str:
    return "\n".join(filter(None, (row["title"], row["text"])))


# What stands before the first sentence of what is said of a definition, by the suffix.
_STARRED = r"/\*\* "
_ABOVE = {
    ".py": '"""',
    ".r": "#' ",
    ".lua": "--- ",
    ".jl": r"\)\n\n",
    ".ps1": r"\.SYNOPSIS\n",
    ".go": "// ",
    ".rb": "# ",
    ".clj": ";; ",
    ".scss": "// ",
    ".vim": '" ',
}
_ABOVE[".sql"] = "-- "


def name_of(row: Row) -> str:
    """What is encoded as the name of a row: code has one, of path, symbol and what is said of it first."""
    if row["source"] not in ("code", "scripts", "settings"):
        return ""
    called = "" if row["symbol"].startswith("<") else row["symbol"]
    words = re.findall(r"[A-Z](?![a-z])|[A-Z]?[a-z0-9]+", f"{row['path'].split('.')[0]} {called}")
    said = (
        None
        if row["source"] == "settings"
        else re.search(rf"{_ABOVE.get(Path(row['path']).suffix, _STARRED)}(.*?)\.", row["text"])
    )
    name = " ".join(dict.fromkeys(word.lower() for word in words))
    return f"{name}: {said[1]}" if said else name


def _row(source: str, path: str, symbol: str, kind: str, lines: tuple[int, int], title: str, text: str) -> Row:
    return {
        "source": source,
        "path": path,
        "symbol": symbol,
        "kind": kind,
        "part": 0,
        "start_line": lines[0],
        "end_line": lines[1],
        "title": title,
        "text": text,
        "metadata": {},
    }


def _id(row: Row) -> int:
    digest = hashlib.blake2b(digest_size=8, person=b"xtr-chunk-1")
    for name in ("source", "path", "symbol"):
        data = row[name].encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    digest.update(row.get("occurrence", 0).to_bytes(8, "little") + row["part"].to_bytes(8, "little"))
    return int.from_bytes(digest.digest(), "little") & (2**63 - 1)


def _modules(folder: Path) -> Iterator[Row]:
    for file in sorted((folder / "code").glob("*.py")):
        text = file.read_bytes().decode("utf-8")
        lines = text.split("\n")

        def row(
            name: str, kind: str, first: int, last: int, title: str = "", *, at: Path = file, of: Any = lines
        ) -> Row:
            return _row("code", at.name, name, kind, (first, last), title, "\n".join(of[first - 1 : last]))

        for node in ast.parse(text).body:
            last = node.end_lineno or 0
            if isinstance(node, ast.FunctionDef):
                yield row(node.name, "function", node.lineno, last)
            elif isinstance(node, ast.ClassDef):
                methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
                head = node.body[0].end_lineno or 0
                yield row(node.name, "class", node.lineno, head)
                for method in methods:
                    name, end = f"{node.name}.{method.name}", method.end_lineno or 0
                    yield row(name, "method", method.lineno, end, f"class {node.name}")


def _pages(folder: Path) -> Iterator[Row]:
    for file in sorted((folder / "guide").glob("*.md")):
        lines = file.read_bytes().decode("utf-8").split("\n")
        heads = [number for number, line in enumerate(lines, 1) if line.startswith("#")]
        top = lines[heads[0] - 1].lstrip("# ")
        for first, following in zip(heads, [*heads[1:], len(lines) + 1], strict=True):
            last = following - 1
            while not lines[last - 1].strip():
                last -= 1
            own = lines[first - 1].lstrip("# ")
            path = top if lines[first - 1].startswith("# ") else f"{top} > {own}"
            yield _row("guide", file.name, path, "section", (first, last), path, "\n".join(lines[first - 1 : last]))


def _notes(folder: Path) -> Iterator[Row]:
    for file in sorted((folder / "guide").glob("*.ipynb")):
        for number, cell in enumerate(json.loads(file.read_bytes())["cells"], 1):
            text = cell["source"]
            title = text.split("\n")[0].lstrip("# ") if cell["cell_type"] == "markdown" else ""
            yield _row("guide", file.name, title, "cell", (number, number), title, text)


def _papers(folder: Path) -> Iterator[Row]:
    """What documents were written to say; no parser takes part."""
    if (folder / TOLD).exists():
        for name, told in sorted(json.loads((folder / TOLD).read_bytes()).items()):
            for one in told:
                first, last = one["lines"]
                source = one.get("source", "guide")
                row = _row(source, name, one["symbol"], one["kind"], (first, last), one["title"], one["text"])
                yield row | {"metadata": one.get("metadata", {}), "occurrence": one.get("occurrence", 0)}


def _scripts(folder: Path) -> Iterator[Row]:
    for file in sorted((folder / "scripts").glob("*.js")):
        lines = file.read_bytes().decode("utf-8").split("\n")
        for first, line in enumerate(lines, 1):
            if line.startswith("/**"):
                last = next(number for number in range(first, len(lines)) if lines[number - 1] == "}")
                name = lines[first].removeprefix("function ").split("(")[0]
                yield _row(
                    "scripts", file.name, name, "function", (first, last), "", "\n".join(lines[first - 1 : last])
                )


def _tickets(folder: Path) -> Iterator[Row]:
    for file in sorted((folder / "tickets").iterdir()):
        if file.suffix == ".parquet":
            records = pq.read_table(file).to_pylist()
        else:
            records = [json.loads(line) for line in file.read_bytes().decode("utf-8").splitlines()]
        for line, one in enumerate(records, 1):
            for part, piece in enumerate(_pieces(one["text"])):
                row = _row("tickets", file.name, one["_id"], "record", (line, line), one["title"], piece)
                yield row | {"part": part, "metadata": {"team": one["team"], "title": one["title"]}}


def _pieces(text: str) -> list[str]:
    """A long record's text is cut at the end of the paragraph that brings a part to its even share."""
    if len(text) <= MAX_CHARS:
        return [text]
    paragraphs, share = text.split("\n\n"), -(-len(text) // -(-len(text) // MAX_CHARS))
    pieces = [paragraphs[0]]
    for paragraph in paragraphs[1:]:
        longer = f"{pieces[-1]}\n\n{paragraph}"
        if len(pieces[-1]) < share and len(longer) <= MAX_CHARS:
            pieces[-1] = longer
        else:
            pieces.append(paragraph)
    if len(pieces) > 1 and len(pieces[-2]) + 2 + len(pieces[-1]) <= MAX_CHARS:
        pieces[-2:] = [f"{pieces[-2]}\n\n{pieces[-1]}"]
    return pieces
