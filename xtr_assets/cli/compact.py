"""`compact`: small segments merged, dead rows left out."""

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, app
from xtr_assets.cli.build_run import finish, run_here
from xtr_assets.cli.numpy_start import import_numpy


@app.command(rich_help_panel=UPKEEP)
def compact(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Merge small segments, leave dead rows out, and publish the generation over them; what is found stays the same."""
    import_numpy()
    from xtr_assets.defs import in_process

    finish(run_here(config, in_process.compact, quiet=as_json), as_json)
