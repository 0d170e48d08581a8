"""The commands that decide which generation serves: publish, rollback, withdraw."""

from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, NumberArgument, WarehouseOption, app
from xtr_assets.cli.console import emit, say
from xtr_assets.cli.locate import find_place, open_warehouse

if TYPE_CHECKING:
    from xtr_assets.storage.warehouse import Warehouse


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
    _tell(opened, f"published generation {number}", as_json)


@app.command(rich_help_panel=LIFE)
def rollback(
    number: Annotated[
        int | None,
        typer.Argument(metavar="[N]", help="Where to; the one before without it.", min=1, show_default=False),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the history.", show_default=False)] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an earlier generation serve again."""
    opened = open_warehouse(find_place(config, warehouse))
    opened.rollback(number, reason=reason)
    _tell(opened, "rolled back", as_json)


@app.command(rich_help_panel=LIFE)
def withdraw(
    number: NumberArgument,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.", show_default=False)],
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mark a generation as never to be served again."""
    opened = open_warehouse(find_place(config, warehouse))
    opened.withdraw(number, reason=reason)
    _tell(opened, f"withdrew generation {number}", as_json)


def _tell(warehouse: "Warehouse", done: str, as_json: bool) -> None:
    """What serves now, and the line of the history that says so."""
    published = warehouse.published
    number = None if published is None else published.number
    if as_json:
        emit({"generation": number, "history": warehouse.history()[-1].model_dump(mode="json")})
    else:
        say(f"[green]{done}[/green]; " + ("nothing serves now" if number is None else f"generation {number} serves"))
