"""`evidence_suffices`: the queries that the gate judges by are what the corpus offers: as many, as different, from as
many chunks, of what is new too; and none that somebody gave or judged is left out.

A gate without queries refuses nothing. So texts that could have been asked are counted here by code that draws none,
from chunks.parquet, and files of queries and judgments are read again.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.config import QueriesConfig
from xtr_assets.core.membership import lacking
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.encoders.base import Encoder
from xtr_assets.pipeline.gate.answer_truth import stored_rows
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.finds_itself import sample
from xtr_assets.pipeline.gate.judgments import GATE_QUERIES
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.gate_queries import GateQueries, GateQuery
from xtr_assets.storage.generation import Generation

# Rows that are looked at for what they offer; a text takes some microseconds.
LIVE_ROWS, NEW_ROWS = 1_024, 512
# A text offers a query where it has so many different words: of fewer, a part may be asked for already. Where words
# run together, characters are counted, two a word.
LEAST_WORDS, LETTERS_A_WORD = 6, 2
# Of what was offered this share has to be asked. Drawing stops at texts that other texts have taken, and at texts that
# an encoder finds no token in; this many times fewer is no such accident.
LEAST_ASKED, LEAST_CHUNKS, LEAST_NEW = 0.5, 0.125, 0.25
# Drawn queries may be of one text where an earlier release drew them; more of them say less than they seem to.
LEAST_DIFFERENT = 0.9
# New texts of which LEAST_NEW must have been asked, at most: a small change has 16 queries.
NEW_COUNTED = 16
# Vectors that point the same way but for what batches round.
SAME_COSINE = 0.9999
# Of fewer new texts none need be asked: all that two or three of them offer may be drawn of what stood there before.
FEW_NEW = 4
# Odd, with bits all over: ids that lie near each other become numbers that do not.
SPREAD = np.uint64(0x9E3779B97F4A7C15)
# Lines of a query log that say another way of asking are none that a server wrote.
ASKED_IN = ("hybrid", "dense", "xtr", "lexical", "exact")
SHOWN = 5
REMEDY = (
    "`xtr-assets build --full` (in Dagster: `retrain`) draws queries again; a `queries` file in xtr.yaml gives them; "
    "if it comes back, this is a defect of xtr-assets: report it"
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a row could be asked for by: its words, in order."""

    chunk_id: int
    words: tuple[str, ...]


def check(session: DraftSession) -> Finding:
    """Count what could have been asked, and what was. `value` is the number of things that are missing."""
    gate = session.queries()
    queries = gate.queries
    written = [query for query in queries if query.kind not in ("given", "vector")]
    fixed = [query for query in written if query.stratum == "fixed"]
    draft = session.draft
    offers = different(offers_of(draft, sample(draft.live, LIVE_ROWS)))
    given = _given(session.config.queries)
    logged = _logged(session)
    asked_of_file = sum(query.kind == "given" for query in queries)
    wanted = _wanted(session, asked_of_file, len(offers))
    if len(fixed) < _least(wanted):
        offers = told_apart(session.fresh_encoder(), offers)
        wanted = _wanted(session, asked_of_file, len(offers))
    problems = [
        *_number(fixed, asked_of_file, wanted, len(offers)),
        *_variety(written, fixed, wanted),
        *_vectors(gate),
        *(_from_files(session, queries, given) if logged is None else _from_log(session, asked_of_file, logged)),
    ]
    new, asked = _new(session, queries)
    if asked < _least_new(session, len(new)):
        new = told_apart(session.fresh_encoder(), new)
    if asked < (enough := _least_new(session, len(new))):
        problems.append(f"{asked} queries are of new rows, of which {len(new)} offer a text; {enough} are asked")
    summary = (
        f"{len(queries)} queries ({len(written)} drawn, {asked_of_file} given) stand for {len(offers)} different texts "
        f"and {len(new)} new ones that were looked at"
    )
    if problems:
        summary = f"the gate's queries do not stand for the corpus: {'; '.join(problems[:SHOWN])}"
    details: dict[str, Any] = {
        "queries": len(queries),
        "drawn": len(written),
        "given": asked_of_file,
        "texts_looked_at": len(offers),
        "new_texts_looked_at": len(new),
        "asked_of_new": asked,
        "problems": problems,
    }
    return Finding(not problems, float(len(problems)), 0.0, summary, details, REMEDY if problems else "")


_APART = {at: " " for at in range(128) if not chr(at).isalnum()}


def own_words(text: str) -> list[str]:
    """Words by white space and what is no letter; of a run without spaces, pairs of its characters.

    >>> own_words("Two words, no more"), own_words("\u691c\u7d22\u306e\u7d22\u5f15")
    (['two', 'words', 'no', 'more'], ['検索', 'の索', '引'])
    """
    folded = text.casefold()
    # Character by character in Python alone where there is another way: 0.4 CPU ms a text of 250.
    if folded.isascii():
        letters = folded.translate(_APART)
    else:
        letters = "".join(one if one.isalnum() else " " for one in folded)
    found: list[str] = []
    for word in letters.split():
        if max(word) < "\u0e00":
            found.append(word)
        else:
            found += [word[i : i + LETTERS_A_WORD] for i in range(0, len(word), LETTERS_A_WORD)]
    return found


