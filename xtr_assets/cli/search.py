"""`search`: the chunks that answer a question."""

from time import perf_counter
from typing import Annotated, Any, Literal

import typer

from xtr_assets.cli.app import (
    SEARCH,
    CacheOption,
    CacheSizeOption,
    ConfigOption,
    JsonOption,
    WarehouseOption,
    app,
)
from xtr_assets.cli.console import emit
from xtr_assets.cli.filter_option import parse_where
from xtr_assets.cli.locate import cache_options, find_place, open_searchable
from xtr_assets.cli.numpy_start import import_numpy
from xtr_assets.core.errors import InvalidInput

Mode = Literal["hybrid", "dense", "xtr", "lexical", "exact"]
Collapse = Literal["text", "symbol", "none"]
Syntax = Literal["terms", "plain"]
# A setting of the indexes that stands in for the profile's in this search.
SETTING: dict[str, Any] = {"show_default": False, "metavar": "N", "rich_help_panel": "In place of the profile"}


@app.command(rich_help_panel=SEARCH)
def search(
    query: Annotated[
        list[str],
        typer.Argument(
            metavar="QUERY...",
            help="What is looked for, in plain words; in quotes where the shell would take one for its own.",
            show_default=False,
        ),
    ],
    k: Annotated[int, typer.Option("-k", "--k", help="How many hits.", min=1)] = 10,
    mode: Annotated[Mode, typer.Option(help="Which index answers; exact is the reference.")] = "hybrid",
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            help="key=value, key=glob:*.py, key=gte:3, or JSON; repeat it for several.",
            show_default=False,
            metavar="KEY=VALUE",
        ),
    ] = None,
    nprobe: Annotated[int | None, typer.Option(help="Lists to read, in place of the profile's.", **SETTING)] = None,
    ef_search: Annotated[int | None, typer.Option(help="Breadth of a graph search, likewise.", **SETTING)] = None,
    k_prime: Annotated[int | None, typer.Option(help="Documents that count per query token.", **SETTING)] = None,
    rescore: Annotated[int | None, typer.Option(help="Candidates that are scored exactly.", **SETTING)] = None,
    syntax: Annotated[
        Syntax,
        typer.Option(help='terms: "exact phrase" and +must are demanded, spelling corrected; plain: neither.'),
    ] = "terms",
    collapse: Annotated[
        Collapse | None,
        typer.Option(
            help="text: of equal texts the best alone, and where else it stands; symbol: the best chunk of each "
            "symbol; none: every chunk.",
            show_default="text",
        ),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="What each leg says, and which token met what.")] = False,
    open_rank: Annotated[
        int | None,
        typer.Option("--open", help="Open the hit of this rank in $VISUAL or $EDITOR.", min=1, show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or cuda:N,M.")] = "auto",
    generation: Annotated[
        int | None, typer.Option(help="Another generation than the published one, a draft too.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    cache: CacheOption = None,
    cache_size: CacheSizeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the chunks that answer a question."""
    if mode != "exact":
        import_numpy()
    from xtr_assets.cli.documents import hits_document
    from xtr_assets.cli.editor import open_hit
    from xtr_assets.cli.hit_list import show_hits
    from xtr_assets.core.search_options import SearchOptions, chosen_collapse
    from xtr_assets.search.request import Ask

    asked = " ".join(query)
    conditions = parse_where(where or [])
    try:
        # What cannot be asked is wrong use whatever the warehouse holds; columns are looked at when it is open.
        Ask.checked(SearchOptions(k, nprobe, ef_search, k_prime, rescore), mode, conditions)
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from error
    place = find_place(config, warehouse)
    # In the other modes all of what serves is needed.
    cold = mode == "dense" and generation is None
    opened = open_searchable(place, cache_options(cache, cache_size), cold=cold)
    # Of a store the first files come while this is imported.
    from xtr_assets.search.searcher import open as open_searcher

    with open_searcher(opened, device, generation) as searcher:
        if mode != "lexical":
            # A process loads it once; a search takes what comes after.
            searcher.load_encoder()
        folded = chosen_collapse(collapse, arriving=searcher.arriving)
        started = perf_counter()
        try:
            hits = searcher.search(
                asked, k, mode, conditions,
                nprobe=nprobe, ef_search=ef_search, k_prime=k_prime, rescore=rescore,
                syntax=syntax, collapse=folded, explain=explain,
            )  # fmt: skip
        except InvalidInput as error:
            raise typer.BadParameter(str(error)) from error
        took_ms = (perf_counter() - started) * 1000
        if as_json:
            emit(hits_document(searcher.generation, mode, took_ms, hits))
        else:
            footing = f"generation {searcher.generation}, {mode}, {took_ms:.1f} ms"
            if collapse is None and folded is None:
                footing += "; equal texts stand each by itself while the rest of the generation comes"
            show_hits(asked, hits, footing, config=place.config, syntax=syntax)
    if open_rank is None:
        return
    if open_rank > len(hits):
        raise typer.BadParameter(f"--open {open_rank}: there are {len(hits)} hits")
    try:
        open_hit(hits[open_rank - 1], place.config)
    except InvalidInput as error:
        raise typer.BadParameter(str(error)) from error
