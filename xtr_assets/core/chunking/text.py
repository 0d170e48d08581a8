"""Markdown, reStructuredText, AsciiDoc, Org, LaTeX and plain text into chunks: sections by headings, paragraphs packed
up to max_chars.

Ids: a chunk's place is its heading path, which of the sections with this path it lies in, and its part within the
section. So a change in one section changes no id in another. Plain text has no sections: a paragraph put in at the top
moves the parts below it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xtr_assets.core.chunking.asciidoc import asciidoc_outline
from xtr_assets.core.chunking.headings import Heading, Outline, rst_outline
from xtr_assets.core.chunking.latex import latex_outline
from xtr_assets.core.chunking.line_spans import Lines, Range, normalize_newlines, pack
from xtr_assets.core.chunking.markdown import markdown_outline
from xtr_assets.core.chunking.org import org_outline
from xtr_assets.core.ids import chunk_id
from xtr_assets.core.types import Chunk

TextStyle = Literal["markdown", "rst", "asciidoc", "org", "latex", "plain"]
PATH_SEPARATOR = " > "
# Of YAML or TOML front matter in a file that holds nothing else.
FRONT_SYMBOL = "<front matter>"


def chunk_text(
    source: str, path: str, text: str, max_chars: int, style: TextStyle, headings: Sequence[Heading] | None = None
) -> Iterator[Chunk]:
    """Chunks of one document, in order of lines; a document of blank lines has none. `headings` of reStructuredText may
    be given.

    `title` and `symbol` are the heading path ("Guide > Install"), empty above the first heading and in plain text. If
    front matter alone says what the document is called, `title` begins with that: it is no place in the document. A
    heading without text of its own stands in the chunk of the first section below it, and so does front matter. `text`
    is verbatim with newlines as LF, at most `max_chars` long; only blank lines between chunks are left out.
    """
    lines = Lines(normalize_newlines(text))
    outline = _outline(lines, style) if headings is None else Outline(tuple(headings))
    seen: Counter[str] = Counter()
    for section in _sections(lines, outline):
        occurrence = seen[section.path]
        seen[section.path] += 1
        atoms = _paragraphs(lines, section.place, outline.whole)
        for part, span in enumerate(pack(lines, atoms, max_chars, outline.borders)):
            yield Chunk(
                chunk_id=chunk_id(source, path, section.path, occurrence, part),
                source=source,
                path=path,
                symbol=section.path,
                kind="text" if style == "plain" else "section",
                part=part,
                start_line=span.start,
                end_line=span.end,
                title=_title(outline.title, section.path),
                text=span.text,
            )


def _title(page: str, path: str) -> str:
    """What a section is called, below what its page is called."""
    if path == FRONT_SYMBOL:
        return ""
    if not page or f"{path}{PATH_SEPARATOR}".startswith(f"{page}{PATH_SEPARATOR}"):
        return path
    return f"{page}{PATH_SEPARATOR}{path}" if path else page


def split_text(text: str, max_chars: int) -> list[str]:
    """A text without a file into pieces of at most `max_chars`, at paragraphs where possible; whole where it fits."""
    if len(text) <= max_chars:
        return [text]
    lines = Lines(normalize_newlines(text))
    return [span.text for span in pack(lines, _paragraphs(lines, (1, len(lines)), ()), max_chars)]


_OUTLINES: Mapping[TextStyle, Callable[[Lines], Outline]] = {
    "markdown": markdown_outline,
    "rst": rst_outline,
    "asciidoc": asciidoc_outline,
    "org": org_outline,
    "latex": latex_outline,
}


def _outline(lines: Lines, style: TextStyle) -> Outline:
    return Outline(()) if style == "plain" else _OUTLINES[style](lines)


@dataclass(frozen=True, slots=True)
class _Section:
    path: str
    place: Range


def _sections(lines: Lines, outline: Outline) -> Iterator[_Section]:
    """Sections that hold something, covering every non-blank line once."""
    headings = outline.headings
    # First line of what had no text of its own, front matter or headings; 0 where none waits.
    waiting = 1 if lines.trim(1, outline.front) else 0
    until = headings[0].first - 1 if headings else len(lines)
    if lines.trim(outline.front + 1, until):
        yield _Section("", (waiting or outline.front + 1, until))
        waiting = 0
    elif waiting and not headings:
        yield _Section(FRONT_SYMBOL, (1, outline.front))
    above: list[tuple[int, str]] = []
    for index, heading in enumerate(headings):
        following = headings[index + 1] if index + 1 < len(headings) else None
        last = following.first - 1 if following else len(lines)
        above = [*(entry for entry in above if entry[0] < heading.level), (heading.level, heading.title)]
        bare = lines.trim(heading.last + 1, last) is None
        if bare and following and following.level > heading.level:
            waiting = waiting or heading.first
            continue
        path = PATH_SEPARATOR.join(title for _, title in above if title)
        yield _Section(path, (waiting or heading.first, last))
        waiting = 0


def _paragraphs(lines: Lines, place: Range, whole: tuple[Range, ...]) -> list[Range]:
    """Ranges between blank lines; those in `whole`, in order and apart from each other, are not torn at theirs."""
    # Of thousands of sections each looks at its own blocks alone.
    inside = whole[bisect_left(whole, (place[0], 0)) : bisect_left(whole, (place[1] + 1, 0))]
    kept = [block for block in inside if block[1] <= place[1]]
    joined = {number for first, last in kept for number in range(first, last)}
    paragraphs: list[Range] = []
    start = place[0]
    for number in range(place[0], place[1] + 1):
        if lines.blank(number) and number not in joined:
            if start < number:
                paragraphs.append((start, number - 1))
            start = number + 1
    if start <= place[1]:
        paragraphs.append((start, place[1]))
    return paragraphs
