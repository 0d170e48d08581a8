"""A second reading of YAML and JSON by their keys: which lie in which, on which lines, and so what each piece must be
called by. YAML is read by PyYAML's own parser, not by libyaml's; JSON sign by sign."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

import yaml

from xtr_assets.pipeline.gate.named_pieces import SURROGATE
from xtr_assets.pipeline.gate.text_evidence import Row

# As docs/configuration.md says: what calls an item of a list, the first that it has.
ITEM_KEYS = ["name", "id", "alert", "record", "job_name", "repo", "key", "uses", "title", "hosts", "package-ecosystem"]
# Of a name so many letters count; what is nested deeper is no configuration.
_LONGEST, _DEEPEST = 100, 200
# An entry of so many characters is a piece of its own; so many of neighbours lie together; a longer one is taken apart.
_SHORT, _TOGETHER, _LONG = 250, 800, 1500
# Entries inside entries that are taken apart.
_MOST_DEPTH = 16
_NOTE = re.compile(r"\s*(?:#|//|/\*|\*|$)|(?:---|\.\.\.)\s*(?:#.*)?$|%[A-Z]")


@dataclass(slots=True)
class Node:
    """A key, an item of a list or a document: the lines from `first` to `last`. `said`: its text, where it has one."""

    first: int
    name: str = ""
    last: int = 0
    held: list["Node"] = field(default_factory=list)
    listed: bool = False
    said: str | None = None


def yaml_keys(text: str) -> Node | None:
    """The documents of a text; None of what is no YAML to this parser or to libyaml, and of several keys on a line
    of which one goes on below."""
    if SURROGATE.search(text):
        return None
    root = Node(1, last=text.count("\n") + 1)
    opened: list[_Open] = []
    try:
        events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        for event in events:
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.DocumentStartEvent):
                root.held.append(Node(line))
                opened = [_Open(root.held[-1], None)]
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                mapping = isinstance(event, yaml.MappingStartEvent)
                opened.append(_Open(opened[-1].takes(line, "", holds=True, listed=not mapping), mapping))
                if len(opened) > _DEEPEST:
                    return None
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                opened.pop()
            elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
                opened[-1].takes(line, event.value if isinstance(event, yaml.ScalarEvent) else "")
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return _documents(root, text.split("\n"))


def json_keys(text: str) -> Node | None:
    """The keys of a text, comments and last commas allowed; None of what is no JSON, and of several keys on a line of
    which one goes on below."""
    root = Node(1, last=text.count("\n") + 1)
    root.held.append(Node(1))
    opened, at, line = [_Open(root.held[0], None)], 0, 1
    while found := _SIGN.match(text, at):
        sign, at = found[0], found.end()
        if sign in ("{", "["):
            opened.append(_Open(opened[-1].takes(line, "", holds=True, listed=sign == "["), sign == "{"))
        elif sign in ("}", "]"):
            if len(opened) < 2 or opened.pop().mapping != (sign == "}"):
                return None
        elif not (sign.isspace() or sign in ":," or sign.startswith(("//", "/*"))):
            opened[-1].takes(line, _told(sign))
        line += sign.count("\n")
    return _documents(root, text.split("\n")) if at == len(text) and len(opened) == 1 else None


_SIGN = re.compile(r"\s+|[{}\[\]:,]|//[^\n]*|/\*[\s\S]*?\*/|\"(?:\\.|[^\"\\\n])*\"|[^\s{}\[\]:,\"/]+")


def _told(sign: str) -> str:
    try:
        return str(json.loads(sign))
    except (ValueError, RecursionError):
        return sign


class _Open:
    """What is open: a mapping, a list, or (None) a document; the key that waits for what it holds."""

    def __init__(self, node: Node, mapping: bool | None) -> None:
        self.node, self.mapping = node, mapping
        self._key: Node | None = None

    def takes(self, line: int, said: str, *, holds: bool = False, listed: bool = False) -> Node:
        """The node that a text, or what holds others, belongs to."""
        if self.mapping is None:
            self.node.listed = listed
            return self.node
        if self.mapping and self._key is None:
            self._key = Node(line, "" if holds else _line(said))
            self.node.held.append(self._key)
            return Node(line) if holds else self._key
        if self.mapping:
            assert self._key is not None
            found, self._key = self._key, None
        else:
            found = Node(line)
            self.node.held.append(found)
        found.listed = listed
        found.said = None if holds else said
        return found


def _line(said: str) -> str:
    return " ".join(said.encode("utf-8", "replace").decode().split())[:_LONGEST].strip()


def _documents(root: Node, lines: Sequence[str]) -> Node | None:
    """Where each ends, and what items and documents are called. None where what begins on one line with another goes
    on below: which one a piece belongs to is for its lines to say."""
    kept = [one for at, one in enumerate(root.held) if one.held or not at]
    if len(kept) > 1 or (kept and _of_cluster(kept[0])):
        for one in kept:
            one.name = _of_cluster(one)
        root.held = kept
    elif kept:
        root.held, root.listed = kept[0].held, kept[0].listed
    waiting = [root]
    while waiting:
        node = waiting.pop()
        begun = list[Node]()
        for one in node.held:
            if node.listed:
                one.name = _of_item(one)
                one.first = _dash(one.first, node.first, lines)
            # Of two that begin on one line the first is the one.
            if not begun or one.first > begun[-1].first:
                begun.append(one)
            elif any(inner.first > one.first for inner in one.held):
                return None
        node.held = begun
        for one, other in pairwise(begun):
            one.last = other.first - 1
        if begun:
            begun[-1].last = node.last
        waiting += begun
    return root


def _of_item(item: Node) -> str:
    for key in ITEM_KEYS:
        said = next((one.said for one in item.held if one.name == key), None) if not item.listed else None
        if said and "\n" not in said[:_LONGEST] and (called := _line(said[:_LONGEST])):
            return called
    return ""


def _of_cluster(document: Node) -> str:
    """The kind and the name of a document of Kubernetes."""
    if document.listed:
        return ""
    keys = {one.name: one for one in document.held}
    kind = (keys["kind"].said or "") if "kind" in keys and "apiVersion" in keys else ""
    named = next((one.said for one in keys["metadata"].held if one.name == "name"), "") if "metadata" in keys else ""
    return f"{_line(kind[:_LONGEST])}/{_line(named[:_LONGEST])}" if kind and named else _line(kind[:_LONGEST])


def _dash(first: int, above: int, lines: Sequence[str]) -> int:
    """The line of the dash of an item, which may stand above it."""
    at = first - 1
    while at > above and (not lines[at - 1].strip() or lines[at - 1].lstrip().startswith("#")):
        at -= 1
    return at if at >= above and lines[at - 1].strip() == "-" else first


def misplaced(root: Node, lines: Sequence[str], runs: Sequence[Sequence[Row]], max_chars: int) -> Iterator[str]:
    """Of each text that is not called by the keys that it lies in, or that holds what has to stand apart."""
    for run in runs:
        own = [at for at in range(run[0]["start_line"], run[-1]["end_line"] + 1) if not _NOTE.match(lines[at - 1])]
        if own:
            yield from islice(_wrong(root, lines, (own[0], own[-1]), str(run[0]["symbol"]), min(_LONG, max_chars)), 1)


def _wrong(root: Node, lines: Sequence[str], place: tuple[int, int], symbol: str, long: int) -> Iterator[str]:
    chain = _chain([("", root)], place)
    where = f"lines {place[0]} to {place[1]}"
    reached = [at for at, (path, _) in enumerate(chain) if path == symbol]
    # What begins with the line of a key may be of the first thing in it.
    first, further = chain[-1][1], chain[-1:]
    begins = first.first == place[0]
    while begins and first.held and place[1] <= first.held[0].last:
        first = first.held[0]
        further = [*further, (_joined(further[-1][0], first.name), first)]
    if not reached and symbol not in (path for path, _ in further):
        yield f"{where} lie in {chain[-1][0]!r:.120}, and are called {symbol!r:.120}"
        return
    for (_, outer), (path, node) in (
        zip(chain[reached[-1] :][:1], chain[reached[-1] + 1 :], strict=False) if reached else ()
    ):
        whole = outer is not root and outer.first == place[0] and _last(lines, outer) <= place[1]
        if not whole and (node.held or _size(lines, node) >= _SHORT):
            yield f"{where} are of {path!r:.120} alone, and are called {symbol!r:.120}"
    node = chain[-1][1]
    held = [one for one in node.held if place[0] <= one.first <= place[1]]
    apart = len(node.held) > 1 and not node.listed and all(one.held for one in node.held)
    size = _size(lines, node)
    if len(held) > 1 and (node is root or size > long or (size > _SHORT and apart)) and len(chain) <= _MOST_DEPTH:
        if large := [one for one in held if apart or _size(lines, one) >= _SHORT]:
            yield f"{where} are called {symbol!r:.120}, and {large[0].name!r:.80} in line {large[0].first} is a piece"
        elif sum(len(line) + 1 for line in lines[place[0] - 1 : place[1]]) - 1 > min(_TOGETHER, long):
            yield f"{where} are called {symbol!r:.120}, and are more than lies together"


def _chain(chain: list[tuple[str, Node]], place: tuple[int, int]) -> list[tuple[str, Node]]:
    """With the nodes that hold some lines, each in the one before, and their paths."""
    while (inner := _holding(chain[-1][1], place)) is not None and len(chain) <= _MOST_DEPTH:
        chain = [*chain, (_joined(chain[-1][0], inner.name), inner)]
    return chain


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _holding(node: Node, place: tuple[int, int]) -> Node | None:
    return next((one for one in node.held if one.first <= place[0] and place[1] <= one.last), None)


def _size(lines: Sequence[str], node: Node) -> int:
    """Characters from a node's first line to its last one that is no comment."""
    return sum(len(line) + 1 for line in lines[node.first - 1 : _last(lines, node)]) - 1


def _last(lines: Sequence[str], node: Node) -> int:
    last = node.last
    while last > node.first and _NOTE.match(lines[last - 1]):
        last -= 1
    return last
