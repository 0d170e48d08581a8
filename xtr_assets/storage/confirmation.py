"""PUBLISHED and history.jsonl read back after they were written, by code that writes neither.

The writers of `history` may be wrong, and so may a disk: what decides which generation serves is not taken on trust.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from xtr_assets.core.errors import GenerationError
from xtr_assets.core.files import read_regular
from xtr_assets.storage.layout import Layout


@dataclass(frozen=True, slots=True)
class Before:
    """What PUBLISHED (None where there is none), warehouse.json (which names the history's end) and the whole lines of
    history.jsonl held before a step; they are put back where the step wrote something else."""

    layout: Layout
    pointer: bytes | None
    info: bytes | None
    lines: bytes

    @classmethod
    def of(cls, layout: Layout) -> "Before":
        history = _bytes(layout.history) or b""
        # A torn last line is cut off by whoever appends.
        return cls(layout, _bytes(layout.published), _bytes(layout.warehouse_json), history[: history.rfind(b"\n") + 1])

    def confirm_pointer(self, number: int) -> None:
        """GenerationError unless PUBLISHED names `number`; it names what it did before, then."""
        found = _bytes(self.layout.published)
        alone = b"%d\n" % number
        if found != b"%d %.16s\n" % (number, hashlib.sha256(alone).hexdigest().encode()):
            self._refuse(f"PUBLISHED was to name generation {number} and {_named(found)} after it was written")

    def confirm_line(self, wanted: Mapping[str, Any]) -> None:
        """GenerationError unless history.jsonl is what it was and one line that says `wanted`; both files are what they
        were, then."""
        data = _bytes(self.layout.history) or b""
        added = data[len(self.lines) :] if data.startswith(self.lines) else b""
        try:
            line = json.loads(added) if added.count(b"\n") == 1 and added.endswith(b"\n") else None
        except ValueError:
            line = None
        if not isinstance(line, dict):
            self._refuse(
                f"history.jsonl was to gain one line, {wanted['action']}, and has {_counted(data, self.lines)}"
            )
        for name, value in wanted.items():
            if line.get(name) != value:
                self._refuse(
                    f"history.jsonl was to say {name} {value!r} of {wanted['action']} and says {line.get(name)!r}"
                )

    def put_back(self) -> None:
        """The files as they were."""
        _put_back(self.layout.published, self.pointer)
        if _bytes(self.layout.history) is not None:
            _put_back(self.layout.history, self.lines)
        if self.info is not None:
            _put_back(self.layout.warehouse_json, self.info)

    def _refuse(self, what: str) -> NoReturn:
        self.put_back()
        now = _bytes(self.layout.published)
        again = "as before" if now == self.pointer else f"while before it {_named(self.pointer)}"
        raise GenerationError(
            f"{what}; PUBLISHED {_named(now)} now, {again}; find what else writes to the warehouse, or what is wrong "
            "with its disk (`xtr-assets verify`), and do it again"
        )


def _bytes(path: Path) -> bytes | None:
    try:
        return read_regular(path, path.name)
    except FileNotFoundError:
        return None


def _named(pointer: bytes | None) -> str:
    if pointer is None:
        return "names none"
    text = pointer.decode("ascii", "backslashreplace").strip()
    number = text.partition(" ")[0]
    return f"names {number[:40]}" if number.isdigit() else f"holds {text[:40]!r}"


def _counted(data: bytes, before: bytes) -> str:
    if not data.startswith(before):
        return "other lines than it had"
    lines = data[len(before) :].count(b"\n")
    return "none" if not lines and len(data) == len(before) else f"{lines}, or one that cannot be read"


def _put_back(path: Path, data: bytes | None) -> None:
    """By a rename, like every commit; not with the writer that may have been wrong."""
    if data is None:
        path.unlink(missing_ok=True)
    elif _bytes(path) != data:
        temporary = path.with_name(f".{path.name}.before")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
