"""An index of parts on Ray Serve: a deployment for each part, and a front before them. It is read, not built, here.

    pip install 'ray[serve]' 'xtr-assets[cpu,minilm,serve,stores]'          # on the nodes, and for who starts it
    xtr-assets pull s3://bucket/everything -w /data/set --follow 10 &   # on each node; or a folder that all mount
    XTR_ASSETS_SET=/data/set XTR_ASSETS_TOKENS="front $TOKEN" XTR_ASSETS_TOKEN=$TOKEN python deploy/ray-serve/parts.py

The front asks the parts through Serve's own proxy, which chooses among their replicas, so that hedging is off. What a
replica was answering when it died Serve gives up (500): the front asks once more. A part that none of its replicas
serves is named by the front's 503. Tried with Ray 2.60: docs/parts.md.
"""

import os
from pathlib import Path
from typing import Any

from ray import serve

from xtr_assets.client.destination import Destination
from xtr_assets.server.application import Server
from xtr_assets.server.bearers import Bearers
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.part_call import PartServers
from xtr_assets.server.part_front import PartFront
from xtr_assets.storage.parts.part_set import PartSet

# Where Serve answers on each node, unless `serve.start` is told otherwise.
PROXY = os.environ.get("XTR_ASSETS_PROXY", "http://127.0.0.1:8000")
# As long as a question may take: Serve waits for a replica itself.
NO_HEDGE_SECONDS = 60.0
# The proxy is asked again where it fails: by then it knows that the replica is gone.
TRIES = 2


def part_app(part: str, folder: Path) -> Any:
    """The ASGI application of a part."""
    return Server([HostedIndex(part, folder, "auto")], Bearers()).app


def front_app(root: Path, proxy: str = PROXY) -> Any:
    """The ASGI application of the front."""
    import httpx

    limits = Limits()
    parts = PartSet.open(root).info.parts
    places = {part: [Destination.checked(f"{proxy}/{part}", None, None, limits.seconds)] * TRIES for part in parts}
    servers = PartServers(places, NO_HEDGE_SECONDS, httpx.AsyncClient())
    return PartFront(root.name, root, servers, Bearers(), limits).app


def deployed(build: Any, name: str, replicas: int) -> Any:
    """A deployment around an application that its replica builds."""

    # Serve takes a function that builds an ASGI application in the replica: what is opened there stays there.
    @serve.deployment(name=name, num_replicas=replicas, max_ongoing_requests=64)
    @serve.ingress(build)
    class Around:
        pass

    return Around.bind()


def main() -> None:
    """Start, or change to, a deployment for each part of $XTR_ASSETS_SET, and the front."""
    root = Path(os.environ["XTR_ASSETS_SET"]).absolute()
    for part in PartSet.open(root).info.parts:
        folder = PartSet.open(root).layout.part(part)
        build = lambda part=part, folder=folder: part_app(part, folder)  # noqa: E731
        serve.run(deployed(build, part, 2), name=part, route_prefix=f"/{part}")
    serve.run(deployed(lambda: front_app(root), "front", 2), name="front", route_prefix="/", blocking=True)


if __name__ == "__main__":
    main()
