"""What Dagster is told of a move of the pointer that no step of `published` made: a person's, the shell's, or that of a
run that died."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from xtr_assets.defs.context import Site
from xtr_assets.defs.generation_history import history_metadata, history_pictures, lineage
from xtr_assets.defs.metadata import drift_metadata, recall_metadata
from xtr_assets.pipeline.gate.drift import read_drift
from xtr_assets.pipeline.plan.decide import data_version
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.parts.part_records import PartMove
from xtr_assets.storage.warehouse import Warehouse


def publication(
    site: Site, warehouse: Warehouse, serving: Generation, description: str, told: Mapping[str, Any]
) -> dg.AssetMaterialization:
    """What the asset `published` says of what serves. told : how it came to."""
    history = lineage(warehouse, serving)
    return dg.AssetMaterialization(
        site.names.key("published"),
        description=description,
        metadata={
            **told,
            **({"forced": serving.manifest.forced} if serving.manifest.forced else {}),
            **recall_metadata(serving),
            **history_pictures(history),
            **history_metadata(history, site.config.upkeep.page),
            "dagster/row_count": serving.live_rows,
            "generation": serving.number,
            "parent": str(serving.parent),
            **drift_metadata(read_drift(serving)),
        },
        tags={"dagster/data_version": data_version(serving)},
    )


def by_whom(line: HistoryEntry | PartMove) -> dict[str, str]:
    """Who moved the pointer, and why where that was said."""
    return {"by": line.who, **({"reason": line.reason} if line.reason else {})}


def observation(
    site: Site, told: Mapping[str, Any], reason: str = "", description: str | None = None
) -> dg.AssetObservation:
    """What somebody did to what serves, in the history of `published`. What follows that asset is not asked for by
    it."""
    metadata = {**told, **({"reason": reason} if reason else {})}
    return dg.AssetObservation(site.names.key("published"), description, metadata)
