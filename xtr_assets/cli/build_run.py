"""A build of any kind in the Dagster instance of the folder, and what people and programs are told of it."""

import os
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import typer

from xtr_assets.cli.app import FAILED
from xtr_assets.cli.console import emit, note, say
from xtr_assets.cli.locate import HOME_VARIABLE, dagster_home, shown

if TYPE_CHECKING:
    from xtr_assets.config import IndexConfig
    from xtr_assets.defs.in_process import BuildResult, Work


def run_here(config: Path | None, work: "Work", *, quiet: bool) -> tuple["BuildResult", float]:
    """What `work` came to in the Dagster instance of the config's folder, and the seconds it took."""
    from xtr_assets.config import config_file, discover_config, is_component, read_component

    named = config_file(config, Path.cwd())
    home = Path.cwd() if named is None else named.resolve().parent
    if named is not None and is_component(named):
        component = read_component(named)
        return run_in(component.index, home, partial(work, prefix=component.prefix), quiet)
    return run_in(discover_config(config), home, work, quiet)


def run_in(config: "IndexConfig", home_folder: Path, work: "Work", quiet: bool = False) -> tuple["BuildResult", float]:
    """Run in the Dagster instance of the folder, or of the Dagster project that it lies in, with progress for people
    unless `quiet`."""
    started = perf_counter()
    here = Path.cwd().resolve()
    home, written = dagster_home([home_folder, here, *here.parents], home_folder)
    os.environ[HOME_VARIABLE] = str(home)
    if written and not quiet:
        say(f"wrote {shown(home / 'dagster.yaml')}: this folder is the Dagster instance now")
    from xtr_assets.defs.home_instance import open_instance
    from xtr_assets.defs.project_definitions import shell_reader
    from xtr_assets.sources.asset_reader import lending
    from xtr_assets.telemetry import progress

    # In a log a bar is noise and silence looks hung: a line now and then, unless told otherwise.
    if not quiet and not sys.stderr.isatty():
        os.environ.setdefault(progress.STYLE_VARIABLE, "lines")
    instance = open_instance()
    with progress.silence() if quiet else nullcontext(), lending(shell_reader(config, instance, home_folder)):
        return work(config, instance), perf_counter() - started


def finish(done: tuple["BuildResult", float], as_json: bool) -> None:
    """Tell what a build came to, and end with 1 where it was refused."""
    result, seconds = done
    if as_json:
        emit(result.document())
    else:
        _report(result, seconds)
    if not result.ok:
        raise typer.Exit(FAILED)


def _report(result: "BuildResult", seconds: float) -> None:
    """What a build came to, in a few lines."""
    from rich.markup import escape

    from xtr_assets.storage.refusal import force_line

    for shard, done in result.shards.items():
        counts = ", ".join(f"{done[what]:,} {what}" for what in ("added", "changed", "deleted") if done.get(what))
        # The reason may count files ("1 added, 1 deleted"): what is counted here are chunks.
        say(f"  {shard}: {f'chunks {counts}' if counts else 'no chunk changed'} ({done['reason']})")
    for sentence in result.intake.sentences():
        note(f"  {sentence}")
    for source in result.accepted:
        note(f"  accepted: source {source} may hold as much less as it does now; the history keeps who and why")
    if result.refused is not None:
        note(f"  generation {result.refused.built} was refused for what its indexes had learnt before it:")
        note(f"    {escape(result.refused.cause)}")
        note(f"  they were trained anew in generation {result.built}")
    for check in result.failed:
        level = "[red]failed[/red]" if check.blocking else "[yellow]warns[/yellow]"
        say(f"  {check.name} {level}: {escape(check.summary)}")
        if check.blocking and check.remedy:
            say(f"    {escape(check.remedy)}")
    if result.built is None:
        say(f"[green]{result.reason}[/green] ({seconds:.1f} s)")
    elif result.published:
        say(f"[green]published[/green] generation {result.built}: {result.live_rows:,} chunks in {seconds:.1f} s")
    else:
        serves = "nothing serves yet" if result.generation is None else f"generation {result.generation} serves on"
        say(f"[red]refused[/red] generation {result.built}: {serves}; {escape(force_line(result.built))}")
