"""The check `vectors_are_the_texts`: a sample of the stored texts, encoded again, gives the stored vectors.

Recall is measured against exact search over the same vectors, so it sees nothing of vectors that are another text's.
Texts come from chunks.parquet here, and from chunks.arrow on their way into the encoder; what is encoded, and what a
stored token stands for, is worked out from docs/format.md rather than by the code that wrote them. So are the names
that are encoded beside the texts (name_evidence.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xtr_assets.core.errors import UnusableText
from xtr_assets.core.types import Floats, Halves, Int32s, Ints, Mask
from xtr_assets.core.vector_agreement import agreement
from xtr_assets.encoders.base import Encoded, Tolerance
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.name_evidence import expected_name, names_documents, names_of, newly_named
from xtr_assets.pipeline.gate.text_judge import judge_of
from xtr_assets.pipeline.gate.text_sample import OLD_ROWS, choose_new, missed_share, spread
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.generation import Generation, PlacedSegment
from xtr_assets.storage.seal import is_sealed, read_manifest
from xtr_assets.storage.segment import Segment, TokenArrays

CHECK = "vectors_are_the_texts"
# Differences that a finding lists.
SHOWN = 5


@dataclass(frozen=True, slots=True)
class StoredRow:
    """What lies in a segment for one row.

    text : what docs/format.md says is encoded. embedding : float16 [dim]; tokens : float32 [t, token_dim], decoded;
    token_ids : int32 [t]; None of a leg that the generation does not have. name : what it says is the name, empty where
    there is none; name_vector : float16 [dim], None where the generation has no names of this row's source.
    """

    row: int
    segment_id: str
    chunk_id: int
    place: str
    text: str
    embedding: Halves | None
    tokens: Floats | None
    token_ids: Int32s | None
    name: str = ""
    name_vector: Halves | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One row against its text. `problem` is empty where they agree; agreements are nan where they say nothing, 1 of a
    leg that the generation does not have."""

    embedding: float
    token: float
    problem: str


def check(session: DraftSession) -> Finding:
    """Encode a sample of new rows and a few old ones with an encoder that is opened to judge alone."""
    draft = session.draft
    new = _new_rows(session)
    # Another sample at each draft, the same one when a draft is looked at twice.
    rng = np.random.default_rng([draft.number, draft.end_row])
    fresh_rows, old_rows = sample(draft, new, rng)
    rows = np.union1d(np.union1d(fresh_rows, old_rows), _refused_rows(session))
    if not len(rows):
        return Finding(True, None, None, "There is no live row, so there is no vector to compare.")
    judge = judge_of(session)
    encoder = judge.encoder
    if encoder.fingerprint != draft.fingerprint:
        return Finding(
            False,
            None,
            None,
            f"The draft's vectors are said to be of encoder {draft.fingerprint[:8]}, the configured encoder "
            f"{encoder.name} is {encoder.fingerprint[:8]}.",
            remedy="build again with the encoder that the configuration names now",
        )
    stored = list(read_rows(draft, rows))
    named = [one for one in stored if one.name and one.name_vector is not None]
    try:
        encoded = judge.encode([*(one.text for one in stored), *(one.name for one in named)])
    except UnusableText as error:
        places = [*(f"row {one.row}" for one in stored), *(f"the name of row {one.row}" for one in named)]
        at = places[error.index] if error.index < len(places) else "a text of the canary"
        return Finding(False, None, None, f"Encoded again, {at} gives no vector: {error.problem}.", remedy=REMEDY)
    compared = compare(stored, encoded, encoder.tolerance)
    misnamed = compare_names(stored, encoded.embeddings[len(stored) : len(stored) + len(named)], encoder.tolerance)
    compared = [
        replace(one, problem=one.problem or misnamed.get(row.row, ""))
        for row, one in zip(stored, compared, strict=True)
    ]
    return _finding(stored, compared, judge.document_differences(), encoder.tolerance, new, fresh_rows)


REMEDY = (
    "vectors are not those of their texts: mend what encodes, and `xtr-assets build` (in Dagster: `ingest` with the "
    'tag `xtr-assets/afresh: "true"`) encodes again what no generation has that ever served; where one has it, '
    "`rollback`, `withdraw` and `gc` that one first, and build with `--again`"
)


