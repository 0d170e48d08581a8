"""What a presentation says, slide by slide: the texts of its shapes in their order, and the notes of the speaker.

Read by its parts: slides in the order in which they are shown, hidden ones too; of a slide its shapes, those of groups,
tables, diagrams (SmartArt) and the words of charts, in the order of the file. What a layout or a master shows stands
on no slide; date, number and footer, which stand on each, are left out, and so are comments.
"""

from collections.abc import Iterator, Mapping

from lxml import etree

from xtr_assets.core.chunking.blocks import Block, DocumentRefused
from xtr_assets.core.chunking.office_package import Package, read_package, text_of

MAX_SLIDES = 10_000
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
# Those of ISO's strict form.
_STRICT = "{http://purl.oclc.org/ooxml/officeDocument/relationships}"
_TITLES = frozenset({"title", "ctrTitle"})
_ON_EACH = frozenset({"dt", "ftr", "hdr", "sldNum"})
# The second form of a shape for old programs.
_FALLBACK = "Fallback"
# What a chart keeps of names of series and categories; of several levels these may be.
_NAMES = frozenset({"strCache", "multiLvlStrCache"})


def pptx_slides(data: bytes) -> list[Block]:
    """The texts of each slide; places are numbers of slides, the title of a slide has level 1. Raises
    DocumentRefused."""
    return read_package(data, "presentation", "PPTX", "presentation program", _blocks)


def _blocks(package: Package) -> list[Block]:
    main = package.main
    related = package.related(main)
    presentation = package.part(main)
    if _name(presentation) != "presentation":
        raise ValueError(f"its main part is a {_name(presentation)}")
    # The sections that slides are put in have elements of this name too.
    lists = [one for one in presentation if _name(one) == "sldIdLst"]
    listed = [one for held in lists for one in held if _name(one) == "sldId"]
    if len(listed) > MAX_SLIDES:
        detail = f"{len(listed):,} slides, {MAX_SLIDES:,} are allowed; split or exclude the file"
        raise DocumentRefused("beyond-limits", detail)
    found = [
        Block(number, number, level, text)
        for number, one in enumerate(listed, 1)
        for level, text in _slide(package, related[_reference(one, "id")][1])
    ]
    if not found:
        detail = f"no text on its {len(listed)} slides, and pictures are not read: recognize their text, or exclude it"
        raise DocumentRefused("no-text", detail)
    return found


def _slide(package: Package, name: str) -> Iterator[tuple[int, str]]:
    """(1 for the title, else 0; text) of each shape, and of the notes."""
    titled = False
    related = package.related(name)
    for shape in _shapes(package.part(name)):
        kind = _placeholder(shape)
        text = "" if kind in _ON_EACH else _shape_text(package, related, shape)
        if not text:
            continue
        first = kind in _TITLES and not titled
        titled |= first
        yield int(first), text
    for kind, notes in related.values():
        if kind == "notesSlide":
            bodies = (one for one in _shapes(package.part(notes)) if _placeholder(one) == "body")
            yield from ((0, text) for one in bodies if (text := _text_of(one)))


def _shapes(root: etree._Element) -> Iterator[etree._Element]:
    """Shapes and frames in the order of the file, those of groups in their place."""
    walk = etree.iterwalk(root, events=("start",))
    for _, element in walk:
        name = _name(element)
        if name == _FALLBACK:
            walk.skip_subtree()
        elif name in ("sp", "graphicFrame", "cxnSp", "pic"):
            yield element
            walk.skip_subtree()


def _placeholder(shape: etree._Element) -> str:
    """What a shape holds the place of: "title", "body", "ftr"...; "" where it is none, or no shape but a frame."""
    within = shape.iter() if _name(shape) == "sp" else ()
    found = next((one for one in within if _name(one) == "ph"), None)
    return "" if found is None else str(found.get("type", "obj"))


def _shape_text(package: Package, related: Mapping[str, tuple[str, str]], shape: etree._Element) -> str:
    """What stands in a shape: its paragraphs, the rows of its tables, and what its frame refers to."""
    said = [_text_of(shape)]
    walk = etree.iterwalk(shape, events=("start",))
    for _, element in walk:
        if _name(element) == _FALLBACK:
            walk.skip_subtree()
        reference = {"relIds": "dm", "chart": "id"}.get(_name(element))
        target = related.get(_reference(element, reference)) if reference else None
        if target is not None:
            said.append(_text_of(package.part(target[1])))
    return "\n".join(filter(None, said))


def _text_of(root: etree._Element) -> str:
    """Paragraphs a line each; the cells of a row behind each other."""
    lines: list[str] = []
    walk = etree.iterwalk(root, events=("start",))
    for _, element in walk:
        name = _name(element)
        if name == _FALLBACK:
            walk.skip_subtree()
        elif name == "tr":
            cells = (cell for cell in element if _name(cell) == "tc")
            lines.append("\t".join(" ".join(_text_of(cell).split()) for cell in cells).strip())
            walk.skip_subtree()
        elif name in _NAMES:
            lines.append(" ".join(text_of(one) for one in element.iter() if _name(one) == "v").strip())
            walk.skip_subtree()
        elif name == "p" and _is_drawn(element):
            lines.append(_said(element).strip())
            walk.skip_subtree()
    return "\n".join(filter(None, lines))


def _said(paragraph: etree._Element) -> str:
    said: list[str] = []
    walk = etree.iterwalk(paragraph, events=("start",))
    for _, element in walk:
        name = _name(element)
        if name == _FALLBACK or (name == "fld" and element.get("type", "").startswith(("slidenum", "datetime"))):
            walk.skip_subtree()
        elif name == "t":
            said.append(text_of(element))
        elif name == "br":
            said.append("\n")
    return "".join(said)


def _is_drawn(element: etree._Element) -> bool:
    return "drawingml" in str(etree.QName(element).namespace)


def _reference(element: etree._Element, name: str) -> str:
    return str(element.get(f"{_RELATION}{name}") or element.get(f"{_STRICT}{name}") or "")


def _name(element: etree._Element) -> str:
    """The name without its namespace; "" of a comment."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""
