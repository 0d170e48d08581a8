"""Outlines of what is written line by line: TOML, INI, Dockerfiles, makefiles, CMake, and blocks in braces."""

import re
from collections.abc import Mapping
from itertools import takewhile

from xtr_assets.core.chunking.config_outline import Entry, named, paragraphs

# A name begins within so many characters of its line; expressions look no further.
MOST_LINE = 1000
_TABLE = re.compile(r"\s*\[\[?\s*([^\[\]]+|(?:\"[^\"]*\"|'[^']*'|[^\[\]\"'])+?)\s*\]?\]\s*(?:#.*)?")
_TOML_KEY = re.compile(r"\s*((?:\"[^\"]*\"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:\"[^\"]*\"|'[^']*'|[\w-]+))*)\s*=")
# What opens or closes something in TOML, and what holds neither.
# What nothing closes goes to the end of its line, or of the file: looked for once, however often it opens.
_TOML_SIGN = re.compile(r"\"\"\"|'''|\"(?:[^\"\\]|\\.)*(?:\"|\\?$)|'[^']*(?:'|$)|#.*|[\[\]{}]")
# To the end of a text of several lines, whose last letters may be two quotes; in one of double quotes a backslash takes
# what is behind it.
_TOML_ENDS = {
    '"""': re.compile(r"(?:[^\"\\]|\\.|\"(?!\"\"))*+\"{3,5}"),
    "'''": re.compile(r"(?:[^']|'(?!''))*+'{3,5}"),
}
# A glob of .editorconfig may hold brackets (`[*.[ch]]`).
_SECTION = re.compile(r"(?:\[+([^\[\]]+)\]+|\[(?!\[)((?:[^\[\]]|\[[^\[\]]*\])+)\])\s*(?:[#;].*)?")
_OPTION = re.compile(r"([^\s#;=:\[][^=:]*?)\s*(?:[=:]|$)")

