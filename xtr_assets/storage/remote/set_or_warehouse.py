"""What an address holds: one warehouse, or a set of parts. Not both: nobody could say which of them is read there."""

from xtr_assets.core.errors import StoreConflict, WarehouseNotFound
from xtr_assets.storage.remote.object_store import ObjectStore

# Where a set of parts is pushed it names its first push so (storage/parts/set_store.py).
FIRST_PUSH = "pushes/00000001.json"


def holds_set(store: ObjectStore) -> bool:
    """Whether a set of parts was pushed there: one small request."""
    return store.bucket.stat(FIRST_PUSH) is not None


def nothing_published(store: ObjectStore) -> WarehouseNotFound:
    """What is said of an address without a move: a set of parts has none of its own."""
    if store.described() is None:
        return WarehouseNotFound(f"no warehouse at {store.name} (no store.json); `xtr-assets push` makes one")
    if holds_set(store):
        return WarehouseNotFound(
            f"{store.name} holds a set of parts, which is not read in place; `xtr-assets pull` brings it into a "
            f"folder, and {store.name}/parts/PART is the store of one part"
        )
    return WarehouseNotFound(f"nothing is published in {store.name}; `xtr-assets push` publishes there")


def refuse_warehouse_over_set(store: ObjectStore) -> None:
    """StoreConflict where a set of parts was pushed to a store that has no move yet."""
    if holds_set(store):
        raise StoreConflict(
            f"{store.name} holds a set of parts, and this is one warehouse: whoever pulls there would get the set; "
            "push to another prefix"
        )


def refuse_set_over_warehouse(store: ObjectStore) -> None:
    """StoreConflict where one warehouse was pushed to a store that has no push of a set yet."""
    if store.described() is not None and (head := store.head()) is not None:
        raise StoreConflict(
            f"{store.name} holds one warehouse ({head.move}), and this is a set of parts: whoever reads there would "
            "stay with the warehouse; push to another prefix, and let them read that"
        )
