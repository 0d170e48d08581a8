"""What a file of configuration names, and on which line each begins."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field

# A name of more letters is a sentence.
MOST_NAME = 100
# What names an item of a list: steps, tasks, rules, jobs that are scraped, containers, hooks.
_NAMES_ITEM = (
    "name",
    "id",
    "alert",
    "record",
    "job_name",
    "repo",
    "key",
    "uses",
    "title",
    "hosts",
    "package-ecosystem",
)


@dataclass(slots=True)
class Entry:
    """A named thing: a key, a table, a target, a stage. It reaches to where the next one begins. `name` is empty of
    what has none. `apart`: it is a piece of its own, however short. `listed`: its
    children are items of a list. `value`: the text of a key that names an item, or a document of Kubernetes."""

    first: int
    name: str = ""
    children: list[Entry] = field(default_factory=list)
    apart: bool = False
    listed: bool = False
    value: str = ""


def named(text: str) -> str:
    """A name on one line, of at most MOST_NAME letters."""
    plain = text.encode("utf-8", "replace").decode()
    return " ".join(plain.split())[:MOST_NAME].strip()


class Tree:
    """Mappings and lists, built from what begins and ends, however deep they are."""

    def __init__(self) -> None:
        self.roots: list[Entry] = []
        # Of each that is open: whether it is a mapping, its entries, the key that waits for its value.
        self._open: list[tuple[bool, list[Entry]]] = []
        self._waiting: list[Entry | None] = []

    @property
    def depth(self) -> int:
        """How many are open."""
        return len(self._open)

    def open(self, line: int, mapping: bool) -> None:
        entry, is_key = self._entry(line, "")
        # What a mapping that is a key holds names nothing.
        self._open.append((mapping, [] if is_key else entry.children))
        entry.listed = not mapping and not is_key
        self._waiting.append(None)

    def close(self) -> None:
        self._open.pop()
        self._waiting.pop()

    def scalar(self, line: int, value: str) -> None:
        self._entry(line, value)

    def _entry(self, line: int, value: str) -> tuple[Entry, bool]:
        if not self._open:
            self.roots.append(Entry(line))
            return self.roots[-1], False
        mapping, entries = self._open[-1]
        if mapping and (key := self._waiting[-1]) is not None:
            self._waiting[-1] = None
            key.value = value[:MOST_NAME] if key.name in _NAMES_ITEM or key.name == "kind" else ""
            return key, False
        entries.append(Entry(line, named(value) if mapping else ""))
        if mapping:
            self._waiting[-1] = entries[-1]
        return entries[-1], mapping


def settle(entries: list[Entry]) -> None:
    """Name the items of lists, and set apart what a mapping of named things holds."""
    waiting = [entries]
    while waiting:
        for entry in waiting.pop():
            # A mapping that holds one mapping alone is called by both.
            while len(entry.children) == 1 and entry.name and (only := entry.children[0]).name and only.children:
                if len(entry.name) + len(only.name) >= MOST_NAME:
                    break
                entry.name, entry.children, entry.listed = f"{entry.name}.{only.name}", only.children, only.listed
            if entry.listed:
                for item in entry.children:
                    item.name = _item_name(item)
            elif len(entry.children) > 1 and all(one.children for one in entry.children):
                for one in entry.children:
                    one.apart = True
            waiting.append(entry.children)


def _item_name(item: Entry) -> str:
    keys = {one.name: one for one in reversed(item.children)}
    for name in _NAMES_ITEM:
        # What goes over several lines is a text.
        if name in keys and "\n" not in keys[name].value and (said := named(keys[name].value)):
            return said
    return ""


def paragraphs(lines: list[str], first: int, last: int, joined: Container[int] = ()) -> Iterator[Entry]:
    """Unnamed entries between blank lines; none begins on a line that is in `joined`."""
    above = True
    for number in range(first, last + 1):
        blank = not lines[number - 1].strip()
        if above and not blank and number not in joined:
            yield Entry(number)
        above = blank
