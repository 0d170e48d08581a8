"""The last step of a draft before publishing: notes drift and costs, refuses a draft that was overtaken."""

from xtr_assets.pipeline.cost_report import report_costs
from xtr_assets.pipeline.gate.drift import Drift, record_drift
from xtr_assets.pipeline.plan.decide import refuse_if_overtaken
from xtr_assets.pipeline.plan.draft_session import DraftSession


def finish(session: DraftSession) -> Drift | None:
    """Note drift and costs in the draft. PublishRefused where the pointer moved since the draft was begun."""
    refuse_if_overtaken(session.warehouse, session.draft)
    drift = record_drift(session.draft, session.parent)
    report_costs(session.draft, session.parent, full=session.carried is None)
    return drift
