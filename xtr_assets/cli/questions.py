"""`questions`: what people asked a server that keeps a query log; and its deletion."""

from dataclasses import asdict
from typing import Annotated

import typer

from xtr_assets.cli.app import SEARCH, ConfigOption, JsonOption, app
from xtr_assets.cli.console import console, emit, literal, note, plain, say, table
from xtr_assets.cli.locate import shown

KEPT_ELSEWHERE = (
    "generations keep the texts that the gate asked (`queries: log`) and those with other answers; `xtr-assets gc` "
    "deletes generations"
)


@app.command(rich_help_panel=SEARCH)
def questions(
    most: Annotated[int, typer.Option("--most", "-n", help="How many are shown.", min=1)] = 20,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the log of this index.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What people asked, the most frequent first, from the query log of `xtr-assets serve`."""
    from xtr_assets.config import discover_config
    from xtr_assets.pipeline.queries.logged_questions import log_of

    log = log_of(discover_config(config))
    if delete:
        gone = log.delete()
        if as_json:
            emit({"deleted_bytes": gone})
            return
        say(f"{gone:,} bytes of {literal(shown(log.files[1]))} are deleted")
        note(KEPT_ELSEWHERE)
        return
    found = log.read()
    if as_json:
        emit({"questions": [{**asdict(one), "where": one.filter} for one in found]})
        return
    where = literal(shown(log.files[1]))
    say(f"{sum(one.times for one in found):,} questions, {len(found):,} different ones, in {where}")
    if found:
        lines = [(str(one.times), one.at, one.mode, plain(one.text), plain(one.where)) for one in found[:most]]
        console().print(table(None, ("times", "last asked", "mode", "question", "filter"), lines, right=("times",)))
