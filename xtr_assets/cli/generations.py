"""`generations`: every generation and what became of it."""

from xtr_assets.cli.app import SEARCH, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, size, table
from xtr_assets.cli.locate import find_place, open_warehouse


@app.command(rich_help_panel=SEARCH)
def generations(config: ConfigOption = None, warehouse: WarehouseOption = None, as_json: JsonOption = False) -> None:
    """Every generation there is, and what became of it."""
    from xtr_assets.cli.documents import generation_document

    place = find_place(config, warehouse)
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
