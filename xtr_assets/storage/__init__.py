"""The warehouse on disk: docs/format.md is its description, layout.py names every path."""
