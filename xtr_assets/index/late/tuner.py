"""The cheapest search profile that meets a recall goal: lists read against documents rescored, at last a scan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.recall import MAXSIM_TIE_TOLERANCE, lower_bound, recall_at_k
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.late.options import (
    CENTROID_COST,
    DEAREST_SCAN,
    PLANNED_SCAN,
    POSTING_COST,
    WHOLE_COST,
    SearchProfile,
    met_rows,
)
from xtr_assets.index.late.search import TokenResult, search, search_exact
from xtr_assets.index.late.state import IndexState

# Settings tried, each about a third dearer than the one before.
NPROBES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
RESCORES = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048)
# Where none of these meets the goal: tokens that do not repeat are told apart by themselves and not by their
# centroids, and such rows by the thousand cost milliseconds. Fewer lists than these do not even meet the rows.
DEEP_NPROBES = tuple(nprobe for nprobe in NPROBES if nprobe >= 8)
DEEP_RESCORES = (4096, 8192, 16_384)
# All tokens of the documents are multiplied: token pruning keeps some encoders below 0.96 whatever is read, and
# fewer documents with all their tokens cost less for the same recall (docs/measurements.md, "All tokens or likely
# ones").
WHOLE = True
# Beyond this share of all rows a scan is no dearer, and exact.
DEEPEST_SHARE = 0.25

# What a setting is tried with: (profile, query tokens float32 [t, d], k).
Run = Callable[[SearchProfile, Floats, int], TokenResult]


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting. lists, documents : what a query token read on average, both in stored tokens multiplied."""

    nprobe: int
    rescore: int
    recall: float
    lower_bound: float
    lists: float
    documents: float
    whole: bool = False
    scan: bool = False

    @property
    def cost(self) -> float:
        return self.lists + self.documents


@dataclass(frozen=True, slots=True)
class TokenTuning:
    """The profile found, whether its lower bound meets the goal, and everything that was tried, in order.

    reason : why this profile, for people; where the goal is not met, by how much it is missed and which trade is left
    """

    profile: SearchProfile
    met: bool
    goal: float
    k: int
    queries: int
    trials: tuple[Trial, ...]
    reason: str = ""

    @property
    def chosen(self) -> Trial | None:
        """The trial of the profile; None where nothing was tried, as every search scans all rows."""
        return next((trial for trial in self.trials if _setting(self.profile, trial) == self.profile), None)


def tune_state(
    state: IndexState,
    profile: SearchProfile,
    queries: Sequence[Floats],
    exact: tuple[Floats, Ints] | None,
    *,
    goal: float,
    k: int,
    keep: bool = False,
    may_scan: bool = True,
) -> TokenTuning:
    """See TokenIndex.tune."""
    asked = sum(len(query) > 0 for query in queries)
    components = state.token_count * state.model.dim
    if may_scan and (components <= PLANNED_SCAN or (not asked and components <= DEAREST_SCAN)):
        size = f"{len(state.tokens):,} rows of {state.token_count:,} tokens"
        few = components <= PLANNED_SCAN
        why = "are few enough to scan them all" if few else "and no query to tune lists with: all are scanned"
        return TokenTuning(replace(profile, whole=False, scan=True), True, goal, k, asked, (), f"{size} {why}, exactly")
    if not asked:
        raise InvalidInput(f"0 of {len(queries)} tuning queries hold a token; at least 1 is needed")
    if exact is None:
        pairs = [search_exact(state, query, k, None) for query in queries]
        exact = np.stack([scores for scores, _ in pairs]), np.stack([rows for _, rows in pairs])

    def run(setting: SearchProfile, query: Floats, k: int) -> TokenResult:
        return search(state, setting, query, k, None)

    rows = len(state.tokens)
    tokens_per_row = state.token_count / max(1, rows)
    return tune(
        run,
        profile,
        queries,
        exact,
        goal=goal,
        k=k,
        rows=rows,
        tokens_per_row=tokens_per_row,
        keep=keep,
        may_scan=may_scan and components <= DEAREST_SCAN,
    )


