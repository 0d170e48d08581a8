"""Write the golden warehouse of a format version: `python -m xtr_assets_tests.compat.make_golden 2`.

Run once per format version, never again for a version that was released: its tests say that what an old release wrote
still opens. Version 1 has what a reader must understand: two generations with a parent, dead rows and a hole, a
rolled-back pointer, a withdrawn number, a quarantine, shared models and postings, a forced publish. Version 2 has what
it adds: rows that stand at other lines than their segment says. Version 3 has manifests that say what must be passed,
records with the check's version and a seal, and a history that names contents: of a generation that was collected too.
Version 4 has a warehouse.json of version 3, which names the end of a history whose lines digest what stands before
them, and a draft beside what serves. Version 5 has a warehouse.json of version 4 and a pointer with a check, which was
moved back. Version 6 has real indexes over three generations, the first of which was published before there was a
lexical one; the others have lexical postings, of a segment with dead rows too. Version 7 has manifests of version 4 and
a warehouse.json of version 5: after a generation of both legs one of embeddings alone, and one of tokens alone, from
which the pointer was moved back. Version 8 is nothing that a maker here makes: the command of the release of 2026-11-28
built it, with names in their first wording and a change that was withdrawn. Version 9 has a snapshot of version 3, one
of whose files could not be read, and a warehouse.json of version 6: the line of a withdrawal names the files. Version
10 is a set of two parts, with three moves, the last of which goes back. Version 11 is a set of one part, with a move
that keeps what was found of the whole.
"""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.types import Quarantined
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.sources.file_scan import unread_state
from xtr_assets.storage.lock import now
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.parts.joined_generation import JoinedGeneration
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.parts.part_set import PartSet
from xtr_assets.storage.parts.set_check import SetCheck
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests import fixtures
from xtr_assets_tests.storage.sample import REQUIRED, check, chunks_of, draft, states, texts, write

FIRST = {"json/decoder.py": ["decode reads a document", "scan finds the next value"], "notes.md": ["title zebra"]}
SECOND = {"json/decoder.py": ["decode reads one document", "scan finds the next value"], "empty.py": []}
THIRD = {**SECOND, "new.py": ["added in the third"]}
# A row is written above two others, which stand a line further down then.
WORDED = [
    fixtures.make_chunk("asyncio/tasks.py", "gather", "def gather(*coros): runs all", title="class Tasks"),
    fixtures.make_chunk("asyncio/tasks.py", "stop", "def stop(): raise ConnectionRefused", line=9),
    fixtures.make_chunk("notes.md", "", "the connection was refused, the gatherers left"),
]
ABOVE = {**FIRST, "json/decoder.py": ["dump writes a document", *FIRST["json/decoder.py"]]}


def make(root: Path) -> Warehouse:
    """The golden warehouse at `root`."""
    warehouse = Warehouse.create(root)
    write(warehouse, FIRST)
    write(warehouse, {"gone.py": ["leaves a hole"]}, shard="t")
    first = draft(warehouse)
    check(first)
    warehouse.publish(first.number, required=REQUIRED, who="golden@host")
    write(warehouse, SECOND, quarantined=[Quarantined("s", "empty.py", 3, "syntax", "unexpected indent")])
    write(warehouse, {}, shard="t")
    model = warehouse.add_model(lambda folder: np.save(folder / "centroids.npy", np.ones((2, 4), "f4")), "golden")
    made = draft(warehouse)
    for placed in made.segments:
        np.save(placed.segment.staging(f"postings.{model.name}") / "lists.npy", np.arange(placed.segment.rows))
        placed.segment.seal_folder(f"postings.{model.name}")
        made.use_folders([f"segments/{placed.segment.segment_id}/postings.{model.name}"])
    made.use_folders([warehouse.layout.relative(model)])
    made.set_recipe("dense", {"family": "flat"})
    made.set_profile("dense", {"nprobe": 1})
    made.set_note("costs", {"encode": {"seconds": 1.5}})
    check(made)
    warehouse.publish(made.number, required=REQUIRED, who="golden@host")
    write(warehouse, THIRD)
    third = draft(warehouse)
    check(third, passed=False)
    warehouse.publish(third.number, required=REQUIRED, force_reason="golden", who="golden@host")
    warehouse.withdraw(third.number, "made to be withdrawn", who="golden@host")
    return warehouse


def make_shifted(root: Path) -> Warehouse:
    """The golden warehouse of version 2."""
    warehouse = Warehouse.create(root)
    for corpus in (FIRST, ABOVE):
        write(warehouse, corpus)
        made = draft(warehouse)
        check(made)
        warehouse.publish(made.number, required=REQUIRED, who="golden@host")
    return warehouse


def make_gated(root: Path) -> Warehouse:
    """The golden warehouse of version 3."""
    warehouse = Warehouse.create(root)
    for corpus in (FIRST, SECOND, THIRD):
        write(warehouse, corpus)
        made = draft(warehouse, required=REQUIRED)
        check(made)
        warehouse.publish(made.number, who="golden@host")
    warehouse.withdraw(3, "made to be withdrawn", who="golden@host")
    warehouse.collect(keep=2)
    return warehouse


