"""A second reading of configuration that is written line by line: the lines that surely begin a table, a section, a
stage, a target, a function or a block, each of which begins a piece that is called so."""

import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from xtr_assets.pipeline.gate.text_evidence import Row

# (line, name)
Heads = list[tuple[int, str]]
# Longer names are cut.
_LONGEST = 100
_QUOTES = re.compile(r"[\"'\s]")

_TABLE = re.compile(r"\s*\[\[?([^\[\]#]+)\]\]?\s*(?:#.*)?")
_TOML_SIGN = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#.*|[\[\]{}]')


def _toml(lines: Sequence[str]) -> Heads:
    found: Heads = []
    depth, text = 0, ""
    for number, line in enumerate(lines, 1):
        if not depth and not text and (table := _TABLE.fullmatch(line)):
            found.append((number, table[1]))
            continue
        for sign in _TOML_SIGN.findall(line):
            if text:
                text = "" if sign == text else text
            elif sign in ('"""', "'''"):
                text = sign
            else:
                depth = max(0, depth + (sign in "[{") - (sign in "]}"))
    return found


_SECTION = re.compile(r"\[+([^\[\]]+)\]+\s*(?:[#;].*)?")
# A glob of .editorconfig has brackets of its own.
_GLOB = re.compile(r"\[(.+)\]\s*(?:[#;].*)?")


def _ini(lines: Sequence[str]) -> Heads:
    found = ((number, _SECTION.fullmatch(line) or _GLOB.fullmatch(line)) for number, line in enumerate(lines, 1))
    return [(number, head[1]) for number, head in found if head]


_FROM = re.compile(r"\s*FROM\s+(?:--\S+\s+)*([^\s-]\S*)(?:\s+AS\s+(\S+))?\s*", re.IGNORECASE)


def _docker(lines: Sequence[str]) -> Heads:
    found: Heads = []
    ends: list[str] = []
    goes_on = False
    for number, line in enumerate(lines, 1):
        said = line.strip()
        if ends:
            ends = ends[said == ends[0] :]
            continue
        if not said or said[0] == "#":
            continue
        if not goes_on and (stage := _FROM.fullmatch(line)):
            found.append((number, stage[2] or stage[1]))
        goes_on = said[-1] in "\\`"
        ends = [] if goes_on else re.findall(r"<<-?[\"']?([A-Za-z_]\w*)", line)
    return found


def _make(lines: Sequence[str]) -> Heads:
    found: Heads = []
    defines = goes_on = False
    for number, line in enumerate(lines, 1):
        target = re.match(r"([A-Za-z_][\w./-]*)\s*:(?![=:])", line)
        if not (defines or goes_on) and target and not re.match(r"(?:export|define|ifeq)\b", line):
            found.append((number, target[1]))
        if re.match(r"\s*(?:(?:override|export)\s+)*define\s+\S", line):
            defines = True
        defines = defines and not re.match(r"\s*endef\b", line)
        goes_on = line.endswith("\\")
    return found


def _cmake(lines: Sequence[str]) -> Heads:
    if any(re.search(r"\[=*\[", line) or line.replace('\\"', "").count('"') % 2 for line in lines):
        return []  # Texts of several lines: what stands in them begins nothing.
    found: Heads = []
    inside = False
    for number, line in enumerate(lines, 1):
        head = re.match(r"(?:function|macro)\s*\(\s*([\w.:-]+)\s", f"{line} ", re.IGNORECASE)
        if head and not inside:
            found.append((number, head[1]))
            inside = True
        elif re.match(r"\s*end(?:function|macro)\s*\(", line, re.IGNORECASE):
            inside = False
    return found


def _blocks(lines: Sequence[str]) -> Heads:
    text = "\n".join(lines)
    if '"""' in text or "'''" in text or "/*" in text or "~/" in text or "=~" in text:
        return []
    found: Heads = []
    depth = 0
    for number, line in enumerate(lines, 1):
        if depth == 0 and (head := re.fullmatch(r"([A-Za-z]\w*)\s*\{\s*", line)):
            found.append((number, head[1]))
        bare = re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|//.*", "", line)
        depth += bare.count("{") - bare.count("}")
    return found if depth == 0 else []


