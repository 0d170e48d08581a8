"""Where else a hit's text stands, worked out from titles and texts as they were read: no hash takes part."""

from collections.abc import Iterator, Mapping, Sequence

from xtr_assets.core.types import Ints
from xtr_assets.pipeline.gate.where_truth import Row
from xtr_assets.search.hits import Hit

# As docs/searching.md says: so many places are named.
NAMED = 20


def text_of(columns: Row) -> str:
    """What an encoder is given of a row: the title is a line of its own, where there is one.

    >>> [text_of({"title": title, "text": "b"}) for title in ("a", "")]
    ['a\\nb', 'b']
    """
    title, text = str(columns["title"]), str(columns["text"])
    return "\n".join([title, text]) if title else text


def copy_faults(rows: Ints | None, hits: Sequence[Hit], columns: Mapping[int, Row]) -> Iterator[str]:
    """What is wrong with what hits say of other places of their texts. rows : int64, those that pass, where hits are
    one a text; else None. columns : of rows that were read, these among them."""
    if rows is None:
        if told := sum(hit.copies is not None or bool(hit.also) for hit in hits):
            yield f"{told} hits tell of copies that nobody asked for"
        return
    held: dict[str, list[Row]] = {}
    for row in rows.tolist():
        held.setdefault(text_of(columns[row]), []).append(columns[row])
    for hit in hits:
        own = held.get(text_of({"title": hit.title, "text": hit.text}), [])
        others = sorted(_place(one) for one in own if one["chunk_id"] != hit.chunk_id)
        if hit.copies != len(others):
            yield f"a hit tells of {hit.copies} copies of its text, {len(others)} pass"
        named = [(one.source, one.path, one.start_line, one.chunk_id, one.symbol) for one in hit.also]
        if named != others[:NAMED]:
            yield f"a hit names other places of its text than the first {len(others[:NAMED])} that pass"


def _place(row: Row) -> tuple[str, str, int, int, str]:
    return row["source"], row["path"], row["start_line"], row["chunk_id"], row["symbol"]
