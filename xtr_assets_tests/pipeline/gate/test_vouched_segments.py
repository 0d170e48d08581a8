"""Which segments of a draft need not be looked at again: those of which the parent passed with the same bytes."""

import json
from pathlib import Path

import numpy as np

from xtr_assets.core.files import record
from xtr_assets.pipeline.gate import validity
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.pipeline.gate.drafts import changed, session_of


def test_a_segment_of_other_bytes_under_the_name_that_the_parent_has_is_looked_at(tmp_path: Path) -> None:
    """As a segment that was copied from elsewhere, with its own list, would lie there."""
    _, draft = changed(tmp_path / "w", "Flat")
    old = min(draft.manifest.segments, key=lambda one: one.base_row).segment_id
    names = [f"segments/{old}/embeddings.{draft.fingerprint[:8]}.{suffix}" for suffix in ("npy", "json")]
    array, listing = (draft.layout.resolve(name) for name in names)
    np.save(array, np.load(array) * np.float16(2))
    written = record(array)
    held = json.loads(listing.read_bytes())
    held["files"][array.name] = {"bytes": written.bytes, "sha256": written.sha256}
    listing.write_text(json.dumps(held))
    others = {name: record(draft.layout.resolve(name)) for name in names}
    draft._update(lambda manifest: {"files": {**manifest.files, **others}})
    warehouse = Warehouse.open(tmp_path / "w")
    session = session_of(warehouse, warehouse.open_draft(draft.number))
    # What was forced vouches for nothing: this parent passed its gate.
    assert session.parent is not None
    passed: Manifest = session.parent.manifest.model_copy(update={"forced": None})
    vars(session.parent)["manifest"] = passed
    found = validity.embeddings_valid(session)
    assert not found.passed and "has length 2" in found.summary
    schema = validity.chunks_schema(session)
    assert schema.passed and schema.details["vouched_for"] == 0
