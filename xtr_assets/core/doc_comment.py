"""What an author says above a definition, in languages other than Python: a comment, a string, an attribute.

docs/format.md ("Names") says it line by line: another reading is another version of names.
"""

import re
from collections.abc import Iterator, Sequence

# Comments that have an end.
_BLOCKS = (("/*", "*/"), ("(*", "*)"), ("<#", "#>"), ("#=", "=#"), ("--[[--", "]]"), ("--[[", "]]"))
# What is a comment in some languages, and code in others.
_HASKELL, _PASCAL = (".hs", ".purs", ".elm"), (".pas", ".dpr", ".lpr")
_OWN_BLOCKS = {**dict.fromkeys(_HASKELL, ("{-", "-}")), **dict.fromkeys(_PASCAL, ("{", "}"))}
_LISP = (".clj", ".cljs", ".cljc", ".el", ".lisp", ".lsp", ".asd", ".scm", ".ss", ".sld", ".sps", ".rkt")
_FORTRAN = (".f90", ".f95", ".f03", ".f08")
_LINE_COMMENT = re.compile(r"(//+!?|--+|#+'?(?=\s|$)|%+(?=\s|$))")
# `.SYNOPSIS` of PowerShell, `=head2` of Perl.
_RUBRIC = re.compile(r"\.[A-Z]+|=[a-z].*")
_ELIXIR_DOC = re.compile(r"""@doc\s+(?:~[sS])?(\"\"\"|")""")
_BANGS, _HASHES, _SEMICOLONS = re.compile("!+[<>]?"), re.compile("#+"), re.compile(";+")
_INDENTED = re.compile(r" {4}|\t")


def doc_lines(path: str, text: str) -> Iterator[str]:
    """The lines of what stands above a definition, without the signs that make it a comment; none where nothing does.

    >>> list(doc_lines("a.r", "#' Opens.\\n#' @export\\nf <- g"))
    [' Opens.', ' @export']
    >>> list(doc_lines("a.ex", '@impl true\\n@doc "Opens."\\ndef f do'))
    ['Opens.']
    """
    lines = text.strip().split("\n")
    suffix = path[path.rfind(".") :]
    if suffix in (".ex", ".exs"):
        read = _elixir(lines)
    elif suffix in _LISP:
        read = _lisp(lines)
    elif suffix in _FORTRAN:
        read = _signed(lines, _BANGS)
    elif suffix == ".nim" and any(line.strip().startswith("##") for line in lines):
        first = next(number for number, line in enumerate(lines) if line.strip().startswith("##"))
        read = _signed(lines[first:], _HASHES)
    elif suffix in _OWN_BLOCKS and lines[0].strip().startswith(_OWN_BLOCKS[suffix][0]):
        opening, closing = _OWN_BLOCKS[suffix]
        read = _until(closing, lines[0].strip().removeprefix(opening), lines[1:])
    else:
        read = _above(lines)
    if suffix == ".jl":
        read = _without_signature(read)
    elif suffix in (".cs", ".fs", ".fsx"):
        read = _summary(read)
    elif suffix in _HASKELL:
        read = (re.sub(r"\s*[|^]", "", line, count=1) if re.match(r"\s*[|^]", line) else line for line in read)
    for line in read:
        yield "" if _RUBRIC.fullmatch(line.strip()) else line


def _above(lines: Sequence[str]) -> Iterator[str]:
    first = lines[0].strip()
    for opening, closing in _BLOCKS:
        if first.startswith(opening):
            return (line.strip().lstrip("*!") for line in _until(closing, first[len(opening) :], lines[1:]))
    if first.startswith('"""'):
        return _until('"""', first[3:], lines[1:])
    if first.startswith('"'):
        return _until('"', first[1:], ())
    if re.match("=[a-z]", first):
        return _until("=cut", first, lines[1:])
    return _line_comments(lines)


def _until(closing: str, first: str, others: Sequence[str]) -> Iterator[str]:
    for line in (first, *others):
        inside, closed, _ = line.partition(closing)
        yield inside
        if closed:
            return


def _line_comments(lines: Sequence[str]) -> Iterator[str]:
    sign = ""
    for line in lines:
        stripped = line.strip()
        own = _LINE_COMMENT.match(stripped)
        if own is None or own.group()[0] != (sign or own.group()[0]):
            return
        sign = own.group()[0]
        yield stripped[own.end() :]


def _signed(lines: Sequence[str], sign: re.Pattern[str]) -> Iterator[str]:
    """What stands behind a sign in the lines that begin with it."""
    for line in lines:
        found = sign.match(line.strip())
        if found is None:
            return
        yield line.strip()[found.end() :]


def _lisp(lines: Sequence[str]) -> Iterator[str]:
    """The string that begins one of the two lines below the first one of code; else the comments above it, but for what
    they tell a tool (`;;;###autoload`)."""
    code = next((number for number, line in enumerate(lines) if not line.strip().startswith(";")), len(lines))
    for number in range(code + 1, min(code + 3, len(lines))):
        if (stripped := lines[number].strip()).startswith('"'):
            return _until('"', stripped[1:], lines[number + 1 :])
    return ("" if line.startswith("###") else line for line in _signed(lines, _SEMICOLONS))


def _elixir(lines: Sequence[str]) -> Iterator[str]:
    """The string of the first `@doc` above a definition that has one; comments where an attribute has none."""
    for number, line in enumerate(lines):
        stripped = line.strip()
        if stripped.startswith("def"):
            break
        said = _ELIXIR_DOC.match(stripped)
        if said is not None:
            others = lines[number + 1 :] if len(said.group(1)) == 3 else ()
            return _until(said.group(1), stripped[said.end() :], others)
    return _line_comments(lines)


def _without_signature(lines: Iterator[str]) -> Iterator[str]:
    """Julia repeats the call above what it does, as a block of code."""
    said = False
    for line in lines:
        said = said or bool(line.strip() and not _INDENTED.match(line))
        if said:
            yield line


def _summary(lines: Iterator[str]) -> Iterator[str]:
    """C# says it in XML: what stands in its first element."""
    for line in lines:
        inside, closed, _ = line.partition("</summary>")
        yield re.sub("<[^<>]*>", " ", inside)
        if closed:
            return
