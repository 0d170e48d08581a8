"""Every kind of file that a warehouse has."""

import re
from collections.abc import Iterable
from pathlib import Path

# The first pattern that a name fits is its kind.
PATTERNS: dict[str, str] = {
    "manifest": r"generations/\d+/manifest\.json",
    "seal": r"generations/\d+/manifest\.json\.sha256",
    "history": r"history\.jsonl",
    "PUBLISHED": r"PUBLISHED",
    "NEXT": r"generations/NEXT",
    "CURRENT": r"shards/[^/]+/CURRENT",
    "warehouse.json": r"warehouse\.json",
    "scan.json": r"shards/[^/]+/scan\.json",
    "snapshot": r"shards/[^/]+/[0-9a-f]+\.json",
    "segment.json": r"segments/[^/]+/segment\.json",
    "chunks.parquet": r"segments/[^/]+/chunks\.parquet",
    "chunks.arrow": r"segments/[^/]+/chunks\.arrow",
    "embeddings": r"segments/[^/]+/embeddings\.\w+\.npy",
    "embeddings listing": r"segments/[^/]+/embeddings\.\w+\.json",
    "tokens": r"segments/[^/]+/tokens\.\w+/tokens\.npy",
    "token ids": r"segments/[^/]+/tokens\.\w+/token_ids\.npy",
    "scales": r"segments/[^/]+/tokens\.\w+/scales\.npy",
    "offsets": r"segments/[^/]+/tokens\.\w+/offsets\.npy",
    "tokens listing": r"segments/[^/]+/tokens\.\w+/files\.json",
    "postings": r"segments/[^/]+/postings\.\w+/\w+\.npy",
    "postings.json": r"segments/[^/]+/postings\.\w+/postings\.json",
    "postings listing": r"segments/[^/]+/postings\.\w+/files\.json",
    "name vectors": r"segments/[^/]+/names\.\w+\.\d+/vectors\.npy",
    "name hashes": r"segments/[^/]+/names\.\w+\.\d+/hashes\.npy",
    "names listing": r"segments/[^/]+/names\.\w+\.\d+/files\.json",
    "words": r"segments/[^/]+/lexical\.\d+/(terms|term_bounds)\.npy",
    "word lists": r"segments/[^/]+/lexical\.\d+/(lists|documents|counts|lengths)\.npy",
    "lexical.json": r"segments/[^/]+/lexical\.\d+/lexical\.json",
    "lexical listing": r"segments/[^/]+/lexical\.\d+/files\.json",
    "lexical/index.json": r"generations/\d+/lexical/index\.json",
    "model arrays": r"models/[^/]+/\w+\.npy",
    "model.json": r"models/[^/]+/model\.json",
    "model listing": r"models/[^/]+/files\.json",
    "dense.faiss": r"generations/\d+/dense\.faiss",
    "xtr/index.json": r"generations/\d+/xtr/index\.json",
    "id_map": r"generations/\d+/id_map\.parquet",
    "tombstones": r"generations/\d+/tombstones\.npy",
    "exact lists": r"generations/\d+/evaluation/exact_\w+\.npy",
    "query arrays": r"generations/\d+/evaluation/query_\w+\.npy",
    "queries": r"generations/\d+/evaluation/queries\.parquet",
    "catalog.duckdb": r"generations/\d+/catalog\.duckdb",
    "catalog parquet": r"generations/\d+/catalog/\w+\.parquet",
}
# They hold nothing; what stands in their place is looked at when somebody writes.
LOCKS = ("writer.lock", "commit.lock")


def kind_of(name: str) -> str | None:
    """The kind of a file by its name below the warehouse."""
    return next((kind for kind, pattern in PATTERNS.items() if re.fullmatch(pattern, name)), None)


def by_kind(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of each kind, sorted; KeyError-free: a kind without a file is missing."""
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        kind = kind_of(name)
        if kind is not None:
            found.setdefault(kind, []).append(name)
    return found


def files_of(warehouse: Path) -> list[str]:
    """Every file below a warehouse, by its name there."""
    return sorted(path.relative_to(warehouse).as_posix() for path in warehouse.rglob("*") if path.is_file())