def tune(
    run: Run,
    profile: SearchProfile,
    queries: Sequence[Floats],
    exact: tuple[Floats, Ints],
    *,
    goal: float,
    k: int,
    rows: int,
    tokens_per_row: float,
    keep: bool = False,
    may_scan: bool = False,
) -> TokenTuning:
    """Walk the border between settings that meet the goal and settings that do not, from few lists to many.

    Parameters
    ----------
    run : searches with a profile
    profile : what is kept where nothing is tried; its k_prime stays
    queries : float32 [t, d] each
    exact : scores float32 [q, k] and rows int64 [q, k] of exact MaxSim
    goal : recall@k whose lower bound must be met; a setting that missed nothing meets any
    rows, tokens_per_row : stored, and their mean, for the cost of rescoring
    keep : stay with the profile where it meets the goal, at the price of one trial

    may_scan : whether a scan may serve where it is no dearer, or nothing else meets the goal

    Recall rises with the lists read and with the documents rescored, so that a list count needs no more rescoring than
    a smaller one did: some twenty settings are tried of the 132, and where none of them meets the goal some of the
    DEEP_RESCORES. Costs are counted, not timed: the same index gets the same profile on a busy machine. Nothing met,
    and no scan: the setting of highest recall.
    """
    asked = [i for i, query in enumerate(queries) if len(query)]
    if not asked:
        raise InvalidInput(f"0 of {len(queries)} tuning queries hold a token; at least 1 is needed")
    exact_scores, exact_rows = exact[0][asked, :k], exact[1][asked, :k]
    query_tokens = float(np.mean([len(queries[i]) for i in asked]))
    trials: list[Trial] = []

    def attempt(setting: SearchProfile) -> Trial:
        results = [run(setting, queries[i], k) for i in asked]
        found_scores, found = np.stack([r.scores for r in results]), np.stack([r.rows for r in results])
        per_query = recall_at_k(found, exact_rows, found_scores, exact_scores, MAXSIM_TIE_TOLERANCE)
        retrieved = float(np.mean([r.retrieved for r in results]))
        # Without lists, and short of a scan, the centroids of every row were looked at.
        looked = float(np.mean([0 if r.scanned or r.retrieved else r.candidates for r in results]))
        rescored = float(np.mean([r.rescored for r in results])) * (WHOLE_COST if setting.whole else 1)
        met = met_rows(setting.rescore, rows) if retrieved else 0
        trial = Trial(
            nprobe=setting.nprobe,
            rescore=setting.rescore,
            recall=round(float(per_query.mean()), 4),
            lower_bound=round(lower_bound(per_query), 4),
            lists=POSTING_COST * retrieved / query_tokens + CENTROID_COST * tokens_per_row * looked,
            documents=tokens_per_row * (rescored + CENTROID_COST * met),
            whole=setting.whole,
        )
        trials.append(trial)
        return trial

    def found(chosen: SearchProfile, met: bool, reason: str) -> TokenTuning:
        return TokenTuning(chosen, met, goal, k, len(asked), tuple(trials), reason)

    scan = Trial(profile.nprobe, profile.rescore, 1.0, 1.0, 0.0, WHOLE_COST * tokens_per_row * rows, scan=True)
    if keep and profile.scan and may_scan:
        return found(profile, True, "a scan, which is exact, was chosen before")
    if keep and not profile.scan:
        trial = attempt(profile)
        if _meets(trial, goal):
            return found(profile, True, f"it still meets recall {goal:.4g}: {_told(trial)}")
        trials.clear()
    usual = [rescore for rescore in RESCORES if 2 * k <= rescore <= DEEPEST_SHARE * rows] or [2 * k]
    deep = [rescore for rescore in DEEP_RESCORES if 2 * k <= rescore <= DEEPEST_SHARE * rows]
    for nprobes, ladder in ((NPROBES, usual), (DEEP_NPROBES, deep)):
        level = len(ladder) - 1
        for nprobe in nprobes if ladder else ():
            base = replace(profile, nprobe=nprobe, whole=WHOLE, scan=False)
            # Down from what the list count before needed, as long as the goal is met.
            trial = attempt(replace(base, rescore=ladder[level]))
            if not trial.lists:
                return TokenTuning(profile, True, goal, k, len(asked), (), "every search scans all rows as it is")
            while _meets(trial, goal) and level > 0:
                trial = attempt(replace(base, rescore=ladder[level - 1]))
                level -= _meets(trial, goal)
            # More lists are read at no less than these cost.
            if any(_meets(one, goal) and one.cost <= trial.lists for one in trials):
                break
        if any(_meets(one, goal) for one in trials):
            break
    meeting = [one for one in trials if _meets(one, goal)]
    best = min(meeting, key=lambda one: one.cost) if meeting else max(trials, key=lambda one: (one.recall, -one.cost))
    if may_scan and (not meeting or scan.cost <= best.cost):
        trials.append(scan)
        missed = f"no lists met recall {goal:.4g} (the best: {_told(best)})" if not meeting else "lists cost no less"
        return found(replace(profile, whole=False, scan=True), True, f"{missed}; a scan is exact")
    if meeting:
        return found(_setting(profile, best), True, f"the cheapest that met recall {goal:.4g}: {_told(best)}")
    return found(
        _setting(profile, best),
        False,
        f"no setting met recall {goal:.4g}, the best misses it by {goal - best.lower_bound:.3f} ({_told(best)}), and "
        f"{rows:,} rows of {tokens_per_row:.0f} tokens are too many to scan for each query; lower `recall.xtr`, or "
        "divide the sources among several indexes",
    )


def _setting(profile: SearchProfile, trial: Trial) -> SearchProfile:
    return replace(profile, nprobe=trial.nprobe, rescore=trial.rescore, whole=trial.whole, scan=trial.scan)


def _told(trial: Trial) -> str:
    tokens = "all" if trial.whole else "likely"
    return (
        f"{trial.nprobe} lists, {trial.rescore} documents by {tokens} tokens, recall {trial.recall:.3f}, surely at "
        f"least {trial.lower_bound:.3f}"
    )


def _meets(trial: Trial, goal: float) -> bool:
    return trial.lower_bound >= goal or trial.recall == 1.0
