"""`compact`: small segments merged, dead rows left out."""

from functools import partial
from typing import Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, app
from xtr_assets.cli.build_run import finish, run_here
from xtr_assets.cli.numpy_start import import_numpy

EraseOption = Annotated[
    bool,
    typer.Option(
        "--erase",
        help="Write every segment anew that holds a chunk which was deleted or edited. With `gc --keep 1` after it no "
        "file of the warehouse holds their texts; in an index of parts, once two more moves were published.",
    ),
]


@app.command(rich_help_panel=UPKEEP)
def compact(config: ConfigOption = None, erase: EraseOption = False, as_json: JsonOption = False) -> None:
    """Merge small segments, leave dead rows out, and publish the generation over them; what is found stays the same."""
    import_numpy()
    from xtr_assets.defs import in_process

    finish(run_here(config, partial(in_process.compact, erase=erase), quiet=as_json), as_json)
