"""Untrusted YAML: its size and aliases are bounded before it is built, and every error names the place."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import yaml

from xtr_assets.core.errors import ConfigError
from xtr_assets.core.field_problem import shown

# A configuration of a thousand sources is 150 KB. The parser, in pure Python, takes 2 CPU seconds for 256 KiB.
MAX_BYTES = 256 << 10
# Values when every alias is written out: ten aliases of ten aliases, eight levels deep, are a file of 500 bytes.
MAX_VALUES = 100_000
MAX_DEPTH = 50


def read_yaml(data: bytes, origin: str) -> Any:
    """The document; `origin` names the file in errors. Raises ConfigError."""
    return next(iter(_read(data, origin, lambda loader: [loader.get_single_node()])), None)


def read_yaml_documents(data: bytes, origin: str) -> list[Any]:
    """The documents of a file that may hold several, `---` between them. Raises ConfigError."""
    return _read(data, origin, _each_node)


def _each_node(loader: "_Loader") -> Iterator[yaml.Node | None]:
    while loader.check_node():
        yield loader.get_node()


def _read(data: bytes, origin: str, nodes: Callable[["_Loader"], Iterable[yaml.Node | None]]) -> list[Any]:
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{origin} has {len(data)} bytes, at most {MAX_BYTES} are read; is it the right file?")
    loader = None
    try:
        loader = _Loader(_text(data, origin))
        found = []
        for node in nodes(loader):
            if node is not None:
                _values(node, {}, frozenset(), origin)
                found.append(loader.construct_document(node))
        return found
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin} is not YAML{_place(error)}; correct it there") from error
    except RecursionError as error:
        raise ConfigError(f"{origin} is nested deeper than {MAX_DEPTH} levels; write it flatter") from error
    finally:
        if loader is not None:
            loader.dispose()


def _text(data: bytes, origin: str) -> str:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{origin} is not UTF-8: byte 0x{data[error.start]:02x} in line {line}; save it as UTF-8"
        ) from error


def _values(node: yaml.Node, counted: dict[int, int], above: frozenset[int], origin: str) -> int:
    """How many values the node stands for, each alias counted as what it names."""
    if id(node) in counted:
        return counted[id(node)]
    if id(node) in above:
        raise ConfigError(f"{origin}: line {node.start_mark.line + 1} holds an alias of itself; write the value out")
    if len(above) > MAX_DEPTH:
        raise ConfigError(f"{origin} is nested deeper than {MAX_DEPTH} levels; write it flatter")
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        parts = node.value
    elif isinstance(node, yaml.MappingNode):
        parts = [each for pair in node.value for each in pair]
    inside = above | {id(node)}
    total = 1
    for part in parts:
        total += _values(part, counted, inside, origin)
        if total > MAX_VALUES:
            raise ConfigError(f"{origin} holds more than {MAX_VALUES} values with its aliases written out; use fewer")
    counted[id(node)] = total
    return total


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with the place of a value that cannot be built, and no key twice."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:
            # Also what PyYAML stumbles over itself: `!!bool maybe`, `!!int ""`, `!!timestamp soon`.
            kind = str(node.tag).rpartition(":")[2]
            raise yaml.MarkedYAMLError(
                problem=f"{shown(node.value)} is no {kind} that can be read", problem_mark=node.start_mark
            ) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {shown(key.value)} stands twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _place(error: yaml.YAMLError) -> str:
    """What is wrong and where, in one line."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"
        return f"{where}: {error.problem or error.context}"
    if isinstance(error, yaml.reader.ReaderError):
        return f" (character {error.position}): {shown(error.character)} may not stand in YAML"
    return ""
