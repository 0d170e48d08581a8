"""What a search can be narrowed to: sources, kinds and folders of a generation, with how many chunks each holds."""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pyarrow as pa

from xtr_assets.search.loaders import identity
from xtr_assets.search.searcher import Searcher

# Folders that are offered, those of the most chunks; a person types the rest.
MOST_FOLDERS = 200
# Levels of folders that are counted: deeper ones are few chunks each.
DEPTH = 3
# Generations whose facets are kept: a million rows take a second to count, and a generation never changes.
KEPT = 8


class FacetCounts:
    """The facets of the generations that were asked for last, by index; from many threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, Hashable], dict[str, Any]] = OrderedDict()
        self._lock = Lock()

    def of(self, index: str, searcher: Searcher) -> dict[str, Any]:
        """The facets of the searcher's generation, as /v1/facets gives them."""
        key = index, identity(searcher.manifest)
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


@dataclass(frozen=True, slots=True)
class Counted:
    """Chunks by source, kind and folder, and files by source: those of several parts add up.

    kinds : source -> kind -> chunks; files : source -> files; folders : (source, folder) -> chunks
    """

    kinds: Mapping[str, Mapping[str, int]]
    files: Mapping[str, int]
    folders: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, searcher: Searcher) -> "Counted":
        """Those of the searcher's generation."""
        paths, folders, kinds = Counter[str](), Counter[tuple[str, str]](), dict[str, Counter[str]]()
        known: set[tuple[str, str]] = set()
        for source, path, kind, count in _files(searcher):
            kinds.setdefault(source, Counter())[kind] += count
            if (source, path) not in known:
                known.add((source, path))
                paths[source] += 1
            for folder in _folders(path):
                folders[source, folder] += count
        return cls(kinds, paths, folders)

    @classmethod
    def together(cls, parts: Sequence["Counted"]) -> "Counted":
        """All of them. A file whose chunks lie in two parts counts in each."""
        files, folders, kinds = Counter[str](), Counter[tuple[str, str]](), dict[str, Counter[str]]()
        for part in parts:
            files.update(part.files)
            folders.update(part.folders)
            for source, own in part.kinds.items():
                kinds.setdefault(source, Counter()).update(own)
        return cls(kinds, files, folders)

    def told(self) -> dict[str, Any]:
        """All of it, JSON-able, for a front."""
        folders = [[*key, count] for key, count in self.folders.items()]
        return {"kinds": self.kinds, "files": dict(self.files), "folders": folders}

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Counted":
        """What `told` gave. KeyError, TypeError, ValueError for what is none."""
        folders = {(str(source), str(folder)): int(count) for source, folder, count in told["folders"]}
        kinds = {str(one): {str(kind): int(n) for kind, n in own.items()} for one, own in told["kinds"].items()}
        return cls(kinds, {str(one): int(n) for one, n in told["files"].items()}, folders)

    def document(self) -> dict[str, Any]:
        """`sources`: each with its chunks, files and kinds. `folders`: each with its source and chunks, by path."""
        most = sorted(self.folders.items(), key=lambda item: (-item[1], item[0]))[:MOST_FOLDERS]
        return {
            "sources": [
                {
                    "source": source,
                    "chunks": sum(self.kinds[source].values()),
                    "files": self.files[source],
                    "kinds": dict(sorted(self.kinds[source].items())),
                }
                for source in sorted(self.kinds)
            ],
            "folders": [
                {"source": source, "path": folder, "chunks": count}
                for (source, folder), count in sorted(most, key=lambda item: (item[0][1], item[0][0]))
            ],
        }


def facets(searcher: Searcher) -> dict[str, Any]:
    """What a search of the searcher's generation can be narrowed to."""
    return Counted.of(searcher).document()


def files_of(searcher: Searcher) -> list[tuple[str, str]]:
    """(source, path) of each file of the searcher's generation."""
    return sorted({(source, path) for source, path, _, _ in _files(searcher)})


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
