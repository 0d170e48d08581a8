"""`lexical_agrees`: postings hold the words of their rows, and answers in words are what those postings say.

Words are read from chunks.parquet by a scanner of the gate's own (term_truth.py); postings from their raw arrays, and
scores in double precision (lexical_truth.py). Nothing of what writes or searches the index is asked but the searcher.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.core.types import Ints, Mask
from xtr_assets.pipeline.gate.answer_truth import Places, places_of, stored_rows
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.finds_itself import sample
from xtr_assets.pipeline.gate.lexical_truth import MOST_COUNTED, Doubles, StoredWords, nth_largest, stored_postings
from xtr_assets.pipeline.gate.term_truth import asked, counted, tellable
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.search.hits import Hit

# Rows whose words are counted again: all that came, up to so many, and some that were there, in runs of neighbours
# because numbers slip by one. A row of 100 words takes .3 ms.
NEW_ROWS, OLD_ROWS = 2_048, 128
COLUMNS = ("path", "symbol", "title", "text")
# Questions: of the gate, and of words of the rows that were read.
GATE_QUESTIONS, OWN_QUESTIONS, WORDS = 8, 12, 4
K = 10
# Float32 sums of so few terms, beside float64: relative to the score.
ROUNDING = 2e-5
SHOWN = 8
REMEDY = "build again with --full; if it comes back, this is a defect of xtr-assets: report it with these rows"


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row whose words were counted from its text."""

    row: int
    source: str
    words: Counter[str]


def check(session: DraftSession) -> Finding:
    """Count again, and ask. `value` is the number of rows and answers that are wrong."""
    draft = session.draft
    if not draft.live_rows:
        return Finding(True, 0.0, 0.0, "no live row: there is no word", {"rows": 0, "questions": 0})
    chance = np.random.default_rng([draft.number, draft.end_row])
    try:
        places = places_of(session)
        live = np.zeros(draft.end_row, np.bool_)
        live[places.row[places.live]] = True
        added = session.rows.added
        chosen = np.union1d(sample(live & added, NEW_ROWS), sample(live & ~added, OLD_ROWS))
        read, skipped = read_rows(session, places, chosen)
        asking = questions(session, read, chance)
        problems = [*word_faults(session, read), *answer_faults(session, places, live, asking, read)]
    except (XtrAssetsError, LookupError, ValueError, OSError) as error:
        return Finding(False, None, 0.0, f"the words of the draft cannot be read: {error}", {"rows": 0}, REMEDY)
    passed = not problems
    summary = f"{len(read)} rows have the words of their texts, and answers in words are what they say"
    if problems:
        summary = f"{len(problems)} rows or answers in words are wrong (0 may): {problems[0]}"
    details = {
        "rows": len(read),
        "new_rows": int(added[chosen].sum()),
        "skipped": skipped,
        "problems": problems[:SHOWN],
    }
    return Finding(passed, float(len(problems)), 0.0, summary, details, "" if passed else REMEDY)


def read_rows(session: DraftSession, places: Places, rows: Ints) -> tuple[list[ReadRow], int]:
    """The words of rows by their texts in chunks.parquet; and how many hold characters that cannot be told."""
    found, skipped = [], 0
    at = np.searchsorted(places.row, rows)
    numbers = places.segment[at]
    for number in np.unique(numbers).tolist():
        inside = at[numbers == number]
        positions = places.position[inside]
        order = np.argsort(positions, kind="stable")
        table = stored_rows(session.draft, places.segments[number], positions[order], (*COLUMNS, "source"))
        for row, one in zip(places.row[inside[order]].tolist(), table, strict=True):
            texts = [one[column] for column in COLUMNS]
            if all(map(tellable, texts)):
                found.append(ReadRow(int(row), one["source"], counted(*texts)))
            else:
                skipped += 1
    return found, skipped