def offers_of(generation: Generation, rows: Ints) -> list[Offer]:
    """What rows offer, ascending; those that offer nothing are left out."""
    found: list[Offer] = []
    for one in generation.segments:
        positions = rows[(rows >= one.base_row) & (rows < one.end_row)] - one.base_row
        if not len(positions):
            continue
        counts = np.full(len(positions), LEAST_WORDS, np.int64)
        if "tokens" in generation.legs:
            offsets = one.segment.tokens(generation.fingerprint).offsets
            counts = offsets[positions + 1] - offsets[positions]
        texts = _texts(generation, one.segment.segment_id, positions)
        for (chunk_id, text), count in zip(texts, counts.tolist(), strict=True):
            words = tuple(own_words(text))
            # What the encoder makes no tokens of is nothing to ask either.
            if len(set(words)) >= LEAST_WORDS and count >= LEAST_WORDS:
                found.append(Offer(chunk_id, words))
    return found


def different(offers: Iterable[Offer]) -> list[Offer]:
    """One for each text."""
    return list({one.words: one for one in offers}.values())


def told_apart(encoder: Encoder, offers: Sequence[Offer]) -> list[Offer]:
    """One for each question that the encoder tells from the others, of the first words of each offer: where it has no
    word for what the corpus says, a hundred texts offer one question."""
    if not offers:
        return []
    encoded = encoder.encode_queries([" ".join(one.words[:LEAST_WORDS]) for one in offers])
    different = _other_questions(encoded.embeddings, encoded.tokens)
    return [offer for offer, other in zip(offers, different.tolist(), strict=True) if other]


def _other_questions(embeddings: Floats, tokens: Sequence[Floats]) -> Mask:
    """bool [n]: which questions are others than all before them, to each index that the encoder has vectors for."""
    other = np.ones(len(embeddings), np.bool_)
    if embeddings.shape[1]:
        other &= _other_vectors(np.asarray(embeddings, np.float32))
    if any(one.shape[1] for one in tokens):
        other &= _other_vectors(np.stack([one.sum(axis=0) for one in tokens]).astype(np.float32))
    return other


