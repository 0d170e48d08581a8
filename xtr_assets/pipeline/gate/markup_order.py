"""Headings of AsciiDoc, Org and LaTeX that can be nothing else, whether the sections of a file begin and are named by
them, and what the document itself is called. Only lines are read; what may be more than it seems ends the reading."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from xtr_assets.pipeline.gate.heading_evidence import CLOSES, Markup, Paths
from xtr_assets.pipeline.gate.heading_order import Leading, Line, named_faults
from xtr_assets.pipeline.gate.markup_evidence import ASCIIDOC, LATEX, ORG, braced, markup_of
from xtr_assets.pipeline.gate.text_evidence import Row

# Words and signs that mean nothing else in any of the three, alone; nor does a title end like the tags of Org.
_WORDS = re.compile(r"[^\W_](?:[^\W_]|[ ,.?!]|[:()-](?![:()-]))*(?<!:)")
_SEPARATOR = " > "


@dataclass(slots=True)
class _Read:
    """headings : in order; until : the last line up to which there surely are no others."""

    until: int
    headings: list[Line] = field(default_factory=list)

    def note(self, number: int, level: int, words: str) -> None:
        plain = " ".join(words.split()) if _WORDS.fullmatch(words.strip()) else None
        self.headings.append(Line(number, level, plain))

    def stop(self, number: int) -> "_Read":
        """What stands from a line on is not sure."""
        self.until = min(self.until, number - 1)
        self.headings = [one for one in self.headings if one.number < number]
        return self


def markup_faults(path: str, lines: Sequence[str], runs: Sequence[Sequence[Row]]) -> Iterator[str]:
    """runs : the parts of each section, in order of lines. No fault of a file that is none of these."""
    markup = markup_of(path)
    read = next((one for suffixes, one in _READINGS.items() if path.lower().endswith(suffixes)), None)
    if markup is None or read is None:
        return
    found = read(lines)
    leading: Leading = {}
    for run in runs:
        start, last = int(run[0]["start_line"]), int(run[-1]["end_line"])
        places = list(markup.leading(lines[start - 1 : last]))
        leading |= {start + at: (run, number == len(places)) for number, (at, _) in enumerate(places, 1)}
    # Those with marks in them are headings all the same.
    if marked := [one.number for one in found.headings if one.words is None and one.number not in leading]:
        yield f"{len(marked)} headings with marks begin no section, the first in line {marked[0]}"
    yield from named_faults(found.headings, found.until, leading)
    for one in found.headings:
        above = _above(path, lines, one.number)
        run, _ = leading.get(one.number, ((), False))
        if run and above < int(run[0]["start_line"]):
            yield f"what line {above} says of the heading in line {one.number} lies in another section"
    yield from _page_faults(path, markup, lines, runs)


_OF_HEADING = {ASCIIDOC: re.compile(r"\[\[[A-Za-z_][\w.-]*\]\]|\[#[\w.-]+\]|// .*"), LATEX: re.compile(r"[ \t]*%.*")}


def _above(path: str, lines: Sequence[str], number: int) -> int:
    """The first of the anchors and comments right above a heading, below a blank line; its own line where there are
    none."""
    said = next((one for suffixes, one in _OF_HEADING.items() if path.lower().endswith(suffixes)), None)
    first = number
    while said is not None and first > 1 and said.fullmatch(lines[first - 2].rstrip()):
        first -= 1
    return first if first > 1 and not lines[first - 2].strip() else number


def _page_faults(path: str, markup: Markup, lines: Sequence[str], runs: Sequence[Sequence[Row]]) -> Iterator[str]:
    """Whether the titles of all sections stand under one name, and the document says it."""
    named = {
        (str(row["symbol"]), str(row["title"])) for run in runs for row in run if row["symbol"] != "<front matter>"
    }
    pages = {title.removesuffix(symbol).removesuffix(_SEPARATOR) for symbol, title in named if title != symbol}
    if wrong := [
        title for symbol, title in named if symbol and title != symbol and not title.endswith(f"{_SEPARATOR}{symbol}")
    ]:
        yield f"the title {wrong[0]!r} is another section's"
        return
    if len(pages) > 1:
        yield f"its sections stand under {min(pages)!r} and under {max(pages)!r}"
        return
    told, sure = _told(path, lines)
    for page in pages:
        if not any(Paths(markup).spelled(page, [one]) for one in told):
            yield f"its sections stand under {page!r}, which the document does not say"
    bare = [symbol for symbol, title in named if sure and title == symbol and symbol.partition(_SEPARATOR)[0] != sure]
    if bare and not any(symbol.partition(_SEPARATOR)[0] == sure for symbol, _ in named):
        yield f"the document is called {sure!r}, and the title of {bare[0]!r} does not say so"


def _told(path: str, lines: Sequence[str]) -> tuple[list[str], str]:
    """What may call the document, raw; and what surely does, or ""."""
    if path.lower().endswith(ORG):
        said = [found[1] for found in (re.match(r"\s*#\+title:(.*)", line, re.IGNORECASE) for line in lines) if found]
        sure = said[0].strip() if len(said) == 1 and re.fullmatch(r"\s*[A-Za-z]+(?: [A-Za-z]+)*\s*", said[0]) else ""
        # Its first word may be a state where it is a headline; here it is none.
        return [f"x {' '.join(said)}"], sure
    if path.lower().endswith(LATEX):
        text = "\n".join(lines)
        places = [found.end() for found in re.finditer(r"\\title(?![A-Za-z@])", text)]
        return [held[0] for held in (braced(text, at) for at in places[:20]) if held], ""
    return ([line.partition("title")[2].lstrip("\"' :=") for line in lines[:200] if "title" in line], "")


_DELIMITER = re.compile(r"([-.=*_+/~])\1{3,}|--|[|,:!]={3,}|```.*")
_SHORT_UNDER = re.compile(r"([=~^+-])\1*")
_AROUND = re.compile(r"\[\[[A-Za-z_][\w.-]*\]\]|\[[#.A-Za-z][\w.#%=, \"-]*\]|//(?!/).*")
_HEAD = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_BLOCK = re.compile(r"include::.*|image::.*|:[\w-]+:.*|\.[A-Za-z].*|\[.*\]|(?:ifn?def|ifeval|endif)::.*")


def _asciidoc(lines: Sequence[str]) -> _Read:
    read = _Read(len(lines))
    if lines[0].rstrip() in CLOSES:
        return read.stop(1)
    later: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        later.setdefault(line.rstrip(), []).append(number)
    at = 0
    while at < len(lines):
        line, above = lines[at].rstrip(), lines[at - 1].rstrip() if at else ""
        said = any(map(str.isalnum, above)) and not _BLOCK.fullmatch(above) and not above.startswith("//")
        if _SHORT_UNDER.fullmatch(line) and said and abs(len(line) - len(above)) <= 1:
            return read.stop(at)  # The title above it, or what stands in a block.
        if _DELIMITER.fullmatch(line):
            closes = "```" if line.startswith("```") else line
            if (end := _after(later.get(closes, []), at)) < 0:
                return read.stop(at + 1)
            at = end + 1
            continue
        if (head := _HEAD.fullmatch(line)) is not None:
            if (where := _stands_free(lines, at)) is None:
                return read.stop(at + 1)
            if where:
                read.note(at + 1, len(head[1]), head[2])
        at += 1
    return read


_SAID = re.compile(r"//|(?:ifn?def|ifeval|endif)::|:|\.[^\s.]")


def _after(places: Sequence[int], at: int) -> int:
    """The first of some ascending places that lies behind another one; -1 where none does."""
    found = bisect_right(places, at)
    return places[found] if found < len(places) else -1


def _stands_free(lines: Sequence[str], at: int) -> bool | None:
    """Whether a heading begins a section: behind a blank line, with nothing but anchors between. None: not sure."""
    discrete = False
    while at and lines[at - 1].strip():
        if not _AROUND.fullmatch(lines[at - 1].rstrip()):
            return None
        discrete |= lines[at - 1].startswith(("[discrete", "[float"))
        at -= 1
    # What is said above a blank line may be said of it all the same.
    while at and (not lines[at - 1].strip() or _SAID.match(lines[at - 1])):
        at -= 1
    above = lines[at - 1] if at else ""
    return None if above.startswith("[") else not discrete


_STARS = re.compile(r"(\*+)[ \t]+(.*)")
_TAGS = re.compile(r"(?:^|[ \t]+):[\w@#%:]+:[ \t]*$")
_OPENS = re.compile(r"\s*#\+begin_(\S+)", re.IGNORECASE)
_STATES = re.compile(r"\s*#\+(?:(?:seq|typ)_)?todo:(.*)", re.IGNORECASE)
# A headline of so many stars may be a task.
_TASK = 15


def _org(lines: Sequence[str]) -> _Read:
    read = _Read(len(lines))
    states = {"TODO", "DONE", "COMMENT"}
    for line in lines:
        if (found := _STATES.match(line)) is not None:
            states |= {word.split("(")[0] for word in found[1].split()}
    ends: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if line.strip().lower().startswith("#+end_"):
            ends.setdefault(line.strip().lower(), []).append(number)
    at = 0
    while at < len(lines):
        if (opens := _OPENS.match(lines[at])) is not None:
            if (end := _after(ends.get(f"#+end_{opens[1].lower()}", []), at)) < 0:
                return read.stop(at + 1)
            at = end
        elif (head := _STARS.fullmatch(lines[at])) is not None:
            if len(head[1]) >= _TASK:
                return read.stop(at + 1)
            said = _TAGS.sub("", head[2])
            first, _, rest = said.partition(" ")
            read.note(at + 1, len(head[1]), rest if first in states else said)
        at += 1
    return read


_SECTION = re.compile(
    r"\s*\\(part|chapter|section|subsection|subsubsection)\*?\{([^{}\\%]*)\}\s*(?:\\label\{[^{}]*\}\s*)?"
)
_DEEP = {"part": 1, "chapter": 2, "section": 3, "subsection": 4, "subsubsection": 5}
_MAY_BE = re.compile(r"\\(?:part|chapter|(?:sub){0,2}section)(?![A-Za-z@])")
_ASIDE = re.compile(r".*\\begin\{((?:[A-Za-z]*erbatim|lstlisting|minted|comment|filecontents|alltt)\*?)\}(.*)")
_INLINE = re.compile(r"\\(?:verb|lstinline)(?![A-Za-z])")


def _latex(lines: Sequence[str]) -> _Read:
    read = _Read(len(lines))
    text = [line.rstrip() for line in lines]
    begins = next((at for at, line in enumerate(text) if line == r"\begin{document}"), None)
    if begins is None and any(r"\begin{document}" in line or r"\documentclass" in line for line in text):
        return read.stop(1)
    if any(map(_ASIDE.fullmatch, text[:begins] if begins else ())):
        return read.stop(1)  # It may stand in what is written as it is.
    ends: dict[str, list[int]] = {}
    for number, line in enumerate(text):
        if line.startswith(r"\end{"):
            ends.setdefault(line, []).append(number)
    at = begins or 0
    while at < len(text):
        line = text[at]
        if (aside := _ASIDE.fullmatch(line)) is not None:
            end = _after(ends.get(f"\\end{{{aside[1]}}}", []), at)
            # What is known to end where it seems to: alone on its line, with an option at most.
            if end < 0 or not line.startswith(r"\begin") or any(f"\\end{{{aside[1]}}}" in one for one in text[at:end]):
                return read.stop(at + 1)
            at = end
        elif r"\end{document}" in line:
            return read.stop(at + 1)
        elif (found := _SECTION.fullmatch(line)) is not None:
            read.note(at + 1, _DEEP[found[1]], found[2])
        elif (level := _alone(line)) is not None:
            read.headings.append(Line(at + 1, level, None))
        elif _MAY_BE.search(line if _INLINE.search(line) else line.partition("%")[0]):
            return read.stop(at + 1)
        at += 1
    return read


def _alone(line: str) -> int | None:
    """The level of a heading whose line holds nothing else, with marks in it; None where it may be something else."""
    found = re.match(rf"\s*\\({'|'.join(_DEEP)})(?![A-Za-z@])\*?", line)
    held = braced(line, found.end()) if found and not re.search(r"%|#\d|\\verb", line) else None
    if found is None or held is None or _MAY_BE.search(line, found.end()):
        return None
    return _DEEP[found[1]] if re.fullmatch(r"\s*(?:\\label\{[^{}]*\})?\s*", line[held[1] :]) else None


_READINGS: dict[tuple[str, ...], Callable[[Sequence[str]], _Read]] = {ASCIIDOC: _asciidoc, ORG: _org, LATEX: _latex}
