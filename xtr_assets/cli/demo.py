"""`demo`: the Python standard library's own source as a corpus, built, published and asked."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from xtr_assets.cli.app import START, app
from xtr_assets.cli.build_run import finish, run_in
from xtr_assets.cli.console import say
from xtr_assets.cli.locate import shown
from xtr_assets.cli.numpy_start import import_numpy

if TYPE_CHECKING:
    from xtr_assets.config import IndexConfig


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
    import_numpy()
    from xtr_assets.config import CONFIG_NAME, demo_config

    here = Path.cwd()
    if (here / CONFIG_NAME).is_file():
        raise typer.BadParameter(f"{CONFIG_NAME} is here: a project of your own; run the demo in another folder")
    from xtr_assets.defs import in_process

    config = demo_config(here)
    finish(run_in(config, here, in_process.build), as_json=False)
    _ask(config)


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
