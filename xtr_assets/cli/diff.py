"""`diff`: two generations compared."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, say, table
from xtr_assets.cli.locate import find_place, open_warehouse

if TYPE_CHECKING:
    from xtr_assets.search.answer_diff import AnswerDiff


@app.command(rich_help_panel=LIFE)
def diff(
    before: Annotated[int, typer.Argument(help="The generation to start from.", min=1, show_default=False)],
    after: Annotated[int, typer.Argument(help="The one to compare with it.", min=1, show_default=False)],
    query: Annotated[
        list[str] | None,
        typer.Option("--query", "-q", help="Ask both this; repeat it for several.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", help="How many hits are compared.", min=1)] = 10,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """What differs between two generations: chunks by source, settings, verdicts, and the answers to questions."""
    opened = open_warehouse(find_place(config, warehouse))
    document = opened.diff(before, after).document()
    answers: list[AnswerDiff] = []
    if query:
        from xtr_assets.search.answer_diff import compare

        answers = compare(opened, before, after, query, k)
    if as_json:
        emit({**document, **({"answers": [one.document() for one in answers]} if query else {})})
        return
    _show(document)
    for one in answers:
        say(f"[bold]{one.query}[/bold]: {one.overlap:.0%} of the first {len(one.before)} stay")
        for sign, hits in (("[red]-[/red]", one.lost), ("[green]+[/green]", one.gained)):
            for hit in hits:
                say(f"  {sign} {hit.path} {hit.symbol}")


def _show(document: dict[str, Any]) -> None:
    counts = ", ".join(f"{document[what]:,} {what}" for what in ("added", "removed", "changed", "kept"))
    say(f"generation {document['before']} to {document['after']}: chunks {counts}")
    if document["sources"]:
        columns = ("added", "removed", "changed")
        rows = [(name, *(f"{found[what]:,}" for what in columns)) for name, found in document["sources"].items()]
        console().print(table(None, ("source", *columns), rows, right=columns))
    if document["settings"]:
        pairs = [(name, _plain(one["before"]), _plain(one["after"])) for name, one in document["settings"].items()]
        console().print(table(None, ("setting", "before", "after"), pairs))


def _plain(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
