"""`build`: what changed, checked and published."""

from functools import partial
from typing import Annotated

import typer

from xtr_assets.cli.app import START, ConfigOption, JsonOption, app
from xtr_assets.cli.build_run import finish, run_here
from xtr_assets.cli.numpy_start import import_numpy


@app.command(rich_help_panel=START)
def build(
    config: ConfigOption = None,
    full: Annotated[bool, typer.Option("--full", help="Build everything again, not only what changed.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Build what was rolled back or withdrawn; needs a --reason.")
    ] = False,
    accept_shrink: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-shrink",
            metavar="SOURCE",
            help="This source may hold as much less as it does now; repeatable.",
        ),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", help="Why --again or --accept-shrink; kept in the history.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build what changed, check it, and publish it where every check passes."""
    import_numpy()
    from xtr_assets.defs import in_process

    if again and not (reason and reason.strip()):
        raise typer.BadParameter("--again needs a --reason: who brings back what was taken back says why")
    if reason and not (again or accept_shrink):
        raise typer.BadParameter("--reason goes with --again or --accept-shrink, whose why it is")
    work = partial(
        in_process.build,
        full=full,
        accept_shrink=accept_shrink or (),
        reason=reason,
        again_reason=reason if again else None,
    )
    finish(run_here(config, work, quiet=as_json, again_reason=reason if again else None), as_json)
