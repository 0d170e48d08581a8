"""Warehouses in an object store: pushed, pulled and mirrored as immutable files and numbered moves of the pointer
(docs/object-store.md)."""