def sample(draft: Generation, new: Mask, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """(some of the new rows, a few of the other live rows), each int64, ascending."""
    parts, lengths = [], []
    for one in draft.segments:
        positions = np.flatnonzero(new[one.base_row : one.end_row])
        if len(positions):
            parts.append(positions + one.base_row)
            lengths.append(_text_lengths(one.segment)[positions])
    chosen = choose_new(parts, np.concatenate([np.empty(0, np.int64), *lengths]), rng)
    return chosen, spread(np.flatnonzero(draft.live & ~new), OLD_ROWS, rng)


def read_rows(draft: Generation, rows: Ints) -> Iterator[StoredRow]:
    """The stored text and vectors of some rows, in order."""
    for one in draft.segments:
        positions = rows[(rows >= one.base_row) & (rows < one.end_row)] - one.base_row
        if len(positions):
            yield from _segment_rows(draft, one, positions)


def compare(stored: Sequence[StoredRow], encoded: Encoded, tolerance: Tolerance) -> list[Compared]:
    """Each stored row against text i of `encoded`; what comes after them is not looked at.

    A wrong embedding that is another text's of the sample is said to be so.
    """
    right = np.asarray(encoded.embeddings[: len(stored)], np.float32)
    compared = []
    for i, one in enumerate(stored):
        span = slice(int(encoded.offsets[i]), int(encoded.offsets[i + 1]))
        found = _compare_row(one, right[i], encoded.tokens[span], encoded.token_ids[span], tolerance)
        if one.embedding is not None and found.embedding < tolerance.embedding:
            others = agreement(np.broadcast_to(one.embedding, right.shape), right)
            best = int(others.argmax())
            if others[best] >= tolerance.embedding:
                found = Compared(found.embedding, found.token, f"{found.problem}, it is that of row {stored[best].row}")
        compared.append(found)
    return compared


def compare_names(stored: Sequence[StoredRow], encoded: Halves | Floats, tolerance: Tolerance) -> dict[int, str]:
    """Row -> what is wrong with the vector of its name; `encoded` are those of the rows that have one, in order."""
    held = [(one, one.name_vector) for one in stored if one.name_vector is not None]
    wrong = {
        one.row: "it has the vector of a name, and nothing names it"
        for one, vector in held
        if not one.name and np.asarray(vector).any()
    }
    named = [(one, vector) for one, vector in held if one.name]
    right = np.asarray(encoded, np.float32)
    for place, (one, vector) in enumerate(named):
        agreed = agreement(np.broadcast_to(vector, right.shape), right)
        if agreed[place] >= tolerance.embedding:
            continue
        problem = (
            f"the vector of its name, {one.name!r}, agrees to {agreed[place]:.5f}, {tolerance.embedding:g} is asked"
        )
        if agreed[best := int(agreed.argmax())] >= tolerance.embedding:
            problem += f", it is that of row {named[best][0].row}"
        wrong[one.row] = problem
    return wrong


def _new_rows(session: DraftSession) -> Mask:
    """bool [end_row]: live rows that no passed check of the parent vouches for, their names included.

    An imported parent, one of an earlier release, or one that was forced past this check vouches for nothing.
    """
    parent, draft = session.parent, session.draft
    record = None if parent is None else parent.manifest.checks.get(CHECK)
    if parent is None or record is None or not record.passed or parent.fingerprint != draft.fingerprint:
        new: Mask = draft.live
    else:
        new = session.rows.added & draft.live
        for placed in newly_named(draft, parent):
            new[placed.base_row : placed.end_row] = draft.live[placed.base_row : placed.end_row]
    return new


def _refused_rows(session: DraftSession) -> Ints:
    """int64, ascending: live rows of chunks that another draft was refused for here. A row that is wrong stays so until
    it is encoded again, and the sample of the next draft would miss it with the chance that samples have."""
    layout, draft = session.warehouse.layout, session.draft
    ids: list[int] = []
    for number in layout.numbers():
        if number == draft.number or is_sealed(layout, number) or not layout.manifest(number).is_file():
            continue
        record = read_manifest(layout, number).checks.get(CHECK)
        if record is not None and not record.passed:
            ids += record.details.get("wrong_ids", ())
    parts = [np.empty(0, np.int64)]
    for placed in draft.segments if ids else ():
        found = np.isin(placed.segment.chunk_ids(), ids) & draft.live[placed.base_row : placed.end_row]
        parts.append(placed.base_row + np.flatnonzero(found))
    return np.concatenate(parts)


def _segment_rows(generation: Generation, placed: PlacedSegment, positions: Ints) -> Iterator[StoredRow]:
    segment, fingerprint = placed.segment, generation.fingerprint
    embeddings = segment.embeddings(fingerprint) if "dense" in generation.legs else None
    arrays = segment.tokens(fingerprint) if "tokens" in generation.legs else None
    named = names_of(generation, segment.segment_id)
    names, documents = segment.names(fingerprint) if named else None, names_documents(named)
    table = _table(segment, ("chunk_id", "path", "symbol", "kind", "title", "text"), positions)
    for position, row in zip(positions.tolist(), table, strict=True):
        tokens = None if arrays is None else _decoded(arrays, position)
        yield StoredRow(
            row=position + placed.base_row,
            segment_id=segment.segment_id,
            chunk_id=row["chunk_id"],
            place=f"{row['path']} {row['symbol']}".strip(),
            text=row["text"] if not row["title"] else row["title"] + "\n" + row["text"],
            embedding=None if embeddings is None else np.asarray(embeddings[position]),
            tokens=None if tokens is None else tokens[0],
            token_ids=None if tokens is None else tokens[1],
            name=expected_name(row["path"], row["symbol"], row["text"], row["kind"], documents=documents),
            name_vector=None if names is None else np.asarray(names[position]),
        )


def _decoded(arrays: TokenArrays, position: int) -> tuple[Floats, Int32s]:
    """(tokens float32 [t, token_dim], token ids int32 [t]) of one row."""
    span = slice(int(arrays.offsets[position]), int(arrays.offsets[position + 1]))
    scales = np.asarray(arrays.scales[span], np.float32)[:, None]
    return np.asarray(arrays.tokens[span], np.float32) * scales, np.asarray(arrays.token_ids[span])


def _table(segment: Segment, columns: Sequence[str], positions: Ints) -> list[dict[str, Any]]:
    """Rows of chunks.parquet, only the row groups that hold them are read."""
    found: list[dict[str, Any]] = []
    with pq.ParquetFile(segment.verified("chunks.parquet")) as file:
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            inside = positions[(positions >= first) & (positions < first + count)] - first
            if len(inside):
                found += file.read_row_group(group, columns=list(columns)).take(inside).to_pylist()
            first += count
    return found


def _text_lengths(segment: Segment) -> Ints:
    """int64 [rows]: characters of each text."""
    with pq.ParquetFile(segment.verified("chunks.parquet")) as file:
        groups = (file.read_row_group(group, columns=["text"])["text"] for group in range(file.num_row_groups))
        return np.concatenate([np.asarray(pc.utf8_length(one), np.int64) for one in groups])


def _compare_row(
    one: StoredRow, embedding: Floats, tokens: Floats | Halves, token_ids: Int32s, tolerance: Tolerance
) -> Compared:
    agreed = 1.0
    if one.embedding is not None:
        if one.embedding.shape != embedding.shape:
            return Compared(0.0, float("nan"), f"dim {len(one.embedding)} is stored, the text has {len(embedding)}")
        agreed = float(agreement(one.embedding[None], embedding[None])[0])
    if one.tokens is None or one.token_ids is None:
        wrong = f"the embedding agrees to {agreed:.5f}, {tolerance.embedding:g} is asked"
        return Compared(agreed, 1.0, "" if agreed >= tolerance.embedding else wrong)
    if len(one.token_ids) != len(token_ids):
        return Compared(agreed, float("nan"), f"{len(one.token_ids)} tokens are stored, the text has {len(token_ids)}")
    if not np.array_equal(one.token_ids, token_ids):
        first = int((one.token_ids != token_ids).argmax())
        return Compared(agreed, float("nan"), f"token {first} is {one.token_ids[first]}, not {token_ids[first]}")
    each = agreement(one.tokens, tokens)
    least, mean = float(each.min()), float(each.mean())
    problem = ""
    if not agreed >= tolerance.embedding:
        problem = f"the embedding agrees to {agreed:.5f}, {tolerance.embedding:g} is asked"
    elif not least >= tolerance.token:
        problem = f"token {int(each.argmin())} agrees to {least:.5f}, {tolerance.token:g} is asked"
    elif not mean >= tolerance.mean_token:
        problem = f"tokens agree to {mean:.5f} on average, {tolerance.mean_token:g} is asked"
    return Compared(agreed, least, problem)


def _finding(
    stored: Sequence[StoredRow],
    compared: Sequence[Compared],
    strange: Sequence[str],
    tolerance: Tolerance,
    new: Mask,
    fresh_rows: Ints,
) -> Finding:
    wrong = [(one, found) for one, found in zip(stored, compared, strict=True) if found.problem]
    there, looked_at = int(new.sum()), len(fresh_rows)
    details = {
        "rows": len(stored),
        "new_rows_looked_at": looked_at,
        "new_rows": there,
        "unseen_share_at_one_in_a_hundred": round(missed_share(looked_at, there), 4),
        "least_embedding": min(one.embedding for one in compared),
        "least_token": float(np.nanmin([1.0, *(one.token for one in compared)])),
        "tolerance": [tolerance.embedding, tolerance.token, tolerance.mean_token],
        "segments": sorted({one.segment_id for one, _ in wrong})[:SHOWN],
        "wrong_ids": [one.chunk_id for one, _ in wrong[:SHOWN]],
        "problems": [f"row {one.row} ({one.place}): {found.problem}" for one, found in wrong[:SHOWN]],
        "canary": list(strange[:SHOWN]),
    }
    if strange:
        return Finding(
            False,
            float(len(wrong)),
            0.0,
            f"The encoder that was opened to judge differs from its own canary: {strange[0]}.",
            details,
            "see the check encoder_canary",
        )
    seen = f"{looked_at} of {there} new rows and {len(stored) - looked_at} old ones were encoded again"
    if wrong:
        one, found = wrong[0]
        return Finding(
            False,
            float(len(wrong)),
            0.0,
            f"{seen}; {len(wrong)} hold vectors of something else: row {one.row} ({one.place}): {found.problem}.",
            details,
            REMEDY,
        )
    return Finding(True, 0.0, 0.0, f"{seen}; all give the vectors that are stored.", details)
