"""Faults where one step hands on to the next: what a text is known by, what a crash left, what is kept of a draft."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.core.files import record
from xtr_assets_tests.mutants.fault import (
    COMPACT,
    FULL,
    INCREMENTAL,
    TRANSFER,
    Mutant,
    Plant,
    both,
    locally,
    on_disk,
    replaced,
)
from xtr_assets_tests.mutants.places.encodings import TEXTS
from xtr_assets_tests.mutants.places.passage import REFUSED, _export
from xtr_assets_tests.mutants.places.words import ANSWERS, WORDS, _counted

PLACE = "seams"
KNOWN = frozenset({"chunks_schema", *TEXTS})
ARRIVED = REFUSED | {"CorruptFile", "StorageError"}


def _titles_change(folder: Path) -> None:
    """Records of the change are called otherwise, and say what they said."""
    path = folder / "tickets/a.jsonl"
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for one in records[30:60]:
        one["title"] = f"{one['title']} renamed"
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), "utf-8")


def _of_the_text_alone(original: Any) -> Any:
    return lambda chunk: original(replace(chunk, title=""))


def _one_name_for_all(_: Any) -> Any:
    """What a run that died left behind is found again for every block of as many texts."""
    return lambda hashes: f"block{len(hashes)}.npz"


def _never_again(original: Any) -> Any:
    def kept(self: Any, name: str, key: Any, make: Callable[[], Any]) -> Any:
        held = self._opened.get(name)
        return original(self, name, key if held is None else held[0], make)

    return kept


def _of_other_legs(original: Any) -> Any:
    def standard(*given: Any) -> Any:
        blend = original(*given)
        return replace(blend, weights={**blend.weights, "dense": 0.01, "name": 9.0})

    return standard


def _backwards(original: Any) -> Any:
    return lambda *given: original(*given)[::-1]


def _small_ids(original: Any) -> Any:
    return lambda *given: original(*given) % 997


def _plain_words(_: Any) -> Any:
    return lambda _path, _symbol, title, text: f"{title} {text}".lower().split()


def _half_as_long(original: Any) -> Any:
    def of(encoded: Any) -> Any:
        block = original(encoded)
        return replace(block, embeddings=block.embeddings * np.float16(0.5))

    return of


def _blob_of_the_last(original: Any) -> Any:
    """What git answers late is taken for the next blob: of two files the second has the first's bytes."""
    last: list[bytes] = []

    def read(self: Any, blob: Any) -> bytes:
        data = original(self, blob)
        before, last[:] = (last or [data])[0], [data]
        return before if blob.object_id[-1] in "01234567" else data

    return read


def _altered(pattern: str, alter: Callable[[Path], None]) -> Plant:
    """Files of the segments of an export are altered, and every record of them put right."""

    def act(root: Path, manifest: dict[str, Any]) -> str:
        paths = sorted((root / "segments").glob(pattern))
        assert paths, f"no segment of the export has {pattern}"
        for path in paths:
            alter(path)
            listing = path.with_name("files.json")
            listed = json.loads(listing.read_bytes())
            listed["files"][path.name] = _recorded(path)
            listing.write_text(json.dumps(listed, sort_keys=True))
            for one in (path, listing):
                name = one.relative_to(root).as_posix()
                assert name in manifest["files"], name
                manifest["files"][name] = _recorded(one)
        return ""

    return _export(act)


def _recorded(path: Path) -> dict[str, Any]:
    one = record(path)
    return {"bytes": one.bytes, "sha256": one.sha256}


def _rolled(path: Path) -> None:
    np.save(path, np.roll(np.load(path), 1, axis=0))


def _tombstones(root: Path, _: dict[str, Any]) -> str:
    """Every eighth row is dead in what arrives."""
    name = "generations/2/tombstones.npy"
    bits = np.load(root / name)
    np.save(root / name, bits | np.uint8(1))
    return name


def _of_generation_one(root: Path, _: dict[str, Any]) -> str:
    """A pull finds the file that lay there: the same name, of the generation that served before."""
    name = "generations/2/dense.faiss"
    shutil.copy(root.parent / "warehouse/generations/1/dense.faiss", root / name)
    return name


MUTANTS = (
    Mutant(
        "a text is known by its first forty letters",
        PLACE,
        replaced("core.ids:text_hash", lambda original: lambda encoded: original(encoded[:40])),
        KNOWN,
    ),
    Mutant(
        "a text under another title is known already",
        PLACE,
        both(on_disk(_titles_change), replaced("storage.chunk_files:hash_chunk", _of_the_text_alone)),
        KNOWN,
        INCREMENTAL,
    ),
    Mutant(
        "a block that a dead run left stands for every other",
        PLACE,
        both(
            locally("pipeline.ingest.encode_plan", "BLOCK_TEXTS", lambda _: 32),
            replaced("pipeline.ingest.encode_blocks:block_name", _one_name_for_all),
        ),
        TEXTS,
    ),
    Mutant(
        "what was opened of a draft is never opened again",
        PLACE,
        replaced("pipeline.plan.draft_session:DraftSession.kept", _never_again),
        ANSWERS | {"confidence_holds"},
    ),
    Mutant(
        "hybrid is published with weights of other legs",
        PLACE,
        replaced("search.blend:Blend.standard", _of_other_legs),
        frozenset({"known_item", "legs_agree"}),
    ),
    Mutant(
        "answers of a batch come the other way round",
        PLACE,
        locally("search.searcher", "answer", _backwards),
        ANSWERS | {"known_item"},
        serves=True,
    ),
    Mutant("ids are of three digits", PLACE, replaced("core.ids:chunk_id", _small_ids), frozenset({"InvalidInput"})),
    Mutant(
        "words of new rows are no stems any more",
        PLACE,
        replaced("core.lexical_terms:document_terms", _plain_words),
        WORDS,
    ),
    Mutant(
        "embeddings are half as long as they should be",
        PLACE,
        replaced("pipeline.ingest.encode_blocks:Block.of", _half_as_long),
        frozenset({"embeddings_valid", "InvalidInput"}),
    ),
    Mutant(
        "a blob is what git said of the one before",
        PLACE,
        replaced("sources.git_blobs:BlobReader.read", _blob_of_the_last),
        frozenset({"source_agrees"}),
        FULL,
    ),
    Mutant(
        "words of the next row after a compaction",
        PLACE,
        _counted(lambda rows: [*rows[1:], rows[0]]),
        WORDS,
        COMPACT,
    ),
    Mutant(
        "an import with names of other rows, digests put right",
        PLACE,
        _altered("*/names.*/vectors.npy", _rolled),
        ARRIVED,
        TRANSFER,
    ),
    Mutant(
        "an import with words of other rows, digests put right",
        PLACE,
        _altered("*/lexical.*/documents.npy", _rolled),
        ARRIVED,
        TRANSFER,
    ),
    Mutant("an import with other dead rows, digests put right", PLACE, _export(_tombstones), ARRIVED, TRANSFER),
    Mutant(
        "an import of which one file is the older one, digests put right",
        PLACE,
        _export(_of_generation_one),
        ARRIVED,
        TRANSFER,
    ),
)
