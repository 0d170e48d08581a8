"""Outlines of YAML and JSON: keys and items of lists, with the lines that they begin on. Nothing is constructed: tags,
anchors and aliases are places alone, and how deep things lie costs no stack."""

import json
import re
from bisect import bisect_right
from itertools import accumulate

import yaml

from xtr_assets.core.chunking.config_outline import Entry, Tree, named, settle

# The parser of libyaml, where PyYAML has it, takes 0.1 CPU s for what the one in Python takes 2.
_LOADER = getattr(yaml, "CLoader", yaml.Loader)
PARSER = f"{yaml.__version__} {_LOADER.__name__}"
# What is nested deeper is no configuration, and costs libyaml the square of its depth: 100,000 brackets take a minute.
# In JSON its path of keys would be longer than the file, in each chunk.
MOST_NESTED = 200
# What YAML took for the end of a line before 1.2, and libyaml does; here no line ends there.
_NO_ENDS = str.maketrans("\x85\u2028\u2029", "   ")
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/|[{}\[\],:]|\s+|[^\s{}\[\],:"/]+', re.DOTALL)


def yaml_outline(lines: list[str]) -> list[Entry] | None:
    """The keys of a document, or the documents of a file of several; None of what is no YAML, or nested too deep."""
    tree, starts = Tree(), list[int]()
    text = "\n".join(lines).translate(_NO_ENDS)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.DocumentStartEvent):
                starts.append(line)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                tree.open(line, isinstance(event, yaml.MappingStartEvent))
                if tree.depth > MOST_NESTED:
                    return None
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                tree.close()
            elif isinstance(event, yaml.ScalarEvent):
                tree.scalar(line, event.value)
            elif isinstance(event, yaml.AliasEvent):
                tree.scalar(line, "")
    except (yaml.YAMLError, ValueError):
        return None
    _to_dashes(tree.roots, lines)
    settle(tree.roots)
    documents = [_document(root, start) for root, start in zip(tree.roots, starts, strict=True)]
    # One that holds nothing is part of the one above it.
    documents = [one for number, one in enumerate(documents) if one.children or not number]
    if len(documents) == 1 and not documents[0].name:
        return documents[0].children
    return documents


def _document(root: Entry, start: int) -> Entry:
    """A document of several; one of Kubernetes is called by its kind and name."""
    keys = {one.name.partition(".")[0]: one for one in root.children}
    kind = keys["kind"].value if "kind" in keys and "apiVersion" in keys else ""
    meta = keys.get("metadata", Entry(0))
    called = next((one.value for one in meta.children if one.name == "name"), "")
    name = f"{named(kind)}/{named(called)}" if kind and called else named(kind)
    return Entry(start, name, root.children, apart=True)


def _to_dashes(roots: list[Entry], lines: list[str]) -> None:
    """An item begins where its dash stands, which may be on a line above it."""
    waiting = [roots]
    while waiting:
        for entry in waiting.pop():
            for item in entry.children if entry.listed else ():
                above = item.first - 1
                while above > entry.first and (not lines[above - 1].strip() or lines[above - 1].lstrip()[0] == "#"):
                    above -= 1
                if above >= entry.first and lines[above - 1].strip() == "-":
                    item.first = above
            waiting.append(entry.children)


def json_outline(lines: list[str]) -> list[Entry] | None:
    """The keys of a document, comments and last commas allowed; None of what is no JSON."""
    text, tree, opened, at = "\n".join(lines), Tree(), list[str](), 0
    ends = list(accumulate(len(line) + 1 for line in lines))
    while at < len(text):
        if (found := _TOKEN.match(text, at)) is None:
            return None
        token, line = found.group(), bisect_right(ends, at) + 1
        at = found.end()
        if token in "{[":
            opened.append(token)
            tree.open(line, token == "{")
            if tree.depth > MOST_NESTED:
                return None
        elif token in "}]":
            if not opened or opened.pop() + token not in ("{}", "[]"):
                return None
            tree.close()
        elif token not in ",:" and not token.isspace() and not token.startswith(("//", "/*")):
            tree.scalar(line, _said(token))
    if opened or len(tree.roots) != 1:
        return None
    settle(tree.roots)
    return tree.roots[0].children


def _said(token: str) -> str:
    try:
        return str(json.loads(token))
    except (ValueError, RecursionError):
        return token
