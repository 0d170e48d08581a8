"""What an author says above a definition, in languages other than Python: a comment, a string, an attribute.

docs/format.md ("Names") says it line by line: another reading is another version of names.
"""

import re
from collections.abc import Iterator, Sequence

# Comments that have an end.
_BLOCKS = (("/*", "*/"), ("(*", "*)"), ("<#", "#>"), ("#=", "=#"), ("--[[--", "]]"), ("--[[", "]]"))
_LINE_COMMENT = re.compile(r"(//+!?|--+|#+'?(?=\s|$)|%+(?=\s|$))")
# `.SYNOPSIS` of PowerShell, `=head2` of Perl.
_RUBRIC = re.compile(r"\.[A-Z]+|=[a-z].*")
_ELIXIR_DOC = re.compile(r"""@doc\s+(?:~[sS])?(\"\"\"|")""")
_INDENTED = re.compile(r" {4}|\t")


def doc_lines(path: str, text: str) -> Iterator[str]:
    """The lines of what stands above a definition, without the signs that make it a comment; none where nothing does.

    >>> list(doc_lines("a.r", "#' Opens.\\n#' @export\\nf <- g"))
    [' Opens.', ' @export']
    >>> list(doc_lines("a.ex", '@impl true\\n@doc "Opens."\\ndef f do'))
    ['Opens.']
    """
    lines = text.strip().split("\n")
    read = _elixir(lines) if path.endswith((".ex", ".exs")) else _above(lines)
    if path.endswith(".jl"):
        read = _without_signature(read)
    elif path.endswith(".cs"):
        read = _summary(read)
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
