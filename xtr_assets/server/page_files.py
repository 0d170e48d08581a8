"""The search page: files of the package, read once, each at its own address. No path of a request reaches the disk."""

from collections.abc import Mapping
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

INDEX = "index.html"
TYPES: Mapping[str, str] = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# What the page may do: run its own scripts, ask its own server. Texts of a corpus are what strangers wrote; were one of
# them taken for markup, it could neither run nor load nor send anything, and no script may make markup of text at all.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    # A question stands in the page's own address: other sites do not hear of it.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _read() -> dict[str, tuple[bytes, str]]:
    folder = files("xtr_assets.server") / "page"
    found = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        kind = TYPES.get("." + file.name.rpartition(".")[2])
        if kind is not None:
            found["/" if file.name == INDEX else f"/page/{file.name}"] = file.read_bytes(), kind
    return found


# Address -> (bytes, media type).
FILES: Mapping[str, tuple[bytes, str]] = _read()


def page_routes() -> list[Route]:
    """A route for each file."""
    return [Route(path, _page) for path in FILES]


async def _page(request: Request) -> Response:
    data, kind = FILES[request.scope["path"]]
    return Response(data, headers=HEADERS, media_type=kind)
