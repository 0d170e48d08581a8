"""What a search can be narrowed to: sources, kinds and folders of a generation, with how many chunks each holds."""

from collections import Counter, OrderedDict
from threading import Lock
from typing import Any

import pyarrow as pa

from xtr_assets.search.searcher import Searcher

# Folders that are offered, those of the most chunks; a person types the rest.
MOST_FOLDERS = 200
# Levels of folders that are counted: deeper ones are few chunks each.
DEPTH = 3
# Generations whose facets are kept: a million rows take a second to count, and a generation never changes.
KEPT = 8


class FacetCounts:
    """The facets of the generations that were asked for last, by index and number; from many threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()
        self._lock = Lock()

    def of(self, index: str, searcher: Searcher) -> dict[str, Any]:
        """The facets of the searcher's generation, as /v1/facets gives them."""
        key = index, searcher.generation
        with self._lock:
            if (known := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return known
        counted = {
            "index": index,
            "generation": searcher.generation,
            "modes": list(searcher.modes),
            **facets(searcher),
        }
        with self._lock:
            self._kept[key] = counted
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return counted


def facets(searcher: Searcher) -> dict[str, Any]:
    """`sources`: each with its chunks, files and kinds. `folders`: each with its source and chunks, by path."""
    files = _files(searcher)
    chunks, paths, kinds = Counter[str](), Counter[str](), dict[str, Counter[str]]()
    folders = Counter[tuple[str, str]]()
    known: set[tuple[str, str]] = set()
    for source, path, kind, count in files:
        chunks[source] += count
        kinds.setdefault(source, Counter())[kind] += count
        if (source, path) not in known:
            known.add((source, path))
            paths[source] += 1
        for folder in _folders(path):
            folders[source, folder] += count
    most = sorted(folders.items(), key=lambda item: (-item[1], item[0]))[:MOST_FOLDERS]
    return {
        "sources": [
            {
                "source": source,
                "chunks": chunks[source],
                "files": paths[source],
                "kinds": dict(sorted(kinds[source].items())),
            }
            for source in sorted(chunks)
        ],
        "folders": [
            {"source": source, "path": folder, "chunks": count}
            for (source, folder), count in sorted(most, key=lambda item: (item[0][1], item[0][0]))
        ],
    }


def _files(searcher: Searcher) -> list[tuple[str, str, str, int]]:
    """(source, path, kind, chunks), each once."""
    columns = ["source", "path", "kind"]
    with searcher.opened() as opened:
        table = opened.generation.chunk_table(columns)
    table = pa.table({name: table.column(name).cast(pa.string()) for name in table.column_names})
    counted = table.group_by(columns).aggregate([([], "count_all")])
    return list(zip(*(counted.column(name).to_pylist() for name in (*columns, "count_all")), strict=True))


def _folders(path: str) -> list[str]:
    """The folders that a file lies in, from the outermost, each with its slash.

    >>> _folders("guide/install/linux.txt"), _folders("datetime.py")
    (['guide/', 'guide/install/'], [])
    """
    parts = path.split("/")[:-1][:DEPTH]
    return ["/".join(parts[: i + 1]) + "/" for i in range(len(parts))]
