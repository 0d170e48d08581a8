"""`build`: what changed, checked and published."""

from functools import partial
from typing import Annotated

import typer

from xtr_assets.cli.app import START, ConfigOption, JsonOption, app
from xtr_assets.cli.build_run import finish, run_here


@app.command(rich_help_panel=START)
def build(
    config: ConfigOption = None,
    full: Annotated[bool, typer.Option("--full", help="Build everything again, not only what changed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build what changed, check it, and publish it where every check passes."""
    from xtr_assets.defs import in_process

    finish(run_here(config, partial(in_process.build, full=full), quiet=as_json), as_json)
