"""The commands that build: demo and build, in process, recorded in the Dagster instance of the folder."""

import os
import sys
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import FAILED, START, UPKEEP, ConfigOption, JsonOption, app
from xtr_assets.cli.console import emit, note, say
from xtr_assets.cli.locate import HOME_VARIABLE, dagster_home, shown

if TYPE_CHECKING:
    from xtr_assets.config import IndexConfig
    from xtr_assets.defs.in_process import BuildResult, Work

# Questions whose answers are in the demo's packages, none of them in the words of the code that answers.
QUESTIONS = (
    "parse an ISO 8601 date",
    "retry when a connection is refused",
    "run several coroutines at the same time and collect their results",
    "read a file line by line without loading it into memory",
)


@app.command(rich_help_panel=START)
def demo() -> None:
    """Index the Python standard library's own source, publish it, and answer a few questions."""
    from xtr_assets.config import CONFIG_NAME, demo_config

    here = Path.cwd()
    if (here / CONFIG_NAME).is_file():
        raise typer.BadParameter(f"{CONFIG_NAME} is here: a project of your own; run the demo in another folder")
    from xtr_assets.defs import in_process

    config = demo_config(here)
    finish(_run(config, here, in_process.build), as_json=False)
    _ask(config)


@app.command(rich_help_panel=START)
def build(
    config: ConfigOption = None,
    full: Annotated[bool, typer.Option("--full", help="Build everything again, not only what changed.")] = False,
    accept_shrink: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-shrink",
            metavar="SOURCE",
            help="This source may hold as much less as it does now; repeatable.",
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept with who in the history.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Build what changed, check it, and publish it where every check passes."""
    from xtr_assets.defs import in_process

    work = partial(in_process.build, full=full, accept_shrink=accept_shrink or (), reason=reason)
    finish(run_here(config, work, quiet=as_json), as_json)


@app.command(rich_help_panel=UPKEEP)
def compact(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Merge small segments, leave dead rows out, and publish the generation over them; what is found stays the same."""
    from xtr_assets.defs import in_process

    finish(run_here(config, in_process.compact, quiet=as_json), as_json)


def run_here(config: Path | None, work: "Work", *, quiet: bool) -> tuple["BuildResult", float]:
    """What `work` came to in the Dagster instance of the config's folder, and the seconds it took."""
    from xtr_assets.config import config_file, discover_config

    named = config_file(config, Path.cwd())
    found = discover_config(config)
    return _run(found, Path.cwd() if named is None else named.resolve().parent, work, quiet)


def _run(config: "IndexConfig", home_folder: Path, work: "Work", quiet: bool = False) -> tuple["BuildResult", float]:
    """Run in the folder's Dagster instance, with progress for people unless `quiet`."""
    started = perf_counter()
    here = Path.cwd().resolve()
    home, written = dagster_home([home_folder, here, *here.parents], home_folder)
    os.environ[HOME_VARIABLE] = str(home)
    if written and not quiet:
        say(f"wrote {shown(home / 'dagster.yaml')}: this folder is the Dagster instance now")
    from xtr_assets.defs.in_process import open_instance
    from xtr_assets.telemetry import progress

    if quiet:
        with progress.silence():
            return work(config, open_instance()), perf_counter() - started
    # In a log a bar is noise and silence looks hung: a line now and then, unless told otherwise.
    if not sys.stderr.isatty():
        os.environ.setdefault(progress.STYLE_VARIABLE, "lines")
    return work(config, open_instance()), perf_counter() - started


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
    for shard, done in result.shards.items():
        counts = ", ".join(f"{done[what]:,} {what}" for what in ("added", "changed", "deleted") if done.get(what))
        say(f"  {shard}: {counts or 'nothing'} ({done['reason']})")
    for sentence in result.intake.sentences():
        note(f"  {sentence}")
    for source in result.accepted:
        note(f"  accepted: source {source} may hold as much less as it does now; the history keeps who and why")
    for check in result.failed:
        level = "[red]failed[/red]" if check.blocking else "[yellow]warns[/yellow]"
        say(f"  check {check.name} {level}: value {check.value}, threshold {check.threshold}")
    if result.built is None:
        say(f"[green]{result.reason}[/green] ({seconds:.1f} s)")
    elif result.published:
        say(f"[green]published[/green] generation {result.built}: {result.live_rows:,} chunks in {seconds:.1f} s")
    else:
        serves = "nothing serves yet" if result.generation is None else f"generation {result.generation} serves on"
        say(f"[red]refused[/red] generation {result.built}: {serves}; see docs/operations.md, 'A check refuses'")


def _ask(config: "IndexConfig") -> None:
    """A few questions and the two best answers to each."""
    from xtr_assets.cli.hit_list import show_hits
    from xtr_assets.search.searcher import open as open_searcher

    with open_searcher(config.warehouse) as searcher:
        for question in QUESTIONS:
            show_hits(question, searcher.search(question, k=3), "", lines=2)
    command = shown(Path(sys.argv[0]))
    say(f'ask your own: [bold]{command} search "..."[/bold]')
    if Path("workspace.yaml").is_file():
        dagster = shown(Path(sys.argv[0]).with_name("dg"))
        say(f"see the lineage: [bold]DAGSTER_HOME=$PWD {dagster} dev -w workspace.yaml[/bold]")
