"""Every parser of files that come from somewhere else: what it is fed, and what may come of it."""

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.config import SourceConfig, parse_config
from xtr_assets.core.errors import ConfigError, CorruptFile, InvalidInput, ProviderError, StorageError
from xtr_assets.core.lexical_terms import document_terms, needed_terms, query_terms
from xtr_assets.core.phrases import holds_phrase
from xtr_assets.core.query_syntax import parse_query
from xtr_assets.core.raw_arrays import open_array
from xtr_assets.core.types import Chunk
from xtr_assets.core.where_syntax import parse_where
from xtr_assets.encoders.bert_numpy import map_tensors
from xtr_assets.search.loaders import TokenIndexFile
from xtr_assets.sources import open_source
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.manifest import Listing, Manifest, SegmentInfo
from xtr_assets.storage.pointer import pointed_number
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.stored_json import Stored
from xtr_assets.storage.warehouse_info import WarehouseInfo
from xtr_assets_tests.books import LETTER, NOVEL
from xtr_assets_tests.core.chunking import config_samples
from xtr_assets_tests.documents import LEAFLET, MANUAL, PAGE, word
from xtr_assets_tests.presentations import DECK

COMPAT = Path(__file__).parents[1] / "compat" / "format-5"


@dataclass(frozen=True)
class Target:
    """A parser. `parse` gets the bytes and an empty folder; it may raise `errors` and nothing else.

    seeds : whole inputs, which a fuzzer changes a little. words : what it puts in, beside any bytes.
    """

    parse: Callable[[bytes, Path], object]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    errors: tuple[type[Exception], ...] = ()


def _source(kind: str, suffix: str) -> Callable[[bytes, Path], object]:
    def parse(data: bytes, folder: Path) -> None:
        (folder / f"a{suffix}").write_bytes(data)
        settings = {"name": "s", "kind": kind, "path": folder, "max_chars": 200, "include": ["*"]}
        lines = max(1, data.count(b"\n") + data.count(b"\r") + 1)
        for one in open_source(SourceConfig.model_validate(settings)).read(f"a{suffix}"):
            if isinstance(one, Chunk):
                assert one.text.strip() and "\0" not in one.text, one
                assert 1 <= one.start_line <= one.end_line, one
                placed = kind == "records" or suffix in (".ipynb", ".docx", ".odt", ".pptx", ".epub", ".pdf")
                assert placed or one.end_line <= lines or b"\0" in data, (one, lines)
                one.text.encode("utf-8")
            else:
                # The net under all parsers says "unreadable": what falls into it was foreseen by none of them.
                assert one.reason != "unreadable", one.detail

    return parse


def _stored(model: type[Stored] | type[TokenIndexFile]) -> Callable[[bytes, Path], object]:
    def parse(data: bytes, _folder: Path) -> None:
        try:
            value = model.from_bytes(data, "the-file.json")
        except StorageError as error:
            assert "the-file.json" in str(error), error
            raise
        # What was read can be written.
        value.to_bytes()

    return parse


def _where(data: bytes, _folder: Path) -> None:
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        return
    parse_where(given)


def _query(data: bytes, _folder: Path) -> None:
    # Halves of characters too: a query comes from anywhere.
    text = data.decode("utf-8", "surrogateescape")
    query = parse_query(text)
    assert parse_query(text, "plain").text == text
    for demanded in (*query.phrases, *query.required):
        assert holds_phrase(query.text, demanded), (query, demanded)
    stored = set(document_terms(text, text, text, text))
    # A language that is named asks for its files as well.
    assert {term for term in query_terms(text) if term[0] != "."} <= stored
    for alternatives in needed_terms(text):
        assert stored & set(alternatives), alternatives


def _config(data: bytes, folder: Path) -> None:
    parse_config(data, folder)


def _pointer(data: bytes, _folder: Path) -> None:
    number = pointed_number(data, "PUBLISHED")
    # Nothing is read as a number but that number, alone or with its own check.
    check = hashlib.sha256(b"%d\n" % number).hexdigest()[:16].encode()
    assert data in (b"%d\n" % number, b"%d %s\n" % (number, check)), data


