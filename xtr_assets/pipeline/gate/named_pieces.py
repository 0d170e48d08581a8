"""What surely names something in configuration."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import yaml

from xtr_assets.pipeline.gate.config_evidence import HEADERS, NOTE, STAGES, TREES, depth_of, shape_of
from xtr_assets.pipeline.gate.quoted_lines import within_quotes

# What surely names something, and how long its block has to be: shorter ones lie with their neighbours.
_TOP_KEY = re.compile(r"([A-Za-z_][\w-]*):\s*(?:#.*)?$")
_JSON_KEY = re.compile(r"\s+\"([A-Za-z_][\w-]*)\": ?[\[{]$")
_TABLE = re.compile(r"\[\[?([A-Za-z_][\w.-]*)\]\]?\s*(?:#.*)?$")
_TARGET = re.compile(r"([A-Za-z_][\w-]*):(?![=:])")
_STAGE = re.compile(r"FROM\s+\S+\s+AS\s+(\S+)\s*$", re.IGNORECASE)
BLOCK = 300
# A document of several, and one of Kubernetes, is one chunk where it has no more characters.
DOCUMENT = 1500
# A text that fell into paragraphs is read whole where it is no longer: the parser in Python takes .1 CPU s for it.
WHOLE = 16 << 10
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def names_in(path: str, lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(line, name) of what surely has a chunk that is called by it."""
    shape, suffix = shape_of(path), PurePosixPath(path).suffix.lower()
    if shape == TREES and suffix != ".gradle":
        pattern, begun = (_JSON_KEY, _members) if suffix in (".json", ".jsonc") else (_TOP_KEY, _keys)
        for number in begun(lines):
            if (one := pattern.match(lines[number - 1])) is not None and _block(lines, number) >= BLOCK:
                yield number, one[1]
        return
    pattern = {HEADERS: _TABLE, STAGES: _STAGE}.get(shape, _TARGET)
    if shape or re.match(r"(?:GNUm|M|m)akefile|.*\.mk$", PurePosixPath(path).name):
        for number, line in enumerate(lines, 1):
            if (one := pattern.match(line)) is not None:
                yield number, one[1]


def _keys(lines: Sequence[str]) -> Iterator[int]:
    """Lines of YAML on which keys of a document may begin that is taken apart."""
    within = within_quotes(lines)
    begins = [1, *(number for number, line in enumerate(lines, 1) if line.startswith("---"))]
    spans = [range(first, last) for first, last in zip(begins, [*begins[1:], len(lines) + 1], strict=True)]
    told = [[number for number in span if not NOTE.match(lines[number - 1])] for span in spans]
    documents = [one for one in told if one]
    for one in documents:
        whole = len(documents) > 1 or any(lines[number - 1].startswith("apiVersion") for number in one)
        if not whole or sum(len(lines[number - 1]) + 1 for number in one) > DOCUMENT:
            yield from (number for number in one if number not in within)


def _members(lines: Sequence[str]) -> Iterator[int]:
    """Lines of JSON on which members of its object may begin: those that are indented as the first one."""
    opened = next((line.strip() for line in lines if not NOTE.match(line)), "")
    begun = [number for number, line in enumerate(lines, 1) if line.lstrip().startswith('"')]
    if opened == "{" and begun:
        first = depth_of(lines[begun[0] - 1])
        yield from (number for number in begun if depth_of(lines[number - 1]) == first)


def _block(lines: Sequence[str], number: int) -> int:
    """Characters of a line and of those below it that are indented more, a list at its own indent among them."""
    depth, size = depth_of(lines[number - 1]), len(lines[number - 1])
    for line in lines[number:]:
        if line.strip() and depth_of(line) <= depth:
            break
        size += len(line) + 1
    return size


def is_yaml(text: str) -> bool:
    """Whether a text is YAML to the parser that is written in Python; none that is long, or holds what that one takes
    and libyaml does not."""
    if len(text) > WHOLE or SURROGATE.search(text):
        return False
    try:
        events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        return sum(1 for _ in events) > 0
    except (yaml.YAMLError, ValueError, RecursionError):
        return False
