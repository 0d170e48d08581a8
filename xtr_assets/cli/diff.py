"""`diff`: two generations compared."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from xtr_assets.cli.app import LIFE, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, literal, plain, say, table
from xtr_assets.cli.locate import find_place, open_searchable

if TYPE_CHECKING:
    from xtr_assets.config import IndexConfig
    from xtr_assets.pipeline.queries.question_shadow import QuestionShadow
    from xtr_assets.search.answer_diff import AnswerDiff
    from xtr_assets.storage.parts.part_set import PartSet
    from xtr_assets.storage.warehouse import Warehouse

COUNTS = ("added", "removed", "changed", "kept")
# Questions that are shown, the most changed first.
SHOWN = 50


@app.command(rich_help_panel=LIFE)
def diff(
    before: Annotated[int, typer.Argument(help="The generation, or move, to start from.", min=1, show_default=False)],
    after: Annotated[int, typer.Argument(help="The one to compare with it.", min=1, show_default=False)],
    query: Annotated[
        list[str] | None,
        typer.Option("--query", "-q", help="Ask both this; repeat it for several.", show_default=False),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Ask both what the query log holds, and show what changes, worst first.")
    ] = False,
    k: Annotated[int, typer.Option("-k", "--k", help="How many hits are compared.", min=1)] = 10,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """What differs between two generations: chunks by source, settings, verdicts, and the answers to questions. Of an
    index of parts: between two moves, of the whole and by part."""
    place = find_place(config, warehouse)
    opened = open_searchable(place)
    document = opened.diff(before, after).document()
    answers: list[AnswerDiff] = []
    if query:
        from xtr_assets.search.answer_diff import compare

        answers = compare(opened, before, after, query, k)
    found = _shadows(opened, before, after, place.config) if log else []
    if as_json:
        asked = {"answers": [one.document() for one in answers]} if query else {}
        emit({**document, **asked, **({"log": [one.document() for one in found]} if log else {})})
        return
    _show(document)
    if log:
        _show_log(found)
    for one in answers:
        say(f"[bold]{literal(one.query)}[/bold]: {one.overlap:.0%} of the first {len(one.before)} stay")
        for sign, hits in (("[red]-[/red]", one.lost), ("[green]+[/green]", one.gained)):
            for hit in hits:
                say(f"  {sign} {literal(hit.path)} {literal(hit.symbol)}")


def _shadows(
    opened: "Warehouse | PartSet", before: int, after: int, config: "IndexConfig | None"
) -> "list[QuestionShadow]":
    from xtr_assets.core.errors import ConfigError
    from xtr_assets.pipeline.queries.logged_questions import log_of
    from xtr_assets.pipeline.queries.question_shadow import shadows
    from xtr_assets.search.searcher import Searcher

    if config is None:
        raise ConfigError("`--log` needs the configuration that names the `query_log`; give `--config xtr.yaml`")
    questions = log_of(config).read()
    with Searcher(opened, "cpu", before) as old, Searcher(opened, "cpu", after) as new:
        return shadows(old, new, questions)


def _show_log(found: "list[QuestionShadow]") -> None:
    from xtr_assets.pipeline.queries.question_shadow import changed_share

    if not found:
        say("no question of the log can be asked of both: nothing was compared")
        return
    other = [one for one in found if one.kept < 1]
    say(f"{len(other)} of {len(found)} real questions change; of their answers {changed_share(found):.1%} do")
    if other:
        columns = ("question", "asked", "kept", "first before", "first after")
        rows = [
            (plain(one.question.text), str(one.question.times), f"{one.kept:.0%}", one.before, one.after)
            for one in other[:SHOWN]
        ]
        console().print(table(None, columns, rows, right=("asked", "kept")))
    if len(other) > SHOWN:
        say(f"and {len(other) - SHOWN} more; `--json` has all")


def _show(document: dict[str, Any]) -> None:
    counts = ", ".join(f"{document[what]:,} {what}" for what in COUNTS)
    what = "move" if "parts" in document else "generation"
    say(f"{what} {document['before']} to {document['after']}: chunks {counts}")
    if "parts" in document:
        console().print(table(None, ("part", "before", "after", *COUNTS), _parts(document), right=COUNTS))
    if document["sources"]:
        columns = ("added", "removed", "changed")
        rows = [(name, *(f"{found[what]:,}" for what in columns)) for name, found in document["sources"].items()]
        console().print(table(None, ("source", *columns), rows, right=columns))
    if document["settings"]:
        pairs = [(name, _plain(one["before"]), _plain(one["after"])) for name, one in document["settings"].items()]
        console().print(table(None, ("setting", "before", "after"), pairs))


def _parts(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line for each part: those that both moves name as they are, those that one names alone."""
    none = ("",) * len(COUNTS)
    rows = [
        (part, "the same", "", *none)
        if one is None
        else (part, str(one["before"]), str(one["after"]), *(f"{one[what]:,}" for what in COUNTS))
        for part, one in document["parts"].items()
    ]
    rows += [(part, str(number), "none", *none) for part, number in document["lost"].items()]
    rows += [(part, "none", str(number), *none) for part, number in document["gained"].items()]
    return rows


def _plain(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
