"""A second reading of PPTX, by `zipfile` and expat alone: what each slide says, letter by letter, and its title.

A slide is not taken apart into shapes: its letters follow each other as they do in the file, and those of its notes,
diagrams and charts behind the place that refers to them.
"""

import io
import posixpath
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from xtr_assets.pipeline.gate.document_letters import glued, parted_at, squeezed
from xtr_assets.pipeline.gate.office_part import root_of
from xtr_assets.pipeline.gate.text_evidence import Row, place_id

Element = ElementTree.Element

# What a presentation may unpack to before it is not looked into here.
_UNPACKED = 256 << 20
# Behind these no word goes on: an end of a line, a paragraph, a cell.
_PARTING = frozenset({"br", "p", "tc"})
# Titles are cut at 200 characters, between words where there are any in the second half.
_CUT_FROM, _CUT_LEAST = 200, 100
_REPEATED = ("dt", "ftr", "hdr", "sldNum")
_UNREADABLE = (
    zipfile.BadZipFile, LookupError, ValueError, SyntaxError, OSError, NotImplementedError, RuntimeError, EOFError,
    StopIteration, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slide:
    """titles : the texts of the places for titles, in order, those that say something; text : all of it."""

    titles: tuple[str, ...]
    text: str


def slides_of(data: bytes) -> list[Slide] | None:
    """The slides of a presentation as they are shown; None for what is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            if sum(part.file_size for part in package.infolist()) > _UNPACKED:
                return None
            return list(_slides(package))
    except _UNREADABLE:
        return None


def slide_faults(path: str, data: bytes, rows: Sequence[Row]) -> Iterator[str]:
    """Whether the rows say what the slides say, no words run together, each under its number and title."""
    slides = slides_of(data)
    if slides is None:
        yield "it has rows, and is no presentation"
        return
    held: dict[int, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: int(row["part"])):
        held[row["start_line"]].append(row)
    if strange := [number for number in held if not 1 <= number <= len(slides)]:
        yield f"slide {min(strange)} of {len(slides)}"
    seen: Counter[str] = Counter()
    for number, slide in enumerate(slides, 1):
        own, letters = held[number], _letters(slide.text)
        if letters != "".join(_letters(row["text"]) for row in own):
            yield f"slide {number} says {len(letters)} letters, its {len(own)} rows say others"
            continue
        yield from glued(parted_at([slide.text]), [row["text"] for row in own], squeezed(slide.text))
        if not own:
            continue
        symbol = own[0]["symbol"]
        if not _is_called(symbol, slide, number):
            yield f"slide {number} is called {symbol!r:.80}, its titles are {list(slide.titles)!r:.80}"
        title = symbol if slide.titles else ""
        for part, row in enumerate(own):
            columns = (row["kind"], row["symbol"], row["title"], row["metadata"], row["end_line"], row["part"])
            if columns != ("slide", symbol, title, "{}", number, part):
                yield f"slide {number} part {part}: its columns are {columns}"
            if row["chunk_id"] != place_id(row["source"], path, symbol, seen[symbol], row["part"]):
                yield f"slide {number} part {part}: chunk_id {row['chunk_id']} is another place's"
        seen[symbol] += 1


def _is_called(symbol: str, slide: Slide, number: int) -> bool:
    if not slide.titles:
        return symbol == f"slide {number}"
    title, called = _letters(slide.titles[0]), _letters(symbol)
    return title == called or (title.startswith(called) and _CUT_LEAST < len(symbol) <= _CUT_FROM)


def _letters(text: str) -> str:
    return "".join(text.split())


def _slides(package: zipfile.ZipFile) -> Iterator[Slide]:
    main = next(name for kind, name in _relations(package, "").values() if kind.endswith("/officeDocument"))
    by_id = _relations(package, main)
    presentation = _root(package, main)
    if _local(presentation) != "presentation":
        raise ValueError("another kind of document")
    for one in presentation.iterfind("{*}sldIdLst/{*}sldId"):
        name = by_id[_reference(one, "id")][1]
        relations, root = _relations(package, name), _root(package, name)
        notes = [_root(package, target) for kind, target in relations.values() if kind.endswith("/notesSlide")]
        bodies = [body for note in notes for body in _placed(note, "body")]
        said = [*_said(package, relations, root), *(text for body in bodies for text in _plain(body))]
        titles = ["".join(_plain(shape)) for shape in _placed(root, "title", "ctrTitle")]
        yield Slide(tuple(one for one in titles if one.strip()), "".join(said))


def _said(package: zipfile.ZipFile, relations: Mapping[str, tuple[str, str]], element: Element) -> Iterator[str]:
    """The letters below an element, and of the parts that it refers to."""
    name = _local(element)
    if _is_hidden(element) or (name == "sp" and _place(element) in _REPEATED):
        return
    if name == "t":
        yield element.text or ""
    for child in element:
        yield from _said(package, relations, child)
    if name in _PARTING:
        yield " "
    wanted = {"relIds": "dm", "chart": "id"}.get(name)
    if wanted and (target := relations.get(_reference(element, wanted))):
        yield from _plain(_root(package, target[1]))


def _plain(element: Element) -> Iterator[str]:
    """The letters below an element: of paragraphs, and of what a chart names."""
    if _is_hidden(element):
        return
    if _local(element) == "t":
        yield element.text or ""
    if _local(element) in ("strCache", "multiLvlStrCache"):
        yield from (f"{one.text or ''} " for one in element.iter() if _local(one) == "v")
    for child in element:
        yield from _plain(child)
    if _local(element) in _PARTING:
        yield " "


def _placed(root: Element, *kinds: str) -> Iterator[Element]:
    """The shapes that hold the place of one of these."""
    if _local(root) == "Fallback":
        return
    if _local(root) == "sp" and _place(root) in kinds:
        yield root
    for child in root:
        yield from _placed(child, *kinds)


def _is_hidden(element: Element) -> bool:
    """The second form of something, and the number or date that a program puts in."""
    field = element.get("type", "") if _local(element) == "fld" else ""
    return _local(element) == "Fallback" or field.startswith(("slidenum", "datetime"))


def _place(shape: Element) -> str:
    """What a shape holds the place of."""
    return next((one.get("type", "obj") for one in shape.iter() if _local(one) == "ph"), "")


def _relations(package: zipfile.ZipFile, name: str) -> dict[str, tuple[str, str]]:
    """By id, the kind and the name of what a part refers to; "" is the package."""
    folder, own = posixpath.split(name)
    beside = posixpath.join(folder, "_rels", f"{own}.rels")
    if beside not in package.namelist():
        return {}
    return {
        one.get("Id", ""): (
            one.get("Type", ""),
            posixpath.normpath(posixpath.join("/", folder, one.get("Target", ""))).lstrip("/"),
        )
        for one in _root(package, beside)
        if one.get("TargetMode") != "External"
    }


def _root(package: zipfile.ZipFile, name: str) -> Element:
    return root_of(package.read(name))


def _reference(element: Element, name: str) -> str:
    """An id of a relation, in either form of the standard."""
    return next((value for key, value in element.items() if key.endswith(f"/relationships}}{name}")), "")


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
