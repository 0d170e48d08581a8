"""What the retrievers ask, and what they tell of a hit besides its text."""

from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import Any, Protocol

from xtr_assets.core.errors import InvalidInput
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.hits import Hit

# What a hit's own metadata may not take the place of.
PLACE = ("source", "path", "symbol", "kind", "title", "start_line", "end_line")


class Searches(Protocol):
    """A Searcher (`xa.open`) or a RemoteSearcher (`xa.connect`)."""

    def search(
        self, query: str, k: int = ..., mode: Any = ..., where: Mapping[str, Any] | None = ..., **settings: Any
    ) -> Hits:
        """The best k chunks, best first."""
        ...


def checked(searcher: Any) -> Searches:
    """A searcher as it is. InvalidInput where a retriever cannot ask it: what is awaited has no hits yet."""
    search = getattr(searcher, "search", None)
    if not callable(search) or iscoroutinefunction(search):
        raise InvalidInput(
            f"searcher is a {type(searcher).__name__}; pass what `xa.open` or `xa.connect` gives: a retriever that is "
            "awaited searches in a thread of its own"
        )
    found: Searches = searcher
    return found


def hit_metadata(hit: Hit, corrected: str = "") -> dict[str, Any]:
    """Place, scores and the fields of the record that the chunk comes from; JSON-able. corrected : `Hits.corrected`.

    `chunk_id` is text: it has up to 63 bits, which JavaScript would round. Where equal texts are
    one hit, `also_in` says for people where else the text stands, `also` and `copies` for programs.
    """
    place = {name: getattr(hit, name) for name in PLACE}
    told = {**place, "chunk_id": str(hit.chunk_id), "score": hit.score, "scores": dict(hit.scores)}
    if hit.confidence is not None:
        told["confidence"] = hit.confidence
    if hit.copies is not None:
        also = [{**one.document(), "chunk_id": str(one.chunk_id)} for one in hit.also]
        told |= {"copies": hit.copies, "also_in": hit.told_also(), "also": also}
    if corrected:
        told["corrected"] = corrected
    # Where nothing says how likely the hit is right, a record's own field must not seem to.
    own = {name: value for name, value in hit.metadata.items() if name != "confidence"}
    return {**own, **told}