_READINGS: dict[str, Callable[[Sequence[str]], Heads]] = {
    "*.toml": _toml,
    **dict.fromkeys(("*.ini", "*.cfg", "*.conf", ".editorconfig", ".flake8", ".pylintrc", ".coveragerc"), _ini),
    **dict.fromkeys(("Dockerfile", "Dockerfile.*", "Containerfile", "Containerfile.*", "*.dockerfile"), _docker),
    **dict.fromkeys(("Makefile", "makefile", "GNUmakefile", "Makefile.*", "*.mk"), _make),
    **dict.fromkeys(("CMakeLists.txt", "*.cmake"), _cmake),
    **dict.fromkeys(("*.gradle", "Jenkinsfile"), _blocks),
}
# What may stand above the line that begins a piece, and belongs to it.
_COMMENT = re.compile(r"\s*(?:[#;]|//|/\*|\*|$)")
# Names that only a line of this form gives.
_TARGET = re.compile(r"([^\s#=][^#=]*?)\s*::?(?![:=])|\s*(?:(?:override|export)\s+)*define\s+(\S+)")


def heads_of(path: str, lines: Sequence[str]) -> Heads | None:
    """The lines of a file that begin something, in order; None of one that is not written so."""
    read = _reading(path)
    return None if read is None else read(lines)


def _reading(path: str) -> Callable[[Sequence[str]], Heads] | None:
    name = PurePosixPath(path).name
    by_name = next((read for form, read in _READINGS.items() if form[0] != "*" and fnmatchcase(name, form)), None)
    by_end = (read for form, read in _READINGS.items() if form[0] == "*" and fnmatchcase(name.lower(), form))
    return by_name or next(by_end, None)


def headless(path: str, lines: Sequence[str], runs: Sequence[Sequence[Row]]) -> Iterator[str]:
    """Of each head that begins no piece, or another one's; and of each piece that is called by no head above it."""
    read = _reading(path)
    heads = [(line, name) for line, name in (read(lines) if read else ()) if len(name) < _LONGEST]
    begins = {_begin(lines, run): run for run in runs}
    first = True
    for line, name in heads:
        # Above the first stage stand the arguments of all.
        found = runs[0] if read is _docker and first and runs else begins.get(line)
        first = False
        if found is None or not found[0]["start_line"] <= line <= found[-1]["end_line"]:
            yield f"{name.strip()!r:.80} in line {line} begins no piece"
        elif not _is_of(found[0]["symbol"], name):
            yield f"{name.strip()!r:.80} in line {line} begins {found[0]['symbol']!r:.80}"
    for begin, run in begins.items():
        symbol = str(run[0]["symbol"])
        if read is _make and symbol and not _is_target(lines[begin - 1], symbol):
            yield f"{symbol!r:.80} in line {begin} is no target"
        if read is _make and lines[begin - 1].startswith("\t") and run is not runs[0]:
            yield f"the recipe in line {begin} lies apart from its target"
        if read in (_toml, _ini, _docker) and symbol and heads and begin >= heads[0][0]:
            above = [name for line, name in heads if line <= begin][-1]
            if not _is_of(symbol, above):
                yield f"{symbol!r:.80} in line {begin} lies in {above.strip()!r:.80}"


def _begin(lines: Sequence[str], run: Sequence[Row]) -> int:
    """The first line of a piece that is no comment, nor a setting of make."""
    own = range(run[0]["start_line"], run[-1]["end_line"] + 1)
    plain = [at for at in own if not _COMMENT.match(lines[at - 1])]
    return next((at for at in plain if not re.match(r"\.[A-Z_]+\s*:", lines[at - 1])), own[0])


def _is_of(symbol: str, name: str) -> bool:
    """Whether a piece is called by a head, or by something in it."""
    said, true = (_QUOTES.sub("", one) for one in (symbol, name))
    return said == true or said.startswith(f"{true}.")


def _is_target(line: str, symbol: str) -> bool:
    found = _TARGET.match(line)
    return found is not None and " ".join((found[1] or found[2]).split())[:_LONGEST].strip() == symbol
