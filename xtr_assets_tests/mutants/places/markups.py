"""Faults between AsciiDoc, Org or LaTeX and their sections: headings, what stands above them, blocks, words."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from xtr_assets.core.chunking.headings import Heading
from xtr_assets.core.chunking.line_spans import Lines
from xtr_assets_tests.mutants.fault import FULL, Mutant, Plant, Run, locally, replaced
from xtr_assets_tests.mutants.places.settings import rows

AGREES = frozenset({"source_agrees"})
PLACE = "markup"
STYLES = ("asciidoc", "org", "latex")
ENDS = (".adoc", ".org", ".tex")


def outlines(alter: Callable[[Any], Sequence[Heading]], *styles: str) -> Plant:
    """The headings of some styles are altered, or of all three."""

    def make(original: Any) -> Any:
        def altered(read: Any) -> Any:
            def outline(lines: Lines) -> Any:
                found = read(lines)
                return replace(found, headings=tuple(alter(found.headings)))

            return outline

        return {**original, **{style: altered(original[style]) for style in styles or STYLES}}

    return locally("core.chunking.text", "_OUTLINES", make)


def lines_of(style: str, alter: Callable[[str], str]) -> Plant:
    """The lines that one style is outlined by are altered; the text of chunks is as it stands."""

    def make(original: Any) -> Any:
        return {**original, style: lambda lines: original[style](Lines("\n".join(map(alter, lines.lines))))}

    return locally("core.chunking.text", "_OUTLINES", make)


def whole_text(style: str, alter: Callable[[str], str]) -> Plant:
    def make(original: Any) -> Any:
        return {**original, style: lambda lines: original[style](Lines(alter("\n".join(lines.lines))))}

    return locally("core.chunking.text", "_OUTLINES", make)


def _titles(alter: Callable[[str], str]) -> Callable[[Any], Any]:
    return lambda headings: [replace(one, title=alter(one.title)) for one in headings]


def _of_next(headings: Any) -> Any:
    return [
        replace(one, title=other.title) for one, other in zip(headings, (*headings[1:], *headings[:1]), strict=True)
    ]


def _level(step: int) -> Callable[[Any], Any]:
    return lambda headings: [replace(one, level=max(1, one.level + step * (at % 2))) for at, one in enumerate(headings)]


def _plain_first(read: Any, sign: str) -> Any:
    """A section begins with the line of its heading."""

    def outline(lines: Lines) -> Any:
        found = read(lines)
        held = []
        for one in found.headings:
            own = range(one.first, one.last + 1)
            held.append(replace(one, first=next((at for at in own if lines.lines[at - 1].startswith(sign)), one.first)))
        return replace(found, headings=tuple(held))

    return outline


def _mutant(
    name: str, plant: Plant, runs: tuple[Run, ...] = FULL, also: frozenset[str] = frozenset(), equivalent: str = ""
) -> Mutant:
    return Mutant(name, PLACE, plant, AGREES | also, runs, files="kinds", equivalent=equivalent)


MUTANTS = (
    _mutant(
        "sections below the second level are merged", outlines(lambda found: [one for one in found if one.level < 3])
    ),
    _mutant("the last section is merged", outlines(lambda found: found[:-1])),
    _mutant("the first heading is a paragraph", outlines(lambda found: found[1:])),
    _mutant("a section is called as the next", outlines(_of_next)),
    _mutant("all headings are of one level", outlines(lambda found: [replace(one, level=1) for one in found])),
    _mutant("each second heading is a level too deep", outlines(_level(1))),
    _mutant("each second heading is a level too high", outlines(_level(-1))),
    _mutant(
        "a heading belongs to the section above",
        outlines(lambda found: [replace(one, first=one.first + 1, last=max(one.last, one.first + 1)) for one in found]),
    ),
    _mutant(
        "what stands above a heading stays with the section above",
        outlines(
            lambda found: [replace(one, first=one.last if one.last == one.first + 1 else one.first) for one in found]
        ),
    ),
    _mutant(
        "anchors and comments belong to the section above",
        locally(
            "core.chunking.text",
            "_OUTLINES",
            lambda original: {
                **original,
                "asciidoc": _plain_first(original["asciidoc"], "="),
                "latex": _plain_first(original["latex"], "\\"),
            },
        ),
    ),
    _mutant(
        "a section begins with a heading that is none",
        lines_of("asciidoc", lambda line: "" if line == "----" else line),
    ),
    _mutant("code of Org holds headings", lines_of("org", lambda line: line.replace("#+begin_src", "#+begin"))),
    _mutant(
        "what stands as it is written holds sections",
        lines_of("latex", lambda line: line.replace("{verbatim}", "{quote}")),
    ),
    _mutant(
        "states of Org are words of a title",
        replaced("core.chunking.org:_bare", lambda _: lambda headline, states: headline.strip()),
    ),
    _mutant("tags of Org are words of a title", locally("core.chunking.org", "_TAGS", lambda _: re.compile("(?!)"))),
    _mutant(
        "a drawer begins the text",
        replaced("core.chunking.org:_behind_drawers", lambda _: lambda text, at: at),
        equivalent="a section begins with its heading",
    ),
    _mutant("starred sections are none", whole_text("latex", lambda text: text.replace("section*", "paragraph "))),
    _mutant(
        "subsections of LaTeX are none", whole_text("latex", lambda text: text.replace("\\subsection", "\\paragraphs"))
    ),
    _mutant("chapters of LaTeX are none", whole_text("latex", lambda text: text.replace("\\chapter{", "\\chapters "))),
    _mutant("titles are cut after two words", outlines(_titles(lambda title: " ".join(title.split()[:2])))),
    _mutant("titles lose their last letter", outlines(_titles(lambda title: title[:-1]))),
    _mutant("titles are written in small letters", outlines(_titles(str.lower))),
    _mutant("titles are written in capitals", outlines(_titles(str.upper))),
    _mutant(
        "titles lose letters beyond ASCII", outlines(_titles(lambda title: title.encode("ascii", "ignore").decode()))
    ),
    _mutant(
        "titles are those of sections alone",
        rows(lambda found: [replace(one, title=one.title.rpartition(" > ")[2]) for one in found], *ENDS),
    ),
    _mutant("sections have no titles", rows(lambda found: [replace(one, title="") for one in found], *ENDS)),
    _mutant(
        "the last line of a section is lost",
        rows(
            lambda found: [
                replace(one, text=one.text.rpartition("\n")[0], end_line=one.end_line - 1) if "\n" in one.text else one
                for one in found
            ],
            *ENDS,
        ),
    ),
    _mutant(
        "items of lists in markup are lost",
        rows(
            lambda found: [
                replace(
                    one,
                    text="\n".join(
                        line for line in one.text.split("\n") if not line.startswith(("- ", "* two", "\\item"))
                    ),
                )
                for one in found
            ],
            *ENDS,
        ),
    ),
    _mutant(
        "comments in markup are lost",
        rows(
            lambda found: [
                replace(one, text="\n".join(line for line in one.text.split("\n") if not line.startswith(("//", "%"))))
                for one in found
            ],
            *ENDS,
        ),
    ),
    _mutant(
        "markup is plain text",
        locally(
            "sources.text_tree",
            "STYLES",
            lambda original: {one: style for one, style in original.items() if one not in ENDS},
        ),
    ),
    _mutant(
        "Org is read as AsciiDoc",
        locally("sources.text_tree", "STYLES", lambda original: {**original, ".org": "asciidoc"}),
    ),
    _mutant(
        "markup is read as Markdown",
        locally("sources.text_tree", "STYLES", lambda original: {**original, **dict.fromkeys(ENDS, "markdown")}),
    ),
)
