"""The last step of a draft before publishing: its drift and costs, and whether it was overtaken."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from xtr_assets.core.errors import PublishRefused
from xtr_assets.pipeline.cost_report import REPORT_NOTE, report_costs
from xtr_assets.pipeline.gate.drift import DRIFT_NOTE, Drift, measured_drift
from xtr_assets.pipeline.plan.decide import refuse_if_set_otherwise
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.storage.publish import overtaken


@dataclass(frozen=True, slots=True)
class Finished:
    """The drift of a draft, and the notes that are sealed with it."""

    drift: Drift | None
    notes: Mapping[str, Any]


def finish(session: DraftSession) -> Finished:
    """Drift and costs of the draft. PublishRefused where the pointer moved, or the configuration changed, since the
    draft was begun."""
    if late := overtaken(session.warehouse.layout, session.draft.manifest):
        raise PublishRefused(late)
    refuse_if_set_otherwise(session.draft, session.config)
    drift = measured_drift(session.draft, session.parent)
    notes = {REPORT_NOTE: report_costs(session.draft, session.parent, full=session.carried is None)}
    if drift is not None:
        drift.show()
        notes[DRIFT_NOTE] = asdict(drift)
    return Finished(drift, notes)
