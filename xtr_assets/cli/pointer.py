"""The pointer after it moved, as `publish`, `rollback` and `withdraw` print it."""

from typing import TYPE_CHECKING

from xtr_assets.cli.console import emit, literal, say

if TYPE_CHECKING:
    from xtr_assets.storage.parts.joined_generation import JoinedGeneration
    from xtr_assets.storage.warehouse import Warehouse


def tell_pointer(warehouse: "Warehouse", done: str, as_json: bool) -> None:
    """What serves now, and the line of the history that says so."""
    published = warehouse.published
    number = None if published is None else published.number
    if as_json:
        emit({"generation": number, "history": warehouse.history()[-1].model_dump(mode="json")})
    else:
        say(f"[green]{done}[/green]; " + ("nothing serves now" if number is None else f"generation {number} serves"))


def tell_move(served: "JoinedGeneration", done: str, as_json: bool) -> None:
    """What serves of all parts after a move, and what it failed where a person let it serve: of all that a reason lets
    pass they may have seen another refusal alone."""
    from xtr_assets.storage.refusal import sentence

    if as_json:
        emit({"move": served.number, "live_rows": served.live_rows, "history": served.move.document()})
        return
    told = ", ".join(f"{part.name}: {part.generation.number}" for part in served.parts)
    say(f"[green]{done}[/green]; move {served.number} serves {served.live_rows:,} chunks ({told})")
    for name, one in served.move.checks.items():
        if not one.passed:
            say(f"[yellow]by a person's word[/yellow]: check {name!r} did not pass: {literal(sentence(one))}")
