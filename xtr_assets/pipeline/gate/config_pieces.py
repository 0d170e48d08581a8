"""A second reading of several files of configuration together: how many have chunks that are called by what is
elsewhere, and how many name what no chunk is called by."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from xtr_assets.pipeline.gate.config_evidence import (
    TREES,
    config_faults,
    misnamed,
    parted,
    shape_of,
)
from xtr_assets.pipeline.gate.config_heads import headless
from xtr_assets.pipeline.gate.config_keys import Node, json_keys, misplaced, yaml_keys
from xtr_assets.pipeline.gate.named_pieces import WHOLE, is_yaml, names_in
from xtr_assets.pipeline.gate.text_evidence import Row, runs_of

# Files of a suffix that have one at least.
MISNAMED_SHARE = 0.1
LEAST_NAMES, LEAST_NAMED, LEAST_FILES = 3, 0.6, 3
# So much of all files is read by its keys; more would take longer than all else that is read again.
PARSED = 384 << 10


class NamedPieces:
    """Of the files of each suffix that were read, how many have names that any reader finds and chunks of few of them:
    an outline that finds nothing leaves every line where it was."""

    def __init__(self) -> None:
        # Characters of YAML that are read by their keys still.
        self._left = PARSED
        # Whether each file that is a tree fell into paragraphs, by suffix.
        self._fallen: dict[str, list[bool]] = defaultdict(list)
        self._files: dict[str, list[bool]] = defaultdict(list)
        # Whether each file has a chunk that is called by what is nowhere near it, by suffix.
        self._misnamed: dict[str, list[bool]] = defaultdict(list)
        # Paths of those with few.
        self.nameless: list[str] = []

    def faults_of(self, path: str, lines: Sequence[str], rows: Sequence[Row], max_chars: int) -> Iterator[str]:
        """What is wrong in a file by itself; it is taken into account."""
        runs = runs_of(rows)
        plain = bool(rows) and all(row["kind"] == "text" for row in rows)
        keys = self._keys(path, "\n".join(lines)) if shape_of(path) == TREES else None
        suffix = PurePosixPath(path).suffix.lower() or PurePosixPath(path).name
        if shape_of(path) == TREES:
            self._fallen[suffix].append(plain and keys is not None)
        wrong: list[list[str]] = []
        if not plain:
            wrong = [list(headless(path, lines, runs)), parted(path, lines, runs)]
            # Where the keys are known no indent says more: a text in quotes may go on at the beginning of a line.
            wrong.append(misnamed(path, lines, runs) if keys is None else list(misplaced(keys, lines, runs, max_chars)))
        yield from config_faults(path, rows, wrong)
        self._count(suffix, path, lines, rows, wrong=any(wrong))

    def _keys(self, path: str, text: str) -> Node | None:
        if path.lower().endswith((".json", ".jsonc")):
            return json_keys(text)
        if not path.lower().endswith((".yml", ".yaml")) or len(text) > min(WHOLE, self._left):
            return None
        self._left -= len(text)
        return yaml_keys(text)

    def _count(self, suffix: str, path: str, lines: Sequence[str], rows: Sequence[Row], *, wrong: bool) -> None:
        self._misnamed[suffix].append(wrong)
        self.nameless += [path] if wrong else []
        begun = list(names_in(path, lines))
        if len(begun) < LEAST_NAMES:
            return
        owner = {number: row for row in rows for number in range(row["start_line"], row["end_line"] + 1)}
        own = sum(number in owner and name.casefold() in owner[number]["symbol"].casefold() for number, name in begun)
        few = own < LEAST_NAMED * len(begun)
        if few and all(row["kind"] == "text" for row in rows) and not is_yaml("\n".join(lines)):
            return
        self.nameless += [path] if few else []
        self._files[suffix].append(few)

    def faults(self) -> Iterator[str]:
        """Where most of several files are so."""
        for suffix, wrong in sorted(self._misnamed.items()):
            if sum(wrong) >= LEAST_FILES and sum(wrong) > MISNAMED_SHARE * len(wrong):
                yield f"{sum(wrong)} of {len(wrong)} files of {suffix} have chunks that are called by what is elsewhere"
        for suffix, fallen in sorted(self._fallen.items()):
            if sum(fallen) >= LEAST_FILES and 2 * sum(fallen) > len(fallen):
                yield f"{sum(fallen)} of {len(fallen)} files of {suffix} fell into paragraphs, and can be read"
        for suffix, nameless in sorted(self._files.items()):
            if len(nameless) >= LEAST_FILES and 2 * sum(nameless) > len(nameless):
                told = f"{sum(nameless)} of {len(nameless)} files of {suffix} name things"
                yield f"{told}, at least {LEAST_NAMES} each, and chunks are called by few of them"
