"""What was trained, shared by generations: a sealed folder named by the beginning of the sha256 of its list."""

from collections.abc import Callable
from pathlib import Path

from xtr_assets.core.errors import StorageError
from xtr_assets.core.files import commit_folder, read_regular, record
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_linked
from xtr_assets.storage.manifest import Listing
from xtr_assets.storage.stored_json import sha256_bytes
from xtr_assets.storage.temporary_files import scratch
from xtr_assets.storage.vector_files import LISTING_NAME


def add_model(layout: Layout, write: Callable[[Path], None], made_by: str) -> Path:
    """Let `write` fill a folder, seal it and keep it as models/<first 8 of its digest>, once per content."""
    with scratch(layout) as folder:
        write(folder)
        files = {p.relative_to(folder).as_posix(): record(p) for p in sorted(folder.rglob("*")) if p.is_file()}
        listing = Listing(made_by=made_by, files=files).to_bytes()
        target = layout.model(sha256_bytes(listing)[:8])
        refuse_linked(layout, target)
        (folder / LISTING_NAME).write_bytes(listing)
        # Where another run kept the same one between the two, it is there as if it had been before.
        made = not (target / LISTING_NAME).is_file() and commit_folder(folder, target)
        if not (target / LISTING_NAME).is_file():
            raise StorageError(f"{target} holds files and no {LISTING_NAME}, so that it is no model; remove the folder")
        if not made and read_regular(target / LISTING_NAME, layout.relative(target / LISTING_NAME)) != listing:
            raise StorageError(f"{target.name} names two models; retrain with another seed")
    return target
