"""The typer application: what is common to every command. No heavy import here: `--help` answers in half a second."""

import atexit
import errno
import gc
import os
import resource
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from typer.core import TyperGroup

from xtr_assets.cli.command_help import only_finite, restore_help, what_is_meant
from xtr_assets.cli.console import escaped
from xtr_assets.core.errors import MAY_NOT, ConfigError, PublishRefused, XtrAssetsError

# Objects made between two looks for garbage: 10 MB or so of small ones. At 50,000 the looks were 4 % of a small build.
GC_THRESHOLD = 200_000

# A build holds some hundred files open. macOS begins with a soft limit of 256, Linux with 1,024.
WANTED_FILES = 1024

# What helps where the system refuses, by its number: the words of the system name no remedy.
REMEDIES = {
    errno.EMFILE: f"raise the limit of open files, `ulimit -n {WANTED_FILES}`",
    errno.ENFILE: f"raise the limit of open files, `ulimit -n {WANTED_FILES}`",
    errno.ENOSPC: "free some on that disk and run it again; `xtr-assets gc` removes what no generation needs",
    errno.EDQUOT: "free some of this user's quota and run it again; `xtr-assets gc` removes what no generation needs",
    errno.EXDEV: "a folder of the warehouse is a disk or a mount of its own: keep all of a warehouse on one",
    errno.EFBIG: "raise the limit of file sizes (`ulimit -f`), or take a disk whose file system holds larger files",
    errno.EEXIST: "something stands in that place; name another one",
    errno.ENOTDIR: "a file stands where a folder belongs; name another place",
    errno.EACCES: MAY_NOT,
    errno.EPERM: MAY_NOT,
    errno.EROFS: "name a folder that can be written, or mount it so",
}

# Of these messages of ours have a remedy already.
OWN_WORDS = (PermissionError, FileExistsError, NotADirectoryError)

FAILED = 1
WRONG_USE = 2


class Commands(TyperGroup):
    """Answers an error that was raised on purpose with one line, a refusal with one for each check, and an exit code in
    place of a traceback."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        restore_help(self)
        only_finite(self)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # As git and docker have it.
        if args[0] == "help":
            if len(args) == 1:
                typer.echo(ctx.get_help())
                raise typer.Exit
            args = [*args[1:], "--help"]
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `| head`: main ends as the shell's tools do.
            raise
        except (XtrAssetsError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            typer.secho(f"error: {escaped(error_line(error))}", fg="red", err=True)
            raise typer.Exit(WRONG_USE if isinstance(error, ConfigError) else FAILED) from error
        except click.UsageError as error:
            meant = what_is_meant(error)
            said = meant.format_message()
            # What a question asks for is held against names in the warehouse, which are anybody's.
            raise (meant if escaped(said) == said else click.UsageError(escaped(said), meant.ctx)) from error
        except (click.ClickException, click.exceptions.Exit, click.exceptions.Abort):
            raise
        except Exception as error:
            from xtr_assets.core.address_space import shortage

            told = None if ctx.params.get("debug") else shortage(error)
            if told is None:
                raise
            typer.secho(f"error: {escaped(told)}", fg="red", err=True)
            raise typer.Exit(FAILED) from error


def error_line(error: Exception) -> str:
    """One line: what an error says, or its name where it says nothing (`assert`-like errors of libraries)."""
    if isinstance(error, PublishRefused):
        return str(error)
    from xtr_assets.core.address_space import shortage, shortage_remedy

    if isinstance(error, OSError) and (short := shortage(error)) is not None:
        return short
    if isinstance(error, FileNotFoundError) and error.filename is None and not _stands():
        return "the current folder was removed, or made anew, since this shell went there; `cd` to it or another one"
    said = " ".join(str(error).split()) or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        # Who says in words of its own what the system refused says what helps as well.
        told = isinstance(cause, OWN_WORDS) and cause is not error and type(cause).__name__ not in said
        if isinstance(cause, OSError) and cause.errno in REMEDIES and not told:
            return f"{said}; {REMEDIES[cause.errno]}"
        cause = cause.__cause__
    # A step that failed says what it raised, which may be anything of a library.
    helps = shortage_remedy(error) if type(error) is XtrAssetsError else None
    return said if helps is None else f"{said}; {helps}"


def _stands() -> bool:
    """Whether the folder that the process stands in is there."""
    try:
        return Path.cwd().is_absolute()
    except FileNotFoundError:
        return False


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    # A traceback means a defect of ours: the plain one, without the values of every local variable.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    # click proposes names like an unknown one since 8.4, and typer would say the same once more.
    suggest_commands=not hasattr(click.exceptions, "NoSuchCommand"),
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"xtr-assets {version('xtr-assets')}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Retrieval indexes as Dagster assets: built by delta, gated by recall, published by pointer, rolled back.

    Where no --config is given, $XTR_ASSETS_CONFIG counts, else ./xtr.yaml, else the index of the Dagster project, else
    the demo over the standard library, unless a folder above has an xtr.yaml.
    """


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The index's xtr.yaml.", show_default=False, dir_okay=False),
]
WarehouseOption = Annotated[
    Path | None,
    typer.Option(
        "--warehouse", "-w", help="The warehouse itself, in place of the config's; or s3://.", show_default=False
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", help="Where what an object store serves is kept.", show_default=False, file_okay=False),
]
CacheSizeOption = Annotated[
    str | None,
    typer.Option("--cache-size", help="How much it may hold: 20GB.", show_default=False, metavar="SIZE"),
]
StoreArgument = Annotated[
    str, typer.Argument(help="s3://bucket/prefix, gs://, az://, file:// or a folder.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]
NumberArgument = Annotated[int, typer.Argument(help="The generation's number.", min=1, show_default=False)]

START = "Start"
SEARCH = "Search and look"
LIFE = "The life of generations"
UPKEEP = "Upkeep"


def main() -> None:
    """The entry point of the command `xtr-assets`."""
    _standing_streams()
    _enough_files()
    # Imports and Dagster make millions of objects that live until the end: a collection every 700 of them looks through
    # them again and again, a fifth of a small build.
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    # A pipe that closes early (`| head`) is not an error of ours; click handles it where it writes, we where we print.
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(FAILED) from None
    except OSError as error:  # Of what click writes by itself, `--help` and `--version`: a full disk.
        typer.secho(f"error: {escaped(error_line(error))}", fg="red", err=True)
        raise SystemExit(FAILED) from None
    except SystemExit as ended:
        _leave(ended)
        raise


def _standing_streams() -> None:
    """Open the standard streams that whoever started us had closed (`>&-`): the next file that is opened would have
    the number of one, and a library that writes there would write into it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest number that is free is this one.
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _enough_files() -> None:
    """Raise the soft limit of open files to WANTED_FILES, as far as the hard one goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave(ended: SystemExit) -> None:
    """End the process now, exit handlers run and output flushed. Returns where something is still under way.

    Python would take every module apart first: 1.3 s after a build, 0.8 s after a search.
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    if any(not thread.daemon for thread in others) or not isinstance(ended.code, int | None):
        return
    atexit._run_exitfuncs()  # noqa: SLF001 (no public way to run them before the process ends by itself)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return
    os._exit(ended.code or 0)
