"""Which real questions change their answers from one generation to another, the worst first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xtr_assets.core.errors import XtrAssetsError
from xtr_assets.pipeline.queries.question_log import LoggedQuestion
from xtr_assets.search.hits import Hit
from xtr_assets.search.searcher import Searcher

# A person sees ten hits.
DEPTH = 10
NOTHING = "nothing"
# Characters of a text in a row: a record of 50 rows stays small, though a question may be a page.
MOST_TEXT = 300


@dataclass(frozen=True, slots=True)
class QuestionShadow:
    """A question in two generations. kept : share of the hits before that are there after; 1.0 where there were none
    and are none. before, after : the place of the first hit, or why there is none."""

    question: LoggedQuestion
    kept: float
    before: str
    after: str

    def document(self) -> dict[str, Any]:
        """A row of a table."""
        return {
            "question": self.question.text[:MOST_TEXT],
            "asked": self.question.times,
            "kept": round(self.kept, 4),
            "first_before": self.before[:MOST_TEXT],
            "first_after": self.after[:MOST_TEXT],
            "mode": self.question.mode,
            "filter": self.question.where[:MOST_TEXT],
        }


def shadows(before: Searcher, after: Searcher, questions: Sequence[LoggedQuestion]) -> list[QuestionShadow]:
    """The questions that the generation before answers or finds nothing for, the most changed first, then those asked
    most. One that it refuses (a mode or a field that it never had) has no answer that could change."""
    found = []
    for question in questions:
        old, refused = _hits(before, question)
        if refused is None:
            found.append(_compared(question, old, *_hits(after, question)))
    return sorted(found, key=lambda one: (one.kept, -one.question.times, one.question.text))


def changed_share(found: Sequence[QuestionShadow]) -> float:
    """The share of answers that change, each question as often as it was asked."""
    return sum((1 - one.kept) * one.question.times for one in found) / sum(one.question.times for one in found)


def _compared(question: LoggedQuestion, old: Sequence[Hit], new: Sequence[Hit], refused: str | None) -> QuestionShadow:
    ids = {hit.chunk_id for hit in new}
    if old:
        kept = sum(hit.chunk_id in ids for hit in old) / len(old)
    else:
        # Nothing before and something after is a change, too.
        kept = float(not new and refused is None)
    return QuestionShadow(question, kept, _first(old), refused or _first(new))


def _hits(searcher: Searcher, question: LoggedQuestion) -> tuple[Sequence[Hit], str | None]:
    mode: Any = question.mode
    try:
        return searcher.search(question.text, DEPTH, mode, question.filter), None
    except XtrAssetsError as error:
        return (), f"refused: {error}"


def _first(hits: Sequence[Hit]) -> str:
    return f"{hits[0].path}:{hits[0].start_line} {hits[0].symbol}".strip() if hits else NOTHING