def _other_vectors(vectors: Floats) -> Mask:
    """bool [n]: which rows point elsewhere than all before them."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    nothing: Mask = ~np.asarray(vectors.any(axis=1), np.bool_)
    same = np.tril((unit @ unit.T > SAME_COSINE) | np.outer(nothing, nothing), -1)
    other: Mask = ~same.any(axis=1)
    return other


def _wanted(session: DraftSession, given: int, offered: int) -> int:
    return min(max(0, session.config.recall.queries - given), offered)


def _least(wanted: int) -> int:
    return int(np.ceil(LEAST_ASKED * wanted))


def _least_new(session: DraftSession, offered: int) -> int:
    """How many queries must be of new rows, where so many new texts offer one."""
    counted = min(offered, NEW_COUNTED, max(1, session.config.recall.queries // 4))
    return int(np.ceil(LEAST_NEW * counted)) if offered >= FEW_NEW else 0


def _texts(generation: Generation, segment_id: str, positions: Ints) -> list[tuple[int, str]]:
    """(chunk_id, text) at ascending positions of chunks.parquet."""
    rows = stored_rows(generation, segment_id, positions, ("chunk_id", "text"))
    return [(row["chunk_id"], row["text"]) for row in rows]


def _number(fixed: Sequence[GateQuery], given: int, wanted: int, offered: int) -> list[str]:
    if len(fixed) >= (least := _least(wanted)):
        return []
    return [
        f"{len(fixed)} queries in words were drawn beside {given} given ones, {offered} texts offer some, {least} are "
        "asked"
    ]


def _variety(written: Sequence[GateQuery], fixed: Sequence[GateQuery], wanted: int) -> list[str]:
    # Queries of new rows are no chunks: what the fixed ones lack the next change would lack again.
    texts, chunks = {query.text.casefold() for query in written}, {query.chunk_id for query in fixed}
    problems = []
    if len(texts) < LEAST_DIFFERENT * len(written):
        problems.append(f"{len(written)} drawn queries are {len(texts)} different texts")
    if len(chunks) < (least := int(np.ceil(LEAST_CHUNKS * min(wanted, len(fixed))))):
        problems.append(f"{len(fixed)} drawn queries are of {len(chunks)} chunks, {least} are asked")
    return problems


def _vectors(gate: GateQueries) -> list[str]:
    """Texts that differ may be one question to the encoder: a hundred that find the same prove what one proves."""
    drawn = [i for i, one in enumerate(gate.queries) if one.stratum == "fixed" and one.kind not in ("given", "vector")]
    if not drawn:
        return []
    asked = gate.take(drawn)
    different = int(_other_questions(asked.embeddings, asked.tokens).sum())
    if different >= LEAST_DIFFERENT * len(drawn):
        return []
    return [f"{len(drawn)} drawn queries are {different} different questions to the encoder"]


def _new(session: DraftSession, queries: Sequence[GateQuery]) -> tuple[list[Offer], int]:
    """What chunks offer that the parent does not serve, or not with this text, and how many queries are of such chunks.
    A text all of whose pairs of words are queries already offers nothing more."""
    if session.parent is None:
        return [], 0
    draft, came = session.draft, np.zeros(session.draft.end_row, np.bool_)
    came[draft.live] = lacking(_live_keys(draft), _live_keys(session.parent))
    taken = {" ".join(own_words(query.text)) for query in queries if query.kind != "vector"}
    offers = different(offers_of(draft, sample(came, NEW_ROWS)))
    free = [one for one in offers if _free(one.words, taken)]
    new_ids = set(np.concatenate([np.empty(0, np.int64), *_ids_where(draft, came)]).tolist())
    # Fixed ones may be of new chunks, too, where a change took others away: recall of new rows does not ask them.
    return free, sum(one.stratum == "new" and one.kind != "vector" and one.chunk_id in new_ids for one in queries)


def _free(words: Sequence[str], taken: set[str]) -> bool:
    """Whether at least half of the windows of two and of four words are no query yet."""
    windows = [" ".join(words[i : i + size]) for size in (2, 4) for i in range(len(words) - size + 1)]
    return sum(one not in taken for one in windows) * 2 >= len(windows)


def _live_keys(generation: Generation) -> Ints:
    """int64 [live rows]: a number that no other chunk has, nor the same one with another text."""
    keys = [np.empty(0, np.int64)]
    for one in generation.segments:
        live = generation.live[one.base_row : one.end_row]
        ids, texts = one.segment.chunk_ids()[live].view(np.uint64), one.segment.text_hashes()[live, 0]
        keys.append((ids * SPREAD ^ texts).view(np.int64))
    return np.concatenate(keys)


def _ids_where(generation: Generation, rows: Any) -> list[Ints]:
    return [one.segment.chunk_ids()[rows[one.base_row : one.end_row]] for one in generation.segments]


def _given(config: QueriesConfig | None) -> list[tuple[str, str]]:
    """(id, text) of each line of the queries file, read by code of this check."""
    if config is None:
        return []
    records = [json.loads(line) for line in config.path.read_text("utf-8-sig").split("\n") if line.strip()]
    return [(str(one["_id"]), str(one["text"])) for one in records]


def _from_files(session: DraftSession, queries: Sequence[GateQuery], given: Sequence[tuple[str, str]]) -> list[str]:
    """Given queries are asked as they are written, as many as `recall.queries` says; judged ones are all asked."""
    problems = []
    asked = [(query.query_id, query.text) for query in queries if query.kind == "given"]
    wanted = min(len(given), session.config.recall.queries)
    if len(asked) < wanted:
        problems.append(f"{len(asked)} queries of the file are asked, {wanted} are there")
    if other := sorted(set(asked) - set(given)):
        problems.append(f"{len(other)} given queries are not those of the file, {other[0][0]!r} among them")
    judgments = None if session.config.queries is None else session.config.queries.judgments
    record = session.draft.manifest.checks.get("judged_quality")
    # One that refused before it asked says why by itself.
    if judgments is not None and record is not None and (record.passed or "hybrid" in record.details):
        judged = min(len(_judged(judgments) & {name for name, _ in given}), GATE_QUERIES)
        if (looked := int(record.details.get("hybrid", {}).get("queries", 0))) < judged:
            problems.append(f"{looked} judged queries were asked, {judged} are there")
    return problems


def _logged(session: DraftSession) -> set[str] | None:
    """Texts, whole characters all, that the log holds from before the draft was begun; None where none is asked."""
    config = session.config
    if not config.queries_from_log or config.query_log is None:
        return None
    found = set()
    for name in (f"{config.log_name}.1.jsonl", f"{config.log_name}.jsonl"):
        path = config.query_log.folder / name
        for line in path.read_bytes().split(b"\n") if path.is_file() else ():
            try:
                one = json.loads(line)
                text, at = one["text"].encode("utf-8").decode("utf-8"), datetime.fromisoformat(one["at"])
                asked = one["mode"] in ASKED_IN and isinstance(one.get("where"), dict | None) and text.strip()
                if asked and at < datetime.fromisoformat(session.draft.manifest.created_at):
                    found.add(text)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    return found


def _from_log(session: DraftSession, asked: int, logged: Collection[str]) -> list[str]:
    """The log is written, rotated and deleted while a build runs, so that what is there now and was there before the
    draft is the least that could be asked."""
    wanted = min(len(logged), session.config.recall.queries)
    return [f"{asked} questions of the log are asked, {wanted} were there"] if asked < wanted else []


def _judged(path: Path) -> set[str]:
    """Ids of the queries that have a relevant document. Of a pair that is judged twice the last line counts."""
    found: dict[tuple[str, str], bool] = {}
    for line in path.read_text("utf-8-sig").split("\n"):
        with suppress(ValueError):
            query, document, score = line.split("\t")
            found[query, document] = float(score) > 0
    return {query for (query, _), relevant in found.items() if relevant}
