"""The pointer after it moved, as `publish`, `rollback` and `withdraw` print it."""

from typing import TYPE_CHECKING

from xtr_assets.cli.console import emit, say

if TYPE_CHECKING:
    from xtr_assets.storage.warehouse import Warehouse


def tell_pointer(warehouse: "Warehouse", done: str, as_json: bool) -> None:
    """What serves now, and the line of the history that says so."""
    published = warehouse.published
    number = None if published is None else published.number
    if as_json:
        emit({"generation": number, "history": warehouse.history()[-1].model_dump(mode="json")})
    else:
        say(f"[green]{done}[/green]; " + ("nothing serves now" if number is None else f"generation {number} serves"))
