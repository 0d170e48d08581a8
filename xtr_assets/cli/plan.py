"""`plan`: the dense recipes worth building; with --chunks, what a whole index takes."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xtr_assets.cli.app import UPKEEP, ConfigOption, JsonOption, WarehouseOption, app
from xtr_assets.cli.console import console, emit, say, size, table
from xtr_assets.cli.locate import find_place, open_warehouse
from xtr_assets.core.errors import GenerationError
from xtr_assets.core.part_places import MOST_CHUNKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xtr_assets.core.recipe_shortlist import DensePlan
    from xtr_assets.index.dense.recipe_benchmark import DenseChoice
    from xtr_assets.storage.generation import Generation


Target = Literal["cpu", "gpu", "gpu-cuvs"]
Kind = Literal["minilm", "hashing"]


@app.command(rich_help_panel=UPKEEP)
def plan(
    rows: Annotated[
        int | None, typer.Option(help="Vectors; those of the published generation without it.", min=0)
    ] = None,
    dim: Annotated[int | None, typer.Option(help="Their dim, likewise.", min=1)] = None,
    target: Annotated[Target | None, typer.Option(help="What it is served on; the config's without it.")] = None,
    goal: Annotated[float | None, typer.Option(help="Recall@10 to reach; the config's without it.", min=0.01)] = None,
    change_rate: Annotated[float, typer.Option(help="Share of the rows that a generation changes.", min=0.0)] = 0.01,
    memory: Annotated[
        int | None, typer.Option(help="Bytes the index may hold, vectors aside.", min=1, show_default=False)
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Build each on a sample of what serves, and time its queries.")
    ] = False,
    chunks: Annotated[
        float | None,
        typer.Option(help="Say what an index of so many chunks takes, e.g. 1e8.", min=1, show_default=False),
    ] = None,
    chunk_tokens: Annotated[float, typer.Option(help="Tokens that are kept of a chunk, for --chunks.", min=0)] = 90.0,
    chunk_bytes: Annotated[float, typer.Option(help="Bytes of its text, for --chunks.", min=0)] = 526.0,
    token_dim: Annotated[int, typer.Option(help="Dims of a token, 0 for none, for --chunks.", min=0)] = 48,
    encoder: Annotated[Kind, typer.Option(help="What encodes them, for --chunks.")] = "minilm",
    part_chunks: Annotated[int, typer.Option(help="Chunks of a part at most, for --chunks.", min=1)] = MOST_CHUNKS,
    cores: Annotated[int, typer.Option(help="Cores that encode, for --chunks.", min=1)] = 1,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """The dense recipes worth building for so many vectors, with what each is expected to cost, the best first.

    With --measure the cheapest that reaches the recall goal is found by CPU time, and named. With --chunks, instead:
    disk, memory, hours and query of an index that is not there yet, and the parts that it needs.
    """
    if chunks is not None:
        if measure or rows is not None:
            raise typer.BadParameter("--chunks is about an index that is not there; leave --rows and --measure out")
        from xtr_assets.cli.capacity_table import show_capacity
        from xtr_assets.core.capacity import Corpus

        corpus = Corpus(int(chunks), chunk_tokens, chunk_bytes, dim or 384, token_dim, encoder == "minilm", encoder)
        show_capacity(corpus, part_chunks, cores, as_json)
        return
    from xtr_assets.config import DenseConfig, RecallConfig
    from xtr_assets.core.recipe_shortlist import shortlist_dense
    from xtr_assets.index import native
    from xtr_assets.index.dense.recipe import leading_axes, repeated_share
    from xtr_assets.storage.generation import leg_lack

    place = find_place(config, warehouse)
    if measure and (rows is not None or dim is not None):
        raise typer.BadParameter("--measure is about the vectors that serve; leave --rows and --dim out")
    dense = DenseConfig() if place.config is None else place.config.dense
    published = None
    if rows is None or dim is None:
        published = open_warehouse(place).published
        if published is None:
            raise GenerationError("nothing is published to plan for; name --rows and --dim, or `xtr-assets build`")
        if "dense" not in published.legs:
            raise GenerationError(f"{leg_lack(published, 'dense')}; name --rows and --dim to plan for others")
        rows = published.live_rows if rows is None else rows
        dim = published.manifest.encoder.dim if dim is None else dim
    thresholds = RecallConfig() if place.config is None else place.config.recall
    wanted = min(1.0, thresholds.dense if goal is None else goal)
    served = dense.target if target is None else target
    shortlist = shortlist_dense(
        rows,
        dim,
        served,
        recall_goal=wanted,
        change_rate=change_rate,
        memory_budget=memory,
        axes=0 if published is None else leading_axes(published.vectors(), published.vectors().rows()),
        repeats=0.0 if published is None else repeated_share(published.vectors(), published.vectors().rows()),
        integers=native.available(),
    )
    choice = _measured(published, shortlist, wanted) if measure and published is not None else None
    explicit = None if dense.recipe == "auto" else dense.recipe
    if as_json:
        asked = {"rows": rows, "dim": dim, "target": served, "recall_goal": wanted, "change_rate": change_rate}
        measured = {} if choice is None else {"choice": choice.as_json()}
        emit({**asked, "configured": explicit, "shortlist": [one.as_json() for one in shortlist], **measured})
        return
    lines = [
        (p.recipe, size(p.memory_bytes), f"{p.training_rows:,}", f"{p.build_seconds:,.0f}", p.reason) for p in shortlist
    ]
    columns = ("recipe", "memory", "training rows", "build CPU s", "why")
    say(f"{rows:,} vectors of {dim} dims on {served}, recall@10 {wanted}")
    console().print(table(None, columns, lines, right=columns[1:4]))
    if choice is not None:
        say(f"[green]measured[/green] {choice}")
    if explicit is not None:
        say(f"the config asks for {explicit}, which wins")


def _measured(generation: "Generation", shortlist: "Sequence[DensePlan]", goal: float) -> "DenseChoice":
    """The choice by measured cost, on the generation's tuning queries where it has some."""
    from xtr_assets.index.dense.recipe_benchmark import choose_dense
    from xtr_assets.pipeline.queries.tuning_queries import read_tuning

    asked = read_tuning(generation)
    queries = None if asked is None else asked.embeddings
    return choose_dense(generation.vectors(), generation.live, shortlist, queries, goal)
