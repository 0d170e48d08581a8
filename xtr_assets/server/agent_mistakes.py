"""What an agent gave that a tool cannot use, in one sentence each: fields, their values, and what to give instead.

An agent reads an empty answer as "there is nothing of it". So a filter that no file passes says what there is.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.stdio import stdio_server
from pydantic import ValidationError

from xtr_assets.core.field_problem import problems, shown
from xtr_assets.core.types import Mask
from xtr_assets.core.where_syntax import Compare
from xtr_assets.search.filter_columns import PathColumn
from xtr_assets.server.agent_lines import AnsweredLines

# Names that a message lists; an index of hundreds of sources would fill an agent's context.
MOST_NAMED = 20
# Paths that a message shows, as examples of what a glob has to match.
MOST_PATHS = 3
# Paths that are compared with the glob for that: up to 0.3 ms each.
MOST_COMPARED = 500


class ToolServer(MCPServer[Any]):
    """An MCP server whose tools refuse arguments of another name or type, in one line each."""

    async def run_stdio_async(self) -> None:
        """Answer on standard input and output until the input ends; what is no message too."""
        async with stdio_server() as (reading, writing):
            options = self._lowlevel_server.create_initialization_options()
            await self._lowlevel_server.run(AnsweredLines(reading, writing), writing, options)

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None) -> Any:
        """What the tool answers. Raises ToolError for a tool that is not there and for arguments that it does not take.

        pydantic passes over a name that it does not know: `sources="handbook"` would search without any filter.
        """
        takes = {tool.name: list(tool.input_schema.get("properties", {})) for tool in await self.list_tools()}
        if name not in takes:
            raise ToolError(f"there is no tool {shown(name)}; call one of {named(takes)}")
        if strange := [given for given in arguments if given not in takes[name]]:
            wanted = f"give {named(takes[name])}" if takes[name] else "call it without any"
            raise ToolError(f"{name} has no argument {named(map(shown, strange))}; {wanted}")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(f"{name}: {_faults(error.__cause__)}") from error
            raise


def _faults(error: ValidationError) -> str:
    """One sentence a field. A value that may be left out has `null` as an alternative, which helps nobody."""
    faults = [dict(fault) for fault in error.errors() if fault["type"] != "none_required"]
    return problems(faults)


def named(names: Iterable[str]) -> str:
    """Names for a message, the first MOST_NAMED of them.

    >>> named(["a", "b"]), named(map(str, range(22)))[-17:]
    ('a, b', '18, 19 and 2 more')
    """
    every = list(names)
    rest = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(every[:MOST_NAMED]) + rest


def nothing_passes(files: Sequence[tuple[str, str]], source: str | None, path: str | None) -> str | None:
    """Why no file passes these filters and what there is; None where one does.

    files : (source, path) of each file that is indexed. path : a glob, valid.
    """
    sources = sorted({one for one, _ in files})
    if source is not None and source not in sources:
        return f"source is {shown(source)}, which the index does not have; give one of {named(map(shown, sources))}"
    paths = sorted({one for own, one in files if source in (None, own)})
    if path is None or _met(path, paths).any():
        return None
    within = "" if source is None else f" of source {shown(source)}"
    met = _met(path, [one for _, one in files]).tolist()
    if elsewhere := sorted({own for (own, _), meets in zip(files, met, strict=True) if meets}):
        return f"path is {shown(path)}, which no file{within} matches; files of {named(map(shown, elsewhere))} do"
    return (
        f"path is {shown(path)}, a glob that no path{within} matches whole; {_advice(path, paths)}"
        f"there are {len(paths)} paths such as {named(map(shown, _alike(path, paths)))}"
    )


def _met(glob: str, paths: Sequence[str]) -> Mask:
    """Which paths a glob meets, as a filter says it: bool [len(paths)]. Python's own expressions try every way to share
    a name out among the stars of a glob, and let nobody else run meanwhile."""
    return PathColumn(pa.array(paths, pa.string())).compare(Compare("glob", (glob,)))


def _advice(path: str, paths: Sequence[str]) -> str:
    """A glob beside it that files match, where one is found: of the folder, anywhere, or without what begins it."""
    bare = path.removeprefix("./").strip("/")
    for other in (bare, f"{bare}/**", f"**/{bare}", f"**/{bare}/**", f"**/*{bare}*"):
        if other != path and bare and _met(other, paths).any():
            return f"{shown(other)} matches some; "
    return ""


def _alike(path: str, paths: Sequence[str]) -> list[str]:
    """Paths that resemble the glob, else the first ones."""
    return difflib.get_close_matches(path, paths[:MOST_COMPARED], MOST_PATHS, 0.5) or list(paths[:MOST_PATHS])
