"""A set of parts: warehouses that serve together, by moves that name the generation of each (docs/format.md)."""
