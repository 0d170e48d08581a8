"""One answer held against what should have come: who may be among the hits, what they score, whether the best came."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xtr_assets.core.recall import upper_bound
from xtr_assets.core.search_options import Collapse
from xtr_assets.core.types import Floats, Ints, Mask
from xtr_assets.encoders.base import Tolerance
from xtr_assets.pipeline.gate.answer_truth import Doubles, Places, StoredVectors
from xtr_assets.pipeline.gate.copy_truth import text_of
from xtr_assets.pipeline.gate.drawn_filters import shown
from xtr_assets.pipeline.gate.drawn_questions import Question
from xtr_assets.pipeline.gate.kind_truth import gains_of, kind_faults
from xtr_assets.pipeline.gate.leg_truth import LEGS, Listed, Told, summed
from xtr_assets.pipeline.gate.name_truth import elsewhere_of, named_rows, said_of, tests_of
from xtr_assets.pipeline.gate.place_truth import stands_of
from xtr_assets.pipeline.gate.run_truth import in_a_row, run_faults, runs_of
from xtr_assets.pipeline.gate.shown_scores import SAME_SHARE, Besides, shown_faults
from xtr_assets.pipeline.gate.where_truth import Row
from xtr_assets.search.hits import Hit
from xtr_assets.search.ranker import Mode

# As docs/searching.md says: where no more rows are allowed than lists would hold all are scored. A list of a mode that
# sums nothing holds k, and so many are scored in any case.
SCANNED = 100
# What sums in another order, and an int8 product, may add to what the encoder tolerates.
ROUNDING = {"dense": 1e-3, "name": 1e-3, "xtr": 8e-3, "lexical": 1e-3}
# How far apart the scores of an answer may be that are the same: beside what the answer shows of it itself.
SAME = {"dense": 1e-4, "name": 1e-4, "xtr": 4e-3, "lexical": 1e-4}
# Standard scores whose moments come from as good rows.
SAME_Z = 0.1
CONFIDENCE = 0.999
# How far a row at a place has to stand before the last hit to be missed: lists that lack a row or two have another mean
# and spread.
CLEARLY = 5.0
# What of a row names and places are told by.
_PLACED = ("path", "symbol", "start_line", "end_line")


@dataclass(frozen=True, slots=True)
class Case:
    """One search. rows : int64, ascending, the live rows that may come; None where more live than were read. folded :
    whether one hit a symbol is asked for."""

    question: Question
    mode: Mode
    k: int
    where: Mapping[str, Any] | None
    rows: Ints | None
    folded: Collapse | None = None

    def __str__(self) -> str:
        said = f"{self.question.text[:60]!r}, mode {self.mode}, k {self.k}, {shown(self.where)}"
        return f"{said}, one hit a {self.folded}" if self.folded else said


@dataclass
class Verdict:
    """What was wrong, a sentence each; and of the best rows that an index was asked for, how many came."""

    problems: list[str] = field(default_factory=list)
    found: list[float] = field(default_factory=list)

    @property
    def surely_at_most(self) -> float:
        """Upper bound of the share that is found."""
        return upper_bound(float(np.mean(self.found)), len(self.found), CONFIDENCE) if self.found else 1.0


def tolerated(tolerance: Tolerance) -> dict[str, float]:
    """How far a score may lie from that of the same words encoded before: as far as the vectors may."""
    embedding = float(np.sqrt(2 * (1 - tolerance.embedding)))
    return {
        "dense": embedding + ROUNDING["dense"],
        "name": embedding + ROUNDING["name"],
        "xtr": float(np.sqrt(2 * (1 - tolerance.mean_token))) + ROUNDING["xtr"],
        "lexical": ROUNDING["lexical"],
    }


@dataclass(frozen=True)
class Judge:
    """What answers are held against. columns : of the rows that were read; tolerances : by space."""

    places: Places
    stored: StoredVectors
    columns: Mapping[int, Row]
    told: Told
    tolerances: Mapping[str, float]

    def judge(self, case: Case, hits: Sequence[Hit], verdict: Verdict) -> None:
        """Hold one answer against what should have come."""
        found = self.places.live_rows_of(np.array([hit.chunk_id for hit in hits], np.int64))
        rows = np.unique(found if case.rows is None else case.rows)
        wrong = self._not_allowed(case, hits, found)
        if case.rows is None and case.mode != "lexical" and not wrong and not len(hits):
            # Of words alone a question may find none; by vectors each row stands somewhere.
            wrong = "no hit, though nothing is filtered"
        if wrong or not len(rows):
            verdict.problems += [f"{wrong} ({case})"] if wrong else []
            return
        legs = self._legs(case.mode)
        scores = {leg: _scores(case.question, self.stored, leg, rows) for leg in legs}
        names = self.stored.names(rows, case.question.embedding) if self._named(case.mode) else None
        at = np.searchsorted(rows, found)
        true = {**scores, **({} if names is None else {"name": names})}
        borne = self._borne(case, rows, found, hits)
        called = self._called(case, rows, found, hits, names)
        stands = self._stands(case, rows, found, hits)
        digits = self._digits(case, rows)
        tokens = self.stored.tokens(rows)
        # As docs/searching.md says: where MaxSim ranks alone its own length term is taken off.
        length = self.told.alone * np.log(np.maximum(tokens, 1)) if case.mode == "xtr" else np.zeros(len(rows))
        adds, of_names = self._adds(case.mode), None if names is None else names[at]
        besides = Besides(borne[at], called[at], stands[at], digits[at])
        if wrong := shown_faults(case.mode, hits, legs, of_names, besides, length[at], adds):
            verdict.problems.append(f"{wrong} ({case})")
            return
        # What the words scored now and when they were drawn: the same encoder, another batch.
        apart = {
            name: _furthest([hit.scores.get(name, 0.0) for hit in hits], values[at]) for name, values in true.items()
        }
        for name in true:
            if not apart[name] <= self.tolerances[name]:
                verdict.problems.append(
                    f"a score in {name} is {apart[name]:.4f} from that of its stored vectors, "
                    f"{self.tolerances[name]:.4f} is tolerated ({case})"
                )
                return
        wrong, read = self._read_of(case, at, hits, scores, names, apart)
        if wrong:
            verdict.problems.append(f"{wrong} ({case})")
            return
        if case.rows is None:
            verdict.found.append(len(hits) / case.k)
            return
        added = self.told.symbol * borne + self.told.called * called + self.told.place * stands
        added = added + self.told.digits * digits + self._verbatim(case, rows, at, hits, read)
        self._best(case, hits, rows, at, scores, names, tokens, added, stands, length, apart, verdict)

    def whole(self, case: Case) -> bool:
        """Whether nothing may be missed: the rows are few enough to be scored, or the mode scores them all."""
        if case.rows is None or case.mode in ("exact", "lexical"):
            return case.rows is not None
        depth = self.told.depth if case.mode == "hybrid" else min(self.told.depth, SCANNED)
        return len(case.rows) <= max(case.k, depth)

    def _legs(self, mode: Mode) -> tuple[str, ...]:
        if mode in ("hybrid", "exact"):
            return tuple(leg for leg in LEGS if self.told.weights.get(leg))
        return (mode, "dense") if self._adds(mode) else (mode,)

    def _adds(self, mode: Mode) -> float:
        """What a unit of the embeddings' cosine adds in a mode that sums no legs: where MaxSim ranks alone."""
        return self.told.pooled if mode == "xtr" else 0.0

    def _named(self, mode: Mode) -> bool:
        return mode in ("hybrid", "exact") and self.told.named and self.stored.named

    def _borne(self, case: Case, rows: Ints, found: Ints, hits: Sequence[Hit]) -> Mask:
        """bool [len(rows)]: those that bear the name that the question is, in a mode where that counts. Of a hit that
        was not read its own columns are taken, which `hits_are_whole` holds against the segments."""
        if case.mode not in ("hybrid", "exact") or not self.told.symbol:
            return np.zeros(len(rows), np.bool_)
        return named_rows(case.question.text, rows, self._said(rows, found, hits))

    def _called(self, case: Case, rows: Ints, found: Ints, hits: Sequence[Hit], names: Floats | None) -> Doubles:
        """float64 [len(rows)]: how much of the question rows are called, in a mode where that counts."""
        if case.mode not in ("hybrid", "exact") or not self.told.called or not self.told.weights.get("lexical"):
            return np.zeros(len(rows))
        rarity, columns = self.stored.rarity(case.question.text), self._said(rows, found, hits)
        said = 0.0 if names is None else np.where(names != 0, said_of(rarity, rows, columns), 0.0)
        return said - elsewhere_of(rarity, rows, columns) - tests_of(case.question.text, rows, columns)

    def _stands(self, case: Case, rows: Ints, found: Ints, hits: Sequence[Hit]) -> Doubles:
        """float64 [len(rows)]: how much rows stand at places that the question names, in a mode where that counts."""
        if case.mode not in ("hybrid", "exact") or not self.told.place:
            return np.zeros(len(rows))
        return stands_of(case.question.text, rows, self._said(rows, found, hits))

    def _digits(self, case: Case, rows: Ints) -> Doubles:
        """float64 [len(rows)]: how much of the question's rare words with a digit rows hold, where that counts."""
        if case.mode not in ("hybrid", "exact") or not self.told.digits or not self.told.weights.get("lexical"):
            return np.zeros(len(rows))
        return self.stored.digits(rows, case.question.text)

    def _read_of(
        self,
        case: Case,
        at: Ints,
        hits: Sequence[Hit],
        scores: Mapping[str, Floats],
        names: Floats | None,
        apart: Mapping[str, float],
    ) -> tuple[str, Ints]:
        """What is wrong with the words in a row that hits show; of which rows the text is surely read, as places."""
        if case.mode not in ("hybrid", "exact") or not self.told.verbatim or "lexical" not in scores:
            return "", at[:0]
        lexical, slack = scores["lexical"], 2 * apart["lexical"] + SAME["lexical"]
        listed = 0 if case.rows is None else len(lexical) if self.whole(case) else max(case.k, self.told.depth)
        return run_faults(case.question.text, hits, at, lexical, names, slack, listed=listed)

    def _verbatim(self, case: Case, rows: Ints, at: Ints, hits: Sequence[Hit], read: Ints) -> Doubles:
        """float64 [len(rows)]: what rows gain for words in a row; a hit as it says, which was held against its text."""
        runs = np.zeros(len(rows))
        for place in read.tolist():
            if int(rows[place]) in self.columns:
                runs[place] = in_a_row(case.question.text, self.columns[int(rows[place])]["text"])
        runs[at] = runs_of(hits)
        return self.told.verbatim * runs

    def _said(self, rows: Ints, found: Ints, hits: Sequence[Hit]) -> dict[int, Mapping[str, Any]]:
        """What rows are called and where they stand: as they were read, else as their hits say."""
        pairs = zip(found.tolist(), hits, strict=True)
        said = {row: {name: getattr(hit, name) for name in _PLACED} for row, hit in pairs}
        return {**said, **{row: self.columns[row] for row in self._read(rows)}}

    def _read(self, rows: Ints) -> list[int]:
        return [row for row in rows.tolist() if row in self.columns]

    def fold_of(self, case: Case, row: int) -> Hashable:
        """What makes a row that was read one hit with others: its text; or its symbol, and a row without one stands for
        itself."""
        columns = self.columns[row]
        if case.folded == "text":
            return text_of(columns)
        return (columns["source"], columns["path"], columns["symbol"]) if columns["symbol"] else row

    def _not_allowed(self, case: Case, hits: Sequence[Hit], found: Ints) -> str:
        """What may not be among the hits, whatever it scores."""
        if (found < 0).any():
            return f"{int((found < 0).sum())} hits are chunks that do not live"
        if len(np.unique(found)) < len(found):
            return f"{len(found) - len(np.unique(found))} hits come twice, or from a dead row of their chunk"
        if case.rows is not None and not np.isin(found, case.rows).all():
            return f"{int((~np.isin(found, case.rows)).sum())} of {len(found)} hits do not pass the filter"
        if len(hits) > case.k:
            return f"{len(hits)} hits where {case.k} were asked for"
        if case.folded and case.rows is not None:
            wanted = min(case.k, len({self.fold_of(case, row) for row in case.rows.tolist()}))
            if twice := len(hits) - len({self.fold_of(case, row) for row in found.tolist()}):
                return f"{twice} hits are of a {case.folded} that another hit is of"
            if len(hits) != wanted:
                return f"{len(hits)} hits, {wanted} {case.folded}s should have come"
        elif self.whole(case) and case.rows is not None and len(hits) != min(case.k, len(case.rows)):
            return f"{len(hits)} hits, {min(case.k, len(case.rows))} rows should have come"
        return ""

    def _best(
        self,
        case: Case,
        hits: Sequence[Hit],
        rows: Ints,
        at: Ints,
        scores: Mapping[str, Floats],
        names: Floats | None,
        tokens: Ints,
        added: Doubles,
        stands: Doubles,
        length: Doubles,
        apart: Mapping[str, float],
        verdict: Verdict,
    ) -> None:
        """Whether the best rows came: all of them where rows are scanned, else counted."""
        slack = {name: 2 * apart[name] + SAME[name] for name in apart}
        total: Doubles
        brought = np.ones(len(rows), np.bool_)
        if case.mode not in ("hybrid", "exact"):
            total = scores[case.mode] - length
            room = slack[case.mode]
            if adds := self._adds(case.mode):
                total += adds * scores["dense"]
                room += adds * slack["dense"]
                if not self.whole(case):
                    # The embeddings bring no rows.
                    of_tokens = Listed.of(case.mode, scores[case.mode], max(case.k, SCANNED), slack[case.mode])
                    brought = np.isin(np.arange(len(rows)), of_tokens.surely)
        else:
            made = summed(scores, names, tokens, self.places.ids_of(rows), self.told, case.k, slack)
            total = made.total + added
            room = SAME_Z + sum(2 * slack[leg] * reach for leg, reach in made.reach.items())
            room += 2 * slack.get("name", 0.0) * made.reach.get("dense", 0.0) + made.doubt
            gained = gains_of(hits, self.told.beside)
            off = _furthest([hit.score for hit in hits], total[at] + gained)
            # Asked so that what is no number is off, here and below.
            if self.whole(case) and not off <= room:
                verdict.problems.append(f"a sum of standard scores is {off:.2f} off, {room:.2f} may be ({case})")
                return
            named = np.zeros(len(rows), np.bool_) if names is None else names != 0
            whole, folded = self.whole(case), case.folded is not None
            if wrong := kind_faults(hits, at, total, named, self.told.beside, room, whole=whole, folded=folded):
                verdict.problems.append(f"{wrong} ({case})")
                return
            total[at] += gained
            placed = _listed_places(stands, max(case.k, self.told.depth))
            if case.mode == "hybrid" and not self.whole(case):
                # No leg brings the others: the best of what lists hold are asked for. A place brings what stands there.
                brought = made.listed | placed
            # Among many hits one that is missing is no great share of them; here it is what was asked for.
            clear = float(np.sort(total)[-min(case.k, len(total))]) + 2 * room + CLEARLY
            if not case.folded and (lost := np.setdiff1d(np.flatnonzero(placed & (total > clear)), at)).size:
                verdict.problems.append(f"{lost.size} rows at places of the question did not come ({case})")
                return
        # One hit a symbol, or a text: of each the best row alone could have come.
        offered = np.sort(total[brought])
        if case.folded:
            best: dict[Hashable, float] = {}
            for row, value in zip(rows[brought].tolist(), total[brought].tolist(), strict=True):
                best[self.fold_of(case, row)] = max(value, best.get(self.fold_of(case, row), value))
            offered = np.sort(np.array(list(best.values())))
            lesser = [
                row for row, value in zip(rows[at].tolist(), total[at].tolist(), strict=True)
                if value < best.get(self.fold_of(case, row), value) - room
            ]  # fmt: skip
            if self.whole(case) and lesser:
                verdict.problems.append(f"{len(lesser)} hits are not the best chunk of their {case.folded} ({case})")
                return
        wanted = min(case.k, len(offered))
        if not wanted:
            return
        good = int((total[at] >= float(offered[-wanted]) - room).sum())
        if not self.whole(case):
            # Of equal chunks a search that folds looks further than the lists: more came than these hold.
            verdict.found.append(min(good, wanted) / wanted)
        elif good < wanted:
            verdict.problems.append(f"{wanted - good} of the {wanted} best rows did not come ({case})")


def _listed_places(stands: Doubles, most: int) -> Mask:
    """bool [n]: the rows at places that are surely among the `most` best of these; of equal ones at the cut none."""
    last = float(np.sort(stands)[::-1][most]) if most < len(stands) else 0.0
    listed: Mask = stands > last + (SAME_SHARE if last else 0.0)
    return listed


def _furthest(shown_scores: Sequence[float], true: Any) -> float:
    """The largest difference; 0.0 of nothing."""
    return float(np.abs(np.array(shown_scores, np.float64) - true).max(initial=0.0))


def _scores(question: Question, stored: StoredVectors, leg: str, rows: Ints) -> Floats:
    if leg == "dense":
        return stored.dense(rows, question.embedding)
    if leg == "lexical":
        return stored.lexical(rows, question.text)
    return stored.late(rows, question.tokens)
