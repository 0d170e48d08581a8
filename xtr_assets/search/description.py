"""What a searcher says of itself: in a terminal, in a notebook, to a program."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xtr_assets.core.notebook_table import html_table, plain

if TYPE_CHECKING:
    from xtr_assets.search.loaders import Place
    from xtr_assets.search.reader import OpenGeneration


class Described:
    """The face of a searcher. One that was closed says so, and is no error to look at."""

    _warehouse: "Place"
    _opened: "OpenGeneration | None"

    @property
    def devices(self) -> Mapping[str, str]:
        """Where each part serves."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What answers: the warehouse, the generation and when it was made, its rows, encoder, modes and devices; None
        of these once it was closed."""
        opened = self._opened
        if opened is None:
            return {"warehouse": str(self._warehouse.root), "closed": True}
        manifest = opened.generation.manifest
        return {
            "warehouse": str(self._warehouse.root),
            "generation": opened.number,
            "made": manifest.created_at,
            "rows": manifest.live_rows,
            "encoder": manifest.encoder.name,
            "modes": ", ".join(opened.modes),
            "served on": ", ".join(f"{name}: {device}" for name, device in self.devices.items()),
        }

    def __repr__(self) -> str:
        if self._opened is None:
            return "Searcher(closed)"
        said = plain(self.describe())
        return f"Searcher({said['warehouse']}, generation {said['generation']}, {said['rows']} rows, {said['modes']})"

    def _repr_html_(self) -> str:
        return html_table("Searcher", self.describe())
