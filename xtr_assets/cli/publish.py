"""`publish`: let a generation serve."""

from typing import Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, NumberArgument, WarehouseOption, app
from xtr_assets.cli.locate import find_place, open_warehouse
from xtr_assets.cli.pointer import tell_pointer


@app.command(rich_help_panel=LIFE)
def publish(
    number: NumberArgument,
    force: Annotated[bool, typer.Option("--force", help="Publish past a failed check; needs a --reason.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why --force; kept in the manifest.", show_default=False)] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a generation serve; refused unless each required check passed on exactly its bytes."""
    from xtr_assets.pipeline.gate.registry import CHECKS, required_checks

    if force != bool(reason):
        raise typer.BadParameter("--force and --reason go together: a forced publication keeps its reason")
    place = find_place(config, warehouse)
    always = tuple(check.name for check in CHECKS if check.blocking and check.name != "judged_quality")
    required = always if place.config is None else required_checks(place.config)
    opened = open_warehouse(place)
    opened.publish(number, required=required, force_reason=reason)
    tell_pointer(opened, f"published generation {number}", as_json)
