"""A generation that was checked elsewhere, beside what serves here: it may be one of another corpus.

Its own `nothing_vanished` held it against its parent, which this warehouse may never have served.
"""

from collections.abc import Mapping

from xtr_assets.config import IndexConfig
from xtr_assets.config.index_config import GateConfig
from xtr_assets.pipeline.gate.nothing_vanished import losses
from xtr_assets.pipeline.gate.source_stock import held
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import read_history
from xtr_assets.storage.warehouse import Warehouse

# The check whose records say which losses a person accepted where the generation was built.
CHECK = "nothing_vanished"


def losses_here(warehouse: Warehouse, number: int, config: IndexConfig | None = None) -> list[str]:
    """What each source that serves would lose if an imported generation took over, in words, by the limits of
    `nothing_vanished`; empty where it served here before, or nothing serves.

    config : of this index, for its limit; sources that it does not have any more may go.
    """
    serving = warehouse.published
    if serving is None or not _only_imported(warehouse, number):
        return []
    taken = warehouse.generation(number)
    before, now = held(serving), held(taken)
    limit = (GateConfig() if config is None else config.gate).shrink
    told = _kinds(serving)
    # One that holds no row (blank files, all in quarantine) is of no kind, and has nothing to lose.
    lost = losses({name: told.get(name, "text") for name in sorted(before)}, before, now, limit)
    return [
        f"source {name}: {loss.words}"
        for name, loss in lost.items()
        if loss.words and (config is None or name in config.known_sources) and not _accepted(taken, name)
    ]


def _only_imported(warehouse: Warehouse, number: int) -> bool:
    lines = [one for one in read_history(warehouse.layout) if one.generation == number]
    return any(one.action == "imported" for one in lines) and not any(one.moves for one in lines)


def _accepted(taken: Generation, source: str) -> bool:
    record = taken.manifest.checks.get(CHECK)
    told = {} if record is None else record.details.get("sources", {}).get(source, {})
    return record is not None and record.passed and bool(told.get("accepted_by"))


def _kinds(serving: Generation) -> Mapping[str, str]:
    """By source "records" where all its rows are such, else "text"."""
    rows = serving.chunk_table(["source", "kind"]).group_by(["source", "kind"]).aggregate([]).to_pylist()
    others = {row["source"] for row in rows if row["kind"] != "record"}
    return {row["source"]: "text" if row["source"] in others else "records" for row in rows}