def make_chained(root: Path) -> Warehouse:
    """The golden warehouse of version 4."""
    warehouse = make_gated(root)
    write(warehouse, SECOND)
    check(draft(warehouse, required=REQUIRED))
    return warehouse


def make_pointed(root: Path) -> Warehouse:
    """The golden warehouse of version 5."""
    warehouse = make_shifted(root)
    warehouse.rollback(who="golden@host", reason="made to be rolled back")
    return warehouse


def make_worded(root: Path) -> Warehouse:
    """The golden warehouse of version 6."""
    warehouse = Warehouse.create(root)
    with pytest.MonkeyPatch.context() as before:
        before.setattr(fixtures, "derive_lexical", lambda _session: None)
        fixtures.publish_chunks(warehouse, WORDED)
    fixtures.publish_chunks(warehouse, [*WORDED, fixtures.make_chunk("late.py", "retry", "retry after HTTP_404")])
    changed = [one for one in WORDED if one.symbol != "stop"]
    fixtures.publish_chunks(warehouse, [*changed, fixtures.make_chunk("cafe.py", "", "größe des café 数据库")])
    return warehouse


def make_lone(root: Path) -> Warehouse:
    """The golden warehouse of version 7."""
    warehouse = Warehouse.create(root)
    fixtures.publish_chunks(warehouse, WORDED[:2], encoder=Hashing(16, 8))
    fixtures.publish_chunks(warehouse, WORDED, encoder=Hashing(16, 0))
    fixtures.publish_chunks(warehouse, WORDED[1:], encoder=Hashing(0, 8))
    warehouse.rollback(who="golden@host", reason="made to be rolled back")
    return warehouse


def make_stale(root: Path) -> Warehouse:
    """The golden warehouse of version 9."""
    warehouse = Warehouse.create(root)
    write(warehouse, FIRST)
    _publish(warehouse)
    unread = unread_state("notes.md", "Permission denied", warehouse.known_files("s")["notes.md"])
    files = {**states(SECOND), unread.path: unread}
    chunks = chunks_of(SECOND, SECOND)
    warehouse.write_snapshot("s", source_fingerprint="v1", files=files, touched=list(SECOND), chunks=chunks)
    _publish(warehouse)
    write(warehouse, THIRD)
    warehouse.withdraw(_publish(warehouse), "made to be withdrawn", who="golden@host")
    return warehouse


def _publish(warehouse: Warehouse) -> int:
    made = draft(warehouse, required=REQUIRED)
    check(made)
    return warehouse.publish(made.number, who="golden@host").number


def make_set(root: Path) -> PartSet:
    """The golden set of version 10."""
    made = PartSet.create(root)
    first, second = made.add("a"), made.add("b")
    for warehouse, shard, corpus in ((first, "x", FIRST), (second, "y", SECOND)):
        write(warehouse, corpus, shard)
        _publish(warehouse)
    made.publish(who="golden@host", reason="the first")
    write(first, THIRD, "x")
    _publish(first)
    made.publish(who="golden@host", reason="a part alone")
    made.rollback(who="golden@host", reason="made to be rolled back")
    return made


def make_checked_set(root: Path) -> PartSet:
    """The golden set of version 11."""
    made = PartSet.create(root)
    write(made.add("a"), FIRST, "x")
    _publish(made.warehouse("a"))

    def look(_candidate: JoinedGeneration, _serving: PartMove | None, about: str) -> CheckRecord:
        found = {"summary": "nDCG@10 is 0.75", "per_query": {"1": 0.5, "2": 1.0}, "digests": {"1": "a", "2": "b"}}
        figures: Any = {"value": 0.75, "threshold": 0.5, "version": 2, "details": found}
        return CheckRecord(name="judged_quality", passed=True, subject=(), digest=about, at=now(), **figures)

    made.publish(who="golden@host", checks=[SetCheck("judged_quality", "queries and judgments", 0.5, look)])
    return made


MAKERS: dict[str, Callable[[Path], Warehouse | PartSet]] = {
    "1": make,
    "2": make_shifted,
    "3": make_gated,
    "4": make_chained,
    "5": make_pointed,
    "6": make_worded,
    "7": make_lone,
    "9": make_stale,
    "10": make_set,
    "11": make_checked_set,
}


def _tidied(warehouse: Warehouse) -> dict[str, Any]:
    """What each generation holds; what only a writer needs is removed."""
    for lock in (warehouse.layout.writer_lock, warehouse.layout.commit_lock):
        lock.unlink(missing_ok=True)
    warehouse.layout.scratch.rmdir()
    return {str(g.number): {"state": g.state, "texts": texts(g)} for g in warehouse.generations()}


def main(version: str) -> None:
    golden = Path(__file__).parent / f"format-{version}"
    shutil.rmtree(golden, ignore_errors=True)
    made = MAKERS[version](golden)
    if isinstance(made, PartSet):
        expected: dict[str, Any] = {part: _tidied(made.warehouse(part)) for part in sorted(made.info.parts)}
    else:
        expected = _tidied(made)
    for lock in golden.glob("*.lock"):
        lock.unlink()
    golden.with_suffix(".json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