def word_faults(session: DraftSession, read: Sequence[ReadRow]) -> Iterator[str]:
    """Rows whose postings are not the words of their text, a sentence each."""
    by_row = {one.row: one.words for one in read}
    for part in stored_postings(session.draft):
        mine = [row for row in by_row if part.base_row <= row < part.base_row + part.rows]
        if not mine:
            continue
        stored = part.counted(np.array(mine, np.int64) - part.base_row)
        for row in mine:
            true = Counter({term: min(times, MOST_COUNTED) for term, times in by_row[row].items()})
            held, length = stored[row - part.base_row], int(part.lengths[row - part.base_row])
            if held != true:
                missing, extra = sorted((true - held).keys())[:3], sorted((held - true).keys())[:3]
                yield f"row {row} of segment {part.segment_id}: its text has {missing} more often, postings {extra}"
            elif length != by_row[row].total():
                yield f"row {row} of segment {part.segment_id}: {by_row[row].total()} terms, {length} are its length"


def questions(session: DraftSession, read: Sequence[ReadRow], chance: np.random.Generator) -> list[str]:
    """Texts of the gate's queries, and words of rows, rare and common ones: what can be asked of a small index too."""
    told = [query.text for query in session.queries().queries if query.kind != "vector" and tellable(query.text)]
    count = min(len(told), GATE_QUESTIONS)
    asked_again = [told[at] for at in sorted({i * len(told) // count for i in range(count)})]
    own = []
    worded = [one for one in read if one.words]
    for at in chance.permutation(len(worded))[:OWN_QUESTIONS].tolist():
        words = sorted(worded[at].words)
        own.append(" ".join(words[i] for i in chance.permutation(len(words))[:WORDS].tolist()))
    return [*asked_again, *own]


def answer_faults(
    session: DraftSession, places: Places, live: Mask, texts: Sequence[str], read: Sequence[ReadRow]
) -> Iterator[str]:
    """Answers that are not those of the postings, each question over all rows and over one source."""
    words, searcher = StoredWords(session.draft, live), session.searcher()
    sources = sorted({one.source for one in read})
    for number, text in enumerate(texts):
        scores = words.scores(asked(text))
        held = scores[scores > 0]
        yield from _judged(searcher.search(text, K, "lexical", syntax="plain"), scores, held, places, None, text)
        where = {"source": sources[number % len(sources)]} if sources else None
        filtered = searcher.search(text, K, "lexical", where, syntax="plain")
        yield from _judged(filtered, scores, held, places, where, text)


def _judged(
    hits: Sequence[Hit], scores: Doubles, held: Doubles, places: Places, where: Mapping[str, Any] | None, text: str
) -> Iterator[str]:
    """scores : of every row; held : those above 0, which few rows have."""
    about = f"{text[:60]!r}" + (f" in {where['source']!r}" if where else "")
    rows = places.live_rows_of(np.array([hit.chunk_id for hit in hits], np.int64))
    if (rows < 0).any() or len(np.unique(rows)) < len(rows):
        yield f"a hit of {about} is no live chunk, or comes twice"
        return
    if where is not None and any(hit.source != where["source"] for hit in hits):
        yield f"a hit of {about} is of another source"
        return
    true = scores[rows]
    shown = np.array([hit.score for hit in hits], np.float64)
    room = ROUNDING * max(1.0, float(held.max(initial=0.0)))
    if not (np.abs(shown - true) <= room).all():
        worst = int(np.abs(shown - true).argmax())
        yield f"a hit of {about} scores {shown[worst]:.5f}, its postings say {true[worst]:.5f}"
        return
    if where is not None:
        # Which rows pass the filter is not known here: that what came is right is all that is asked.
        return
    wanted = min(K, int((held > room).sum()))
    if len(hits) < wanted:
        yield f"{len(hits)} hits of {about}, {wanted} rows share a word with it"
    elif wanted:
        last = nth_largest(held, wanted)
        if (true[:wanted] < last - room).any():
            yield f"a better row than a hit of {about} did not come: its score is {last:.5f}"
