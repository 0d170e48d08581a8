"""A build of any kind in the Dagster instance of the folder, and what people and programs are told of it."""

import os
import sys
from contextlib import nullcontext
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import typer

from xtr_assets.cli.app import FAILED
from xtr_assets.cli.console import emit, literal, note, say
from xtr_assets.cli.locate import HOME_VARIABLE, dagster_home, shown
from xtr_assets.core.errors import StorageError, XtrAssetsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from xtr_assets.config import IndexConfig
    from xtr_assets.defs.in_process import BuildResult, Work
    from xtr_assets.defs.part_builds import SetResult

    Done = TypeVar("Done")


def run_here(
    config: Path | None, work: "Work", *, quiet: bool, again_reason: str | None = None
) -> tuple["BuildResult | SetResult", float]:
    """What `work` came to in the Dagster instance of the config's folder, and the seconds it took. An index of parts
    does it in each; `again_reason`: why what a rollback of all of them took back may serve again."""
    from xtr_assets.config import config_file, discover_config, is_component, read_component

    named = config_file(config, Path.cwd())
    home = Path.cwd() if named is None else named.resolve().parent
    if named is not None and is_component(named):
        component = read_component(named)
        return _run(component.index, home, work, quiet, component.prefix, again_reason)
    return _run(discover_config(config), home, work, quiet, "", again_reason)


def _run(
    config: "IndexConfig", home: Path, work: "Work", quiet: bool, prefix: str, again_reason: str | None
) -> tuple["BuildResult | SetResult", float]:
    if config.parts is None:
        return run_in(config, home, partial(work, prefix=prefix), quiet)
    from xtr_assets.defs.part_builds import in_parts

    return run_in(config, home, partial(in_parts, work=work, prefix=prefix, again_reason=again_reason), quiet)


def run_in(
    config: "IndexConfig",
    home_folder: Path,
    work: "Callable[[IndexConfig, Any], Done]",
    quiet: bool = False,
) -> tuple["Done", float]:
    """Run in the Dagster instance of the folder, or of the Dagster project that it lies in, with progress for people
    unless `quiet`."""
    started = perf_counter()
    here = Path.cwd().resolve()
    home, written = dagster_home([home_folder, here, *here.parents], home_folder)
    os.environ[HOME_VARIABLE] = str(home)
    if written and not quiet:
        say(f"wrote {literal(shown(home / 'dagster.yaml'))}: this folder is the Dagster instance now")
    from xtr_assets.sources.asset_reader import has_assets, lending
    from xtr_assets.telemetry import progress

    # In a log a bar is noise and silence looks hung: a line now and then, unless told otherwise.
    if not quiet and not sys.stderr.isatty():
        os.environ.setdefault(progress.STYLE_VARIABLE, "lines")

    @cache
    def instance() -> Any:
        """Opened once something is to be recorded, and once for all parts of an index."""
        from xtr_assets.defs.home_instance import open_instance

        return open_instance()

    def reader() -> Any:
        if not has_assets(config):
            return None
        from xtr_assets.defs.project_definitions import shell_reader

        return shell_reader(config, instance(), home_folder)

    with progress.silence() if quiet else nullcontext():
        try:
            with lending(reader()):
                return work(config, instance), perf_counter() - started
        except XtrAssetsError:
            raise
        except Exception as error:
            from xtr_assets.defs.home_instance import database_trouble

            if (trouble := database_trouble(error)) is None:
                raise
            raise StorageError(
                f"Dagster's database in {home} failed: {trouble}; mend that (a full or read-only disk, files of "
                "another user, a limit of open files, another process that holds it, a server that is down) and build "
                "again: what was chunked and encoded is kept"
            ) from error


def finish(done: tuple["BuildResult | SetResult", float], as_json: bool) -> None:
    """Tell what a build came to, and end with 1 where it was refused."""
    result, seconds = done
    from xtr_assets.defs.in_process import BuildResult

    if as_json:
        emit(result.document())
    elif isinstance(result, BuildResult):
        _report(result, seconds)
    else:
        _report_parts(result, seconds)
    if not result.ok:
        raise typer.Exit(FAILED)


def _report_parts(result: "SetResult", seconds: float) -> None:
    """What the build of each part came to, and the move."""
    from rich.markup import escape

    for part, one in result.parts.items():
        say(f"part {part}")
        _report(one, sum(one.seconds.values()))
    for part, error in result.errors.items():
        say(f"part {part}")
        say(f"  [red]failed[/red]: {escape(error)}")
    for told in result.overfull:
        note(told)
    serves = "nothing serves yet" if result.move is None else f"move {result.move} serves {result.live_rows:,} chunks"
    if result.moved:
        say(f"[green]published[/green] together: {serves} ({seconds:.1f} s)")
    elif result.serving:
        say(f"[green]nothing to move[/green]: {escape(result.reason)} ({seconds:.1f} s)")
    else:
        say(f"[red]not moved[/red]: {escape(result.reason)}; {serves}")


def _report(result: "BuildResult", seconds: float) -> None:
    """What a build came to, in a few lines."""
    from rich.markup import escape

    from xtr_assets.storage.refusal import force_line, unmade_line

    for shard, done in result.shards.items():
        counts = ", ".join(f"{done[what]:,} {what}" for what in ("added", "changed", "deleted") if done.get(what))
        # The reason may count files ("1 added, 1 deleted"): what is counted here are chunks.
        say(f"  {literal(shard)}: {f'chunks {counts}' if counts else 'no chunk changed'} ({done['reason']})")
    if result.published and result.left:
        note(
            f"  no longer in the configuration: {', '.join(map(literal, result.left))}; nothing serves under that name "
            "any more. Where that is another index, give this one a `warehouse` of its own; `xtr-assets rollback` "
            "brings it back"
        )
    for sentence in result.intake.sentences():
        note(f"  {sentence}")
    for source in result.accepted:
        note(f"  accepted: source {source} may hold as much less as it does now; the history keeps who and why")
    if result.refused is not None:
        note(f"  generation {result.refused.built} was refused for what its indexes had learnt before it:")
        note(f"    {result.refused.cause}")
        note(f"  they were trained anew in generation {result.built}")
    for check in result.failed:
        level = "[red]failed[/red]" if check.blocking else "[yellow]warns[/yellow]"
        say(f"  {check.name} {level}: {escape(check.summary)}")
        if check.blocking and check.remedy:
            say(f"    {escape(check.remedy)}")
    if result.built is None:
        say(f"[green]{literal(result.reason)}[/green] ({seconds:.1f} s)")
    elif result.published:
        say(f"[green]published[/green] generation {result.built}: {result.live_rows:,} chunks in {seconds:.1f} s")
    else:
        serves = "nothing serves yet" if result.generation is None else f"generation {result.generation} serves on"
        helps = unmade_line(result.unmade) if result.unmade else force_line(result.built)
        say(f"[red]refused[/red] generation {result.built}: {serves}; {escape(helps)}")
