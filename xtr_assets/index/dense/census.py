"""What a FAISS file physically holds, read apart from the code that writes and serves it: rows, codes, and what the
codes stand for. For checks; a search reads nothing of this."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.core.types import Floats, Ints
from xtr_assets.index.faiss_provider import load_faiss

faiss = load_faiss()

# Entries of an index that says -1 for a row were forgotten: their graph node stays, and is never an answer.
FORGOTTEN = -1


@dataclass(frozen=True, slots=True)
class Census:
    """The entries of one FAISS file.

    rows : int64 [n], the row of each entry in the order they lie, FORGOTTEN where it has none any more; lists : int64
    [n], the list an entry lies in, and places : int64 [n], its place there (list 0 where there are no lists).
    family : "flat", "hnsw" or "ivf"; problems : counts within the file that contradict each other, as sentences.
    """

    rows: Ints
    lists: Ints
    places: Ints
    family: str
    problems: tuple[str, ...]
    index: Any

    @property
    def forgets(self) -> bool:
        """Whether FAISS removes from such an index."""
        return self.family != "hnsw"

    def entries_of(self, rows: Ints) -> Ints:
        """int64 [len(rows)]: the first entry of each row, -1 where there is none."""
        order = np.argsort(self.rows, kind="stable")
        ordered = self.rows[order]
        place = np.minimum(np.searchsorted(ordered, rows), max(len(ordered) - 1, 0))
        if not len(ordered):
            return np.full(len(rows), -1, np.int64)
        return np.where(ordered[place] == rows, order[place], -1)

    def decoded(self, entries: Ints) -> Floats:
        """What the codes of some entries stand for, as codes see vectors: float32 [n, coded dim]."""
        below = _below(self.index)
        if self.family == "ivf":
            return _decoded_lists(below, self.lists[entries], self.places[entries])
        storage = faiss.downcast_index(below.storage) if self.family == "hnsw" else below
        out = np.empty((len(entries), storage.d), np.float32)
        for number, entry in enumerate(entries.tolist()):
            storage.reconstruct_c(int(self.places[entry]), faiss.swig_ptr(out[number : number + 1]))
        return out

    def as_coded(self, vectors: Floats) -> Floats:
        """Vectors float32 [n, dim] as codes see them: float32 [n, coded dim]."""
        outer = faiss.downcast_index(self.index)
        turned: Floats = np.ascontiguousarray(vectors, np.float32)
        if isinstance(outer, faiss.IndexPreTransform):
            for number in range(outer.chain.size()):
                turned = faiss.downcast_VectorTransform(outer.chain.at(number)).apply(turned)
        return turned


def take_census(path: Path) -> Census:
    """Read a FAISS file, memory-mapped where FAISS can: codes are counted, not loaded. Raises RuntimeError as FAISS
    does; the bytes were compared with their sha256 before."""
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC | faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
    below = _below(index)
    if isinstance(below, faiss.IndexIVF):
        return _of_lists(index, below)
    return _of_map(index, below)


def _below(index: Any) -> Any:
    outer = faiss.downcast_index(index)
    wrapped = isinstance(outer, faiss.IndexIDMap | faiss.IndexPreTransform)
    return faiss.downcast_index(outer.index) if wrapped else outer


def _of_lists(index: Any, below: Any) -> Census:
    stored, problems = faiss.downcast_InvertedLists(below.invlists), []
    sizes = np.array([stored.list_size(number) for number in range(stored.nlist)], np.int64)
    pieces = [np.empty(0, np.int64)]
    for number in np.flatnonzero(sizes).tolist():
        pointer = stored.get_ids(number)
        pieces.append(faiss.rev_swig_ptr(pointer, int(sizes[number])).copy())
        stored.release_ids(number, pointer)
    total = int(sizes.sum())
    if stored.nlist != below.nlist:
        problems.append(f"{below.nlist} lists are promised, {stored.nlist} are there")
    if below.quantizer.ntotal != below.nlist:
        problems.append(f"{below.nlist} lists, {below.quantizer.ntotal} centroids")
    for name, found in (("the index", index.ntotal), ("its lists", below.ntotal)):
        if found != total:
            problems.append(f"{name} counts {found} entries, the lists hold {total}")
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Census(
        np.concatenate(pieces).astype(np.int64),
        np.repeat(np.arange(stored.nlist), sizes),
        np.arange(total) - starts,
        "ivf",
        tuple(problems),
        index,
    )


def _decoded_lists(below: Any, lists: Ints, places: Ints) -> Floats:
    out = np.empty((len(lists), below.d), np.float32)
    stored = faiss.downcast_InvertedLists(below.invlists)
    if not isinstance(stored, faiss.BlockInvertedLists):
        for number, (listed, place) in enumerate(zip(lists.tolist(), places.tolist(), strict=True)):
            below.reconstruct_from_offset(listed, place, faiss.swig_ptr(out[number : number + 1]))
        return out
    # FAISS 1.15's own `reconstruct_from_offset` ends the process for fast scan: codes are taken from their block here.
    codes = np.zeros((len(lists), below.code_size), np.uint8)
    for number, (listed, place) in enumerate(zip(lists.tolist(), places.tolist(), strict=True)):
        blocks = faiss.rev_swig_ptr(stored.get_codes(listed), (place // stored.n_per_block + 1) * stored.block_size)
        block = blocks[-stored.block_size :]
        stored.packer.unpack_1_c(
            faiss.swig_ptr(block), place % stored.n_per_block, faiss.swig_ptr(codes[number : number + 1])
        )
    out[:] = below.pq.decode(np.ascontiguousarray(codes[:, : below.pq.code_size]))
    if below.by_residual:
        out += below.quantizer.reconstruct_batch(lists)
    return out


def _of_map(index: Any, below: Any) -> Census:
    outer, problems = faiss.downcast_index(index), []
    graph = isinstance(below, faiss.IndexHNSW)
    storage = faiss.downcast_index(below.storage) if graph else below
    counts = {
        "entries by the index": int(index.ntotal),
        "codes": int(storage.codes.size()) // int(storage.code_size),
        "codes by their count": int(storage.ntotal),
    }
    if graph:
        counts |= {"nodes": int(below.hnsw.levels.size()), "nodes by their count": int(below.ntotal)}
    if not isinstance(outer, faiss.IndexIDMap):
        problems.append(f"no row map over {type(below).__name__}")
        rows = np.arange(index.ntotal)
    else:
        rows = np.array(faiss.vector_to_array(outer.id_map), np.int64)
    problems += [f"{count} {name}, {len(rows)} rows in the map" for name, count in counts.items() if count != len(rows)]
    entries = np.arange(len(rows))
    return Census(rows, np.zeros(len(rows), np.int64), entries, "hnsw" if graph else "flat", tuple(problems), index)
