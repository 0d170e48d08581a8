"""A random project: its files and config, and the changes that it goes through. A seed decides everything."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.config import IndexConfig, parse_config
from xtr_assets_tests.asset_project import FolderReader
from xtr_assets_tests.git_project import GIT, Repository
from xtr_assets_tests.healthy.marked import (
    FIELDS,
    FORMS,
    TONGUES,
    configured,
    fronted,
    headed,
    odd_metadata,
    told,
    typed_columns,
)
from xtr_assets_tests.healthy.papers import SUFFIXES, printable, write_document
from xtr_assets_tests.healthy.writing import LANGUAGES, MANNERS, Language, Manner, Writer, modules

Kind = Literal[
    "jsonl",
    "parquet",
    "python",
    "markdown",
    "plain",
    "documents",
    "git",
    "asset",
    "marked",
    "tongues",
    "odd",
    "config",
]
KINDS: tuple[Kind, ...] = ("jsonl", "parquet", "python", "markdown", "plain")
# How many projects have documents besides (HTML, DOCX, PDF, notebooks), so many texts at most (a page takes 10 ms),
# and so many a file, so that few texts are of several forms.
DOCUMENTS_SHARE, MOST_DOCUMENTS, DOCUMENT_TEXTS = 0.4, 400, 8
# How many have a repository besides.
GIT_SHARE = 0.3
# How many have an upstream asset besides, each file of which is a partition.
ASSET_SHARE = 0.2
# How many have headings with marks, code of many languages, records with metadata of every type, or configuration
# besides.
MARKED_SHARE = TONGUES_SHARE = ODD_SHARE = CONFIG_SHARE = 0.25
# How many end with another head: other token embeddings of the same texts, and the same embeddings.
HEAD_SHARE = 0.15
TOKEN_DIMS = (32, 24)
Step = Literal["add", "delete", "change", "rename", "shift", "duplicate", "compact", "head"]
STEPS: tuple[Step, ...] = ("add", "delete", "change", "rename", "shift", "duplicate", "compact")
# Texts of one file: a change of one file is then a small one.
FILE_TEXTS = 40
# What a step takes away stays below what a source may lose without anybody asking.
DELETED_SHARE = 0.05
# The same of what a step copies of records.
EXPORTS, COPIED_SHARE = (".jsonl", ".parquet"), 0.1


@dataclass(frozen=True)
class Shape:
    """What a seed decides before a text is written."""

    seed: int
    size: int
    language: Language
    manner: Manner
    kinds: tuple[Kind, ...]
    shards: int
    queries: int
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, seed: int, most: int, least: int = 1) -> "Shape":
        """From `least` to `most` texts, log-uniform."""
        draw = random.Random(f"shape {seed}")
        # By a draw of its own: a seed is the project that it was before there were any.
        documents: list[Kind] = ["documents"] * (random.Random(f"papers {seed}").random() < DOCUMENTS_SHARE)
        repository: list[Kind] = ["git"] * (GIT and random.Random(f"git {seed}").random() < GIT_SHARE)
        upstream: list[Kind] = ["asset"] * (random.Random(f"asset {seed}").random() < ASSET_SHARE)
        besides: dict[Kind, float] = {
            "marked": MARKED_SHARE,
            "tongues": TONGUES_SHARE,
            "odd": ODD_SHARE,
            "config": CONFIG_SHARE,
        }
        head: list[Step] = ["head"] * (random.Random(f"head {seed}").random() < HEAD_SHARE)
        more = [kind for kind, share in besides.items() if random.Random(f"{kind} {seed}").random() < share]
        return cls(
            seed=seed,
            size=round(math.exp(draw.uniform(math.log(least), math.log(most)))),
            language=draw.choice(LANGUAGES),
            manner=draw.choices(MANNERS, (5, 1, 1, 2, 2, 1))[0],
            kinds=(*sorted(draw.sample(KINDS, draw.choice((1, 1, 2, 3)))), *documents, *repository, *upstream, *more),
            shards=draw.choice((1, 1, 1, 2, 4)),
            queries=draw.choice((0, 0, 0, 20, 300)),
            steps=(*draw.choices(STEPS, (4, 2, 3, 1, 2, 2, 2), k=draw.randint(1, 3)), *head),
        )

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.size} texts, {self.language}, {self.manner}, {'+'.join(self.kinds)}, "
            f"{self.shards} shards, {self.queries} queries, then {', '.join(self.steps)}"
        )


class Project:
    """Files below `folder`, one source for each kind."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        self.folder, self.shape = folder, shape
        self.writer = Writer(shape.seed, shape.language, shape.manner)
        self.random = random.Random(f"files {shape.seed}")
        self._number, self._heads = 0, 0
        share = max(1, shape.size // len(shape.kinds))
        for kind in shape.kinds:
            (folder / kind).mkdir(parents=True)
            most, step = (min(share, MOST_DOCUMENTS), DOCUMENT_TEXTS) if kind == "documents" else (share, FILE_TEXTS)
            for start in range(0, most, step):
                self.write(kind, min(step, most - start))
        self.commit()
        if shape.queries:
            lines = [json.dumps({"_id": f"q{number}", "text": self.writer.query()}) for number in range(shape.queries)]
            (folder / "queries.jsonl").write_text("\n".join(lines) + "\n", "utf-8")

    @property
    def config(self) -> IndexConfig:
        kinds = {"jsonl": "records", "parquet": "records", "python": "python", "git": "git", "asset": "asset"}
        kinds |= {"tongues": "code", "odd": "records", "config": "config"}
        sources = [
            {
                "name": kind,
                "kind": kinds.get(kind, "text"),
                "asset" if kind == "asset" else "path": kind,
                "shards": self.shape.shards,
                **({"metadata": list(FIELDS)} if kind == "odd" else {}),
            }
            for kind in self.shape.kinds
        ]
        encoder = {"kind": "hashing", "token_dim": TOKEN_DIMS[self._heads % len(TOKEN_DIMS)]}
        settings: dict[str, Any] = {"name": "healthy", "sources": sources, "encoder": encoder}
        if self.shape.queries:
            settings["queries"] = {"path": "queries.jsonl"}
        return parse_config(json.dumps(settings), self.folder)

    @property
    def reader(self) -> FolderReader:
        """For as long as a build reads the asset."""
        return FolderReader(self.folder / "asset")

    def step(self, step: Step) -> None:
        """Change the files, or the encoder's head; a compaction changes none."""
        changes: dict[Step, Callable[[], None]] = {
            "add": self._add,
            "delete": self._delete,
            "change": self._change,
            "rename": self._rename,
            "shift": self._shift,
            "duplicate": self._duplicate,
            "compact": lambda: None,
            "head": self._other_head,
        }
        changes[step]()
        self.commit()

    def commit(self) -> None:
        """What lies in the repository, where there is one."""
        if "git" in self.shape.kinds:
            Repository(self.folder / "git").commit()

    def files(self, *suffixes: str) -> list[Path]:
        found = [path for kind in self.shape.kinds for path in self._files_of(kind)]
        return sorted(path for path in found if not suffixes or path.suffix in suffixes)

    def _files_of(self, kind: Kind) -> list[Path]:
        return sorted(path for path in (self.folder / kind).iterdir() if path.is_file())

    def write(self, kind: Kind, texts: int) -> None:
        """One more file of so many texts."""
        self._number += 1
        stem = self.folder / kind / f"f{self._number:04d}"
        # A repository holds code and text, file by file.
        kind = ("python", "markdown")[self._number % 2] if kind == "git" else kind
        # Metadata is of lines and of tables.
        odd = kind == "odd"
        # An asset gives tables and lists of records.
        kind = ("parquet", "jsonl")[self._number % 2] if kind in ("asset", "odd") else kind
        if kind == "python":
            stem.with_suffix(".py").write_text(self._module(texts), "utf-8")
        elif kind == "markdown":
            stem.with_suffix(".md").write_text("\n\n".join(self._section() for _ in range(texts)) + "\n", "utf-8")
        elif kind == "marked":
            suffix = (".md", ".rst")[self._number % 2]
            parts = (headed(self.random, self._line, self.writer.text, suffix) for _ in range(texts))
            front = fronted(self.random, self._line) if suffix == ".md" else ""
            stem.with_suffix(suffix).write_text(front + "\n\n".join(parts) + "\n", "utf-8")
        elif kind == "tongues":
            suffix = TONGUES[self._number % len(TONGUES)]
            names = (f"f{self._number}_{number}" for number in range(texts))
            parts = (told(self.random, name, self.writer.text, suffix) for name in names)
            stem.with_suffix(suffix).write_text("\n".join(parts) + "\n", "utf-8")
        elif kind == "config":
            suffix = FORMS[self._number % len(FORMS)]
            names = (f"f{self._number}_{number}" for number in range(texts))
            parts = (configured(self.random, name, self.writer.text, suffix) for name in names)
            stem.with_suffix(suffix).write_text("\n".join(parts) + "\n", "utf-8")
        elif kind == "documents":
            self._write_document(stem.with_suffix(SUFFIXES[self._number % len(SUFFIXES)]), texts)
        elif kind == "plain":
            stem.with_suffix(".txt").write_text("\n\n".join(self.writer.text() for _ in range(texts)) + "\n", "utf-8")
        elif kind == "jsonl":
            lines = (
                json.dumps(self._record(number, odd_metadata if odd else None), ensure_ascii=False)
                for number in range(texts)
            )
            stem.with_suffix(".jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        else:
            rows = [self._record(number, typed_columns if odd else None) for number in range(texts)]
            pq.write_table(pa.Table.from_pylist(rows), stem.with_suffix(".parquet"))

    def _write_document(self, path: Path, texts: int) -> None:
        """Titles and texts; no PDF where its font lacks letters."""
        parts = [(self.writer.title(), self.writer.text()) for _ in range(texts)]
        letters = "".join(title + text for title, text in parts)
        write_document(path if path.suffix != ".pdf" or printable(letters) else path.with_suffix(".htm"), parts)

    def _line(self) -> str:
        return " ".join(self.writer.title().split())

    def _record(self, number: int, fields: Callable[..., dict[str, Any]] | None) -> dict[str, Any]:
        text = self.writer.text()
        return {
            **({} if fields is None else fields(self.random, lambda: self.writer.words(1)[0])),
            "_id": f"{self._number}-{number}",
            "title": self.writer.title(),
            "text": text if text.strip() else "none",
        }

    def _section(self) -> str:
        return f"## {self.writer.title()}\n\n{self.writer.text()}"

    def _module(self, texts: int) -> str:
        """Functions whose docstrings are the texts; in the manner "real" a module of the standard library."""
        if self.shape.manner == "real":
            return self.random.choice(modules()).read_text("utf-8", "replace")
        functions = []
        for number in range(texts):
            told = self.writer.text().replace("\\", " ").replace('"', "'")
            body = " ".join(self.writer.words(8)).replace("\\", " ").replace("'", " ").replace("\n", " ")
            functions.append(f'def f{self._number}_{number}(value):\n    """{told}"""\n    return \'{body}\'\n')
        return "\n\n".join(functions)

    def _add(self) -> None:
        for _ in range(max(1, len(self.files()) // 20)):
            self.write(self.random.choice(self.shape.kinds), max(1, min(FILE_TEXTS, self.shape.size // 10)))

    def _delete(self) -> None:
        """A file of each source that has twenty, else a line or two of a file of records."""
        for kind in self.shape.kinds:
            files = self._files_of(kind)
            if len(files) >= 1 / DELETED_SHARE:
                self.random.choice(files).unlink()
            elif kind == "jsonl":
                lines = files[0].read_text("utf-8").splitlines(keepends=True)
                if len(lines) * DELETED_SHARE >= 1:
                    files[0].write_text("".join(lines[1:]), "utf-8")

    def _change(self) -> None:
        """Some texts are others now."""
        path = self.random.choice(self.files())
        if path.suffix == ".parquet":
            rows = pq.read_table(path).to_pylist()
            rows[len(rows) // 2]["text"] = f"{self.writer.text()} changed"
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif path.suffix == ".jsonl":
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            rows[len(rows) // 2]["text"] = f"{self.writer.text()} changed"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        elif path.suffix in (*SUFFIXES, ".htm"):
            self._write_document(path, DOCUMENT_TEXTS)
        elif path.suffix == ".py":
            text = path.read_text("utf-8")
            path.write_text(f"{text}\n\ndef changed_{self.random.randrange(10**6)}():\n    return 'changed'\n", "utf-8")
        elif path.suffix in TONGUES:
            said = told(self.random, f"changed_{self.random.randrange(10**6)}", self.writer.text, path.suffix)
            path.write_text(f"{path.read_text('utf-8')}\n{said}\n", "utf-8")
        else:
            path.write_text(f"{path.read_text('utf-8')}\n\n{self.writer.text()}\n", "utf-8")

    def _rename(self) -> None:
        path = self.random.choice(self.files())
        path.rename(path.with_stem(f"renamed{self.random.randrange(10**6)}"))

    def _other_head(self) -> None:
        self._heads += 1

    def _shift(self) -> None:
        """Lines move, and nothing else."""
        files = self.files(".py", ".md", ".txt", ".jsonl", ".rst", ".go", ".rs")
        for path in self.random.sample(files, min(len(files), 5)):
            path.write_text("\n\n" + path.read_text("utf-8"), "utf-8")

    def _duplicate(self) -> None:
        """A file under another name as well. An export that holds much of its source grows in its place: a copy of most
        of it looks like a join that fans out, and is asked about."""
        path = self.random.choice(self.files())
        if path.suffix in EXPORTS:
            whole = sum(one.stat().st_size for one in path.parent.iterdir())
            if path.stat().st_size > COPIED_SHARE * whole:
                self._add()
                return
        path.with_stem(f"copy{self.random.randrange(10**6)}").write_bytes(path.read_bytes())
