"""What segments hold beside their rows that no sealed generation names: encodings and postings of drafts alone."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from xtr_assets.core.files import fsync_dir
from xtr_assets.storage.layout import Layout
from xtr_assets.storage.links import refuse_linked
from xtr_assets.storage.lock import committing
from xtr_assets.storage.seal import is_sealed, read_manifest
from xtr_assets.storage.temporary_files import put_away, scratch
from xtr_assets.storage.vector_files import embeddings_file, embeddings_listing, names_folders, tokens_folder

# Folders that are derived from rows and encodings, by what their names begin with.
DERIVED = ("postings.", "lexical.")


def unserved_encodings(layout: Layout, fingerprint: str) -> list[Path]:
    """Files and folders of segments that this encoder made and no sealed generation names, a list of embeddings before
    its array. What is begun in `staging/` is none of them: somebody may be writing it."""
    names = (
        embeddings_listing(fingerprint),
        embeddings_file(fingerprint),
        tokens_folder(fingerprint),
        *names_folders(fingerprint),
    )
    there = (one / name for one in sorted(layout.segments.glob("*")) for name in names)
    return _unnamed(layout, [path for path in there if path.exists()])


def unserved_postings(layout: Layout, segment_ids: Collection[str]) -> list[Path]:
    """Folders of these segments with postings, of tokens or of words, that no sealed generation names."""
    there = (path for one in sorted(segment_ids) for path in sorted(layout.segment(one).glob("*")))
    return _unnamed(layout, [path for path in there if path.name.startswith(DERIVED)])


def entries(names: Iterable[str]) -> set[str]:
    """What lies in segments, by the names of files in a manifest: a file by its own, others by their folder's.

    >>> sorted(entries(["segments/s/chunks.arrow", "segments/s/tokens.f/tokens.npy", "segments/s/tokens.f/scales.npy"]))
    ['segments/s/chunks.arrow', 'segments/s/tokens.f']
    """
    return {"/".join(name.split("/")[:3]) for name in names}


def drop(layout: Layout, paths: Sequence[Path]) -> list[str]:
    """Remove files and folders of segments that nothing names any more; their names. Runs under the writer lock."""
    with scratch(layout) as folder, committing(layout, "what drafts wrote"):
        for number, path in enumerate(paths):
            refuse_linked(layout, path)
            put_away(path, folder, str(number))
            fsync_dir(path.parent)
    return [layout.relative(path) for path in paths]


def _unnamed(layout: Layout, paths: Sequence[Path]) -> list[Path]:
    if not paths:
        return []
    sealed = (read_manifest(layout, number) for number in layout.numbers() if is_sealed(layout, number))
    named = {entry for manifest in sealed for entry in entries(manifest.files)}
    return [path for path in paths if layout.relative(path) not in named]
