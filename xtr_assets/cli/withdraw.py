"""`withdraw`: a generation that must never serve again."""

from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, NumberArgument, WarehouseOption, app
from xtr_assets.cli.console import emit, say
from xtr_assets.cli.locate import find_place, open_warehouse, part_set, shown
from xtr_assets.cli.pointer import tell_move, tell_pointer

if TYPE_CHECKING:
    from xtr_assets.storage.parts.part_set import PartSet
    from xtr_assets.storage.warehouse import Warehouse


@app.command(rich_help_panel=LIFE)
def withdraw(
    number: NumberArgument,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.", show_default=False)],
    part: Annotated[
        str | None,
        typer.Option(help="Of an index of parts: the part whose generation it is.", show_default=False, metavar="NAME"),
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mark a generation as never to be served again. Of an index of parts: one of a part; where the set serves it, an
    earlier move without it serves then."""
    place = find_place(config, warehouse)
    if (parts := part_set(place)) is not None:
        _of_part(parts, number, part, reason, as_json)
        return
    if part is not None:
        raise typer.BadParameter(f"{shown(place.warehouse)} is no index of parts, which --part is for")
    opened = open_warehouse(place)
    opened.withdraw(number, reason=reason)
    tell_pointer(opened, f"withdrew generation {number}", as_json)
    if not as_json:
        _tell_files(opened)


def _of_part(parts: "PartSet", number: int, part: str | None, reason: str, as_json: bool) -> None:
    if part is None:
        moves = parts.moves()
        named = moves[-1].parts if moves else {}
        names = ", ".join(f"{one.generation} of {name}" for name, one in named.items()) or "nothing"
        raise typer.BadParameter(
            f"a generation is one of a part: name it by --part; the set serves {names}. To leave a move: `xtr-assets "
            "rollback`"
        )
    before = parts.number
    served = parts.withdraw(part, number, reason)
    done = f"withdrew generation {number} of part {part}"
    if served is None:
        if as_json:
            emit({"move": None})
        else:
            say(f"[green]{done}[/green]; the set serves nothing")
    else:
        tell_move(served, done if served.number != before else f"{done}, which the set did not serve", as_json)
    if not as_json:
        _tell_files(parts.warehouse(part), f" of part {part}")


def _tell_files(warehouse: "Warehouse", of: str = "") -> None:
    from xtr_assets.storage.refusal import withdrawn_along

    for sentence in withdrawn_along(warehouse.history()[-1], warehouse.published, of):
        say(sentence)
