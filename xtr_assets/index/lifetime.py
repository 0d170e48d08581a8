"""Lifetime of an index: `close`, `ready`, and the error of a search after closing."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from xtr_assets.core.errors import IndexClosed
from xtr_assets.core.notebook_table import html_table, plain

# What of its description stands in an index' repr, in this order.
GLANCE = ("recipe", "rows", "dim", "tokens", "terms", "segments", "device", "backend")


class Lifetime:
    """An index that lets go of its memory when it is closed. Use it in a `with` block, or leave it to Python."""

    # Attributes that go when it is closed; the first is there as long as it is open.
    _held: ClassVar[tuple[str, ...]]

    @property
    def ready(self) -> bool:
        """Whether it answers: False once it was closed."""
        return self._held[0] in self.__dict__

    def close(self) -> None:
        """Let go of memory, mapped files and what a GPU holds. Any further use is an IndexClosed error; closing twice
        is allowed. A search that runs meanwhile ends, or says the same."""
        for name in self._held:
            self.__dict__.pop(name, None)

    def describe(self) -> dict[str, Any]:
        """What the index holds, and where it serves."""
        return {}

    def __repr__(self) -> str:
        name = type(self).__name__
        if not self.ready:
            return f"{name}(closed)"
        said = plain(self.describe())
        return f"{name}({', '.join(f'{key} {said[key]}' for key in GLANCE if key in said)})"

    def _repr_html_(self) -> str:
        return html_table(type(self).__name__, self.describe() if self.ready else {"closed": True})

    def __reduce__(self) -> NoReturn:
        # Of `copy` as well: a copy shares what a change of the other one takes away.
        name = type(self).__name__
        raise TypeError(
            f"a {name} holds memory and files of this process: save it, and open what was saved where it is needed; "
            "threads and forked children share this one"
        )

    def _check_open(self) -> None:
        """For what sets and reads nothing: IndexClosed after `close`."""
        getattr(self, self._held[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Asked only for what is not there, so that an open index pays nothing; hidden from mypy, which would take any name.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in self._held and not self.ready:
                raise IndexClosed(f"this {type(self).__name__} was closed; open or build another one")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
