"""A generation beside those before it: recall and drift as pictures over generations, figures as a table, links."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from xtr_assets.defs.metadata import table
from xtr_assets.defs.plots import Curve, picture
from xtr_assets.pipeline.gate.drift import LIMITS, read_drift
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse

# Generations that are shown: as many as a picture has room for.
MOST = 8
# Check -> what its figure is called.
FIGURES = {"dense_recall": "dense recall", "xtr_recall": "xtr recall"}
SHOWN = (*FIGURES, "known_item")


def history_pictures(line: Sequence[Generation]) -> Mapping[str, Any]:
    """Recall of each index and the strain of drift over generations, oldest first; nothing where there is but one."""
    serving = line[-1]
    shown: dict[str, Any] = {}
    for check, called in FIGURES.items():
        records = [(one.number, one.manifest.checks.get(check)) for one in line]
        points = [(float(number), one.value) for number, one in records if one is not None and one.value is not None]
        record = serving.manifest.checks.get(check)
        if len(points) > 1 and record is not None and record.threshold is not None:
            shown[f"{check}_over_generations"] = picture(Curve(called, "generation", points, record.threshold))
    strained = [(float(one.number), strain(one)[0]) for one in line if strain(one)[1]]
    if len(strained) > 1:
        curve = Curve("drift, as a share of its limit", "generation", strained, 1.0, asked="limit")
        shown["drift_over_generations"] = picture(curve)
    return shown


def history_metadata(line: Sequence[Generation], page: str | None) -> Mapping[str, Any]:
    """The figures of the generations, newest first, and links: to the run that made the one before, and to the search
    page, where somebody serves the index at an address."""
    shown: dict[str, Any] = {"generations": table([_row(one) for one in reversed(line)])}
    if len(line) > 1:
        shown["parent_run"] = dg.MetadataValue.dagster_run(line[-2].manifest.run_id)
    if page is not None:
        shown["page"] = dg.MetadataValue.url(f"{page.rstrip('/')}/?view=index")
    return shown


def lineage(warehouse: Warehouse, serving: Generation) -> Sequence[Generation]:
    """The generation after its parent, its parent's and so on, oldest first, as far as they are kept."""
    kept = {one.number: one for one in warehouse.generations()}
    line = [serving]
    while len(line) < MOST and (before := kept.get(line[-1].parent or 0)) is not None:
        line.append(before)
    return line[::-1]


def strain(generation: Generation) -> tuple[float, str]:
    """The figure of drift that is nearest to its limit, as a share of that, and its name; empty where none is known."""
    drift = read_drift(generation)
    if drift is None or not drift.figures:
        return 0.0, ""
    return max((value / LIMITS[name], name) for name, value in drift.figures.items())


def _row(one: Generation) -> dict[str, Any]:
    share, name = strain(one)
    # Generations before had other legs and checks; the rows of a table have the same cells, of the same kinds.
    records = {check: one.manifest.checks.get(check) for check in SHOWN}
    return {
        "generation": one.number,
        "made": one.manifest.created_at,
        "rows": one.live_rows,
        **{check: _figure(None if record is None else record.value) for check, record in records.items()},
        "drift": f"{name} at {share:.0%} of its limit" if name else "none measured",
        "run": one.manifest.run_id,
    }


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
