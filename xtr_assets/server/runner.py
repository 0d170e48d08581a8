"""uvicorn around the application: address, tokens, a graceful stop."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from xtr_assets.core.errors import ConfigError
from xtr_assets.server.application import Server
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.guard import Asgi
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.live_recall import LiveRecall
from xtr_assets.server.patient_protocol import patient
from xtr_assets.server.query_log import QueryLog
from xtr_assets.server.witness import Witness
from xtr_assets.telemetry.shared_metrics import SharedMetrics

if TYPE_CHECKING:
    from xtr_assets.server.agent_route import AgentRoute

# Questions under way get this long when the server is stopped.
GRACE_SECONDS = 30
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


# What `serve` runs.
Runnable = uvicorn.Server


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens; `anyone` lets everybody who reaches it ask without a token."""

    host: str = "127.0.0.1"
    port: int = 8080
    anyone: bool = False


def names_for(address: Address, bearers: Bearers) -> Collection[str] | None:
    """The names that requests may call the server by, None for any. ConfigError where it would be open to others."""
    if not bearers.open:
        return None
    if address.anyone:
        return None
    if not _loopback(address.host):
        raise ConfigError(
            f"the host {address.host} is reached by others and no token is asked for; give --tokens FILE, keep to "
            "127.0.0.1, or say --anyone"
        )
    return {*LOOPBACK_NAMES, address.host.lower()}


def uvicorn_server(
    indexes: list[HostedIndex],
    bearers: Bearers,
    address: Address,
    limits: Limits | None = None,
    workers: int = 2,
    poll_seconds: float = 1.0,
    access_log: bool = False,
    agents: bool = False,
    live: LiveRecall | None = None,
    query_log: QueryLog | None = None,
    shared: SharedMetrics | None = None,
    own_process: bool = False,
) -> uvicorn.Server:
    """A uvicorn server that was not started; `run()` serves until SIGTERM or SIGINT, then ends what is under way.

    agents : offer the tools of agents at /mcp. live : measures recall of what is asked. query_log : keeps it. shared :
    where this is one of several processes. own_process : whether nothing else runs in this one. Raises
    ModuleNotFoundError where the SDK is not installed.
    """
    limits = limits or Limits()
    witnesses: list[Witness] = [one for one in (live, query_log) if one is not None]
    route = _agent_route(indexes, limits, workers, witnesses) if agents else None
    names = names_for(address, bearers)
    server = Server(indexes, bearers, limits, workers, names, poll_seconds, route, live, query_log, shared, own_process)
    return uvicorn_around(server.app, address, limits, access_log)


def uvicorn_around(app: Asgi, address: Address, limits: Limits, access_log: bool) -> uvicorn.Server:
    """The same around any application."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=address.host,
            port=address.port,
            http=patient(limits),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=access_log,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


def _agent_route(
    indexes: list[HostedIndex], limits: Limits, workers: int, witnesses: Sequence[Witness]
) -> "AgentRoute":
    # The SDK takes half a second to import: only who offers its tools waits for it.
    from xtr_assets.server.agent_route import AgentRoute

    return AgentRoute(indexes, limits, workers, witnesses)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
