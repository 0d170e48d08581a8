"""What people read of an HTML page, block by block, with its lines in the source; parsed by libxml2 (lxml).

libxml2 2.14 splits a page into tags as HTML5 says, in time linear in its size but for the attributes of one tag. It is
told to go down to MAX_DEPTH elements; what a page has below that is not cut off: the page is refused.
"""

from collections.abc import Iterator, Set
from dataclasses import replace

from lxml import etree

from xtr_assets.core.chunking.blocks import Block, DocumentRefused

# The limit of libxml2 itself. Browsers stop at 512; the deepest of 600 pages of documentation had fewer than 60.
MAX_DEPTH = 2048
# White space as HTML has it: a space that does not break is a letter.
BLANKS = " \t\n\r\f"


def _named(tags: str) -> frozenset[str]:
    return frozenset(tags.split())


# What holds no text of the page: code, drawings, choices of forms, what stands in for media, lists of links, and how
# the letters below are read, which would stand within their word.
SILENT = _named(
    "script style template noscript svg math iframe select datalist nav object audio video canvas noframes noembed "
    "rp rt"
)
# Tags that go on with the line they stand in; any other one ends a paragraph.
_INLINE = _named(
    "a abbr acronym b bdi bdo big button cite code data del dfn em font i img input ins kbd label link map mark meta "
    "meter output picture progress q rb rp rt rtc ruby s samp small source span strike strong sub sup time track tt u "
    "var wbr"
)
# What ends no block inside a cell; headings, lists and tables do: many old pages are one table.
_IN_CELLS = frozenset({"p", "div"})
_LEVELS = {f"h{level}": level for level in range(1, 7)}
# What stands in a line as a thing of its own: the words on its sides, and in it, are no one word.
_APART = _named("audio button canvas embed iframe img input math meter nav object progress select svg video")
# lxml knows lines up to here; what stands below it lies somewhere between this line and the last.
_LAST_LINE = 65535


def html_blocks(text: str, silent: Set[str] = SILENT) -> list[Block]:
    """The blocks of a page, newlines normalized; the tags in `silent` hold no text of it. Raises DocumentRefused where
    it is nested too deeply."""
    # libxml2 drops the blanks after </html>: who ends a page there would be given their lines.
    text = text.rstrip(BLANKS)
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError:  # A page without one element or letter.
        root = None
    # Faults of the page itself are mended and are no fatal ones; after these the rest of the page is missing.
    fatal = {entry.type_name: entry.message for entry in parser.error_log if entry.level >= etree.ErrorLevels.FATAL}
    if "ERR_NO_MEMORY" in fatal:
        raise MemoryError
    if "ERR_RESOURCE_LIMIT" in fatal:
        detail = (
            f"elements are nested deeper than {MAX_DEPTH:,}, or larger than libxml2 takes; split or exclude the file"
        )
        raise DocumentRefused("beyond-limits", detail)
    if fatal:
        raise DocumentRefused("unparsable", f"libxml2 gave it up: {'; '.join(fatal.values())}; save it anew")
    if root is None:
        return []
    reader = _Reader(text.count("\n") + 1, silent)
    # What stands after </html> libxml2 puts beside it, browsers into its body.
    for top in (root, *(one for one in root.itersiblings() if isinstance(one.tag, str))):
        for event, element in etree.iterwalk(top, events=("start", "end", "comment", "pi")):
            reader.meet(event, element)
    return reader.end()


