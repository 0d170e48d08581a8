"""The warehouse as `import xtr_assets` gives it: storage's, with what needs a config or a searcher besides."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from xtr_assets.config import IndexConfig, load_config
from xtr_assets.core.errors import ConfigError
from xtr_assets.search.answer_diff import AnswerDiff, compare
from xtr_assets.storage import warehouse as stored
from xtr_assets.storage.generation_diff import GenerationDiff


@dataclass(frozen=True, eq=False)
class Difference(GenerationDiff):
    """What differs between two generations; `answers` are the hits of each question in both, in the order asked."""

    answers: tuple[AnswerDiff, ...] = ()

    def document(self) -> dict[str, Any]:
        """JSON-able, as `xtr-assets diff --json` prints it: counts in place of ids, `answers` where something was
        asked."""
        answers = {"answers": [one.document() for one in self.answers]} if self.answers else {}
        return {**super().document(), **answers}


class Warehouse(stored.Warehouse):
    """A folder that keeps segments, generations and the pointer to the one that serves (docs/format.md).

    One writer at a time: a step that writes takes the lock, and raises WarehouseLocked where another holds it. Readers
    are many and wait for nobody.
    """

    @classmethod
    def create(
        cls, path: str | Path, config: IndexConfig | str | Path | None = None, *, exist_ok: bool = False
    ) -> Self:
        """Make an empty warehouse; with `exist_ok` open the one that is there.

        config : the index that it is for, or its xtr.yaml. ConfigError where that is wrong or names another folder as
            its `warehouse`: a later `build` would fill that one. It is not kept: builds read the file.

        Raises StorageError where the folder is a warehouse already, or holds anything else.
        """
        if config is not None:
            read = config if isinstance(config, IndexConfig) else load_config(Path(config))
            if read.warehouse.absolute() != Path(path).absolute():
                raise ConfigError(
                    f"the config's `warehouse` is {read.warehouse}, the folder to make is {path}; name the same folder"
                )
        return super().create(path, exist_ok=exist_ok)

    def diff(self, before: int, after: int, queries: str | Sequence[str] = (), *, k: int = 10) -> Difference:
        """What differs between two generations: chunks, settings, verdicts, and the first k answers to `queries`.

        Raises GenerationError for an unknown number. Each generation is asked with the encoder that made it.
        """
        found = super().diff(before, after)
        asked = [queries] if isinstance(queries, str) else list(queries)
        answers = tuple(compare(self, before, after, asked, k)) if asked else ()
        return Difference(**{one.name: getattr(found, one.name) for one in fields(found)}, answers=answers)
