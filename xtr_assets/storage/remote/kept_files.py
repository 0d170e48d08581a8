"""What the generations of a store name, held against what a push brings."""

from xtr_assets.core.errors import StoreConflict
from xtr_assets.core.files import FileRecord, read_regular
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.remote.object_store import Head, ObjectStore, Overtaken
from xtr_assets.storage.stored_json import sha256_bytes


def kept_files(
    layout: Layout, store: ObjectStore, head: Head | None, *, dry_run: bool = False
) -> dict[str, FileRecord]:
    """Everything that the store's generations name: the same name means the same bytes. Overtaken where a manifest is
    neither there nor here; one that is here comes anew, unless `dry_run`."""
    kept: dict[str, FileRecord] = {}
    for number, record in ({} if head is None else head.move.generations).items():
        name = f"generations/{number}/manifest.json"
        try:
            data = store.bytes_of(record, name)
        except Overtaken:
            path = layout.manifest(number)
            own = read_regular(path, name) if path.is_file() else b""
            # Where it is another head by now a collection took it, and that one is looked at.
            if sha256_bytes(own) != record.sha256 or head is None or store.later(head.move.number):
                raise
            data = own
            if not dry_run:
                store.put_bytes(data, name)
        kept.update(Manifest.from_bytes(data, name).files)
    return kept


def refuse_other_bytes(manifest: Manifest, kept: dict[str, FileRecord], store: ObjectStore) -> None:
    """StoreConflict where a file of a generation has a name there that stands for other bytes."""
    for name, record in manifest.files.items():
        there = kept.get(name, record)
        if there != record and not name.startswith(f"generations/{manifest.number}/"):
            raise StoreConflict(
                f"{name} is in {store.name} with sha256 {there.sha256} ({there.bytes} bytes), here with "
                f"{record.sha256} ({record.bytes} bytes): the same text was encoded on two machines. Pull into a new "
                "folder and build there, or push into a new prefix"
            )
