"""`evaluate`: quality against judgments."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, note, plain, say, table
from xtr_assets.cli.locate import Place, find_place, open_searchable

if TYPE_CHECKING:
    from xtr_assets.pipeline.quality.evaluation import Evaluation, Move
    from xtr_assets.pipeline.quality.judged_queries import JudgedQueries
    from xtr_assets.storage.generation import Generation

MAIN_LEG = "hybrid"
# Right answers that are not there and are named; `--json` has all.
SHOWN_MISSING = 3


@app.command(rich_help_panel=UPKEEP)
def evaluate(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A folder in BEIR form (queries.jsonl, qrels.tsv), in place of the config's `queries`."),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help='A log of queries in their place: {"text", "relevant": [documents]} a line.'),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first queries by id.", min=1, show_default=False)] = None,
    generation: Annotated[
        int | None, typer.Option(help="A generation, drafts too, in place of the one that serves.", min=1)
    ] = None,
    moves: Annotated[
        int, typer.Option(help="Show so many queries that hybrid wins and loses against the best other leg.", min=0)
    ] = 0,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quality against judgments: nDCG, MRR, recall, success of each mode and of BM25, with intervals and p-values.

    Without judgments known items are drawn from the corpus (docstrings, headings, titles): they are synthetic.
    """
    from xtr_assets.pipeline.quality import document_bm25
    from xtr_assets.pipeline.quality.evaluation import evaluate as judge
    from xtr_assets.pipeline.quality.judged_queries import missing_documents
    from xtr_assets.search.searcher import open as open_searcher

    place = find_place(config, warehouse)
    with open_searcher(open_searchable(place), generation=generation) as searcher:
        with searcher.opened() as opened:
            judged = _judged(place, folder, log, opened.generation).first(limit)
            missing = missing_documents(judged, opened.generation)
        found = judge(searcher, judged, baseline=document_bm25.available())
        number = searcher.generation
    compared = found.compared(MAIN_LEG)
    rival = found.best_other(MAIN_LEG)
    wins, losses = found.moves(MAIN_LEG, rival, moves) if rival and moves else ([], [])
    if as_json:
        emit(
            {
                "generation": number,
                "queries": len(found.queries),
                "origin": judged.origin,
                "synthetic": judged.synthetic,
                "missing": missing,
                "modes": {leg: one.as_json() for leg, one in found.legs.items()},
                "comparisons": [one.as_json() for one in compared],
                **({"wins": [m.as_json() for m in wins], "losses": [m.as_json() for m in losses]} if moves else {}),
            }
        )
        return
    _show(number, found)
    if missing:
        some = plain(", ".join(missing[:SHOWN_MISSING]))
        note(f"{len(missing):,} of the right answers are not in the generation, so that nothing finds them: {some}")
    if rival is not None and moves:
        _show_moves(f"{MAIN_LEG} wins against {rival}", wins)
        _show_moves(f"{MAIN_LEG} loses against {rival}", losses)
    if not document_bm25.available():
        note("BM25 over documents is left out: it needs the extra `evaluate` (`pip install 'xtr-assets[evaluate]'`)")


def _judged(place: Place, folder: Path | None, log: Path | None, generation: "Generation") -> "JudgedQueries":
    from xtr_assets.pipeline.quality.judged_queries import drawn_items, read_folder, read_judged, read_log

    if folder is not None and log is not None:
        raise typer.BadParameter(f"a folder ({folder}) and a log ({log}) were named; give one")
    if folder is not None:
        return read_folder(folder)
    if log is not None:
        return read_log(log)
    queries = None if place.config is None else place.config.queries
    if queries is not None and queries.judgments is not None:
        return read_judged(queries)
    return drawn_items(generation)


def _show(number: int, found: "Evaluation") -> None:
    from xtr_assets.pipeline.quality.evaluation import MAIN, MEASURES

    kind = "known items drawn from the corpus: synthetic" if found.judged.synthetic else "judged queries"
    note(f"generation {number}, {len(found.queries)} {kind} ({found.judged.origin})")
    rows = []
    for leg, quality in found.legs.items():
        interval = quality.interval(MAIN)
        means = [f"{quality.values[measure].mean():.3f}" for measure in MEASURES]
        rows.append((leg, f"{means[0]} [{interval.low:.3f}, {interval.high:.3f}]", *means[1:]))
    console().print(table(None, ("mode", *MEASURES), rows, right=MEASURES))
    columns = ("nDCG@10 of hybrid less", "difference", "p", "p (Holm)", "wins", "losses")
    compared = [
        (
            one.other,
            f"{one.difference.mean:+.3f} [{one.difference.low:+.3f}, {one.difference.high:+.3f}]",
            f"{one.p:.4f}",
            f"{one.holm:.4f}",
            str(one.wins),
            str(one.losses),
        )
        for one in found.compared(MAIN_LEG)
    ]
    console().print(table(None, columns, compared, right=columns[1:]))


def _show_moves(title: str, moves: "list[Move]") -> None:
    say(f"[bold]{title}[/bold]" + ("" if moves else ": nowhere"))
    for move in moves:
        note(f"{move.text}   nDCG@10 {move.of_leg:.2f} against {move.of_other:.2f}")
        for name, documents in (("right", move.right), ("hybrid", move.leg_top), ("other", move.other_top)):
            note(f"  {name:7} {', '.join(documents) or 'nothing'}")
