"""Checks of stored rows: chunks against their schema, vectors against what makes them searchable, the ID map, files."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.core.errors import CorruptFile, InvalidInput, StorageError
from xtr_assets.pipeline.gate.schemas import MAX_PROBLEMS, Problem, chunk_problems, id_map_problems
from xtr_assets.storage import catalog
from xtr_assets.storage.arrays import blocks_of, check_offsets, check_scales, check_unit_rows
from xtr_assets.storage.digests import BUILD_SECONDS, verify_files
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import ID_MAP_NAME
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.segment import Segment
from xtr_assets.telemetry import metrics

Finder = Callable[[Segment], list[Problem]]


def segment_chunk_problems(segment: Segment) -> list[Problem]:
    """What is wrong with the rows of a segment."""
    return chunk_problems(segment.chunks())


def embedding_problems(segment: Segment, fingerprint: str) -> list[Problem]:
    """What is wrong with the embeddings of a segment: rows that are not finite, or not of unit length."""
    name = f"segment {segment.segment_id}"

    def look() -> None:
        vectors = segment.embeddings(fingerprint)
        for first, block in blocks_of(vectors):
            check_unit_rows(block, first, vectors.shape[1], name)

    return _caught("embeddings", look)


def token_problems(segment: Segment, fingerprint: str) -> list[Problem]:
    """What is wrong with the tokens of a segment: offsets that do not ascend, scales that are not above zero."""
    name = f"segment {segment.segment_id}"

    def look() -> None:
        arrays = segment.tokens(fingerprint)
        check_offsets(np.asarray(arrays.offsets), segment.rows, len(arrays.tokens), name)
        for first, block in blocks_of(arrays.scales):
            check_scales(block, first, name)

    return _caught("tokens", look)


def check_segments(draft: Draft, parent: Generation | None, progress: Callable[[int], None] | None = None) -> None:
    """Record `chunks_schema`, `embeddings_valid` and `tokens_valid` of the draft.

    Segments that the parent has were looked at when they were new: their bytes are the same, by sha256, and a parent
    that serves holds passing records for them.
    """
    fingerprint = draft.fingerprint
    known = _vouched_for(draft, parent)
    new = [one.segment for one in draft.segments if one.segment.segment_id not in known]
    finders: dict[str, Finder] = {
        "chunks_schema": segment_chunk_problems,
        "embeddings_valid": lambda segment: embedding_problems(segment, fingerprint),
        "tokens_valid": lambda segment: token_problems(segment, fingerprint),
    }
    for name, find in finders.items():
        problems = [problem for segment in new for problem in find(segment)]
        record_problems(draft, name, problems, (), {"segments": len(new), "vouched_for": len(known)})


def check_id_map(draft: Draft) -> CheckRecord:
    """Record `id_map_bijection`: types and ranges, live rows and chunk_ids one to one, and equal to the segments."""
    table = pq.read_table(draft.path(ID_MAP_NAME))
    problems = id_map_problems(table, draft.end_row) or _id_map_differences(draft, table)
    return record_problems(draft, "id_map_bijection", problems, (ID_MAP_NAME,), {"rows": len(table)})


def check_catalog(draft: Draft) -> CheckRecord:
    """Record `catalog_consistent`: what DuckDB counts through the views is what the manifest says."""
    queries = {
        "live rows of id_map": ("SELECT count(*) FROM id_map WHERE live", draft.live_rows),
        "rows of id_map": ("SELECT count(*) FROM id_map", sum(one.rows for one in draft.manifest.segments)),
        "chunks": ("SELECT count(*) FROM chunks", draft.live_rows),
        "different live chunk_ids": ("SELECT count(DISTINCT chunk_id) FROM chunks", draft.live_rows),
        "segments": ("SELECT count(*) FROM segments", len(draft.manifest.segments)),
        "live rows of segments": ("SELECT coalesce(sum(live_rows), 0) FROM segments", draft.live_rows),
    }
    problems = []
    with catalog.connect(draft) as connection:
        for what, (query, expected) in queries.items():
            row = connection.execute(query).fetchone()
            found = None if row is None else int(row[0])
            if found != expected:
                problems.append(Problem(what, f"{expected} by the manifest", f"{found} by the catalog"))
    return record_problems(
        draft, "catalog_consistent", problems, (ID_MAP_NAME, catalog.CATALOG_NAME, "catalog"), {"counts": len(queries)}
    )


def check_files(draft: Draft) -> CheckRecord:
    """Record `files_verified`: every file that the draft names so far against its sha256, read from the disk once."""
    files = draft.manifest.files
    problems = [Problem(p.path, f"expected {p.expected}", f"found {p.found}") for p in _verify(draft)]
    own = f"generations/{draft.number}/"
    subject = tuple(sorted({name.removeprefix(own) for name in files if not name.startswith("segments/")}))
    details = {"files": len(files), "bytes": sum(one.bytes for one in files.values())}
    return record_problems(draft, "files_verified", problems, subject, details)


def record_problems(
    draft: Draft, name: str, problems: Sequence[Problem], subject: Sequence[str], details: dict[str, Any]
) -> CheckRecord:
    """Record a check that passes where nothing was found; `value` is the number of problems."""
    record = draft.record_check(
        name,
        passed=not problems,
        value=float(len(problems)),
        threshold=0.0,
        subject=subject,
        details={**details, "problems": [str(problem) for problem in problems[:MAX_PROBLEMS]]},
    )
    metrics.count_check(name, record.passed)
    return record


def _verify(draft: Draft) -> Iterable[CorruptFile]:
    return verify_files(draft.layout, draft.manifest.files, full=True, within=BUILD_SECONDS)


def _vouched_for(draft: Draft, parent: Generation | None) -> set[str]:
    if parent is None or parent.fingerprint != draft.fingerprint or parent.manifest.forced is not None:
        return set()
    return {one.segment_id for one in parent.manifest.segments} & {one.segment_id for one in draft.manifest.segments}


def _id_map_differences(draft: Draft, table: pa.Table) -> list[Problem]:
    """The map against the segments themselves: every stored row, its chunk_id, its position, whether it is live."""
    rows, ids = table["row"].to_numpy(), table["chunk_id"].to_numpy()
    positions, live = table["position"].to_numpy(), table["live"].to_numpy()
    expected = [np.arange(one.base_row, one.end_row) for one in draft.segments]
    stored = np.concatenate(expected or [np.empty(0, np.int64)])
    if not np.array_equal(rows, stored):
        return [Problem("row", f"the {len(stored)} stored rows in order", f"{len(rows)} others")]
    problems = []
    true_ids = np.concatenate([one.segment.chunk_ids() for one in draft.segments] or [np.empty(0, np.int64)])
    true_positions = np.concatenate([np.arange(one.segment.rows) for one in draft.segments] or [np.empty(0, np.int64)])
    for name, found, right in (
        ("chunk_id", ids, true_ids),
        ("position", positions, true_positions),
        ("live", live, draft.live[rows]),
    ):
        wrong = np.flatnonzero(found != right)
        if len(wrong):
            row = int(rows[wrong[0]])
            problems.append(Problem(name, f"{right[wrong[0]]} at row {row} by the segment", f"{found[wrong[0]]}"))
    return problems


def _caught(column: str, look: Callable[[], None]) -> list[Problem]:
    try:
        look()
    except (InvalidInput, StorageError) as error:
        return [Problem(column, "valid vectors", str(error))]
    return []
