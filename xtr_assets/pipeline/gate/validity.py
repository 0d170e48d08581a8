"""Checks of stored rows: chunks against their schema, vectors against what makes them searchable, the ID map, files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from xtr_assets.core.arguments import check_offsets
from xtr_assets.core.errors import CorruptFile, InvalidInput, StorageError
from xtr_assets.core.name_text import Naming
from xtr_assets.pipeline.gate import catalog_evidence
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.name_evidence import name_problems, newly_named
from xtr_assets.pipeline.gate.schemas import MAX_PROBLEMS, Problem, chunk_problems, id_map_problems
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage import catalog
from xtr_assets.storage.arrays import blocks_of, check_name_rows, check_scales, check_unit_rows
from xtr_assets.storage.digests import BUILD_SECONDS
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.id_map import ID_MAP_NAME
from xtr_assets.storage.scrub import own_files, verify_once
from xtr_assets.storage.segment import Segment

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


def name_vector_problems(segment: Segment, fingerprint: str, naming: Naming = "all") -> list[Problem]:
    """What is wrong with the names of a segment: rows that are not finite, or not of unit length where they have a name
    and zero where they have none."""

    def look() -> None:
        vectors, hashes = segment.names(fingerprint, naming), segment.name_hashes(fingerprint, naming)
        for first, block in blocks_of(vectors):
            own = hashes[first : first + len(block)]
            check_name_rows(block, own, first, vectors.shape[1], f"segment {segment.segment_id}: names")

    return _caught("names", look)


def token_problems(segment: Segment, fingerprint: str) -> list[Problem]:
    """What is wrong with the tokens of a segment: offsets that do not ascend, scales that are not above zero."""
    name = f"segment {segment.segment_id}"

    def look() -> None:
        arrays = segment.tokens(fingerprint)
        check_offsets(arrays.offsets, len(arrays.tokens), f"{name}: offsets", segment.rows)
        for first, block in blocks_of(arrays.scales):
            check_scales(block, first, name)

    return _caught("tokens", look)


def chunks_schema(session: DraftSession) -> Finding:
    """Rows of segments that are new hold to the schema.

    Segments that the parent has were looked at when they were new: their bytes are the same, by sha256, and a parent
    that serves holds passing records for them.
    """
    return _segments(session, segment_chunk_problems)


def embeddings_valid(session: DraftSession) -> Finding:
    """Embeddings of segments that are new are finite and of unit length; segments have names where their source has
    them, each row its own."""
    draft, parent = session.draft, session.parent
    new = _new_segments(draft, parent)
    # Names may be new in a segment that is not.
    fingerprint, named = draft.fingerprint, newly_named(draft, parent)
    problems = [one for segment in new for one in embedding_problems(segment, fingerprint)]
    problems += [one for placed in named for one in name_vector_problems(placed.segment, fingerprint)]
    problems += name_problems(draft, named, session.config)
    looked_at = f"{sum(one.rows for one in new)} rows of {len(new)} new segments, names of {len(named)}"
    return problem_finding(problems, looked_at, {"segments": len(new), "named_segments": len(named)})


def tokens_valid(session: DraftSession) -> Finding:
    """Offsets of segments that are new ascend, scales are above zero."""
    return _segments(session, lambda segment: token_problems(segment, session.draft.fingerprint))


def id_map_bijection(session: DraftSession) -> Finding:
    """The id map's types and ranges, live rows and chunk_ids one to one, and equal to the segments."""
    draft = session.draft
    table = pq.read_table(draft.path(ID_MAP_NAME))
    problems = id_map_problems(table, draft.end_row) or _id_map_differences(draft, table)
    return problem_finding(problems, f"{len(table)} rows of the id map against the segments", {"rows": len(table)})


def catalog_consistent(session: DraftSession) -> Finding:
    """What DuckDB counts through the views is what the manifest says, and its rows are those of the segments."""
    draft = session.draft
    queries = {
        "live rows of id_map": ("SELECT count(*) FROM id_map WHERE live", draft.live_rows),
        "rows of id_map": ("SELECT count(*) FROM id_map", sum(one.rows for one in draft.manifest.segments)),
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
        compared = catalog_evidence.compare(draft, connection)
    # Counted where they are read: the view joins all rows for each question.
    if compared.rows != draft.live_rows:
        problems.append(Problem("chunks", f"{draft.live_rows} by the manifest", f"{compared.rows} by the catalog"))
    if compared.distinct != draft.live_rows:
        what = "different live chunk_ids"
        problems.append(Problem(what, f"{draft.live_rows} by the manifest", f"{compared.distinct} by the catalog"))
    counts = len(queries) + 1
    looked_at = f"{counts} counts and {compared.rows} rows by DuckDB against manifest and segments"
    details = {"counts": counts, "rows": compared.rows, "rows_whole": compared.whole}
    return problem_finding([*problems, *compared.problems], looked_at, details)


def files_verified(session: DraftSession) -> Finding:
    """Every file that the draft names has its sha256: new ones are read from the disk; those of a parent that passed
    its gate where this host has not read them, or somebody wrote to them since."""
    draft = session.draft
    files = draft.manifest.files
    problems = [Problem(p.path, f"expected {p.expected}", f"found {p.found}") for p in _verify(session)]
    details = {"files": len(files), "bytes": sum(one.bytes for one in files.values())}
    return problem_finding(problems, f"{len(files)} files against their sha256", details)


def problem_finding(problems: Sequence[Problem], looked_at: str, details: Mapping[str, Any]) -> Finding:
    """A finding that passes where there is no problem; its value is their number. `looked_at`: what was compared."""
    first = "" if not problems else f", the first: {problems[0]}"
    return Finding(
        passed=not problems,
        value=float(len(problems)),
        threshold=0.0,
        summary=f"{looked_at}: {len(problems)} problems{first}",
        details={**details, "problems": [str(problem) for problem in problems[:MAX_PROBLEMS]]},
    )


def _segments(session: DraftSession, find: Finder) -> Finding:
    new = _new_segments(session.draft, session.parent)
    problems = [problem for segment in new for problem in find(segment)]
    looked_at = f"{sum(segment.rows for segment in new)} rows of {len(new)} new segments"
    vouched = len(session.draft.segments) - len(new)
    return problem_finding(problems, looked_at, {"segments": len(new), "vouched_for": vouched})


def _new_segments(draft: Draft, parent: Generation | None) -> list[Segment]:
    known = _vouched_for(draft, parent)
    return [one.segment for one in draft.segments if one.segment.segment_id not in known]


def _verify(session: DraftSession) -> Iterable[CorruptFile]:
    manifest, parent = session.draft.manifest, session.parent
    anew = own_files(manifest, None if parent is None else parent.manifest)
    return verify_once(session.draft.layout, manifest.files, within=BUILD_SECONDS, anew=anew)


def _vouched_for(draft: Draft, parent: Generation | None) -> set[str]:
    if parent is None or parent.fingerprint != draft.fingerprint or parent.manifest.forced is not None:
        return set()
    others = {name.split("/")[1] for name in own_files(draft.manifest, parent.manifest) if _of_rows(name)}
    kept = {one.segment_id for one in parent.manifest.segments} & {one.segment_id for one in draft.manifest.segments}
    return kept - others


def _of_rows(name: str) -> bool:
    """Whether a file holds rows of a segment or their vectors: names and postings may be new in one that is not."""
    parts = name.split("/")
    return parts[0] == "segments" and parts[2].startswith(("chunks.", "embeddings.", "tokens."))


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