_FROM = re.compile(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
# A word of its own: in `cat <<< word` and `$((a<<b))` none begins.
_HEREDOC = re.compile(r"(?<!\S)\d*<<-?([\"']?)([A-Za-z_]\w*)\1(?!\S)")
_DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*=\s*(\S+)")

_TARGET = re.compile(r"([^\s:#=][^:#=]*?)\s*::?(?![:=])(.*)")
_DEFINE = re.compile(r"\s*(?:(?:override|export)\s+)*define\s+(\S+)")
_ENDEF = re.compile(r"\s*endef\b")

_FUNCTION = re.compile(r"\s*(?:function|macro)\s*\(\s*\"?([\w.:-]+)", re.IGNORECASE)
_END_FUNCTION = re.compile(r"\s*end(?:function|macro)\s*\(", re.IGNORECASE)
_CMAKE_CLOSES = re.compile(r"\s*end(?:if|foreach|while|block)\s*\(", re.IGNORECASE)
_CMAKE_SIGN = re.compile(
    r"#\[(=*)\[.*?(?:\]\1\]|\Z)|\[(=*)\[.*?(?:\]\2\]|\Z)|\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|#[^\n]*|[()]", re.DOTALL
)

_OPENS = re.compile(r"[ \t]*(?:[\w ,]*->[ \t]*)?(?://[^\n]*)?(?=\n|$)")
# Of more words a line is a statement.
MOST_WORDS = 6
_BRACE_SIGN = re.compile(
    r"\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z)|\"(?:[^\"\\\n]|\\[^\n])*(?:\"|\\?$)|'(?:[^'\\\n]|\\[^\n])*(?:'|\\?$)"
    r"|//[^\n]*|/\*.*?(?:\*/|\Z)|[{}\n]",
    re.DOTALL | re.MULTILINE,
)


def toml_outline(lines: list[str]) -> list[Entry]:
    """Tables, and the keys of each; keys above all tables."""
    found, table, depth, quote = list[Entry](), None, 0, ""
    for number, line in enumerate(lines, 1):
        if not depth and not quote:
            if len(line) <= MOST_LINE and (header := _TABLE.fullmatch(line)) is not None:
                table = Entry(number, named(_bare(header[1])), apart=True)
                found.append(table)
                continue
            if (key := _TOML_KEY.match(line)) is not None:
                (found if table is None else table.children).append(Entry(number, named(_bare(key[1]))))
        at = 0
        while (sign := (_TOML_ENDS[quote].match if quote else _TOML_SIGN.search)(line, at)) is not None:
            at, token = sign.end(), sign.group()
            if quote:
                quote = ""
            elif token in _TOML_ENDS:
                quote = token
            elif token in "[{":
                depth += 1
            elif token in "]}":
                depth = max(depth - 1, 0)
    return found


def _bare(key: str) -> str:
    """A key without its quotes and blanks."""
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def ini_outline(lines: list[str]) -> list[Entry]:
    """Sections, and the options of each; paragraphs where there are none."""
    found, section = list[Entry](), None
    for number, line in enumerate(lines, 1):
        if (header := _SECTION.fullmatch(line.rstrip())) is not None:
            section = Entry(number, named(header[1] or header[2]), apart=True)
            found.append(section)
        elif section is not None and (option := _OPTION.match(line[:MOST_LINE])) is not None:
            section.children.append(Entry(number, named(option[1])))
    if not found:
        return list(paragraphs(lines, 1, len(lines)))
    above = [] if found[0].first == 1 else list(paragraphs(lines, 1, found[0].first - 1))
    return [*above, *found]


def docker_outline(lines: list[str]) -> list[Entry]:
    """Stages, called by their name, else by their image; the instructions of each have no name."""
    found, heredocs, going = list[Entry](), list[str](), False
    above = [one for one in takewhile(bool, map(_DIRECTIVE.match, lines)) if one is not None]
    goes_on = next((one[2] for one in above if one[1] == "escape"), "\\")
    for number, line in enumerate(lines, 1):
        if heredocs:
            if line.strip() == heredocs[0]:
                heredocs.pop(0)
            continue
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if not going:
            if (stage := _FROM.match(line)) is not None:
                found.append(Entry(number, named(stage[2] or stage[1]), apart=True))
            else:
                (found[-1].children if found else found).append(Entry(number))
        going = stripped.endswith(goes_on)
        if not going:
            heredocs = [name for _, name in _HEREDOC.findall(line)]
    # Arguments of the first stage stand above it.
    first = next((at for at, one in enumerate(found) if one.name), 0)
    return found[first:]


def make_outline(lines: list[str]) -> list[Entry]:
    """Targets with their recipes, definitions of several lines, and paragraphs between them."""
    found, defining, going, blank, target = list[Entry](), False, False, True, False
    # The line of `.PHONY`, while nothing but comments stands below it.
    phony = 0
    for number, line in enumerate(lines, 1):
        if defining:
            defining = _ENDEF.match(line) is None
        elif going or line.startswith("\t"):
            pass
        elif (define := _DEFINE.match(line)) is not None:
            found.append(Entry(number, named(define[1]), apart=True))
            defining, target = True, False
        elif (rule := _TARGET.match(line[:MOST_LINE])) is not None and not rule[1].startswith(
            ("export ", "define ", "ifeq")
        ):
            special = re.fullmatch(r"\.[A-Z_]+", rule[1]) is not None
            # Another target of a rule that is written in two lines, or a variable of it, goes with it.
            if special:
                if blank or target:
                    found.append(Entry(number))
            else:
                if phony and found[-1].first == phony:
                    found.pop()
                found.append(Entry(phony or number, named(rule[1]), apart=True))
            target = not special
        elif line.strip() and (blank or (target and not line.startswith((" ", "#", "end", "else", "if")))):
            found.append(Entry(number))
            target = False
        if line.startswith(".PHONY") and found and found[-1].first == number:
            phony = number
        elif not line.startswith("#") and not (going and phony):
            phony = 0
        going = line.endswith("\\")
        blank = not line.strip() and not going
    return found


def cmake_outline(lines: list[str]) -> list[Entry]:
    """Functions and macros, and paragraphs of calls between them; a call is not torn at a blank line in it."""
    text = "\n".join(lines)
    depth, within, line, at = 0, set[int](), 1, 0
    for sign in _CMAKE_SIGN.finditer(text):
        here = line + text.count("\n", at, sign.start())
        end = here + sign.group().count("\n")
        if depth or end > here:
            within.update(range(line + 1 if depth else here + 1, end + 1))
        if sign.group() in "()":
            depth = max(depth + (1 if sign.group() == "(" else -1), 0)
        line, at = end, sign.end()
    found, cursor, inside = list[Entry](), 1, False
    for number, text_line in enumerate(lines, 1):
        if number in within:
            continue
        if not inside and (function := _FUNCTION.match(text_line)) is not None:
            found += paragraphs(lines, cursor, number - 1, within)
            found.append(Entry(number, named(function[1]), apart=True))
            inside = True
        elif inside and _END_FUNCTION.match(text_line):
            inside, cursor = False, number + 1
            # What closes around it goes with it.
            while cursor <= len(lines) and _CMAKE_CLOSES.match(lines[cursor - 1]):
                cursor += 1
    if not inside:
        found += paragraphs(lines, cursor, len(lines), within)
    return found


def brace_outline(lines: list[str]) -> list[Entry]:
    """Blocks in braces, called by what stands before each on its line, inside each other; what lies between them has no
    name."""
    text = "\n".join(lines)
    roots = list[Entry]()
    opened: list[list[Entry]] = [roots]
    line, begin, used = 1, 0, 0
    # Of blocks at the top, by the line that each begins on, the one that closes it.
    outer, closes = 0, dict[int, int]()

    def plain(number: int) -> None:
        """Begin what has no name on a line within a block."""
        if len(opened) > 1 and number <= len(lines) and (said := lines[number - 1].strip()) and said[0] not in "})":
            opened[-1].append(Entry(number))

    for sign in _BRACE_SIGN.finditer(text):
        token = sign.group()
        if token == "{":
            # Of many on one line the first alone is read.
            here, name = opened[-1], named(_called(text[begin : sign.start()])) if line > used else ""
            block = Entry(line, name)
            # What goes on behind its brace is a value; of two that begin on one line the first is the one.
            # At the top a block on one line is one too (`repositories { mavenCentral() }`).
            opens = _OPENS.match(text, sign.end()) or (len(opened) == 1 and name.isidentifier())
            if name and opens and line > used:
                if here and here[-1].first == line:
                    here.pop()
                here.append(block)
            used = line
            outer = line if len(opened) == 1 else outer
            opened.append(block.children)
            plain(line + 1)
        elif token == "}":
            if len(opened) > 1:
                opened.pop()
            if len(opened) == 1:
                closes.setdefault(outer, line)
            plain(line + 1)
        elif more := token.count("\n"):
            line, begin = line + more, sign.start() + token.rindex("\n") + 1
    for block in roots:
        block.apart = True
    return _with_paragraphs(lines, roots, closes)


def _called(before: str) -> str:
    """What a block is called: the words before its brace, without signs.

    >>> _called("    stage('Unit tests') "), _called("task docs(type: Javadoc) "), _called("if (x) ")
    ('stage Unit tests', 'docs', '')
    """
    stripped = before.strip().lstrip("}) ")
    if not stripped or re.match(r"(?:if|else|for|while|try|catch|switch|return|->)\b", stripped):
        return ""
    if task := re.match(r"(?:task|def|void)\s+(\w+)\s*(?:\(|$)", stripped):
        return task[1]
    words = re.findall(r"[\w.:/*~^-]+", stripped)
    return " ".join(words) if len(words) <= MOST_WORDS else ""


def _with_paragraphs(lines: list[str], blocks: list[Entry], closes: Mapping[int, int]) -> list[Entry]:
    """Blocks, and an unnamed entry for the paragraphs below each, as far as they are not its own."""
    covered, first = _reach(lines, blocks, closes), {one.first for one in blocks}
    begun = {one.first for one in paragraphs(lines, 1, len(lines), covered)}
    begun |= {number + 1 for number in covered if number < len(lines) and lines[number].strip()} - covered
    return sorted([*blocks, *map(Entry, begun - first)], key=lambda one: one.first)


def _reach(lines: list[str], blocks: list[Entry], closes: Mapping[int, int]) -> set[int]:
    """Lines inside blocks: up to what closes each, and those that are indented, or close one."""
    starts = {one.first for one in blocks}
    covered, inside, until = set[int](), False, 0
    for number, line in enumerate(lines, 1):
        if number in starts:
            inside, until = True, max(until, closes.get(number, 0))
        elif inside and number > until and line[:1] not in ("", " ", "\t", "}", ")"):
            inside = False
        if inside:
            covered.add(number)
    return covered
