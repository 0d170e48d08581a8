"""The JSON Schemas in schemas/, made from the models: `python -m xtr_assets.storage.schema_files` writes them."""

from pathlib import Path

from xtr_assets.storage.history_entry import HistoryEntry
from xtr_assets.storage.manifest import Listing, Manifest, SegmentInfo
from xtr_assets.storage.parts.part_records import PartMove, Pins, SetInfo
from xtr_assets.storage.snapshot import Snapshot
from xtr_assets.storage.stored_json import Stored, canonical_json
from xtr_assets.storage.warehouse_info import WarehouseInfo

SCHEMAS = Path(__file__).parent / "schemas"

STORED_FILES: dict[str, type[Stored]] = {
    "warehouse": WarehouseInfo,
    "snapshot": Snapshot,
    "segment": SegmentInfo,
    "listing": Listing,
    "manifest": Manifest,
    "history_entry": HistoryEntry,
    "parts": SetInfo,
    "part_move": PartMove,
    "pins": Pins,
}


def schema_bytes(name: str) -> bytes:
    """The JSON Schema (2020-12) of one stored file."""
    return canonical_json(STORED_FILES[name].model_json_schema())


if __name__ == "__main__":
    for name in STORED_FILES:
        (SCHEMAS / f"{name}.schema.json").write_bytes(schema_bytes(name))
