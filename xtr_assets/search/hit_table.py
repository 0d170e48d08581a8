"""The hits of one query, as a list and as a table."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from xtr_assets.core.errors import ProviderError
from xtr_assets.search.hits import Hit

if TYPE_CHECKING:
    import pyarrow as pa

# Characters of a text that a notebook shows: some four lines of a cell.
SHOWN_TEXT = 300

SPACES = ("dense", "name", "xtr", "lexical")
# Column -> Arrow type. The spaces are `hit.scores`, null where nothing was compared there; `metadata` is JSON.
COLUMNS: Mapping[str, str] = {
    "rank": "int32",
    "chunk_id": "int64",
    "score": "double",
    "confidence": "double",
    "dense": "double",
    "name": "double",
    "xtr": "double",
    "lexical": "double",
    "source": "string",
    "path": "string",
    "symbol": "string",
    "kind": "string",
    "part": "int64",
    "start_line": "int64",
    "end_line": "int64",
    "title": "string",
    "text": "string",
    "metadata": "string",
}


class Hits(list[Hit]):
    """The hits of one query, best first: a list, with a table's face in notebooks.

    corrected : the query as it was asked, where its spelling was corrected, or without its quotes, where nothing holds
        them (docs/searching.md); "" where it was asked as it is.
    """

    # Of hits that an earlier release pickled.
    corrected: str = ""

    def __init__(self, hits: Iterable[Hit] = (), corrected: str = "") -> None:
        super().__init__(hits)
        self.corrected = corrected

    def to_arrow(self) -> "pa.Table":
        """One row a hit: rank from 1, chunk_id, score, of each space (null where not compared), and its columns."""
        import pyarrow as pa

        schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()])
        return pa.Table.from_pylist([_row(rank, hit) for rank, hit in enumerate(self, 1)], schema=schema)

    def to_pandas(self) -> Any:
        """`to_arrow` as a pandas.DataFrame. ProviderError where pandas is not installed."""
        if find_spec("pandas") is None:
            raise ProviderError("pandas is not installed; `pip install pandas`, or take `to_arrow()`")
        return self.to_arrow().to_pandas()

    @overload
    def __getitem__(self, which: SupportsIndex) -> Hit: ...
    @overload
    def __getitem__(self, which: slice) -> "Hits": ...
    def __getitem__(self, which: SupportsIndex | slice) -> "Hit | Hits":
        return (
            Hits(super().__getitem__(which), self.corrected) if isinstance(which, slice) else super().__getitem__(which)
        )

    def _repr_html_(self) -> str:
        """What a notebook shows. Texts are those of strangers: none of them is HTML here."""
        rows = [
            (rank, f"{hit.score:.3f}", f"{hit.path}:{hit.start_line}-{hit.end_line}", hit.symbol, _shortened(hit.text))
            for rank, hit in enumerate(self, 1)
        ]
        head = "".join(f"<th>{name}</th>" for name in ("rank", "score", "place", "symbol", "text"))
        body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of each query of one call, and the generation that all of them come from."""

    generation: int
    hits: list[Hits]


def _row(rank: int, hit: Hit) -> dict[str, Any]:
    own = {name: getattr(hit, name) for name in COLUMNS if name not in ("rank", *SPACES, "metadata")}
    metadata = json.dumps(dict(hit.metadata), ensure_ascii=False)
    try:
        metadata.encode()
    except UnicodeEncodeError:
        # Half of a character, which JSON may escape and Arrow cannot hold: it stays in escapes.
        metadata = json.dumps(dict(hit.metadata))
    return {"rank": rank, **{name: hit.scores.get(name) for name in SPACES}, "metadata": metadata, **own}


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT] + "…"
