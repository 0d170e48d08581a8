"""`answers_shadow`: which questions of the query log this draft answers otherwise than what serves."""

from xtr_assets.config import IndexConfig
from xtr_assets.core.errors import UnknownFormat, XtrAssetsError
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.logged_questions import log_of
from xtr_assets.pipeline.queries.question_shadow import DEPTH, changed_share, shadows

# The questions asked most: each is searched twice, 100 of them take about a second of a build.
QUESTIONS = 100
# Rows of the table: people read the worst.
SHOWN = 50
# Fewer say little of what people meet, and are not held against the threshold.
ENOUGH = 10


def has_log(config: IndexConfig) -> bool:
    """Whether the index keeps what people ask."""
    return config.query_log is not None


def check(session: DraftSession) -> Finding:
    """The share of the serving top 10 that changes, over the questions asked most. Warns."""
    config = session.config.query_log
    assert config is not None, "the check runs where a log is kept"
    most = config.changed
    try:
        questions = log_of(session.config).read()[:QUESTIONS]
    except (XtrAssetsError, OSError) as error:
        return Finding(False, None, most, f"the query log cannot be read: {error}", remedy="see the folder `query_log`")
    serving = session.serving
    if serving is None or not questions:
        said = "nothing serves yet" if serving is None else "no question is in the log yet"
        return Finding(True, None, most, f"{said}: no answer was compared")
    try:
        searcher = session.serving_searcher()
    except UnknownFormat as error:
        return Finding(True, None, most, f"what serves cannot be asked, no answer was compared: {error}")
    assert searcher is not None
    found = shadows(searcher, session.searcher(), questions)
    if not found:
        return Finding(True, None, most, f"none of {len(questions)} questions can be asked of what serves")
    changed = changed_share(found)
    other = sum(one.kept < 1 for one in found)
    few = len(found) < ENOUGH
    return Finding(
        passed=changed <= most or few,
        value=changed,
        threshold=most,
        summary=f"{other} of {len(found)} real questions get other answers than from generation {serving.number}; "
        f"{changed:.3f} of the top {DEPTH} changes, {most:g} may"
        + (f" (fewer than {ENOUGH} questions warn of nothing)" if few else ""),
        details={
            "generation": serving.number,
            "questions": len(found),
            "depth": DEPTH,
            "answers": [one.document() for one in found[:SHOWN] if one.kept < 1],
        },
        remedy="`xtr-assets diff BEFORE AFTER --log` shows all; `query_log.changed` says how much may change",
    )
