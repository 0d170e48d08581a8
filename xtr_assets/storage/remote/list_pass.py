"""The block lists of a push: made as files go up, kept from a push before, or read from the file that is here."""

from collections.abc import Callable, Mapping

from xtr_assets.core.files import FileRecord
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.remote import block_lists
from xtr_assets.storage.remote.block_lists import BlockDigests, BlockLists, listed, read_lists
from xtr_assets.storage.remote.object_store import Head, ObjectStore, Overtaken, file_parts, verified_parts


class ListPass:
    """The list of one file, from the last of the passes over its bytes: an upload that fails reads them once more."""

    def __init__(self) -> None:
        self._digests = BlockDigests(block_lists.BLOCK_BYTES)

    def begin(self) -> Callable[[bytes], None]:
        """What takes the bytes of a pass."""
        self._digests.begin()
        return self._digests.update

    def finish(self) -> bytes:
        """The list."""
        return self._digests.finish()


def put_lists(
    layout: Layout,
    files: Mapping[str, FileRecord],
    number: int,
    store: ObjectStore,
    head: Head | None,
    made: Mapping[str, bytes],
) -> FileRecord | None:
    """Keep the lists of a generation's large files, and the document that names them; None where no file is large.

    made : the lists of what went up just now, by the sha256 of the file. Of a file that the store had, without a list,
    the bytes here are read, and compared with its record in the same pass.
    """
    wanted = {record.sha256: (name, record) for name, record in sorted(files.items()) if listed(name, record)}
    if not wanted:
        return None
    records = _known(store, head)
    lists: dict[str, FileRecord] = {}
    for sha256, (name, record) in wanted.items():
        if sha256 in made or sha256 not in records or not store.has(records[sha256], f"block list of {name}"):
            data = made.get(sha256) or _read(layout, name, record)
            lists[sha256] = store.put_bytes(data, f"block list of {name}")
        else:
            lists[sha256] = records[sha256]
    document = BlockLists(block_bytes=block_lists.BLOCK_BYTES, lists=lists)
    return store.put_bytes(document.to_bytes(), f"block lists of generation {number}")


def _known(store: ObjectStore, head: Head | None) -> dict[str, FileRecord]:
    """The lists of what the store holds, in blocks of the size of today."""
    found: dict[str, FileRecord] = {}
    for number in () if head is None else head.move.blocks:
        assert head is not None
        try:
            document = read_lists(store, head.move, number)
        except Overtaken:
            # It is made again: what it told of is in the store, or comes there now.
            continue
        if document is not None and document.block_bytes == block_lists.BLOCK_BYTES:
            found |= document.lists
    return found


def _read(layout: Layout, name: str, record: FileRecord) -> bytes:
    one = ListPass()
    for _ in verified_parts(file_parts(layout.resolve(name)), record, name, one.begin):
        pass
    return one.finish()
