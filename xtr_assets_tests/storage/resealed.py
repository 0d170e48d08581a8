"""A manifest that was edited, under seals that fit it: what checksums alone do not find."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from xtr_assets.core.files import FileRecord
from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.seal import seal_text
from xtr_assets.storage.warehouse import Warehouse

Change = Callable[[dict[str, Any]], object]


def edit(warehouse: Warehouse, number: int, change: Change, *, seal: bool = False, history: bool = False) -> None:
    """Change the manifest of a generation by hand; with `seal` its sha256 too, with `history` what names that."""
    layout = warehouse.layout
    before = layout.manifest(number).read_bytes()
    document = json.loads(before)
    change(document)
    data = json.dumps(document).encode()
    layout.manifest(number).write_bytes(data)
    if seal:
        layout.manifest_seal(number).write_bytes(seal_text(data))
    if history:
        _rename(warehouse, hashlib.sha256(before).hexdigest(), hashlib.sha256(data).hexdigest())


def _rename(warehouse: Warehouse, before: str, after: str) -> None:
    """The history anew, every digest of it, with another sha256 of the manifest."""
    lines = b""
    for line in warehouse.layout.history.read_bytes().splitlines():
        entry = HistoryEntry.from_bytes(line, "history.jsonl")
        named = after if entry.manifest_sha256 == before else entry.manifest_sha256
        update = {"manifest_sha256": named, "after": hashlib.sha256(lines).hexdigest()}
        lines += entry.model_copy(update=update).signed().model_dump_json().encode() + b"\n"
    warehouse.layout.history.write_bytes(lines)
    end = FileRecord(len(lines), hashlib.sha256(lines).hexdigest())
    warehouse.layout.warehouse_json.write_bytes(warehouse.info.model_copy(update={"history": end}).to_bytes())