def _array(data: bytes, folder: Path) -> None:
    (folder / "a.npy").write_bytes(data)
    try:
        assert open_array(folder / "a.npy", "the-file.npy", np.float32, (None, 3)).shape[1] == 3
    except CorruptFile as error:
        assert "the-file.npy" in str(error), error
        raise


def _tensors(data: bytes, folder: Path) -> None:
    (folder / "a.safetensors").write_bytes(data)
    for name, tensor in map_tensors(folder / "a.safetensors").items():
        assert isinstance(name, str) and tensor.dtype == np.float32


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _safetensors() -> bytes:
    from safetensors.numpy import save

    return save({"a": np.ones((2, 3), np.float32), "b": np.zeros(4, np.float32)})


def _parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"_id": ["a", "b"], "title": ["t", None], "text": ["one two", "three"], **columns}), file)
    return file.getvalue()


def _held(pattern: str) -> tuple[bytes, ...]:
    """Files of the golden warehouse."""
    return tuple(path.read_bytes() for path in sorted(COMPAT.glob(f"**/{pattern}"))[:3])


CODE = {
    ".js": b"// c\nexport class A {\n  m(x) { return `a${x}` }\n}\nconst f = async (x) => { return 1 }\n",
    ".ts": b"interface I { a: string }\nexport function g<T>(x: T): T { return x }\n",
    ".go": b"package p\n\n// F does\nfunc (r *R) F(a int) error { return nil }\ntype T struct { a int }\n",
    ".rs": b"/// doc\nimpl A { fn f(&self) -> u8 { 1 } }\nmod m { pub fn g() {} }\n",
    ".c": b"#include <a.h>\n/* c */\nstatic int f(int *a) {\n  return *a;\n}\nstruct s { int a; };\n",
    ".sql": b"-- c\nCREATE TABLE a (b int);\nCREATE FUNCTION f() RETURNS int AS $$ SELECT 1 $$ LANGUAGE sql;\n",
}
JSON_WORDS = (
    b"null",
    b"1e999",
    b"-1",
    b"NaN",
    b"9" * 5000,
    b'"\\ud800"',
    b'"\\u0000"',
    b"[" * 3000,
    b"{}",
    b"[]",
    b"2",
)
TEXT_WORDS = (b"\r", b"\r\n", b"\x0c", b"\xe2\x80\xa8", b"\xff\xfe", b"\0", b"```\n", b"---\n", b"\t", b"\xef\xbb\xbf")
CONFIG = {
    ".yml": config_samples.WORKFLOW,
    ".yaml": config_samples.MANIFESTS,
    ".toml": config_samples.PROJECT,
    ".ini": config_samples.SETTINGS,
    ".dockerfile": config_samples.IMAGE,
    ".mk": config_samples.MAKE,
    ".cmake": config_samples.CMAKE,
    ".gradle": config_samples.GRADLE,
}

