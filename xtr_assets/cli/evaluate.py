"""`evaluate`: quality against judgments."""

from typing import Annotated

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, say, table
from xtr_assets.cli.locate import find_place, open_warehouse
from xtr_assets.core.errors import ConfigError


@app.command(rich_help_panel=UPKEEP)
def evaluate(
    limit: Annotated[int | None, typer.Option(help="Only the first queries by id.", min=1, show_default=False)] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quality of the published generation against the config's judgments: nDCG@10, MRR@10, recall@100 by mode."""
    from xtr_assets.pipeline.gate.judgments import evaluate as judge
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
