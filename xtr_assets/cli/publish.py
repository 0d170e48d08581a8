"""`publish`: serve a generation."""

from typing import Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, NumberArgument, WarehouseOption, app
from xtr_assets.cli.locate import find_place, open_warehouse, part_set
from xtr_assets.cli.pointer import tell_move, tell_pointer


@app.command(rich_help_panel=LIFE)
def publish(
    number: NumberArgument,
    force: Annotated[bool, typer.Option("--force", help="Publish past a failed check; needs a --reason.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Publish what was rolled back or withdrawn; needs a --reason.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why --force or --again; kept in the history.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a generation serve; refused unless each required check passed on exactly its bytes, and where an imported one
    holds much less than what serves. Of an index of parts: what move N names, by one more move."""
    from xtr_assets.pipeline.plan.chosen_generation import publish_chosen

    if (force or again) != bool(reason and reason.strip()):
        raise typer.BadParameter("--force or --again and --reason go together: who publishes past a refusal says why")
    place = find_place(config, warehouse)
    forced, anew = (reason if asked else None for asked in (force, again))
    if (parts := part_set(place)) is not None:
        before = parts.number
        served = parts.publish(number, force_reason=forced, again_reason=anew)
        tell_move(served, "nothing is new" if served.number == before else f"published move {number}", as_json)
        return
    opened = open_warehouse(place)
    publish_chosen(opened, number, place.config, force_reason=forced, again_reason=anew)
    tell_pointer(opened, f"published generation {number}", as_json)