TARGETS: dict[str, Target] = {
    "jsonl": Target(
        _source("records", ".jsonl"),
        (b'{"_id": "a", "title": "t", "text": "one"}\n{"_id": 2, "text": "two", "n": [1, {"a": null}]}\n',),
        JSON_WORDS,
    ),
    "parquet": Target(
        _source("records", ".parquet"), (_parquet(), _parquet(more=[[1], [2, 3]])), (b"PAR1", b"\xff" * 8)
    ),
    "markdown": Target(
        _source("text", ".md"),
        (
            b"---\na: b\n---\n# One\n\ntext\n\nTwo\n===\n\n```py\nx\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
            b"<pre>\n# x\n</pre>\n",
        ),
        (*TEXT_WORDS, b"# ", b"> ", b"- ", b"+++\n", b"<script>", b"$$\n", b"    ", b"[a]: b\n", b"[^1]: "),
    ),
    "html": Target(
        _source("text", ".html"),
        (PAGE.encode(), b"<meta charset=utf-16><table>a<tr><td>b<h2>c</table><b><p>d</b>e"),
        (*TEXT_WORDS, b"<!--", b"<![CDATA[", b"<a ", b"</", b"<svg>", b"<nav>", b"&#0;", b"&#xd800;", b"<td>", b"<?"),
    ),
    "docx": Target(
        _source("text", ".docx"), (MANUAL, word([["a", "b"]], "c")), (b"PK\x03\x04", b"PK\x01\x02", b"\xff" * 8)
    ),
    "pptx": Target(_source("text", ".pptx"), (DECK,), (b"PK\x03\x04", b"PK\x01\x02", b"\xff" * 8)),
    "pdf": Target(
        _source("text", ".pdf"),
        (LEAFLET,),
        (
            b"endobj",
            b"2 0 R",
            b"1 0 R",
            b"/Kids [2 0 R]",
            b"/Prev 9",
            b"/Encrypt 1 0 R",
            b"(" * 300,
            b"<<" * 300,
            b"BI",
        ),
    ),
    "rst": Target(
        _source("text", ".rst"),
        (b"=====\nTitle\n=====\n\ntext\n\nSection\n-------\n\n.. code:: py\n\n   x\n",),
        (*TEXT_WORDS, b"====\n", b"::\n", b".. "),
    ),
    "asciidoc": Target(
        _source("text", ".adoc"),
        (b"= A\n:b: c \\\nd\n\n[[e]]\n== `F` xref:g[h]\n\n----\n== i\n----\n\nTitle\n-----\n\n|===\n| j\n|===\n",),
        (*TEXT_WORDS, b"== ", b"----\n", b"////\n", b"[discrete]\n", b"ifdef::a[]\n", b"((("),
    ),
    "org": Target(
        _source("text", ".org"),
        (b"#+TITLE: A\n#+TODO: B | C\n* B [#D] =e= [[f][g]] :h:\n:P:\n:END:\ntext\n#+begin_src\n* i\n#+end_src\n",),
        (*TEXT_WORDS, b"* ", b"#+begin_x\n", b"#+end_x\n", b":A:\n", b":END:\n", b"{{{a("),
    ),
    "latex": Target(
        _source("text", ".tex"),
        (
            b"\\title{A}\n\\begin{document}\n\\section[a]{B \\emph{c}\n\\'e $\\Pi$}\\label{d}\n% \\section{e}\n"
            b"\\begin{verbatim}\n\\section{f}\n\\end{verbatim}\n\\end{document}\n",
        ),
        (
            *TEXT_WORDS,
            b"\\section{",
            b"}",
            b"{" * 300,
            b"\\verb|",
            b"\\begin{lstlisting}",
            b"\\texorpdfstring{a}{",
            b"%",
        ),
    ),
    "epub": Target(_source("text", ".epub"), (NOVEL,), (b"PK\x03\x04", b"PK\x01\x02", b"\xff" * 8, b"<nav>", b"]]>")),
    "odt": Target(_source("text", ".odt"), (LETTER,), (b"PK\x03\x04", b"PK\x01\x02", b"\xff" * 8, b"<text:h>")),
    "python": Target(
        _source("python", ".py"),
        (
            b"# -*- coding: latin-1 -*-\nimport a\n\n@d\nclass A(B):\n    'doc'\n    async def f(self): return 1\n\n"
            b"x = f'{1}'\n",
            b"match x:\n    case [1]: pass\nif x:\n    def g(): ...\nelse:\n    def g(): ...\n",
        ),
        (
            *TEXT_WORDS,
            b"# coding: utf-7\n",
            b"# coding: idna\n",
            b"# coding: rot13\n",
            b"\\\n",
            b"@(\n",
            b"(" * 300,
            b"'''",
        ),
    ),
    "notebook": Target(
        _source("text", ".ipynb"),
        (
            json.dumps(
                {
                    "nbformat": 4,
                    "metadata": {},
                    "cells": [
                        {"cell_type": "markdown", "source": ["# One\n", "text"]},
                        {"cell_type": "code", "source": "x = 1", "outputs": []},
                    ],
                }
            ).encode(),
        ),
        JSON_WORDS,
    ),
    **{
        f"code{suffix}": Target(_source("code", suffix), (seed,), (*TEXT_WORDS, b"{" * 500, b"/*", b"`", b"(", b"}"))
        for suffix, seed in CODE.items()
    },
    **{
        f"config{suffix}": Target(_source("config", suffix), (text.encode(),), (*TEXT_WORDS, b"[" * 300, b"{", b"- "))
        for suffix, text in CONFIG.items()
    },
    "config": Target(
        _config,
        (
            b"name: a\nsources:\n  - {name: s, kind: text, path: docs, include: ['**/*.md'], shards: 2}\n"
            b"encoder: {kind: hashing}\nrecall: {queries: 20, dense: 0.9}\ndense: {recipe: auto}\n",
        ),
        (
            b"&a ",
            b"*a",
            b"!!python/object:os.system ",
            b"<<: *a",
            b"~nosuchuser",
            b"1e999",
            b"9" * 5000,
            b"2026-99-99",
            b"\0",
        ),
        (ConfigError,),
    ),
    "where": Target(
        _where,
        (
            b'{"path": {"glob": "a/**/*.py"}, "n": {"gte": 1, "lt": 2.5}, "s": ["a"], "k": {"not": {"prefix": "x"}}}',
            b'{"a": {"in": [1, 2]}, "b": true, "c": {"not": "x"}, "d": {"prefix": "docs/"}}',
        ),
        (*JSON_WORDS, b"**", b"[!a-", b"[z-a]", b"\\\\", b"?" * 300, b'{"not": '),
        (InvalidInput,),
    ),
    "query": Target(
        _query,
        (
            'why "connection refused" +asyncio.gather HTTP_404, E1234 "a  b"? naïve Straße'.encode(),
            "用Python读取“文件 内容” ภาษาไทย +학교 İstanbul".encode(),
        ),
        (*TEXT_WORDS, b'"', b"+", b'+"', "“".encode(), "\u0301".encode(), "\u200b".encode(), b"_", b".", b"aB1" * 50),
    ),
    "manifest": Target(_stored(Manifest), _held("manifest.json"), JSON_WORDS, (StorageError,)),
    "snapshot": Target(_stored(Snapshot), _held("shards/*/[0-9a-f]*.json"), JSON_WORDS, (StorageError,)),
    "segment": Target(_stored(SegmentInfo), _held("segment.json"), JSON_WORDS, (StorageError,)),
    "listing": Target(_stored(Listing), _held("files.json"), JSON_WORDS, (StorageError,)),
    "warehouse": Target(_stored(WarehouseInfo), _held("warehouse.json"), JSON_WORDS, (StorageError,)),
    "history": Target(
        _stored(HistoryEntry), tuple(_held("history.jsonl")[0].splitlines()[:2]), JSON_WORDS, (StorageError,)
    ),
    "pointer": Target(
        _pointer, (*_held("PUBLISHED"), b"7\n", b"42 084c799cd551dd1d\n"), (b"1", b"9", b"\n", b" "), (StorageError,)
    ),
    "token index": Target(
        _stored(TokenIndexFile),
        (b'{"format_version": 1, "model": "models/ab", "postings": {"a": "postings.b"}}',),
        JSON_WORDS,
        (StorageError,),
    ),
    "npy": Target(
        _array,
        (_npy(np.ones((4, 3), np.float32)),),
        (b"(", b"(" * 400, b"'descr'", b"|O", b"True", b"9" * 5000, b"-1", b"\n", b"lambda: 0", b"None"),
        (CorruptFile,),
    ),
    "safetensors": Target(
        _tensors, (_safetensors(),), (*JSON_WORDS, b"F64", b'"data_offsets"', b"\xff" * 8), (ProviderError,)
    ),
}
