"""`generations`: every generation and what became of it."""

from typing import TYPE_CHECKING

from xtr_assets.cli.app import SEARCH, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, size, table
from xtr_assets.cli.locate import find_place, open_warehouse, part_set

if TYPE_CHECKING:
    from xtr_assets.storage.parts.part_set import PartSet


@app.command(rich_help_panel=SEARCH)
def generations(config: ConfigOption = None, warehouse: WarehouseOption = None, as_json: JsonOption = False) -> None:
    """Every generation there is, and what became of it; of an index of parts its moves."""
    from xtr_assets.cli.documents import generation_document

    place = find_place(config, warehouse)
    if (parts := part_set(place)) is not None:
        _show_moves(parts, as_json)
        return
    documents = [generation_document(generation) for generation in open_warehouse(place).generations()]
    if as_json:
        emit(documents)
        return
    rows = [
        (
            str(d["generation"]),
            d["state"],
            d["created_at"],
            f"{d['live_rows']:,}",
            str(d["segments"]),
            size(d["bytes"]),
            ", ".join(check["name"] for check in d["checks"] if not check["passed"]) or "none",
            d["forced"] or "",
        )
        for d in documents
    ]
    columns = ("generation", "state", "created", "live rows", "segments", "bytes", "failed checks", "forced")
    console().print(table(None, columns, rows, right=("generation", "live rows", "segments", "bytes")))


def _show_moves(parts: "PartSet", as_json: bool) -> None:
    moves = parts.moves()
    if as_json:
        emit([{**move.document(), "live_rows": move.live_rows} for move in moves])
        return
    rows = [
        (
            str(move.number),
            "serves" if move is moves[-1] else "",
            move.action if move.to is None else f"{move.action} to {move.to}",
            move.at,
            f"{move.live_rows:,}",
            ", ".join(f"{name}: {state.generation}" for name, state in move.parts.items()),
            move.forced or "",
        )
        for move in moves
    ]
    columns = ("move", "state", "action", "at", "live rows", "generations", "forced")
    console().print(table(None, columns, rows, right=("move", "live rows")))
