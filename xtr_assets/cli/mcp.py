"""`mcp`: the index as tools for agents."""

from typing import Annotated

import typer

from xtr_assets.cli.app import SEARCH, ConfigOption, WarehouseOption, app
from xtr_assets.cli.serve import hosted
from xtr_assets.core.errors import ProviderError


@app.command(rich_help_panel=SEARCH)
def mcp(
    index: Annotated[
        list[str] | None,
        typer.Option(
            help="Another index, by name; repeat it for several.", show_default=False, metavar="NAME=WAREHOUSE"
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or cuda:N,M.")] = "auto",
    config: ConfigOption = None,
    warehouse: WarehouseOption = None,
) -> None:
    """Offer the index to an agent over MCP, on standard input and output: four tools that search and read."""
    import logging

    # Standard output belongs to the protocol.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    indexes = hosted(index or [], config, warehouse, device)
    try:
        from xtr_assets.server.agent_tools import agent_server
    except ModuleNotFoundError as error:
        raise ProviderError(f"{error.name} is not installed; `pip install 'xtr-assets[mcp]'`") from error
    try:
        agent_server(indexes).run("stdio")
    finally:
        for one in indexes:
            one.close()
