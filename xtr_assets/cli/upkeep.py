"""The commands that keep a warehouse small, move it, and measure it: gc, export, import, evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, say, size, table
from xtr_assets.cli.locate import find_place, open_warehouse, shown
from xtr_assets.core.errors import ConfigError, GenerationError


@app.command(rich_help_panel=UPKEEP)
def gc(
    keep: Annotated[int, typer.Option(help="How many generations stay, the serving one among them.", min=1)] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove old generations and what nothing kept needs; never one that a reader has open."""
    from xtr_assets.encoders import open_encoder
    from xtr_assets.pipeline.plan.decide import fingerprint_of

    place = find_place(config, warehouse)
    opened, known = open_warehouse(place), place.config
    # What the config's encoder has encoded stays: the next build needs it, though nothing may serve it yet.
    encoder = None if known is None else fingerprint_of(opened, known, lambda: open_encoder(known.encoder))
    report = opened.collect(keep, dry_run=dry_run, encoder=encoder)
    if as_json:
        fields = {"kept": report.kept, "pinned": report.pinned, "generations": report.generations}
        emit({"dry_run": report.dry_run, **fields, "bytes": report.bytes, "removed": report.removed})
        return
    if report.removed:
        rows = [(path, size(count)) for path, count in sorted(report.removed.items())]
        console().print(table(None, ("path", "bytes"), rows, right=("bytes",)))
    done = "would remove" if dry_run else "removed"
    say(f"{done} {size(report.bytes)}; generations {', '.join(map(str, report.kept))} stay")
    if report.pinned:
        say(f"generations {', '.join(map(str, report.pinned))} stay because a reader has them open")


@app.command(rich_help_panel=UPKEEP)
def export(
    path: Annotated[Path, typer.Argument(help="A folder that does not exist yet.", show_default=False)],
    generation: Annotated[
        int | None, typer.Option(help="Another generation than the published one.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a generation and all it needs into a folder that another host opens."""
    opened = open_warehouse(find_place(config, warehouse))
    published = opened.published
    if generation is None and published is None:
        raise GenerationError(f"nothing is published in {opened.root}; `xtr-assets build` first, or name --generation")
    number = published.number if generation is None and published is not None else generation
    assert number is not None
    copied = opened.export(number, path)
    found = copied.generation(number)
    if as_json:
        emit({"generation": number, "path": str(path), "bytes": found.bytes()})
    else:
        say(f"[green]exported[/green] generation {number} ({size(found.bytes())}) to {shown(path)}; there it serves")


@app.command("import", rich_help_panel=UPKEEP)
def import_(
    path: Annotated[Path, typer.Argument(help="What `export` wrote.", show_default=False)],
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in an exported generation, every byte verified; `publish` lets it serve."""
    taken = open_warehouse(find_place(config, warehouse)).import_generation(path)
    if as_json:
        emit({"generation": taken.number, "state": taken.state, "bytes": taken.bytes()})
    else:
        say(f"[green]imported[/green] generation {taken.number}; `xtr-assets publish {taken.number}` lets it serve")


@app.command(rich_help_panel=UPKEEP)
def evaluate(
    limit: Annotated[int | None, typer.Option(help="Only the first queries by id.", min=1, show_default=False)] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quality of the published generation against the config's judgments: nDCG@10, MRR@10, recall@100 by mode."""
    from xtr_assets.pipeline.gate.judged import evaluate as judge
    from xtr_assets.search.searcher import open as open_searcher

    place = find_place(config, warehouse)
    if place.config is None or place.config.queries is None:
        raise ConfigError("`queries` is not set: name queries.jsonl and qrels.tsv in xtr.yaml (docs/configuration.md)")
    with open_searcher(open_warehouse(place)) as searcher:
        judged = judge(searcher, place.config.queries, limit=limit)
        number = searcher.generation
    document = {mode: result.as_json() for mode, result in judged.items()}
    if as_json:
        emit({"generation": number, "modes": document})
        return
    measures = ("ndcg@10", "mrr@10", "recall@100")
    rows = [(mode, *(f"{result[measure]:.3f}" for measure in measures)) for mode, result in document.items()]
    queries = next(iter(judged.values())).queries
    say(f"generation {number}, {queries} judged queries")
    console().print(table(None, ("mode", *measures), rows, right=measures))
