"""`serve`: the index over HTTP."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtr_assets.cli.app import SEARCH, CacheOption, CacheSizeOption, ConfigOption, WarehouseOption, app
from xtr_assets.cli.console import note
from xtr_assets.cli.locate import cache_options, find_place, shown
from xtr_assets.core.errors import ProviderError

if TYPE_CHECKING:
    from xtr_assets.server.hosted_index import HostedIndex
    from xtr_assets.storage.remote.store_cache import CacheOptions

# A search holds Python's lock for a part of its time: more threads than this only take turns.
MOST_THREADS = 8


@app.command(rich_help_panel=SEARCH)
def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than loopback want tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 8080,
    index: Annotated[
        list[str] | None,
        typer.Option(
            help="Another index, by name; repeat it for several.", show_default=False, metavar="NAME=WAREHOUSE"
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            help="Who may ask: lines `name token`; read again when it changes. $XTR_ASSETS_TOKENS counts besides.",
            show_default=False,
            dir_okay=False,
        ),
    ] = None,
    anyone: Annotated[bool, typer.Option("--anyone", help="Ask for no token at an address that others reach.")] = False,
    threads: Annotated[
        int | None, typer.Option(help="Searches at a time.", min=1, show_default="cores, 2 to 8")
    ] = None,
    mcp: Annotated[bool, typer.Option("--mcp", help="Offer the tools of agents at /mcp.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or cuda:N,M.")] = "auto",
    access_log: Annotated[
        bool, typer.Option("--access-log", help="A line for each request on standard error.")
    ] = False,
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
    cache: CacheOption = None,
    cache_size: CacheSizeOption = None,
) -> None:
    """Answer questions over HTTP, with a search page at /; moves to each newly published generation by itself."""
    import logging

    from xtr_assets.server.bearers import Bearers

    try:
        from xtr_assets.server.runner import Address, uvicorn_server
    except ModuleNotFoundError as error:
        raise ProviderError(f"{error.name} is not installed; `pip install 'xtr-assets[serve]'`") from error

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    indexes = hosted(index or [], config, warehouse, device, cache_options(cache, cache_size))
    try:
        server = uvicorn_server(
            indexes,
            Bearers(tokens),
            Address(host, port, anyone),
            workers=threads or min(max(2, cores), MOST_THREADS),
            access_log=access_log,
            agents=mcp,
        )
    except ModuleNotFoundError as error:
        raise ProviderError(f"{error.name} is not installed; `pip install 'xtr-assets[mcp]'`") from error
    server.run()
    if not server.started:
        # uvicorn has said why: the port is taken, the address is none of this machine.
        raise typer.Exit(1)


def hosted(
    named: list[str], config: Path | None, warehouse: Path | None, device: str, cache: "CacheOptions | None" = None
) -> "list[HostedIndex]":
    """The indexes to serve: those named, and that of the config where one was named or none was."""
    from xtr_assets.server.hosted_index import HostedIndex

    folders = dict(_pair(one) for one in named)
    if len(folders) < len(named):
        raise typer.BadParameter("two indexes have one name; give each its own", param_hint="--index")
    if not folders or config is not None or warehouse is not None:
        place = find_place(config, warehouse)
        name = place.warehouse.resolve().name if place.config is None else place.config.name
        if name in folders:
            raise typer.BadParameter(
                f"{name} is the config's own index; name the other one otherwise", param_hint="--index"
            )
        folders[name] = place.warehouse
    for name, folder in folders.items():
        note(f"index {name}: {shown(folder)}")
    return [HostedIndex(name, folder, device, cache=cache) for name, folder in folders.items()]


def _pair(text: str) -> tuple[str, Path]:
    import re

    name, equals, folder = text.partition("=")
    # It stands in URLs and in labels of metrics.
    if not equals or not folder or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is None:
        raise typer.BadParameter(f"{text!r} is not NAME=WAREHOUSE; write docs=./warehouse", param_hint="--index")
    return name, Path(folder)
