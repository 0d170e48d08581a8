"""`verify`: every byte compared with the manifests."""

from itertools import groupby, islice
from operator import itemgetter
from typing import Annotated

import typer

from xtr_assets.cli.app import FAILED, SEARCH, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import emit, literal, note, say, size
from xtr_assets.cli.locate import find_place, open_warehouse, part_set, shown
from xtr_assets.core.errors import MAY_NOT, UnreadableFile

# Files that stand before what helps; each is named above.
SHOWN = 3


@app.command(rich_help_panel=SEARCH)
def verify(
    number: Annotated[
        int | None, typer.Argument(metavar="[N]", help="One generation; all of them without it.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare every byte with the manifests; names each file that differs and ends with 1, as where there is nothing to
    compare. Of an index of parts: the moves too; N is one of them."""
    place = find_place(config, warehouse)
    parts = part_set(place)
    report = open_warehouse(place).verify(number) if parts is None else parts.verify(number)
    if as_json:
        problems = [{"path": p.path, "expected": p.expected, "found": p.found} for p in report.problems]
        emit({"ok": report.ok, "files": report.files, "bytes": report.bytes, "problems": problems})
    elif report.ok:
        where = literal(shown(place.warehouse))
        say(f"[green]verified[/green] {report.files:,} files, {size(report.bytes)} in {where}")
    elif not report.problems:
        note(
            f"nothing was verified: no generation is in {shown(place.warehouse)} yet; `xtr-assets build` or `pull` "
            "brings one, `--warehouse` names another"
        )
    else:
        for problem in report.problems:
            note(f"differs {problem.path}: expected {problem.expected}, found {problem.found}")
        if any(isinstance(problem, UnreadableFile) for problem in report.problems):
            note(f"what cannot be read: {MAY_NOT}")
        damaged = sorted((one.remedy, one.path) for one in report.problems if not isinstance(one, UnreadableFile))
        for remedy, found in groupby(damaged, key=itemgetter(0)):
            say(f"{literal(', '.join(path for _, path in islice(found, SHOWN)))}: {literal(remedy)}")
    if not report.ok:
        raise typer.Exit(FAILED)
