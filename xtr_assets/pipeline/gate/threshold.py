"""Default thresholds of the checks: one that somebody lowered is shown as lowered."""

from typing import Any

from xtr_assets.config import RecallConfig
from xtr_assets.storage.manifest import CheckRecord

# The setting that holds the threshold of a check.
SETTINGS = {
    "dense_recall": "dense",
    "dense_recall_new_rows": "new_rows",
    "xtr_recall": "xtr",
    "xtr_recall_new_rows": "new_rows",
}


def threshold_document(record: CheckRecord) -> dict[str, Any]:
    """What the threshold of a check is by default, and whether this one asks for less; {} where no setting holds it."""
    field = SETTINGS.get(record.name)
    if field is None or record.threshold is None:
        return {}
    default = float(RecallConfig.model_fields[field].default)
    return {"default_threshold": default, "lowered": record.threshold < default}
