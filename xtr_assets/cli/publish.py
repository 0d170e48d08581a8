"""`publish`: serve a generation."""

from typing import Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, NumberArgument, WarehouseOption, app
from xtr_assets.cli.locate import find_place, open_one
from xtr_assets.cli.pointer import tell_pointer


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
    """Let a generation serve; refused unless each required check passed on exactly its bytes."""
    from xtr_assets.pipeline.gate.registry import requirement

    if (force or again) != bool(reason and reason.strip()):
        raise typer.BadParameter("--force or --again and --reason go together: who publishes past a refusal says why")
    place = find_place(config, warehouse)
    opened = open_one(place, "publish", "; `xtr-assets parts publish` then moves the set")
    opened.publish(
        number,
        required=None if place.config is None else requirement(place.config),
        force_reason=reason if force else None,
        again_reason=reason if again else None,
    )
    tell_pointer(opened, f"published generation {number}", as_json)