class _Reader:
    """One pass over the elements. `line` is where the parser stands: exact at each tag, counted in between."""

    def __init__(self, lines: int, silent: Set[str]) -> None:
        self._unspoken = silent
        self.blocks: list[Block] = []
        self.lines = lines
        self._line = 1
        self._pieces: list[str] = []
        # Blocks whose last line the next tag tells, with the newlines that were read up to there.
        self._ended: list[tuple[Block, int]] = []
        self._first = self._last = 0
        self._read = self._read_last = 0  # Newlines of texts, in all and up to the last letter.
        self._level = self._verbatim = self._silent = self._cells = 0
        self._apart = False  # Whether what comes next is no word with what was said last.

    def meet(self, event: str, element: etree._Element) -> None:
        if not isinstance(element.tag, str):  # A comment or an instruction.
            if event != "end":
                self._stand_at(element.sourceline)  # Of its last line.
                self._add(element.tail)
            return
        tag = element.tag
        if event == "start":
            self._stand_at(element.sourceline)
            self._open(tag)
            self._add(element.text)
        else:
            self._close(tag)
            self._add(element.tail)

    def end(self) -> list[Block]:
        self._finish()
        self._stand_at(self.lines)
        return self.blocks

    def _stand_at(self, line: int | None) -> None:
        """A tag that ends on this line: what was said before it ends as many newlines above as were read since."""
        known = self.lines if line is None or line >= _LAST_LINE else line
        if self._first:
            self._last = max(self._last, known - (self._read - self._read_last))
        for block, read in self._ended:
            last = min(known - (self._read - read), self.lines)
            self.blocks.append(replace(block, last=max(last, block.last)))
        self._ended.clear()
        if line is not None and line < _LAST_LINE:
            self._line = line  # A newline may be written as &#10; too.

    def _open(self, tag: str) -> None:
        self._apart |= tag in _APART
        self._silent += tag in self._unspoken
        if self._silent:
            return
        if tag in ("td", "th"):
            # The cells of a row are one block, a tab between them.
            self._pieces.append("\t")
            self._cells += 1
        elif tag == "br":
            self._pieces.append("\n")
        elif self._cells and not self._level and tag in _IN_CELLS:
            if not "".join(self._pieces[-2:]).rstrip(" ").endswith("\t"):  # Not at the start of a cell.
                self._pieces.append("\n")
        elif self._level and tag not in _LEVELS:
            if tag not in _INLINE:
                self._pieces.append(" ")  # Nothing but its end ends a heading.
        elif tag not in _INLINE:
            self._finish()
            self._level = _LEVELS.get(tag, 0)
            self._verbatim += tag == "pre"

    def _close(self, tag: str) -> None:
        self._apart |= tag in _APART
        if self._silent:
            self._silent -= tag in self._unspoken
        elif tag in ("td", "th"):
            self._cells -= 1
            self._pieces.append(" ")
        elif self._cells and tag in _IN_CELLS:
            self._pieces.append("\n")
        elif self._level and tag not in _LEVELS:
            if tag not in _INLINE:
                self._pieces.append(" ")
        elif tag in _LEVELS or (tag not in _INLINE and tag != "br"):
            self._finish()
            self._level = 0
            self._verbatim -= tag == "pre" and self._verbatim > 0

    def _add(self, text: str | None) -> None:
        if not text:
            return
        if not self._silent:
            body = text.rstrip()
            if body:
                if not self._first:
                    lead = len(text) - len(text.lstrip())
                    self._first = self._last = self._line + text.count("\n", 0, lead)
                self._read_last = self._read + body.count("\n")
                self._last = max(self._last, min(self.lines, self._line + body.count("\n")))
            if self._apart and text[0].isalnum() and self._pieces and not self._pieces[-1][-1].isspace():
                self._pieces.append(" ")
            self._apart = False
            self._pieces.append(text if self._verbatim else text.translate(_AS_SPACE))
        self._read += text.count("\n")
        self._line = min(self.lines, self._line + text.count("\n"))

    def _finish(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        said = text.strip("\n") if self._verbatim else "\n".join(_tidied(text))
        if said.strip():
            block = Block(self._first, min(self._last, self.lines), self._level, said)
            self._ended.append((block, self._read_last))
        self._first = 0


_AS_SPACE = {ord(one): " " for one in BLANKS}


def _tidied(text: str) -> Iterator[str]:
    """Lines with blanks as a browser shows them, one for any number; cells stay."""
    for line in text.split("\n"):
        if tidy := "\t".join(" ".join(cell.split()) for cell in line.split("\t")).strip():
            yield tidy
