"""What a store lost of a generation that it names, sent anew from a host that has it."""

from xtr_assets.core.errors import PublishRefused
from xtr_assets.core.files import FileRecord, read_regular
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.history import whole_history
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.manifest import Manifest
from xtr_assets.storage.remote.lease import leased
from xtr_assets.storage.remote.list_pass import put_lists
from xtr_assets.storage.remote.object_store import Head, ObjectStore, side_by_side
from xtr_assets.storage.remote.upload import send_files
from xtr_assets.storage.stored_json import sha256_bytes


def send_lost(
    layout: Layout, number: int, store: ObjectStore, head: Head, *, dry_run: bool = False
) -> dict[str, FileRecord]:
    """Files of a generation that a move names and the store has not: by name, and sent unless `dry_run`. Its manifest,
    block lists, history and info are sent besides where they are here as the move names them; they are not counted.

    Nothing where the generation is not here, or another one has its number. PublishRefused where it was withdrawn since
    and the store lacks any of it: who took it from there meant it.
    """
    path, record = layout.manifest(number), head.move.generations[number]
    data = read_regular(path, layout.relative(path)) if path.is_file() else b""
    if FileRecord(len(data), sha256_bytes(data)) != record:
        return {}
    manifest = Manifest.from_bytes(data, layout.relative(path))
    withdrawn = Generation.open(layout, number).state == "withdrawn"
    if dry_run or withdrawn:
        there = side_by_side(lambda one: store.has(one[1], one[0]), manifest.files.items())
        lost = {name: one for (name, one), has in zip(manifest.files.items(), there, strict=True) if not has}
        if withdrawn and lost:
            raise PublishRefused(serves_withdrawn(number))
        return lost
    sent: dict[str, FileRecord] = {}
    with (
        Generation(layout, number, manifest).pin(),
        leased(store, f"what was lost of generation {number}", record.sha256) as lease,
    ):
        made = send_files(layout, number, manifest.files, store, sent, lease)
        put_lists(layout, manifest.files, number, store, head, made)
        for name, wanted, own in (
            (f"generations/{number}/manifest.json", record, data),
            ("history.jsonl", head.move.history, whole_history(layout)[: head.move.history.bytes]),
            ("warehouse.json", head.move.info, read_regular(layout.warehouse_json, layout.warehouse_json.name)),
        ):
            if FileRecord(len(own), sha256_bytes(own)) == wanted:
                store.put_bytes(own, name)
    return sent


def serves_withdrawn(number: int) -> str:
    """Why a push of a set leaves a generation out that the set serves."""
    return (
        f"generation {number} was withdrawn and serves in the set; `xtr-assets parts rollback`, or publish without it, "
        "then push"
    )
