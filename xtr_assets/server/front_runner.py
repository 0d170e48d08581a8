"""uvicorn around the front of a set of parts."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import uvicorn

from xtr_assets.client.destination import Destination
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.host_process import enough_files
from xtr_assets.server.limits import Limits
from xtr_assets.server.part_call import PartServers, part_client
from xtr_assets.server.part_front import PartFront
from xtr_assets.server.runner import Address, names_for, uvicorn_around


def front_server(
    folder: Path,
    named: Mapping[str, Sequence[str]],
    address: Address,
    bearers: Bearers,
    partial: bool,
    hedge_seconds: float,
    access_log: bool,
) -> uvicorn.Server:
    """A front that was not started. named : the URLs of each part's servers. Raises ConfigError, InvalidInput."""
    limits = Limits()
    places = {
        part: [Destination.checked(url, None, None, limits.seconds) for url in urls] for part, urls in named.items()
    }
    # Beside its own clients, of each question a connection to every part.
    enough_files(limits.connections + limits.queue * len(places))
    servers = PartServers(places, hedge_seconds, part_client())
    front = PartFront(
        folder.resolve().name, folder, servers, bearers, limits, names_for(address, bearers), partial=partial
    )
    return uvicorn_around(front.app, address, limits, access_log)
